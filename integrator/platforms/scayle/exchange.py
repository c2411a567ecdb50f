"""The JSON of an exchange order and its reservations. Pure: sends nothing, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fulfilment.shapes import AddressSeen, DraftUnit, OrderDraft, ReservationSeen
from integrator.platforms.scayle import CONTRACT
from integrator.platforms.scayle.countries import ALPHA_2
from integrator.platforms.tame import Field

_ALPHA_3 = {two: three for three, two in ALPHA_2.items()}
# What SCAYLE calls mandatory in an address, and how people call it.
_NEEDED = (
    ("last_name", "the recipient's name"),
    ("street", "street"),
    ("postcode", "postcode"),
    ("city", "city"),
    ("country", "country"),
)


def missing_in(address: AddressSeen) -> list[str]:
    """The fields SCAYLE needs that are empty, or no country, in words."""
    missing = [said for name, said in _NEEDED if not getattr(address, name).strip()]
    if address.country and address.country not in _ALPHA_3:
        missing.append("country")
    return missing


def order(draft: OrderDraft, settings: Mapping[str, str]) -> dict[str, Any]:
    """The body of the order: SCAYLE writes it down, and neither reserves nor delegates it."""
    at = draft.placed_at.isoformat(timespec="seconds")
    total = sum(unit.price_minor for unit in draft.units)
    taxes = [_tax(unit) for unit in draft.units]
    body: dict[str, Any] = {
        "referenceKey": draft.reference,
        "publicKey": draft.number,
        "currencyCode": draft.currency,
        "status": CONTRACT.assumption("exchange_order_status"),
        "createdAt": at,
        "confirmedAt": at,
        "updatedAt": at,
        "customer": {"referenceKey": draft.customer_reference},
        "shipping": {"policy": CONTRACT.assumption("exchange_shipping_policy")},
        "address": {
            "shipping": _address(draft.shipping_address, "shipping"),
            "billing": _address(draft.billing_address, "billing"),
        },
        "items": [_item(unit, tax) for unit, tax in zip(draft.units, taxes, strict=True)],
        "cost": {
            "withTax": total,
            "withoutTax": total - sum(taxes),
            "tax": {"vat": {"amount": sum(taxes)}},
            "costCapture": total,
            "appliedFees": [],
        },
        "payment": [
            {
                "key": CONTRACT.assumption("exchange_payment_key"),
                "amount": total,
                "transactionKey": draft.transaction,
            }
        ],
        "legacyCustomData": draft.custom_data,
    }
    if channel := str(settings.get("exchange_channel", "")).strip():
        body["channel"] = {"key": channel}
    return body


def _tax(unit: DraftUnit) -> int:
    """The tax inside the price; the original unit's rate, empty where the shop stated none."""
    rate = Decimal(unit.tax_rate or "0")
    net = (Decimal(unit.price_minor) / (1 + rate)).quantize(Decimal(1), ROUND_HALF_UP)
    return unit.price_minor - int(net)


def _item(unit: DraftUnit, tax: int) -> dict[str, Any]:
    variant: dict[str, Any] = {"referenceKey": unit.sku}
    if unit.variant_id.isdigit():
        variant["id"] = int(unit.variant_id)
    item: dict[str, Any] = {
        "key": unit.key,
        "status": CONTRACT.assumption("exchange_item_status"),
        "variant": variant,
        "price": {
            "withTax": unit.price_minor,
            "withoutTax": unit.price_minor - tax,
            "tax": {"vat": {"amount": tax, "rate": float(unit.tax_rate or "0")}},
        },
    }
    if unit.product_id.isdigit():
        item["product"] = {"id": int(unit.product_id)}
    return item


def _address(address: AddressSeen, use: str) -> dict[str, Any]:
    """The whole address; its country with three letters, unlike everywhere else."""
    point = address.collection_point
    return {
        "recipient": {
            "firstName": address.first_name,
            "lastName": address.last_name,
            "type": address.recipient_type or "personal",
            "gender": address.gender or None,
            "title": address.title or None,
        },
        "street": address.street,
        "houseNumber": address.house_number or None,
        "additional": address.additional or None,
        "zipCode": address.postcode,
        "city": address.city,
        "state": address.state or None,
        "countryCode": _ALPHA_3[address.country],
        "phone": address.phone or None,
        "collectionPoint": point
        and {
            "type": point.kind,
            "key": point.key,
            "customerKey": point.customer_key or None,
            "description": point.description or None,
        },
        "isDefault": {"billing": use == "billing", "shipping": use == "shipping"},
    }


def reservation(reference: str, sku: str, warehouse: str) -> dict[str, Any]:
    return {
        "referenceKey": reference,
        "warehouseReferenceKey": warehouse,
        "reservationTtl": CONTRACT.assumption("reservation_ttl_seconds"),
        "variant": {"referenceKey": sku},
    }


def reserved(row: Field) -> ReservationSeen:
    """One entry of the answer: a 2xx holds a yes or a no for each piece."""
    reference = row.require_object()["referenceKey"].text()
    error = row["error"]
    if error.absent or error.value == []:
        return ReservationSeen(reference, row["id"].text())
    key = error["errorKey"].text_or_empty()
    return ReservationSeen(
        reference,
        "",
        is_sold_out=CONTRACT.word("reservation_error", key) == "SOLD_OUT",
        error=f"{key}: {error['message'].prose()}".strip(": "),
    )
