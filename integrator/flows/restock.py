"""A unit was judged: make its bookings, and what the shop may sell, equal its last verdict.

The first verdict and every correction take the same way. Where the unit is, is the end of its
movements; where it belongs, says the last verdict. Each step between them is one movement, written
with the shop's confirmation of it, so that it may be stopped anywhere and goes on from there. One
job per article, in the article's lane: a bundle has one for each component (see
docs/decisions/0010). No path writes to two systems.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fulfilment.cases import (
    RESTOCK_FAILED,
    RESTOCK_IN_DOUBT,
)
from fulfilment.models import Location, StockMovement
from fulfilment.services import (
    SHELVES,
    Place,
    oversell_report,
    stock_confirmed,
    unit_move,
    unit_place,
    unit_places,
)
from fulfilment.states import Bucket
from integrator.engine import cases, jobs, mappings
from integrator.engine.errors import Transient
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.restock_rules import (
    Task,
    counted,
    is_there,
    location_of,
    parts_now,
    parts_of,
    refuse_other_authority,
    refuse_unsellable,
    task_of,
)
from integrator.flows.settling import settling
from integrator.flows.shop_stock import (
    Posted,
    change_figure,
    forget,
    found_there,
    under_way,
)
from integrator.flows.tenants import last_figure, stock_lane, tenants
from integrator.models import Job, JobState, MappingKind
from integrator.platforms.scayle.client import Scayle
from returns.models import Inspection, Return, ReturnItem


@dataclass(frozen=True, slots=True)
class Settled:
    """The unit is where its verdict says."""

    place: Place
    task: Task


def aim(facts: Sequence[Fact]) -> dict[int, list[Aim]]:
    """One aim per article the verdict is about: what it is counted as, and was before."""
    verdicts = {
        one.pk: one
        for one in Inspection.objects.filter(
            pk__in={fact.record_id for fact in facts},
            return_item__blocked_by="",
            return_item__order_item__isnull=False,
        )
        .select_related("sku", "return_item__return_record")
        .select_related("return_item__order_item__sku", "return_item__order_item__order")
        .prefetch_related(
            "return_item__order_item__components__sku", "return_item__inspections__sku"
        )
    }
    before = _counted_before([one.return_item_id for one in verdicts.values()])
    tenant_of = tenants()
    aims = {}
    for fact in facts:
        verdict = verdicts.get(fact.record_id)
        if verdict is None:
            continue
        item, sold = verdict.return_item, verdict.return_item.order_item
        assert sold is not None
        codes = {
            sku.code
            for part in parts_of(sold, item.inspections.all())
            if verdict.piece_id in (None, part.piece.sku.pk)
            for sku in part.ever_counted_as
            if sku == part.counted_as or sku.code in before[item.pk]
        }
        aims[fact.id] = [
            Aim(
                "return_item",
                item.pk,
                lane=stock_lane(tenant_of[sold.order.connection_id], code),
                order_id=item.order_id,
                connection_id=sold.order.connection_id,
            )
            for code in sorted(codes)
        ]
    return aims


def _counted_before(item_ids: Sequence[int]) -> Mapping[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    rows = StockMovement.objects.filter(return_item_id__in=item_ids)
    for item_id, code in rows.values_list("return_item_id", "sku__code").distinct():
        found[item_id].add(code)
    return found


def call(work: Work) -> Settled:
    """Step by step to where the last verdict says; what is under way is ended first."""
    while True:
        task = task_of(work)
        here = unit_place(task.item.pk, task.piece.sku.pk)
        if under_way(work) is None and is_there(task, here):
            return Settled(here, task)
        _one_step(work, task, here)


def _one_step(work: Work, task: Task, here: Place) -> None:
    """One movement nearer: off the shelf it is on, then onto the one where it belongs."""
    left = Location.objects.get(pk=here.location_id) if here.location_id else None
    if here.bucket == Bucket.SELLABLE:
        assert left is not None
        _book(work, task, Bucket.RECEIVED, location=left, posted=_off_sale(work, task, left))
    elif here.bucket == Bucket.RECEIVED and task.bucket == Bucket.SELLABLE:
        shelf = _shelf(work, task)
        _book(work, task, Bucket.SELLABLE, location=shelf, posted=_on_sale(work, task, shelf))
    elif here.bucket == Bucket.RECEIVED:
        shelf_or_none = location_of(task) if task.bucket in SHELVES else None
        _book(work, task, task.bucket, location=shelf_or_none)
    elif here.bucket == Bucket.IN_TRANSIT and task.bucket == Bucket.OUTSIDE:
        _book(work, task, Bucket.OUTSIDE)
    else:
        _book(work, task, Bucket.RECEIVED, location=left)


def _shelf(work: Work, task: Task) -> Location:
    """Where it is going on sale; what is under way ends where it began."""
    started = under_way(work)
    return Location.objects.get(pk=started["location"]) if started else location_of(task)


def _on_sale(work: Work, task: Task, shelf: Location) -> Posted:
    """Nothing becomes sellable as one article while it still is as another."""
    others = unit_places(task.item.pk)
    if any(
        place.bucket == Bucket.SELLABLE for pk, place in others.items() if pk not in task.articles
    ):
        raise Transient("the unit is still on sale as another article", retry_after=5)
    client = platforms.scayle(work, task.sold.order.connection)
    if under_way(work) is None:
        refuse_other_authority(shelf)
        refuse_unsellable(work, client, task)
    return _change(work, client, task, shelf, task.piece.quantity)


def _off_sale(work: Work, task: Task, shelf: Location) -> Posted | None:
    """Take the unit off sale. What the shop deleted altogether cannot be bought any more."""
    client = platforms.scayle(work, task.sold.order.connection)
    piece = task.piece
    if under_way(work) is None:
        refuse_other_authority(shelf)
        if client.variant(piece.product_id, piece.variant_id) is None:
            return None
    return _change(work, client, task, shelf, -piece.quantity)


def _change(work: Work, client: Scayle, task: Task, shelf: Location, by: int) -> Posted:
    connection = task.sold.order.connection
    warehouse, level = "", None  # what is under way names its own
    if under_way(work) is None:
        warehouse = mappings.find_theirs(
            connection=connection, kind=MappingKind.LOCATION, ours=shelf.code
        )
        level = last_figure(connection, task.piece.sku, shelf, warehouse)
    return change_figure(
        work,
        client,
        variant_id=task.piece.variant_id,
        warehouse=warehouse,
        by=by,
        level=level,
        about={"verdict": task.verdict.pk, "location": shelf.pk},
    )


def _book(
    work: Work,
    task: Task,
    bucket: Bucket,
    *,
    location: Location | None = None,
    posted: Posted | None = None,
) -> None:
    """Write one movement together with what the shop confirmed of it."""
    item, piece, verdict = task.item, task.piece, task.verdict
    with work.step():
        Return.objects.select_for_update(no_key=True).get(pk=item.return_record_id)
        unit_move(
            sku=piece.sku,
            quantity=piece.quantity,
            return_item_id=item.pk,
            order_id=item.order_id,
            to_bucket=bucket,
            location=location,
            inspection_id=verdict.pk,
            approval_id=verdict.approval_id,
            reason=f"Verdict {verdict.version}: {verdict.get_disposition_display().lower()}",
            trace=work.trace,
        )
        if posted is None:
            return
        assert location is not None
        stock_confirmed(
            connection=task.sold.order.connection,
            sku=piece.sku,
            location=location,
            seen=posted.seen,
            trace=work.trace,
            sent=posted.target,
            short=posted.short,
            counted_at=posted.counted_at,
        )
        forget(work)
        work.keep(before=posted.read, sellable=posted.seen.quantity)


def record(work: Work, settled: Settled) -> Evidence:
    """It is where it belongs. What stopped on the way there earlier is not owed any more."""
    stopped = Job.objects.filter(
        flow=work.flow.name,
        record_kind="return_item",
        record_id=work.job.record_id,
        lane=work.job.lane,
        state=JobState.PARKED,
    ).exclude(pk=work.job.pk)
    for job in stopped:
        jobs.cancel(job, at=work.at, reason="a later verdict was carried out")
        cases.close_by_fact(
            trace=work.trace, reason="A later verdict was carried out", job_id=job.pk
        )
    if "sellable" in work.kept:
        task = settled.task
        oversell_report(task.sold.order.connection, task.piece.sku, trace=work.trace)
    moves = StockMovement.objects.filter(job_id=work.job.pk).order_by("id")
    said: Evidence = {
        "to": settled.place.bucket,
        "movements": list(moves.values_list("pk", flat=True)),
    }
    if settled.place.location_id is not None:
        said["at"] = Location.objects.get(pk=settled.place.location_id).name
    return said | {key: work.kept[key] for key in ("before", "sellable") if key in work.kept}


def probe(work: Work) -> Found | NotFound:
    """What the shop took is booked. What it did not is sent again: the same triple, no new sum."""
    if under_way(work) is None:
        return NotFound(may_repeat=True)  # nothing had left, or it is booked
    task = task_of(work)
    client = platforms.scayle(work, task.sold.order.connection)
    posted = found_there(work, client)
    if posted is None:
        with work.step():
            work.keep(doubted=True)
        return NotFound(may_repeat=True)
    shelf = Location.objects.get(pk=work.kept["figure"]["location"])
    on_sale = unit_place(task.item.pk, task.piece.sku.pk).bucket == Bucket.SELLABLE
    bucket = Bucket.RECEIVED if on_sale else Bucket.SELLABLE
    _book(work, task, bucket, location=shelf, posted=posted)
    task = task_of(work)  # a later verdict may want it elsewhere
    here = unit_place(task.item.pk, task.piece.sku.pk)
    return Found(Settled(here, task)) if is_there(task, here) else NotFound(may_repeat=True)


def plan(item: ReturnItem, _: Mapping[str, Any]) -> list[Call]:
    code = item.sku_code
    then = {sku: bucket for part in parts_now(item.pk) for sku, bucket in part.belongs.items()}
    changes = counted(item.pk, then)
    says = f"Change that number, if the returned {code} goes on sale or comes off it"
    return [
        Call("scayle", "GET", "/variants/…/stocks", f"Read how many {code} are on sale"),
        Call("scayle", "POST", "/variants/…/stocks", says, changes=changes),
    ]


def about(item: ReturnItem) -> Mapping[str, Any]:
    sold = item.order_item
    return {
        "money_minor": item.claimed_minor,
        "currency": item.currency,
        "facts": {
            "sku": item.sku_code,
            "platform": sold.order.connection.name if sold is not None else "",
        },
    }


FLOW = settling(
    Flow(
        name="restock",
        says="Put the returned unit where its verdict says",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="scayle",
        priority=40,
        due_minutes=60,
        on_refused=RESTOCK_FAILED,
        on_doubt=RESTOCK_IN_DOUBT,
    ),
    "scayle:post_stock",
)
