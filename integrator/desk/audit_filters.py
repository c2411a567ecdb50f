"""The filters of the audit list, as they stand in its address. What cannot be read is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from fulfilment.models import Customer, Order
from integrator.desk import audit_views, words
from integrator.desk.audit_rows import SOURCES, Key
from integrator.desk.audit_sources import KINDS, Target, Wanted
from integrator.desk.directory import Directory
from integrator.models import Case, Connection
from returns.models import Return

NAMES = ("view", "who", "kind", "record", "from", "to", "two", "money", "hand")
SWITCHES = {
    "two": "Needed two people",
    "money": "Involved money",
    "hand": "By hand",
}
RECORD = "Case, order, return, customer or connection"  # the label of the field
_CASE = re.compile(r"[cC]-?(\d{1,17})")
_LONGEST = 120
_ORDERS = 500  # of one customer
_YEARS = range(2000, 2101)


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked for, as typed and as understood. With an error nothing is listed."""

    typed: Mapping[str, str]
    wanted: Wanted
    errors: list[tuple[str, str]] = field(default_factory=list)

    @property
    def query(self) -> dict[str, str]:
        """The filters that are set, for addresses and for the record of a copy."""
        return {name: self.typed[name] for name in NAMES if self.typed.get(name)}

    @property
    def wrong(self) -> dict[str, str]:
        """What is wrong with each field, to stand beside it: without its label."""
        found = {}
        for name, text in self.errors:
            about = text.partition(": ")[2]
            found[name] = about[:1].upper() + about[1:]
        return found

    @property
    def said(self) -> dict[str, str]:
        """The same in words."""
        named = {
            "view": "list",
            "who": "person",
            "kind": "kind",
            "record": "record",
            "from": "from",
            "to": "to",
        } | {name: says.lower() for name, says in SWITCHES.items()}
        shown = {
            "view": audit_views.NAMES.get(self.typed.get("view", ""), ""),
            "kind": KINDS.get(self.typed.get("kind", ""), ""),
        } | dict.fromkeys(SWITCHES, "yes")
        return {named[name]: shown.get(name) or value for name, value in self.query.items()}


def read(given: Mapping[str, Any], *, personal: bool, known: Directory) -> Filters:
    typed = {name: words.typed(str(given.get(name, "")))[:_LONGEST] for name in NAMES}
    errors: list[tuple[str, str]] = []
    wanted = Wanted(
        kind=typed["kind"] if typed["kind"] in KINDS else "",
        two=typed["two"] == "1",
        money=typed["money"] == "1",
        hand=typed["hand"] == "1",
        personal=personal,
    )
    wanted = audit_views.wanted_of(typed["view"], wanted, known)
    if typed["view"] and not wanted.view:
        errors.append(("view", "List: choose one of the tabs"))
    if typed["kind"] and not wanted.kind:
        errors.append(("kind", "Kind: choose one from the list"))
    if typed["who"]:
        person = User.objects.filter(username=typed["who"]).first()
        if person is None:
            errors.append(("who", f"Person: nobody here is called “{typed['who']}”"))
        wanted = replace(wanted, person=person)
    if typed["record"]:
        target = _target(typed["record"])
        if target is None:
            errors.append(("record", f"{RECORD}: we know none called “{typed['record']}”"))
        wanted = replace(wanted, target=target)
    since, until = (_day(typed, name, says, errors) for name, says in _DAYS)
    if since is not None and until is not None and since > until:
        errors.append(("from", "From: it lies after the last day"))
    end = until + timedelta(days=1) if until is not None else None
    wanted = replace(wanted, since=_start(since), until=_start(end))
    return Filters(typed, wanted, errors)


_DAYS = (("from", "From"), ("to", "To"))


def _day(
    typed: Mapping[str, str], name: str, says: str, errors: list[tuple[str, str]]
) -> date | None:
    if not typed[name]:
        return None
    try:
        day = date.fromisoformat(typed[name])
    except ValueError:
        day = date.min
    if day.year in _YEARS:
        return day
    errors.append((name, f"{says}: choose a day"))
    return None


def _start(day: date | None) -> datetime | None:
    """The first moment of a day by the reader's clock."""
    return timezone.make_aware(datetime.combine(day, time.min)) if day is not None else None


def _target(text: str) -> Target | None:
    """A case by its number, an order, return or customer by theirs, a connection by its name."""
    if (match := _CASE.fullmatch(text)) is not None:
        cases = Case.objects.filter(pk=int(match[1]))
        found = cases.values_list("pk", "order_id").first()
        if found is not None:
            return Target(case_id=found[0], customer_ids=_buyers(found[1]))
    returns = Return.objects.filter(external_id=text, order__isnull=False)
    fits = Q(number=text) | Q(reference=text) | Q(pk__in=returns.values("order_id")[:20])
    if orders := dict(Order.objects.filter(fits).values_list("pk", "customer_id")[:20]):
        return Target(order_ids=tuple(sorted(orders)), customer_ids=_known(orders.values()))
    if (customers := _customers(text)) is not None:
        return customers
    fits = Q(name__iexact=text) | Q(slug=text.lower())
    connection = Connection.objects.filter(fits).order_by("pk").values_list("pk", flat=True).first()
    return Target(connection_id=connection) if connection is not None else None


def _customers(text: str) -> Target | None:
    """The customers of this number, one per shop, and what they bought."""
    number = text.removeprefix("Customer ").strip()
    ids = Customer.objects.filter(external_id=number).values_list("pk", flat=True)[:20]
    if not (found := tuple(ids)):
        return None
    orders = Order.objects.filter(customer_id__in=found).order_by("-pk")
    return Target(
        order_ids=tuple(orders.values_list("pk", flat=True)[:_ORDERS]), customer_ids=found
    )


def _buyers(order_id: int | None) -> tuple[int, ...]:
    orders = Order.objects.filter(pk__in=_known([order_id]))
    return _known(orders.values_list("customer_id", flat=True))


def _known(ids: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(sorted({one for one in ids if one is not None}))


def key_of(text: str) -> Key | None:
    """Where the last page ended; None for anything else."""
    moment, _, rest = text.partition("_")
    source, _, pk = rest.partition("_")
    try:
        at = parse_datetime(moment)
    except ValueError:
        return None
    if at is None or timezone.is_naive(at) or at.year not in _YEARS:
        return None
    if not re.fullmatch(r"[0-9]{1,2}", source) or not re.fullmatch(r"-?[0-9]{1,18}", pk):
        return None
    return Key(at, int(source), int(pk)) if int(source) < len(SOURCES) else None


def text_of(key: Key) -> str:
    return f"{key.at.isoformat()}_{key.source}_{key.id}"
