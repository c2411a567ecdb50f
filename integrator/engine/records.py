"""The registry of record kinds: what ``record_kind`` + ``record_id`` can point at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db.models import Model

# Labels, not classes: the engine knows that these records exist and nothing else about them.
RECORDS: Mapping[str, str] = {
    "access_review": "integrator.AccessReview",
    "alert_receiver": "integrator.AlertReceiver",
    "approval": "integrator.Approval",
    "batch": "integrator.Batch",
    "batch_item": "integrator.BatchItem",
    "bulk": "integrator.Bulk",
    "bulk_item": "integrator.BulkItem",
    "case": "integrator.Case",
    "case_event": "integrator.CaseEvent",
    "connection": "integrator.Connection",
    "digest": "integrator.Digest",
    "job": "integrator.Job",
    "maintenance": "integrator.MaintenanceWindow",
    "mapping": "integrator.Mapping",
    "mapping_file": "integrator.MappingFile",
    "mapping_plan": "integrator.MappingPlan",
    "message": "integrator.Message",
    "retailer": "integrator.Retailer",
    "role_change": "integrator.RoleChange",
    "seal": "integrator.Seal",
    "view_alert": "integrator.ViewAlert",
    "location": "fulfilment.Location",
    "customer": "fulfilment.Customer",
    "order": "fulfilment.Order",
    "order_item": "fulfilment.OrderItem",
    "shipment": "fulfilment.Shipment",
    "sku": "fulfilment.Sku",
    "stock_movement": "fulfilment.StockMovement",
    "exchange": "returns.Exchange",
    "inspection": "returns.Inspection",
    "return": "returns.Return",
    "return_item": "returns.ReturnItem",
    "ledger_entry": "finance.LedgerEntry",
    "period": "finance.Period",
    "reconciliation": "finance.Reconciliation",
    "refund": "finance.Refund",
}


def model_of(record_kind: str) -> type[Model]:
    """The model behind a record kind; KeyError for a kind nobody registered."""
    return apps.get_model(RECORDS[record_kind])


def find(record_kind: str, record_id: int) -> Any:
    """The record, or None when it does not exist (any more)."""
    return model_of(record_kind)._default_manager.filter(pk=record_id).first()
