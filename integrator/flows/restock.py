"""A unit was inspected: put it back on sale, or book it into quarantine.

SCAYLE takes absolute figures guarded by ``changedAt``. The triple (read, target, changedAt) is kept
before it is sent, ``changedAt`` being the instant before the read, and a retry sends that triple
again, never a new sum. No path writes to two systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fulfilment.cases import (
    RESTOCK_FAILED,
    RESTOCK_IN_DOUBT,
    SKU_DISCONTINUED,
    STOCK_AUTHORITY_MISSING,
)
from fulfilment.models import Location, OrderItem, Sku
from fulfilment.services import stock_confirmed, unit_move
from fulfilment.shapes import Sellability, StockSeen
from fulfilment.states import Bucket
from integrator.engine import mappings
from integrator.engine.clock import now
from integrator.engine.errors import Misconfigured, Refused, Transient
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.models import MappingKind
from integrator.platforms.scayle.client import Scayle
from returns.models import Inspection, ReturnItem
from returns.states import Disposition


@dataclass(frozen=True, slots=True)
class Shelved:
    """Where a unit goes. ``stock`` is what the shop confirmed; None when nothing is sold there."""

    inspection: Inspection
    location: Location
    bucket: Bucket
    stock: StockSeen | None


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """The unit's last verdict names the place: its stock is changed in the lane sku@place."""
    items = {
        item.pk: item
        for item in ReturnItem.objects.filter(
            pk__in={fact.record_id for fact in facts}, blocked_by=""
        ).select_related("return_record", "order_item__order")
    }
    verdicts = {
        one.return_item_id: one
        for one in Inspection.objects.filter(return_item__in=items).order_by("version")
    }
    aims = {}
    for fact in facts:
        item, verdict = items.get(fact.record_id), verdicts.get(fact.record_id)
        if item is None or verdict is None or item.order_item is None:
            continue
        place = f"{item.return_record.connection_id}:{verdict.location_word}"
        aims[fact.id] = Aim(
            "return_item",
            item.pk,
            lane=f"stock:{item.sku_code}@{place}"[:120],
            order_id=item.order_id,
            connection_id=item.order_item.order.connection_id,
        )
    return aims


def call(work: Work) -> Shelved | Nothing:
    item = _item(work)
    inspection = item.inspections.order_by("-version").first()
    assert inspection is not None, "inspected without a verdict"
    if inspection.disposition == Disposition.NOT_RETURNED:
        return Nothing("the unit was not in the parcel")
    location = _location(item, inspection)
    if inspection.disposition == Disposition.QUARANTINE:
        return Shelved(inspection, location, Bucket.QUARANTINE, None)
    if location.authority != Location.Authority.SCAYLE:
        raise Misconfigured(
            f"{location} is counted by {location.get_authority_display()}",
            case=STOCK_AUTHORITY_MISSING,
            cause=f"authority:{location.pk}",
            facts={"location": location.name, "authority": location.get_authority_display()},
        )
    stock = _add_one(work, item, location)
    return Shelved(inspection, location, Bucket.SELLABLE, stock)


def _item(work: Work) -> ReturnItem:
    return ReturnItem.objects.select_related(
        "return_record__connection", "order_item__order__connection__retailer", "sku"
    ).get(pk=work.job.record_id)


def _location(item: ReturnItem, inspection: Inspection) -> Location:
    """The place the platform named. Unmapped words stop here and wait; there is no default."""
    connection = item.return_record.connection
    code = mappings.find(
        connection=connection, kind=MappingKind.LOCATION, theirs=inspection.location_word
    )
    return Location.objects.get(retailer_id=connection.retailer_id, code=code)


def _unit(item: ReturnItem) -> OrderItem:
    assert item.order_item is not None
    return item.order_item


def _add_one(work: Work, item: ReturnItem, location: Location) -> StockSeen:
    unit = _unit(item)
    connection = unit.order.connection
    client = platforms.scayle(work, connection)
    warehouse = mappings.find_theirs(
        connection=connection, kind=MappingKind.LOCATION, ours=location.code
    )
    if work.kept.get("target") is None:
        _refuse_unsellable(client, unit, item)
        _keep_target(work, client, unit, warehouse)
    kept = work.kept
    target, changed_at = int(kept["target"]), _changed_at(kept)
    reply = client.post_stock(unit.variant_id, warehouse, target, changed_at)
    # Our date on the row means that it took ours, whatever it sold since; another date means that
    # ours was ignored. Without a date only the figure speaks.
    took_ours = (
        reply.quantity == target if reply.changed_at is None else reply.changed_at == changed_at
    )
    if took_ours:
        return reply
    if kept.get("doubted"):
        with work.step():
            # Whoever says "try again" has counted: that attempt reads and adds afresh.
            work.keep(target=None, doubted=False)
        raise Refused(
            "the shop's figure changed while we were not sure",
            case=RESTOCK_IN_DOUBT,
            facts={
                "sku": item.sku_code,
                "target": kept["target"],
                "seen": reply.quantity,
                "platform": connection.name,
            },
        )
    # The shop ignored it: the figure changed after our read. Nothing was added, so start afresh.
    with work.step():
        work.keep(target=None)
    raise Transient("the stock changed while we added the unit", retry_after=2)


