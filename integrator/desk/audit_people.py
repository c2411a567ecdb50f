"""What was done about people, in words: roles given, asked for, kept, taken; links at sign-in;
and which customers somebody was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.urls import reverse

from fulfilment.models import Customer
from integrator.desk import buyer, words
from integrator.desk.audit_entry import Change, Entry
from integrator.desk.audit_known import Known, entry_of, quoted
from integrator.desk.audit_rows import Row
from integrator.models import Sighting, SignInEvent
from integrator.roles import Role

_SIGN_INS = {
    SignInEvent.What.LINKED: "was linked to an account at the sign-in provider",
    SignInEvent.What.UNLINKED: "let somebody link a sign-in anew",
    SignInEvent.What.OTHER_SUBJECT: "sent another account with this e-mail address: refused",
    SignInEvent.What.LEFT: "sent somebody who has left: refused",
    SignInEvent.What.MADE: "made an account",
    SignInEvent.What.ADDRESS: "gave an account another e-mail address",
    SignInEvent.What.CLOSED: "let somebody leave",
    SignInEvent.What.OPENED: "let an account work again",
}


def granted(row: Row, known: Known) -> Entry:
    data = row.data
    role = str(data["role"] or "(gone)")
    label = str(Role(role).label) if role in Role.values else role
    got = data["what"] == "granted"
    change = Change("role", "" if got else label, label if got else "none")
    return entry_of(
        row,
        "gave a role" if got else "took a role away",
        about=str(data["person"] or "(somebody who is gone)"),
        href=reverse("people"),
        changes=(change,),
    )


def role(row: Row, content: dict[str, Any], did: str, **more: Any) -> Entry:
    """A role that was asked for, or the answer."""
    role = str(content.get("role", ""))
    label = str(Role(role).label) if role in Role.values else role
    gives, last = bool(content.get("gives")), content.get("last_day")
    got = f"{label} until {words.date_text(date.fromisoformat(str(last)))}" if last else label
    asked = f"“{content.get('reason', '')}”"
    why = f"{more.pop('why')}: {asked}" if "why" in more else asked
    return entry_of(
        row,
        f"{did} to {'give' if gives else 'take'} a role",
        about=str(content.get("person", "")),
        href=reverse("people"),
        changes=(Change("role", "" if gives else label, got if gives else "none"),),
        two=True,
        why=why,
        **more,
    )


def reviewed(row: Row, known: Known) -> Entry:
    data = row.data
    role = data["role"]
    label = str(Role(role).label) if role in Role.values else role
    return entry_of(
        row,
        "let somebody keep a role" if data["keeps"] else "wanted a role taken away",
        about=data["person"],
        href=reverse("review", args=[data["review_id"]]),
        sub=f"{label}, at the review of roles",
        **quoted(row, data["reason"]),
    )


def signed_in(row: Row, known: Known) -> Entry:
    data = row.data
    return entry_of(
        row,
        _SIGN_INS[SignInEvent.What(data["what"])],
        about=data["person"],
        href=reverse("person", args=[data["person_id"]]),
        **quoted(row, data["reason"]),
    )


def customers(rows: Sequence[Row]) -> dict[int, str]:
    """The numbers of the customers whom the rows are about: never their names."""
    ids = {row.data["customer_id"] for row in rows if "customer_id" in row.data}
    found = Customer.objects.filter(pk__in=ids).only("external_id") if ids else ()
    return {one.pk: buyer.number_of(one) for one in found}


def saw(row: Row, known: Known) -> Entry:
    page, customer_id = Sighting.Page(row.data["page"]), row.data["customer_id"]
    return entry_of(
        row,
        "saw personal data",
        about=known.customers.get(customer_id, "a customer"),
        href=reverse("customer", args=[customer_id]),
        sub=f"on {page.label}",
    )
