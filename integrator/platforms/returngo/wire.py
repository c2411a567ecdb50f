"""ReturnGO's JSON into our shapes. Pure and total: a shape, or ``Malformed`` naming the field.

Nothing here decides anything and nothing here writes: request bodies are the client's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from fulfilment.shapes import AddressSeen
from integrator.platforms.returngo import CONTRACT
from integrator.platforms.subscriptions import Subscription
from integrator.platforms.tame import Field
from returns.shapes import (
    DeductionSeen,
    DraftSeen,
    InspectionSeen,
    Method,
    MoneySeen,
    MoneyStatus,
    ParcelStatus,
    PlatformStatus,
    Resolution,
    ReturnParcelSeen,
    ReturnSeen,
    ReturnSummary,
    ReturnUnitSeen,
    WantedSeen,
)

_UNIT_FEES = ("restockingFee", "returnFee", "shipmentFee")
_MOST_PIECES = 100  # of one exchange item: more is a mistake, not an order


def rows(body: Field) -> Iterator[Field]:
    """The rows of a list answer, wherever it keeps them."""
    if isinstance(body.value, list):
        return body.each()
    body.require_object()
    for key in CONTRACT.assumption("list_keys"):
        if body[key].value is not None:
            return body[key].each()
    body.fail(f"has none of {', '.join(CONTRACT.assumption('list_keys'))}")


def next_cursor(body: Field) -> Field:
    """Where the next page starts; absent on the last one. An empty page ends the list too."""
    name = CONTRACT.assumption("next_cursor")
    if isinstance(body.value, list) or next(rows(body), None) is None:
        return Field(None, name)
    return body[name]


def rma_id(field: Field) -> str:
    """The number of an RMA; the portal shows it with a prefix that the API does not take."""
    number = field.text().strip().removeprefix("RMA").lstrip("-# ")
    if not number:
        field.fail("is missing")
    return number


def row_name(row: Field) -> str:
    """The return a row of a list is about, also when the rest of it cannot be read."""
    inside = row["rmaSummary"]
    return rma_id((row if inside.absent else inside)["rmaId"])


def summary(row: Field) -> ReturnSummary:
    inside = row.require_object()["rmaSummary"]
    row = row if inside.absent else inside
    raw = row["status"].text()
    return ReturnSummary(
        external_id=rma_id(row["rmaId"]),
        status=PlatformStatus(CONTRACT.word("rma_status", raw)),
        raw_status=raw,
        order_number=row["order_name"].text_or_empty(),
    )


def rma(data: Any) -> ReturnSeen:
    body = Field(data).require_object()
    head = summary(body["rmaSummary"])
    if body["items"].value is None:
        body["items"].fail("is missing")
    units = tuple(_unit(row) for row in body["items"].each())
    _refuse_twice(body["items"], "returnedItemId")
    parcels = tuple(_parcel(row) for row in body["shipments"].each())
    listed = tuple(money(row) for row in body["transactions"].each())
    _refuse_twice(body["transactions"], "id")
    currency = units[0].currency if units else ""
    fees = _cancellation_fee(body, units)
    return ReturnSeen(
        external_id=head.external_id,
        status=head.status,
        raw_status=head.raw_status,
        order_id=body["orderDetails"]["orderId"].text_or_empty(),
        order_number=head.order_number or body["orderDetails"]["order_name"].text_or_empty(),
        units=units,
        parcels=parcels,
        money=listed,
        comments=tuple(row["htmlText"].prose() for row in body["comments"].each()),
        created_at=body["createdAt"].when(),
        digest=_digest(body, head, units, parcels, listed, fees),
        deductions=fees,
        wanted=tuple(_wanted(body["exchangeItems"], currency)),
        drafts=tuple(_draft(row) for row in body["exchangeOrders"].each()),
        new_address=_new_address(body["shipments"]),
    )


def money(row: Field) -> MoneySeen:
    kind = row.require_object()["type"].text()
    amount = row["amount"].require_object()
    currency = amount["currency"].currency()
    reference = row["externalReferenceId"].text_or_empty()
    if row["externalReferenceType"].value == CONTRACT.assumption("secret_reference_type"):
        # Whoever reads a store credit's code can spend it.
        reference = f"…{reference[-4:]}" if len(reference) > 4 else ""
    return MoneySeen(
        external_id=row["id"].text(),
        kind=kind,
        resolution=Resolution(CONTRACT.word("transaction_type", kind)),
        status=MoneyStatus(CONTRACT.word("transaction_status", row["status"].text())),
        amount_minor=amount["amount"].money(currency),
        currency=currency,
        # Named twice it is paid no more than once.
        unit_ids=tuple(dict.fromkeys(unit.text() for unit in row["returnItemIds"].each())),
        reference=reference,
    )


def subscription(row: Field) -> Subscription:
    """One subscription. The answer to registering one is not published: it may lack the id."""
    return Subscription(
        external_id=row.require_object()["id"].text_or_empty(),
        event=row["eventName"].text_or_empty(),
        url=row["url"].prose(),
    )


def _unit(row: Field) -> ReturnUnitSeen:
    price = row.require_object()["paidPrice"].require_object()
    currency = price["currency"].currency()
    raw_resolution = row["resolutionType"].text_or_empty()
    raw_method = row["returnMethod"]["type"].text_or_empty()
    return ReturnUnitSeen(
        external_id=row["returnedItemId"].text(),
        order_unit_id=row["shopLineItemId"].text_or_empty(),
        sku=row["sku"].text_or_empty(),
        reason=row["returnReason"].prose(),
        resolution=Resolution(CONTRACT.word("resolution", raw_resolution)),
        raw_resolution=raw_resolution,
        method=Method(CONTRACT.word("method", raw_method)),
        raw_method=raw_method,
        paid_minor=price["amount"].money(currency) + _tax_outside(row, currency),
        currency=currency,
        deductions=tuple(fee for key in _UNIT_FEES for fee in _deduction(row[key], key, currency)),
        parcel_id=row["shipmentId"].text_or_empty(),
        inspection=_inspection(row["itemValidationStatusResponse"]),
        wanted=tuple(_wanted(row["exchangeItems"], currency)),
    )


def _tax_outside(row: Field, currency: str) -> int:
    """The tax to add to the price; 0 where the price includes it, as all live data does."""
    if row["taxIncluded"].absent or row["taxIncluded"].truth():
        return 0
    tax = row["paidTax"].require_object()
    if tax["currency"].currency() != currency:
        tax["currency"].fail("is not the currency of the price")
    return tax["amount"].money(currency)


def _inspection(row: Field) -> InspectionSeen | None:
    """The verdict, once there is a date. Without one the booleans are only ReturnGO's defaults."""
    inspected_at = row["lastValidationDate"].when_or_none()
    if inspected_at is None:
        return None
    is_returned = row["isReturned"].truth()
    reason = row["nonRestockableReason" if is_returned else "nonReturnedReason"]
    return InspectionSeen(
        is_returned=is_returned,
        is_restockable=row["isRestockable"].truth(),
        reason=reason.prose(),
        location=row["storeLocationId"].text_or_empty(),
        inspected_at=inspected_at,
    )


