"""The shop has anonymised a customer: what we keep of the person is erased here too.

The facts stay (what was sold, returned and paid); the rows that say who it was are blanked, and so
are the bodies of what platforms told us about their orders and returns.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q

from finance.models import Refund
from finance.states import REFUND_OPEN
from fulfilment.erasing import customer_erase
from fulfilment.models import Order
from integrator.engine.errors import Transient
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.work import Work
from integrator.models import Bulk, Message, Note, Payload
from returns.models import Return

LOOK_AGAIN = timedelta(hours=1)


def _aim(fact: Fact) -> Aim:
    lane = f"erase:{fact.connection_id}:{fact.data['resource_id']}"
    return Aim(fact.record_kind, fact.record_id, lane, join=lane)


def record(work: Work, _: None) -> Evidence:
    """Money first: while a refund waits for its proof, that proof may be in a body."""
    message = Message.objects.get(pk=work.job.record_id)
    mine = Order.objects.filter(
        connection_id=message.connection_id, customer__external_id=message.resource_id
    )
    if Refund.objects.filter(order__in=mine, status__in=REFUND_OPEN).exists():
        raise Transient(
            "a refund of theirs is not finished", retry_after=LOOK_AGAIN.total_seconds()
        )
    orders = customer_erase(connection_id=message.connection_id, external_id=message.resource_id)
    heard = Message.objects.filter(_about(message, orders))
    bodies = Payload.objects.filter(message__in=heard).update(body=b"", headers={})
    return {"orders": len(orders), "bodies": bodies, "notes": _erase_notes(orders)}


def _erase_notes(orders: list[Order]) -> int:
    """What people wrote about these orders, on a case's own page or once for many cases."""
    ids = [order.pk for order in orders]
    for_many = Bulk.objects.filter(items__case__order_id__in=ids, note__isnull=False)
    erased = 0
    for notes in (
        Note.objects.filter(caseevent__case__order_id__in=ids),
        Note.objects.filter(pk__in=for_many.values("note_id")),
    ):
        erased += notes.update(text=Note.ERASED)
    return erased


def _about(message: Message, orders: list[Order]) -> Q:
    """What we were told about the customer, their orders and their returns.

    The first message about an order came before there was an order to tie it to.
    """
    returns = Return.objects.filter(order__in=orders)
    return (
        Q(
            connection_id=message.connection_id,
            resource_kind="customer",
            resource_id=message.resource_id,
        )
        | Q(order_id__in=[order.pk for order in orders])
        | Q(
            connection_id=message.connection_id,
            resource_kind="order",
            resource_id__in=[order.external_id for order in orders],
        )
        | Q(
            connection_id__in=returns.values("connection_id"),
            resource_kind="rma",
            resource_id__in=returns.values("external_id"),
        )
    )


FLOW = Flow(
    name="erase_customer",
    says="Erase what we keep of a customer",
    aim=each(_aim),
    record=record,
    joins=True,
    due_minutes=3 * 24 * 60,
)
