"""Who may do what: business verbs and the roles that hold them. Deny by default.

Views, the API, the admin and the tests read this one file. ``has_perm`` is never asked: a superuser
is refused like anyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrator.engine.cases import Action, CaseKind
from integrator.roles import Role

_TEAMS = (Role.CX, Role.OPERATIONS, Role.FINANCE)
_ALL = tuple(Role)

VERBS: Mapping[str, frozenset[str]] = {
    # Reading
    "queue.see": frozenset(_ALL),
    "case.see": frozenset(_ALL),
    "order.see": frozenset(_ALL),
    "connection.see": frozenset(_ALL),
    "mapping.see": frozenset(_ALL),
    "people.see": frozenset(_ALL),
    "figures.see": frozenset(_ALL),
    "audit.see": frozenset({Role.CONTROLLER, Role.ADMIN, Role.AUDITOR}),
    "personal.see": frozenset({Role.CX, Role.OPERATIONS, Role.FINANCE, Role.CONTROLLER}),
    # Working on cases
    "case.work": frozenset({*_TEAMS, Role.CONTROLLER, Role.ADMIN}),
    "case.solve": frozenset({*_TEAMS, Role.CONTROLLER, Role.ADMIN}),
    "job.retry": frozenset({*_TEAMS, Role.ADMIN}),
    "job.cancel": frozenset({*_TEAMS, Role.ADMIN}),
    "record.read_again": frozenset({*_TEAMS, Role.ADMIN}),
    "connection.note": frozenset({*_TEAMS, Role.CONTROLLER, Role.ADMIN}),
    "team_view.keep": frozenset({*_TEAMS, Role.CONTROLLER, Role.ADMIN}),
    # What changes stock or money
    "mapping.change": frozenset({Role.OPERATIONS, Role.ADMIN}),
    "disposition.record": frozenset({Role.OPERATIONS}),
    "return.match": frozenset({Role.CX}),
    "exchange.decide": frozenset({Role.CX}),
    "exchange.release": frozenset({Role.OPERATIONS}),
    "doubt.decide": frozenset({Role.OPERATIONS, Role.FINANCE}),
    "refund.decide": frozenset({Role.FINANCE}),
    "approval.decide": frozenset({Role.CONTROLLER, Role.FINANCE, Role.OPERATIONS}),
    "goodwill.ask": frozenset({Role.CX, Role.FINANCE}),
    "loss.accept": frozenset({Role.FINANCE}),
    # Setting up
    "connection.try": frozenset({Role.OPERATIONS, Role.ADMIN}),
    "connection.change": frozenset({Role.ADMIN}),
    "configuration.change": frozenset({Role.ADMIN}),
    "people.change": frozenset({Role.ADMIN}),
    "people.agree": frozenset({Role.ADMIN, Role.CONTROLLER}),
    "people.review": frozenset({Role.ADMIN, Role.CONTROLLER}),
}

# The same verbs in the words of the business, for the page and the manual.
SAYS: Mapping[str, str] = {
    "queue.see": "See their own team's queue; admins and the auditor see every team's",
    "case.see": "Open every case",
    "order.see": "See orders, returns and what is still owed",
    "connection.see": "See how far each platform is behind",
    "mapping.see": "See what the platforms' words mean",
    "people.see": "See who may do what",
    "figures.see": "See the figures of the business, and download them as a file",
    "audit.see": "See and copy what everybody decided and changed",
    "personal.see": "See names and addresses of customers",
    "case.work": "Comment on cases; take, snooze and hand over those of their own team",
    "case.solve": "Close cases of their own team",
    "job.retry": "Try a step again that has stopped",
    "job.cancel": "Stop a step for good",
    "record.read_again": "Have an order or a return read again from its platform",
    "connection.note": "Write a note on an incident of a connection",
    "team_view.keep": "Keep, change and delete views that everybody of their own team has",
    "mapping.change": "Say what a platform's word means, and agree to another meaning",
    "disposition.record": "Decide what becomes of returned goods",
    "return.match": "Say which order a return is of, what it promises, or let a held unit pass",
    "exchange.decide": "Decide about replacements",
    "exchange.release": "Hand a replacement to the warehouse",
    "doubt.decide": "Say whether a change of stock or money went out",
    "refund.decide": "Decide about refunds, and ask for a second person",
    "approval.decide": "Agree as the second person",
    "goodwill.ask": "Ask for goodwill",
    "loss.accept": "Accept a loss",
    "connection.try": "Try whether a connection works",
    "connection.change": "Pause a connection, start it again and announce its maintenance",
    "configuration.change": "Change connections, rules and settings",
    "people.change": "Ask for people's roles, and let people leave",
    "people.agree": "Agree to people's roles as the second person",
    "people.review": "Decide each quarter who keeps which role",
}

# What can be done about every case, besides the buttons of its kind.
WORK = Action("work", "Work on it", "Take, give back, snooze, hand over.", "case.work")
SOLVE = Action("solve", "Close it", "Closes the case with your reason.", "case.solve")

# Pairs nobody may hold together: who asks for money must not be the one who agrees to it.
TOXIC: tuple[frozenset[str], ...] = (
    frozenset({Role.CX, Role.CONTROLLER}),
    frozenset({Role.ADMIN, Role.CONTROLLER}),
    frozenset({Role.FINANCE, Role.CONTROLLER}),
)


GROUPS = "names_of_groups"  # where who asks carries them, read with the person for this request


def roles_of(user: Any) -> frozenset[str]:
    """The roles of a person: their groups of that name. An inactive or unknown person has none."""
    if not getattr(user, "is_active", False) or not user.is_authenticated:
        return frozenset()
    names = getattr(user, GROUPS, None)
    if names is None:
        names = user.groups.values_list("name", flat=True)
    return frozenset(names) & frozenset(Role.values)


def may(user: Any, verb: str, *, roles: frozenset[str] | None = None) -> bool:
    """Whether a person may do something.

    An unlisted verb is nobody's (KeyError: fix the caller).
    """
    held = roles_of(user) if roles is None else roles
    return bool(held & VERBS[verb])


def may_act(kind: CaseKind, action: Action, roles: frozenset[str], *, handed_to: str = "") -> bool:
    """Whether somebody with these roles may press a button of a case.

    It takes a role that owns the case, or is next on its ladder, and that also holds the verb.
    Handing over moves the work, not the right to decide: who has it may take, snooze and hand it
    on.
    """
    responsible = frozenset({kind.owner, *kind.ladder})
    if action.verb == WORK.verb:
        responsible |= {handed_to}
    return bool(roles & responsible & VERBS[action.verb])


def may_work(kind: CaseKind, roles: frozenset[str], *, handed_to: str = "") -> bool:
    """Whether somebody with these roles may take, snooze and hand on a case."""
    return may_act(kind, WORK, roles, handed_to=handed_to)


def why_not(kind: CaseKind, action: Action) -> str:
    """The sentence beside a locked button: who may press it."""
    responsible = frozenset({kind.owner, *kind.ladder}) & VERBS[action.verb]
    names = sorted(str(Role(role).label) for role in responsible)
    return f"Only {' or '.join(names)} can do this." if names else "Nobody may do this here."
