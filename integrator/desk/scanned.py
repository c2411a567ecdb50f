"""What a scanner reads: the spellings a label's number may have, and the open cases it is about.

Nothing is guessed: a spelling only leaves out what the label or the scanner put around the number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from fulfilment.models import Order, Shipment, Sku
from integrator.desk.open_cases import open_cases
from integrator.models import Case, CaseState
from integrator.roles import Role
from returns.models import Return, ReturnItem

MOST = 100  # units and orders of one number; a code that has more names no single thing
_KIND_OF_CODE = re.compile(r"^\][A-Za-z][0-9A-Za-z]")  # says how it was printed, by ISO/IEC 15424
_SEPARATORS = re.compile(r"[\x00-\x1f\x7f]")
_PARCEL = re.compile(r"^\(?00\)?(?=\d{18}$)")  # "what follows is the number of a parcel" (GS1)


def spellings(text: str) -> list[str]:
    """The number as it was read, and without what stands around it. The first is the plainest."""
    plain = _SEPARATORS.sub("", _KIND_OF_CODE.sub("", text)).strip()
    if len(plain) > 2 and plain[0] == plain[-1] == "*":
        plain = plain[1:-1]  # a code of the older sort shows where it begins and ends
    plain = plain.removeprefix("%").strip()
    together = re.sub(r"\s+", "", plain)
    found = [text, plain, together, _PARCEL.sub("", together)]
    return [one for one in dict.fromkeys(found) if one]


def waiting(roles: frozenset[str], texts: Sequence[str]) -> list[Case]:
    """Open cases of these teams about what carries the number; for operations the units come first.

    Each kind of record is found by its own index.
    """
    articles = Sku.objects.filter(code__in=texts)
    unknown = of_no_article(texts)
    returns = Return.objects.filter(external_id__in=texts)
    orders = Order.objects.filter(
        Q(number__in=texts) | Q(reference__in=texts) | Q(external_id__in=texts)
    )
    parcels = Shipment.objects.filter(tracking__in=texts)
    about: list[tuple[str, Any]] = [
        ("return_item", ReturnItem.objects.filter(sku__in=articles.values("pk")).values("pk")),
        ("return_item", unknown.values("pk")),
        ("return_item", ReturnItem.objects.filter(return_record__in=returns).values("pk")),
        ("return", unknown.values("return_record_id")),
        ("return", returns.values("pk")),
        ("order", orders.values("pk")),
        ("sku", articles.values("pk")),
    ]
    of_orders: list[Any] = [
        orders.values("pk"),
        parcels.values("order_id"),
        returns.exclude(order=None).values("order_id"),
    ]
    mine = _open(roles)
    parts = [mine.filter(record_kind=kind, record_id__in=ids) for kind, ids in about]
    parts += [mine.filter(order_id__in=ids) for ids in of_orders]
    found = open_cases(Q(pk__in=parts[0].union(*parts[1:])))
    if Role.OPERATIONS in roles:
        found.sort(key=lambda case: case.record_kind != "return_item")
    return found[:MOST]


def of_no_article(texts: Sequence[str]) -> QuerySet[ReturnItem]:
    """Returned units that fit no article of ours, by the code that the returns platform wrote."""
    return ReturnItem.objects.filter(sku=None, sku_code__in=texts)


def _open(roles: frozenset[str]) -> QuerySet[Case, int]:
    mine = Q(owner__in=roles) | Q(handed_to__in=roles)
    return Case.objects.exclude(state=CaseState.SOLVED).filter(mine).values_list("pk", flat=True)
