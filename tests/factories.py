"""Records as they lie in the database, for tests of one step; stories use ``tests.story``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fulfilment.models import Customer, Order, OrderItem, Sku
from fulfilment.shapes import (
    Billing,
    CustomerSeen,
    OrderSeen,
    PaymentSeen,
    Progress,
    UnitSeen,
    UnitStatus,
)
from integrator.engine.states import Trace
from integrator.models import Connection, Retailer
from returns.models import Return, ReturnItem
from returns.shapes import (
    Method,
    ParcelStatus,
    PlatformStatus,
    Resolution,
    ReturnParcelSeen,
    ReturnSeen,
    ReturnUnitSeen,
)

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TRACE = Trace(at=AT, actor="flow:test")
BUYER = "pat@example.test"


def connection(platform: str = "scayle") -> Connection:
    retailer, _ = Retailer.objects.get_or_create(
        slug="r1", defaults={"name": "R1", "timezone": "Europe/Berlin", "currency": "EUR"}
    )
    found, _ = Connection.objects.get_or_create(
        slug=f"r1-{platform}",
        defaults={
            "retailer": retailer,
            "platform": platform,
            "name": platform.title(),
            "base_url": "http://127.0.0.1:1/",
            "callback_token_hash": platform.ljust(64, "0"),
        },
    )
    return found


def order(*prices: int, paid: int | None = None, status: str = UnitStatus.SHIPPED) -> Order:
    """An order whose units were sold for ``prices``; all of one article."""
    shop = connection()
    sku, _ = Sku.objects.get_or_create(retailer=shop.retailer, code="JKT")
    number = Order.objects.count() + 1
    made = Order.objects.create(
        connection=shop,
        external_id=str(number),
        number=f"DE-{number}",
        shop="nb",
        country="DE",
        currency="EUR",
        paid_minor=sum(prices) if paid is None else paid,
        customer=Customer.objects.create(connection=shop, external_id=str(number), email=BUYER),
        placed_at=AT,
        captured_at=AT,
        source_updated_at=AT,
        read_at=AT,
    )
    for place, price in enumerate(prices, start=1):
        OrderItem.objects.create(
            order=made,
            external_id=f"{number}-{place}",
            sku=sku,
            variant_id="1",
            product_id="1",
            paid_minor=price,
            tax_minor=0,
            tax_rate="0.19",
            platform_status=status,
            platform_word=status.lower(),
        )
    return made


def returned(sold: OrderItem) -> ReturnItem:
    """A return of one unit that fits its order."""
    number = Return.objects.count() + 1
    record = Return.objects.create(
        connection=connection("returngo"),
        external_id=f"RMA-{number}",
        order=sold.order,
        platform_status=PlatformStatus.AUTHORISED,
        platform_word="Approved",
        requested_at=AT,
        read_at=AT,
    )
    return ReturnItem.objects.create(
        return_record=record,
        external_id=f"RI-{number}",
        order_item=sold,
        sku=sold.sku,
        sku_code=sold.sku.code,
        resolution=Resolution.REFUND,
        resolution_word="RefundToPaymentMethod",
        method=Method.SHIPPED,
        method_word="Ship with any carrier",
        claimed_minor=sold.paid_minor,
        currency="EUR",
    )


def return_seen(
    *units: tuple[str, str], email: str = BUYER, status: str = PlatformStatus.AUTHORISED
) -> ReturnSeen:
    """A return as its platform shows it; ``units`` are (ordered unit's id, SKU)."""
    return ReturnSeen(
        external_id="RMA-9",
        status=PlatformStatus(status),
        raw_status=status,
        order_id="1",
        order_number="DE-1",
        units=tuple(
            ReturnUnitSeen(
                external_id=f"U{place}",
                order_unit_id=unit,
                sku=sku,
                reason="",
                resolution=Resolution.REFUND,
                raw_resolution="RefundToPaymentMethod",
                method=Method.SHIPPED,
                raw_method="Ship",
                paid_minor=1000,
                currency="EUR",
                deductions=(),
                parcel_id="P1",
                inspection=None,
            )
            for place, (unit, sku) in enumerate(units)
        ),
        parcels=(
            ReturnParcelSeen("P1", ParcelStatus.PENDING, "Pending", "DHL", "", email, "20457"),
        ),
        money=(),
        comments=(),
        created_at=AT,
        digest="d" * 64,
    )


def order_seen(
    *prices: int,
    paid: int | None = None,
    minutes: int = 0,
    status: UnitStatus = UnitStatus.SHIPPED,
    progress: Progress = Progress.COMPLETED,
    billing: Billing = Billing.PAID,
) -> OrderSeen:
    """An order as the shop shows it ``minutes`` after the first time."""
    moment = AT + timedelta(minutes=minutes)
    return OrderSeen(
        external_id="77",
        number="DE-77",
        reference="SO-77",
        progress=progress,
        raw_status=progress.lower(),
        billing=billing,
        raw_billing=billing.lower(),
        currency="EUR",
        shop="nb",
        country="DE",
        total_minor=sum(prices),
        customer=CustomerSeen("5", "C-5", BUYER, "Pat", "Roe"),
        shipping_address=None,
        payments=(PaymentSeen("card", sum(prices) if paid is None else paid, False, "tx"),),
        fees=(),
        units=tuple(
            UnitSeen(
                external_id=f"77-{place}",
                sku="JKT",
                product_id="1",
                variant_id="1",
                paid_minor=price,
                tax_minor=0,
                tax_rate="0.19",
                status=status,
                raw_status=status.lower(),
            )
            for place, price in enumerate(prices, start=1)
        ),
        parcels=(),
        created_at=AT,
        updated_at=moment,
        confirmed_at=AT,
    )
