"""Whether a unit may be paid now, and by whom: the rules before a refund. They send nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from finance import cases as kinds
from finance.amounts import worked_out
from finance.evidence import missing_evidence
from finance.return_fees import fees_left
from finance.services import Share
from finance.states import Executor
from fulfilment.models import OrderItem
from fulfilment.shapes import OrderKind
from fulfilment.shares import spread
from fulfilment.states import BundleRefund
from integrator.engine import mappings
from integrator.engine.errors import Misconfigured
from integrator.engine.money import money_text
from integrator.engine.work import Work
from integrator.models import Job, JobState, MappingKind
from integrator.platforms.scayle.client import can_return_items
from returns.cases import REFUND_MODE_UNKNOWN
from returns.models import Inspection, Return, ReturnItem
from returns.services.exchanges import unit_gets_goods
from returns.shapes import Method, Resolution
from returns.states import Custody, Money

PAYABLE = (Money.NONE, Money.PROPOSED, Money.REFUSED)


@dataclass(frozen=True, slots=True)
class Ready:
    """A unit whose evidence is complete, what the customer was promised, and what is taken off."""

    item: ReturnItem
    resolution: Resolution
    deductions: tuple[Mapping[str, Any], ...] = ()
    return_fees_minor: int = 0  # of the whole return; its part of them is among the deductions

    @property
    def share(self) -> Share:
        """What the unit is worth, and how that was worked out."""
        assert self.item.order_item is not None
        amount, row = worked_out(self.item.order_item, self.deductions)
        row |= returned_unit(self.item) | {"return_fees_minor": self.return_fees_minor}
        return Share(self.item, amount, arithmetic=row)


@dataclass(frozen=True, slots=True)
class Group:
    """Ready units of one return that one payer pays in one go. ``why`` says why it is this one."""

    executor: Executor
    way: Resolution
    units: tuple[Ready, ...]
    why: str

    @property
    def shares(self) -> list[Share]:
        return [one.share for one in self.units]


def choices_for(work: Work, record: Return) -> Mapping[str, Any]:
    """The policy. Where SCAYLE's call is switched off, SCAYLE can express nothing."""
    values = work.policy(record.connection.retailer_id).values
    assert record.order is not None
    if values["refund_executor"] == Executor.SCAYLE and not can_return_items(
        record.order.connection.settings
    ):
        return {**values, "refund_executor": values["refund_executor_otherwise"]}
    return values


def still_returnable() -> QuerySet[ReturnItem]:
    """Returned units that money may be tied to: not held, not paid, of a return that goes on or is
    done. A unit whose return was cancelled, or that was taken out of it, is not one of them.
    """
    units = ReturnItem.objects.filter(
        blocked_by="", order_item__isnull=False, money__in=PAYABLE
    ).exclude(custody=Custody.CLOSED, return_record__completed_at__isnull=True)
    return units.select_related("return_record").order_by("id")


def stopped_refunds(work: Work) -> list[Job]:
    """The other refunds of this return that have stopped: each waits for a person."""
    stopped = Job.objects.filter(
        flow=work.job.flow,
        record_kind=work.job.record_kind,
        record_id=work.job.record_id,
        state=JobState.PARKED,
    )
    return list(stopped.exclude(pk=work.job.pk).order_by("id"))


def stopped_elsewhere(work: Work) -> frozenset[int]:
    """Units that another stopped refund of this return is about: a person may be paying them."""
    return frozenset(unit for job in stopped_refunds(work) for unit in job.kept.get("units", ()))


