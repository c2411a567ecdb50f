"""People, connections, orders with return and refund, and a case of any kind. Valid rows only."""

from __future__ import annotations

import string
import uuid
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User

from finance.models import Refund, RefundItem
from finance.states import Executor, RefundStatus
from fulfilment.models import Customer, Location, Order, OrderItem, Shipment, Sku, StockMovement
from fulfilment.shapes import Billing, UnitStatus
from fulfilment.states import Bucket, OrderStatus
from integrator.engine import bulks, cases, clock, decisions, links
from integrator.engine.case_kinds import CaseKind
from integrator.engine.states import Trace, born, move
from integrator.flows import CASE_KINDS
from integrator.models import (
    AccessReview,
    Attempt,
    Bulk,
    Case,
    Connection,
    Cursor,
    Heartbeat,
    Job,
    JobState,
    Message,
    RateWindow,
    Retailer,
    ReviewItem,
    RoleGrant,
)
from returns.models import Inspection, Return, ReturnItem
from returns.shapes import Method, PlatformStatus, Resolution
from returns.states import Custody, Disposition, Money, ReturnStatus

PASSWORD = "correct horse battery"


def trace(at: datetime, actor: str = "worker") -> Trace:
    return Trace(at=at, actor=actor)


def person(username: str, *roles: str, **values: Any) -> User:
    """Somebody with these roles: Carla (CX), Omar (operations), Fiona (finance)."""
    user = User.objects.create_user(
        username, password=PASSWORD, first_name=username.capitalize(), **values
    )
    for role in roles:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def review(at: datetime) -> AccessReview:
    """A review that began today, of every role that somebody holds; its quarter is long ago."""
    review = AccessReview.objects.create(
        first_day=date(2020, 1, 1), last_day=at.date() + timedelta(days=27), began_at=at
    )
    for one in RoleGrant.objects.select_related("user", "group").order_by("user__username"):
        ReviewItem.objects.create(review=review, person=one.user, role=one.group.name)
    return review


def retailer() -> Retailer:
    found, _ = Retailer.objects.get_or_create(
        slug="demo",
        defaults={"name": "Demo Sport", "timezone": "Europe/Berlin", "currency": "EUR"},
    )
    return found


def connection(platform: str = "scayle", name: str = "SCAYLE") -> Connection:
    found, _ = Connection.objects.get_or_create(
        slug=platform,
        defaults={
            "retailer": retailer(),
            "platform": platform,
            "name": name,
            "base_url": "http://127.0.0.1:8100/",
            "callback_token_hash": uuid.uuid4().hex,
        },
    )
    return found


def location(code: str = "hamburg", name: str = "Hamburg warehouse") -> Location:
    found, _ = Location.objects.get_or_create(
        retailer=retailer(), code=code, defaults={"name": name, "authority": "scayle"}
    )
    return found


def stream(
    of: Connection, name: str, *, swept_at: datetime | None, budget: int = 900, missed: int = 0
) -> Cursor:
    return Cursor.objects.create(
        connection=of,
        stream=name,
        swept_at=swept_at,
        lag_budget_seconds=budget,
        missed_total=missed,
    )


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


def return_of(of: Order, rma: str, at: datetime, *, reached: Custody = Custody.INSPECTED) -> Return:
    """A return of the order's first unit that has come as far as ``reached``."""
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
    item = of.items.select_related("sku").order_by("id").first()
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


def job(
    flow: str,
    at: datetime,
    *,
    record: tuple[str, int],
    order_id: int | None = None,
    to: Connection | None = None,
    state: JobState = JobState.DUE,
    actor: str = "worker",
    **values: Any,
) -> Job:
    """A job, born due and then taken where it should be by updates that the database checks."""
    made = Job.objects.create(
        flow=flow,
        fact=uuid.uuid4().int % 10**15,
        record_kind=record[0],
        record_id=record[1],
        order_id=order_id,
        connection=to,
        queue=to.platform if to else "local",
        lane=f"{flow}:{uuid.uuid4()}",
        not_before=values.pop("not_before", at),
        due_at=at + timedelta(minutes=15),
        give_up_at=at + timedelta(days=7),
        operation=uuid.uuid4(),
        actor=actor,
    )
    if state in (JobState.WAITING, JobState.IN_DOUBT):
        Job.objects.filter(pk=made.pk).update(
            state=JobState.RUNNING, lease_until=at + timedelta(seconds=60)
        )
    if state == JobState.DONE:
        values |= {"finished_at": at}
    if state == JobState.RUNNING:
        values |= {"lease_until": clock.now() + timedelta(seconds=60)}
    if state != JobState.DUE or values:
        Job.objects.filter(pk=made.pk).update(state=state, **values)
    made.refresh_from_db()
    return made


