"""SCAYLE's documents as its Admin API writes them. Only rendering; decisions are made elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrator.sandbox.catalogue import VAT_RATE, Catalogue, Product, Variant
from integrator.sandbox.scayle.books import (
    CARRIERS,
    COUNTRY,
    CURRENCY,
    MERCHANT,
    SHOP_COUNTRIES,
    SHOP_KEY,
    WAREHOUSES,
    Address,
    Customer,
    Invoice,
    Item,
    Order,
    Package,
    StockRow,
)


def _shop_country(country: str) -> dict[str, Any]:
    return {
        "id": SHOP_COUNTRIES[country],
        "shopKey": SHOP_KEY,
        "countryCode": country,
        "currencyCode": CURRENCY,
        "active": True,
    }


# ``name`` is localised in real answers; nobody should read it.
_NAMES = {
    "order_delegated": "Delegiert",
    "order_invoiced": "Fakturiert",
    "order_cancelled": "Storniert",
    "billing_completed": "Abgeschlossen",
    "billing_refunded": "Erstattet",
}


def stamp(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def net(gross: int) -> int:
    return round(gross / (1 + VAT_RATE))


def _vat(gross: int) -> dict[str, Any]:
    # A fraction here; variant prices carry a percentage.
    return {"vat": {"amount": gross - net(gross), "rate": VAT_RATE}}


def _money(gross: int) -> dict[str, Any]:
    return {"withTax": gross, "withoutTax": net(gross), "tax": _vat(gross)}


def order(row: Order, wanted: set[str]) -> dict[str, Any]:
    """The Order object; ``wanted`` is the query's ``with``."""
    codes = detailed_codes(row)
    body: dict[str, Any] = {
        "id": row.id,
        "referenceKey": row.reference_key,
        "publicKey": row.public_key,
        "basketKey": "imported-basket" if row.imported is not None else f"basket-{row.id}",
        "status": overall_status(row),
        "detailedStatus": {
            part: {"code": code, "name": _NAMES.get(code, code)} for part, code in codes.items()
        },
        "currencyCode": CURRENCY,
        "createdAt": stamp(row.created_at),
        "updatedAt": stamp(row.updated_at),
        "confirmedAt": stamp(row.confirmed_at),
        "invoicedAt": stamp(row.invoiced_at),
        "shopCountry": _shop_country(row.shop_country),
        "channel": None,
        "customer": customer(row.customer),
        "address": {"billing": _address(row.address), "shipping": _address(row.address)},
        "items": [item(each, "items.legacyCustomData" in wanted) for each in row.items],
        "packages": [package(each) for each in row.packages],
        "cost": _cost(row),
        "payment": [
            {
                "key": payment.key,
                "amount": payment.amount,
                "transactionKey": payment.transaction_key,
                "isGiftCard": payment.is_gift_card,
                "data": {},
                "installment": [],
            }
            for payment in row.payments
        ],
        "shipping": {"policy": "least_packages", "deliveryCosts": row.shipping_fee},
        "vouchers": _vouchers(row),
    }
    if row.imported is not None:
        body |= _as_imported(row.imported)
    if "legacyCustomData" in wanted:
        # The importer's mark is seen in the SDK's fixture only.
        origin = {"origin": "data-importer"} if row.imported is not None else {}
        body["legacyCustomData"] = row.custom_data | origin
    return body


def _as_imported(sent: dict[str, Any]) -> dict[str, Any]:
    """An imported order says of itself what its sender wrote."""
    kept = ("address", "channel", "cost", "payment", "shipping", "vouchers")
    return {name: sent[name] for name in kept if name in sent}


def _vouchers(row: Order) -> list[dict[str, Any]]:
    if not row.voucher_code:
        return []
    applied = [{"key": each.key, "isApplied": each.voucher_share > 0} for each in row.items]
    return [
        {
            "id": row.id,
            "voucherId": row.id,
            "code": row.voucher_code,
            "type": "absolute",
            "value": row.voucher_value,
            "applicableItems": applied,
        }
    ]


