"""Pay the ready units of a return back. The critical transaction: see design, "who pays".

1. Which units have all the evidence their policy asks for, and what does the shopper get for them?
2. Read the return again: if its platform lists money for a unit, nobody pays it a second time.
3. Reserve the amount on the order and keep the refund's id, in one step, before anything is sent.
4. Send all ready units in one call. SCAYLE then pays each whole unit, later, and says so later.
5. What may have been sent is in doubt: only a positive look-up or a person ends that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finance import cases as kinds
from finance.models import Refund
from finance.services import (
    Share,
    facts_of,
    open_refund,
    refund_doubtful,
    refund_recorded,
    refund_refused,
    refund_reserve,
    refund_sent,
)
from finance.states import Executor, RefundStatus
from fulfilment.models import Order
from integrator.engine import cases
from integrator.engine.errors import Refused, Transient, Unknown
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.capture_order import order_lane
from integrator.flows.refund_rules import (
    PAYABLE,
    Ready,
    about,
    is_returned_there,
    ready_units,
    refuse_if_paid_meanwhile,
    refuse_if_paid_past_us,
    refuse_if_returned_there,
    refuse_unless_expressible,
    split_paid,
)
from integrator.platforms.scayle.client import ReturnedUnit
from returns.cases import RESOLUTION_BY_HAND
from returns.models import Return, ReturnItem
from returns.shapes import MoneySeen, PlatformStatus, Resolution, ReturnSeen

WAIT_FOR_OTHER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The refund that was sent to the payer."""

    refund_id: int


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """Facts about units make the return due, once, in the order's lane."""
    rows = ReturnItem.objects.filter(
        pk__in={fact.record_id for fact in facts if fact.record_kind == "return_item"},
        blocked_by="",
        return_record__order__isnull=False,
    ).values_list(
        "pk", "return_record_id", "return_record__order_id", "return_record__order__connection_id"
    )
    found = {pk: (return_id, order_id, where) for pk, return_id, order_id, where in rows}
    aims = {}
    for fact in facts:
        if fact.record_id in found:
            return_id, order_id, connection_id = found[fact.record_id]
            aims[fact.id] = Aim(
                "return",
                return_id,
                lane=order_lane(order_id),
                order_id=order_id,
                connection_id=connection_id,
            )
    return aims


def call(work: Work) -> Sent | Nothing:
    record = _return(work)
    values = work.policy(record.connection.retailer_id).values
    refund = _kept(work)
    if refund is not None and refund.status == RefundStatus.REFUSED:
        refund = None  # a person said "try again" after a refusal: a new refund, a new number
    if refund is None:
        ready = ready_units(record, values)
        if not ready:
            return Nothing("no unit has all its evidence yet")
        _keep_units(work, ready)
        seen = platforms.returngo(work, record.connection).rma(record.external_id)
        before, to_pay = split_paid(ready, seen)
        _record_paid_before(work, record, before)
        payable = [one for one in to_pay if one.resolution == Resolution.REFUND]
        if seen.status != PlatformStatus.DONE:
            _report_by_hand(work, record, [one for one in to_pay if one not in payable])
        if not payable:
            return Nothing("somebody else has paid" if before else "nothing here is ours to pay")
        _keep_units(work, payable)
        refuse_unless_expressible(record, payable, values)
        refund = _reserve(work, record, payable, seen)
        _send(work, refund)
        return Sent(refund.pk)
    if refund.status in (RefundStatus.AUTHORISED, RefundStatus.IN_DOUBT):
        _send_late(work, record, refund)
    return Sent(refund.pk)


def _keep_units(work: Work, units: Sequence[Ready]) -> None:
    """What this is about, for the person who may have to pay it by hand."""
    with work.step():
        work.keep(units=[one.item.pk for one in units if one.resolution == Resolution.REFUND])


def _return(work: Work) -> Return:
    return Return.objects.select_related("connection__retailer", "order__connection__retailer").get(
        pk=work.job.record_id
    )


def _kept(work: Work) -> Refund | None:
    refund_id = work.kept.get("refund")
    if refund_id is None:
        return None
    return Refund.objects.select_related("order__connection__retailer", "return_record").get(
        pk=refund_id
    )


def _report_by_hand(work: Work, record: Return, others: Sequence[Ready]) -> None:
    """Exchanges and credits are not SCAYLE refunds: a person sees that they are owed."""
    for one in others:
        with work.step():
            cases.open_case(
                RESOLUTION_BY_HAND,
                cases.About(
                    "return_item",
                    one.item.pk,
                    record.order_id,
                    record.connection_id,
                    money_minor=one.item.claimed_minor,
                    currency=one.item.currency,
                    customers_waiting=1,
                ),
                trace=work.trace,
                facts={
                    "rma": record.external_id,
                    "resolution": one.resolution.label.lower(),
                    "sku": one.item.sku_code,
                    "platform": record.connection.name,
                },
            )


