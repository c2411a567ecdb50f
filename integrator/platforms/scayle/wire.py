"""SCAYLE's JSON into our shapes. Pure and total: a shape, or ``Malformed`` naming the field.

Nothing here decides anything and nothing here writes: request bodies are the client's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fulfilment.shapes import (
    AddressSeen,
    Billing,
    CollectionPointSeen,
    CustomerSeen,
    FeeSeen,
    InvoiceSeen,
    OrderSeen,
    ParcelSeen,
    PaymentSeen,
    Progress,
    StockSeen,
    UnitSeen,
    UnitStatus,
)
from integrator.platforms.contract import UNKNOWN
from integrator.platforms.scayle import CONTRACT
from integrator.platforms.scayle.catalogue import parts_in_order
from integrator.platforms.scayle.countries import ALPHA_2
from integrator.platforms.subscriptions import Subscription
from integrator.platforms.tame import Field

_ALPHA_2 = frozenset(ALPHA_2.values())


@dataclass(frozen=True, slots=True)
class PaymentNotice:
    """What a payment-capture or payment-refund callback says. It names no unit and no amount.

    ``succeeded`` is None for a word we do not know: then it is evidence of nothing.
    """

    order_id: str
    transaction: str
    succeeded: bool | None
    occurred_at: datetime


def same_event(name: str) -> str:
    """One spelling for an event SCAYLE spells in several ways."""
    name = name.replace("-canceled", "-cancelled")
    return "order-package-undeliverable" if name == "package-undeliverable" else name


def entities(body: Field) -> Iterator[Field]:
    """The rows of a list. Some of SCAYLE's lists come without the envelope."""
    if isinstance(body.value, list):
        return body.each()
    rows = body.require_object()["entities"]
    if rows.value is None:
        rows.fail("is missing")
    return rows.each()


def next_cursor(body: Field) -> Field:
    """Where the next page starts; absent on the last one, and for lists without pages."""
    if isinstance(body.value, list):
        return Field(None, "cursor.next")
    return body["cursor"]["next"]


def order(data: Any, path: str = "") -> OrderSeen:
    body = Field(data, path).require_object()
    currency = body["currencyCode"].currency()
    progress, raw_status = _progress(body)
    billing = body["detailedStatus"]["billing"]["code"].text_or_empty()
    rows = body["items"]
    if rows.value is None:
        rows.fail("is missing")
    return OrderSeen(
        external_id=body["id"].text(),
        number=body["publicKey"].text_or_empty(),
        reference=body["referenceKey"].text_or_empty(),
        progress=progress,
        raw_status=raw_status,
        billing=Billing(CONTRACT.word("billing_code", billing)),
        raw_billing=billing,
        currency=currency,
        shop=body["shopCountry"]["shopKey"].text_or_empty(),
        country=body["shopCountry"]["countryCode"].text_or_empty().upper(),
        total_minor=body["cost"]["withTax"].minor(),
        customer=_customer(body["customer"]),
        shipping_address=_address(body["address"]["shipping"]),
        payments=tuple(_payment(row) for row in body["payment"].each()),
        fees=tuple(_fee(row) for row in body["cost"]["appliedFees"].each()),
        units=_different(rows, tuple(_unit(row, currency) for row in rows.each())),
        parcels=tuple(_parcel(row) for row in body["packages"].each()),
        created_at=body["createdAt"].when(),
        updated_at=body["updatedAt"].when(),
        confirmed_at=body["confirmedAt"].when_or_none(),
        billing_address=_address(body["address"]["billing"]),
        channel=body["channel"]["key"].text_or_empty(),
        custom_data=_custom_data(body),
    )


def invoice(row: Field) -> InvoiceSeen:
    kind = row.require_object()["type"].text()
    word = CONTRACT.word("invoice", kind)
    return InvoiceSeen(
        external_id=row["id"].text(),
        kind=kind,
        is_corrective=word == "CORRECTIVE",
        created_at=row["createdAt"].when(),
        is_by_hand=word in ("BY_HAND", UNKNOWN),
    )


