"""What a commerce platform or a warehouse tells us about orders and stock, in our own words.

Platform packages make these from wire JSON; flows read them. No database here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import TextChoices


class UnitStatus(TextChoices):
    """Where one ordered unit stands for its commerce platform."""

    OPEN = "OPEN", "Open"  # ordered, not shipped
    SHIPPED = "SHIPPED", "Shipped"  # left in a parcel
    CANCELLED = "CANCELLED", "Cancelled"  # will never ship
    RETURNED = "RETURNED", "Returned"  # the platform booked it as returned
    UNKNOWN = "UNKNOWN", "Unknown"  # a word we do not know: never guessed


class Billing(TextChoices):
    """What the commerce platform says about the money of an order."""

    OPEN = "OPEN", "Open"
    PAID = "PAID", "Paid"
    PARTLY_REFUNDED = "PARTLY_REFUNDED", "Partly refunded"
    REFUNDED = "REFUNDED", "Refunded"
    CANCELLED = "CANCELLED", "Cancelled"
    UNKNOWN = "UNKNOWN", "Unknown"


class Progress(TextChoices):
    """How far an order is for its commerce platform."""

    OPEN = "OPEN", "Open"  # not confirmed yet: not ours to act on
    CONFIRMED = "CONFIRMED", "Confirmed"  # paid or payment reserved
    DELEGATED = "DELEGATED", "Delegated"  # handed to a warehouse
    SHIPPED = "SHIPPED", "Shipped"
    COMPLETED = "COMPLETED", "Completed"  # invoiced
    CANCELLED = "CANCELLED", "Cancelled"
    UNKNOWN = "UNKNOWN", "Unknown"


class OrderKind(TextChoices):
    """What an order is for us."""

    SALE = "SALE", "Sale"
    EXCHANGE = "EXCHANGE", "Replacement"  # we created it: goods for goods, never offered as a sale


class ShareBasis(TextChoices):
    """What a component's share of its bundle's price was worked out from."""

    ORDER = "ORDER", "Price in the order"
    CATALOGUE = "CATALOGUE", "Catalogue price"
    EQUAL = "EQUAL", "Equal parts"  # no price was to be had anywhere: the configured way out


class Sellability(TextChoices):
    """Whether the shop can sell a variant at all."""

    LIVE = "LIVE", "Live"
    BLOCKED = "BLOCKED", "Blocked"
    DRAFT = "DRAFT", "Draft"
    UNKNOWN = "UNKNOWN", "Unknown"


@dataclass(frozen=True, slots=True)
class CollectionPointSeen:
    """A parcel locker or shop that an address names instead of a door."""

    kind: str
    key: str
    customer_key: str
    description: str


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """A postal address as the platform keeps it. ``country`` is ISO 3166 alpha-2."""

    first_name: str
    last_name: str
    street: str
    house_number: str
    additional: str
    postcode: str
    city: str
    state: str
    country: str
    phone: str = ""
    recipient_type: str = ""
    gender: str = ""
    title: str = ""
    collection_point: CollectionPointSeen | None = None


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    external_id: str
    reference: str
    email: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    key: str
    amount_minor: int
    is_gift_card: bool
    transaction: str


@dataclass(frozen=True, slots=True)
class FeeSeen:
    """A charge on the whole order, for example shipping. ``category`` is the platform's word."""

    category: str
    key: str
    amount_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class PartSeen:
    """A component of a bundle, ``count`` times in it. A platform names it by SKU, or by id.

    ``price_minor`` is the price of one unit of it as the order states it; None when it does not.
    """

    count: int
    sku: str = ""
    variant_id: str = ""
    price_minor: int | None = None


@dataclass(frozen=True, slots=True)
class UnitSeen:
    """One ordered unit. ``paid_minor`` is what was really paid for it, reductions taken off."""

    external_id: str
    sku: str
    product_id: str
    variant_id: str
    paid_minor: int
    tax_minor: int
    tax_rate: str  # a decimal fraction as text, "0.19"
    status: UnitStatus
    raw_status: str
    parcel_id: str = ""
    warehouse_id: str = ""
    shipped_at: datetime | None = None
    cancelled_at: datetime | None = None
    returned_at: datetime | None = None
    parts: tuple[PartSeen, ...] = ()  # what the order says that a bundle consists of, if it does


