"""Which returns stand still for longer than their stage allows? Each goes to that stage's team.

It only looks at our own account and asks nobody (R091). A case closes when a later look finds that
its return has moved, or that another case says what is wrong: one thing is in front of one team.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from finance.owed import returns_stalled
from integrator.engine import cases
from integrator.engine.case_facts import moment_fact
from integrator.engine.cases import About, CaseKind
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.work import Work
from integrator.flows.watching import Key, close_others
from integrator.models import Case, CaseState, Connection
from returns.models import Return
from returns.stage_cases import KINDS, STANDS_STILL
from returns.states import ReturnStatus

# Told in one look; the others follow with the next. There may be thousands on the first day.
TOLD_AT_ONCE = 200
_CODES = [kind.code for kind in KINDS]


@dataclass(frozen=True, slots=True)
class Stands:
    """A return that has not moved since a moment, and the case that is."""

    row: Return
    since: datetime

    @property
    def kind(self) -> CaseKind:
        return STANDS_STILL[self.row.status]

    @property
    def cause(self) -> str:
        """The same as long as it stands: who found nothing wrong is not asked about it again."""
        return f"stands:{self.since.isoformat()}"

    @property
    def key(self) -> Key:
        return self.kind.code, self.row.pk, self.cause


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"watch-returns:{fact.connection_id}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def record(work: Work, _: None) -> Evidence:
    connection = Connection.objects.select_related("retailer").get(pk=work.job.record_id)
    hours = work.policy(connection.retailer_id).values["stage_hours"]
    standing = list(_standing(connection, hours, at=work.at))
    about = Case.objects.filter(kind__in=_CODES, connection_id=connection.pk)
    known = {
        (one.kind, one.record_id, one.cause): one
        for one in about.filter(record_id__in=[one.row.pk for one in standing])
    }
    told = 0
    for one in standing:
        case = known.get(one.key)
        is_settled = case is not None and (
            case.state != CaseState.SOLVED or case.resolution == Case.Resolution.NOT_AN_ERROR
        )
        if not is_settled and told < TOLD_AT_ONCE:
            _tell(one, connection, work)
            told += 1
    return {
        "standing": len(standing),
        "told": told,
        "moved_on": close_others(
            connection,
            KINDS,
            {one.key for one in standing},
            work=work,
            reason="It has moved, or another case says what is wrong",
        ),
    }


def _standing(
    connection: Connection, hours: Mapping[str, int], *, at: datetime
) -> Iterator[Stands]:
    """Returns of a connection that stand still and of which nothing else says why."""
    stalled = returns_stalled({connection.retailer_id: hours}, at=at)
    rows = list(stalled.filter(connection=connection, status__in=STANDS_STILL))
    explained = _explained(rows)
    for row in rows:
        if row.pk not in explained:
            yield Stands(row, row.since)  # type: ignore[attr-defined]


def _explained(rows: list[Return]) -> set[int]:
    """Those with another open case: about the return or a unit; about the order, once checked."""
    ids = [one.pk for one in rows]
    orders = [one.order_id for one in rows if one.status == ReturnStatus.INSPECTED]
    units = dict(Return.objects.filter(pk__in=ids).values_list("items", "pk"))
    about = Case.objects.exclude(state=CaseState.SOLVED).exclude(kind__in=_CODES)
    found = about.filter(
        Q(record_kind="return", record_id__in=ids)
        | Q(record_kind="return_item", record_id__in=[one for one in units if one is not None])
        | Q(order_id__in=[one for one in orders if one is not None])
    ).values_list("record_kind", "record_id", "order_id")
    explained: set[int] = set()
    said_of_orders = set()
    for record_kind, record_id, order_id in found:
        if record_kind == "return":
            explained.add(record_id)
        elif record_kind == "return_item" and record_id in units:
            explained.add(units[record_id])
        said_of_orders.add(order_id)
    return explained | {
        one.pk
        for one in rows
        if one.status == ReturnStatus.INSPECTED and one.order_id in said_of_orders
    }


def _tell(one: Stands, connection: Connection, work: Work) -> None:
    hours = int((work.at - one.since).total_seconds() // 3600)
    facts = {
        "rma": one.row.external_id,
        "order": one.row.order.number if one.row.order else one.row.order_number or "(not known)",
        "platform": connection.name,
        "since": moment_fact(one.since),
        "stood": f"{hours // 24} days" if hours >= 48 else f"{hours} hour{'s' * (hours != 1)}",
    }
    about = About("return", one.row.pk, one.row.order_id, connection.pk, customers_waiting=1)
    cases.open_case(one.kind, about, trace=work.trace, cause=one.cause, facts=facts)


FLOW = Flow(
    name="watch_returns",
    says="Look for returns that stand still",
    aim=each(_aim),
    record=record,
    joins=True,
    priority=60,
    due_minutes=30,
)