def _deduction(field: Field, key: str, currency: str) -> tuple[DeductionSeen, ...]:
    amount = 0 if field.absent else field.money(currency)
    return (DeductionSeen(key, amount),) if amount else ()


def _cancellation_fee(body: Field, units: tuple[ReturnUnitSeen, ...]) -> tuple[DeductionSeen, ...]:
    fee = body["cancellationFee"]
    if fee.absent or not fee.decimal():
        return ()
    if not units:
        fee.fail("has no item to take its currency from")
    return _deduction(fee, "cancellationFee", units[0].currency)


def _wanted(items: Field, currency: str) -> Iterator[WantedSeen]:
    """Every piece that goes out in exchange, with its price."""
    for row in items.each():
        sku = row.require_object()["sku"].text()
        pieces = 1 if row["quantity"].absent else row["quantity"].integer()
        if not 1 <= pieces <= _MOST_PIECES:
            row["quantity"].fail("is not a number of pieces")
        price = row["effectivePrice"]
        if currency and not price["currency"].absent and price["currency"].currency() != currency:
            price["currency"].fail("is not the currency of the returned item")
        amount = price["amount"]
        one = WantedSeen(
            sku=sku,
            product_id=row["productId"].text_or_empty(),
            variant_id=row["variantId"].text_or_empty(),
            price_minor=None if amount.absent or not currency else amount.money(currency),
        )
        yield from [one] * pieces


