"""What a returns platform tells us about a return, in our own words. No database here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import TextChoices

from fulfilment.shapes import AddressSeen


class PlatformStatus(TextChoices):
    """Where the returns platform says the whole return stands. It may go backwards."""

    REQUESTED = "REQUESTED", "Requested"
    AUTHORISED = "AUTHORISED", "Authorised"
    RECEIVED = "RECEIVED", "Received"
    VALIDATED = "VALIDATED", "Validated"
    DONE = "DONE", "Done"
    REJECTED = "REJECTED", "Rejected"
    CANCELLED = "CANCELLED", "Cancelled"
    UNKNOWN = "UNKNOWN", "Unknown"


class Resolution(TextChoices):
    """What the customer gets for a returned unit."""

    REFUND = "REFUND", "Refund to the payment method"
    STORE_CREDIT = "STORE_CREDIT", "Store credit"
    EXCHANGE = "EXCHANGE", "Replacement"
    UNKNOWN = "UNKNOWN", "Unknown"  # a word we do not know: held, never read as a refund


class Method(TextChoices):
    """How the goods come back; decides which evidence can exist."""

    SHIPPED = "SHIPPED", "Shipped back"
    KEPT = "KEPT", "Customer keeps the item"  # nothing is sent back, so nothing is inspected
    UNKNOWN = "UNKNOWN", "Unknown"


class MoneyStatus(TextChoices):
    REQUESTED = "REQUESTED", "Requested"
    SUCCEEDED = "SUCCEEDED", "Succeeded"
    FAILED = "FAILED", "Failed"
    UNKNOWN = "UNKNOWN", "Unknown"


class ParcelStatus(TextChoices):
    PENDING = "PENDING", "Pending"
    SHIPPED = "SHIPPED", "Shipped"
    RECEIVED = "RECEIVED", "Received"
    VALIDATED = "VALIDATED", "Validated"
    CANCELLED = "CANCELLED", "Cancelled"
    UNKNOWN = "UNKNOWN", "Unknown"


class AddressSource(TextChoices):
    """Where the address of a replacement comes from."""

    ORDER = "ORDER", "The original order"
    RETURNS_PLATFORM = "RETURNS_PLATFORM", "A new address from the returns platform"


@dataclass(frozen=True, slots=True)
class InspectionSeen:
    """The warehouse's verdict on one unit. It exists only once the unit was really looked at."""

    is_returned: bool
    is_restockable: bool
    reason: str
    location: str
    inspected_at: datetime


@dataclass(frozen=True, slots=True)
class DeductionSeen:
    key: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class WantedSeen:
    """One piece that goes out in exchange. ``price_minor`` is None when no price was stated."""

    sku: str
    product_id: str
    variant_id: str
    price_minor: int | None


@dataclass(frozen=True, slots=True)
class DraftSeen:
    """An order the returns platform only drafted. ``order_id`` is empty while it stays a draft."""

    draft_id: str
    order_id: str
    is_exchange: bool


@dataclass(frozen=True, slots=True)
class ReturnUnitSeen:
    """One unit of a return. ``order_unit_id`` is the commerce platform's id of the ordered unit."""

    external_id: str
    order_unit_id: str
    sku: str
    reason: str
    resolution: Resolution
    raw_resolution: str
    method: Method
    raw_method: str
    paid_minor: int
    currency: str
    deductions: tuple[DeductionSeen, ...]
    parcel_id: str
    inspection: InspectionSeen | None
    wanted: tuple[WantedSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class ReturnParcelSeen:
    external_id: str
    status: ParcelStatus
    raw_status: str
    carrier: str
    tracking: str
    email: str = ""
    postcode: str = ""
    is_outbound: bool = False  # a parcel to the customer, not back from them


@dataclass(frozen=True, slots=True)
class MoneySeen:
    """Money the returns platform lists for units of a return."""

    external_id: str
    kind: str
    resolution: Resolution
    status: MoneyStatus
    amount_minor: int
    currency: str
    unit_ids: tuple[str, ...]
    reference: str


@dataclass(frozen=True, slots=True)
class ReturnSeen:
    """A return as its returns platform shows it now.

    ``digest`` is the version of its business part.
    """

    external_id: str
    status: PlatformStatus
    raw_status: str
    order_id: str
    order_number: str
    units: tuple[ReturnUnitSeen, ...]
    parcels: tuple[ReturnParcelSeen, ...]
    money: tuple[MoneySeen, ...]
    comments: tuple[str, ...]
    created_at: datetime
    digest: str
    deductions: tuple[DeductionSeen, ...] = ()  # from the return as a whole, not from one unit
    wanted: tuple[WantedSeen, ...] = ()  # for the return as a whole, not for one unit
    drafts: tuple[DraftSeen, ...] = ()
    new_address: AddressSeen | None = None  # where the customer wants replacements sent instead

    @property
    def fees(self) -> dict[str, int]:
        """What is taken off the return as a whole, by name."""
        return {one.key: one.amount_minor for one in self.deductions}


@dataclass(frozen=True, slots=True)
class ReturnSummary:
    """One row of the returns platform's list: enough to decide whether to read it whole."""

    external_id: str
    status: PlatformStatus
    raw_status: str
    order_number: str
