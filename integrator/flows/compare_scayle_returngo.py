"""Compare both platforms with our own account. A clean run is written down too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from finance.comparison import (
    PAIR,
    Differs,
    Tally,
    Unreadable,
    compare_orders,
    compare_returns,
)
from finance.findings import report, write_down
from finance.models import Reconciliation
from integrator.engine import cases, choices
from integrator.engine.cases import ROW_NOT_READ
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, each, only_reads
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.sweeping import began, cause_of, due_before, is_asked, report_unreadable, walk
from integrator.models import Connection, Message
from integrator.platforms.paging import Page
from integrator.platforms.returngo.client import ReturnGO
from integrator.platforms.scayle.client import Scayle

LOOK_BACK = timedelta(days=30)


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"compare:{fact.connection_id}:{PAIR}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def call(work: Work) -> Tally | Nothing:
    portal = Connection.objects.select_related("retailer").get(pk=work.job.record_id)
    last = Reconciliation.objects.filter(pair=PAIR, retailer=portal.retailer_id).order_by("-at")
    if due_before(work, last.values_list("at", flat=True).first()):
        return Nothing("a later comparison has seen everything")
    since = began(work, work.at - LOOK_BACK).since
    found = Tally()
    for one in _lists(
        portal,
        since,
        scayle=lambda shop: platforms.scayle(work, shop),
        returngo=lambda portal: platforms.returngo(work, portal),
    ):
        read = walk(work, one.name, one.pages, partial(_take, work, portal, one))
        found.merge(_told(read.found, one.connection))
        found.unreadable += one.unreadable(read.unreadable)
    return found


def _take(
    work: Work, portal: Connection, one: Listed, rows: Sequence[Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Compare one page, and put what differs in front of a person at once."""
    minutes = _settling_minutes(work.policy(portal.retailer_id).values)
    tally = one.compare(rows, settled=work.at - timedelta(minutes=minutes))
    for connection, kind, name in tally.unheard:
        # Nobody told us of it yet: ask for it now. The next comparison expects it to be here.
        nudge(
            connection_id=connection.pk,
            topic=kind,
            kind="missed",
            resource=(kind, name),
            origin=Message.Origin.SWEEP,
            at=work.at,
        )
    report(portal, tally, trace=work.trace)
    found = _told(before, one.connection)
    found.merge(tally)
    return _kept(found)


# --- What one attempt leaves to the next ----------------------------------------------------------

_FIELDS = ("record_kind", "record_id", "external_id", "order_id", "field", "ours", "theirs", "says")


def _kept(tally: Tally) -> dict[str, Any]:
    return {
        "compared": tally.compared,
        "pending": tally.pending,
        "different": [[getattr(one, name) for name in _FIELDS] for one in tally.different],
        "accepted": [[getattr(one, name) for name in _FIELDS] for one in tally.accepted],
    }


def _told(kept: Mapping[str, Any], connection: Connection) -> Tally:
    """The same again. All of a list is of one connection."""
    different, accepted = (
        [Differs(connection, *row) for row in kept.get(name, [])]
        for name in ("different", "accepted")
    )
    return Tally(
        compared=kept.get("compared", 0),
        pending=kept.get("pending", 0),
        different=different,
        accepted=accepted,
    )


# --- Reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """One list of one platform: every order, or every return, of the last month."""

    connection: Connection
    record_kind: str
    pages: Callable[[str], Iterable[Page[Any]]]
    by: Callable[..., Tally]

    @property
    def name(self) -> str:
        return f"{self.record_kind}:{self.connection.pk}"

    def compare(self, rows: Sequence[Any], *, settled: datetime) -> Tally:
        """Compare rows of it with our account."""
        return self.by(self.connection, rows, settled=settled)

    def unreadable(self, wrong: Mapping[str, str]) -> tuple[Unreadable, ...]:
        rows = wrong.items()
        return tuple(Unreadable(self.connection, self.record_kind, *one) for one in rows)


def _lists(
    portal: Connection,
    since: datetime,
    *,
    scayle: Callable[[Connection], Scayle],
    returngo: Callable[[Connection], ReturnGO],
) -> Iterator[Listed]:
    shops = Connection.objects.filter(retailer=portal.retailer_id, platform="scayle")
    for shop in shops.order_by("id"):
        orders = _pages(scayle(shop).orders_updated_since, since)
        yield Listed(shop, "order", orders, compare_orders)
    yield Listed(portal, "rma", _pages(returngo(portal).rmas, since), compare_returns)


def _pages(
    listed: Callable[..., Iterable[Page[Any]]], since: datetime
) -> Callable[[str], Iterable[Page[Any]]]:
    return lambda after: listed(since, after=after)


def compare_now(portal: Connection, *, strict: bool, at: datetime) -> Tally:
    """One comparison by hand, outside any job: it is written down, and opens and closes no case.

    ``strict`` also reports what is still on its way. Raises what reading a platform raises.
    """
    minutes = 0 if strict else _settling_minutes(choices.current(portal.retailer).values)
    settled = at - timedelta(minutes=minutes)
    tally = Tally()
    for one in _lists(
        portal, at - LOOK_BACK, scayle=platforms.scayle_now, returngo=platforms.returngo_now
    ):
        for page in one.pages(""):
            tally.merge(one.compare(page.rows, settled=settled))
            tally.unreadable += one.unreadable(page.unreadable)
    write_down(portal.retailer, tally, at=at)
    return tally


def _settling_minutes(policy: Mapping[str, Any]) -> int:
    return int(policy["settling_minutes"])


def record(work: Work, tally: Tally) -> Evidence:
    portal = Connection.objects.select_related("retailer").get(pk=work.job.record_id)
    run = write_down(portal.retailer, tally, at=work.at)
    _report_unreadable(work, portal, tally)
    return {
        "run": run.pk,
        "compared": tally.compared,
        "different": len(tally.different),
        "unreadable": len(tally.unreadable),
    }


def _report_unreadable(work: Work, portal: Connection, tally: Tally) -> None:
    """Each row once: what a sweep asks about, or was told to leave out, is not asked again here."""
    shops = Connection.objects.filter(retailer=portal.retailer_id, platform="scayle")
    for connection, stream in [*((shop, "order") for shop in shops), (portal, "rma")]:
        found = {
            one.row: one.error
            for one in tally.unreadable
            if (one.connection, one.record_kind) == (connection, stream)
        }
        asked = {row for row, error in found.items() if is_asked(connection, stream, row, error)}
        here = f"compared-{stream}"
        for row in asked:
            cases.close_by_fact(
                trace=work.trace,
                reason="The regular look asks about it",
                kinds=[ROW_NOT_READ],
                cause=cause_of(connection, here, row),
            )
        new = {row: error for row, error in found.items() if row not in asked}
        report_unreadable(work, connection, here, new)


FLOW = Flow(
    name="compare_scayle_returngo",
    says="Compare the shop, the returns platform and our account",
    aim=each(_aim),
    call=call,
    record=record,
    probe=only_reads,
    queue="returngo",
    priority=70,
    joins=True,
    gives_way=True,
    due_minutes=60,
)
