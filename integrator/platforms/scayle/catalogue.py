"""SCAYLE's catalogue in JSON into our shapes: variants, what they consist of, what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fulfilment.shapes import PartSeen, PriceSeen, Sellability, VariantSeen
from integrator.engine.errors import Malformed
from integrator.platforms.scayle import CONTRACT
from integrator.platforms.tame import Field


def variant(row: Field, product: Field, shop: str, country: str) -> VariantSeen:
    """A variant within its product: the state and the name are the product's."""
    state = product.require_object()["state"].text()
    return VariantSeen(
        external_id=row.require_object()["id"].text(),
        sku=row["referenceKey"].text(),
        product_id=product["id"].text(),
        name=_name(product["name"], country),
        sellability=Sellability(CONTRACT.word("product_state", state)),
        is_composite=not row["isComposite"].absent and row["isComposite"].truth(),
        sellable_until=_sellable_until(product, shop, country),
        parts=tuple(_part(part) for part in row["relatedVariants"].each()),
        prices=tuple(_prices(row["prices"], country)),
    )


def parts_in_order(data: Field) -> tuple[PartSeen, ...]:
    """What the order says of a bundle's components. Its form is assumed, so one that is odd or
    does not count says nothing: the catalogue is asked then.
    """
    try:
        rows = list(data[CONTRACT.assumption("bundle_in_order")].each())
        counted = all(not row.require_object()["unitCount"].absent for row in rows)
        return tuple(_part(row) for row in rows) if counted else ()
    except Malformed:
        return ()


def _part(row: Field) -> PartSeen:
    """A component, named by SKU or by variant id."""
    count = row.require_object()["unitCount"]
    part = PartSeen(
        count=1 if count.absent else count.integer(),
        sku=row["variantReferenceKey"].text_or_empty(),
        variant_id=row["variantId"].text_or_empty(),
        price_minor=None if row["price"].absent else row["price"]["withTax"].minor(),
    )
    if part.count < 1:
        count.fail("is below one")
    if not part.sku and not part.variant_id:
        row["variantReferenceKey"].fail("is missing")
    return part


def _prices(rows: Field, country: str) -> Iterator[PriceSeen]:
    """The prices anyone pays in a country: those of customer groups and promotions are not."""
    for row in rows.each():
        where = row.require_object()["countryCode"].text_or_empty().upper()
        special = not row["groupKey"].absent or not row["promotionKey"].absent
        if special or where not in ("", country.upper()):
            continue
        yield PriceSeen(
            currency=row["currencyCode"].currency(),
            amount_minor=row["price"].minor(),
            valid_from=row["validFrom"].when_or_none(),
            valid_to=row["validTo"].when_or_none(),
        )


def _name(field: Field, country: str) -> str:
    """One name out of those per locale: the shop country's, else the first by locale."""
    if not isinstance(field.value, dict):
        return field.prose()
    locales = sorted(field.value)
    ours = [locale for locale in locales if locale.upper().endswith(country.upper())]
    for locale in ours + locales:
        if not field[locale].absent:
            return field[locale].prose()
    return ""


def _sellable_until(product: Field, shop: str, country: str) -> datetime | None:
    """When the shop's last sales window ends; None when nothing ends it."""
    ends: list[datetime] = []
    for frame in product["sellableTimeframes"].each():
        if frame.require_object()["shopKey"].text_or_empty() not in ("", shop):
            continue
        if frame["countryCode"].text_or_empty().upper() not in ("", country.upper()):
            continue
        until = frame["sellableTo"].when_or_none()
        if until is None:
            return None
        ends.append(until)
    return max(ends, default=None)
