"""The rows of the audit list in words: who did what, to which record, from what to what, why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse

from finance.states import Account
from fulfilment.models import Order
from integrator.desk import (
    audit_connections,
    audit_people,
    audit_queues,
    case_forms,
    catalogue,
    directory,
    history,
    words,
)
from integrator.desk.audit_entry import Change, Entry, differences, short
from integrator.desk.audit_known import Known, entry_of, quoted
from integrator.desk.audit_rows import NAMES, Row
from integrator.desk.mapping_rows import Word
from integrator.desk.personal import NOTE_COVERED
from integrator.engine import records
from integrator.engine.case_kinds import CaseKind
from integrator.engine.money import EXPONENTS
from integrator.models import Case, CaseEvent, MappingKind, Note

_ANSWERS = {"GRANTED": "agreed", "WITHDRAWN": "took back what was asked: to agree"}
_RECORDS = {
    "return_item": "returned unit",
    "order_item": "unit",
    "exchange": "replacement",
    "batch_item": "posting",
}
_SET_UP = {
    "retailer": "retailer",
    "location": "location",
    "connection": "connection",
    "alert_receiver": "receiver of alerts",
}


def entries(rows: Sequence[Row], *, at: datetime, personal: bool) -> list[Entry]:
    """The rows in words. A query for the numbers of orders, and one for those of customers seen,
    however many there are.
    """
    ids = {one for row in rows if (one := _order_id(row)) is not None}
    numbers = dict(Order.objects.filter(pk__in=ids).values_list("pk", "number")) if ids else {}
    known = Known(directory.current(at=at), numbers, at, personal, audit_people.customers(rows))
    return [_SAYS[NAMES[row.source]](row, known) for row in rows]


def _order_id(row: Row) -> int | None:
    found = row.data.get("order_id") or (row.data.get("case") or {}).get("order_id")
    return int(found) if found else None


def noted(rows: Sequence[Row]) -> list[int | None]:
    """The customers about whose orders the rows tell what people wrote."""
    told = [row for row in rows if row.data.get("note") not in (None, "", Note.ERASED)]
    ids = {one for row in told if (one := _order_id(row)) is not None}
    if not ids:
        return []
    return list(Order.objects.filter(pk__in=ids).values_list("customer_id", flat=True))


def _case(row: Row, known: Known) -> Entry:
    data = row.data
    event = CaseEvent(
        kind=data["kind"], action=data["action"], actor=row.actor, data=data["data"], at=row.at
    )
    case = data["case"]
    said = history.told(event, at=known.at, kind=_kind_of(case)).says
    if data["kind"] == CaseEvent.Kind.NOTED:
        said = "wrote a note"
    why = quoted(row, data["note"] or "")
    if data["has_note"] and not known.personal:
        why = {"why": NOTE_COVERED}
    decided = data["kind"] == CaseEvent.Kind.DECIDED
    return entry_of(
        row,
        said,
        **_about_case(data["case_id"], case, known),
        changes=_decided(case, data["action"], data["data"]) if decided else (),
        amount=_money(case) if decided else None,
        **why,
        two="approval_id" in data["data"],
    )


def _about_case(case_id: int, case: dict[str, Any] | None, known: Known) -> dict[str, str]:
    href = reverse("case", args=[case_id])
    if not case:
        return {"about": f"C-{case_id}", "href": href}
    said = catalogue.said_of(_the_case(case)).title
    number = known.orders.get(case["order_id"] or 0)
    sub = said if number is None or number in said else f"{said}, order {number}"
    return {"about": f"C-{case_id}", "href": href, "sub": sub}


def _kind_of(case: dict[str, Any] | None) -> str:
    return str(case["kind"]) if case else ""


def _the_case(case: dict[str, Any]) -> Case:
    return Case(kind=case["kind"], owner=case["owner"], facts=case["facts"])


def _money(of: dict[str, Any] | None) -> tuple[int, str] | None:
    if not of or not of.get("money_minor") or of.get("currency") not in EXPONENTS:
        return None
    return int(of["money_minor"]), str(of["currency"])


def _decided(case: dict[str, Any], key: str, data: dict[str, Any]) -> tuple[Change, ...]:
    """What was filled in, by the labels of the form."""
    kind: CaseKind = catalogue.kind_of(_the_case(case))
    action = case_forms.action_of(kind, key)
    if action is None:
        return ()
    content = {"data": data, "currency": data.get("currency") or case["currency"]}
    return tuple(
        Change(label, "", short(text)) for label, text in case_forms.in_words(action, content, {})
    )


def _asked(row: Row, known: Known) -> Entry:
    return _second(row, row.data, "asked a second person to agree", known)


def _second(row: Row, data: dict[str, Any], did: str, known: Known, **more: Any) -> Entry:
    """A question to the second person, or their answer: with exactly what it is about."""
    content = data["content"]
    if data["record_kind"] == "mapping":
        change = Change("means", str(content.get("from", "")), str(content.get("to", "")))
        return entry_of(
            row,
            f"{did} to another meaning of “{content.get('theirs', '')}”",
            about="Mappings",
            href=f"{reverse('mappings')}?tab=all",
            changes=(change,),
            two=True,
            **more,
        )
    if data["record_kind"] == "mapping_plan":
        return entry_of(
            row,
            f"{did} to another meaning of “{content.get('theirs', '')}” from a later moment on",
            about="Mappings",
            href=f"{reverse('mappings')}?tab=waiting",
            changes=(
                Change("means", "", str(content.get("to", ""))),
                Change("starts", "", str(content.get("starts_at", ""))),
            ),
            two=True,
            **more,
        )
    if data["record_kind"] == "mapping_file":
        count = words.plural(int(content.get("changes", 0)), "other meaning")
        return entry_of(
            row,
            f"{did} to {count} of a file",
            about=str(content.get("file", "")),
            href=reverse("mapping_file", args=[data["record_id"]]),
            two=True,
            **more,
        )
    if data["record_kind"] == "role_change":
        return audit_people.role(row, content, did, **more)
    case, key = data["case"], str(content.get("action", ""))
    return entry_of(
        row,
        f"{did} to “{history.action_label(key, _kind_of(case))}”",
        **_about_case(data["record_id"], case, known),
        changes=_decided(case, key, content.get("data", {})) if case else (),
        amount=_money(content),
        two=True,
        **more,
    )


# --- States, books, meanings ----------------------------------------------------------------------


def _moved(row: Row, known: Known) -> Entry:
    data = row.data
    if data["record_kind"] == "approval" and data["approval"]:
        approval = data["approval"]
        did = _ANSWERS.get(data["new"], "did not agree")
        return _second(row, approval, did, known, why=f"Asked by {approval['asker']}")
    kind, labels = data["record_kind"], _labels(data["record_kind"], data["field"])
    change = Change("", labels.get(data["old"], data["old"]), labels.get(data["new"], data["new"]))
    if kind == "connection":
        return audit_connections.switched(row, change, known)
    if kind == "maintenance":
        return audit_connections.window(row, known)
    if kind == "bulk":
        verbs = {"RUNNING": "started", "CANCELLED": "cancelled"}
        goes_on = data["old"] == data["new"]
        did = "went on with" if goes_on else verbs.get(data["new"], "changed")
        return entry_of(
            row,
            f"{did} many at once",
            about=f"B-{data['record_id']}",
            href=reverse("bulk", args=[data["record_id"]]),
            changes=() if goes_on else (change,),
            why=data["reason"],
        )
    if kind == "mapping_plan":
        return entry_of(
            row,
            "changed a planned meaning",
            about="Mappings",
            href=f"{reverse('mappings')}?tab=waiting",
            changes=(change,),
            why=data["reason"],
        )
    if kind == "mapping_file":
        return entry_of(
            row,
            "saved a file of meanings" if data["old"] == "PREPARED" else "ended a file of meanings",
            about="Mappings",
            href=reverse("mapping_file", args=[data["record_id"]]),
            changes=(change,),
            why=data["reason"],
        )
    what = _RECORDS.get(kind, catalogue.kind_says(kind))
    field = "" if data["field"] in ("status", "state") else f"{data['field']} of the "
    return entry_of(
        row,
        f"changed the {field}{what}",
        **_about_order(data, known),
        changes=(change,),
        why=data["reason"],
    )


def _labels(record_kind: str, field: str) -> dict[str, str]:
    """What the statuses of a record are called."""
    if record_kind not in records.RECORDS:
        return {}
    fields = {one.name: one for one in records.model_of(record_kind)._meta.concrete_fields}
    choices = (fields[field].flatchoices if field in fields else None) or ()
    return {str(value): str(label) for value, label in choices}


def _about_order(data: dict[str, Any], known: Known) -> dict[str, str]:
    number = known.orders.get(data["order_id"] or 0)
    by_step = "carried out by a step in their name" if data.get("job_id") else ""
    if number is None:
        return {"sub": by_step}
    href = reverse("order", args=[data["order_id"]])
    return {"about": f"Order {number}", "href": href, "sub": by_step}


def _booked(row: Row, known: Known) -> Entry:
    data = row.data
    old, new = (
        str(Account(one).label) if one in Account.values else str(one)
        for one in (data["old"], data["new"])
    )
    return entry_of(
        row,
        "made an entry in the books",
        **_about_order(data, known),
        changes=(Change("", old, new),),
        amount=(int(data["amount_minor"]), str(data["currency"])),
        why=data["reason"],
    )


def _mapped(row: Row, known: Known) -> Entry:
    data = row.data
    kind = MappingKind(data["kind"])
    word = Word(data["connection_id"], kind, data["theirs"])
    return entry_of(
        row,
        f"said what the {kind.label.lower()} “{data['theirs']}” means",
        about=f"Mappings, {known.connections.name(data['connection_id'])}",
        href=word.href,
        changes=(Change("means", data["old"] or "", data["new"]),),
    )


# --- Settings, roles, copies ----------------------------------------------------------------------


def _ruled(row: Row, known: Known) -> Entry:
    data = row.data
    changes = differences(data["old"] or {}, data["new"]) if data["old"] else ()
    verb = "changed" if data["old"] else "set"
    return entry_of(
        row,
        f"{verb} the rules",
        about=f"{data['name']}, version {data['version']}",
        changes=changes,
    )


def _set(row: Row, known: Known) -> Entry:
    data = row.data
    what = _SET_UP[NAMES[row.source]]
    verb = "changed" if data["old"] else "set up"
    href = f"{reverse('connections')}#c-{data['record_id']}" if what == "connection" else ""
    return entry_of(
        row,
        f"{verb} the {what}",
        about=data["name"],
        href=href,
        changes=differences(data["old"], data["new"]) if data["old"] else (),
    )


def _exported(row: Row, known: Known) -> Entry:
    data = row.data
    chosen = [f"{name}: {value}" for name, value in data["filters"].items()]
    count = data["rows"]
    return entry_of(
        row,
        f"took a copy of {data['what']}",
        about=words.plural(count, "row") if count is not None else "did not come to its end",
        sub="; ".join(chosen) or "everything",
    )


_SAYS: dict[str, Callable[[Row, Known], Entry]] = {
    "case": _case,
    "asked": _asked,
    "moved": _moved,
    "booked": _booked,
    "mapping": _mapped,
    "policy": _ruled,
    "connection": _set,
    "location": _set,
    "retailer": _set,
    "alert_receiver": _set,
    "role": audit_people.granted,
    "export": _exported,
    "reviewed": audit_people.reviewed,
    "sign_in": audit_people.signed_in,
    "incident_note": audit_connections.noted,
    "saw": audit_people.saw,
    "view": audit_queues.viewed,
}
