"""How an order stood at a moment, from the facts up to then. Reads only; never a guess.

Statuses are replayed from their Transitions, places from the stock movements, balances from the
entries in the books, cases from what was done about them, steps from when they began and
ended. One statement per table, however much happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db.models import Q

from finance.models import LedgerEntry, Refund
from fulfilment.models import Order, StockMovement
from fulfilment.states import Bucket
from integrator.desk.steps import asked_in
from integrator.models import Case, CaseEvent, Job, Transition
from returns.cases import RETURN_ORDER_UNKNOWN
from returns.models import Exchange, Inspection, ReturnItem

_OPENS = (CaseEvent.Kind.OPENED, CaseEvent.Kind.REOPENED)


class Change(NamedTuple):
    """One Transition, as far as a replay needs it."""

    kind: str
    id: int
    field: str
    new: str
    order_id: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Unit:
    """A returned unit as it stood; an empty bucket: it had not left the customer."""

    item: ReturnItem
    custody: str
    money: str
    verdict: str
    bucket: str


@dataclass(slots=True)
class Standing:
    """The order at ``at``. Without a status it was not known here yet.

    ``balances`` are by currency and account, money that came in less money that went out;
    ``earlier`` and ``later`` are the changes next to the moment.
    """

    at: datetime
    status: str
    units: list[Unit] = field(default_factory=list)
    refunds: list[tuple[Refund, str]] = field(default_factory=list)
    exchanges: list[tuple[Exchange, str]] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    steps: list[Job] = field(default_factory=list)
    buckets: dict[str, int] = field(default_factory=dict)
    balances: dict[str, dict[str, int]] = field(default_factory=dict)
    earlier: datetime | None = None
    later: datetime | None = None


def standing(order: Order, at: datetime) -> Standing:
    """Everything the order's page says of statuses and balances, as known at a moment."""
    items = list(
        ReturnItem.objects.filter(return_record__order=order)
        .select_related("return_record", "order_item__sku", "sku")
        .order_by("return_record_id", "id")
    )
    changes = _changes(order, items)
    moves = list(StockMovement.objects.filter(order_id=order.pk).order_by("id"))
    entries = list(LedgerEntry.objects.filter(order_id=order.pk).order_by("id"))
    events = list(
        CaseEvent.objects.filter(case__order_id=order.pk).select_related("case").order_by("id")
    )
    jobs = list(Job.objects.filter(order_id=order.pk).order_by("-id"))
    verdicts = list(
        Inspection.objects.filter(return_item__in=items, piece=None).order_by("version")
    )
    known = _known(one for one in changes if one.at <= at)
    moved = [one for one in moves if one.at <= at]
    units = _units(order, items, changes, known, moved, verdicts, at)
    facts: tuple[Iterable[Any], ...] = (changes, moves, entries, events)
    moments = {one.at for some in facts for one in some}
    cases = _open_cases(one for one in events if one.at <= at)
    return Standing(
        at=at,
        status=known.get(("order", order.pk, "status"), ""),
        units=units,
        refunds=_with(Refund.objects.filter(order=order).order_by("id"), "refund", known),
        exchanges=_with(Exchange.objects.filter(order=order).order_by("id"), "exchange", known),
        cases=cases,
        steps=[one for one in jobs if _is_owed(one, at, {case.pk for case in cases})],
        buckets=_buckets(moved),
        balances=_balances(one for one in entries if one.at <= at),
        earlier=max((one for one in moments if one < at), default=None),
        later=min((one for one in moments if one > at), default=None),
    )


_Known = dict[tuple[str, int, str], str]


def _changes(order: Order, items: list[ReturnItem]) -> list[Change]:
    """The order's changes, also those of a return from before anybody knew whose it was."""
    mine = Q(order_id=order.pk) | Q(record_kind="return_item", record_id__in=[i.pk for i in items])
    mine |= Q(record_kind="return", record_id__in=[one.return_record_id for one in items])
    columns = ("record_kind", "record_id", "field", "new", "order_id", "at")
    rows = Transition.objects.filter(mine).order_by("id").values_list(*columns)
    return [Change(*row) for row in rows]


