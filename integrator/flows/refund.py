"""Pay the ready units of a return back. The critical transaction: see design, "who pays".

1. Which units have all the evidence their policy asks for, and what does the customer get for them?
2. Read the return again: if its platform lists money for a unit, nobody pays it a second time.
3. Reserve the amount on the order and keep the refund's id, in one step, before anything is sent.
4. What SCAYLE cannot pay is set aside for who pays it. The rest goes in one call: SCAYLE then pays
   each whole unit, later, and says so later.
5. What may have been sent is in doubt: only a positive look-up or a person ends that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Min, Q
from django.db.models.functions import Coalesce

from finance import cases as kinds
from finance.models import Refund
from finance.services import (
    facts_of,
    open_refund,
    refund_by_hand,
    refund_doubtful,
    refund_refused,
    refund_reserve,
    refund_sent,
    refund_withdrawn,
)
from finance.states import Executor, RefundStatus
from fulfilment.models import Order
from integrator.engine import cases
from integrator.engine.errors import Refused, Unknown, Yields
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.work import Work
from integrator.flows import platforms, refund_preview
from integrator.flows.capture_order import order_lane
from integrator.flows.paid_already import (
    is_returned_there,
    refuse_if_paid_meanwhile,
    refuse_if_paid_past_us,
    refuse_if_returned_there,
    refuse_if_unclear,
)
from integrator.flows.past_us import tie_paid_units
from integrator.flows.refund_listed import TOPIC, take_listed, version_of
from integrator.flows.refund_rules import (
    Group,
    Ready,
    about,
    amount_text,
    choices_for,
    group_ready,
    ready_units,
    shares_by_hand,
    stopped_elsewhere,
    why_none_ready,
)
from integrator.flows.settling import settling
from integrator.flows.still_owed import wait_for_reading, why_not_owed
from integrator.models import Message
from integrator.platforms.scayle.client import ReturnedUnit
from returns.cases import RESOLUTION_BY_HAND
from returns.models import Exchange, Inspection, Return, ReturnItem
from returns.services.exchanges import unit_gets_goods
from returns.shapes import PlatformStatus, Resolution

WAIT_FOR_OTHER_SECONDS = 60.0
_NOT_HELD = Q(return_record__items__blocked_by="")


@dataclass(frozen=True, slots=True)
class Sent:
    """The refund that was sent to the payer."""

    refund_id: int


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """Facts about units, verdicts on them, or money listed for a return, make it due, once.

    So does a replacement that is not to be: money may be promised for its unit meanwhile.
    """
    judged = dict(
        Inspection.objects.filter(
            pk__in={fact.record_id for fact in facts if fact.record_kind == "inspection"}
        ).values_list("pk", "return_item_id")
    )
    ended = dict(
        Exchange.objects.filter(
            pk__in={fact.record_id for fact in facts if fact.record_kind == "exchange"}
        )
        .annotate(unit=Coalesce("return_item", Min("return_record__items", filter=_NOT_HELD)))
        .values_list("pk", "unit")
    )
    wanted = {fact.id: key for fact in facts if (key := _named(fact, judged, ended))}
    rows = ReturnItem.objects.filter(
        pk__in=[key[1] for key in wanted.values() if key[0] == "unit"],
        blocked_by="",
        return_record__order__isnull=False,
    ).values_list(
        "pk", "return_record_id", "return_record__order_id", "return_record__order__connection_id"
    )
    found: dict[tuple[Any, ...], tuple[int, int, int]] = {
        ("unit", pk): (return_id, order_id, where) for pk, return_id, order_id, where in rows
    }
    found |= _returns_named({key for key in wanted.values() if key[0] == "rma"})
    return {
        fact_id: Aim(
            "return",
            found[key][0],
            lane=order_lane(found[key][1]),
            order_id=found[key][1],
            connection_id=found[key][2],
        )
        for fact_id, key in wanted.items()
        if key in found
    }


def _named(
    fact: Fact, judged: Mapping[int, int], ended: Mapping[int, int | None]
) -> tuple[Any, ...] | None:
    if fact.record_kind == "return_item":
        return ("unit", fact.record_id)
    if fact.record_kind == "exchange":
        return ("unit", ended[fact.record_id]) if fact.record_id in ended else None
    if fact.record_kind == "inspection":
        return ("unit", judged[fact.record_id]) if fact.record_id in judged else None
    if fact.record_kind != "message":
        return None
    return ("rma", fact.connection_id, str(fact.data["resource_id"]))


def _returns_named(keys: set[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[int, int, int]]:
    rows = Return.objects.filter(
        connection_id__in={key[1] for key in keys},
        external_id__in={key[2] for key in keys},
        order__isnull=False,
    ).values_list("connection_id", "external_id", "pk", "order_id", "order__connection_id")
    return {
        ("rma", connection_id, rma): (return_id, order_id, where)
        for connection_id, rma, return_id, order_id, where in rows
        if order_id is not None
    }


def call(work: Work) -> Sent | Nothing:
    try:
        return _pay(work)
    except Refused as error:
        # A case of its own: another stopped refund of the return must not take this one's place.
        error.cause = error.cause or f"refund:{work.job.pk}"
        # Two people may agree to pay it by hand: to the units it stopped with, not to the return.
        if units := work.kept.get("units"):
            shares = shares_by_hand(units)
            error.money_minor = sum(share.amount_minor for share in shares)
            error.facts = {**error.facts, "amount": amount_text(shares)}
        raise


def _pay(work: Work) -> Sent | Nothing:
    record = _return(work)
    refund = _kept(work)
    if refund is not None and refund.status == RefundStatus.REFUSED:
        refund = None  # a person said "try again" after a refusal: a new refund, a new number
    if refund is None:
        return _begin(work, record)
    if refund.status in (RefundStatus.AUTHORISED, RefundStatus.IN_DOUBT):
        return _send_late(work, record, refund)
    return Sent(refund.pk)


def _begin(work: Work, record: Return) -> Sent | Nothing:
    """Look who pays, or has paid; set aside what others pay; send what SCAYLE pays."""
    values = choices_for(work, record)
    tied = tie_paid_units(work, record.pk)
    stopped = stopped_elsewhere(work)
    ready = ready_units(record, values, without=stopped)
    if tied and not ready:
        return Nothing("it was paid back in the shop before it came")
    if not ready and not _is_about_money(work):
        return Nothing(why_none_ready(record, stopped))
    if not work.kept.get("allowed"):
        _keep_units(work, ready)
    seen = platforms.returngo(work, record.connection).rma(record.external_id)
    taken = take_listed(work, record, seen)
    # "Pay it all the same" was said about these units; others are asked about on their own.
    only = work.kept["units"] if work.kept.get("allowed") else None
    ready = ready_units(record, values, seen.fees, without=stopped, only=only)
    wait_for_reading(work, record, [one.item for one in ready], seen)
    _keep_units(work, ready)
    refuse_if_unclear(record, ready, seen)
    if seen.status != PlatformStatus.DONE:
        _report_by_hand(work, record, ready)
    groups = group_ready(ready, values)
    for group in groups:
        if group.executor != Executor.SCAYLE:
            _set_aside(work, record, group)
    by_scayle = next((group for group in groups if group.executor == Executor.SCAYLE), None)
    if by_scayle is None:
        return Nothing(_why_nothing(groups, taken))
    _keep_units(work, by_scayle.units)
    refund = _reserve(work, record, by_scayle)
    _send(work, refund)
    return Sent(refund.pk)


def _is_about_money(work: Work) -> bool:
    return Message.objects.filter(pk__in=work.facts, topic=TOPIC).exists()


def _why_nothing(groups: Sequence[Group], taken: int) -> str:
    if groups:
        return f"paid in another way ({', '.join(sorted({group.why for group in groups}))})"
    return "somebody else has paid" if taken else "nothing here is ours to pay"


def _set_aside(work: Work, record: Return, group: Group) -> None:
    """What SCAYLE does not pay: reserved, and nothing is sent. A person or the platform pays it."""
    with work.step():
        refund = refund_reserve(
            return_record=record,
            shares=group.shares,
            executor=group.executor,
            evidence_before=[],
            billing_before="",
            policy_version=version_of(work),
            way=group.way,
            trace=work.trace,
        )
        if group.executor == Executor.MANUAL:
            refund_by_hand(refund, trace=work.trace, why=group.why)
        else:
            reason = f"{record.connection.name} pays it"
            refund_sent(refund, trace=work.trace, reason=reason)


def _keep_units(work: Work, units: Sequence[Ready]) -> None:
    """What this is about, for the person who may have to pay it by hand."""
    paid = [one.item.pk for one in units if one.resolution != Resolution.EXCHANGE]
    with work.step():
        work.keep(units=paid)


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


def _report_by_hand(work: Work, record: Return, ready: Sequence[Ready]) -> None:
    """An exchange without a word of what is wanted: a person sees that goods are owed."""
    for one in ready:
        if one.resolution != Resolution.EXCHANGE or unit_gets_goods(one.item):
            continue
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


def _reserve(work: Work, record: Return, group: Group) -> Refund:
    """Reserve before sending. Another refund of the order that waits for its proof goes first."""
    assert record.order is not None
    if open_refund(record.order.pk) is not None:
        raise Yields(
            "another refund of this order waits for its proof", retry_after=WAIT_FOR_OTHER_SECONDS
        )
    client = platforms.scayle(work, record.order.connection)
    order = client.order(record.order.external_id)
    refuse_if_returned_there(record, group.units, order)
    invoices = client.invoices(record.order.external_id)
    refuse_if_paid_past_us(work, record, record.order, invoices)
    with work.step():
        refund = refund_reserve(
            return_record=record,
            shares=group.shares,
            executor=Executor.SCAYLE,
            evidence_before=[
                one.external_id for one in invoices if one.is_corrective or one.is_by_hand
            ],
            billing_before=order.billing,
            policy_version=version_of(work),
            trace=work.trace,
        )
        work.keep(refund=refund.pk)
    return refund


def _send_late(work: Work, record: Return, refund: Refund) -> Sent | Nothing:
    """It was reserved before, or a doubt was decided: nothing was sent, and much may have happened.

    What is not owed like this any more is set free and looked at anew. Whoever was paid meanwhile
    is not paid again.
    """
    order: Order = refund.order
    client = platforms.scayle(work, order.connection)
    if is_returned_there(refund, client.order(order.external_id)):
        return Sent(refund.pk)
    seen = platforms.returngo(work, record.connection).rma(record.external_id)
    if why := why_not_owed(refund, seen):
        with work.step():
            refund_withdrawn(refund, trace=work.trace, reason=why)
        return _begin(work, record)
    refuse_if_paid_past_us(work, record, order, client.invoices(order.external_id))
    refuse_if_paid_meanwhile(refund, seen)
    _send(work, refund)
    return Sent(refund.pk)


def _send(work: Work, refund: Refund) -> None:
    """One call for all units. A proven refusal frees the amount; anything unclear keeps it."""
    parts = refund.items.select_related("order_item__parent").order_by("id")
    said = f"return {refund.return_record.external_id}" if refund.return_record else "return"
    # The components of a whole bundle are one unit there: the bundle's line.
    keys = dict.fromkeys(part.order_item.line_id for part in parts)
    units = [ReturnedUnit(key=key, received_at=work.at, reason=said) for key in keys]
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


FLOW = settling(
    Flow(
        name="refund",
        says="Refund the customer",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=refund_preview.plan,
        about=about,
        queue="scayle",
        priority=10,
        joins=True,
        due_minutes=60,
        on_refused=kinds.REFUND_REFUSED,
        on_doubt=kinds.REFUND_IN_DOUBT,
    ),
    "scayle:return_items",
)
