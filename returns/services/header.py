"""The header of a return: derived from its units, stored in the same transaction."""

from __future__ import annotations

from integrator.engine import cases
from integrator.engine.states import Trace, move
from returns.cases import COMPLETE_FAILED
from returns.models import Return
from returns.states import Custody, ReturnStatus

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
        move(item, "custody", Custody.CLOSED, reason="The return is done", trace=trace)
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
