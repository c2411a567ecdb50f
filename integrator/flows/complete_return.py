"""Every promise is kept: tell the returns platform, transactions first, then the return itself.

Never before the shop's record of the refund exists (R026). Both writes name a wanted state, so a
look first shows what is already there, and a repeat is harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef

from finance.evidence import missing_evidence
from finance.models import Refund
from finance.states import Executor, RefundStatus
from fulfilment.shapes import OrderKind
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.money import money_text
from integrator.engine.shapes import Call, Change
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.refund_listed import PAYS, is_news, look_at_money
from integrator.flows.refund_rules import PAYABLE, Ready, less_fees
from integrator.flows.settling import settling
from integrator.flows.take_return import return_lane
from integrator.flows.tell_failed_refund import is_signed, sign_of
from integrator.models import Connection
from integrator.platforms.returngo.client import ReturnGO
from returns.cases import COMPLETE_FAILED
from returns.models import Exchange, Inspection, Return, ReturnItem
from returns.services import last_disposition, return_complete
from returns.services.exchanges import unit_gets_goods, unit_is_exchanged
from returns.services.meanings import method_of, resolution_of
from returns.shapes import Method, MoneySeen, MoneyStatus, PlatformStatus, Resolution, ReturnSeen
from returns.states import Custody, Disposition, Money

PROVED = (Money.RECORDED, Money.SETTLED)
OVER = (*PROVED, Money.WAIVED)


@dataclass(frozen=True, slots=True)
class Told:
    """What the returns platform was told, and whether the whole return is done there."""

    transactions: tuple[str, ...]
    done: bool


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """A recorded refund makes its return due, and a replacement that got further.

    So does a unit that comes after its money or its replacement, or turns out to be missing then.
    """
    exchanges = {fact.record_id for fact in facts if fact.record_kind == "exchange"}
    refunds = {fact.record_id for fact in facts if fact.record_kind == "refund"}
    units = {fact.record_id for fact in facts if fact.record_kind == "return_item"}
    verdicts = {fact.record_id for fact in facts if fact.record_kind == "inspection"}
    found = {
        (kind, pk): row
        for kind, rows in (
            ("refund", _of_refunds(refunds)),
            ("exchange", _of_exchanges(exchanges)),
            ("return_item", _of_units(units)),
            ("inspection", _of_verdicts(verdicts)),
        )
        for pk, *row in rows
    }
    aims = {}
    for fact in facts:
        row = found.get((fact.record_kind, fact.record_id))
        if row is not None:
            return_id, order_id, connection_id, external_id = row
            aims[fact.id] = Aim(
                "return",
                return_id,
                lane=return_lane(connection_id, external_id),
                order_id=order_id,
                connection_id=connection_id,
            )
    return aims


def _of_refunds(ids: Collection[int]) -> Iterable[tuple[Any, ...]]:
    return Refund.objects.filter(pk__in=ids, return_record__isnull=False).values_list(
        "pk",
        "return_record_id",
        "order_id",
        "return_record__connection_id",
        "return_record__external_id",
    )


def _of_exchanges(ids: Collection[int]) -> Iterable[tuple[Any, ...]]:
    return Exchange.objects.filter(pk__in=ids).values_list(
        "pk",
        "return_record_id",
        "order_id",
        "connection_id",
        "return_record__external_id",
    )


def _of_units(ids: Collection[int]) -> Iterable[tuple[Any, ...]]:
    """Paid, to be exchanged, or worth no more than the fees: nothing else would tell of those.

    A person may have said that an unknown word promises an exchange.
    """
    wishes = Exchange.objects.filter(return_record=OuterRef("return_record"))
    rows = ReturnItem.objects.filter(pk__in=ids, blocked_by="", order_item__isnull=False)
    for item in rows.annotate(has_wish=Exists(wishes)).select_related(
        "return_record", "order_item"
    ):
        assert item.order_item is not None
        fees = [
            *(fee["amount_minor"] for fee in item.deductions),
            *item.return_record.fees.values(),
        ]
        if (
            item.money in PROVED
            or item.resolution == Resolution.EXCHANGE
            or (item.resolution == Resolution.UNKNOWN and item.has_wish)
            or item.order_item.paid_minor <= sum(map(int, fees))
        ):
            record_ = item.return_record
            yield item.pk, record_.pk, record_.order_id, record_.connection_id, record_.external_id


def _of_verdicts(ids: Collection[int]) -> Iterable[tuple[Any, ...]]:
    return Inspection.objects.filter(
        pk__in=ids, return_item__money__in=PROVED, return_item__blocked_by=""
    ).values_list(
        "pk",
        "return_item__return_record_id",
        "return_item__return_record__order_id",
        "return_item__return_record__connection_id",
        "return_item__return_record__external_id",
    )


def call(work: Work) -> Told | Nothing:
    record_ = _return(work)
    client = platforms.returngo(work, record_.connection)
    seen = client.rma(record_.external_id)
    if is_news(record_, seen):
        # They paid while another payer was at it: that there are two shows only now.
        with work.step():
            look_at_money(work, record_)
    told = _tell_transactions(client, record_, seen)
    if not _is_finished(work, record_):
        return Told(told, done=False)
    if seen.status != PlatformStatus.DONE:
        client.set_rma_status(record_.external_id, PlatformStatus.DONE)
    return Told(told, done=True)


def _return(work: Work) -> Return:
    return Return.objects.select_related("connection__retailer", "order").get(pk=work.job.record_id)


def _tell_transactions(client: ReturnGO, record_: Return, seen: ReturnSeen) -> tuple[str, ...]:
    if not seen.comments and all(one.status == MoneyStatus.SUCCEEDED for one in seen.money):
        return ()  # nobody asked us for anything, and nothing was said of a failure
    told = []
    refunds = _proved_refunds(record_)
    for money, reference in _untold(refunds, seen):
        client.set_transaction(money.external_id, MoneyStatus.SUCCEEDED, reference)
        told.append(money.external_id)
    for words in _paid_after_all(refunds, seen):
        client.comment(record_.external_id, words)
    return tuple(told)


def _untold(refunds: Sequence[Refund], seen: ReturnSeen) -> list[tuple[MoneySeen, str]]:
    """Payments whose every unit has a proved refund, and the reference to tell.

    All that are asked for; and of those that failed the last one for units that we have paid, when
    nothing else that is listed pays them.
    """
    references = _references(refunds)
    ours = _references([one for one in refunds if one.executor != Executor.RETURNS_PLATFORM])
    to_customer = [money for money in seen.money if money.resolution in PAYS]
    asked = [
        money
        for money in to_customer
        if money.status == MoneyStatus.REQUESTED
        and money.unit_ids
        and set(money.unit_ids) <= set(references)
    ]
    listed = [money for money in seen.money if money.status == MoneyStatus.SUCCEEDED]
    shown = {unit for money in [*asked, *listed] for unit in money.unit_ids}
    for money in reversed(to_customer):
        units = set(money.unit_ids)
        if money.status == MoneyStatus.FAILED and units and units <= set(ours) - shown:
            asked.append(money)
            shown |= units
    return [(money, references[money.unit_ids[0]]) for money in asked]


def _proved_refunds(record_: Return) -> list[Refund]:
    return list(
        Refund.objects.filter(
            return_record=record_, status__in=[RefundStatus.RECORDED, RefundStatus.SETTLED]
        )
        .select_related("order")
        .prefetch_related("items__return_item")
        .order_by("id")
    )


def _references(refunds: Sequence[Refund]) -> dict[str, str]:
    """By the platform's id of each paid unit. A replacement's refund names it in its evidence."""
    replaced = {
        one.evidence["return_item"]: one.reference
        for one in refunds
        if "return_item" in one.evidence
    }
    units = ReturnItem.objects.filter(pk__in=replaced) if replaced else ()
    return {unit.external_id: replaced[unit.pk] for unit in units} | {
        part.return_item.external_id: refund.reference
        for refund in refunds
        for part in refund.items.all()
        if part.return_item is not None
    }


def _paid_after_all(refunds: Sequence[Refund], seen: ReturnSeen) -> list[str]:
    """What to say of refunds whose failure was said there: they are paid now."""
    if not seen.comments:
        return []
    every = set().union(*map(_units, refunds))
    rows = Refund.objects.filter(status=RefundStatus.REFUSED, items__return_item__in=every)
    refused = list(rows.select_related("order").prefetch_related("items").distinct())
    found = []
    for refund in refunds:
        sign = f"[refund {refund.key} paid: {refund.recorded_at:%Y-%m-%d %H:%M:%S}]"
        tried = [refund, *(one for one in refused if _units(one) & _units(refund))]
        if not is_signed(seen, sign) and any(is_signed(seen, sign_of(one)) for one in tried):
            amount = money_text(refund.executed_minor or 0, refund.currency)
            found.append(f"The refund that had failed was paid after all: {amount}. {sign}")
    return found


def _units(refund: Refund) -> set[int]:
    """The returned units it pays, or was to pay."""
    return {part.return_item_id for part in refund.items.all() if part.return_item_id is not None}


def _is_finished(work: Work, record_: Return) -> bool:
    """Nothing of it is open any more: every unit is paid or settled, none is held, none to come.

    A unit that was paid before it came back is not over: closing it would lose its verdict. One
    that turned out to be missing will not come: what was paid for it is finance's question. One
    that was taken out of the return is not waited for, though it may have been held before.
    """
    values = work.policy(record_.connection.retailer_id).values
    arrived = {Custody.INSPECTED, Custody.CLOSED}
    if values["stock_evidence"] == "goods_in":
        arrived.add(Custody.RECEIVED)
    items = list(
        record_.items.select_related(
            "return_record", "order_item__sku", "order_item__parent__sku", "order_item__order"
        ).prefetch_related("inspections", "return_record__exchanges")
    )
    nothing_owed = _nothing_owed(record_, items)
    return bool(items) and all(
        item.custody == Custody.CLOSED
        or (not item.blocked_by and _is_over(item, values, nothing_owed, arrived))
        for item in items
    )


def _is_over(
    item: ReturnItem,
    values: Mapping[str, Any],
    nothing_owed: Collection[int],
    arrived: Collection[Custody],
) -> bool:
    return (
        _is_exchanged(item, values)
        or (
            _is_paid(item, nothing_owed)
            and (item.custody in arrived or method_of(item) == Method.KEPT)
        )
        or (item.money in OVER and _is_missing(item))
    )


def _is_missing(item: ReturnItem) -> bool:
    return last_disposition(item) == Disposition.NOT_RETURNED


def _is_exchanged(item: ReturnItem, values: Mapping[str, Any]) -> bool:
    """The replacement is proved, as the policy says, and the unit has all its evidence."""
    method = method_of(item)
    if method == Method.UNKNOWN or not unit_is_exchanged(item, done=str(values["exchange_done"])):
        return False
    return not missing_evidence(item, method, last_disposition(item), values)


def _is_paid(item: ReturnItem, nothing_owed: Collection[int]) -> bool:
    """Paid or settled, or nothing is owed for it.

    Goods that are promised are not kept by money: the difference of an exchange is a part of it.
    """
    if unit_gets_goods(item):
        return False
    return item.money in OVER or item.pk in nothing_owed


def _nothing_owed(record_: Return, items: Sequence[ReturnItem]) -> set[int]:
    """Units that nothing is owed for: a free gift, or fees as high as the price."""
    unpaid = [
        Ready(item, Resolution.REFUND, tuple(item.deductions))
        for item in items
        if item.money in PAYABLE
        and not item.blocked_by
        and item.custody != Custody.CLOSED
        and resolution_of(item) != Resolution.EXCHANGE
        and item.order_item is not None
        # One that was sent for another cost nothing, and is worth what it replaced.
        and item.order_item.order.kind != OrderKind.EXCHANGE
    ]
    ready = less_fees(record_, unpaid, record_.fees)
    return {one.item.pk for one in ready if not one.share.amount_minor}


def record(work: Work, told: Told) -> Evidence:
    record_ = Return.objects.select_for_update(no_key=True).get(pk=work.job.record_id)
    record_.connection = Connection.objects.get(pk=record_.connection_id)
    if told.done:
        return_complete(record_, trace=work.trace)
    if not told.transactions and not told.done:
        return {"nothing": "no new payment is proved, and not everything of it is done"}
    return {"transactions": list(told.transactions), "done": told.done}


def probe(work: Work) -> Found | NotFound:
    """Read what is there.

    Naming a state twice is harmless, so what is missing may be sent again.
    """
    record_ = _return(work)
    seen = platforms.returngo(work, record_.connection).rma(record_.external_id)
    refunds = _proved_refunds(record_)
    open_ones = [*_untold(refunds, seen), *_paid_after_all(refunds, seen)]
    finished = _is_finished(work, record_)
    if not open_ones and (not finished or seen.status == PlatformStatus.DONE):
        return Found(Told((), done=finished))
    return NotFound(may_repeat=True)


def plan(record_: Return, _: Mapping[str, Any]) -> list[Call]:
    return [
        Call("returngo", "PUT", "/transaction/…", "Report the refund as paid, with its reference"),
        Call(
            "returngo",
            "PUT",
            "/rma/…/status",
            f"Mark return {record_.external_id} as done",
            changes=(
                Change(
                    f"Return {record_.external_id}",
                    record_.get_platform_status_display(),
                    PlatformStatus.DONE.label,
                ),
            ),
        ),
    ]


def about(record_: Return) -> Mapping[str, Any]:
    return {"facts": {"rma": record_.external_id, "platform": record_.connection.name}}


FLOW = settling(
    Flow(
        name="complete_return",
        says="Tell the returns platform that the refund is done",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="returngo",
        priority=30,
        joins=True,
        due_minutes=60,
        on_refused=COMPLETE_FAILED,
        on_doubt=COMPLETE_FAILED,
    ),
    "returngo:set_transaction",
    "returngo:comment",
    "returngo:set_rma_status",
)