def item(row: Item, with_custom_data: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": row.id,
        "key": row.key,
        "basketItemKey": f"basket-{row.key}",
        "reservationKey": None,
        "status": row.status,
        "packageId": row.package_id,
        "warehouseId": WAREHOUSES["WH-HAM"],
        "currency": CURRENCY,
        "product": {"id": row.product_id, "name": row.name, "images": []},
        "variant": {"id": row.variant_id, "referenceKey": row.sku, "stock": {"supplierId": 1}},
        "merchant": {"id": 1, "referenceKey": MERCHANT},
        "price": _price(row),
        "itemGroup": None,
        "merchantAdditionalData": _bundle_data(row),
        "createdAt": stamp(row.created_at),
        "updatedAt": stamp(row.updated_at),
        "delegatedAt": stamp(row.delegated_at),
        "shippedAt": stamp(row.shipped_at),
        "cancelledAt": stamp(row.cancelled_at),
        "returnedAt": stamp(row.returned_at),
    }
    if with_custom_data:
        body["legacyCustomData"] = row.custom_data
    return body


def _bundle_data(row: Item) -> dict[str, Any]:
    """Documented only as a map with "bundle product information": these names are assumed."""
    if not row.components:
        return {}
    parts = [{"variantReferenceKey": sku, "unitCount": count} for sku, count in row.components]
    return {"bundleProductInformation": parts}


def _price(row: Item) -> dict[str, Any]:
    body = _money(row.price) | {
        "undiscountedWithTax": row.list_price,
        "undiscountedWithOutTax": net(row.list_price),
        "appliedReductions": [],
    }
    reduced = row.list_price - row.price
    if reduced:
        amount = {"absoluteWithTax": reduced, "relative": round(reduced / row.list_price, 3)}
        body["appliedReductions"] = [{"category": "sale", "type": "absolute", "amount": amount}]
    if row.voucher_share:
        # Assumed: ``withTax`` is before an absolute voucher and this is after it.
        body["absoluteVoucherReducedPrice"] = {
            "withTax": row.paid,
            "withOutTax": net(row.paid),
            "tax": _vat(row.paid),
        }
    return body


def _cost(row: Order) -> dict[str, Any]:
    gift_cards = sum(payment.amount for payment in row.payments if payment.is_gift_card)
    fees = []
    if row.shipping_fee:
        fees.append(
            {
                "category": "delivery",
                "key": "base_shipping_service_cost",
                "option": None,
                "amount": {"withTax": row.shipping_fee, "withoutTax": net(row.shipping_fee)},
                "tax": _vat(row.shipping_fee),
            }
        )
    reductions = []
    if row.voucher_code:
        reductions.append(
            {
                "category": "voucher",
                "type": "absolute",
                "code": row.voucher_code,
                "amount": {"absoluteWithTax": row.voucher_value},
            }
        )
    return _money(row.total) | {
        "costCapture": row.total - gift_cards,
        "appliedFees": fees,
        "appliedReductions": reductions,
        "hasExternalPrices": False,
    }


def package(row: Package) -> dict[str, Any]:
    return {
        "id": row.id,
        "shipmentKey": row.shipment_key,
        "carrierKey": row.carrier,
        "deliveryStatus": "shipment_completed",
        "deliveryDate": {"minimum": None, "maximum": None, "desired": None},
        "tracking": {"id": row.shipment_key, "url": None},
        "returnIdentCode": row.return_ident_code or None,
        "shippedAt": stamp(row.shipped_at),
    }


def customer(row: Customer) -> dict[str, Any]:
    return {
        "id": row.id,
        "referenceKey": row.reference,
        "publicKey": f"C-{row.id}",
        "email": row.email,
        "firstName": row.first_name,
        "lastName": row.last_name,
        "phone": None,
        "gender": "n",
        "title": None,
        "type": "personal",
        "groups": [],
        "status": {"isActive": True, "isGuestCustomer": False},
    }


def _address(row: Address) -> dict[str, Any]:
    person = {"firstName": row.first_name, "lastName": row.last_name, "type": "personal"}
    return {
        "id": row.id,
        "referenceKey": f"ADR-{row.id}",
        "recipient": person | {"gender": "n", "title": None},
        "street": row.street,
        "houseNumber": row.house_number,
        "additional": None,
        "zipCode": row.zip_code,
        "city": row.city,
        "state": None,
        "countryCode": row.country,
        "phone": None,
        "collectionPoint": None,
        "isDefault": {"billing": True, "shipping": True},
    }


def overall_status(row: Order) -> str:
    if row.imported is not None and not row.packages:
        return str(row.imported.get("status", "payment_reserved"))
    live = [each for each in row.items if each.cancelled_at is None]
    if not live:
        return "cancellation_completed"
    shipped = [each for each in live if each.shipped_at]
    if len(shipped) == len(live):
        return "invoice_completed"
    return "invoice_partially_completed" if shipped else "payment_reserved"