def _reserve(work: Work, record: Return, payable: Sequence[Ready], seen: ReturnSeen) -> Refund:
    """Reserve before sending. Another refund of the order that waits for its proof goes first."""
    assert record.order is not None
    if open_refund(record.order.pk) is not None:
        raise Transient(
            "another refund of this order waits for its proof", retry_after=WAIT_FOR_OTHER_SECONDS
        )
    client = platforms.scayle(work, record.order.connection)
    order = client.order(record.order.external_id)
    refuse_if_returned_there(record, payable, order)
    invoices = client.invoices(record.order.external_id)
    refuse_if_paid_past_us(work, record, record.order, invoices)
    with work.step():
        refund = refund_reserve(
            return_record=record,
            shares=[
                Share(one.item, one.item.order_item.paid_minor)
                for one in payable
                if one.item.order_item
            ],
            executor=Executor.SCAYLE,
            evidence_before=[
                one.external_id for one in invoices if one.is_corrective or one.is_by_hand
            ],
            billing_before=order.billing,
            policy_version=_version(work),
            trace=work.trace,
        )
        work.keep(refund=refund.pk)
    return refund


def _send_late(work: Work, record: Return, refund: Refund) -> None:
    """It was reserved before, or a doubt was decided: whoever paid meanwhile is not paid again."""
    order: Order = refund.order
    client = platforms.scayle(work, order.connection)
    if is_returned_there(refund, client.order(order.external_id)):
        return
    refuse_if_paid_past_us(work, record, order, client.invoices(order.external_id))
    refuse_if_paid_meanwhile(work, record, refund)
    _send(work, refund)


def _send(work: Work, refund: Refund) -> None:
    """One call for all units. A proven refusal frees the amount; anything unclear keeps it."""
    parts = refund.items.select_related("order_item", "return_item__return_record")
    units = [
        ReturnedUnit(
            key=part.order_item.external_id,
            received_at=work.at,
            reason=f"return {refund.return_record.external_id}"
            if refund.return_record
            else "return",
        )
        for part in parts
    ]
    client = platforms.scayle(work, refund.order.connection)
    try:
        client.return_items(units)
    except Unknown:
        with work.step():
            refund.refresh_from_db(fields=["status"])
            refund_doubtful(refund, trace=work.trace, reason="The shop did not answer")
        raise
    except Refused as error:
        with work.step():
            refund.refresh_from_db(fields=["status"])
            refund_refused(refund, trace=work.trace, reason=f"The shop refused it: {error}")
        error.case = error.case or kinds.REFUND_REFUSED
        error.facts = {**facts_of(refund), **error.facts}
        raise


def record(work: Work, sent: Sent) -> Evidence:
    refund = Refund.objects.select_related("order", "return_record").get(pk=sent.refund_id)
    refund_sent(refund, trace=work.trace, reason="The shop took the returned units")
    return {"refund": refund.pk, "amount_minor": refund.calculated_minor}


def _record_paid_before(
    work: Work, record_: Return, before: Sequence[tuple[ReturnItem, MoneySeen]]
) -> None:
    """Somebody else paid: write it down as paid by them, so that nobody pays it again."""
    assert record_.order is not None
    if before and open_refund(record_.order.pk) is not None:
        raise Transient(
            "another refund of this order waits for its proof", retry_after=WAIT_FOR_OTHER_SECONDS
        )
    for item, money in before:
        assert item.order_item is not None
        amount = min(money.amount_minor // len(money.unit_ids), item.order_item.paid_minor)
        with work.step():
            refund = refund_reserve(
                return_record=record_,
                shares=[Share(item, amount)],
                executor=Executor.RETURNS_PLATFORM,
                evidence_before=[],
                billing_before="",
                policy_version=_version(work),
                trace=work.trace,
            )
            refund_recorded(
                refund,
                evidence={"transaction": money.external_id, "kind": money.kind},
                executed_minor=amount,
                is_derived=False,
                reference=money.reference or money.external_id,
                trace=work.trace,
                reason="The returns platform had paid it already",
            )


def _version(work: Work) -> int:
    assert work.job.policy_version is not None  # work.policy() has refused a job without one
    return work.job.policy_version


def probe(work: Work) -> Found | NotFound:
    """Every unit booked as returned is a positive answer. Anything else decides nothing."""
    refund = _kept(work)
    if refund is None:
        return NotFound(may_repeat=True)  # it never came as far as reserving, so nothing was sent
    with work.step():
        refund_doubtful(refund, trace=work.trace, reason="It may have been sent")
    seen = platforms.scayle(work, refund.order.connection).order(refund.order.external_id)
    if is_returned_there(refund, seen):
        return Found(Sent(refund.pk))
    return NotFound()


def plan(record_: Return) -> list[Call]:
    """What would be sent for this return now, for the preview."""
    items = record_.items.filter(blocked_by="", money__in=PAYABLE).select_related("order_item")
    total = sum(item.order_item.paid_minor for item in items if item.order_item)
    currency = record_.order.currency if record_.order else ""
    return [
        Call("returngo", "GET", "/rma/…", "Look whether the returns platform paid already"),
        Call(
            "scayle",
            "POST",
            "/fulfillment/return-items",
            f"Report {len(items)} units as returned; SCAYLE then pays the shopper",
            money_minor=total,
            currency=currency,
        ),
    ]


FLOW = Flow(
    name="refund",
    says="Refund the customer",
    aim=aim,
    call=call,
    record=record,
    probe=probe,
    plan=plan,
    about=about,
    queue="scayle",
    priority=10,
    joins=True,
    due_minutes=60,
    settle_minutes=1,
    lookups_needed=2,
    on_refused=kinds.REFUND_REFUSED,
    on_doubt=kinds.REFUND_IN_DOUBT,
)
