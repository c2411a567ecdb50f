"""What a comparison found: written down, and put in front of a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from finance.cases import SYSTEMS_DIFFER
from finance.comparison import PAIR, Differs, Tally
from finance.models import Difference, Reconciliation
from fulfilment.models import Order, OrderItem
from integrator.engine import cases
from integrator.engine.case_facts import moment_fact
from integrator.engine.states import Trace
from integrator.models import Case, CaseState, Connection, Retailer
from returns.models import ReturnItem


def write_down(retailer: Retailer, tally: Tally, *, at: datetime) -> Reconciliation:
    """Keep the run and its differences."""
    run = Reconciliation.objects.create(
        retailer=retailer,
        pair=PAIR,
        at=at,
        compared=tally.compared,
        equal=tally.equal,
        pending=tally.pending,
        different=len(tally.different),
        accepted=len(tally.accepted),
        unreadable=len(tally.unreadable),
    )
    Difference.objects.bulk_create(
        Difference(
            reconciliation=run,
            record_kind=one.record_kind,
            record_id=one.record_id,
            external_id=one.external_id,
            order_id=one.order_id,
            field=one.field[:60],
            ours=one.ours[:200],
            theirs=one.theirs[:200],
            says=one.says[:300],
        )
        for one in tally.different
    )
    return run


def report(returngo: Connection, tally: Tally, *, trace: Trace) -> None:
    """A case per difference. One closes by itself when its own question was asked and answered
    with "equal": a record that is on its way, or was not read, proves nothing.
    """
    causes = set()
    worth = _worth(tally.different)
    for one in tally.different:
        causes.add(one.cause)
        where = one.connection
        about = (one.record_kind, one.record_id) if one.record_id else ("connection", where.pk)
        money_minor, currency = worth.get(one.cause, (0, ""))
        cases.open_case(
            SYSTEMS_DIFFER,
            cases.About(
                *about,
                order_id=one.order_id,
                connection_id=where.pk,
                money_minor=money_minor,
                currency=currency,
            ),
            trace=trace,
            cause=one.cause,
            facts={
                "what": f"{one.record_kind.capitalize()} {one.external_id}",
                "ours": one.ours,
                "theirs": one.theirs,
                "says": one.says,
                "platform": where.name,
                "at": moment_fact(trace.at),
            },
        )
    open_ones = (
        Case.objects.filter(kind=SYSTEMS_DIFFER.code, connection__retailer=returngo.retailer_id)
        .exclude(state=CaseState.SOLVED)
        .exclude(cause__in=causes)
    )
    for case in open_ones.order_by("id"):
        if tally.has_answered(case.cause):
            cases.solve(
                case,
                resolution=Case.Resolution.BY_ITSELF,
                trace=trace,
                reason="A later comparison found both equal",
            )


def _worth(different: Sequence[Differs]) -> dict[str, tuple[int, str]]:
    """What is at stake in each difference, by its cause.

    For a unit what was paid for it, for an order what was paid, for a return what its units claim.
    """
    orders = Order.objects.in_bulk(
        {one.record_id for one in different if one.record_kind == "order" and one.record_id}
    )
    units = {
        (item.order_id, f"unit {item.external_id}"): item.paid_minor
        for item in OrderItem.objects.filter(order__in=orders)
    }
    returns: dict[int, tuple[int, str]] = {}
    ids = {one.record_id for one in different if one.record_kind == "return" and one.record_id}
    for item in ReturnItem.objects.filter(return_record__in=ids):
        sum_, _ = returns.get(item.return_record_id, (0, ""))
        returns[item.return_record_id] = (sum_ + item.claimed_minor, item.currency)
    worth = {}
    for one in different:
        if one.record_kind == "return" and one.record_id in returns:
            worth[one.cause] = returns[one.record_id]
        elif one.record_kind == "order" and one.record_id in orders:
            order = orders[one.record_id]
            at_stake = units.get((order.pk, one.field), order.paid_minor)
            worth[one.cause] = (at_stake, order.currency)
    return worth