def stock(row: Field, variant_id: str) -> StockSeen:
    warehouse = row.require_object()["warehouseReferenceKey"]
    if warehouse.absent and not row["warehouse"].absent:
        warehouse = row["warehouse"]["referenceKey"]
    return StockSeen(
        variant_id=variant_id,
        warehouse=warehouse.text(),
        quantity=row["quantity"].integer(),
        changed_at=row["changedAt"].when_or_none(),
    )


def merchant_of(row: Field) -> str:
    """The merchant a stock row belongs to; empty for the shop's only one."""
    return row["merchantReferenceKey"].text_or_empty()


def subscription(row: Field) -> Subscription:
    return Subscription(
        external_id=row.require_object()["id"].text(),
        event=row["event"].text(),
        url=row["url"].prose(),
    )


def offered_event(row: Field) -> tuple[str, int, bool]:
    """An event SCAYLE offers: its name, its version, whether it is deprecated."""
    name = row.require_object()["event"].text()
    return name, row["version"].integer(), _truth_or(row["isDeprecated"], False)


def payment_notice(data: Any) -> PaymentNotice:
    """The only sign of a refund's outcome: it cannot be read again, so it is read from the body."""
    body = Field(data).require_object()
    payload = body["payload"]
    inner = payload["order"]
    word = payload["transaction"]["operationStatus"].text()
    outcome = CONTRACT.word("transaction_status", word)
    return PaymentNotice(
        order_id=(payload if inner.absent else inner)["id"].text(),
        transaction=payload["transaction"]["transactionId"].text_or_empty(),
        succeeded={"SUCCEEDED": True, "FAILED": False}.get(outcome),
        occurred_at=body["occurredAt"].when(),
    )


def _progress(body: Field) -> tuple[Progress, str]:
    code = body["detailedStatus"]["order"]["code"].text_or_empty()
    if code:
        return Progress(CONTRACT.word("order_code", code)), code
    status = body["status"].text()
    return Progress(CONTRACT.word("order_status", status)), status


def _unit(row: Field, currency: str) -> UnitSeen:
    raw_status = row.require_object()["status"].text()
    if not row["currency"].absent and row["currency"].text() != currency:
        row["currency"].fail("is not the currency of the order")
    price = row["price"].require_object()
    reduced = price["absoluteVoucherReducedPrice"]
    paid = price if reduced.absent or reduced.value == [] else reduced
    tax_minor, tax_rate = _unit_tax(paid, price)
    shipped_at = row["shippedAt"].when_or_none()
    cancelled_at = row["cancelledAt"].when_or_none()
    returned_at = row["returnedAt"].when_or_none()
    return UnitSeen(
        external_id=row["id"].text(),
        sku=row["variant"]["referenceKey"].text(),
        product_id=row["product"]["id"].text_or_empty(),
        variant_id=row["variant"]["id"].text(),
        paid_minor=paid["withTax"].minor(),
        tax_minor=tax_minor,
        tax_rate=tax_rate,
        status=_unit_status(raw_status, shipped_at, cancelled_at, returned_at),
        raw_status=raw_status,
        parcel_id=row["packageId"].text_or_empty(),
        warehouse_id=row["warehouseId"].text_or_empty(),
        shipped_at=shipped_at,
        cancelled_at=cancelled_at,
        returned_at=returned_at,
        parts=parts_in_order(row["merchantAdditionalData"]),
    )


def _unit_status(
    raw: str,
    shipped_at: datetime | None,
    cancelled_at: datetime | None,
    returned_at: datetime | None,
) -> UnitStatus:
    """The item's word, corrected by its dates: the word lags behind them."""
    status = UnitStatus(CONTRACT.word("unit_status", raw))
    if status in (UnitStatus.OPEN, UnitStatus.SHIPPED):
        if returned_at is not None:
            return UnitStatus.RETURNED
        if cancelled_at is not None:
            return UnitStatus.CANCELLED
        if shipped_at is not None:
            return UnitStatus.SHIPPED
    return status


