"""Somebody does not trust what the page says: they have it read again, and hear what changed."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import Client as Browser
from django.urls import reverse

from integrator.desk import directory
from integrator.engine import connections, limits
from integrator.flows import ROUTES
from integrator.flows.read_again import READ_BY
from integrator.models import Case, Connection, Job, Message, RateWindow
from tests.journeys.causes import CAUSES
from tests.journeys.causes_in_returns import not_in_parcel
from tests.journeys.causing import ORDER, SKU
from tests.story import Row, Stage


def page(stage: Stage, path: str, by: str = "carla") -> str:
    directory.forget()
    browser = Browser()
    browser.force_login(stage.people[by])
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def reading(stage: Stage, anchor: str, path: str, by: str = "carla") -> str:
    """The words around the button of one record."""
    html = page(stage, path, by)
    part = re.split(
        r'<(?:div class="cols|/section|p class="back)', html.split(f'id="{anchor}"')[1]
    )[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", part)))


def of_order(stage: Stage, order: Row) -> str:
    pk = stage.order(order).pk
    return reading(stage, f"read-order-{pk}", f"/orders/{pk}/")


def of_return(stage: Stage, rma: Row) -> str:
    found = stage.returned(rma)
    return reading(stage, f"read-return-{found.pk}", f"/orders/{found.order_id}/")


def made_at(html: str, action: str) -> str:
    """What the form of a page carries of its own age."""
    found = re.search(rf'action="{action}".*?name="shown" value="([^"]+)"', html, re.DOTALL)
    assert found is not None, action
    return found[1]


def presses(stage: Stage, name: str, pk: int, by: User, *, shown: str = "") -> str:
    """Press the button, and where the browser is sent."""
    answer = stage.posts(by, name, pk, shown=shown)
    assert answer.status_code == 302
    return str(answer["Location"])


def reads(stage: Stage, path: str) -> int:
    return stage.calls("GET").count(f"GET {path}")


def test_an_order_is_read_again_and_the_page_says_what_changed(stage: Stage) -> None:
    order = stage.shop_sells(SKU)
    stage.settle()
    stage.ships(order)  # the callback is still on its way
    pk = stage.order(order).pk
    before = len(stage.wire.calls)

    assert presses(stage, "order_read", pk, stage.carla) == f"/orders/{pk}/#read-order-{pk}"
    assert len(stage.wire.calls) == before, "nobody is called while somebody waits for a page"
    assert "SCAYLE is asked in a moment" in of_order(stage, order)

    stage.work()

    said = of_order(stage, order)
    assert "fields changed, read at 10:00" in said
    assert re.search(r"Order – not kept there Placed → \w+", said)
    assert re.search(rf"{SKU} \(\d+\) \w+ → \w+ Open → Shipped", said)
    assert "Refunded" not in said, "what is as it was is left out"
    assert "A person asked to read it again from SCAYLE" in page(stage, f"/orders/{pk}/")


def test_where_nothing_changed_the_page_says_when_it_was_read(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.clock.shift(240)

    presses(stage, "order_read", stage.order(order).pk, stage.carla)
    stage.work()

    assert "Nothing changed, read at 10:04" in of_order(stage, order)
    stage.passes(days=1, minutes=5, step=300)
    assert "read at" not in of_order(stage, order), "by now it is history"


def test_a_return_is_read_again_in_both_systems_words(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    stage.hands_in(rma)
    stage.act("returngo", "receive", rma_id=rma["id"])
    stage.checks_only(rma)  # ReturnGO never tells of a verdict

    presses(stage, "return_read", stage.returned(rma).pk, stage.omar)
    stage.work()

    said = of_return(stage, rma)
    assert "ReturnGO says Ours" in said
    assert re.search(r"Return Approved → \w+ On its way → Checked", said)
    assert re.search(r"verdict – not kept there not checked → May be sold again", said)


@pytest.mark.parametrize("kind", ["order", "return"])
def test_pressing_twice_makes_one_reading(kind: str, stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    pk = stage.order(order).pk if kind == "order" else stage.returned(rma).pk
    path = (
        ORDER.partition(" ")[2].format(order=order["id"])
        if kind == "order"
        else f"/rma/{rma['id']}"
    )
    action = reverse(f"{kind}_read", args=[pk])
    shown = made_at(page(stage, f"/orders/{stage.order(order).pk}/"), action)
    before = reads(stage, path)

    presses(stage, f"{kind}_read", pk, stage.carla, shown=shown)
    presses(stage, f"{kind}_read", pk, stage.omar, shown=shown)
    stage.work()
    presses(stage, f"{kind}_read", pk, stage.carla, shown=shown)  # a page that is old by now
    stage.work()

    assert reads(stage, path) == before + 1
    assert Message.objects.filter(kind="asked-again").count() == 1

    shown = made_at(page(stage, f"/orders/{stage.order(order).pk}/"), action)
    presses(stage, f"{kind}_read", pk, stage.carla, shown=shown)
    stage.work()
    assert reads(stage, path) == before + 2, "who saw the answer may ask again"


def test_a_second_press_while_it_waits_is_told_so(stage: Stage) -> None:
    order = stage.sold(SKU)
    pk = stage.order(order).pk
    stage.breaks("scayle", ORDER, "error", status=503)
    presses(stage, "order_read", pk, stage.carla)
    stage.work()
    stage.clock.shift(1)

    presses(stage, "order_read", pk, stage.carla)

    browser = stage.browsers[stage.carla.pk]
    assert "It is being read already" in browser.get(f"/orders/{pk}/").content.decode()
    assert Message.objects.filter(kind="asked-again").count() == 1


def test_when_the_calls_of_the_day_are_used_up_it_says_when_it_is_read(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    kept = stage.connection("returngo").settings | {"daily_call_limit": 2000}
    Connection.objects.filter(platform="returngo").update(settings=kept)
    RateWindow.objects.filter(scope="day").update(limit=2000, remaining=500)
    limits.forget()

    presses(stage, "return_read", stage.returned(rma).pk, stage.carla)
    stage.work()

    said = of_return(stage, rma)
    assert "Today's calls to ReturnGO are used up. It is read at Tue 3 Mar 01:00" in said

    stage.passes(hours=16, step=240)
    assert re.search(r"(Nothing|fields?) changed, read at ", of_return(stage, rma))


def test_when_the_platform_is_down_or_paused_it_says_so(stage: Stage) -> None:
    order = stage.sold(SKU)
    pk = stage.order(order).pk
    stage.breaks("scayle", ORDER, "error", status=503)
    presses(stage, "order_read", pk, stage.carla)
    stage.work()
    assert re.search(
        r"SCAYLE gave no answer we could use \(\d+ tr.*The next try is at \d",
        (of_order(stage, order)),
    )

    stage.mended()
    scayle = stage.connection("scayle")
    connections.pause(scayle, trace=stage.trace("ada"), reason="they move house")
    assert "SCAYLE is paused" in of_order(stage, order)

    scayle.refresh_from_db()
    connections.resume(scayle, trace=stage.trace("ada"), reason="they are done")
    stage.passes(minutes=10)
    assert "Nothing changed" in of_order(stage, order)


def test_what_cannot_be_read_leads_to_a_case(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.breaks("scayle", ORDER, "missing_field", field="items")

    presses(stage, "order_read", stage.order(order).pk, stage.carla)
    stage.work()

    assert "It could not be read. A case says why." in of_order(stage, order)
    assert stage.open_cases() == ["ORDER_NOT_READ"]


def test_a_case_about_a_return_has_the_button_and_keeps_its_page(stage: Stage) -> None:
    CAUSES["UNIT_RETURNED_TWICE"](stage)
    case = stage.case("UNIT_RETURNED_TWICE")
    html = page(stage, f"/cases/{case.pk}/")
    pk = int(re.findall(r'action="/returns/(\d+)/read/"', html)[0])

    answer = stage.posts(stage.carla, "return_read", pk, next=f"/cases/{case.pk}/")

    assert answer["Location"] == f"/cases/{case.pk}/#read-return-{pk}"
    stage.work()
    assert "Nothing changed, read at" in reading(stage, f"read-return-{pk}", f"/cases/{case.pk}/")


def test_looking_again_is_not_saying_that_something_was_mended(stage: Stage) -> None:
    """What a person closed stays closed: the same reading would find it every time."""
    not_in_parcel(stage)
    case = stage.case("NOT_IN_PARCEL")
    stage.decide(case, "not_an_error", by=stage.carla)
    assert Case.objects.get(pk=case.pk).state == "SOLVED"
    html = page(stage, f"/cases/{case.pk}/")

    presses(stage, "return_read", int(re.findall(r'"/returns/(\d+)/read/"', html)[0]), stage.omar)
    stage.work()

    assert Case.objects.get(pk=case.pk).state == "SOLVED"


def test_every_kind_of_record_that_is_asked_for_is_read_by_a_flow() -> None:
    for kind, (topic, flow) in READ_BY.items():
        routes = [key for key in ROUTES if key.startswith("heard:") and key.endswith(f":{topic}")]
        assert routes, kind
        for key in routes:
            assert flow in [one.name for one in ROUTES[key]], key


def test_who_only_looks_has_no_button(stage: Stage) -> None:
    order = stage.sold(SKU)
    path = f"/orders/{stage.order(order).pk}/"

    assert "Read again" not in page(stage, path, by="conrad")
    with pytest.raises(PermissionDenied):
        stage.posts(stage.conrad, "order_read", stage.order(order).pk)
    assert not Job.objects.filter(actor="user:conrad").exists()
