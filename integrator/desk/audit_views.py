"""What an auditor asks for again and again, under a name: each a list with its count.

Three of them are about decisions on exceptions, one about when something was done, two are a kind
of their own. Whatever a tab counts is exactly what it lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import ExtractIsoWeekDay, TruncTime

from finance.cases import REFUND_IN_DOUBT, REFUND_NOT_RECORDED
from integrator.desk import catalogue, directory
from integrator.desk.audit_sources import Hours, Wanted
from integrator.engine import by_hand
from integrator.engine.decisions import CLOSED_BY_HAND
from integrator.models import CaseEvent

OVERRIDES, ALONE, LATE, DOUBT = "overrides", "alone", "late", "doubt"
_SATURDAY = 6
_DECIDES = (CaseEvent.Kind.DECIDED, CaseEvent.Kind.SOLVED)
_HANDLES = (CaseEvent.Kind.OPENED, CaseEvent.Kind.ASSIGNED)


@dataclass(frozen=True, slots=True)
class View:
    """A named list: by the filter ``view`` or ``kind`` of the address. ``says``: what is in it."""

    label: str
    says: str
    query: Mapping[str, str]


VIEWS = (
    View("Decided or changed", "What people decided and changed.", {}),
    View(
        "Overrides",
        "Done by hand that should have gone by itself, and cases closed by hand.",
        {"view": OVERRIDES},
    ),
    View(
        "Decided alone",
        "Decided by whoever had opened or taken the case, without a second person.",
        {"view": ALONE},
    ),
    View("After hours", "Done by people outside working hours.", {"view": LATE}),
    View("Refunds in doubt", "What people said of refunds nobody could prove.", {"view": DOUBT}),
    View("Copies", "Lists that were taken along as files.", {"kind": "export"}),
    View("Personal data", "Who was shown which customer.", {"kind": "personal"}),
)
NAMES = {one.query["view"]: one.label for one in VIEWS if "view" in one.query}


def wanted_of(view: str, wanted: Wanted, known: directory.Directory) -> Wanted:
    """The filters with those of a view; of an unknown view nothing."""
    if view == LATE:
        begins, ends = (time.fromisoformat(one) for one in known.hours)
        return replace(wanted, view=view, hand=True, hours=Hours(known.timezone, begins, ends))
    return replace(wanted, view=view if view in NAMES else "")


def says_of(view: View, known: directory.Directory) -> str:
    if view.query.get("view") != LATE:
        return view.says
    begins, ends = known.hours
    return f"{view.says} These are Monday to Friday, {begins} to {ends} ({known.timezone})."


def narrowed(source: str, rows: QuerySet[Any], wanted: Wanted) -> QuerySet[Any] | None:
    """The rows of a source that are in the view; None when it can have none."""
    match wanted.view:
        case "":
            return rows
        case "late":
            return _outside(rows, wanted.hours) if wanted.hours is not None else rows
    return _decisions(rows, wanted.view) if source == "case" else None


def _outside(rows: QuerySet[Any], hours: Hours) -> QuerySet[Any]:
    """By the clock on the retailer's wall, also on the days on which it is put forward or back."""
    rows = rows.annotate(
        row_day=ExtractIsoWeekDay("row_at", tzinfo=hours.zone),
        row_time=TruncTime("row_at", tzinfo=hours.zone),
    )
    return rows.filter(
        Q(row_day__gte=_SATURDAY) | Q(row_time__lt=hours.begins) | Q(row_time__gte=hours.ends)
    )


def _decisions(rows: QuerySet[Any], view: str) -> QuerySet[Any]:
    """A person's decisions on cases, and cases a person closed."""
    closed = Q(kind=CaseEvent.Kind.SOLVED, data__reason=CLOSED_BY_HAND)
    rows = rows.filter(kind__in=_DECIDES, actor__startswith="user:")
    match view:
        case "overrides":
            buttons = by_hand.labels(catalogue.kinds())
            return rows.filter(Q(kind=CaseEvent.Kind.DECIDED, action__in=buttons) | closed)
        case "doubt":
            kinds = [REFUND_IN_DOUBT.code, REFUND_NOT_RECORDED.code]
            decided = Q(kind=CaseEvent.Kind.DECIDED) | closed
            return rows.filter(decided, case__kind__in=kinds)
    earlier = CaseEvent.objects.filter(
        case=OuterRef("case"), actor=OuterRef("actor"), kind__in=_HANDLES, id__lt=OuterRef("id")
    )
    decided = Q(kind=CaseEvent.Kind.DECIDED) | closed
    return rows.filter(decided, Exists(earlier)).exclude(data__has_key="approval_id")
