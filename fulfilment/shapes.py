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
    EXCHANGE = "EXCHANGE", "Exchange"  # we created it: goods for goods, never offered as a sale


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

    ``is_corrective`` ones are evidence that money went back.
    """

    external_id: str
    kind: str
    is_corrective: bool
    created_at: datetime
    is_by_hand: bool = False  # a person wrote it: money may have gone past us


@dataclass(frozen=True, slots=True)
class StockSeen:
    """A stock row: ``quantity`` is what the shop may sell, already net of open orders."""

    variant_id: str
    warehouse: str
    quantity: int
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class VariantSeen:
    external_id: str
    sku: str
    product_id: str
    name: str
    sellability: Sellability
    is_composite: bool
    sellable_until: datetime | None = None  # a date after which the shop stops selling it


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
