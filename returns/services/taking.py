"""Taking a return over as its platform shows it now, and checking it against what was bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q

from fulfilment.cases import BUNDLE_UNREADABLE
from fulfilment.services import order_find
from integrator.engine import cases, links
from integrator.engine.cases import About, CaseKind
from integrator.engine.money import money_text
from integrator.engine.states import Trace, born
from integrator.models import Connection
from returns import cases as kinds
from returns.models import Return, ReturnItem
from returns.services.checking import Checked, check_units, has_replacement
from returns.services.contradictions import (
    place_contradiction,
    price_contradiction,
    report_contradictions,
)
from returns.services.custody import unit_advance, unit_look_again, unit_vanished
from returns.services.header import return_end_as_shown, return_header
from returns.services.meanings import resolution_of
from returns.services.reporting import about_unit, close, facts_of
from returns.services.wishes import exchanges_take
from returns.shapes import PlatformStatus, Resolution, ReturnSeen, ReturnUnitSeen
from returns.states import EXCHANGE_WANTED, Custody, Money

_UNIT_CHECKS = (
    kinds.UNIT_NOT_BOUGHT,
    kinds.UNIT_NOT_SHIPPED,
    kinds.UNIT_RETURNED_TWICE,
    kinds.WRONG_CUSTOMER,
)
_ENDED = (PlatformStatus.REJECTED, PlatformStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking a return over came to: nothing new, or how many units changed.

    ``promise_changed``: a unit that was known is to be settled in another way than before, or
    another fee is taken off the whole.
    """

    return_record: Return
    is_new_version: bool
    units_changed: int
    promise_changed: bool = False


