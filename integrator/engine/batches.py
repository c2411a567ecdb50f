"""Batches: collect what changed inside a window, close it with a count, say what became of each.

An item that failed goes into the next batch as well. What is told, and how, is the flow's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from integrator.engine.states import Trace, move
from integrator.models import Batch, BatchItem, BatchItemState, BatchState

AT_ONCE = "at once"
AGAIN_AFTER = "every 15 minutes"  # when the item of a batch "at once" failed
_EVERY = re.compile(r"every ([1-9]\d{0,3}) minutes?")
_DAILY = re.compile(r"daily at ([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Change:
    """One record that changed. ``facts`` are the changes themselves, ``since`` when the first was.

    ``amount_minor`` is the money among them, in minor units of ``currency``.
    """

    record_kind: str
    record_id: int
    order_id: int | None
    facts: Sequence[int]
    since: datetime
    amount_minor: int = 0
    currency: str = ""
    carried_from: BatchItem | None = None


def is_rule(rule: object) -> bool:
    """Whether this says when a batch closes: at once, every n minutes, daily at hh:mm."""
    return isinstance(rule, str) and (
        rule == AT_ONCE or bool(_EVERY.fullmatch(rule)) or bool(_DAILY.fullmatch(rule))
    )


def closes_at(rule: str, *, at: datetime, timezone: str) -> datetime:
    """The end of the window that ``at`` falls into. Days and hours are the retailer's own.

    Windows of minutes count from its midnight; the last one of a day may be shorter. An hour that
    the clocks skip in spring ends when they have skipped it.
    """
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone)
    midnight = datetime.combine(local.date(), time(), zone).astimezone(at.tzinfo)
    tomorrow = local.date() + timedelta(days=1)
    if rule == AT_ONCE:
        return at
    if found := _EVERY.fullmatch(rule):
        length = timedelta(minutes=int(found[1]))
        passed = (at - midnight) // length
        next_midnight = datetime.combine(tomorrow, time(), zone).astimezone(at.tzinfo)
        return min(midnight + length * (passed + 1), next_midnight)
    found = _DAILY.fullmatch(rule)
    assert found is not None, f"{rule!r} is no rule"
    moment = time(int(found[1]), int(found[2]))
    today = datetime.combine(local.date(), moment, zone).astimezone(at.tzinfo)
    return today if today > at else datetime.combine(tomorrow, moment, zone).astimezone(at.tzinfo)


def collect(
    change: Change, *, connection_id: int, kind: Batch.Kind, rule: str, timezone: str, trace: Trace
) -> BatchItem:
    """Put a change into the batch of its window. A batch "at once" closes in the same step.

    Call it inside a transaction. A window that closes meanwhile is never added to: the change then
    opens the next one.
    """
    end = closes_at(rule, at=trace.at, timezone=timezone)
    batch, _ = Batch.objects.select_for_update(no_key=True).get_or_create(
        connection_id=connection_id,
        kind=kind,
        closes_at=end,
        state=BatchState.COLLECTING,
        defaults={"opened_at": trace.at},
    )
    item, created = BatchItem.objects.get_or_create(
        batch=batch,
        record_kind=change.record_kind,
        record_id=change.record_id,
        defaults={
            "order_id": change.order_id,
            "changes": list(change.facts),
            "amount_minor": change.amount_minor,
            "currency": change.currency,
            "carried_from": change.carried_from,
            "since": change.since,
        },
    )
    if not created:
        item.changes = [*item.changes, *(one for one in change.facts if one not in item.changes)]
        item.amount_minor += change.amount_minor
        item.currency = item.currency or change.currency
        item.carried_from = item.carried_from or change.carried_from
        item.since = min(item.since, change.since)
        item.save(update_fields=["changes", "amount_minor", "currency", "carried_from", "since"])
    if end <= trace.at:
        _close(batch, trace)
    return item


def close_due(*, at: datetime) -> int:
    """Close every batch whose window has ended. Returns how many. Safe in several processes."""
    closed = 0
    trace = Trace(at=at, actor="clock")
    due = Batch.objects.filter(state=BatchState.COLLECTING, closes_at__lte=at)
    for batch_id in list(due.order_by("closes_at", "id").values_list("pk", flat=True)):
        with transaction.atomic():
            batch = due.select_for_update(no_key=True, skip_locked=True).filter(pk=batch_id).first()
            if batch is not None:
                _close(batch, trace)
                closed += 1
    return closed


def _close(batch: Batch, trace: Trace) -> None:
    """Fix the count and the totals, and make each item owed: its Transition starts its flow."""
    items = list(batch.items.order_by("id"))
    move(
        batch,
        "state",
        BatchState.POSTING,
        reason="Its window has ended",
        trace=trace,
        closed_at=trace.at,
        count=sum(len(item.changes) for item in items),
        totals=totals_of(items),
    )
    for item in items:
        move(item, "state", BatchItemState.DUE, reason="Its batch has closed", trace=trace)


def totals_of(items: Sequence[BatchItem]) -> Mapping[str, int]:
    """The money in these items by currency, in minor units."""
    totals: dict[str, int] = {}
    for item in items:
        if item.amount_minor:
            totals[item.currency] = totals.get(item.currency, 0) + item.amount_minor
    return totals


def end_item(item: BatchItem, state: BatchItemState, *, trace: Trace, reason: str) -> None:
    """Write what became of an item; the last one ends its batch. The same again changes nothing."""
    batch = Batch.objects.select_for_update(no_key=True).get(pk=item.batch_id)
    item.refresh_from_db(fields=["state"])
    if item.state != state and state in BatchItem.MOVES["state"].get(item.state, ()):
        failed = state == BatchItemState.FAILED
        move(
            item,
            "state",
            state,
            reason=reason,
            trace=trace,
            ended_at=trace.at,
            error=reason[:300] if failed else "",
        )
    waiting = batch.items.filter(state__in=[BatchItemState.COLLECTED, BatchItemState.DUE])
    if batch.state == BatchState.POSTING and not waiting.exists():
        move(
            batch,
            "state",
            BatchState.DONE,
            reason="Every item has its result",
            trace=trace,
            done_at=trace.at,
        )


def give_up_item(item_id: int, *, trace: Trace, reason: str) -> None:
    """Nobody tries its step any more: its batch does not wait for it. A result it has stands."""
    item = BatchItem.objects.get(pk=item_id)
    end_item(item, BatchItemState.FAILED, trace=trace, reason=reason)


def fail_item(item: BatchItem, *, rule: str, timezone: str, trace: Trace, reason: str) -> None:
    """It was refused. Its changes go into the next batch, while a person looks at this one."""
    item.refresh_from_db()
    was_due = item.state == BatchItemState.DUE
    end_item(item, BatchItemState.FAILED, trace=trace, reason=reason)
    if was_due:
        batch = item.batch
        again = AGAIN_AFTER if rule == AT_ONCE else rule
        collect(
            Change(
                item.record_kind,
                item.record_id,
                item.order_id,
                item.changes,
                item.since,
                item.amount_minor,
                item.currency,
                carried_from=item,
            ),
            connection_id=batch.connection_id,
            kind=Batch.Kind(batch.kind),
            rule=again,
            timezone=timezone,
            trace=trace,
        )