@dataclass(frozen=True, slots=True)
class ParcelSeen:
    external_id: str
    shipment_key: str
    carrier: str
    tracking: str
    shipped_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order as its commerce platform shows it now. ``number`` is the one the customer knows.

    ``custom_data`` is None when the platform did not say: nothing may be written in its place then.
    """

    external_id: str
    number: str
    reference: str
    progress: Progress
    raw_status: str
    billing: Billing
    raw_billing: str
    currency: str
    shop: str
    country: str
    total_minor: int
    customer: CustomerSeen
    shipping_address: AddressSeen | None
    payments: tuple[PaymentSeen, ...]
    fees: tuple[FeeSeen, ...]
    units: tuple[UnitSeen, ...]
    parcels: tuple[ParcelSeen, ...]
    created_at: datetime
    updated_at: datetime
    confirmed_at: datetime | None
    billing_address: AddressSeen | None = None
    channel: str = ""
    custom_data: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class InvoiceSeen:
    """An accounting document of an order.

    ``is_corrective`` ones are evidence that money went back. ``is_by_hand``: a person wrote it, or
    we do not know its kind, so money may have gone past us.
    """

    external_id: str
    kind: str
    is_corrective: bool
    created_at: datetime
    is_by_hand: bool = False


@dataclass(frozen=True, slots=True)
class StockSeen:
    """A stock row: ``quantity`` is what the shop may sell, already net of open orders."""

    variant_id: str
    warehouse: str
    quantity: int
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class PriceSeen:
    """A price of the catalogue, tax included, in the shop's country. No dates: always valid."""

    currency: str
    amount_minor: int
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class VariantSeen:
    external_id: str
    sku: str
    product_id: str
    name: str
    sellability: Sellability
    is_composite: bool
    sellable_until: datetime | None = None  # a date after which the shop stops selling it
    parts: tuple[PartSeen, ...] = ()
    prices: tuple[PriceSeen, ...] = ()

    def price_at(self, currency: str, at: datetime) -> int | None:
        """The price in ``currency`` at a moment, the one with the youngest start; None without."""
        fits = [
            one
            for one in self.prices
            if one.currency == currency
            and (one.valid_from is None or one.valid_from <= at)
            and (one.valid_to is None or at <= one.valid_to)
        ]
        dated = [one for one in fits if one.valid_from is not None]
        youngest = max(dated, key=lambda one: one.valid_from or at, default=None)
        chosen = youngest or next(iter(fits), None)
        return None if chosen is None else chosen.amount_minor


@dataclass(frozen=True, slots=True)
class ComponentSeen:
    """A component as the catalogue knows it. ``price_minor``: of one unit; None when unknown."""

    sku: str
    variant_id: str
    product_id: str
    count: int
    price_minor: int | None


@dataclass(frozen=True, slots=True)
class BundleSeen:
    """What a bundle in an order consists of, or in ``unreadable`` why nobody could find out.

    Neither: it was kept as a bundle until somebody could find out, and turned out to be plain.
    """

    components: tuple[ComponentSeen, ...]
    basis: ShareBasis = ShareBasis.CATALOGUE
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class DraftUnit:
    """One piece of an order to be made. ``price_minor`` is what is paid for it, tax included."""

    key: str
    sku: str
    product_id: str
    variant_id: str
    price_minor: int
    tax_rate: str


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """An order we want the shop to write down. ``transaction`` says what its payment belongs to."""

    reference: str
    number: str
    currency: str
    customer_reference: str
    shipping_address: AddressSeen
    billing_address: AddressSeen
    units: tuple[DraftUnit, ...]
    transaction: str
    custom_data: dict[str, object]
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class ReservationSeen:
    """The shop's answer about one piece to hold back: its id, or why it was not held."""

    reference: str
    external_id: str
    is_sold_out: bool = False
    error: str = ""