def _unit_tax(paid: Field, price: Field) -> tuple[int, str]:
    """The tax inside the paid price, and its rate; nothing when SCAYLE states neither."""
    rate = paid["tax"]["vat"]["rate"]
    if rate.absent:
        rate = price["tax"]["vat"]["rate"]
    amount = paid["tax"]["vat"]["amount"]
    if not amount.absent:
        tax_minor = amount.minor()
    else:
        # SCAYLE spells it withoutTax in prices and withOutTax in reduced ones.
        net = paid["withoutTax"] if not paid["withoutTax"].absent else paid["withOutTax"]
        tax_minor = 0 if net.absent else paid["withTax"].minor() - net.minor()
    if tax_minor < 0 or tax_minor > paid["withTax"].minor():
        amount.fail("does not fit the price")
    return tax_minor, _rate(rate)


def _rate(rate: Field) -> str:
    """A fraction as text. SCAYLE's catalogue uses percent: 19 here would be nineteen hundred."""
    if rate.absent:
        return ""
    number = rate.decimal()
    if not 0 <= number < 1:
        rate.fail("is not a fraction")
    return f"{number:f}"


def _fee(row: Field) -> FeeSeen:
    tax = row.require_object()["tax"]["vat"]["amount"]
    return FeeSeen(
        category=row["category"].text(),
        key=row["key"].text(),
        amount_minor=row["amount"]["withTax"].minor(),
        tax_minor=0 if tax.absent else tax.minor(),
    )


def _payment(row: Field) -> PaymentSeen:
    return PaymentSeen(
        key=row.require_object()["key"].text(),
        amount_minor=row["amount"].minor(),
        is_gift_card=_truth_or(row["isGiftCard"], False),
        transaction=row["transactionKey"].text_or_empty(),
    )


def _parcel(row: Field) -> ParcelSeen:
    return ParcelSeen(
        external_id=row.require_object()["id"].text(),
        shipment_key=row["shipmentKey"].text_or_empty(),
        carrier=row["carrierKey"].text_or_empty(),
        tracking=row["tracking"]["id"].text_or_empty(),
        shipped_at=row["shippedAt"].when_or_none(),
    )


def _customer(row: Field) -> CustomerSeen:
    return CustomerSeen(
        external_id=row["id"].text_or_empty(),
        reference=row["referenceKey"].text_or_empty(),
        email=row["email"].prose(),
        first_name=row["firstName"].prose(),
        last_name=row["lastName"].prose(),
    )


def _address(row: Field) -> AddressSeen | None:
    if row.absent or row.value == []:
        return None
    person = row["recipient"]
    return AddressSeen(
        first_name=person["firstName"].prose(),
        last_name=person["lastName"].prose(),
        street=row["street"].prose(),
        house_number=row["houseNumber"].prose(),
        additional=row["additional"].prose(),
        postcode=row["zipCode"].prose(),
        city=row["city"].prose(),
        state=row["state"].prose(),
        country=_country(row["countryCode"]),
        phone=row["phone"].prose(),
        recipient_type=person["type"].text_or_empty(),
        gender=person["gender"].text_or_empty(),
        title=person["title"].prose(),
        collection_point=_collection_point(row["collectionPoint"]),
    )


def _collection_point(row: Field) -> CollectionPointSeen | None:
    if row.absent or row.value == []:
        return None
    return CollectionPointSeen(
        kind=row["type"].text_or_empty(),
        key=row["key"].text_or_empty(),
        customer_key=row["customerKey"].text_or_empty(),
        description=row["description"].prose(),
    )


def _country(field: Field) -> str:
    code = field.text().upper()
    two = ALPHA_2.get(code, code)
    if two not in _ALPHA_2:
        field.fail("is not an ISO 3166 country")
    return two


def _custom_data(order: Field) -> dict[str, object] | None:
    """What others and we keep on the order. Not sent is not the same as empty."""
    if "legacyCustomData" not in order.value:
        return None
    field = order["legacyCustomData"]
    if field.absent or field.value == []:
        return {}
    return dict(field.require_object().value)


def _truth_or(field: Field, missing: bool) -> bool:
    return missing if field.absent else field.truth()


def _different(rows: Field, units: tuple[UnitSeen, ...]) -> tuple[UnitSeen, ...]:
    """A unit listed twice would be refundable twice."""
    seen: set[str] = set()
    for row, unit in zip(rows.each(), units, strict=True):
        if unit.external_id in seen:
            row["id"].fail("is listed twice")
        seen.add(unit.external_id)
    return units
