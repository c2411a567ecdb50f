"""What a reading changed, field by field, in the platform's word and in ours.

Kept with the evidence of the reading, and only of one that a person asked for. No personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import OuterRef, Subquery

from fulfilment.models import Order
from fulfilment.shapes import Billing
from integrator.engine.money import money_text
from returns.models import Inspection, Return
from returns.states import Disposition

CHANGED = "changed"  # where the evidence of a reading keeps it
ROWS = 40
LENGTH = 120
Words = Mapping[str, tuple[str, str]]  # field → the platform's word, ours; empty: keeps none


def changed(before: Words, after: Words) -> list[dict[str, Any]]:
    """The fields that differ, in the order of the record: their word and ours, was and is."""
    nothing = ("", "")
    fields = [*after, *(field for field in before if field not in after)]
    rows = [
        {
            "field": field[:LENGTH],
            "theirs": [was[0][:LENGTH], now[0][:LENGTH]],
            "ours": [was[1][:LENGTH], now[1][:LENGTH]],
        }
        for field in fields
        if (was := before.get(field, nothing)) != (now := after.get(field, nothing))
    ]
    return rows[:ROWS]


def order_now(connection_id: int, number: str) -> dict[str, tuple[str, str]]:
    """An order by its number at the shop; nothing when we do not know it yet."""
    order = Order.objects.filter(connection=connection_id, external_id=number).first()
    if order is None:
        return {}
    words = {
        "Order": ("", order.get_status_display()),
        "Money": (str(Billing(order.billing).label), ""),
        "Paid": (money_text(order.paid_minor, order.currency), ""),
        "Refunded": ("", money_text(order.refunded_minor, order.currency)),
    }
    # The shop knows a component by its bundle's line.
    for item in order.items.filter(parent=None).select_related("sku").order_by("id"):
        name = f"{item.sku.code} ({item.external_id})"
        words[name] = (item.platform_word, item.get_platform_status_display())
    for parcel in order.shipments.order_by("id"):
        words[f"Parcel {parcel}"] = (parcel.carrier or "there", "")
    for refund in order.refunds.order_by("id"):
        words[f"Refund {refund.number}"] = ("", refund.get_status_display())
    return words


def return_now(connection_id: int, number: str) -> dict[str, tuple[str, str]]:
    """A return by its number at the returns platform, with each of its units."""
    found = Return.objects.select_related("order")
    rma = found.filter(connection=connection_id, external_id=number).first()
    if rma is None:
        return {}
    words = {
        "Return": (rma.platform_word, rma.get_status_display()),
        "Order": (rma.order_number, rma.order.number if rma.order is not None else ""),
    }
    verdict = Inspection.objects.filter(return_item=OuterRef("pk"), piece=None).order_by("-version")
    units = rma.items.annotate(verdict=Subquery(verdict.values("disposition")[:1]))
    for unit in units.order_by("id"):
        name = f"{unit.sku_code} ({unit.external_id})"
        fees = sum(int(one["amount_minor"]) for one in unit.deductions)
        words |= {
            f"{name}: where it is": ("", unit.get_custody_display()),
            f"{name}: verdict": ("", _verdict(unit.verdict)),
            f"{name}: what the customer gets": (
                unit.resolution_word,
                unit.get_resolution_display(),
            ),
            f"{name}: way back": (unit.method_word, unit.get_method_display()),
            f"{name}: value": (money_text(unit.claimed_minor, unit.currency), ""),
            f"{name}: fees": (money_text(fees, unit.currency), ""),
            f"{name}: its money": ("", unit.get_money_display()),
            f"{name}: held": ("", "held for a person" if unit.blocked_by else "no"),
        }
    for exchange in rma.exchanges.order_by("id"):
        words[f"Replacement {exchange.key}"] = ("", exchange.get_status_display())
    return words


def _verdict(disposition: str | None) -> str:
    return str(Disposition(disposition).label) if disposition else "not checked"
