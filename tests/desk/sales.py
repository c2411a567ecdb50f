"""Orders with their returns and refunds. Valid rows only; see ``factories``."""

from __future__ import annotations

from datetime import datetime, timedelta

from finance.models import Refund, RefundItem
from finance.states import Executor, RefundStatus
from fulfilment.models import Customer, Order, OrderItem, Shipment, Sku, StockMovement
from fulfilment.shapes import Billing, UnitStatus
from fulfilment.states import Bucket, OrderStatus
from integrator.engine import links
from integrator.engine.states import born, move
from returns.models import Inspection, Return, ReturnItem
from returns.shapes import Method, PlatformStatus, Resolution
from returns.states import Custody, Disposition, Money, ReturnStatus
from tests.desk.basics import connection, location, retailer, trace


def order(number: str, at: datetime, *, units: tuple[tuple[str, str, int], ...] = ()) -> Order:
    """A shipped order of these (sku, name, price) units, with customer and parcel."""
    units = units or (("4068-PET-M", "Trailrun Jacket W, petrol, M", 12995),)
    shop = connection()
    buyer = Customer.objects.create(
        connection=shop,
        external_id=f"c-{number}",
        email=f"buyer-{number}@example.com",
        first_name="Lena",
        last_name="Berg",
    )
    placed = at - timedelta(days=6)
    made = Order.objects.create(
        connection=shop,
        external_id=f"9{number}",
        number=number,
        reference=f"REF-{number}",
        shop="de",
        country="DE",
        currency="EUR",
        billing=Billing.PAID,
        paid_minor=sum(price for _, _, price in units),
        customer=buyer,
        placed_at=placed,
        captured_at=placed,
        source_updated_at=at - timedelta(minutes=3),
        read_at=at - timedelta(minutes=3),
    )
    born(made, "status", reason="The shop confirmed it", trace=trace(placed))
    for place, (code, name, price) in enumerate(units, start=1):
        sku, _ = Sku.objects.get_or_create(retailer=retailer(), code=code, defaults={"name": name})
        OrderItem.objects.create(
            order=made,
            external_id=f"{number}-{place}",
            sku=sku,
            variant_id=f"v{place}",
            product_id=f"p{place}",
            paid_minor=price,
            tax_minor=price * 19 // 119,
            tax_rate="0.19",
            platform_status=UnitStatus.SHIPPED,
            platform_word="shipped",
            shipped_at=placed + timedelta(days=1),
        )
    move(
        made,
        "status",
        OrderStatus.SHIPPED,
        reason="A parcel left",
        trace=trace(placed + timedelta(days=1)),
    )
    Shipment.objects.create(
        order=made,
        external_id=f"s-{number}",
        carrier="DHL",
        tracking=f"JJD{number}",
        shipped_at=placed + timedelta(days=1),
    )
    links.bind(
        connection=shop,
        external_kind="order",
        external_id=made.external_id,
        record_kind="order",
        record_id=made.pk,
        order_id=made.pk,
    )
    return made


def return_of(
    of: Order,
    rma: str,
    at: datetime,
    *,
    reached: Custody = Custody.INSPECTED,
    item: OrderItem | None = None,
) -> Return:
    """A return of one unit, the order's first unless told, that has come as far as ``reached``."""
    portal = connection("returngo", "ReturnGO")
    made = Return.objects.create(
        connection=portal,
        external_id=rma,
        order=of,
        order_number=of.number,
        platform_status=PlatformStatus.VALIDATED,
        platform_word="Validated",
        requested_at=at - timedelta(days=4),
        read_at=at - timedelta(minutes=2),
    )
    links.bind(
        connection=portal,
        external_kind="rma",
        external_id=rma,
        record_kind="return",
        record_id=made.pk,
        order_id=of.pk,
    )
    item = item or of.items.select_related("sku").order_by("id").first()
    assert item is not None
    unit = ReturnItem.objects.create(
        return_record=made,
        external_id=f"{rma}-1",
        order_item=item,
        sku=item.sku,
        sku_code=item.sku.code,
        resolution=Resolution.REFUND,
        resolution_word="refundToPaymentMethod",
        method=Method.SHIPPED,
        method_word="shipWithLabel",
        reason="too small",
        claimed_minor=item.paid_minor,
        currency=of.currency,
    )
    way = (Custody.AUTHORISED, Custody.IN_TRANSIT, Custody.RECEIVED, Custody.INSPECTED)
    for step, custody in enumerate(way, start=1):
        when = at - timedelta(days=4) + timedelta(hours=20 * step)
        move(unit, "custody", custody, reason="ReturnGO says so", trace=trace(when))
        if custody == reached:
            break
    move(
        made,
        "status",
        ReturnStatus(reached.value),
        reason="Derived from its units",
        trace=trace(at),
    )
    if reached == Custody.INSPECTED:
        _restocked(unit, of, at)
    return made


def _restocked(unit: ReturnItem, of: Order, at: datetime) -> None:
    verdict = Inspection.objects.create(
        return_item=unit,
        version=1,
        disposition=Disposition.RESTOCK,
        inspected_at=at - timedelta(hours=20),
        learned_at=at - timedelta(hours=19),
    )
    assert unit.sku is not None
    steps = (
        (Bucket.OUTSIDE, Bucket.RECEIVED, None, None),
        (Bucket.RECEIVED, Bucket.SELLABLE, location(), verdict.pk),
    )
    for number, (old, new, place, inspection_id) in enumerate(steps):
        StockMovement.objects.create(
            key=f"{unit.external_id}:{number}",
            sku=unit.sku,
            location=place,
            quantity=1,
            from_bucket=old,
            to_bucket=new,
            order_id=of.pk,
            return_item_id=unit.pk,
            inspection_id=inspection_id,
            actor="worker",
            reason="The warehouse said so",
            at=at - timedelta(hours=18 - number),
        )


def refund_of(made: Return, at: datetime, *, status: RefundStatus = RefundStatus.SENT) -> Refund:
    """The refund of the return's unit, as far as ``status``."""
    assert made.order is not None
    unit = made.items.select_related("order_item").get()
    assert unit.order_item is not None
    refund = Refund.objects.create(
        order=made.order,
        return_record=made,
        number=1,
        executor=Executor.SCAYLE,
        currency=made.order.currency,
        claimed_minor=unit.claimed_minor,
        calculated_minor=unit.order_item.paid_minor,
        policy_version=1,
        authorised_at=at - timedelta(hours=6),
    )
    RefundItem.objects.create(
        refund=refund,
        order_item=unit.order_item,
        return_item=unit,
        amount_minor=unit.order_item.paid_minor,
    )
    for step, money in ((5, Money.PROPOSED), (4, Money.AUTHORISED), (3, Money.SENT)):
        move(unit, "money", money, reason="Evidence", trace=trace(at - timedelta(hours=step)))
    if status == RefundStatus.AUTHORISED:
        return refund
    move(refund, "status", RefundStatus.SENT, reason="Told the shop", trace=trace(at))
    if status == RefundStatus.IN_DOUBT:
        move(refund, "status", status, reason="No answer", trace=trace(at))
        move(unit, "money", Money.IN_DOUBT, reason="No answer", trace=trace(at))
    if status == RefundStatus.RECORDED:
        move(
            refund,
            "status",
            status,
            reason="Seen there",
            trace=trace(at),
            evidence={"invoice": "CI-40193"},
            executed_minor=refund.calculated_minor,
            recorded_at=at,
        )
        move(unit, "money", Money.RECORDED, reason="Seen there", trace=trace(at))
    return refund