def _changed_at(kept: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(kept["changed_at"]))


def _refuse_unsellable(client: Scayle, unit: OrderItem, item: ReturnItem) -> None:
    """A unit of an article nobody can buy must not be added anywhere."""
    variant = client.variant(unit.product_id, unit.variant_id)
    if variant is None or variant.sellability == Sellability.BLOCKED:
        raise Refused(
            f"{item.sku_code} is no longer sold",
            case=SKU_DISCONTINUED,
            facts={"sku": item.sku_code, "platform": unit.order.connection.name},
        )


def _keep_target(work: Work, client: Scayle, unit: OrderItem, warehouse: str) -> None:
    """Decide the figure once and keep it before it is sent."""
    moment = now()
    before_read = moment.replace(microsecond=moment.microsecond // 1000 * 1000)  # as it is sent
    rows = [row for row in client.stock(unit.variant_id) if row.warehouse == warehouse]
    read = rows[0].quantity if rows else 0
    with work.step():
        work.keep(read=read, target=read + 1, changed_at=before_read.isoformat())


def record(work: Work, shelved: Shelved) -> Evidence:
    item = _item(work)
    sku: Sku = _unit(item).sku
    movement = unit_move(
        step=f"shelved:{shelved.inspection.version}",
        sku=sku,
        return_item_id=item.pk,
        order_id=item.order_id,
        from_bucket=Bucket.RECEIVED,
        to_bucket=shelved.bucket,
        location=shelved.location,
        inspection_id=shelved.inspection.pk,
        reason=f"Inspected: {shelved.inspection.get_disposition_display().lower()}",
        trace=work.trace,
    )
    said: Evidence = {"movement": movement.pk, "to": shelved.bucket, "at": shelved.location.code}
    if shelved.stock is not None:
        stock_confirmed(
            connection=_unit(item).order.connection,
            sku=sku,
            location=shelved.location,
            seen=shelved.stock,
            trace=work.trace,
            sent=int(work.kept["target"]),
        )
        said |= {"sellable": shelved.stock.quantity, "before": work.kept["read"]}
    return said


def probe(work: Work) -> Found | NotFound:
    """The shop's row bears our date: it arrived. Else the same triple may be sent again."""
    item = _item(work)
    kept = work.kept
    with work.step():
        work.keep(doubted=True)
    if kept.get("target") is None:
        return NotFound(may_repeat=True)
    inspection = item.inspections.order_by("-version").first()
    assert inspection is not None
    location = _location(item, inspection)
    connection = _unit(item).order.connection
    warehouse = mappings.find_theirs(
        connection=connection, kind=MappingKind.LOCATION, ours=location.code
    )
    changed_at = _changed_at(kept)
    for row in platforms.scayle(work, connection).stock(_unit(item).variant_id):
        if row.warehouse == warehouse and row.changed_at == changed_at:
            return Found(Shelved(inspection, location, Bucket.SELLABLE, row))
    return NotFound(may_repeat=True)


def plan(item: ReturnItem) -> list[Call]:
    return [
        Call("scayle", "GET", "/variants/…/stocks", f"Read how many {item.sku_code} are on sale"),
        Call("scayle", "POST", "/variants/…/stocks", f"Put 1 × {item.sku_code} back on sale"),
    ]


def about(item: ReturnItem) -> Mapping[str, Any]:
    return {
        "money_minor": item.claimed_minor,
        "currency": item.currency,
        "facts": {"sku": item.sku_code, "platform": _unit(item).order.connection.name},
    }


FLOW = Flow(
    name="restock",
    says="Put the returned unit back on sale",
    aim=aim,
    call=call,
    record=record,
    probe=probe,
    plan=plan,
    about=about,
    queue="scayle",
    priority=40,
    due_minutes=60,
    settle_minutes=1,
    lookups_needed=1,
    on_refused=RESTOCK_FAILED,
    on_doubt=RESTOCK_IN_DOUBT,
)
