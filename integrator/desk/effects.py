"""What waits for a connection, as the business calls it: refunds, stock, orders. Reads only.

Every open step is in one group, so the groups add up to the count above them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse

from integrator.flows import FLOWS
from integrator.models import Connection, ConnectionState, Job, JobState
from integrator.models.states import JOB_OPEN
from returns.models import ReturnItem
from returns.shapes import Resolution
from returns.states import Custody, Money


@dataclass(frozen=True, slots=True)
class Group:
    """Steps of one kind. ``flowing`` is what goes on while none of them waits."""

    one: str
    many: str
    flows: frozenset[str]
    flowing: str = ""


REST = "rest"
GROUPS: Mapping[str, Group] = {
    "refunds": Group("refund step", "refund steps", frozenset({"refund"}), "refunds"),
    "stock": Group(
        "stock figure",
        "stock figures",
        frozenset({"restock", "show_in_transit", "check_oversell"}),
        "stock",
    ),
    "orders": Group("order to read", "orders to read", frozenset({"capture_order"}), "orders"),
    "returns": Group("return to read", "returns to read", frozenset({"take_return"}), "returns"),
    "replacements": Group(
        "step of a replacement",
        "steps of replacements",
        frozenset({"place_exchange", "free_exchange", "tell_exchange"}),
        "replacements",
    ),
    "told": Group(
        "message about a refund or a return",
        "messages about refunds and returns",
        frozenset({"complete_return", "mirror_refund", "tell_failed_refund", "post_statuses"}),
    ),
    REST: Group("other step", "other steps", frozenset()),
}
_NAMED = frozenset().union(*(group.flows for group in GROUPS.values()))


@dataclass(frozen=True, slots=True)
class Effect:
    """One number with the list behind it. ``owed`` are the amounts that hang on it, by currency."""

    count: int
    words: str
    href: str
    owed: list[tuple[int, str]]


@dataclass(slots=True)
class Total:
    """The steps of one connection. ``in_doubt`` are among those that wait."""

    waiting: int = 0
    in_doubt: int = 0
    stopped: int = 0
    oldest: datetime | None = None


def narrowed(jobs: QuerySet[Job], key: str) -> QuerySet[Job]:
    """The steps of one group; all of them for a group nobody knows."""
    if key not in GROUPS:
        return jobs
    return jobs.exclude(flow__in=_NAMED) if key == REST else jobs.filter(flow__in=GROUPS[key].flows)


def open_steps(ids: Sequence[int]) -> list[Any]:
    """What is open or stopped, per connection and flow, in one statement."""
    is_open = Q(state__in=JOB_OPEN)
    rows = Job.objects.filter(is_open | Q(state=JobState.PARKED), connection_id__in=ids).order_by()
    return list(
        rows.values("connection_id", "flow").annotate(
            waiting=Count("id", filter=is_open),
            in_doubt=Count("id", filter=Q(state=JobState.IN_DOUBT)),
            stopped=Count("id", filter=Q(state=JobState.PARKED)),
            oldest=Min("created_at", filter=is_open),
        )
    )


def totals(by_flow: Iterable[Mapping[str, Any]]) -> Mapping[int, Total]:
    """The same per connection."""
    found: defaultdict[int, Total] = defaultdict(Total)
    for row in by_flow:
        total = found[row["connection_id"]]
        total.waiting += row["waiting"]
        total.in_doubt += row["in_doubt"]
        total.stopped += row["stopped"]
        moments = [moment for moment in (total.oldest, row["oldest"]) if moment is not None]
        total.oldest = min(moments, default=None)
    return found


def waiting(by_flow: Iterable[Mapping[str, Any]]) -> Mapping[int, Counter[str]]:
    """What waits per connection and group."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in by_flow:
        found[row["connection_id"]][_group_of(row["flow"])] += row["waiting"]
    return found


def owed() -> Mapping[int, list[tuple[int, str]]]:
    """What the customer is still owed for returns whose refund step waits, per connection."""
    jobs = Job.objects.filter(flow="refund", record_kind="return", state__in=JOB_OPEN)
    units = ReturnItem.objects.filter(
        return_record__in=jobs.values("record_id"), blocked_by="", resolution=Resolution.REFUND
    ).exclude(
        Q(custody=Custody.CLOSED) | Q(money__in=[Money.RECORDED, Money.SETTLED, Money.WAIVED])
    )
    rows = (
        units.values("return_record__order__connection_id", "currency")
        .order_by("currency")
        .annotate(minor=Sum(Coalesce("order_item__paid_minor", "claimed_minor")))
    )
    found: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        connection_id = row["return_record__order__connection_id"]
        found[connection_id].append((row["minor"], row["currency"]))
    return found


def effects_of(
    connection: Connection, counts: Counter[str], money: list[tuple[int, str]]
) -> list[Effect]:
    """What waits for one connection, in the order in which it hurts."""
    return [
        Effect(
            counts[key],
            group.one if counts[key] == 1 else group.many,
            _href(connection, key),
            money if key == "refunds" else [],
        )
        for key, group in GROUPS.items()
        if counts[key]
    ]


def flowing(connection: Connection, counts: Counter[str]) -> str:
    """What goes on all the same: what this platform does and what of nothing waits.

    Of one that does not answer nobody can say it.
    """
    if connection.state != ConnectionState.ACTIVE or not any(counts.values()):
        return ""
    going = [
        group.flowing
        for key, group in GROUPS.items()
        if group.flowing and not counts[key] and connection.platform in _platforms(group)
    ]
    return f"Still flowing: {', '.join(going)}." if going else ""


def _platforms(group: Group) -> set[str]:
    return {FLOWS[flow].queue for flow in group.flows}


def _group_of(flow: str) -> str:
    return next((key for key, group in GROUPS.items() if flow in group.flows), REST)


def _href(connection: Connection, key: str) -> str:
    query: dict[str, Any] = {"show": "waiting", "connection": connection.pk, "about": key}
    return f"{reverse('steps')}?{urlencode(query)}"