def detailed_codes(row: Order) -> dict[str, str]:
    """Order, shipping and billing code, derived from the units; billing may have been set."""
    live = [each for each in row.items if each.cancelled_at is None]
    shipped = [each for each in live if each.shipped_at]
    returned = [each for each in shipped if each.returned_at]
    if not live:
        codes = ("order_cancelled", "shipping_cancelled", "billing_payment_cancelled")
    elif row.imported is not None and not shipped:
        codes = ("order_confirmed", "shipping_open", "billing_payment_pending")
    elif not shipped:
        codes = ("order_delegated", "shipping_ordered", "billing_payment_pending")
    elif len(shipped) < len(live):
        codes = ("order_delegated", "shipping_partially_delivered", "billing_payment_pending")
    else:
        codes = ("order_invoiced", "shipping_delivered", "billing_completed")
    if returned:
        # The full form is likely, not documented: assumed.
        whole = len(returned) == len(live)
        codes = (codes[0], f"shipping_{'' if whole else 'partially_'}returned", codes[2])
    return {"order": codes[0], "shipping": codes[1], "billing": row.billing_code or codes[2]}


def invoice(row: Invoice) -> dict[str, Any]:
    return {
        "id": row.id,
        "createdAt": stamp(row.created_at),
        "type": row.type,
        "invoice": {"number": row.id, "fullNumber": row.number},
        "available": True,
    }


def product(row: Product, catalogue: Catalogue) -> dict[str, Any]:
    """With its variants, which a real answer may send only when asked ``with`` them: assumed."""
    variants = [each for each in row.variants if not each.deleted]
    return {
        "id": row.id,
        "referenceKey": row.reference,
        "name": {"de_DE": row.name, "en_GB": row.name},
        "state": row.state,
        "problems": [],
        "isComposite": any(each.is_composite for each in variants),
        "merchantReferenceKeys": [MERCHANT],
        "variants": [variant(each, catalogue) for each in variants],
        "sellableTimeframes": [],
        "customData": {},
        "createdAt": stamp(row.created_at),
        "updatedAt": stamp(row.updated_at),
        "lastContentUpdatedAt": stamp(row.updated_at),
    }


def variant(row: Variant, catalogue: Catalogue) -> dict[str, Any]:
    related = [
        {
            "variantReferenceKey": sku,
            "isMainVariant": place == 0,
            "unitCount": count,
        }
        for place, (sku, count) in enumerate(row.components)
    ]
    price = {
        "price": row.price,
        "oldPrice": None,
        "recommendedRetailPrice": None,
        "tax": round(VAT_RATE * 100),
        "countryCode": COUNTRY,
        "currencyCode": CURRENCY,
        "groupKey": None,
        "promotionKey": None,
        "validFrom": None,
        "validTo": None,
        "merchantReferenceKey": MERCHANT,
    }
    return {
        "id": row.id,
        "referenceKey": row.sku,
        "ean": row.ean,
        "prices": [] if row.unpriced else [price],
        "attributes": [{"name": "size", "value": row.size}] if row.size else [],
        "isComposite": row.is_composite,
        "relatedVariants": related,
        "merchantReferenceKeys": [MERCHANT],
        "customData": {},
    }


def stock(row: StockRow) -> dict[str, Any]:
    """``quantity`` is net of what SCAYLE holds back (assumed: "always the sellable quantity")."""
    return {
        "quantity": row.sellable,
        "warehouseReferenceKey": row.warehouse,
        "changedAt": row.changed_at.isoformat(),
        "updatedAt": stamp(row.updated_at),
        "sellableWithoutStock": row.sellable_without_stock,
        "expectedAvailabilityAt": row.expected_at,
        "merchantReferenceKey": MERCHANT,
    }


def carrier(key: str) -> dict[str, Any]:
    return {"id": CARRIERS[key], "key": key, "name": key, "trackingUrl": None}


def warehouse(key: str) -> dict[str, Any]:
    country = {"shopKey": SHOP_KEY, "countryCode": COUNTRY, "priority": 1, "packageGroup": 1}
    return {
        "id": WAREHOUSES[key],
        "referenceKey": key,
        "merchants": [{"referenceKey": MERCHANT}],
        "shopCountries": [country],
    }
