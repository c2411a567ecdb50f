"""What is said of a return: to who works here, and to the customer: never more than is proved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from finance.states import RefundStatus
from integrator.desk.return_says import Standing, for_customer, headline, money_state
from returns.states import Custody, Disposition, ExchangeStatus, Money, ReturnStatus

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def unit(custody: Custody = Custody.INSPECTED, money: Money = Money.NONE, **more: Any) -> Any:
    row = {
        "pk": 1,
        "custody": custody,
        "money": money,
        "resolution": "REFUND",
        "method": "SHIPPED",
        "blocked_by": "",
        "disposition": None,
        "claimed_minor": 4990,
        "currency": "EUR",
    }
    return SimpleNamespace(**{**row, **more})


def refund(status: RefundStatus, **more: Any) -> Any:
    row = {
        "status": status,
        "calculated_minor": 4990,
        "executed_minor": None,
        "currency": "EUR",
        "way": "REFUND",
        "recorded_at": None,
    }
    return SimpleNamespace(**{**row, **more})


def exchange(status: ExchangeStatus, **more: Any) -> Any:
    row = {
        "status": status,
        "difference": "NONE",
        "difference_minor": 0,
        "currency": "EUR",
        "key": "EXC-1-1",
        "due_since": NOON,
        "get_status_display": lambda: str(status.label),
    }
    return SimpleNamespace(**{**row, **more})


def standing(
    status: ReturnStatus,
    units: Sequence[Any],
    refunds: Sequence[Any] = (),
    exchanges: Sequence[Any] = (),
    movements: Sequence[Any] = (),
) -> Standing:
    rma = SimpleNamespace(
        external_id="R-1", status=status, get_status_display=lambda: str(status.label)
    )
    return Standing(cast(Any, rma), units, refunds, exchanges, movements)


PAID = refund(RefundStatus.RECORDED, executed_minor=4990, recorded_at=NOON)
SHELF = SimpleNamespace(return_item_id=1, location="Hamburg", to_bucket="SELLABLE")
HERE = SimpleNamespace(return_item_id=1, location="Hamburg", to_bucket="RECEIVED")


@pytest.mark.requirement("R019")
@pytest.mark.parametrize(
    ("now", "said"),
    [
        (
            standing(
                ReturnStatus.RECEIVED,
                [unit(Custody.RECEIVED, Money.AUTHORISED)],
                [refund(RefundStatus.AUTHORISED)],
                movements=[HERE],
            ),
            "Received at Hamburg, not checked yet; refund EUR 49.90 decided, not sent yet.",
        ),
        (
            standing(
                ReturnStatus.IN_TRANSIT,
                [unit(Custody.INSPECTED, Money.SENT, pk=1), unit(Custody.IN_TRANSIT, pk=2)],
                [refund(RefundStatus.SENT)],
                movements=[HERE],
            ),
            "1 unit checked at Hamburg; 1 unit on its way back; "
            "refund EUR 49.90 sent, not proved yet; refund EUR 49.90 claimed, nothing decided yet.",
        ),
        (
            standing(
                ReturnStatus.INSPECTED,
                [unit(money=Money.RECORDED, disposition=Disposition.RESTOCK)],
                [PAID],
                movements=[SHELF],
            ),
            "Checked, back on sale at Hamburg; EUR 49.90 paid back.",
        ),
        (
            standing(
                ReturnStatus.INSPECTED,
                [unit(money=Money.IN_DOUBT, disposition=Disposition.RESTOCK)],
                [refund(RefundStatus.IN_DOUBT)],
                movements=[HERE],
            ),
            "Checked and fine, not on sale yet; refund EUR 49.90 in doubt.",
        ),
        (
            standing(
                ReturnStatus.REQUESTED,
                [unit(Custody.REQUESTED, blocked_by="UNIT_RETURNED_TWICE")],
            ),
            "Asked for, nobody has agreed yet, held for a person; "
            "refund EUR 49.90 claimed, nothing decided yet.",
        ),
        (
            standing(
                ReturnStatus.AUTHORISED,
                [unit(Custody.AUTHORISED, resolution="EXCHANGE", method="KEPT")],
                exchanges=[exchange(ExchangeStatus.RELEASED), exchange(ExchangeStatus.CANCELLED)],
            ),
            "Agreed, the customer keeps it; "
            "replacement EXC-1-1 with the warehouse, waits for the parcel.",
        ),
        (standing(ReturnStatus.CLOSED, [unit(Custody.CLOSED)]), "Closed without return."),
        (
            standing(
                ReturnStatus.COMPLETED,
                [unit(Custody.CLOSED, Money.RECORDED, disposition=Disposition.RESTOCK)],
                [PAID],
                movements=[HERE],
            ),
            "Completed; checked and fine, not on sale yet; EUR 49.90 paid back.",
        ),
    ],
)
def test_one_sentence_says_where_the_item_and_the_money_are(now: Standing, said: str) -> None:
    assert headline(now) == said


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (
            standing(
                ReturnStatus.REQUESTED, [unit(Custody.REQUESTED, blocked_by="WRONG_CUSTOMER")]
            ),
            "We have your request for return R-1; it is not answered yet.",
        ),
        (
            standing(ReturnStatus.AUTHORISED, [unit(Custody.AUTHORISED, method="KEPT")]),
            "Your return R-1 is agreed, and you may keep the item."
            " Your refund has not been sent yet.",
        ),
        (
            standing(
                ReturnStatus.IN_TRANSIT,
                [unit(Custody.RECEIVED, resolution="STORE_CREDIT"), unit(Custody.IN_TRANSIT)],
            ),
            "Your return R-1 has arrived in part: 1 of 2 items are here. "
            "Your refund has not been sent yet. Your store credit was not given yet.",
        ),
        (
            standing(
                ReturnStatus.INSPECTED,
                [unit(money=Money.SENT), unit(disposition=Disposition.NOT_RETURNED)],
                [refund(RefundStatus.SENT)],
            ),
            "Your return R-1 has arrived and was checked. 1 item was not in the parcel. "
            "Your refund of EUR 49.90 was sent and is not confirmed yet. "
            "The rest has not been sent yet.",
        ),
        (
            standing(
                ReturnStatus.INSPECTED,
                [unit(money=Money.IN_DOUBT)],
                [refund(RefundStatus.IN_DOUBT)],
            ),
            "Your return R-1 has arrived and was checked. "
            "We are making sure what became of your refund of EUR 49.90.",
        ),
        (
            standing(
                ReturnStatus.INSPECTED, [unit(money=Money.REFUSED)], [refund(RefundStatus.REFUSED)]
            ),
            "Your return R-1 has arrived and was checked. "
            "Your refund of EUR 49.90 could not be paid yet; we are looking into it.",
        ),
        (
            standing(ReturnStatus.COMPLETED, [unit(Custody.CLOSED, Money.RECORDED)], [PAID]),
            "Your return R-1 is completed. EUR 49.90 was paid back to you on 24 November 2026.",
        ),
        (
            standing(
                ReturnStatus.AUTHORISED,
                [unit(Custody.AUTHORISED, resolution="EXCHANGE")],
                exchanges=[
                    exchange(ExchangeStatus.ORDERED, difference="OPEN", difference_minor=1500)
                ],
            ),
            "Your return R-1 is agreed. It has not arrived yet. "
            "Your replacement leaves when the difference of EUR 15.00 is paid.",
        ),
        (
            standing(
                ReturnStatus.RECEIVED,
                [unit(Custody.RECEIVED, resolution="EXCHANGE")],
                exchanges=[
                    exchange(ExchangeStatus.SHIPPED, difference="OWED", difference_minor=-500)
                ],
            ),
            "Your return R-1 has arrived and is not checked yet. Your replacement has left. "
            "The difference of EUR 5.00 was not paid back yet.",
        ),
    ],
)
def test_a_customer_is_told_what_is_proved_and_no_word_more(now: Standing, said: str) -> None:
    told = for_customer(now)

    assert told == said
    for inner in ("SCAYLE", "ReturnGO", "held", "doubt", "case", "EXC-"):
        assert inner not in told


def test_money_is_paid_back_only_where_the_payer_s_own_record_was_seen() -> None:
    for status in RefundStatus:
        now = standing(ReturnStatus.INSPECTED, [unit()], [refund(status)])
        proved = status in (RefundStatus.RECORDED, RefundStatus.SETTLED)
        assert ("was paid back" in for_customer(now)) is proved, status


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ([unit(money=Money.RECORDED), unit(money=Money.IN_DOUBT)], ("doubt", "1 of 2 in doubt")),
        ([unit(money=Money.REFUSED)], ("wait", "not paid")),
        ([unit(money=Money.RECORDED), unit(money=Money.NONE)], ("ok", "1 of 2 paid back")),
        ([unit(resolution="EXCHANGE")], ("idle", "goods instead")),
        ([unit(Custody.CLOSED)], ("idle", "none was paid")),
        ([unit()], ("idle", "nothing decided yet")),
    ],
)
def test_the_money_of_a_list_s_row_is_its_most_worrying(
    units: list[Any], said: tuple[str, str]
) -> None:
    assert money_state(units) == said
