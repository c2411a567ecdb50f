"""SCAYLE's Admin API, endpoint by endpoint: what leaves, and what comes back as our shapes.

It decides nothing and repeats nothing. A write's 2xx means accepted: its effect is seen by reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fulfilment.shapes import (
    Billing,
    InvoiceSeen,
    OrderDraft,
    OrderSeen,
    ReservationSeen,
    StockSeen,
    VariantSeen,
)
from integrator.engine.errors import Malformed, Refused
from integrator.engine.http import Http
from integrator.platforms.accepted import accepted
from integrator.platforms.paging import Page, paged, pages, readable
from integrator.platforms.scayle import CONTRACT, catalogue, exchange, wire
from integrator.platforms.scayle.dialect import required
from integrator.platforms.subscriptions import Subscription
from integrator.platforms.tame import Field

_READ = "ordersRead"
_WRITE = "ordersWrite"
_FULFIL = "fulfillmentWrite"


@dataclass(frozen=True, slots=True)
class ReturnedUnit:
    """One unit for ``return_items``. ``key`` is the return key its shipment was reported with."""

    key: str
    received_at: datetime
    reason: str


class Scayle:
    """One connection to SCAYLE: one shop in one country."""

    def __init__(self, http: Http, settings: Mapping[str, str]) -> None:
        self._http = http
        self._settings = settings

    def check(self) -> None:
        """A cheap read that fails when the key, the shop or the country is wrong."""
        path = CONTRACT.read("orders", **self._shop())
        reply = self._http.get(path, params={"limit": "1"}, scope=_READ)
        wire.entities(Field(reply.data))

    # Orders

    def order(self, order_id: str) -> OrderSeen:
        path = CONTRACT.read("order", order=order_id, **self._shop())
        seen = wire.order(self._http.get(path, params=_with_custom_data(), scope=_READ).data)
        if seen.external_id != order_id:
            Field(seen.external_id, "id").fail(f"is not the order asked for, {order_id}")
        return seen

    def orders_updated_since(self, at: datetime, *, after: str = "") -> Iterator[Page[OrderSeen]]:
        """Every order changed at or after ``at``, page by page, from the cursor ``after`` on."""
        return paged(
            self._order_pages({"filters[minUpdatedAt]": _moment(at)}, after),
            wire.next_cursor,
            wire.entities,
            lambda row: wire.order(row.value, row.path),
            lambda row: row["id"].text_or_empty(),
        )

    def find_order(self, reference: str) -> OrderSeen | None:
        """The order with our ``reference``.

        It asks the list, not ``/orders/key=…``: an empty list is an answer about the order, while a
        404 may as well be about a wrong address.
        """
        found = [
            wire.order(row.value, row.path)
            for page in self._order_pages({"filters[referenceKey]": reference})
            for row in wire.entities(page)
            if row["referenceKey"].text_or_empty() == reference
        ]
        if len(found) > 1:
            raise Refused(
                f"SCAYLE has {len(found)} orders with the reference {reference}.",
                facts={"reference": reference, "orders": [seen.external_id for seen in found]},
            )
        return found[0] if found else None

    def invoices(self, order_id: str) -> tuple[InvoiceSeen, ...]:
        path = CONTRACT.read("invoices", order=order_id, **self._shop())
        rows = self._rows(path, {}, _READ, "invoices")
        return tuple(readable(rows, wire.invoice))

    def ship(
        self,
        *,
        order_id: str,
        shipment_key: str,
        carrier: str,
        left_at: datetime,
        unit_ids: Sequence[str],
        return_ident_code: str = "",
    ) -> None:
        """Report one parcel. Each unit's return key is its own id, as SCAYLE recommends."""
        assert unit_ids, "a parcel without units"
        body: dict[str, Any] = {
            **self._shop_keys(),
            "orderId": _number(order_id),
            "carrier": carrier,
            "deliveryDate": _moment(left_at),
            "shipmentKey": shipment_key,
            "items": [{"orderItemId": _number(unit), "returnKey": unit} for unit in unit_ids],
        }
        if return_ident_code:
            body["returnIdentCode"] = return_ident_code
        write = CONTRACT.write("ship", self._settings)
        self._http.send(write.method, write.path(), json=body | self._merchant(), scope=_FULFIL)

    def return_items(self, units: Sequence[ReturnedUnit]) -> None:
        """Report units as returned. **SCAYLE then pays the shopper each whole unit.**"""
        keys = [unit.key for unit in units]
        assert keys and len(set(keys)) == len(keys), "return_items needs different units"
        received_format = CONTRACT.assumption("received_format")
        body = [
            {
                "returnKey": unit.key,
                "received": unit.received_at.astimezone(UTC).strftime(received_format),
                "returnReason": unit.reason,
                **self._merchant(),
            }
            for unit in units
        ]
        write = CONTRACT.write("return_items", self._settings)
        self._http.send(write.method, write.path(), json=body, scope=_FULFIL)

    def set_billing_status(
        self, order_id: str, status: Billing, reason: str, units: Mapping[str, Billing]
    ) -> None:
        """Tell SCAYLE that money moved elsewhere. It pays nobody; ``reason`` is kept for audits."""
        body = {
            "code": CONTRACT.raw("billing_write", status),
            "reason": reason,
            "items": [
                {"id": _number(unit), "code": CONTRACT.raw("billing_write", target)}
                for unit, target in units.items()
            ],
        }
        self._order_write("set_billing_status", order_id, body)

    def set_order_custom_data(self, order_id: str, data: Mapping[str, object]) -> None:
        """Put ``data`` in the place of the order's custom data: pass all of it, not the change."""
        self._order_write("set_order_custom_data", order_id, dict(data))

    # Exchanges

    def reserve(self, pieces: Mapping[str, str], warehouse: str) -> tuple[ReservationSeen, ...]:
        """Hold pieces back: our reference → SKU. One answer per piece, some yes and some no."""
        body = [exchange.reservation(key, sku, warehouse) for key, sku in pieces.items()]
        write = CONTRACT.write("reserve", self._settings)
        reply = self._http.send(write.method, write.path(), json=body, scope="reservationsWrite")
        return accepted(reply, lambda answer: tuple(map(exchange.reserved, wire.entities(answer))))

    def end_reservation(self, reservation_id: str) -> None:
        """Give a piece back to the shop. One that is gone already is no error."""
        write = CONTRACT.write("end_reservation", self._settings)
        path = write.path(reservation=reservation_id)
        try:
            self._http.send(write.method, path, scope="reservationsWrite")
        except Refused as error:
            if error.status != 404:
                raise

    def create_order(self, draft: OrderDraft) -> OrderSeen:
        """Write an order down. It is neither reserved nor delegated by that; look first, always."""
        write = CONTRACT.write("create_order", self._settings)
        path = write.path(**self._shop())
        body = exchange.order(draft, self._settings)
        reply = self._http.send(write.method, path, json=body, scope=_WRITE)
        return accepted(reply, lambda answer: wire.order(answer.value))

    # Stock and catalogue

    def stock(self, variant_id: str) -> tuple[StockSeen, ...]:
        """The variant's stock rows, one per location of this merchant."""
        path = CONTRACT.read("stocks", variant=variant_id)
        merchant = self._settings.get("merchant_reference_key", "")
        rows = self._rows(path, {}, "stocksRead", "stocks")
        ours = (row for row in rows if not merchant or wire.merchant_of(row) in ("", merchant))
        return tuple(readable(ours, lambda row: wire.stock(row, variant_id)))

    def post_stock(
        self, variant_id: str, warehouse: str, quantity: int, changed_at: datetime
    ) -> StockSeen:
        """Set the sellable quantity; answers the row that holds now.

        SCAYLE ignores a post that is older than its own row and answers that row: compare.
        The moment is sent in milliseconds.
        """
        body = {
            "quantity": quantity,
            "warehouseReferenceKey": warehouse,
            "changedAt": _moment(changed_at, CONTRACT.assumption("changed_at_precision")),
            **self._merchant(),
        }
        write = CONTRACT.write("post_stock", self._settings)
        path = write.path(variant=variant_id)
        reply = self._http.send(write.method, path, json=body, scope="stocksWrite")
        return accepted(reply, lambda answer: wire.stock(answer, variant_id))

    def variants(self) -> Iterator[VariantSeen]:
        """The whole catalogue; unreadable rows raise after the last good one."""
        wanted = {"with": CONTRACT.assumption("product_with")}
        products = self._rows(CONTRACT.read("products"), wanted, "productRead", "products")
        yield from readable(self._variant_rows(products), self._variant)

    def variant(self, product_id: str, variant_id: str) -> VariantSeen | None:
        """A variant with its product's state, None when either is gone: no longer sellable."""
        product = self._find(CONTRACT.read("product", product=product_id))
        if product is None:
            return None
        row = self._find(CONTRACT.read("variant", product=product_id, variant=variant_id))
        return None if row is None else self._variant((row, product))

    # Webhooks

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Our subscriptions. SCAYLE masks the credentials in their URLs."""
        path = CONTRACT.read("subscriptions")
        return tuple(readable(self._rows(path, {}, "globalRead", path), wire.subscription))

    def subscribe(self, event: str, url: str) -> Subscription:
        """Subscribe ``url`` to ``event``, in the spelling and newest version SCAYLE offers."""
        rows = self._rows(CONTRACT.read("events"), {}, "globalRead", "events")
        offered = [
            (version, name)
            for name, version, is_deprecated in map(wire.offered_event, rows)
            if wire.same_event(name) == wire.same_event(event) and not is_deprecated
        ]
        if not offered:
            raise Refused(f"SCAYLE does not offer the event {event}.", facts={"event": event})
        version, name = max(offered)
        write = CONTRACT.write("subscribe", self._settings)
        body = {"event": name, "version": version, "url": url}
        reply = self._http.send(write.method, write.path(), json=body, scope="globalWrite")
        return accepted(reply, wire.subscription)

    def unsubscribe(self, subscription_id: str) -> None:
        """End a subscription. One that is gone already is refused as unknown."""
        write = CONTRACT.write("unsubscribe", self._settings)
        path = write.path(subscription=subscription_id)
        self._http.send(write.method, path, scope="globalWrite")

    # Inside

    def _order_write(self, name: str, order_id: str, body: Any) -> None:
        write = CONTRACT.write(name, self._settings)
        path = write.path(order=order_id, **self._shop())
        self._http.send(write.method, path, json=body, scope=_WRITE)

    def _order_pages(self, filters: Mapping[str, str], after: str = "") -> Iterator[Field]:
        path = CONTRACT.read("orders", **self._shop())
        return self._pages(path, {**filters, **_with_custom_data()}, _READ, "orders", after)

    def _rows(self, path: str, params: Mapping[str, str], scope: str, what: str) -> Iterator[Field]:
        for page in self._pages(path, params, scope, what):
            yield from wire.entities(page)

    def _pages(
        self, path: str, params: Mapping[str, str], scope: str, what: str, after: str = ""
    ) -> Iterator[Field]:
        asked = {"limit": str(CONTRACT.number("page_size")), **params}

        def fetch(cursor: str) -> Field:
            at_cursor = {**asked, "cursor": cursor} if cursor else asked
            return Field(self._http.get(path, params=at_cursor, scope=scope).data)

        cap = CONTRACT.number("page_cap")
        return pages(fetch, wire.next_cursor, cap=cap, what=what, after=after)

    def _find(self, path: str) -> Field | None:
        """A resource of the catalogue, None for SCAYLE's 404."""
        try:
            return Field(self._http.get(path, scope="productRead").data).require_object()
        except Malformed:
            raise
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _variant_rows(self, products: Iterator[Field]) -> Iterator[tuple[Field, Field]]:
        for product in products:
            inside = product["variants"]
            if inside.value is not None:
                yield from ((row, product) for row in inside.each())
                continue
            path = CONTRACT.read("variants", product=product["id"].text())
            rows = self._rows(path, {}, "productRead", "variants")
            yield from ((row, product) for row in rows)

    def _variant(self, found: tuple[Field, Field]) -> VariantSeen:
        row, product = found
        shop = self._shop()
        return catalogue.variant(row, product, shop["shop"], shop["country"])

    def _shop(self) -> dict[str, str]:
        return {"shop": self._setting("shop_key"), "country": self._setting("country_code")}

    def _shop_keys(self) -> dict[str, str]:
        shop = self._shop()
        return {"shopKey": shop["shop"], "countryCode": shop["country"]}

    def _merchant(self) -> dict[str, str]:
        merchant = self._settings.get("merchant_reference_key", "")
        return {"merchantReferenceKey": merchant} if merchant else {}

    def _setting(self, name: str) -> str:
        return required(self._settings, name)


def can_return_items(settings: Mapping[str, str]) -> bool:
    """Whether this connection may report returned units, which makes SCAYLE pay them back."""
    return CONTRACT.may_write("return_items", settings)


def _with_custom_data() -> dict[str, str]:
    return {"with": "legacyCustomData"}


def _moment(at: datetime, precision: str = "seconds") -> str:
    assert at.tzinfo is not None, "a moment without a zone"
    return at.astimezone(UTC).isoformat(timespec=precision)


def _number(external_id: str) -> int:
    """SCAYLE's own ids are whole numbers on the wire."""
    if not (external_id.isascii() and external_id.isdigit()):
        raise Refused(f"{external_id!r} is not an id of SCAYLE.", facts={"id": external_id})
    return int(external_id)
