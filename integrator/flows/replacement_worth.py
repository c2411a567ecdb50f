"""What a replacement that came back is worth, and booking what was paid for it.

In the shop it cost nothing, or the price difference. What is owed is the price of the unit it
replaced, less what was paid back of that, and the difference: so it is booked where the money was
paid, on the original order's unit and on its own. Such a refund names no returned unit, because it
pays for others: its evidence does (``return_item``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finance.amounts import worked_out
from finance.services import Share, refund_recorded, refund_reserve
from finance.states import Executor
from fulfilment.models import OrderItem
from fulfilment.shapes import OrderKind
from fulfilment.shares import spread
from integrator.engine import cases
from integrator.engine.states import Trace, move
from returns.exchange_cases import EXCHANGE_RETURNED
from returns.models import ExchangeItem, ReturnItem
from returns.shapes import Resolution
from returns.states import Money


@dataclass(frozen=True, slots=True)
class Worth:
    """What a replacement is worth: of the unit it replaced, and what was paid for it on top."""

    original: OrderItem
    of_original_minor: int
    on_top_minor: int

    @property
    def total_minor(self) -> int:
        return self.of_original_minor + self.on_top_minor


def worth_of(item: ReturnItem) -> Worth:
    """Follow the replacement back to the sale. Pieces sent for one unit share its price."""
    assert item.order_item is not None
    unit, share = item.order_item, 0
    while unit.order.kind == OrderKind.EXCHANGE:
        piece = ExchangeItem.objects.select_related("exchange__return_record").get(order_item=unit)
        exchange = piece.exchange
        replaced = (
            exchange.return_item
            or exchange.return_record.items.filter(blocked_by="", resolution=Resolution.EXCHANGE)
            .order_by("id")
            .first()
        )
        assert replaced is not None and replaced.order_item_id is not None
        unit = OrderItem.objects.select_related("order__connection", "sku").get(
            pk=replaced.order_item_id
        )
        pieces = list(exchange.items.order_by("place"))
        base = unit.paid_minor + min(exchange.difference_minor, 0)
        prices = [one.price_minor or 0 for one in pieces]
        share = spread(max(base, 0), prices)[pieces.index(piece)]
    taken_off = sum(int(fee["amount_minor"]) for fee in item.deductions)
    left = max(min(share, unit.paid_minor - unit.refunded_minor) - taken_off, 0)
    on_top, _ = worked_out(item.order_item, ())
    return Worth(unit, left, max(on_top - item.order_item.refunded_minor, 0))


def replacement_book(
    item: ReturnItem,
    *,
    paid_minor: int,
    executor: Executor,
    evidence: Mapping[str, Any],
    reference: str,
    reason: str,
    policy_version: int,
    trace: Trace,
) -> list[int]:
    """Book ``paid_minor`` on both orders, once, in proportion to what each is owed.

    Returns the refunds. ``item`` is read anew, with its orders; nobody has paid for it yet.
    """
    worth = worth_of(item)
    own = item.order_item
    assert own is not None
    owed = [
        (worth.original.order_id, worth.original, worth.of_original_minor),
        (own.order_id, own, worth.on_top_minor),
    ]
    shares = spread(paid_minor, [amount for _, _, amount in owed])
    booked = []
    for (order_id, unit, amount), paid in zip(owed, shares, strict=True):
        if not amount or not paid:
            continue
        refund = refund_reserve(
            return_record=item.return_record,
            order_id=order_id,
            shares=[Share(None, amount, unit=unit)],
            executor=executor,
            evidence_before=[],
            billing_before="",
            policy_version=policy_version,
            trace=trace,
        )
        refund_recorded(
            refund,
            evidence={**evidence, "return_item": item.pk},
            executed_minor=paid,
            is_derived=False,
            reference=reference,
            trace=trace,
            reason=reason,
        )
        booked.append(refund.pk)
    # The refunds name the units that were paid for; this one was sent for one of them.
    move(item, "money", Money.RECORDED, reason=reason, trace=trace)
    cases.close_by_fact(
        trace=trace,
        reason="It is paid",
        kinds=[EXCHANGE_RETURNED],
        record_kind="return_item",
        record_id=item.pk,
    )
    return booked
