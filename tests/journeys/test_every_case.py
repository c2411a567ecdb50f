"""Every kind of case the platforms can cause: it opens, and each of its buttons ends it.

The end is judged by the platforms' own books and by a comparison that finds no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from finance.models import Refund
from integrator import policy
from integrator.desk import directory
from integrator.flows import CASE_KINDS
from integrator.models import Case, CaseState, Cursor
from integrator.roles import Role
from tests.desk.test_budgets import PREVIEW_MAX, STATEMENTS_MAX
from tests.journeys.causes import CAUSES, OTHER, SKU, Story, switch
from tests.story import Stage

# No platform can cause these: a doubt has a kind of its own for every call that writes, and a fact
# that breaks the router is a fault of ours. A broken seal is somebody's work in our own database,
# and what people do by hand is told in test_by_hand.
NOT_FROM_PLATFORMS = {"JOB_IN_DOUBT", "FACT_NOT_ROUTED", "MANY_BY_HAND", "SEAL_BROKEN"}
# Nor a receiver of alerts that does not answer: it is no platform (test_tell_receiver).
NOT_FROM_PLATFORMS |= {"ALERT_NOT_TAKEN"}
# Nor a review of roles that people do not finish (tests/desk/test_reviews).
NOT_FROM_PLATFORMS |= {"ACCESS_REVIEW_OVERDUE"}
TEAM = {
    Role.CX: "carla",
    Role.OPERATIONS: "omar",
    Role.FINANCE: "fiona",
    Role.ADMIN: "ada",
}
End = Callable[[Stage, Story, Case, str], None]


def press(stage: Stage, case: Case, key: str, **data: Any) -> None:
    """The owner presses the button; where four eyes are needed, the controller agrees."""
    owner = getattr(stage, TEAM[Role(case.owner)])
    stage.decide(case, key, by=owner, second=stage.conrad, data=data)


def paid_once(stage: Stage, story: Story) -> None:
    rows = [row for row in stage.refunds_there(story.order) if row["executed"]]
    assert [row["amount"] for row in rows] == [story.order["items"][0]["paid"]]


def done(stage: Stage, story: Story) -> None:
    assert stage.rma_there(story.rma)["status"] == "Done"
    assert stage.returned(story.rma).status == "COMPLETED"


def just_close(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)


def mapped(stage: Stage, story: Story, case: Case, key: str, *, ours: str) -> None:
    press(stage, case, key, ours=ours)
    paid_once(stage, story)
    done(stage, story)
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]


def goes_on(stage: Stage, story: Story, case: Case, key: str) -> None:
    """What stopped is mended: the rest of the return takes its usual way."""
    press(stage, case, key)
    stage.passes(minutes=6, step=3)
    if stage.rma_there(story.rma)["status"] == "Pending":
        stage.approves(story.rma)
        stage.hands_in(story.rma)
        stage.arrives(story.rma)
        stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]


def order_goes_on(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=8, step=4)
    assert stage.order(story.order).paid_minor == story.order["total"]
    story.rma = stage.comes_back(story.order)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)


def read_again(stage: Stage, story: Story, case: Case, key: str) -> None:
    """It is mended in the catalogue: the order is read again, and its returns go their way."""
    stage.act("scayle", "restore_sku", sku=SKU)
    press(stage, case, key)
    comes_back_whole(stage, story)


def one_piece(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.act("scayle", "restore_sku", sku=SKU)
    comes_back_whole(stage, story)


def comes_back_whole(stage: Stage, story: Story) -> None:
    assert not stage.sold_unit(story.order).is_bundle
    story.rma = stage.comes_back(story.order)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)


def priced_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("scayle", "price_sku", sku="HOD-GRY-M", priced=True)
    press(stage, case, key)
    assert stage.shares(story.order) == {"TEE-BLK-M": [2199], "HOD-GRY-M": [5291]}


def equal_parts(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    assert stage.shares(story.order) == {"TEE-BLK-M": [3745], "HOD-GRY-M": [3745]}


def switched_on(stage: Stage, story: Story, case: Case, key: str) -> None:
    switch(stage, "on")
    press(stage, case, key)
    done(stage, story)


def done_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("returngo", "done", rma_id=story.rma["id"])
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    done(stage, story)


def counted_and_missing(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    assert stage.sellable(SKU) == 51
    assert stage.movements(story.rma)[-1] == "RECEIVED>SELLABLE"


def stays_off_sale(stage: Stage, story: Story, case: Case, key: str) -> None:
    before = stage.sellable(SKU)
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    assert stage.sellable(SKU) == before
    assert stage.movements(story.rma)[-1] == "IN_TRANSIT>RECEIVED"
    paid_once(stage, story)


def unit_is(stage: Stage, story: Story, case: Case, key: str, *, way: str) -> None:
    """Operations decides what becomes of a unit that is here; nobody is paid for it."""
    place = {"location": "hamburg"} if key == "quarantine_unit" else {}
    press(stage, case, key, **place)
    assert stage.movements(story.rma)[-1] == way
    assert stage.refunds_there(story.order) == []
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]


def discontinued(stage: Stage, story: Story, case: Case, key: str, **data: str) -> None:
    """The unit leaves the units nobody can buy; the customer had the money all along."""
    press(stage, case, key, **data)
    paid_once(stage, story)
    done(stage, story)
    bucket = {"write_off_unit": "WRITTEN_OFF", "quarantine_unit": "QUARANTINE"}.get(key, "SELLABLE")
    assert stage.movements(story.rma)[-1] == f"RECEIVED>{bucket}"


def sold_again(stage: Stage, story: Story, case: Case, key: str) -> None:
    found = stage.sandbox.world.catalogue.by_sku(SKU)
    assert found is not None
    found[0].state = "live"
    goes_on(stage, story, case, key)


def counted_by_the_shop(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.configure()
    goes_on(stage, story, case, key)


def matched(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, order_number=story.order["public_key"])
    assert stage.returned(story.rma).order == stage.order(story.order)
    goes = {"order": story.order, "rma": story.rma}
    stage.approves(goes["rma"])
    stage.hands_in(goes["rma"])
    stage.arrives(goes["rma"])
    stage.warehouse_checks(goes["rma"])
    paid_once(stage, story)
    done(stage, story)


def cancelled_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("returngo", "cancel", rma_id=story.rma["id"])
    press(stage, case, key)
    assert stage.returned(story.rma).status == "CLOSED"
    assert stage.refunds_there(story.order) == []


def shipped_meanwhile(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.ships(story.order)
    goes_on(stage, story, case, key)


def accepted(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    assert stage.unit(story.rma).blocked_by == ""
    if stage.order_there(story.order)["packages"]:
        stage.approves(story.rma)
        stage.hands_in(story.rma)
        stage.arrives(story.rma)
        stage.warehouse_checks(story.rma)
        paid_once(stage, story)
        done(stage, story)


def right_address(stage: Stage, story: Story, case: Case, key: str) -> None:
    rma = stage.sandbox.world.returngo.rmas[story.rma["id"]]
    rma.address = replace(rma.address, email=story.order["customer_email"])
    goes_on(stage, story, case, key)


def right_price(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.sandbox.world.returngo.rmas[story.rma["id"]].items[0].paid_price -= 2000
    press(stage, case, key)


def wrong_price_explained(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)  # at the shop's price
    done(stage, story)


def checked_after_all(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.checks_only(story.rma)
    goes_on(stage, story, case, key)


def done_again_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    if key == "fixed_there":
        stage.act("returngo", "done", rma_id=story.rma["id"])
    press(stage, case, key)
    if key == "not_an_error":
        stage.act("returngo", "done", rma_id=story.rma["id"])
    stage.passes(minutes=6, step=6)
    paid_once(stage, story)
    done(stage, story)


def paid_outside(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, reference="BANK-9")
    stage.passes(minutes=6, step=3)
    assert Refund.objects.get(status="RECORDED").reference == "BANK-9"
    done(stage, story)


def nothing_paid(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    assert stage.refunds_there(story.order) == []
    assert stage.order(story.order).refunded_minor == 0


def seen_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    """It had arrived after all: the person saw it in the shop before our next look."""
    unit = story.order["items"][0]["id"]
    row = {"returnKey": str(unit), "received": "2026-03-02 09:05:00"}
    headers = {"X-Access-Token": "sandbox-scayle-key"}
    answer = stage.api.post(
        "/scayle/api/admin/v1/fulfillment/return-items", json=[row], headers=headers
    )
    assert answer.status_code == 204
    press(stage, case, key, reference="SEEN-1")
    stage.passes(minutes=6, step=3)
    paid_once(stage, story)
    done(stage, story)


def paid_again_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("scayle", "refund_by_hand", order_id=story.order["id"])
    press(stage, case, key)
    stage.passes(minutes=6, step=3)
    paid_once(stage, story)
    done(stage, story)


def money_seen_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.breaks("scayle", "*", "callback_suppress")
    stage.sandbox.settle()
    stage.mended()
    paid_outside(stage, story, case, key)
    paid_once(stage, story)


def adds_up_again(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, stage.case("ORDER_DOES_NOT_ADD_UP"), "fixed_there")
    goes_on(stage, story, case, key)


def payer_named(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.configure()
    goes_on(stage, story, case, key)


def paid_all_the_same(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=6, step=3)
    assert [row["by"] for row in stage.refunds_there(story.order)] == ["hand", "return-items"]
    done(stage, story)


def billing_mended(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.sandbox.world.scayle.orders[story.order["id"]].billing_code = ""
    press(stage, case, key)


def sale_cancelled(stage: Stage, story: Story, case: Case, key: str) -> None:
    """Nobody can fill the order, so it is cancelled: nothing is missing any more."""
    stage.act("scayle", "cancel_order", order_id=story.order["id"])
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == []
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"] == 0


def told_the_shop(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=16, step=4)  # who stops trying leaves it to the next batch
    kept = stage.order_there(story.order)["custom_data"]["integrator"]
    assert kept["returns"][str(story.rma["id"])]["status"] == "COMPLETED"
    done(stage, story)


def left_out(stage: Stage, story: Story, case: Case, key: str) -> None:
    """The sweep goes on past it. Only when it looks otherwise is anybody asked again."""
    press(stage, case, key)
    before = Cursor.objects.get(stream="order").swept_at
    stage.passes(minutes=12, step=4)
    after = Cursor.objects.get(stream="order").swept_at
    assert after is not None
    assert before is None or after > before
    stage.mended()


def _goods_follow(stage: Stage, story: Story) -> None:
    """The warehouse sends the replacement, the unit comes back, the return is done."""
    (made,) = [row for row in stage.books("scayle")["orders"] if row["imported"]]
    if not made["packages"]:
        stage.act("scayle", "send_imported", order_id=made["id"])
        stage.settle()
    if stage.rma_there(story.rma)["status"] == "Approved":
        stage.hands_in(story.rma)
        stage.arrives(story.rma)
        stage.warehouse_checks(story.rma)
    stage.passes(minutes=6, step=6)
    assert stage.books("scayle")["refunds"] == []
    done(stage, story)


def exchanged(stage: Stage, story: Story, case: Case, key: str, **data: str) -> None:
    if key == "fixed_there" and case.kind == "EXCHANGE_UNPAID":
        stage.act("returngo", "pay_difference", rma_id=story.rma["id"])
    if key == "fixed_there" and case.kind == "EXCHANGE_CHANGED_LATE":
        stage.act("returngo", "change_wish", rma_id=story.rma["id"], exchange_sku=OTHER)
    if case.kind == "EXCHANGE_NO_STOCK":
        stage.act("scayle", "change_stock", sku=OTHER, quantity=9)
    if case.kind == "EXCHANGE_LOCATION_MISSING":
        stage.configure()
    if key == "fixed_there" and case.kind == "EXCHANGE_STALLED":
        (made,) = [row for row in stage.books("scayle")["orders"] if row["imported"]]
        stage.act("scayle", "send_imported", order_id=made["id"])
    press(stage, case, key, **data)
    if case.kind != "EXCHANGE_CHANGED_LATE" or key == "fixed_there":
        _goods_follow(stage, story)


def not_sent(stage: Stage, story: Story, case: Case, key: str) -> None:
    """The customer takes the money instead: once, and nothing stays reserved."""
    press(stage, case, key)
    assert stage.books("scayle")["reservations"] == []
    assert stage.sellable(OTHER) == stage.stock_there(OTHER)["truth"]
    stage.act("returngo", "change_wish", rma_id=story.rma["id"])
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)


def stood_still(stage: Stage, story: Story, case: Case, key: str) -> None:
    """It moves, with the button pressed before or after, and ends like any other."""
    steps = [Stage.approves, Stage.hands_in, Stage.arrives, Stage.warehouse_checks]
    kinds = ("RETURN_NOT_ANSWERED", "RETURN_NOT_SENT", "RETURN_NOT_ARRIVED", "RETURN_NOT_CHECKED")
    left = steps[kinds.index(case.kind) :]
    if key == "fixed_there":
        left.pop(0)(stage, story.rma)
    press(stage, case, key)
    for step in left:
        step(stage, story.rma)
    paid_once(stage, story)
    done(stage, story)


def booked_for_goods(stage: Stage, story: Story, case: Case, key: str) -> None:
    paid = story.order["items"][0]["paid"]
    press(stage, case, key, amount=f"{paid / 100:.2f}")
    assert stage.order(story.order).refunded_minor == paid


def tied_to_nothing(stage: Stage, story: Story, case: Case, key: str) -> None:
    """Nothing was recorded by hand for this order: the case says so, and stays."""
    press(stage, case, key, reference="BANK-3")
    assert "under BANK-3" in [one.note.text for one in case.events.all() if one.note][-1]
    assert not Refund.objects.exists()


def booked_as_gift(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, amount="10.00")
    assert stage.order(story.order).refunded_minor == 0
    assert Refund.objects.get().subject == "goodwill"


def gift_paid(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, reference="GIFT-1")
    refund = Refund.objects.get()
    assert (refund.subject, refund.executed_minor) == ("goodwill", case.money_minor)


def difference_settled(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, reference="BANK-9")
    assert stage.order(story.order).refunded_minor == story.order["items"][0]["paid"] - 250


def shown_in_the_shop(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=4, step=2)
    (told,) = stage.order_there(story.order)["billing_log"]
    assert str(story.rma["id"]) in told["reason"]


def more_allowed(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, calls="5000")
    assert stage.connection("returngo").settings["daily_call_limit"] == 5000
    story.rma = stage.comes_back(story.order)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)


def replacement_paid(stage: Stage, story: Story, case: Case, key: str) -> None:
    """Worth what it replaced, booked on the original order, and never paid by the shop."""
    price = story.order["items"][0]["paid"]
    assert case.facts["amount"] == f"EUR {price / 100:.2f}"
    assert (case.money_minor, case.currency) == (price, "EUR")
    press(stage, case, key, reference="BANK-5")
    stage.passes(minutes=6, step=6)
    assert stage.order(story.order).refunded_minor == price
    assert stage.books("scayle")["refunds"] == []
    assert stage.books("scayle")["returns"] == []
    done(stage, story)


ENDS: Mapping[tuple[str, str], End] = {
    ("JOB_FAILED", "try_again"): just_close,
    ("JOB_FAILED", "give_up"): just_close,
    ("JOB_CRASHES", "try_again"): goes_on,
    ("JOB_CRASHES", "give_up"): goes_on,
    ("JOB_LATE", "try_again"): goes_on,
    ("JOB_LATE", "give_up"): goes_on,
    ("MAPPING_MISSING", "save_mapping"): partial(mapped, ours="hamburg"),
    ("CREDENTIALS_REFUSED", "resume_connection"): goes_on,
    ("WRITE_SWITCHED_OFF", "try_again"): switched_on,
    ("WRITE_SWITCHED_OFF", "give_up"): done_there,
    ("MESSAGE_UNKNOWN", "not_an_error"): just_close,
    ("MESSAGE_CHANGED", "not_an_error"): just_close,
    ("ROW_NOT_READ", "not_an_error"): left_out,
    ("ORDER_DOES_NOT_ADD_UP", "fixed_there"): order_goes_on,
    ("ORDER_DOES_NOT_ADD_UP", "not_an_error"): just_close,
    ("BUNDLE_UNREADABLE", "fixed_there"): read_again,
    ("BUNDLE_UNREADABLE", "one_piece"): one_piece,
    ("BUNDLE_PRICE_FALLBACK", "fixed_there"): priced_there,
    ("BUNDLE_PRICE_FALLBACK", "equal_parts"): equal_parts,
    ("ORDER_NOT_READ", "try_again"): order_goes_on,
    ("ORDER_NOT_READ", "give_up"): order_goes_on,
    ("RESTOCK_FAILED", "try_again"): goes_on,
    ("RESTOCK_FAILED", "give_up"): stays_off_sale,
    ("RESTOCK_IN_DOUBT", "try_again"): counted_and_missing,
    ("RESTOCK_IN_DOUBT", "give_up"): stays_off_sale,
    ("SKU_DISCONTINUED", "try_again"): sold_again,
    ("SKU_DISCONTINUED", "count_as"): partial(discontinued, sku="TEE-BLK-L"),
    ("SKU_DISCONTINUED", "quarantine_unit"): partial(discontinued, location="hamburg"),
    ("SKU_DISCONTINUED", "write_off_unit"): discontinued,
    ("STOCK_AUTHORITY_MISSING", "try_again"): counted_by_the_shop,
    ("RETURN_NOT_READ", "try_again"): goes_on,
    ("RETURN_NOT_READ", "give_up"): goes_on,
    ("RETURN_ORDER_UNKNOWN", "match_return"): matched,
    ("RETURN_ORDER_UNKNOWN", "fixed_there"): cancelled_there,
    ("UNIT_NOT_BOUGHT", "fixed_there"): cancelled_there,
    ("UNIT_NOT_SHIPPED", "fixed_there"): shipped_meanwhile,
    ("UNIT_NOT_SHIPPED", "accept_unit"): accepted,
    ("UNIT_RETURNED_TWICE", "fixed_there"): cancelled_there,
    ("AMBIGUOUS_UNIT_PRICE", "not_an_error"): just_close,
    ("WRONG_CUSTOMER", "accept_unit"): accepted,
    ("WRONG_CUSTOMER", "fixed_there"): right_address,
    ("SOT_VIOLATION", "not_an_error"): wrong_price_explained,
    ("SOT_VIOLATION", "fixed_there"): right_price,
    ("REFUND_MODE_UNKNOWN", "save_mapping"): partial(mapped, ours="REFUND"),
    ("VALIDATED_WITHOUT_DISPOSITION", "fixed_there"): checked_after_all,
    ("NOT_IN_PARCEL", "fixed_there"): cancelled_there,
    ("NOT_IN_PARCEL", "not_an_error"): just_close,
    ("RETURN_WENT_BACK", "fixed_there"): done_again_there,
    ("RETURN_WENT_BACK", "not_an_error"): done_again_there,
    ("CANCELLED_WITH_GOODS", "keep_unit"): partial(unit_is, way="IN_TRANSIT>RECEIVED"),
    ("CANCELLED_WITH_GOODS", "quarantine_unit"): partial(unit_is, way="RECEIVED>QUARANTINE"),
    ("CANCELLED_WITH_GOODS", "send_back_unit"): partial(unit_is, way="RECEIVED>OUTSIDE"),
    ("RESOLUTION_BY_HAND", "fixed_there"): done_there,
    ("EXCHANGE_NO_STOCK", "try_again"): exchanged,
    ("EXCHANGE_NO_STOCK", "exchange_refuse"): not_sent,
    ("EXCHANGE_DATA_MISSING", "try_again"): exchanged,
    ("EXCHANGE_DATA_MISSING", "exchange_refuse"): not_sent,
    ("EXCHANGE_REFUSED", "try_again"): exchanged,
    ("EXCHANGE_REFUSED", "exchange_refuse"): not_sent,
    ("EXCHANGE_LOCATION_MISSING", "try_again"): exchanged,
    ("EXCHANGE_RELEASE_BY_HAND", "exchange_released"): partial(exchanged, reference="WMS-1"),
    ("EXCHANGE_UNPAID", "fixed_there"): exchanged,
    ("EXCHANGE_UNPAID", "exchange_waive"): exchanged,
    ("EXCHANGE_DIFFERENCE_OWED", "difference_paid"): partial(exchanged, reference="BANK-1"),
    ("EXCHANGE_STALLED", "fixed_there"): exchanged,
    ("EXCHANGE_STALLED", "not_an_error"): exchanged,
    ("EXCHANGE_CHANGED_LATE", "fixed_there"): exchanged,
    ("EXCHANGE_CHANGED_LATE", "not_an_error"): exchanged,
    ("EXCHANGE_ORDER_CANCELLED", "exchange_refuse"): not_sent,
    ("EXCHANGE_RETURNED", "replacement_paid"): replacement_paid,
    ("RETURN_NOT_ANSWERED", "fixed_there"): stood_still,
    ("RETURN_NOT_ANSWERED", "not_an_error"): stood_still,
    ("RETURN_NOT_SENT", "fixed_there"): stood_still,
    ("RETURN_NOT_SENT", "not_an_error"): stood_still,
    ("RETURN_NOT_ARRIVED", "fixed_there"): stood_still,
    ("RETURN_NOT_ARRIVED", "not_an_error"): stood_still,
    ("RETURN_NOT_CHECKED", "fixed_there"): stood_still,
    ("RETURN_NOT_CHECKED", "not_an_error"): stood_still,
    ("RETURN_NOT_FINISHED", "fixed_there"): nothing_paid,
    ("RETURN_NOT_FINISHED", "not_an_error"): just_close,
    ("COMPLETE_FAILED", "try_again"): goes_on,
    ("COMPLETE_FAILED", "give_up"): done_there,
    ("REFUND_REFUSED", "try_again"): goes_on,
    ("REFUND_REFUSED", "paid_by_hand"): paid_outside,
    ("REFUND_REFUSED", "give_up"): nothing_paid,
    ("REFUND_IN_DOUBT", "it_happened"): seen_there,
    ("REFUND_IN_DOUBT", "it_did_not_happen"): goes_on,
    ("REFUND_FAILED", "paid_by_hand"): paid_outside,
    ("REFUND_FAILED", "fixed_there"): paid_again_there,
    ("REFUND_NOT_RECORDED", "fixed_there"): goes_on,
    ("REFUND_NOT_RECORDED", "paid_by_hand"): money_seen_there,
    ("REFUND_BY_HAND", "paid_by_hand"): paid_outside,
    ("REFUND_BY_HAND", "give_up"): nothing_paid,
    ("REFUND_MORE_THAN_PAID", "try_again"): adds_up_again,
    ("REFUND_MORE_THAN_PAID", "give_up"): nothing_paid,
    ("REFUND_EXECUTOR_MISSING", "try_again"): payer_named,
    ("REFUNDED_PAST_US", "paid_by_hand"): paid_outside,
    ("REFUNDED_PAST_US", "pay_anyway"): paid_all_the_same,
    ("PAID_IN_SHOP", "paid_goods"): booked_for_goods,
    ("PAID_IN_SHOP", "paid_already"): tied_to_nothing,
    ("PAID_IN_SHOP", "paid_something_else"): booked_as_gift,
    ("GOODWILL", "goodwill_paid"): gift_paid,
    ("GOODWILL", "not_an_error"): just_close,
    ("GOODWILL_OVER_LIMIT", "goodwill_paid"): gift_paid,
    ("GOODWILL_OVER_LIMIT", "not_an_error"): just_close,
    ("CORRECTION_AFTER_REFUND", "settle_difference"): difference_settled,
    ("CORRECTION_AFTER_REFUND", "leave_as_paid"): just_close,
    ("CORRECTION_AFTER_REFUND", "not_an_error"): just_close,
    ("REFUND_NOT_MIRRORED", "try_again"): shown_in_the_shop,
    ("REFUND_NOT_MIRRORED", "give_up"): just_close,
    ("SYSTEMS_DIFFER", "fixed_there"): billing_mended,
    ("SYSTEMS_DIFFER", "not_an_error"): just_close,
    ("CALLS_RUN_LOW", "allow_calls"): more_allowed,
    ("CALLS_RUN_LOW", "not_an_error"): just_close,
    ("OVERSELL_RISK", "fixed_there"): sale_cancelled,
    ("ORDER_OVERSOLD", "fixed_there"): sale_cancelled,
    ("STATUS_NOT_POSTED", "try_again"): told_the_shop,
    ("STATUS_NOT_POSTED", "give_up"): told_the_shop,
}


def test_the_table_above_knows_every_kind_and_every_button() -> None:
    buttons = {
        (code, action.key)
        for code, kind in CASE_KINDS.items()
        if code not in NOT_FROM_PLATFORMS
        for action in kind.actions
    }
    assert set(ENDS) == buttons
    assert set(CAUSES) == set(CASE_KINDS) - NOT_FROM_PLATFORMS


# In every check: the gravest kinds, by the button that is pressed most. All of them and all their
# buttons take many minutes: the long form, in ``make prove``.
SHORT = [
    (code, CASE_KINDS[code].actions[0].key)
    for code in sorted(CAUSES)
    if CASE_KINDS[code].severity >= 3
]


@pytest.mark.requirement("R081")
@pytest.mark.parametrize(("code", "key"), SHORT)
def test_a_grave_case_is_ended_by_its_first_button_and_both_sides_agree(
    stage: Stage, code: str, key: str
) -> None:
    walk(stage, code, key)


@pytest.mark.prove
@pytest.mark.requirement("R081")
@pytest.mark.parametrize(("code", "key"), sorted(set(ENDS) - set(SHORT)))
def test_a_case_is_ended_by_any_button_and_both_sides_agree(
    stage: Stage, code: str, key: str
) -> None:
    walk(stage, code, key)


def walk(stage: Stage, code: str, key: str) -> None:
    story = CAUSES[code](stage)
    case = stage.case(code)
    assert list(dear_buttons(stage, case)) == []
    with pytest.raises(PermissionDenied):
        stage.decide(case, key, by=stage.nobody, second=stage.conrad)

    ENDS[code, key](stage, story, case, key)

    assert not Case.objects.filter(kind=code).exclude(state=CaseState.SOLVED).exists()
    assert "\n0 differences" in stage.compare()


def dear_buttons(stage: Stage, case: Case) -> Iterator[str]:
    """Buttons of a case whose page, with what they would do, costs more than it may."""
    directory.forget()  # the names of connections are those of this stage
    client = Client()
    client.force_login(getattr(stage, TEAM[Role(case.owner)]))
    client.get("/")
    for key in ["", *(action.key for action in CASE_KINDS[case.kind].actions)]:
        with CaptureQueriesContext(database) as asked:
            client.get(f"/cases/{case.pk}/", {"do": key})
        if len(asked) > STATEMENTS_MAX + PREVIEW_MAX * bool(key):
            yield f"{case.kind} {key}: {len(asked)} statements"


@pytest.mark.requirement("R015")
@pytest.mark.parametrize("code", ["REFUND_REFUSED", "REFUND_EXECUTOR_MISSING", "REFUNDED_PAST_US"])
def test_what_the_dearest_buttons_would_do_costs_no_more_than_it_may(
    stage: Stage, code: str
) -> None:
    """The others are looked at on their way to their end, in ``walk``."""
    CAUSES[code](stage)
    assert list(dear_buttons(stage, stage.case(code))) == []


@pytest.mark.requirement("R015")
@pytest.mark.parametrize("is_whole", [True, False])
def test_nor_do_they_where_sets_and_several_units_come_back(stage: Stage, is_whole: bool) -> None:
    stage.configure(refund_executor=None)
    order = stage.sold("SET-TEES", "SET-WEEKEND", SKU)
    tees, _, jacket = order["items"]
    parts = [{"item_id": tees["id"], "component": sku} for sku in ("TEE-BLK-L", "TEE-WHT-M")]
    wish = {} if is_whole else {"units": [*parts, {"item_id": jacket["id"]}]}
    stage.warehouse_checks(stage.comes_back(order, **wish))

    assert list(dear_buttons(stage, stage.case("REFUND_EXECUTOR_MISSING"))) == []


@pytest.mark.requirement("R015")
@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_a_case_has_one_owner_who_can_press_every_button(code: str) -> None:
    kind = CASE_KINDS[code]

    assert kind.owner in Role.values
    for action in kind.actions:
        assert policy.may_act(kind, action, frozenset({kind.owner})), action.key


@pytest.mark.requirement("R015")
def test_who_decides_about_goods_does_not_confirm_money_and_the_other_way_round() -> None:
    assert policy.VERBS["disposition.record"] == {Role.OPERATIONS}
    assert policy.VERBS["refund.decide"] == {Role.FINANCE}
    assert Role.FINANCE not in policy.VERBS["mapping.change"]
    assert Role.CX not in policy.VERBS["mapping.change"] | policy.VERBS["refund.decide"]
