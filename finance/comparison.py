"""Comparing what the platforms say with our own account, record by record, without writing.

Reading the platforms is ``flows.compare_scayle_returngo``, reporting it ``finance.findings``.
Records that moved within the settling time are still on their way: they are counted as pending and
not reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Coalesce

from finance.cases import PAID_IN_SHOP, SYSTEMS_DIFFER
from finance.models import Refund, RefundItem
from finance.states import REFUND_OPEN, RefundStatus
from fulfilment.models import Order
from fulfilment.shapes import Billing, OrderSeen, Progress, UnitStatus
from integrator.models import (
    Case,
    CaseState,
    Connection,
    Job,
    JobState,
    Message,
    Transition,
)
from integrator.models.states import JOB_OPEN
from returns.models import Return, ReturnItem
from returns.queries import misplaced_units
from returns.shapes import PlatformStatus, ReturnSummary
from returns.states import ReturnStatus

PAIR = "scayle-returngo"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row of a platform's list that could not be read: it is compared with nothing."""

    connection: Connection
    record_kind: str
    row: str
    error: str


@dataclass(frozen=True, slots=True)
class Differs:
    """One difference: which record, which field, both values, and a sentence."""

    connection: Connection
    record_kind: str
    record_id: int | None
    external_id: str
    order_id: int | None
    field: str
    ours: str
    theirs: str
    says: str

    @property
    def cause(self) -> str:
        question = _question(self.connection, self.record_kind, self.external_id)
        return f"{question}:{self.field}"[:200]


def _question(connection: Connection, record_kind: str, external_id: str) -> str:
    """Two shops may use one number for two orders."""
    return f"differs:{connection.pk}:{record_kind}:{external_id}"


@dataclass(slots=True)
class Tally:
    """What a comparison counted. ``answered``: the questions it asked and could answer, as the
    beginning of a cause up to its field's first word.
    """

    explained: frozenset[tuple[str, str, str]] = frozenset()
    answered: set[str] = field(default_factory=set)
    compared: int = 0
    pending: int = 0
    different: list[Differs] = field(default_factory=list)
    accepted: list[Differs] = field(default_factory=list)
    unheard: list[tuple[Connection, str, str]] = field(default_factory=list)
    unreadable: tuple[Unreadable, ...] = ()

    def ask(self, connection: Connection, kind: str, external_id: str, *fields: str) -> None:
        question = _question(connection, kind, external_id)
        self.answered |= {f"{question}:{one}" for one in fields}

    def add(self, one: Differs) -> None:
        known = (one.cause, one.ours, one.theirs) in self.explained
        (self.accepted if known else self.different).append(one)

    def has_answered(self, cause: str) -> bool:
        """Whether the question behind this difference was asked, and could be answered."""
        question, _, field_ = cause.rpartition(":")
        return f"{question}:{field_.partition(' ')[0]}" in self.answered

    def merge(self, later: Tally) -> None:
        """Add what another part of the same comparison counted. What a list names twice, because
        it moved while it was read, is as the later part says.
        """
        self.different = [one for one in self.different if not later.has_answered(one.cause)]
        self.accepted = [one for one in self.accepted if not later.has_answered(one.cause)]
        self.different += later.different
        self.accepted += later.accepted
        self.unheard += later.unheard
        self.answered |= later.answered
        self.compared += later.compared
        self.pending += later.pending
        self.unreadable += later.unreadable

    @property
    def equal(self) -> int:
        found = [*self.different, *self.accepted]
        return (
            self.compared
            - self.pending
            - len({(one.connection.pk, one.record_kind, one.external_id) for one in found})
        )


def _explained(connection: Connection) -> frozenset[tuple[str, str, str]]:
    rows = Case.objects.filter(
        kind=SYSTEMS_DIFFER.code,
        connection__retailer=connection.retailer_id,
        state=CaseState.SOLVED,
        resolution__in=[Case.Resolution.NOT_AN_ERROR, Case.Resolution.ACCEPTED_LOSS],
    ).values_list("cause", "facts__ours", "facts__theirs")
    return frozenset(rows)


