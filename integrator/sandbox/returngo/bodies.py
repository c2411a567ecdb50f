"""ReturnGO's documents as its API writes them. Only rendering."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrator.sandbox.catalogue import VAT_RATE
from integrator.sandbox.returngo.books import (
    CURRENCY,
    Parcel,
    ReturnedItem,
    Rma,
    Transaction,
    Validation,
)


def stamp(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def number(minor: int) -> int | float:
    """ReturnGO writes amounts as plain numbers: 24.5, but 199 when there are no cents."""
    return minor // 100 if minor % 100 == 0 else minor / 100


def money(minor: int) -> dict[str, Any]:
    value = number(minor)
    return {"amount": value, "currency": CURRENCY, "shopAmount": value, "shopCurrency": CURRENCY}


def summary(row: Rma) -> dict[str, Any]:
    return {
        "rmaId": str(row.id),
        "status": row.status,
        "order_name": row.order_name,
        "events": row.events,
    }


def rma(row: Rma, transactions: list[Transaction]) -> dict[str, Any]:
    return {
        "rmaSummary": summary(row),
        "orderDetails": {"orderId": row.order_id, "order_name": row.order_name},
        "shipments": [shipment(row, each) for each in row.parcels if not each.deleted],
        "items": [item(each) for each in row.items],
        "comments": list(reversed(row.comments)),
        "exchangeOrders": row.exchange_orders,
        # Variant exchanges sit under the items: this list was empty in every body seen.
        "exchangeItems": row.exchange_items,
        "cancellationFee": number(row.cancellation_fee),
        "transactions": [transaction(each) for each in transactions],
        "createdAt": stamp(row.created_at),
        "lastUpdated": stamp(row.last_updated),
        "isOutOfPolicy": int(row.is_out_of_policy),
    }


def shipment(row: Rma, parcel: Parcel) -> dict[str, Any]:
    address = parcel.address or row.address
    return {
        "shipmentId": str(parcel.id),
        "status": parcel.status,
        "carrierName": parcel.carrier,
        "requestedServiceLevel": None,
        "actualServiceLevel": None,
        "trackingNumber": parcel.tracking_number,
        "trackingURL": parcel.tracking_url,
        "labelURL": parcel.label_url,
        "customerAddress": {
            "name": address.name,
            "street1": address.street1,
            "street2": address.street2,
            "city": address.city,
            "state": address.state,
            "zip": address.zip,
            "country": address.country,
            "phone": address.phone,
            "email": address.email,
        },
        "returnAddress": {
            "name": "Returns",
            "street1": "Lagerstraße 1",
            "street2": None,
            "city": "Hamburg",
            "state": None,
            "zip": "20457",
            "country": "DE",
            "phone": None,
            "email": None,
        },
        "isOutbound": parcel.is_outbound,
    }


def item(row: ReturnedItem) -> dict[str, Any]:
    tax = row.paid_price - round(row.paid_price / (1 + VAT_RATE))
    body: dict[str, Any] = {
        "returnedItemId": str(row.id),
        "shopLineItemId": row.shop_line_item_id,
        "shopProductId": row.shop_product_id,
        "variantId": row.variant_id,
        "sku": row.sku,
        "fullName": f"{row.name} - {row.variant_name}",
        "productName": row.name,
        "variantName": row.variant_name,
        "image": None,
        "paidPrice": money(row.paid_price),
        "paidTax": money(tax),
        "taxIncluded": True,
        "returnReason": row.reason,
        "extendedReason": row.reason,
        "resolutionName": row.resolution,
        "policyRuleName": "Standard policy",
        "resolutionType": row.resolution,
        "isAutoApprove": 0,
        "restockingFee": number(row.restocking_fee),
        "returnFee": number(row.return_fee),
        "shipmentFee": number(row.shipment_fee),
        "shipmentId": str(row.shipment_id) if row.shipment_id else "",
        "returnMethod": {"type": row.method, "name": row.method},
        "itemValidationStatusResponse": validation(row.id, row.validation),
        "exchangeItems": row.exchange_items,
        "followUpQuestions": [],
    }
    if row.barcode:
        body["barcode"] = row.barcode
    return body


def validation(item_id: int, row: Validation) -> dict[str, Any]:
    """Both flags are false before the inspection: only the date tells that there was one."""
    return {
        "returnedItemId": str(item_id),
        "isRestockable": row.restockable,
        "isReturned": row.returned,
        "nonRestockableReason": row.non_restockable_reason,
        "nonReturnedReason": row.non_returned_reason,
        "storeLocationId": row.location,
        "lastValidationDate": stamp(row.at),
        "lastValidatedBy": row.by,
        "thirdPartyName": None,
        "userDetails": None,
    }


def transaction(row: Transaction) -> dict[str, Any]:
    # The id is a number in live answers and a text in the schema.
    return {
        "id": row.id,
        "type": row.type,
        "externalReferenceId": row.reference,
        "externalReferenceType": row.reference_type,
        "amount": money(row.amount),
        "status": row.status,
        "processor": row.processor,
        "bankAccountDetails": None,
        "returnItemIds": [str(each) for each in row.item_ids],
        "createdAt": stamp(row.created_at),
        "lastUpdated": stamp(row.last_updated),
    }
