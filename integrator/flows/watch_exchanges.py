"""What do replacements wait for, and for too long? Told before the customer notices (R032).

It only looks at our own account and asks nobody. Each case closes when a later look finds that the
exchange has moved on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from finance.evidence import missing_evidence
from finance.services.corrections import difference_left
from integrator.engine import cases
from integrator.engine.case_facts import moment_fact
from integrator.engine.cases import About, CaseKind
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.money import money_text
from integrator.engine.work import Work
from integrator.flows.watching import Key, close_others
from integrator.models import Case, CaseState, Connection
from returns import exchange_cases as kinds
from returns.models import Exchange, Return
from returns.services import last_disposition
from returns.services.exchanges import (
    PAYMENT_HOLDS,
    about_exchange,
    exchange_due,
    exchange_facts,
    exchange_follow,
    exchange_is_due,
)
from returns.services.meanings import method_of, resolution_of
from returns.shapes import Method, Resolution
from returns.states import (
    EXCHANGE_ENDED,
    EXCHANGE_PLACED,
    EXCHANGE_WANTED,
    DifferenceStatus,
    ExchangeStatus,
    ReturnStatus,
)

_WATCHED = (kinds.EXCHANGE_STALLED, kinds.EXCHANGE_UNPAID, kinds.EXCHANGE_DIFFERENCE_OWED)


@dataclass(frozen=True, slots=True)
class Waits:
    """One thing that takes too long: the case it is, about what, and the fact that differs."""

    kind: CaseKind
    about: About
    facts: dict[str, str]
    what: str

    @property
    def cause(self) -> str:
        return f"{self.what}:{self.about.record_kind}:{self.about.record_id}"

    @property
    def key(self) -> Key:
        return self.kind.code, self.about.record_id, self.cause


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"watch-exchanges:{fact.connection_id}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def record(work: Work, _: None) -> Evidence:
    connection = Connection.objects.select_related("retailer").get(pk=work.job.record_id)
    values = work.policy(connection.retailer_id).values
    zone = ZoneInfo(connection.retailer.timezone)
    exchanges = list(_open_ones(connection))
    for exchange in exchanges:
        _keep_up(exchange, values, work)
    waits = [
        *(
            one
            for exchange in exchanges
            for one in waits_of(exchange, values, zone=zone, at=work.at)
        ),
        *_drafts(connection, values, at=work.at),
    ]
    told = [one for one in waits if _tell(one, work)]
    keys = {one.key for one in waits}
    closed = close_others(connection, _WATCHED, keys, work=work, reason="It has moved on")
    return {"exchanges": len(exchanges), "waiting": len(told), "moved_on": closed}


def _open_ones(connection: Connection) -> Iterable[Exchange]:
    return (
        Exchange.objects.filter(connection=connection)
        .exclude(status__in=EXCHANGE_ENDED)
        .exclude(
            status=ExchangeStatus.SHIPPED,
            difference__in=[DifferenceStatus.NONE, DifferenceStatus.PAID, DifferenceStatus.SETTLED],
        )
        .select_related(
            "connection",
            "return_record__connection",
            "return_item__return_record",
            "order__connection",
            "exchange_order",
        )
        .order_by("id")
    )


def _keep_up(exchange: Exchange, values: Mapping[str, Any], work: Work) -> None:
    """Two facts that no callback may bring: it is due by now, or its last parcel has left."""
    if exchange.status in EXCHANGE_WANTED and exchange_is_due(
        exchange, str(values["exchange_trigger"])
    ):
        exchange_due(exchange, trace=work.trace)
    if exchange.exchange_order is not None:
        exchange_follow(exchange, exchange.exchange_order, trace=work.trace)


def waits_of(
    exchange: Exchange, values: Mapping[str, Any], *, zone: ZoneInfo, at: datetime
) -> Iterator[Waits]:
    """What an exchange waits for too long at this moment."""
    about, hours = about_exchange(exchange), values["exchange_hours"]
    is_held = exchange.difference in PAYMENT_HOLDS
    if exchange.status == ExchangeStatus.ORDERED and is_held and exchange.ordered_at:
        if at - exchange.ordered_at >= timedelta(hours=hours["unpaid"]):
            yield Waits(kinds.EXCHANGE_UNPAID, about, exchange_facts(exchange), "unpaid")
    elif exchange.status in (*EXCHANGE_WANTED, ExchangeStatus.ORDERED) and exchange.due_since:
        since = _payable_since(exchange, exchange.due_since)
        if at - since >= timedelta(hours=hours["dispatch"]):
            yield _stalled(exchange, about, "the warehouse was not told", since, "dispatch")
    elif exchange.status == ExchangeStatus.RELEASED and exchange.released_at:
        days = int(values["exchange_ship_working_days"])
        if at >= after_working_days(exchange.released_at.astimezone(zone), days):
            why = f"no parcel after {days} working days"
            yield _stalled(exchange, about, why, exchange.released_at, "parcel")
    if _is_owed_now(exchange, values) and (left := difference_left(exchange)):
        owed = About(
            "exchange",
            exchange.pk,
            exchange.order_id,
            exchange.connection_id,
            money_minor=left,
            currency=exchange.currency,
            customers_waiting=1,
        )
        facts = {**exchange_facts(exchange), "amount": money_text(left, exchange.currency)}
        yield Waits(kinds.EXCHANGE_DIFFERENCE_OWED, owed, facts, "owed")


def _payable_since(exchange: Exchange, since: datetime) -> datetime:
    """The time in which only the customer's payment was missing does not count."""
    is_free = exchange.difference in (DifferenceStatus.PAID, DifferenceStatus.WAIVED)
    if is_free and exchange.difference_at is not None:
        return max(since, exchange.difference_at)
    return since


