"""Taking a return over as its platform shows it now: units, custody, inspections, contradictions."""

from __future__ import annotations

from dataclasses import dataclass

from fulfilment.models import Order, Sku
from fulfilment.services import order_find, unit_move
from fulfilment.states import Bucket
from integrator.engine import cases, links
from integrator.engine.cases import About, CaseKind
from integrator.engine.states import Trace, born, move
from integrator.models import Connection
from returns import cases as kinds
from returns.models import Inspection, Return, ReturnItem
from returns.services.checking import Checked, check_units
from returns.services.header import return_header
from returns.shapes import (
    InspectionSeen,
    Method,
    ParcelStatus,
    PlatformStatus,
    ReturnSeen,
    ReturnUnitSeen,
)
from returns.states import CUSTODY_MOVES, Custody, Disposition

_PATH = (
    Custody.REQUESTED,
    Custody.AUTHORISED,
    Custody.IN_TRANSIT,
    Custody.RECEIVED,
    Custody.INSPECTED,
)
_UNIT_CHECKS = (
    kinds.UNIT_NOT_BOUGHT,
    kinds.UNIT_NOT_SHIPPED,
    kinds.UNIT_RETURNED_TWICE,
    kinds.WRONG_CUSTOMER,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking a return over came to: nothing new, or how many units changed."""

    return_record: Return
    is_new_version: bool
    units_changed: int


def return_take(*, connection: Connection, seen: ReturnSeen, trace: Trace) -> Taken:
    """Take a return over. The same version again is a no-op, unless something of it is held.

    The returns platform rules the journey; the order's price, customer and address are the shop's
    and are never touched from here (R002, R041): a contradiction is stored with the message and
    opens a case.
    """
    record, created = Return.objects.select_for_update().get_or_create(
        connection=connection,
        external_id=seen.external_id,
        defaults={
            "order_number": seen.order_number,
            "platform_status": seen.status,
            "platform_word": seen.raw_status,
            "requested_at": seen.created_at,
            "read_at": trace.at,
        },
    )
    held = record.order_id is None or record.items.exclude(blocked_by="").exists()
    if not created and record.digest == seen.digest and not held:
        Return.objects.filter(pk=record.pk).update(read_at=trace.at)
        return Taken(record, is_new_version=False, units_changed=0)
    _tie_to_order(record, seen, trace)
    if created:
        born(record, "status", reason="The shopper asked to return something", trace=trace)
    changed = _take_units(record, seen, trace)
    Return.objects.filter(pk=record.pk).update(
        platform_status=seen.status,
        platform_word=seen.raw_status,
        digest=seen.digest,
        read_at=trace.at,
    )
    record.platform_status, record.digest = seen.status, seen.digest
    return_header(record, trace=trace)
    return Taken(record, is_new_version=True, units_changed=changed)


def unit_accept(item: ReturnItem, *, by: str) -> None:
    """A person lets a unit pass the purchase check. The next reading takes it further."""
    ReturnItem.objects.filter(pk=item.pk).update(accepted_by=by)


def _tie_to_order(record: Return, seen: ReturnSeen, trace: Trace) -> None:
    if record.order_id is None:
        order = order_find(
            retailer_id=record.connection.retailer_id,
            external_id=seen.order_id,
            number=record.order_number or seen.order_number,
        )
        if order is not None:
            Return.objects.filter(pk=record.pk).update(order=order)
            record.order = order
    links.bind(
        connection=record.connection,
        external_kind="rma",
        external_id=seen.external_id,
        record_kind="return",
        record_id=record.pk,
        order_id=record.order_id,
    )
    about = About("return", record.pk, record.order_id, record.connection_id, customers_waiting=1)
    ended = seen.status in (PlatformStatus.REJECTED, PlatformStatus.CANCELLED)
    if record.order_id is None and not ended:
        cases.open_case(kinds.RETURN_ORDER_UNKNOWN, about, trace=trace, facts=_facts(record, seen))
    else:
        _close(kinds.RETURN_ORDER_UNKNOWN, "return", record.pk, trace, "The order is known now")


def _take_units(record: Return, seen: ReturnSeen, trace: Trace) -> int:
    known = {item.external_id: item for item in record.items.select_related("sku", "order_item")}
    for item in known.values():
        item.return_record = record
    order = record.order
    checks = check_units(order=order, seen=seen, known=known) if order is not None else {}
    contradictions: list[tuple[str, str, str]] = []
    changed = 0
    for unit in seen.units:
        checked = checks.get(unit.external_id, Checked(None, kinds.RETURN_ORDER_UNKNOWN))
        item = known.get(unit.external_id) or _unit_create(record, unit, trace)
        _unit_update(item, unit, checked)
        ended = seen.status in (PlatformStatus.REJECTED, PlatformStatus.CANCELLED)
        if checked.breaks is not None and not ended:
            _block(item, checked.breaks, record, seen, trace)
            continue
        _unblock(item, trace)
        if order is not None:
            contradictions += _price_contradiction(item, unit)
        changed += _advance(item, unit, seen, trace)
    if order is not None:
        contradictions += _place_contradiction(order, seen)
        _report_contradictions(record, order, seen, contradictions, trace)
    return changed


def _unit_create(record: Return, unit: ReturnUnitSeen, trace: Trace) -> ReturnItem:
    item = ReturnItem.objects.create(
        return_record=record,
        external_id=unit.external_id,
        sku_code=unit.sku,
        resolution=unit.resolution,
        resolution_word=unit.raw_resolution,
        method=unit.method,
        method_word=unit.raw_method,
        reason=unit.reason[:200],
        claimed_minor=unit.paid_minor,
        deductions=_deductions(unit),
        currency=unit.currency,
        blocked_by=kinds.RETURN_ORDER_UNKNOWN.code,
    )
    born(item, "custody", reason="The shopper asked to return it", trace=trace)
    return item


def _deductions(unit: ReturnUnitSeen) -> list[dict[str, object]]:
    return [{"key": one.key, "amount_minor": one.amount_minor} for one in unit.deductions]


def _unit_update(item: ReturnItem, unit: ReturnUnitSeen, checked: Checked) -> None:
    item.resolution, item.resolution_word = unit.resolution, unit.raw_resolution
    item.method, item.method_word = unit.method, unit.raw_method
    item.claimed_minor, item.deductions = unit.paid_minor, _deductions(unit)
    if checked.order_item is not None:
        item.order_item = checked.order_item
        item.sku = checked.order_item.sku
    item.blocked_by = "" if checked.breaks is None else checked.breaks.code
    item.save(
        update_fields=[
            "resolution",
            "resolution_word",
            "method",
            "method_word",
            "claimed_minor",
            "deductions",
            "order_item",
            "sku",
            "blocked_by",
        ]
    )


def _block(
    item: ReturnItem, kind: CaseKind, record: Return, seen: ReturnSeen, trace: Trace
) -> None:
    for other in _UNIT_CHECKS:
        if other is not kind:
            _close(other, "return_item", item.pk, trace, "Another check holds it now")
    if kind is kinds.RETURN_ORDER_UNKNOWN:
        return  # one case for the whole return is open already
    cases.open_case(
        kind,
        About(
            "return_item",
            item.pk,
            record.order_id,
            record.connection_id,
            money_minor=item.claimed_minor,
            currency=item.currency,
            customers_waiting=1,
        ),
        trace=trace,
        facts={**_facts(record, seen), "sku": item.sku_code},
    )


def _unblock(item: ReturnItem, trace: Trace) -> None:
    cases.close_by_fact(
        trace=trace,
        reason="The unit fits the order now",
        kinds=_UNIT_CHECKS,
        record_kind="return_item",
        record_id=item.pk,
    )


def _advance(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> int:
    """Take a unit to where its platform shows it, step by step, so that no step is skipped."""
    target = _target(item, unit, seen)
    if item.custody == Custody.CLOSED:
        is_over = seen.status == PlatformStatus.DONE and item.return_record.completed_at is not None
        if target == Custody.CLOSED or is_over:
            _close(kinds.RETURN_WENT_BACK, "return_item", item.pk, trace, "It caught up again")
            return 0
        if item.money != "NONE" or item.inspections.exists():
            _went_back(item, seen, trace)
            return 0
        move(item, "custody", Custody.REQUESTED, reason="The return was reopened", trace=trace)
    if target == Custody.CLOSED:
        return _close_unit(item, seen, trace)
    here, there = _PATH.index(Custody(item.custody)), _PATH.index(target)
    if there < here:
        _went_back(item, seen, trace)
        return 0
    _close(kinds.RETURN_WENT_BACK, "return_item", item.pk, trace, "It caught up again")
    steps = 0
    for step in _PATH[here + 1 : there + 1]:
        if step == Custody.IN_TRANSIT and target != Custody.IN_TRANSIT:
            continue
        _step(item, step, unit, seen, trace)
        steps += 1
    if there == here and target == Custody.INSPECTED and unit.inspection is not None:
        steps += _corrected(item, unit.inspection, seen, trace)
    _check_verdict(item, unit, seen, trace)
    return steps


def _target(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen) -> Custody:
    """Where the platform says the unit is. A verdict counts, a status without one does not."""
    if seen.status in (PlatformStatus.REJECTED, PlatformStatus.CANCELLED):
        return Custody.CLOSED
    if unit.inspection is not None:
        return Custody.INSPECTED
    if seen.status == PlatformStatus.REQUESTED:
        return Custody.REQUESTED
    if seen.status == PlatformStatus.UNKNOWN:
        return Custody(item.custody)
    if unit.method == Method.KEPT:
        return Custody.AUTHORISED
    parcel = next((one for one in seen.parcels if one.external_id == unit.parcel_id), None)
    arrived = (PlatformStatus.RECEIVED, PlatformStatus.VALIDATED, PlatformStatus.DONE)
    if seen.status in arrived or (
        parcel and parcel.status in (ParcelStatus.RECEIVED, ParcelStatus.VALIDATED)
    ):
        return Custody.RECEIVED
    if parcel and parcel.status == ParcelStatus.SHIPPED:
        return Custody.IN_TRANSIT
    return Custody.AUTHORISED


def _step(
    item: ReturnItem, step: Custody, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace
) -> None:
    before = item.custody
    if step == Custody.INSPECTED:
        assert unit.inspection is not None
        inspection = _inspect(item, unit.inspection, 1, trace)
        reason = f"Checked: {inspection.get_disposition_display().lower()}"
    else:
        reason = f"{item.return_record.connection.name} says {seen.raw_status}"
    move(item, "custody", step, reason=reason, trace=trace)
    sku = item.sku
    assert sku is not None
    if step == Custody.IN_TRANSIT:
        _book(item, sku, "in_transit", Bucket.OUTSIDE, Bucket.IN_TRANSIT, reason, trace)
    elif step == Custody.RECEIVED:
        came_from = Bucket.IN_TRANSIT if before == Custody.IN_TRANSIT else Bucket.OUTSIDE
        _book(item, sku, "received", came_from, Bucket.RECEIVED, reason, trace)
    elif step == Custody.INSPECTED and not unit.inspection.is_returned:  # type: ignore[union-attr]
        _book(item, sku, "not_in_parcel", Bucket.RECEIVED, Bucket.OUTSIDE, reason, trace)
        _open_unit(
            kinds.NOT_IN_PARCEL,
            item,
            seen,
            trace,
            reason=unit.inspection.reason or "no reason given",  # type: ignore[union-attr]
        )


def _book(
    item: ReturnItem, sku: Sku, step: str, source: Bucket, target: Bucket, reason: str, trace: Trace
) -> None:
    unit_move(
        step=step,
        sku=sku,
        return_item_id=item.pk,
        order_id=item.order_id,
        from_bucket=source,
        to_bucket=target,
        reason=reason,
        trace=trace,
    )


def _inspect(item: ReturnItem, seen: InspectionSeen, version: int, trace: Trace) -> Inspection:
    return Inspection.objects.create(
        return_item=item,
        version=version,
        disposition=_disposition(seen),
        location_word=seen.location,
        reason=seen.reason[:200],
        inspected_at=seen.inspected_at,
        message_id=trace.message_id,
        job_id=trace.job_id,
        learned_at=trace.at,
    )


def _disposition(seen: InspectionSeen) -> Disposition:
    if not seen.is_returned:
        return Disposition.NOT_RETURNED
    return Disposition.RESTOCK if seen.is_restockable else Disposition.QUARANTINE


def _corrected(item: ReturnItem, seen: InspectionSeen, found: ReturnSeen, trace: Trace) -> int:
    """A verdict that differs from the last one is its next version, and somebody must settle it."""
    last = item.inspections.order_by("-version").first()
    assert last is not None
    same = (last.disposition, last.location_word) == (_disposition(seen), seen.location)
    if same or seen.inspected_at <= last.inspected_at:
        return 0
    now = _inspect(item, seen, last.version + 1, trace)
    _open_unit(
        kinds.INSPECTION_CORRECTED,
        item,
        found,
        trace,
        before=last.get_disposition_display().lower(),
        after=now.get_disposition_display().lower(),
    )
    return 1


def _check_verdict(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> None:
    checked = seen.status in (PlatformStatus.VALIDATED, PlatformStatus.DONE)
    if checked and unit.inspection is None and unit.method != Method.KEPT:
        _open_unit(kinds.VALIDATED_WITHOUT_DISPOSITION, item, seen, trace)
    elif unit.inspection is not None:
        _close(
            kinds.VALIDATED_WITHOUT_DISPOSITION, "return_item", item.pk, trace, "The verdict came"
        )


def _close_unit(item: ReturnItem, seen: ReturnSeen, trace: Trace) -> int:
    """Rejected or cancelled. What has moved already needs a person; the rest just ends."""
    if item.money not in ("NONE", "PROPOSED", "REFUSED") or item.custody == Custody.INSPECTED:
        _went_back(item, seen, trace)
        return 0
    if Custody.CLOSED not in CUSTODY_MOVES[item.custody]:
        return 0
    move(item, "custody", Custody.CLOSED, reason=f"The return is {seen.raw_status}", trace=trace)
    _unblock(item, trace)
    return 1


def _went_back(item: ReturnItem, seen: ReturnSeen, trace: Trace) -> None:
    _open_unit(
        kinds.RETURN_WENT_BACK,
        item,
        seen,
        trace,
        ours=item.get_custody_display().lower(),
        theirs=seen.raw_status,
    )


def _price_contradiction(item: ReturnItem, unit: ReturnUnitSeen) -> list[tuple[str, str, str]]:
    sold = item.order_item
    assert sold is not None
    ours = f"{sold.paid_minor / 100:.2f} {sold.order.currency}"
    theirs = f"{unit.paid_minor / 100:.2f} {unit.currency}"
    return [] if ours == theirs else [("price", ours, theirs)]


def _place_contradiction(order: Order, seen: ReturnSeen) -> list[tuple[str, str, str]]:
    """Customer and address, compared without putting personal data into the case."""
    found = []
    address = order.shipping_address
    postcodes = {
        parcel.postcode.replace(" ", "")
        for parcel in seen.parcels
        if parcel.postcode and not parcel.is_outbound
    }
    if address and postcodes and address.postcode.replace(" ", "") not in postcodes:
        found.append(("address", "the order's address", "another postcode"))
    emails = {
        parcel.email.strip().lower()
        for parcel in seen.parcels
        if parcel.email.strip() and not parcel.is_outbound
    }
    if order.customer and emails and order.customer.email.strip().lower() not in emails:
        found.append(("customer", "the buyer's e-mail", "another e-mail"))
    return found


def _report_contradictions(
    record: Return,
    order: Order,
    seen: ReturnSeen,
    found: list[tuple[str, str, str]],
    trace: Trace,
) -> None:
    if not found:
        _close(kinds.SOT_VIOLATION, "return", record.pk, trace, "Both say the same now")
        return
    fields = sorted({field for field, _, _ in found})
    cases.open_case(
        kinds.SOT_VIOLATION,
        About("return", record.pk, order.pk, record.connection_id),
        trace=trace,
        facts={
            **_facts(record, seen),
            "fields": " and ".join(fields),
            "ours": ", ".join(sorted({ours for _, ours, _ in found})),
            "theirs": ", ".join(sorted({theirs for _, _, theirs in found})),
        },
    )


def _open_unit(
    kind: CaseKind, item: ReturnItem, seen: ReturnSeen, trace: Trace, **facts: str
) -> None:
    record = item.return_record
    cases.open_case(
        kind,
        About(
            "return_item",
            item.pk,
            record.order_id,
            record.connection_id,
            money_minor=item.claimed_minor,
            currency=item.currency,
            customers_waiting=1,
        ),
        trace=trace,
        facts={**_facts(record, seen), "sku": item.sku_code, **facts},
    )


def _facts(record: Return, seen: ReturnSeen) -> dict[str, str]:
    number = record.order.number if record.order is not None else seen.order_number
    return {
        "rma": record.external_id,
        "order": number or "(none named)",
        "platform": record.connection.name,
    }


def _close(kind: CaseKind, record_kind: str, record_id: int, trace: Trace, reason: str) -> None:
    cases.close_by_fact(
        trace=trace, reason=reason, kinds=[kind], record_kind=record_kind, record_id=record_id
    )