def attempt(of: Job, at: datetime, *, outcome: str = "PARKED", error: str = "") -> Attempt:
    return Attempt.objects.create(
        job=of,
        number=of.attempts or 1,
        fence=of.fence,
        worker="w1",
        started_at=at - timedelta(seconds=1),
        ended_at=at,
        outcome=outcome,
        error=error,
        calls=[{"method": "POST", "path": "/orders/1/return-items", "status": 422, "ms": 180}],
    )


def message(
    of: Connection,
    kind: str,
    at: datetime,
    *,
    order_id: int | None = None,
    origin: str = "CALLBACK",
    learnt_after: timedelta = timedelta(),
    event_id: str = "",
) -> Message:
    return Message.objects.create(
        connection=of,
        origin=origin,
        verdict=Message.Verdict.ACCEPTED,
        topic="order",
        kind=kind,
        resource_kind="order",
        resource_id="100482913",
        event_id=event_id or uuid.uuid4().hex,
        digest=b"\0" * 32,
        order_id=order_id,
        occurred_at=at,
        received_at=at + learnt_after,
        routed_at=at + learnt_after,
    )


# What the sentences of the case kinds may name.
FACTS: dict[str, str] = {
    "amount": "EUR 129.95",
    "at": "10:40",
    "authority": "Sitoo",
    "crashes": "3",
    "due": "10:15",
    "error": "the shop does not accept this status",
    "event": "order.reindexed",
    "event_id": "evt-771",
    "fields": "price",
    "kind": "location",
    "kind_code": "LOCATION",
    "location": "Hamburg shop",
    "order": "100482913",
    "ours": "EUR 129.95",
    "platform": "ReturnGO",
    "rma": "RMA3271840",
    "sku": "4068-PET-M",
    "step": "Put the unit back on sale",
    "theirs": "HH-2",
    "what": "Refund of RMA3271840",
    "write": "complete the return",
}


def facts_for(kind: CaseKind) -> dict[str, str]:
    """A value for everything the kind's sentences name."""
    names = {
        name
        for text in (kind.title, kind.happened, kind.means, kind.todo, kind.otherwise)
        for _, name, _, _ in string.Formatter().parse(text)
        if name
    }
    wanted = names | set(kind.evidence) | ({"kind_code"} if kind.shared_cause else set())
    return {name: FACTS.get(name, f"some {name}") for name in sorted(wanted)}


def case(
    code: str,
    at: datetime,
    *,
    record: tuple[str, int] = ("order", 1),
    cause: str = "",
    opened_at: datetime | None = None,
    facts: dict[str, str] | None = None,
    **about: Any,
) -> Case:
    """A case of a kind, opened the way flows open it."""
    kind = CASE_KINDS[code]
    return cases.open_case(
        kind,
        cases.About(record[0], record[1], **about),
        trace=trace(opened_at or at),
        cause=cause,
        facts={**facts_for(kind), **(facts or {})},
    )


def heartbeat(at: datetime, name: str = "local") -> Heartbeat:
    beat, _ = Heartbeat.objects.update_or_create(name=name, defaults={"at": at, "worker": "w1"})
    return beat


def rate(of: Connection, at: datetime) -> RateWindow:
    return RateWindow.objects.create(
        connection=of, scope="day", limit=2000, remaining=1588, resets_at=at + timedelta(hours=9)
    )


def nudge(of: Connection, kind: str, at: datetime, *, order_id: int) -> Message:
    """A message without an event id, routed already: the same may come again."""
    return Message.objects.create(
        connection=of,
        origin=Message.Origin.CALLBACK,
        verdict=Message.Verdict.ACCEPTED,
        topic="order",
        kind=kind,
        resource_kind="order",
        resource_id="100482913",
        digest=b"\0" * 32,
        order_id=order_id,
        occurred_at=at,
        received_at=at,
        routed_at=at,
    )


def bulk(
    by: User, at: datetime, chosen: list[Case], *, do: str = "take", label: str = "Take them"
) -> Bulk:
    """What somebody is about to do about these cases; nobody has started it."""
    return bulks.prepare(
        [bulks.Chosen(one, decisions.newest([one.pk]).get(one.pk, 0)) for one in chosen],
        do=do,
        label=label,
        role=chosen[0].owner,
        query="tab=needs",
        data={},
        note="",
        by=by,
        trace=trace(at, f"user:{by.get_username()}"),
    )
