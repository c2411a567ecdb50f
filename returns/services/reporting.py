"""What cases about returns say. They hold no personal data."""

from __future__ import annotations

from integrator.engine import cases
from integrator.engine.cases import About, CaseKind
from integrator.engine.states import Trace
from returns.models import Return, ReturnItem
from returns.shapes import ReturnSeen


def about_unit(item: ReturnItem) -> About:
    record = item.return_record
    return About(
        "return_item",
        item.pk,
        record.order_id,
        record.connection_id,
        money_minor=item.claimed_minor,
        currency=item.currency,
        customers_waiting=1,
    )


def open_for_unit(
    kind: CaseKind, item: ReturnItem, seen: ReturnSeen, trace: Trace, **facts: str
) -> None:
    cases.open_case(
        kind,
        about_unit(item),
        trace=trace,
        facts={**facts_of(item.return_record, seen), "sku": item.sku_code, **facts},
    )


def facts_of(record: Return, seen: ReturnSeen) -> dict[str, str]:
    number = record.order.number if record.order is not None else seen.order_number
    return {
        "rma": record.external_id,
        "order": number or "(none named)",
        "platform": record.connection.name,
    }


def close(kind: CaseKind, record_kind: str, record_id: int, trace: Trace, reason: str) -> None:
    cases.close_by_fact(
        trace=trace, reason=reason, kinds=[kind], record_kind=record_kind, record_id=record_id
    )
