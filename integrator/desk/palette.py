"""The pages that somebody may reach, for the list that Control+K opens. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from integrator import policy
from integrator.desk import shell
from integrator.flows import queue_members
from integrator.roles import Role

# Pages that are not in the navigation: the verb that opens each, its address, what it is called.
MORE = (
    ("order.see", "find", "Find by number"),
    ("case.see", "cases", "Open cases"),
    ("case.see", "bulks", "Many at once"),
    ("figures.see", "inbound", "On the way back"),
    ("figures.see", "stages", "Who has it when"),
    ("figures.see", "by_hand", "Done by hand"),
    ("figures.see", "skips", "Skipped cases"),
    ("connection.see", "steps", "Steps"),
    ("case.see", "manual", "Manual"),
    ("case.see", "manual_cases", "Manual of cases"),
    ("case.see", "manual_owners", "Who owns which case"),
    ("queue.see", "my_alerts", "My alerts"),
    ("queue.see", "my_keys", "My keys"),
)
ACCOUNT = (
    ("account_change_password", "Password"),
    ("account_email", "My e-mail address"),
    ("mfa_index", "Second factor"),
    ("account_logout", "Sign out"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """``go`` is the letter that leads there after the key for going."""

    href: str
    label: str
    go: str = ""


def pages_of(roles: frozenset[str]) -> list[Page]:
    """Nothing here leads to a refusal of who holds these roles."""
    if not roles:
        return []
    own = [Page(one.href, one.label, one.go) for one in shell.places_of(roles)]
    known = {one.href for one in own}
    held = queue_members.held_by(roles)
    if len(held) == 1:  # "Queue" is that one
        known.add(reverse("queue", args=[held[0].lower()]))
    teams = [
        Page(reverse("queue", args=[role.lower()]), f"Queue of {Role(role).label}")
        for role in queue_members.visible_to(roles)
    ]
    more = [Page(reverse(name), label) for verb, name, label in MORE if roles & policy.VERBS[verb]]
    account = [Page(reverse(name), label) for name, label in ACCOUNT]
    return [*own, *(one for one in (*teams, *more, *account) if one.href not in known)]
