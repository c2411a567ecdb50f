"""When may a unit's refund be sent, and what proves that it was paid?

Pure decisions, no writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fulfilment.shapes import Billing, InvoiceSeen, OrderSeen, UnitStatus
from returns.models import ReturnItem
from returns.shapes import Method
from returns.states import NOT_KEPT, Custody

_REACHED = {
    "approved": (
        Custody.AUTHORISED,
        Custody.IN_TRANSIT,
        Custody.RECEIVED,
        Custody.INSPECTED,
    ),
    "received": (Custody.RECEIVED, Custody.INSPECTED),
    "goods_in": (Custody.RECEIVED, Custody.INSPECTED),
    "inspected": (Custody.INSPECTED,),
}


def missing_evidence(
    item: ReturnItem, method: Method, disposition: str | None, policy: Mapping[str, Any]
) -> list[str]:
    """Which evidence the policy asks for and the unit does not have yet. Empty: the refund may go.

    A unit that was not in the parcel, or goes back to the customer, never has enough.
    """
    if disposition in NOT_KEPT:
        return ["in the parcel"]
    needed: Sequence[str] = policy["refund_evidence"][method.value]
    return [one for one in needed if item.custody not in _REACHED[one]]


def proof_of_refund(
    *,
    seen: OrderSeen,
    invoices: Sequence[InvoiceSeen],
    before: Sequence[str],
    unit_ids: Sequence[str],
    billing_before: str,
    payment_succeeded: bool,
) -> dict[str, Any] | None:
    """SCAYLE's evidence that it paid: it names neither items nor amount, so three things together.

    Every unit is booked as returned, a corrective invoice exists that was not there before, and
    the money is said to have moved: by a payment notice, or by a billing status that has changed
    since (an order that was partly refunded before proves nothing by being it still). None while
    anything of it is missing.
    """
    units = {unit.external_id: unit for unit in seen.units}
    returned = all(
        unit_id in units and units[unit_id].status == UnitStatus.RETURNED for unit_id in unit_ids
    )
    fresh = [one for one in invoices if one.is_corrective and one.external_id not in before]
    refunded = seen.billing in (Billing.PARTLY_REFUNDED, Billing.REFUNDED)
    moved = payment_succeeded or (refunded and seen.billing != billing_before)
    if not (returned and fresh and moved):
        return None
    return {
        "corrective_invoice": fresh[-1].external_id,
        "billing": seen.raw_billing,
        "units_returned": list(unit_ids),
        "payment_notice": payment_succeeded,
    }
