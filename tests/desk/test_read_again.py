"""Two people press at the same moment: the record's row lets one ask, and the other is told."""

from __future__ import annotations

import threading
import time
from datetime import datetime

import pytest
from django.db import connection as database
from django.db import transaction
from django.test import Client
from django.utils import timezone

from fulfilment.models import Order
from integrator.flows import read_again
from integrator.models import Message
from returns.models import Return
from tests.desk import factories


@pytest.mark.parametrize("kind", ["order", "return"])
def test_who_presses_while_another_asks_waits_and_asks_nothing(kind: str, committed: None) -> None:
    at = timezone.now()
    order = factories.order("100482913", at)
    rma = factories.return_of(order, "RMA1", at)
    model, pk = (Order, order.pk) if kind == "order" else (Return, rma.pk)
    key = (
        (order.connection_id, "order", order.external_id)
        if kind == "order"
        else (rma.connection_id, "rma", rma.external_id)
    )
    client = Client()
    client.force_login(factories.person("omar", "OPERATIONS"))
    answers: list[int] = []

    def press() -> None:
        try:
            answers.append(client.post(f"/{kind}s/{pk}/read/").status_code)
        finally:
            database.close()

    other = threading.Thread(target=press)
    with transaction.atomic():
        model.objects.select_for_update(no_key=True).get(pk=pk)  # type: ignore[attr-defined]
        other.start()
        time.sleep(0.7)
        assert not Message.objects.filter(kind=read_again.ASKED).exists(), "it waits its turn"
        assert read_again.ask(key, shown_at=at, at=timezone.now()) is None
    other.join(timeout=20)

    assert answers == [302]
    assert Message.objects.filter(kind=read_again.ASKED).count() == 1


@pytest.mark.parametrize("shown", ["", "yesterday", "2026-01-01", "2026-13-99T00:00:00+00:00"])
def test_a_form_with_nonsense_in_it_asks_like_a_page_made_now(
    shown: str, db: None, at: datetime
) -> None:
    order = factories.order("100482913", at)
    client = Client()
    client.force_login(factories.person("omar", "OPERATIONS"))

    assert client.post(f"/orders/{order.pk}/read/", {"shown": shown}).status_code == 302
    assert Message.objects.filter(kind=read_again.ASKED).count() == 1


def test_it_leads_back_to_a_page_of_ours_only(db: None, at: datetime) -> None:
    order = factories.order("100482913", at)
    client = Client()
    client.force_login(factories.person("omar", "OPERATIONS"))

    answer = client.post(f"/orders/{order.pk}/read/", {"next": "https://evil.example/"})

    assert answer["Location"] == f"/orders/{order.pk}/#read-order-{order.pk}"


def test_what_is_not_there_cannot_be_read(db: None) -> None:
    client = Client()
    client.force_login(factories.person("omar", "OPERATIONS"))

    assert client.post("/orders/1/read/").status_code == 404
    assert client.post("/returns/1/read/").status_code == 404
