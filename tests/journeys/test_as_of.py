"""An order as of a moment: what its page says later is what it said then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from finance.models import LedgerEntry
from fulfilment.models import Order
from integrator.models import JobState
from tests.journeys.causes import CAUSES
from tests.journeys.causing import SKU, STOCKS
from tests.story import Row, Stage

pytestmark = pytest.mark.requirement("R040")

ENDED = (JobState.DONE, JobState.CANCELLED)
Picture = dict[str, Any]


class Album:
    """Pictures of orders at moments of a story: what their pages said, from the rows of then."""

    def __init__(self, stage: Stage, *orders: Row) -> None:
        self.stage, self.orders = stage, orders
        self.taken: list[tuple[Order, datetime, Picture]] = []
        self.client = Client()
        self.client.force_login(stage.carla)

    def take(self) -> None:
        """Now, and then a second passes, so that nothing later bears the same moment."""
        for row in self.orders:
            order = self.stage.order(row)
            self.taken.append((order, self.stage.now(), self.now(order)))
        self.stage.clock.shift(1)

    def now(self, order: Order) -> Picture:
        page = self.client.get(f"/orders/{order.pk}/").context
        units = [unit.item for panel in page["returns"] for unit in panel["units"]]
        verdicts = [unit.verdict for panel in page["returns"] for unit in panel["units"]]
        places: dict[int, str] = {one.return_item_id: one.to_bucket for one in page["movements"]}
        return {
            "status": page["order"].get_status_display(),
            "units": [
                (item.pk, item.get_custody_display(), item.get_money_display(), verdict)
                for item, verdict in zip(units, verdicts, strict=True)
            ],
            "places": {pk: place for pk, place in places.items() if place},
            "refunds": [(one.refund.pk, one.state) for one in page["refunds"]],
            "exchanges": [(one.row.pk, one.row.get_status_display()) for one in page["exchanges"]],
            "cases": sorted(case.pk for case, _, _ in page["cases"]),
            "steps": sorted(one.job.pk for one in page["open_steps"]),
            "books": books(order),
        }

    def then(self, order: Order, at: datetime) -> Picture:
        answer = self.client.get(f"/orders/{order.pk}/", {"as_of": at.isoformat()})
        assert answer.status_code == 200
        page, then = answer.context, answer.context["then"]
        return {
            "status": page["status"],
            "units": [
                (one.item.pk, custody, money, verdict)
                for one, custody, money, verdict, _ in page["units"]
            ],
            "places": {one.item.pk: one.bucket for one in then.units if one.bucket},
            "refunds": [(row.pk, label) for row, _, label in page["refunds"]],
            "exchanges": [(row.pk, label) for row, _, label in page["exchanges"]],
            "cases": sorted(case.pk for case in then.cases),
            "steps": sorted(job.pk for job in then.steps),
            "books": {
                (currency, account): amount
                for currency, accounts in then.balances.items()
                for account, amount in accounts.items()
            },
        }


def books(order: Order) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for one in LedgerEntry.objects.filter(order_id=order.pk):
        for account, sign in ((one.from_account, -1), (one.to_account, 1)):
            key = (one.currency, account)
            sums[key] = sums.get(key, 0) + sign * one.amount_minor
    return {key: amount for key, amount in sums.items() if amount}


def compared(album: Album) -> set[str]:
    """Every picture against the page as of its moment; what was on some picture at all."""
    shown = set()
    for order, at, then in album.taken:
        assert album.then(order, at) == then, at
        shown |= {name for name, value in then.items() if value}
    return shown


def test_a_whole_return_is_told_at_each_moment_as_it_was_told_then(stage: Stage) -> None:
    order = stage.sold(SKU, "TEE-BLK-L")
    album = Album(stage, order)
    album.take()
    rma = stage.shopper_returns(order)
    album.take()
    stage.approves(rma)
    album.take()
    stage.hands_in(rma)
    stage.arrives(rma)
    album.take()
    stage.breaks("scayle", STOCKS, "error", status=503)
    stage.checks_only(rma, 0)
    for _ in range(5):
        stage.tick_and_work()
        album.take()
        stage.passes(minutes=1)
        album.take()
    stage.mended()
    stage.checks_only(rma, 1)
    stage.passes(hours=1, step=20)
    album.take()

    shown = compared(album)

    assert {"units", "places", "refunds", "steps", "books"} <= shown


@pytest.mark.parametrize("kind", ["REFUND_REFUSED", "EXCHANGE_RELEASE_BY_HAND", "GOODWILL"])
def test_exceptions_and_replacements_too(kind: str, stage: Stage) -> None:
    CAUSES[kind](stage)
    order = Order.objects.get(pk=stage.case(kind).order_id)
    album = Album(stage, {"id": order.external_id})
    album.take()
    stage.passes(minutes=30, step=10)
    album.take()

    assert "cases" in compared(album)


def test_a_return_whose_order_was_found_later_is_not_on_the_page_before(stage: Stage) -> None:
    story = CAUSES["RETURN_ORDER_UNKNOWN"](stage)
    album = Album(stage, story.order)
    album.take()
    number = story.order["public_key"]
    case = stage.case("RETURN_ORDER_UNKNOWN")
    stage.decide(case, "match_return", by=stage.carla, data={"order_number": number})
    album.take()

    compared(album)
    assert album.taken[0][2]["units"] == [] and album.taken[-1][2]["units"] != []


# --- The page -------------------------------------------------------------------------------------


def test_the_page_says_of_when_it_is_and_leads_back_and_along(stage: Stage) -> None:
    order = stage.sold(SKU)
    pk, sold_at = stage.order(order).pk, stage.now()
    stage.clock.shift(60)
    stage.shopper_returns(order)
    client = Client()
    client.force_login(stage.carla)

    answer = client.get(f"/orders/{pk}/", {"as_of": sold_at.isoformat()})
    html = answer.content.decode()

    assert "as known on 2 Mar 10:0" in html  # Berlin's clock
    assert f'href="/orders/{pk}/">Back to now' in html
    assert "No unit was coming back." in html
    later = client.get(f"/orders/{pk}/{answer.context['later']}")
    assert later.context["units"] != []
    before = client.get(f"/orders/{pk}/", {"as_of": "2026-03-02T08:00"})
    assert "We learnt of this order later" in before.content.decode()
    assert "Lena" not in html and stage.order(order).customer.email not in html


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "Choose a day and a time"),
        ("soon", "Choose a day and a time"),
        ("0001-01-01T00:00+14:00", "Choose a day and a time"),
        ("2030-01-01T00:00", "Choose a moment that is over"),
    ],
)
def test_a_moment_that_cannot_be_is_said_to_be_so(typed: str, says: str, stage: Stage) -> None:
    pk = stage.order(stage.sold(SKU)).pk
    client = Client()
    client.force_login(stage.carla)

    answer = client.get(f"/orders/{pk}/", {"as_of": typed})

    assert answer.status_code == 200
    assert says in answer.content.decode() and "then" not in answer.context
    assert 'aria-invalid="true"' in answer.content.decode()


def test_it_asks_no_more_the_more_there_is(
    stage: Stage, django_assert_max_num_queries: Any
) -> None:
    order = stage.sold(SKU, "TEE-BLK-L")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.clock.shift(timedelta(hours=1).total_seconds())
    client = Client()
    client.force_login(stage.carla)
    client.get("/orders/")

    with django_assert_max_num_queries(15):
        client.get(f"/orders/{stage.order(order).pk}/", {"as_of": stage.now().isoformat()})
