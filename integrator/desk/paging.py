"""One page of a long list by its key (a moment and a number), so that page 999 costs as page 1."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from integrator.desk.lists import number

PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and the key of the last one when more follow."""

    rows: list[Any]
    after: str
    is_first: bool


def page_of(rows: QuerySet[Any], field: str, after: str, *, newest_first: bool) -> Page:
    """The rows behind ``after``, ordered by ``field``; a key that means nothing begins anew."""
    sign, beyond = ("-", "lt") if newest_first else ("", "gt")
    key = _key(after)
    if key is not None:
        moment, pk = key
        rows = rows.filter(
            Q(**{f"{field}__{beyond}": moment}) | Q(**{field: moment, f"pk__{beyond}": pk})
        )
    found = list(rows.order_by(f"{sign}{field}", f"{sign}pk")[: PAGE + 1])
    if len(found) <= PAGE:
        return Page(found, "", key is None)
    last = found[PAGE - 1]
    return Page(found[:PAGE], f"{getattr(last, field).isoformat()}_{last.pk}", key is None)


def _key(text: str) -> tuple[datetime, int] | None:
    stamp, _, pk = text.replace(" ", "+").partition("_")
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    # A year at the edge of the calendar cannot be put into another zone.
    if timezone.is_naive(moment) or not 1900 < moment.year < 2200 or not number(pk):
        return None
    return moment, number(pk)
