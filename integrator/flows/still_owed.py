"""Is what is about to be paid still owed? Asked of a return that was read a moment ago.

An inspector corrects a verdict and an agent cancels a return without telling anybody, and a refund
may wait for hours. So what was read right before the money is compared with what we know, and where
it differs the return is taken over first.
"""

from __future__ import annotations

from collections.abc import Sequence

from integrator.engine.errors import Transient
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
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
        # What it shows may be a version that was taken over before: it is looked at anew.
        Return.objects.filter(pk=record.pk).update(digest="")
        nudge(
            connection_id=record.connection_id,
            topic="rma",
            kind="read-again",
            resource=("rma", record.external_id),
            origin=Message.Origin.SWEEP,
            at=work.at,
        )
    raise Transient("the return has just changed", retry_after=LOOK_AGAIN_SECONDS)


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


def why_not_owed(items: Sequence[ReturnItem], seen: ReturnSeen) -> str:
    """Why what was set aside for whole units is not owed like this any more; empty when it is."""
    if seen.status in ENDED:
        return f"The return is {seen.raw_status}"
    for item in items:
        verdict = last_verdict(item)
        if has_changed(item, seen):
            return f"The return shows {item.sku_code} differently now"
        if verdict is not None and verdict.disposition in NOT_KEPT:
            return f"{item.sku_code} was not in the parcel after all"
        if item.deductions:
            return f"A fee is taken off {item.sku_code} now"
        if item.resolution not in (Resolution.REFUND, Resolution.UNKNOWN):
            return f"{item.get_resolution_display()} is promised for {item.sku_code} now"
    return ""
