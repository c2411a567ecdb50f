"""The header of a return: derived from its units, stored in the same transaction."""

from __future__ import annotations

from integrator.engine import cases
from integrator.engine.states import Trace, move
from integrator.models import Case
from returns.cases import COMPLETE_FAILED, NOT_IN_PARCEL, RESOLUTION_BY_HAND
from returns.models import Return, ReturnItem
from returns.services.exchanges import unit_awaits_order
from returns.services.meanings import method_of, resolution_of
from returns.services.verdicts import last_disposition
from returns.shapes import Method, Resolution
from returns.states import NOT_KEPT, Custody, Money, ReturnStatus

_ORDER = (
    Custody.REQUESTED,
    Custody.AUTHORISED,
    Custody.IN_TRANSIT,
    Custody.RECEIVED,
    Custody.INSPECTED,
)


def return_header(return_record: Return, *, trace: Trace) -> None:
    """Set the header to the least advanced open unit; all closed means completed or closed."""
    custodies = set(return_record.items.values_list("custody", flat=True))
    open_ones = [custody for custody in _ORDER if custody in custodies]
    if open_ones:
        target = ReturnStatus(open_ones[0].value)
    elif return_record.completed_at is not None:
        target = ReturnStatus.COMPLETED
    else:
        target = ReturnStatus.CLOSED
    if custodies and return_record.status != target:
        move(return_record, "status", target, reason="Derived from its units", trace=trace)


def return_complete(return_record: Return, *, trace: Trace) -> None:
    """The returns platform shows the return as done, and the money is proved: close every unit."""
    for item in return_record.items.filter(blocked_by="").exclude(custody=Custody.CLOSED):
        item.return_record = return_record
        move(item, "custody", Custody.CLOSED, reason="The return is done", trace=trace)
        cases.close_by_fact(
            trace=trace,
            reason="The return is done",
            kinds=[NOT_IN_PARCEL, RESOLUTION_BY_HAND],
            record_kind="return_item",
            record_id=item.pk,
        )
    Return.objects.filter(pk=return_record.pk).update(completed_at=trace.at)
    return_record.completed_at = trace.at
    return_header(return_record, trace=trace)
    cases.close_by_fact(
        trace=trace,
        reason="The return is done",
        kinds=[COMPLETE_FAILED],
        record_kind="return",
        record_id=return_record.pk,
    )


def return_end_as_shown(return_record: Return, *, trace: Trace) -> None:
    """The platform shows the return as done. It is done here too once nothing is owed any more."""
    units = return_record.items.exclude(custody=Custody.CLOSED).select_related("return_record")
    items = list(units.prefetch_related("inspections", "return_record__exchanges").order_by("id"))
    if items and all(_is_over(item) for item in items):
        return_complete(return_record, trace=trace)


def _is_over(item: ReturnItem) -> bool:
    """Paid or settled by a person; never in the parcel; or settled there by goods, not money.

    What was to be done by hand is done there, but only while it is not money that is promised.
    Goods that nobody has ordered yet are still owed, whatever is shown.
    """
    if item.blocked_by or unit_awaits_order(item):
        return False
    if item.money in (Money.RECORDED, Money.SETTLED, Money.WAIVED):
        return True
    disposition = last_disposition(item)
    if item.money != Money.NONE or (disposition is None and method_of(item) != Method.KEPT):
        return False
    if disposition in NOT_KEPT:
        return True
    promised = resolution_of(item)
    if promised in (Resolution.REFUND, Resolution.STORE_CREDIT):
        return False
    return promised == Resolution.EXCHANGE or (
        Case.objects.filter(
            kind=RESOLUTION_BY_HAND.code, record_kind="return_item", record_id=item.pk
        ).exists()
    )