def ready_units(
    record: Return,
    values: Mapping[str, Any],
    fees: Mapping[str, int] | None = None,
    *,
    without: Collection[int] = (),
    only: Collection[int] | None = None,
) -> list[Ready]:
    """Units that may be paid: not blocked, not paid, all evidence there, and the promise known.

    ``fees`` are taken off the return as a whole, once: from the units that are paid first. Those
    we know of when none are given. A unit that nothing is owed for is not among them, nor are those
    in ``without``; where ``only`` is given, no others are.
    """
    last = Inspection.objects.filter(return_item=OuterRef("pk"), piece=None).order_by("-version")
    items = list(
        record.items.filter(blocked_by="", money__in=PAYABLE, order_item__isnull=False)
        .exclude(pk__in=without)
        .annotate(verdict=Subquery(last.values("disposition")[:1]))
        .select_related(
            "sku",
            "order_item__sku",
            "order_item__parent__sku",
            "order_item__order",
            "return_record__connection",
        )
        .prefetch_related("return_record__exchanges")
        .order_by("id")
    )
    ready = []
    for item in items:
        if only is not None and item.pk not in only:
            continue
        method = Method(_known(record, MappingKind.METHOD, item.method, item.method_word))
        if missing_evidence(item, method, item.verdict, values):
            continue
        word = _known(record, MappingKind.RESOLUTION, item.resolution, item.resolution_word)
        if item.order_item is not None and item.order_item.order.kind == OrderKind.EXCHANGE:
            continue  # worth what it replaced, not what it cost: refund_replacement
        if word != Resolution.EXCHANGE and unit_gets_goods(item):
            continue  # goods are on their way for it: EXCHANGE_CHANGED_LATE asks a person
        ready.append(Ready(item, Resolution(word), tuple(item.deductions)))
    ready = less_fees(record, ready, record.fees if fees is None else fees)
    return [one for one in ready if one.share.amount_minor or one.resolution == Resolution.EXCHANGE]


def why_none_ready(record: Return, stopped: frozenset[int]) -> str:
    """Why no unit of a return may be paid now; ``stopped``: those a person decides about."""
    if stopped:
        return "a person decides about its units"
    settled = [money not in PAYABLE for money in record.items.values_list("money", flat=True)]
    if all(settled):
        return "its money is decided already"
    return f"nothing {'else ' if any(settled) else ''}is ready to be refunded yet"


def _known(record: Return, kind: MappingKind, ours: str, theirs: str) -> str:
    """A word we know, or what a person said it means; otherwise the whole return is held."""
    if ours != Resolution.UNKNOWN:
        return ours
    return mappings.find(
        connection=record.connection, kind=kind, theirs=theirs, case=REFUND_MODE_UNKNOWN
    )


def less_fees(record: Return, ready: Sequence[Ready], fees: Mapping[str, int]) -> list[Ready]:
    """Fees on the whole return, spread over its units by what they are worth, and only once.

    What no refund has taken yet is taken; there is one such fee at most, and its name is noted.
    """
    if not fees:
        return list(ready)
    worth = [
        0 if one.resolution == Resolution.EXCHANGE else one.share.amount_minor for one in ready
    ]
    parts = spread(max(fees_left(record, fees), 0), worth) if any(worth) else [0] * len(ready)
    total, name = sum(fees.values()), next(iter(fees))
    return [
        replace(one, deductions=with_fee(one.deductions, name, part), return_fees_minor=total)
        for one, part in zip(ready, parts, strict=True)
    ]


def with_fee(
    deductions: Sequence[Mapping[str, Any]], name: str, amount_minor: int
) -> tuple[Mapping[str, Any], ...]:
    """What is taken off a unit, with its part of a fee on the return."""
    fee = {"key": name, "amount_minor": amount_minor}
    return (*deductions, fee) if amount_minor else tuple(deductions)


def group_ready(ready: Sequence[Ready], values: Mapping[str, Any]) -> list[Group]:
    """The table of who pays, whole: ready units by payer and way. Exchanges are paid by nobody."""
    found: dict[tuple[Executor, Resolution], tuple[list[Ready], str]] = {}
    whole = _whole_bundles(ready)
    for one in ready:
        if one.resolution == Resolution.EXCHANGE:
            continue
        executor, why = _payer(one, values, whole)
        found.setdefault((executor, one.resolution), ([], why))[0].append(one)
    return [
        Group(executor, way, tuple(units), why) for (executor, way), (units, why) in found.items()
    ]


def _whole_bundles(ready: Sequence[Ready]) -> set[int]:
    """Bundles that come back whole at once, all to be paid in full, nothing of them before.

    Only these the shop can take back. A component that cost nothing must be back too.
    """
    found: dict[int, list[Ready]] = {}
    for one in ready:
        unit = one.item.order_item
        if unit is not None and (unit.is_bundle or unit.parent_id):
            found.setdefault(unit.parent_id or unit.pk, []).append(one)
    if not found:
        return set()
    unpaid, parts = _as_they_are_now(found, ready[0].item.return_record_id)
    return {
        pk
        for pk, ones in found.items()
        if pk in unpaid
        and all(one.resolution == Resolution.REFUND and not one.deductions for one in ones)
        and _is_all_of(pk, ones, parts.get(pk, {}))
    }


