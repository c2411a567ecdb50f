"""Who may do what, as the policy says it, and who holds which role. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator import policy
from integrator.desk import person, reviews
from integrator.desk.auth import DeskRequest, may, needs
from integrator.roles import Role

UNUSED_AFTER = timedelta(days=60)
SHOWN = 500


@dataclass(frozen=True, slots=True)
class Person:
    """``clash`` says which roles nobody may hold together, where somebody does all the same."""

    user: User
    roles: list[str]
    symbol: str
    state: str
    clash: str
    href: str


@require_safe
@needs("people.see")
def people(request: DeskRequest) -> HttpResponse:
    """The policy as a table, in the words of the business, and the people behind the roles."""
    found = User.objects.prefetch_related("groups").order_by("-is_active", "username")[:SHOWN]
    context = {
        "roles": [str(role.label) for role in Role],
        "rights": [
            (policy.SAYS[verb], [(str(role.label), role.value in holders) for role in Role])
            for verb, holders in policy.VERBS.items()
        ],
        "mine": [role for role in Role if role.value in request.roles],
        "people": [_person(request, one) for one in found],
        "may_change": may(request, "people.change"),
        "asked": person.asked_rows(request),
        "reviews": reviews.summaries(request),
        "pairs": [_names(pair) for pair in policy.TOXIC],
    }
    return render(request, "desk/people.html", context)


def _person(request: DeskRequest, user: User) -> Person:
    held = {group.name for group in user.groups.all()} & set(Role.values)
    symbol, state = _state(request, user, held)
    return Person(
        user,
        [str(role.label) for role in Role if role.value in held],
        symbol,
        state,
        next((_names(pair) for pair in policy.TOXIC if pair <= held), ""),
        reverse("person", args=[user.pk]),
    )


def _state(request: DeskRequest, user: User, held: set[str]) -> tuple[str, str]:
    if not user.is_active:
        return "idle", "has left"
    if not held:
        return "wait", "has no role yet"
    if user.last_login is None:
        return "wait", "never signed in"
    if user.last_login < request.at - UNUSED_AFTER:
        return "wait", f"not here for {(request.at - user.last_login).days} days"
    return "ok", "works here"


def _names(pair: frozenset[str]) -> str:
    return " and ".join(str(role.label) for role in Role if role.value in pair)
