"""Compare both platforms with our own account. A clean run is written down too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from finance.comparison import PAIR, Both, Tally, Unreadable, compare
from finance.findings import report, write_down
from finance.models import Reconciliation
from integrator.engine import cases, choices
from integrator.engine.cases import ROW_NOT_READ
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, each, only_reads
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.sweeping import cause_of, due_before, is_asked, read_list, report_unreadable
from integrator.models import Connection, Message
from integrator.platforms.returngo.client import ReturnGO
from integrator.platforms.scayle.client import Scayle

LOOK_BACK = timedelta(days=30)


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"compare:{fact.connection_id}:{PAIR}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def call(work: Work) -> Both | Nothing:
    portal = Connection.objects.get(pk=work.job.record_id)
    last = Reconciliation.objects.filter(pair=PAIR, retailer=portal.retailer_id).order_by("-at")
    if due_before(work, last.values_list("at", flat=True).first()):
        return Nothing("a later comparison has seen everything")
    return _read(
        portal,
        scayle=lambda shop: platforms.scayle(work, shop),
        returngo=lambda portal: platforms.returngo(work, portal),
        at=work.at,
    )


def _read(
    portal: Connection,
    *,
    scayle: Callable[[Connection], Scayle],
    returngo: Callable[[Connection], ReturnGO],
    at: datetime,
) -> Both:
    """Every order and return of the last month, from the platforms themselves.

    A row that cannot be read hides no other one.
    """
    since = at - LOOK_BACK
    shops = Connection.objects.filter(retailer=portal.retailer_id, platform="scayle")
    orders = []
    unreadable: list[Unreadable] = []
    for shop in shops.order_by("id"):
        seen, wrong = read_list(scayle(shop).orders_updated_since(since))
        orders.append((shop, seen))
        unreadable += [Unreadable(shop, "order", *one) for one in wrong.items()]
    returns, wrong = read_list(returngo(portal).rmas(updated_since=since))
    unreadable += [Unreadable(portal, "rma", *one) for one in wrong.items()]
    return Both(tuple(orders), returns, tuple(unreadable))


def compare_now(portal: Connection, *, strict: bool, at: datetime) -> Tally:
    """One comparison by hand, outside any job: it is written down, and opens and closes no case.

    ``strict`` also reports what is still on its way. Raises what reading a platform raises.
    """
    both = _read(portal, scayle=platforms.scayle_now, returngo=platforms.returngo_now, at=at)
    minutes = 0 if strict else _settling_minutes(choices.current(portal.retailer).values)
    tally = compare(portal, both, settled=at - timedelta(minutes=minutes))
    write_down(portal.retailer, tally, at=at)
    return tally


def _settling_minutes(policy: Mapping[str, Any]) -> int:
    return int(policy["settling_minutes"])


def record(work: Work, both: Both) -> Evidence:
    returngo = Connection.objects.select_related("retailer").get(pk=work.job.record_id)
    minutes = _settling_minutes(work.policy(returngo.retailer_id).values)
    tally = compare(returngo, both, settled=work.at - timedelta(minutes=minutes))
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
    run = write_down(returngo.retailer, tally, at=work.at)
    report(returngo, tally, trace=work.trace)
    _report_unreadable(work, returngo, both)
    return {
        "run": run.pk,
        "compared": tally.compared,
        "different": len(tally.different),
        "unreadable": len(tally.unreadable),
    }


def _report_unreadable(work: Work, returngo: Connection, both: Both) -> None:
    """Each row once: what a sweep asks about, or was told to leave out, is not asked again here."""
    lists = [(shop, "order") for shop, _ in both.orders] + [(returngo, "rma")]
    for connection, stream in lists:
        found = {
            one.row: one.error
            for one in both.unreadable
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