def return_take(
    *, connection: Connection, seen: ReturnSeen, trace: Trace, look_again: bool = False
) -> Taken:
    """Take a return over. The same version again is a no-op, unless something of it is held.

    ``look_again``: a person says that something was mended there. What still is as it was opens
    its case again, even in a version that is known.

    The returns platform rules the journey; the order's price, customer and address are the shop's
    and are never touched from here (R002, R041): a contradiction is stored with the message and
    opens a case.
    """
    record, created = Return.objects.select_for_update(no_key=True).get_or_create(
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
    is_known = not created and record.digest == seen.digest and not look_again
    if is_known and not _has_held(record):
        Return.objects.filter(pk=record.pk).update(read_at=trace.at)
        return Taken(record, is_new_version=False, units_changed=0)
    _tie_to_order(record, seen, trace)
    if created:
        born(record, "status", reason="The customer asked to return something", trace=trace)
    changed, others = _take_units(record, seen, trace, look_again=look_again)
    other_fees = record.fees != seen.fees
    Return.objects.filter(pk=record.pk).update(
        platform_status=seen.status,
        platform_word=seen.raw_status,
        digest=seen.digest,
        fees=seen.fees,
        read_at=trace.at,
    )
    record.platform_status, record.digest, record.fees = seen.status, seen.digest, seen.fees
    return_header(record, trace=trace)
    exchanges_take(record, seen, trace)
    if seen.status == PlatformStatus.DONE:
        return_end_as_shown(record, trace=trace)
    for item in others:
        if resolution_of(item) != Resolution.EXCHANGE:
            reason = f"{item.get_resolution_display()} is promised now"
            close(kinds.RESOLUTION_BY_HAND, "return_item", item.pk, trace, reason)
    return Taken(
        record,
        is_new_version=True,
        units_changed=changed,
        promise_changed=bool(others) or (other_fees and not created),
    )


def unit_accept(item: ReturnItem, *, by: str) -> None:
    """A person lets a unit pass the purchase check. The next reading takes it further."""
    ReturnItem.objects.filter(pk=item.pk).update(accepted_by=by)


def _has_held(record: Return) -> bool:
    """Whether the same version may say more by now: of a unit, a wish or the order."""
    return (
        record.order_id is None
        or record.items.exclude(blocked_by="").exists()
        or record.exchanges.filter(status__in=EXCHANGE_WANTED).exists()
    )


def _tie_to_order(record: Return, seen: ReturnSeen, trace: Trace) -> None:
    """Once found, an order stays: then nothing is left to look for, to note or to ask."""
    if record.order_id is not None:
        return
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
    if record.order_id is None and seen.status not in _ENDED:
        facts = facts_of(record, seen)
        currencies = {unit.currency for unit in seen.units}
        about = About(
            "return",
            record.pk,
            record.order_id,
            record.connection_id,
            money_minor=sum(one.paid_minor for one in seen.units) if len(currencies) == 1 else 0,
            currency=currencies.pop() if len(currencies) == 1 else "",
            customers_waiting=1,
        )
        cases.open_case(kinds.RETURN_ORDER_UNKNOWN, about, trace=trace, facts=facts)
    else:
        close(kinds.RETURN_ORDER_UNKNOWN, "return", record.pk, trace, "The order is known now")


def _take_units(
    record: Return, seen: ReturnSeen, trace: Trace, *, look_again: bool
) -> tuple[int, list[ReturnItem]]:
    """Returns how many units changed, and those we knew that are promised something else now."""
    known = {item.external_id: item for item in record.items.select_related("sku", "order_item")}
    for item in known.values():
        item.return_record = record
    order = record.order
    checks = check_units(order=order, seen=seen, known=known) if order is not None else {}
    contradictions: list[tuple[str, str, str]] = []
    others = _promised_anew(known, seen)
    fits: list[int] = []
    changed = 0
    for unit in seen.units:
        checked = checks.get(unit.external_id, Checked(None, kinds.RETURN_ORDER_UNKNOWN))
        item = known.get(unit.external_id) or _unit_create(record, unit, trace)
        _unit_update(item, unit, checked)
        if checked.breaks is not None and seen.status not in _ENDED:
            _block(item, checked.breaks, record, seen, trace)
            continue
        fits.append(item.pk)
        if checked.other_prices:
            _report_ambiguous(item, checked, record, seen, trace)
        if order is not None:
            contradictions += price_contradiction(item, unit)
        changed += unit_advance(item, unit, seen, trace)
        if look_again:
            unit_look_again(item, unit, seen, trace)
    listed = {unit.external_id for unit in seen.units}
    for external_id, item in known.items():
        if external_id not in listed:
            fits.append(item.pk)
            changed += unit_vanished(item, seen, trace)
    if order is not None:
        contradictions += place_contradiction(order, seen)
        report_contradictions(record, order, seen, contradictions, trace)
    cases.close_by_fact(
        trace=trace,
        reason="The unit fits the order now",
        kinds=_UNIT_CHECKS,
        record_kind="return_item",
        record_id=fits,
    )
    return changed, others


def _promised_anew(known: Mapping[str, ReturnItem], seen: ReturnSeen) -> list[ReturnItem]:
    words = {unit.external_id: unit.raw_resolution for unit in seen.units}
    return [
        one
        for key, one in known.items()
        if words.get(key, one.resolution_word) != one.resolution_word
    ]


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
    born(item, "custody", reason="The customer asked to return it", trace=trace)
    return item


def _deductions(unit: ReturnUnitSeen) -> list[dict[str, object]]:
    return [{"key": one.key, "amount_minor": one.amount_minor} for one in unit.deductions]


def _unit_update(item: ReturnItem, unit: ReturnUnitSeen, checked: Checked) -> None:
    now: dict[str, object] = {
        "resolution": unit.resolution,
        "resolution_word": unit.raw_resolution,
        "method": unit.method,
        "method_word": unit.raw_method,
        "claimed_minor": unit.paid_minor,
        "deductions": _deductions(unit),
        "blocked_by": "" if checked.breaks is None else checked.breaks.code,
    }
    if checked.order_item is not None:
        now |= {"order_item": checked.order_item, "sku": checked.order_item.sku}
    changes = [name for name, value in now.items() if getattr(item, name) != value]
    for name in now:
        setattr(item, name, now[name])
    if changes:
        item.save(update_fields=changes)


def _block(
    item: ReturnItem, kind: CaseKind, record: Return, seen: ReturnSeen, trace: Trace
) -> None:
    for other in _UNIT_CHECKS:
        if other is not kind:
            close(other, "return_item", item.pk, trace, "Another check holds it now")
    if kind in (kinds.RETURN_ORDER_UNKNOWN, BUNDLE_UNREADABLE):
        return  # the return, or the order's line, has a case already
    cases.open_case(
        kind,
        about_unit(item),
        trace=trace,
        facts={
            **facts_of(record, seen),
            "sku": item.sku_code,
            **(_holders(item, record) if kind is kinds.UNIT_RETURNED_TWICE else {}),
        },
    )


def _holders(item: ReturnItem, record: Return) -> dict[str, object]:
    """Which returns have the units that were bought, or a part or the whole of their set."""
    sku = item.sku_code
    fits = Q(order_item__sku__code=sku) | Q(order_item__parent__sku__code=sku)
    fits |= Q(order_item__components__sku__code=sku)
    units = ReturnItem.objects.filter(fits, return_record__order=record.order, blocked_by="")
    # Closed, unpaid and not replaced it is free again, unless it lies on a shelf.
    free = Q(custody=Custody.CLOSED, money__in=(Money.NONE, Money.REFUSED)) & ~has_replacement()
    ids = set((units.exclude(free) or units).values_list("return_record__external_id", flat=True))
    others = sorted(ids - {record.external_id})
    if not others:
        return {"other": "this return"}
    word = "return" if len(others) == 1 else "returns"
    return {"other": f"{word} {' and '.join(others)}", "other_rmas": others}


def _report_ambiguous(
    item: ReturnItem, checked: Checked, record: Return, seen: ReturnSeen, trace: Trace
) -> None:
    """It may be any of several units with different prices: finance sees which was taken."""
    assert checked.order_item is not None
    others = ", ".join(money_text(price, item.currency) for price in checked.other_prices)
    cases.open_case(
        kinds.AMBIGUOUS_UNIT_PRICE,
        about_unit(item),
        trace=trace,
        facts={
            **facts_of(record, seen),
            "sku": item.sku_code,
            "taken": money_text(checked.order_item.paid_minor, item.currency),
            "others": others,
        },
    )
