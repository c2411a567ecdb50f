"""What somebody's roles give them, worked out from the policy that refuses the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from integrator import policy
from integrator.desk import palette
from integrator.flows import CASE_KINDS, queue_members
from integrator.roles import Role


@dataclass(frozen=True, slots=True)
class WouldSee:
    """``works`` and ``looks`` are queues; ``buttons`` say in how many kinds of cases each is."""

    works: list[str]
    looks: list[str]
    pages: list[str]
    rights: list[str]
    buttons: list[tuple[str, int]]


def would_see(roles: frozenset[str]) -> WouldSee:
    works = queue_members.held_by(roles)
    looks = [one for one in queue_members.visible_to(roles) if one not in works] if roles else []
    return WouldSee(
        works=[str(Role(one).label) for one in works],
        looks=[str(Role(one).label) for one in looks],
        pages=[one.label for one in palette.pages_of(roles)],
        rights=[
            _says(verb, sees_all=bool(looks))
            for verb, holders in policy.VERBS.items()
            if roles & holders
        ],
        buttons=_buttons(roles),
    )


def _says(verb: str, *, sees_all: bool) -> str:
    """A right in words, as this person has it: what others see is not told here."""
    if verb == "queue.see":
        return "See the queue of every team" if sees_all else "See the queue of their own team"
    return policy.SAYS[verb]


def _buttons(roles: frozenset[str]) -> list[tuple[str, int]]:
    found = Counter(
        action.label
        for kind in CASE_KINDS.values()
        for action in kind.actions
        if policy.may_act(kind, action, roles)
    )
    return sorted(found.items())
