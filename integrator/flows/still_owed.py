"""Is what is about to be paid still owed? Asked of a return that was read a moment ago.

An inspector corrects a verdict and an agent cancels a return without telling anybody, and a refund
may wait for hours. So what was read right before the money is compared with what we know, and where
it differs the return is taken over first.
"""

from __future__ import annotations

from collections.abc import Sequence

from finance.models import Refund
from finance.services import refund_withdrawn
from finance.states import Executor, RefundStatus, Subject
from integrator.engine.errors import Transient
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows.refund_listed import look_at_money
from integrator.models import Message
from returns.models import Return, ReturnItem
from returns.services import last_verdict, verdict_is_news
from returns.shapes import PlatformStatus, Resolution, ReturnSeen
from returns.states import NOT_KEPT

LOOK_AGAIN_SECONDS = 60.0
ENDED = (PlatformStatus.REJECTED, PlatformStatus.CANCELLED)


def wait_for_reading(
    work: Work, record: Return, items: Sequence[ReturnItem], seen: ReturnSeen
) -> None:
    """Pass when these units are as we know them; else have the return taken over, and wait."""
    if not items or not (seen.status in ENDED or any(has_changed(one, seen) for one in items)):
        return
    with work.step():
        _take_over_anew(work, record)
    raise Transient("the return has just changed", retry_after=LOOK_AGAIN_SECONDS)


def withdraw_by_hand(work: Work, record: Return, seen: ReturnSeen) -> int:
    """What a person is asked to pay and is not owed like this any more: it is worked out anew.

    Call it where the return was taken over. Returns how many refunds were set free. What was paid
    by hand at this very moment is recorded all the same, and then asked about.
    """
    asked = Refund.objects.filter(
        return_record=record,
        executor=Executor.MANUAL,
        status=RefundStatus.AUTHORISED,
        subject=Subject.ITEM,
    )
    count = 0
    for refund in asked:  # hardly ever one: what is needed of it is read then
        if why := why_not_owed(refund, seen):
            refund_withdrawn(refund, trace=work.trace, reason=why)
            count += 1
    if count:
        _take_over_anew(work, record)
        look_at_money(work, record, kind="withdrawn")
    return count


def _take_over_anew(work: Work, record: Return) -> None:
    """Read it once more, although what it shows may be a version that was taken over before."""
    Return.objects.filter(pk=record.pk).update(digest="")
    nudge(
        connection_id=record.connection_id,
        topic="rma",
        kind="read-again",
        resource=("rma", record.external_id),
        origin=Message.Origin.SWEEP,
        at=work.at,
    )


def units_of(refund: Refund) -> list[ReturnItem]:
    """The returned units a refund pays."""
    parts = refund.items.filter(return_item__isnull=False).select_related("return_item")
    return [part.return_item for part in parts.order_by("id") if part.return_item is not None]


def has_changed(item: ReturnItem, seen: ReturnSeen) -> bool:
    """Whether the return shows another verdict, promise or fee for a unit than we know, or no unit.

    Words are compared, not what they mean: a person may have said what an unknown one means.
    """
    unit = next((one for one in seen.units if one.external_id == item.external_id), None)
    if unit is None:
        return True
    fees = [{"key": one.key, "amount_minor": one.amount_minor} for one in unit.deductions]
    return (
        unit.raw_resolution != item.resolution_word
        or fees != item.deductions
        or (unit.inspection is not None and verdict_is_news(item, unit.inspection))
    )


def why_not_owed(refund: Refund, seen: ReturnSeen) -> str:
    """Why what was set aside is not owed like this any more; empty when it is."""
    if seen.status in ENDED:
        return f"The return is {seen.raw_status}"
    then = {row.get("return_item"): row.get("unit_fees_minor") for row in refund.arithmetic}
    for item in units_of(refund):
        verdict = last_verdict(item)
        if has_changed(item, seen):
            return f"The return shows {item.sku_code} differently now"
        if verdict is not None and verdict.disposition in NOT_KEPT:
            return f"{item.sku_code} was not in the parcel after all"
        if sum(int(fee["amount_minor"]) for fee in item.deductions) != (then.get(item.pk) or 0):
            return f"The fees on {item.sku_code} were changed"
        if item.resolution not in (refund.way, Resolution.UNKNOWN):
            return f"{item.get_resolution_display()} is promised for {item.sku_code} now"
    for row in refund.arithmetic:
        if row.get("return_fees_minor", 0) != sum(seen.fees.values()):
            return "The fees on the whole return were changed"
    return ""