def _as_they_are_now(
    bundles: Iterable[int], return_id: int
) -> tuple[set[int], dict[int, dict[int, bool]]]:
    """The bundles of which nothing was paid, and of each its components: whether one costs nothing
    and is back with this return. Read anew, in one statement.
    """
    back = ReturnItem.objects.filter(
        order_item=OuterRef("pk"),
        return_record=return_id,
        blocked_by="",
        custody=Custody.INSPECTED,
    )
    rows = OrderItem.objects.filter(Q(pk__in=bundles) | Q(parent__in=bundles)).annotate(
        is_back=Exists(back)
    )
    unpaid: set[int] = set()
    parts: dict[int, dict[int, bool]] = defaultdict(dict)
    for one in rows:
        if one.parent_id is not None:
            parts[one.parent_id][one.pk] = one.paid_minor == 0 and one.is_back
        elif one.bundle_refund == BundleRefund.NONE:
            unpaid.add(one.pk)
    return unpaid, parts


def _is_all_of(bundle: int, ones: Sequence[Ready], parts: Mapping[int, bool]) -> bool:
    here = {one.item.order_item_id for one in ones}
    return bundle in here or all(pk in here or is_free for pk, is_free in parts.items())


def _payer(one: Ready, values: Mapping[str, Any], whole: set[int]) -> tuple[Executor, str]:
    """SCAYLE pays whole units at its own price and nothing else. No payer has a default."""
    executor = payer_of(values, "refund_executor", "a refund is due")
    why = _not_expressible(one, whole)
    if executor != Executor.SCAYLE:
        return executor, f"refunds are paid by the {executor.label.lower()}"
    if not why:
        return executor, ""
    return payer_of(values, "refund_executor_otherwise", why), why


def _not_expressible(one: Ready, whole: set[int]) -> str:
    """Why the shop's own call cannot pay this unit; empty when it can."""
    if one.resolution == Resolution.STORE_CREDIT:
        return "store credit is promised"
    if one.deductions:
        return "a fee is deducted"
    unit = one.item.order_item
    assert unit is not None
    if (unit.is_bundle or unit.parent_id) and (unit.parent_id or unit.pk) not in whole:
        return "only a part of the set came back"
    return ""


def shares_by_hand(units: Sequence[int]) -> list[Share]:
    """What the units of one return are worth when a person pays them: their price less all fees."""
    items = (
        ReturnItem.objects.filter(pk__in=units, order_item__isnull=False)
        .select_related(
            "order_item__sku",
            "order_item__parent__sku",
            "return_record__connection__retailer",
            "return_record__order",
        )
        .order_by("id")
    )
    ready = [Ready(item, Resolution.REFUND, tuple(item.deductions)) for item in items]
    if not ready:
        return []
    record = ready[0].item.return_record
    return [one.share for one in less_fees(record, ready, record.fees)]


def amount_text(shares: Sequence[Share]) -> str:
    """The sum of units of one return, as cases say it."""
    first = shares[0].item
    assert first is not None
    return money_text(sum(share.amount_minor for share in shares), first.currency)


def returned_unit(item: ReturnItem) -> dict[str, Any]:
    """What a later look compares with: the returned unit, and its own fees at this moment."""
    fees = sum(int(fee["amount_minor"]) for fee in item.deductions)
    return {"return_item": item.pk, "unit_fees_minor": fees}


def payer_of(values: Mapping[str, Any], choice: str, why: str) -> Executor:
    """Who pays by policy. Misconfigured when nobody has said so."""
    if values[choice] is None:
        raise Misconfigured(
            f"the setting “{choice.replace('_', ' ')}” is empty, and {why}",
            case=kinds.REFUND_EXECUTOR_MISSING,
            cause=f"policy:{choice}",
        )
    return Executor(values[choice])


def about(record_: Return) -> Mapping[str, Any]:
    """What a case about this refund is worth and says."""
    order = record_.order
    refund = record_.refunds.order_by("-id").first()
    items = record_.items.filter(blocked_by="").select_related("order_item")
    amount = (
        refund.calculated_minor
        if refund is not None
        else sum(item.order_item.paid_minor for item in items if item.order_item)
    )
    currency = order.currency if order else ""
    return {
        "money_minor": amount,
        "currency": currency,
        "customers_waiting": 1,
        "facts": {
            "order": order.number if order else "(unknown)",
            "rma": record_.external_id,
            "amount": money_text(amount, currency),
            "platform": order.connection.name if order else record_.connection.name,
        },
    }
