"""What a bulk comes to: counts, money and rows of its cases, and how fast it runs. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet, Sum
from django.urls import reverse

from integrator.desk import catalogue, words
from integrator.engine import bulks
from integrator.flows import many_rules
from integrator.models import (
    Bulk,
    BulkItem,
    BulkItemState,
    BulkState,
    Case,
    CaseState,
    Job,
    JobState,
)
from integrator.models.states import JOB_OPEN

PAGE = 50
# Of what is to be done: its step waits for a person. No state of its own: the step's says it.
STOPPED = "STOPPED"
# The results by which rows can be listed, as the address names them.
RESULTS: dict[str, str] = {
    "to-do": BulkItemState.READY,
    "stopped": STOPPED,
    "done": BulkItemState.DONE,
    "skipped": BulkItemState.SKIPPED,
    "failed": BulkItemState.FAILED,
    "left-out": BulkItemState.EXCLUDED,
}
_NAMES = {state: name for name, state in RESULTS.items()}
_SYMBOLS: dict[str, str] = {
    BulkItemState.READY: "idle",
    STOPPED: "bad",
    BulkItemState.DONE: "ok",
    BulkItemState.SKIPPED: "wait",
    BulkItemState.FAILED: "bad",
    BulkItemState.EXCLUDED: "pause",
}
_STATE_SYMBOLS: dict[str, str] = {
    BulkState.RUNNING: "wait",
    BulkState.CANCELLED: "pause",
    BulkState.DONE: "ok",
}
_WHY_STOPPED = "A fault of ours: nothing was decided. It waits to be tried again."
LEFT_ALONE = "Left alone"  # it was to be done, and the bulk was cancelled before its turn


@dataclass(frozen=True, slots=True)
class Result:
    """How many cases ended in one way, with the list of them."""

    name: str
    label: str
    symbol: str
    count: int
    href: str


@dataclass(frozen=True, slots=True)
class Why:
    """A reason and how many cases have it, with the list of them."""

    text: str
    count: int
    href: str


@dataclass(frozen=True, slots=True)
class Line:
    """One case of a bulk in words. ``now``: how the case stands at this moment."""

    case: Case
    title: str
    symbol: str
    result: str
    why: str
    money_minor: int
    currency: str
    now: str


@dataclass(frozen=True, slots=True)
class Pace:
    """``handled`` of ``total`` cases, how many a minute, and about how long the rest takes."""

    handled: int
    total: int
    a_minute: str
    left: str


def counts_of(of: Iterable[int]) -> dict[int, dict[str, int]]:
    """How many cases are in which state or have stopped, by bulk, in two queries."""
    counts: dict[int, dict[str, int]] = {}
    items = BulkItem.objects.filter(bulk_id__in=list(of)).order_by()
    for bulk_id, state, count in items.values_list("bulk_id", "state").annotate(Count("id")):
        counts.setdefault(bulk_id, {})[state] = count
    stopped = items.filter(bulks.has_stopped(), state=BulkItemState.READY)
    for bulk_id, count in stopped.values_list("bulk_id").annotate(Count("id")):
        counts[bulk_id][STOPPED] = count
        counts[bulk_id][BulkItemState.READY] -= count
    return counts


def results_of(bulk: Bulk, counts: dict[str, int]) -> list[Result]:
    """Every result that occurred, and "done" always."""
    return [
        Result(
            name=name,
            label=label_of(bulk, state).lower(),
            symbol=_SYMBOLS[state] if counts.get(state) else "idle",
            count=counts.get(state, 0),
            href=rows_href(bulk, name),
        )
        for name, state in RESULTS.items()
        if counts.get(state) or state == BulkItemState.DONE
    ]


def state_of(bulk: Bulk, counts: dict[str, int], *, silent: bool) -> str:
    """How it stands, in words. It has stopped when nothing of it goes on by itself, and waits
    while every worker is ``silent``.
    """
    if _rests(bulk, counts):
        return "Stopped"
    is_waiting = silent and bulk.state == BulkState.RUNNING
    return "Waits for a worker" if is_waiting else str(bulk.get_state_display())


def symbol_of(bulk: Bulk, counts: dict[str, int]) -> str:
    """The sign of that word."""
    return "bad" if _rests(bulk, counts) else _STATE_SYMBOLS.get(bulk.state, "idle")


def _rests(bulk: Bulk, counts: dict[str, int]) -> bool:
    has_stopped = counts.get(STOPPED) and not counts.get(BulkItemState.READY)
    return bool(has_stopped) and bulk.state == BulkState.RUNNING


def title_of(bulk: Bulk, ready: int) -> str:
    """What it does and to how many: "Snooze 3 cases", "Try again: 3 cases"."""
    cases = words.plural(ready if bulk.count is None else bulk.count, "case")
    if bulk.do in many_rules.OWN:
        return bulk.label.replace("them", cases)
    return f"{bulk.label}: {cases}"


def label_of(bulk: Bulk, state: str) -> str:
    if state == STOPPED:
        return "Stopped"
    if state == BulkItemState.READY and bulk.state == BulkState.CANCELLED:
        return LEFT_ALONE
    return str(BulkItemState(state).label)


def rows_href(
    bulk: Bulk, result: str = "", why: str = "", after: int = 0, *, to: str = "bulk_rows"
) -> str:
    """The list of a bulk's cases with one result, or with one reason."""
    chosen = {"result": result, "why": why, "after": after}
    query = urlencode({name: value for name, value in chosen.items() if value})
    address = reverse(to, args=[bulk.pk])
    return f"{address}?{query}" if query else address


