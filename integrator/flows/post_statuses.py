"""A batch has closed: write into each order at the shop what became of its returned units.

The shop replaces the whole of an order's custom data. So it is read, our one key is set, the keys
of others are kept, all of it is written, and read once more: in the order's lane. What is written
is the state, not the change: twice is harmless, and a later one contains all earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finance.summary import Summary, returns_summary, same
from fulfilment.cases import STATUS_NOT_POSTED
from fulfilment.models import Order
from fulfilment.services import order_capture
from fulfilment.shapes import OrderSeen
from integrator.engine import batches, cases, choices, jobs
from integrator.engine.errors import Misconfigured, PlatformError, Refused, Unknown
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.capture_order import order_lane
from integrator.flows.settling import settling
from integrator.models import BatchItem, BatchItemState, Job, JobState

KEY = "integrator"
# A report must not hold back the money of its order for long: then it is set aside, with a case.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Told:
    """The order as it shows our key. ``wrote`` is false when it was there already."""

    seen: OrderSeen
    wrote: bool


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """One job per item of the batch, in the lane in which the order's money moves."""
    items = {
        item.pk: item
        for item in BatchItem.objects.filter(
            pk__in={fact.record_id for fact in facts}, record_kind="order"
        ).select_related("batch")
    }
    return {
        fact.id: Aim(
            "batch_item",
            fact.record_id,
            lane=order_lane(items[fact.record_id].record_id),
            order_id=items[fact.record_id].record_id,
            connection_id=items[fact.record_id].batch.connection_id,
        )
        for fact in facts
        if fact.record_id in items
    }


def call(work: Work) -> Told:
    item, order = _item(work), _order(work)
    try:
        return _tell(work, order)
    except Unknown as error:
        if work.job.attempts < TRIES:
            raise
        raise _set_aside(work, item, order, Refused(str(error))) from error
    except (Refused, Misconfigured) as error:
        if isinstance(error, Misconfigured) and error.credentials:
            raise
        raise _set_aside(work, item, order, error) from error


def _item(work: Work) -> BatchItem:
    return BatchItem.objects.select_related("batch").get(pk=work.job.record_id)


def _order(work: Work) -> Order:
    return Order.objects.select_related("connection__retailer").get(pk=_item(work).record_id)


def _tell(work: Work, order: Order) -> Told:
    client = platforms.scayle(work, order.connection)
    before = client.order(order.external_id)
    if before.custom_data is None:
        raise Refused(f"{order.connection.name} does not show what others keep on the order")
    wanted = returns_summary(order.pk)
    if same(before.custom_data.get(KEY), wanted):
        return Told(before, wrote=False)
    client.set_order_custom_data(order.external_id, before.custom_data | {KEY: wanted})
    after = client.order(order.external_id)
    if not _shows(after, wanted):
        raise Unknown(f"{order.connection.name} does not show it yet")
    return Told(after, wrote=True)


def _shows(seen: OrderSeen, wanted: Summary) -> bool:
    return seen.custom_data is not None and same(seen.custom_data.get(KEY), wanted)


def _set_aside(work: Work, item: BatchItem, order: Order, error: PlatformError) -> PlatformError:
    """The rest of the batch goes on. This one is in the next batch, and a person sees it."""
    retailer = order.connection.retailer
    with work.step():
        batches.fail_item(
            item,
            rule=choices.choice(work.policy(retailer.pk), "status_posting"),
            timezone=retailer.timezone,
            trace=work.trace,
            reason=str(error) or "refused",
        )
    error.cause = error.cause or f"statuses:{order.pk}"
    return error


def record(work: Work, told: Told) -> Evidence:
    """Its own write made the order younger at the shop: that reading is taken over at once.

    So the sweep finds nothing that was missed, and no further write follows from this one.
    """
    item, order = _item(work), _order(work)
    order_capture(connection=order.connection, seen=told.seen, trace=work.trace)
    state = BatchItemState.POSTED if told.wrote else BatchItemState.UNCHANGED
    reason = "The shop shows it" if told.wrote else "The shop showed it already"
    batches.end_item(item, state, trace=work.trace, reason=reason)
    for older in _set_aside_before(work):
        told_by = f"batch {item.batch_id} told it"
        if jobs.cancel(older, at=work.at, reason=told_by):
            batches.give_up_item(older.record_id, trace=work.trace, reason=told_by.capitalize())
    cases.close_by_fact(
        trace=work.trace,
        reason="A later batch told it",
        kinds=[STATUS_NOT_POSTED],
        record_kind="order",
        record_id=order.pk,
    )
    return {"batch": item.batch_id, "wrote": told.wrote, "changes": len(item.changes)}


def _set_aside_before(work: Work) -> list[Job]:
    return list(
        Job.objects.filter(
            flow=FLOW.name, lane=work.job.lane, state=JobState.PARKED, pk__lt=work.job.pk
        )
    )


def probe(work: Work) -> Found | NotFound:
    """It shows, or it may be written again: it names the wanted state."""
    order = _order(work)
    seen = platforms.scayle(work, order.connection).order(order.external_id)
    if _shows(seen, returns_summary(order.pk)):
        return Found(Told(seen, wrote=True))
    return NotFound(may_repeat=True)


def plan(item: BatchItem, _: Mapping[str, Any]) -> list[Call]:
    return [
        Call("scayle", "GET", "/orders/…", "Read what is kept on the order"),
        Call("scayle", "PUT", "/orders/…/legacy-custom-data", "Write what became of its returns"),
    ]


def about(item: BatchItem) -> Mapping[str, Any]:
    order = Order.objects.select_related("connection").get(pk=item.record_id)
    return {
        "record_kind": "order",
        "record_id": order.pk,
        "facts": {
            "order": order.number,
            "platform": order.connection.name,
            "batch": item.batch_id,
        },
    }


FLOW = settling(
    Flow(
        name="post_statuses",
        says="Tell the shop what became of the returned units",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="scayle",
        priority=70,
        due_minutes=60,
        on_refused=STATUS_NOT_POSTED,
        on_doubt=STATUS_NOT_POSTED,
    ),
    "scayle:set_order_custom_data",
)
