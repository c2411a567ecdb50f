"""How people are told: their own choice, and a summary that says what their queue says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrator.desk import queue_rows
from integrator.engine import approvals, cases, secrets
from integrator.flows import CASE_KINDS, send_digest
from integrator.flows.queue_wanted import Wanted
from integrator.models import AlertChoice, AlertReceiver, Case, CaseState
from tests.desk import factories


def read(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def receiver(name: str, role: str, **values: Any) -> AlertReceiver:
    return AlertReceiver.objects.create(
        retailer=factories.retailer(),
        slug=name.lower(),
        name=name,
        role=role,
        address="https://chat.example/a-secret-path",
        secrets=secrets.seal({"secret": "whsec_"}),
        **values,
    )


def test_a_person_chooses_for_themselves_alone(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    page = as_("fiona").get("/my-alerts/").content.decode()
    assert re.search(r'value="DIGEST" checked', page)

    answer = as_("fiona").post(
        "/my-alerts/save/", {"when": "AT_ONCE", "person": people["frank"].pk}
    )

    assert (answer.status_code, answer["Location"]) == (302, "/my-alerts/")
    assert list(AlertChoice.objects.values_list("person__username", "when")) == [
        ("fiona", "AT_ONCE")
    ]
    assert re.search(r'value="AT_ONCE" checked', as_("fiona").get("/my-alerts/").content.decode())


@pytest.mark.parametrize("sent", [{}, {"when": ""}, {"when": "SOMETIMES"}, {"when": "\x00"}])
def test_what_is_no_choice_is_said_and_not_kept(
    as_: Callable[[str], Client], sent: dict[str, str]
) -> None:
    answer = as_("fiona").post("/my-alerts/save/", sent)

    assert answer.status_code == 422
    assert "Choose how you want to be told" in read(answer)
    assert not AlertChoice.objects.exists()


def test_the_page_says_where_mail_goes_and_who_else_is_told(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    receiver("Finance channel", "FINANCE", kinds=["REFUND_REFUSED"])
    receiver("Warehouse channel", "OPERATIONS")
    receiver("Old channel", "FINANCE", is_on=False)
    fiona = as_("fiona")
    assert "No e-mail address is known for you" in read(fiona.get("/my-alerts/"))
    User.objects.filter(username="fiona").update(email="fiona@demo-sport.test")

    with CaptureQueriesContext(database) as asked:
        answer = fiona.get("/my-alerts/")

    said = read(answer)
    assert len(asked) <= 15
    assert "To fiona@demo-sport.test ." in said
    assert "Finance channel Finance 1 kind" in said
    assert "1 system" in said
    assert "Warehouse" not in said
    assert "Old channel" not in said
    assert "a-secret-path" not in answer.content.decode()


def test_people_enter_their_own_address(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    """Nobody does it for them: who could set another's address could sign in as them."""
    fiona = as_("fiona")
    assert 'href="/accounts/email/"' in fiona.get("/my-alerts/").content.decode()
    assert fiona.get("/accounts/email/").status_code == 200

    form = {"action_add": "", "email": "fiona@demo-sport.test"}
    fiona.post("/accounts/email/", form)
    assert User.objects.get(username="fiona").email == ""
    waits = fiona.get("/accounts/email/").content.decode()
    assert "No address of yours counts yet" in waits
    assert "fiona@demo-sport.test</b> counts when you open the link" in waits
    assert "style=" not in waits  # the policy of all pages forbids it
    (letter,) = mail.outbox
    assert letter.to == ["fiona@demo-sport.test"]
    link = re.search(r"/accounts/confirm-email/\S+", str(letter.body))
    assert link
    fiona.post(link[0])

    assert User.objects.get(username="fiona").email == "fiona@demo-sport.test"
    counts = fiona.get("/accounts/email/").content.decode()
    assert (
        'Alerts, and links for a new password, go to <b class="wrap">fiona@demo-sport.test</b>'
        in counts
    )
    assert "counts when you open the link" not in counts


def test_who_has_no_role_has_no_alerts(as_: Callable[[str], Client]) -> None:
    assert as_("nobody").get("/my-alerts/").status_code == 403
    assert Client().get("/my-alerts/").status_code == 302


@pytest.mark.parametrize("role", send_digest.ROLES, ids=str)
def test_a_summary_counts_what_the_queue_counts(
    people: dict[str, User], at: datetime, role: str
) -> None:
    """Every kind once, some lifted, snoozed, solved, late, handed over, or with one cause."""
    for number, code in enumerate(sorted(CASE_KINDS)):
        opened = at - timedelta(days=number % 5)
        record = ("order", number + 1)
        money: dict[str, Any] = {"money_minor": 100 + number, "currency": "EUR"}
        one = factories.case(code, at, record=record, opened_at=opened, **money)
        if CASE_KINDS[code].shared_cause:
            cause = f"shared:{number % 3}"
            factories.case(code, at, record=("order", 900 + number), cause=cause)
            factories.case(code, at, record=("order", 950 + number), cause=cause)
        if number % 7 == 1:
            note = "later"
            cases.snooze(one, until=None, awaiting="WORSE", trace=factories.trace(at), note=note)
        if number % 7 == 2:
            cases.solve(one, resolution="FIXED_HERE", trace=factories.trace(at), reason="done")
    for _ in range(2):
        cases.escalate(CASE_KINDS, trace=factories.trace(at))
    money = {"money_minor": 70_000, "currency": "EUR"}
    factories.case("REFUND_BY_HAND", at, record=("order", 990), **money)  # not lifted: asked only
    handed = factories.case("JOB_FAILED", at, record=("order", 991), **money)
    Case.objects.filter(pk=handed.pk).update(handed_to="CX")
    for case in Case.objects.filter(kind="REFUND_BY_HAND", state=CaseState.OPEN):
        approvals.ask(
            verb="approval.decide",
            record_kind="case",
            record_id=case.pk,
            content={},
            by=people["fiona"],
            trace=factories.trace(at),
        )

    summary = send_digest.summary_of(role, since=at, at=at)

    lines = queue_rows.page_of(Wanted(role, "needs", 0), at=at, size=1_000).rows
    assert summary.needs == len(lines)
    assert summary.overdue == sum(one.due_at <= at for one in lines)
    assert summary.money == {"EUR": sum(one.money_minor or 0 for one in lines)}
    assert summary.oldest[0].opened_at == min(one.opened_at for one in lines)
    assert summary.needs > 0
