"""The purchase check (R006): does what is being returned fit what was bought?

It decides, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from fulfilment.cases import BUNDLE_UNREADABLE
from fulfilment.models import Order, OrderItem
from fulfilment.services import units_on_shelf
from fulfilment.shapes import UnitStatus
from integrator.engine.cases import CaseKind
from returns.cases import (
    UNIT_NOT_BOUGHT,
    UNIT_NOT_SHIPPED,
    UNIT_RETURNED_TWICE,
    WRONG_CUSTOMER,
)
from returns.models import Exchange, ReturnItem
from returns.services.custody import unit_opens_again
from returns.shapes import Resolution, ReturnSeen, ReturnUnitSeen
from returns.states import EXCHANGE_ENDED, Custody

SHIPPED = (UnitStatus.SHIPPED, UnitStatus.RETURNED)


# Equal units whose prices differ by no more than rounding are worth the same.
ROUNDING_MINOR = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """The unit of the order that is coming back, or the rule it breaks.

    ``other_prices`` are what the other units were paid that it could as well be: it was taken as
    the cheapest, because nothing on the return says which it is.
    """

    order_item: OrderItem | None
    breaks: CaseKind | None
    other_prices: tuple[int, ...] = ()


def check_units(
    *, order: Order, seen: ReturnSeen, known: Mapping[str, ReturnItem]
) -> dict[str, Checked]:
    """Every unit of a return against its order, in the order of the platform's own list.

    A unit names its order line; where it does not, the SKU's free units are taken lowest paid
    first. A bundle's line with the bundle's SKU is the whole set, with a component's SKU one
    component. A unit that is coming back already, here or in another return, is not free: nor is
    the set of a component, or a component of the set. One that had ended here and goes on again
    must be free as well.
    """
    items = list(order.items.select_related("sku", "parent").order_by("paid_minor", "id"))
    taken = _taken_elsewhere(items, known.values())
    stranger = _is_stranger(order, seen)
    result: dict[str, Checked] = {}
    for unit in seen.units:
        before = known.get(unit.external_id)
        if before is not None and before.order_item_id and not before.blocked_by:
            item = next(item for item in items if item.pk == before.order_item_id)
            goes_on = before.custody == Custody.CLOSED and unit_opens_again(before, unit, seen)
            twice = goes_on and not _is_free(item, items, taken)
            result[unit.external_id] = Checked(item, UNIT_RETURNED_TWICE if twice else None)
            taken.add(item.pk)
            continue
        accepted = before is not None and bool(before.accepted_by)
        checked = _check(unit, items, taken, stranger=stranger and not accepted, accepted=accepted)
        if checked.breaks is None and checked.order_item is not None:
            taken.add(checked.order_item.pk)
        result[unit.external_id] = checked
    return result


def _check(
    unit: ReturnUnitSeen,
    items: list[OrderItem],
    taken: set[int],
    *,
    stranger: bool,
    accepted: bool,
) -> Checked:
    line = next((item for item in items if item.line_id == unit.order_unit_id), None)
    line = line if line is None or line.parent is None else line.parent
    named = [
        item
        for item in items
        if line is not None and item.line_id == line.external_id and item.sku.code == unit.sku
    ]
    if line is not None and line.is_bundle and not _components(line, items):
        return Checked(line, BUNDLE_UNREADABLE)
    of_sku = [item for item in items if item.sku.code == unit.sku]
    if not of_sku or (line is not None and not named):
        return Checked(None, UNIT_NOT_BOUGHT)
    if any(item.is_bundle and not _components(item, items) for item in of_sku):
        return Checked(of_sku[0], BUNDLE_UNREADABLE)
    free = [item for item in of_sku if _is_free(item, items, taken)]
    free_here = [item for item in named if _is_free(item, items, taken)]
    if not free:
        return Checked((named or of_sku)[0], UNIT_RETURNED_TWICE)
    choice = free_here or free
    shipped = [item for item in choice if item.platform_status in SHIPPED] or [
        item for item in free if item.platform_status in SHIPPED
    ]
    if not shipped and not accepted:
        return Checked(choice[0], UNIT_NOT_SHIPPED)
    candidates = shipped or choice
    others = tuple(sorted({item.paid_minor for item in candidates}))[1:]
    differ = others and others[-1] - candidates[0].paid_minor > ROUNDING_MINOR
    return Checked(candidates[0], WRONG_CUSTOMER if stranger else None, others if differ else ())


def _components(line: OrderItem, items: list[OrderItem]) -> list[OrderItem]:
    return [item for item in items if item.parent_id == line.pk]


def _is_free(item: OrderItem, items: list[OrderItem], taken: set[int]) -> bool:
    """Neither it, nor the set it is part of, nor a part of the set it is, is coming back."""
    parts = _components(item, items) if item.is_bundle else []
    return not taken & {item.pk, item.parent_id, *(part.pk for part in parts)}


def _taken_elsewhere(items: list[OrderItem], here: Iterable[ReturnItem]) -> set[int]:
    """Units that are coming back, or were paid back or replaced, in another return or for another
    unit.

    One whose return was cancelled is free again, but not while it lies on a shelf of ours: it
    would be put on sale a second time. A person says first what becomes of it.
    """
    own = [item.pk for item in here]
    rows = (
        ReturnItem.objects.filter(order_item__in=items, blocked_by="")
        .exclude(pk__in=own)
        .annotate(is_replaced=has_replacement())
        .values_list("pk", "order_item_id", "custody", "money", "is_replaced")
    )
    taken, ended = set(), {}
    for pk, order_item_id, custody, money, is_replaced in rows:
        if custody != Custody.CLOSED or money not in ("NONE", "REFUSED") or is_replaced:
            taken.add(order_item_id)
        else:
            ended[pk] = order_item_id
    return {one for one in taken | {ended[pk] for pk in units_on_shelf(ended)} if one is not None}


def has_replacement() -> Exists:
    """Of a returned unit: goods go out for it, or have gone. The customer may have kept it."""
    meant = Q(return_item=OuterRef("pk")) | Q(
        return_item=None,
        return_record__items=OuterRef("pk"),
        return_record__items__resolution__in=[Resolution.EXCHANGE, Resolution.UNKNOWN],
    )
    return Exists(Exchange.objects.filter(meant).exclude(status__in=EXCHANGE_ENDED))


def _is_stranger(order: Order, seen: ReturnSeen) -> bool:
    """Whether the e-mail on the return is another than the buyer's.

    Unknown e-mails prove nothing.
    """
    senders = {
        parcel.email.strip().lower()
        for parcel in seen.parcels
        if parcel.email.strip() and not parcel.is_outbound
    }
    buyer = order.customer.email.strip().lower() if senders and order.customer else ""
    return bool(buyer) and buyer not in senders