def _draft(row: Field) -> DraftSeen:
    kind = row.require_object()["type"].text_or_empty()
    return DraftSeen(
        draft_id=row["draftOrderId"].text_or_empty(),
        order_id=row["orderId"].text_or_empty(),
        is_exchange=kind == CONTRACT.assumption("exchange_draft_type"),
    )


def _new_address(shipments: Field) -> AddressSeen | None:
    """Where the customer wants goods sent: the address of a parcel that goes out to them.

    The address of the parcel that comes back says where that was sent from, nothing more. A
    country is kept as it is written: whoever uses the address checks it first.
    """
    for row in shipments.each():
        target = row["customerAddress"]
        if row["isOutbound"].absent or not row["isOutbound"].truth() or target.absent:
            continue
        first, _, last = target["name"].prose().strip().rpartition(" ")
        return AddressSeen(
            first_name=first,
            last_name=last,
            street=target["street1"].prose(),
            house_number="",
            additional=target["street2"].prose(),
            postcode=target["zip"].prose(),
            city=target["city"].prose(),
            state=target["state"].prose(),
            country=target["country"].text_or_empty().upper(),
            phone=target["phone"].prose(),
        )
    return None


def _parcel(row: Field) -> ReturnParcelSeen:
    raw = row.require_object()["status"].text()
    sender = row["customerAddress"]
    return ReturnParcelSeen(
        external_id=row["shipmentId"].text(),
        status=ParcelStatus(CONTRACT.word("shipment_status", raw)),
        raw_status=raw,
        carrier=row["carrierName"].text_or_empty(),
        tracking=row["trackingNumber"].text_or_empty(),
        email=sender["email"].prose(),
        postcode=sender["zip"].prose(),
        is_outbound=not row["isOutbound"].absent and row["isOutbound"].truth(),
    )


def _refuse_twice(items: Field, key: str) -> None:
    """A unit or a transaction listed twice would be counted twice."""
    seen: set[str] = set()
    for row in items.each():
        if row[key].text() in seen:
            row[key].fail("is listed twice")
        seen.add(row[key].text())


def _digest(
    body: Field,
    head: ReturnSummary,
    units: tuple[ReturnUnitSeen, ...],
    parcels: tuple[ReturnParcelSeen, ...],
    listed: tuple[MoneySeen, ...],
    fees: tuple[DeductionSeen, ...],
) -> str:
    """The version of the return's business part.

    ReturnGO's ``lastUpdated`` does not move on receipt or inspection, so the content is the
    version. It is taken from the shapes: 0 and false, or another order of the rows, are no change.
    """
    business = {
        "status": head.raw_status,
        "units": sorted(_unit_part(unit) for unit in units),
        "exchanges": sorted(
            _exchange_part(row["exchangeItems"], unit.external_id)
            for row, unit in zip(body["items"].each(), units, strict=True)
        ),
        "loose_exchanges": _exchange_part(body["exchangeItems"], ""),
        "parcels": sorted([p.external_id, p.raw_status, p.tracking] for p in parcels),
        "money": sorted(
            [m.external_id, m.kind, m.status.value, m.amount_minor, m.currency, sorted(m.unit_ids)]
            for m in listed
        ),
        "exchange_orders": sorted(
            [row[key].text_or_empty() for key in ("draftOrderId", "orderId", "orderName", "type")]
            for row in body["exchangeOrders"].each()
        ),
        "fees": [fee.amount_minor for fee in fees],
    }
    text = json.dumps(business, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _unit_part(unit: ReturnUnitSeen) -> list[Any]:
    seen = unit.inspection
    verdict = (
        [seen.is_returned, seen.is_restockable, seen.reason, seen.location, str(seen.inspected_at)]
        if seen
        else []
    )
    fees = [[fee.key, fee.amount_minor] for fee in unit.deductions]
    return [
        unit.external_id,
        unit.sku,
        unit.raw_resolution,
        unit.raw_method,
        unit.paid_minor,
        unit.currency,
        fees,
        verdict,
    ]


def _exchange_part(items: Field, unit_id: str) -> list[Any]:
    wanted = []
    for row in items.each():
        price = row["effectivePrice"]["amount"]
        wanted.append(
            [
                row["sku"].text(),
                row["variantId"].text_or_empty(),
                row["itemPriceMethod"].text_or_empty(),
                "" if price.absent else f"{price.decimal().normalize():f}",
                "" if row["quantity"].absent else row["quantity"].integer(),
            ]
        )
    return [unit_id, sorted(wanted, key=str)]