def compare_orders(
    connection: Connection, seen: Sequence[OrderSeen], *, settled: datetime
) -> Tally:
    """Orders of a shop, as it shows them, with ours; without writing.

    ``settled``: younger changes are still on their way. What a person has explained stays
    explained while both values stay as they were.
    """
    tally = Tally(explained=_explained(connection))
    known = {
        order.external_id: order
        for order in Order.objects.filter(
            connection=connection, external_id__in=[one.external_id for one in seen]
        )
    }
    ids = [order.pk for order in known.values()]
    asked, in_shop = _asked(ids), _paid_in_shop(ids)
    told, paid, unknown_there = _paid_units(ids), _paid_orders(ids), _billing_unknown(ids)
    busy = _orders_at_work(ids, settled)
    expected = _announced(
        connection, "order", {one.external_id for one in seen} - set(known), settled
    )
    for one in seen:
        if one.progress in (Progress.OPEN, Progress.UNKNOWN):
            continue
        tally.compared += 1
        order = known.get(one.external_id)
        if one.updated_at > settled or (order is not None and order.pk in busy):
            tally.pending += 1
            continue
        order_id = order.pk if order else None
        about: About = (connection, "order", order_id, one.external_id, order_id)
        tally.ask(connection, "order", one.external_id, "order")
        if order is None and one.external_id not in expected:
            tally.pending += 1
            tally.unheard.append((connection, "order", one.external_id))
            continue
        if order is None:
            says = f"order {one.number} is in the shop and not here"
            tally.add(Differs(*about, "order", "missing", "there", says))
            continue
        units = told.get(order.pk, set())
        if order.pk in asked:
            tally.pending += 1  # a person is asked what was paid past us
            continue
        tally.ask(connection, "order", one.external_id, "unit")
        _compare_units(about, one, units, in_shop.get(order.pk, set()), tally)
        if order.pk not in unknown_there:
            tally.ask(connection, "order", one.external_id, "money")
            _compare_billing(about, one, order.pk in paid, tally)
    return tally


def _paid_units(order_ids: list[int]) -> dict[int, set[str]]:
    """The units that SCAYLE has been told are returned, by order: ours to find there again."""
    ours = Refund.objects.filter(
        order_id__in=order_ids,
        executor="scayle",
        status__in=[RefundStatus.SENT, RefundStatus.RECORDED, RefundStatus.SETTLED],
        items__is_live=True,
    )
    rows = ours.exclude(evidence__has_key="by_hand").values_list(
        "order_id",
        Coalesce("items__order_item__parent__external_id", "items__order_item__external_id"),
    )
    told: dict[int, set[str]] = {}
    for order_id, unit in rows:
        told.setdefault(order_id, set()).add(unit)
    return told


def _paid_in_shop(order_ids: list[int]) -> dict[int, set[str]]:
    """Units a person paid back, in the shop or where it was to pay: returned there or not, as the
    shop was left by who did it.
    """
    by_hand = Q(refund__evidence__has_key="explains") | Q(
        refund__executor="scayle", refund__evidence__has_key="by_hand"
    )
    rows = RefundItem.objects.filter(
        by_hand, refund__order_id__in=order_ids, is_live=True
    ).values_list(
        "refund__order_id",
        Coalesce("order_item__parent__external_id", "order_item__external_id"),
    )
    found: dict[int, set[str]] = {}
    for order_id, unit in rows:
        found.setdefault(order_id, set()).add(unit)
    return found


def _asked(order_ids: list[int]) -> set[int]:
    rows = Case.objects.filter(kind=PAID_IN_SHOP.code, record_kind="order", record_id__in=order_ids)
    return set(rows.exclude(state=CaseState.SOLVED).values_list("record_id", flat=True))


def _paid_orders(order_ids: list[int]) -> set[int]:
    """Orders of which money went back, whoever paid it: the shop is told of what went past it."""
    rows = Refund.objects.filter(
        order_id__in=order_ids,
        status__in=[RefundStatus.SENT, RefundStatus.RECORDED, RefundStatus.SETTLED],
    )
    return set(rows.values_list("order_id", flat=True))


def _billing_unknown(order_ids: list[int]) -> set[int]:
    """Orders whose billing there need not know: a person paid what the shop had tried and failed
    to pay, or gave up showing it there.
    """
    by_hand = Refund.objects.filter(
        order_id__in=order_ids, executor="scayle", evidence__has_key="by_hand"
    )
    given_up = Job.objects.filter(
        order_id__in=order_ids, flow="mirror_refund", state=JobState.CANCELLED
    )
    return {
        order_id
        for rows in (by_hand, given_up)
        for order_id in rows.values_list("order_id", flat=True)
        if order_id is not None
    }


