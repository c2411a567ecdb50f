"""Where a return says something else than its order (R002, R041): reported, never taken over.

Nothing here writes to the order: its price, customer and address are the shop's.
"""

from __future__ import annotations

from fulfilment.models import Order
from fulfilment.shapes import OrderKind
from integrator.engine import cases
from integrator.engine.cases import About
from integrator.engine.money import money_text
from integrator.engine.states import Trace
from integrator.models import Case, CaseState
from returns import cases as kinds
from returns.models import Return, ReturnItem
from returns.services.checking import ROUNDING_MINOR
from returns.services.reporting import close, facts_of
from returns.shapes import ReturnSeen, ReturnUnitSeen


def price_contradiction(item: ReturnItem, unit: ReturnUnitSeen) -> list[tuple[str, str, str]]:
    sold = item.order_item
    if sold is None:
        return []  # it is held for not being part of the order at all
    if sold.parent_id is not None and abs(sold.paid_minor - unit.paid_minor) <= ROUNDING_MINOR:
        return []  # both split the bundle's price, and round in their own way
    if sold.order.kind == OrderKind.EXCHANGE:
        return []  # it was sent for another unit: its own price says nothing about its worth
    ours = money_text(sold.paid_minor, sold.order.currency)
    theirs = money_text(unit.paid_minor, unit.currency)
    return [] if ours == theirs else [("price", ours, theirs)]


def place_contradiction(order: Order, seen: ReturnSeen) -> list[tuple[str, str, str]]:
    """Customer and address, compared without putting personal data into the case."""
    found = []
    # What is not known contradicts nothing: a customer may have been forgotten.
    address = order.shipping_address
    home = address.postcode.replace(" ", "") if address else ""
    postcodes = {
        parcel.postcode.replace(" ", "")
        for parcel in seen.parcels
        if parcel.postcode and not parcel.is_outbound
    }
    if home and postcodes and home not in postcodes:
        found.append(("address", "the order's address", "another postcode"))
    emails = {
        parcel.email.strip().lower()
        for parcel in seen.parcels
        if parcel.email.strip() and not parcel.is_outbound
    }
    buyer = order.customer.email.strip().lower() if order.customer else ""
    if buyer and emails and buyer not in emails:
        found.append(("customer", "the buyer's e-mail", "another e-mail"))
    return found


def report_contradictions(
    record: Return,
    order: Order,
    seen: ReturnSeen,
    found: list[tuple[str, str, str]],
    trace: Trace,
) -> None:
    if not found:
        close(kinds.SOT_VIOLATION, "return", record.pk, trace, "Both say the same now")
        return
    facts = {
        **facts_of(record, seen),
        "fields": " and ".join(sorted({field for field, _, _ in found})),
        "ours": ", ".join(sorted({ours for _, ours, _ in found})),
        "theirs": ", ".join(sorted({theirs for _, _, theirs in found})),
    }
    if _is_waived(record, facts):
        return
    cases.open_case(
        kinds.SOT_VIOLATION,
        About("return", record.pk, order.pk, record.connection_id),
        trace=trace,
        facts=facts,
    )


def _is_waived(record: Return, facts: dict[str, str]) -> bool:
    """A person has looked at exactly this and found nothing wrong: it is not asked again."""
    return Case.objects.filter(
        kind=kinds.SOT_VIOLATION.code,
        record_kind="return",
        record_id=record.pk,
        state=CaseState.SOLVED,
        resolution=Case.Resolution.NOT_AN_ERROR,
        facts=facts,
    ).exists()