def _stalled(exchange: Exchange, about: About, why: str, since: datetime, what: str) -> Waits:
    facts = {
        **exchange_facts(exchange),
        "why": why,
        "since": moment_fact(since),
    }
    return Waits(kinds.EXCHANGE_STALLED, about, facts, f"stalled-{what}")


def _is_owed_now(exchange: Exchange, values: Mapping[str, Any]) -> bool:
    """What the replacement costs less is due with the same evidence as any refund."""
    if exchange.difference != DifferenceStatus.OWED or exchange.status not in EXCHANGE_PLACED:
        return False
    units = (
        [exchange.return_item]
        if exchange.return_item is not None
        else [
            one
            for one in exchange.return_record.items.select_related("return_record")
            if resolution_of(one) == Resolution.EXCHANGE
        ]
    )
    return all(
        (method := method_of(one)) != Method.UNKNOWN
        and not missing_evidence(one, method, last_disposition(one), values)
        for one in units
    )


def after_working_days(at: datetime, days: int) -> datetime:
    """The same time of day, so many working days later. Monday to Friday; it knows no holidays."""
    while days:
        at += timedelta(days=1)
        if at.weekday() < 5:
            days -= 1
    return at


def _drafts(connection: Connection, values: Mapping[str, Any], *, at: datetime) -> Iterator[Waits]:
    """Drafts of the returns platform that nothing has become of: neither there nor here."""
    rows = (
        Return.objects.filter(connection=connection)
        .exclude(drafts={})
        .exclude(status__in=[ReturnStatus.COMPLETED, ReturnStatus.CLOSED])
        .select_related("connection", "order")
        .prefetch_related("exchanges")
        .order_by("id")
    )
    patience = timedelta(hours=values["exchange_hours"]["draft"])
    for row in rows:
        ours = sum(one.status in EXCHANGE_PLACED for one in row.exchanges.all())
        seen = sorted(datetime.fromisoformat(one) for one in row.drafts.values())
        waiting = seen[ours:]  # each order of ours answers one draft: they name no unit
        if not waiting or at - waiting[0] < patience:
            continue
        facts = {
            "rma": row.external_id,
            "sku": "the replacement",
            "why": f"{connection.name} has only drafted its order",
            "since": moment_fact(waiting[0]),
            "exchange_order": "(none yet)",
        }
        about = About("return", row.pk, row.order_id, connection.pk, customers_waiting=1)
        yield Waits(kinds.EXCHANGE_STALLED, about, facts, "stalled-draft")


def _tell(one: Waits, work: Work) -> bool:
    """A case, unless a person has looked at exactly this and found nothing wrong."""
    waived = Case.objects.filter(
        kind=one.kind.code,
        cause=one.cause,
        state=CaseState.SOLVED,
        resolution=Case.Resolution.NOT_AN_ERROR,
    )
    if waived.exists():
        return False
    cases.open_case(one.kind, one.about, trace=work.trace, cause=one.cause, facts=one.facts)
    return True


FLOW = Flow(
    name="watch_exchanges",
    says="Look for replacements that do not move",
    aim=each(_aim),
    record=record,
    joins=True,
    priority=60,
    due_minutes=15,
)