def _orders_at_work(order_ids: list[int], settled: datetime) -> set[int]:
    """Orders on their way to agreeing.

    A job is open or parked, a refund waits for its proof, or something changed here since the
    platforms may have been read.
    """
    jobs = Job.objects.filter(order_id__in=order_ids, state__in=[*JOB_OPEN, JobState.PARKED])
    refunds = Refund.objects.filter(order_id__in=order_ids, status__in=REFUND_OPEN)
    changes = Transition.objects.filter(order_id__in=order_ids, at__gt=settled)
    busy = {
        order_id
        for rows in (jobs, refunds, changes)
        for order_id in rows.values_list("order_id", flat=True)
    }
    return {order_id for order_id in busy if order_id is not None}


def _announced(
    connection: Connection, kind: str, external_ids: set[str], before: datetime
) -> set[str]:
    """Orders or returns we were told of long enough ago that we should have them.

    From when we began to act on it: after a pause of our own everything is on its way.
    """
    return set(
        Message.objects.filter(
            connection=connection,
            resource_kind=kind,
            resource_id__in=external_ids,
            routed_at__lte=before,
        ).values_list("resource_id", flat=True)
    )


About = tuple[Connection, str, int | None, str, int | None]


def _compare_units(
    about: About, one: OrderSeen, told: set[str], in_shop: set[str], tally: Tally
) -> None:
    """Units booked as returned there must be those we had refunded there."""
    there = {unit.external_id for unit in one.units if unit.status == UnitStatus.RETURNED}
    for unit in sorted((there ^ told) - (in_shop - told)):
        ours = "refunded" if unit in told else "not refunded"
        theirs = "returned" if unit in there else "not returned"
        says = f"order {one.number}, unit {unit}: {ours} here, {theirs} in the shop"
        tally.add(Differs(*about, f"unit {unit}", ours, theirs, says))


def _compare_billing(about: About, one: OrderSeen, paid_back: bool, tally: Tally) -> None:
    """Money that went back there must be ours. Cancelled units are paid back by the shop itself."""
    refunded = one.billing in (Billing.PARTLY_REFUNDED, Billing.REFUNDED)
    cancelled = any(unit.status == UnitStatus.CANCELLED for unit in one.units)
    if refunded == paid_back or (refunded and cancelled):
        return
    ours = "money went back" if paid_back else "no money went back"
    theirs = one.raw_billing if one.billing == Billing.UNKNOWN else Billing(one.billing).label
    says = f"order {one.number}: {ours} here, the shop says {theirs}"
    tally.add(Differs(*about, "money", ours, theirs, says))


def compare_returns(
    connection: Connection, seen: Sequence[ReturnSummary], *, settled: datetime
) -> Tally:
    """Returns of a returns platform, as its list shows them, with ours; like ``compare_orders``."""
    tally = Tally(explained=_explained(connection))
    known = {
        one.external_id: one
        for one in Return.objects.filter(
            connection=connection, external_id__in=[one.external_id for one in seen]
        )
    }
    busy = _orders_at_work([one.order_id for one in known.values() if one.order_id], settled)
    expected = _announced(
        connection, "rma", {one.external_id for one in seen} - set(known), settled
    )
    held = set(
        ReturnItem.objects.filter(return_record__in=known.values())
        .exclude(blocked_by="")
        .values_list("return_record_id", flat=True)
    )
    misplaced = misplaced_units([one.pk for one in known.values()])
    for one in seen:
        tally.compared += 1
        ours = known.get(one.external_id)
        if ours is None and one.external_id not in expected:
            tally.pending += 1
            tally.unheard.append((connection, "rma", one.external_id))
            continue
        if ours is None:
            says = f"return {one.external_id} is at {connection.name} and not here"
            about: About = (connection, "return", None, one.external_id, None)
            tally.add(Differs(*about, "return", "missing", one.raw_status, says))
            continue
        tally.ask(connection, "return", one.external_id, "return")
        if ours.read_at > settled or ours.order_id in busy or ours.pk in held:
            tally.pending += 1
            continue
        tally.ask(connection, "return", one.external_id, "status", "stock")
        about = (connection, "return", ours.pk, one.external_id, ours.order_id)
        for lost in misplaced.get(ours.pk, []):
            tally.add(Differs(*about, *lost.difference))
        done_here = ours.status == ReturnStatus.COMPLETED
        same_word = ours.platform_word == one.raw_status
        if same_word and done_here == (one.status == PlatformStatus.DONE):
            continue
        word = ours.get_status_display()
        theirs = f"{one.raw_status} at {connection.name}"
        says = f"return {one.external_id}: {word.lower()} here, {theirs}"
        tally.add(Differs(*about, "status", word, one.raw_status, says))
    return tally
