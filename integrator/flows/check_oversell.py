"""Open orders may want more of an article than there is: look at the shop's figure, and say so.

Runs for articles whose figure we have confirmed: when an order for one comes in, and every few
minutes while a risk is open. It only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fulfilment.cases import OVERSELL_RISK
from fulfilment.models import OrderItem, Sku, StockLevel
from fulfilment.services import at_risk, oversell_report, stock_confirmed, worth_a_look
from fulfilment.shapes import StockSeen
from integrator.engine import mappings
from integrator.engine.flow import Aim, Evidence, Fact, Flow, only_reads
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.tenants import stock_lane, tenants
from integrator.models import Case, Connection, MappingKind

AFTER_CLOSING_SECONDS = 10  # whoever closes the case goes first; this opens it again


@dataclass(frozen=True, slots=True)
class Looked:
    """The shop's rows of the article, as they are now."""

    rows: tuple[StockSeen, ...]


def aim(facts: Sequence[Fact]) -> dict[int, list[Aim]]:
    """The articles of new orders that may be oversold, and those said to be."""
    tenant_of = tenants()
    return {
        fact.id: [_at(fact, shop, sku, tenant_of[shop]) for shop, sku in _articles(fact)]
        for fact in facts
    }


def _articles(fact: Fact) -> list[tuple[int, Sku]]:
    if fact.record_kind == "order":
        return _of_order(fact.record_id)
    if fact.connection_id is None:
        return []
    if fact.record_kind == "case":
        case = Case.objects.get(pk=fact.record_id)
        ids = {case.record_id} if case.kind == OVERSELL_RISK.code else set()
    else:
        ids = at_risk(Connection.objects.get(pk=fact.connection_id))
    return [(fact.connection_id, sku) for sku in Sku.objects.filter(pk__in=ids).order_by("pk")]


def _of_order(order_id: int) -> list[tuple[int, Sku]]:
    rows = OrderItem.objects.filter(order_id=order_id, sku__stocklevel__isnull=False)
    pairs = set(rows.values_list("order__connection_id", "sku_id"))
    return [
        (connection_id, sku)
        for connection_id in sorted({where for where, _ in pairs})
        for sku in Sku.objects.filter(
            pk__in=worth_a_look(connection_id, [sku for _, sku in pairs])
        ).order_by("pk")
    ]


def _at(fact: Fact, connection_id: int, sku: Sku, tenant: int) -> Aim:
    is_decision = fact.record_kind == "case"
    delay = AFTER_CLOSING_SECONDS + int(fact.data.get("hold_seconds", 0)) if is_decision else 0
    return Aim(
        "sku",
        sku.pk,
        lane=stock_lane(tenant, sku.code),
        connection_id=connection_id,
        delay_seconds=delay,
    )


def call(work: Work) -> Looked:
    connection, sku = _about(work)
    sold = OrderItem.objects.filter(order__connection=connection, sku=sku).latest("id")
    return Looked(platforms.scayle(work, connection).stock(sold.variant_id))


def _about(work: Work) -> tuple[Connection, Sku]:
    assert work.job.connection_id is not None
    connection = Connection.objects.select_related("retailer").get(pk=work.job.connection_id)
    return connection, Sku.objects.get(pk=work.job.record_id)


def record(work: Work, looked: Looked) -> Evidence:
    connection, sku = _about(work)
    seen = {row.warehouse: row for row in looked.rows}
    for level in StockLevel.objects.filter(connection=connection, sku=sku).order_by("pk"):
        warehouse = mappings.find_theirs(
            connection=connection, kind=MappingKind.LOCATION, ours=level.location.code
        )
        row = seen.get(warehouse)
        if row is None or row.changed_at is None or level.counted_at is None:
            continue
        if row.changed_at <= level.counted_at:
            continue
        # Somebody else has counted since: that is the confirmed figure now, and nothing is short.
        stock_confirmed(
            connection=connection,
            sku=sku,
            location=level.location,
            seen=row,
            trace=work.trace,
            sent=level.sent,
            short=0,
            counted_at=work.at,
        )
    found = oversell_report(connection, sku, trace=work.trace)
    return {"missing": found.missing, "open_units": len(found.units)}


def plan(record_: object, _: Mapping[str, Any]) -> list[Call]:
    """Only a case about an article has it looked at; "fixed there" is pressed on many others."""
    if not isinstance(record_, Sku):
        return []
    says = f"Read how many {record_.code} are on sale"
    return [Call("scayle", "GET", "/variants/…/stocks", says)]


def about(sku: Sku) -> Mapping[str, Any]:
    return {"facts": {"sku": sku.code}}


FLOW = Flow(
    name="check_oversell",
    says="See whether there are enough units for the open orders",
    aim=aim,
    call=call,
    record=record,
    probe=only_reads,
    plan=plan,
    about=about,
    queue="scayle",
    priority=45,
    joins=True,
    due_minutes=15,
)