def _known(changes: Iterable[Change]) -> _Known:
    """The last status of every record: its changes are in the order in which they were made."""
    return {(one.kind, one.id, one.field): one.new for one in changes}


_Row = TypeVar("_Row", Refund, Exchange)


def _with(rows: Iterable[_Row], kind: str, known: _Known) -> list[tuple[_Row, str]]:
    """The records that were there, each with its status then."""
    return [(row, known[at]) for row in rows if (at := (kind, row.pk, "status")) in known]


def _units(
    order: Order,
    items: list[ReturnItem],
    changes: list[Change],
    known: _Known,
    moved: list[StockMovement],
    verdicts: list[Inspection],
    at: datetime,
) -> list[Unit]:
    tied = _tied(order, items, changes)
    said = {one.return_item_id: one.disposition for one in verdicts if one.learned_at <= at}
    held = {one.return_item_id: one.to_bucket for one in moved}
    return [
        Unit(
            item=item,
            custody=known[("return_item", item.pk, "custody")],
            money=known.get(("return_item", item.pk, "money"), ""),
            verdict=said.get(item.pk, ""),
            bucket=held.get(item.pk, ""),
        )
        for item in items
        if ("return_item", item.pk, "custody") in known and tied[item.return_record_id] <= at
    ]


def _tied(order: Order, items: list[ReturnItem], changes: list[Change]) -> dict[int, datetime]:
    """Since when each return is known to be of this order.

    From its birth, unless its order was found later: then since its first change as one of this
    order, or since the exception about the missing order was over, whichever came first.
    """
    of_return = {item.pk: item.return_record_id for item in items}
    born: dict[int, datetime] = {}
    since: dict[int, datetime] = {}
    for one in changes:
        rma = one.id if one.kind == "return" else of_return.get(one.id)
        if rma is None or one.kind not in ("return", "return_item"):
            continue
        born.setdefault(rma, one.at)
        if one.order_id == order.pk:
            since.setdefault(rma, one.at)
    late = [rma for rma, at in born.items() if since.get(rma) != at]
    if late:
        over = CaseEvent.objects.filter(
            case__kind=RETURN_ORDER_UNKNOWN.code,
            case__record_kind="return",
            case__record_id__in=late,
            kind=CaseEvent.Kind.SOLVED,
        ).order_by("id")
        found = dict(over.values_list("case__record_id", "at"))
        for rma in late:
            ends = [one for one in (since.get(rma), found.get(rma)) if one is not None]
            since[rma] = min(ends, default=born[rma])
    return since


def _open_cases(events: Iterable[CaseEvent]) -> list[Case]:
    """What was open: opened, and not solved since. The next promise first, as on the page."""
    found: dict[int, Case] = {}
    for one in events:
        if one.kind in _OPENS:
            found[one.case_id] = one.case
        elif one.kind == CaseEvent.Kind.SOLVED:
            found.pop(one.case_id, None)
    return sorted(found.values(), key=lambda case: (case.due_at, case.pk))


def _is_owed(job: Job, at: datetime, open_cases: Collection[int]) -> bool:
    """Begun and not ended; or ended by putting the work before a person, who had not answered."""
    is_open = job.finished_at is None or job.finished_at > at or asked_in(job, open_cases) > 0
    return job.created_at <= at and is_open


def _buckets(moved: Iterable[StockMovement]) -> dict[str, int]:
    """How many units were counted where; with the customer is not ours to count."""
    counts: dict[str, int] = defaultdict(int)
    for one in moved:
        counts[one.from_bucket] -= one.quantity
        counts[one.to_bucket] += one.quantity
    return {str(one): counts[one] for one in Bucket if one != Bucket.OUTSIDE and counts[one]}


def _balances(entries: Iterable[LedgerEntry]) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in entries:
        sums[one.currency][one.from_account] -= one.amount_minor
        sums[one.currency][one.to_account] += one.amount_minor
    return {
        currency: {account: amount for account, amount in accounts.items() if amount}
        for currency, accounts in sums.items()
    }