def whys_of(bulk: Bulk, state: BulkItemState) -> list[Why]:
    """Why cases were left out, skipped or failed: the most frequent reason first."""
    rows = bulk.items.filter(state=state).values("why").annotate(count=Count("id"))
    return [
        Why(row["why"], row["count"], rows_href(bulk, _NAMES[state], row["why"]))
        for row in rows.order_by("-count", "why")
    ]


def money_of(bulk: Bulk) -> list[tuple[int, str]]:
    """What is at risk in the cases that will be tried, per currency."""
    ready = bulk.items.filter(state=BulkItemState.READY, money_minor__gt=0)
    sums = ready.values_list("currency").annotate(sum=Sum("money_minor"))
    return [(int(total), str(currency)) for currency, total in sums.order_by("currency")]


def steps_of(bulk: Bulk) -> list[tuple[catalogue.Tile, str, int]]:
    """What the stopped steps of these cases do once they are set going, with how many of each."""
    ready = bulk.items.filter(state=BulkItemState.READY, case__job__isnull=False)
    rows = ready.values_list("case__job__flow", "case__job__queue").annotate(count=Count("id"))
    return [
        (catalogue.tile_of(queue), catalogue.flow_says(flow), count)
        for flow, queue, count in rows.order_by("-count", "case__job__flow")
    ]


def held_of(bulk: Bulk, *, at: datetime) -> tuple[int, int, int]:
    """Of the decisions taken: how many have not left yet, are being carried out, were cancelled."""
    decided = bulk.items.filter(event__isnull=False).values("event_id")
    found = Job.objects.filter(record_kind="case", fact__in=decided).aggregate(
        held=Count("id", filter=Q(state=JobState.DUE, not_before__gt=at)),
        going=Count("id", filter=Q(state__in=JOB_OPEN) & ~Q(state=JobState.DUE, not_before__gt=at)),
        cancelled=Count("id", filter=Q(state=JobState.CANCELLED)),
    )
    return found["held"], found["going"], found["cancelled"]


def pace_of(bulk: Bulk, counts: dict[str, int], *, at: datetime) -> Pace:
    """How far it is. Nothing is foretold before something was done."""
    total, ready = bulk.count or 0, counts.get(BulkItemState.READY, 0)
    handled = total - ready - counts.get(STOPPED, 0)
    assert bulk.started_at is not None, "it runs"
    passed = ((bulk.ended_at or at) - bulk.started_at) / timedelta(minutes=1)
    if not handled or passed <= 0:
        return Pace(handled, total, "", "")
    rate = handled / max(passed, 1 / 60)
    left = words.span(timedelta(minutes=ready / rate)) if ready else ""
    return Pace(handled, total, f"{max(round(rate), 1):,} a minute", left)


def page_of(bulk: Bulk, *, result: str, why: str, after: int) -> tuple[list[Line], str]:
    """One page of its cases in the order in which they are done, and where it goes on."""
    rows = _items(bulk, result, why)
    found = list(rows.filter(pk__gt=after)[: PAGE + 1])
    older = rows_href(bulk, result, why, found[PAGE - 1].pk) if len(found) > PAGE else ""
    return [_line(bulk, one) for one in found[:PAGE]], older


def file_rows(bulk: Bulk, *, result: str, why: str) -> Iterator[list[object]]:
    """All cases of the same list, as the lines of a file; read while it is sent."""
    for item in _items(bulk, result, why).iterator(chunk_size=500):
        line = _line(bulk, item)
        money = words.plain_number(line.money_minor, line.currency) if line.money_minor else ""
        case = line.case
        yield [f"C-{case.pk}", line.title, line.result, line.why, line.now, money, line.currency]


FILE_HEADS = ("Case", "Title", "Result", "Why", "Now", "Money at risk", "Currency")


def _items(bulk: Bulk, result: str, why: str) -> QuerySet[Any]:
    rows = bulk.items.select_related("case__assignee").annotate(has_stopped=bulks.has_stopped())
    if result in ("to-do", "stopped"):
        rows = rows.filter(state=BulkItemState.READY, has_stopped=result == "stopped")
    elif result in RESULTS:
        rows = rows.filter(state=RESULTS[result])
    return (rows.filter(why=why) if why else rows).order_by("id")


def _line(bulk: Bulk, item: Any) -> Line:
    has_stopped = item.state == BulkItemState.READY and item.has_stopped
    state = STOPPED if has_stopped else item.state
    return Line(
        case=item.case,
        title=catalogue.said_of(item.case).title,
        symbol=_SYMBOLS[state],
        result=label_of(bulk, state),
        why=_WHY_STOPPED if has_stopped else item.why,
        money_minor=item.money_minor,
        currency=item.currency,
        now=_now(item.case),
    )


def _now(case: Case) -> str:
    """How a case stands, and with whom while it is not solved."""
    state = str(case.get_state_display()).lower()
    if case.assignee is None or case.state == CaseState.SOLVED:
        return state
    return f"{state}, with {case.assignee.first_name or case.assignee.get_username()}"
