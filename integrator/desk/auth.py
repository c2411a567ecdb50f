"""The door of every screen: who is asking, what time it is, and whether the verb is theirs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

from integrator import policy, staff
from integrator.desk import directory
from integrator.engine import clock
from integrator.engine.states import Trace
from integrator.login import lacks_second_factor
from integrator.roles import Role

if TYPE_CHECKING:
    from integrator.flows.queue_figures import Figure
    from integrator.flows.queue_wanted import Wanted

P = ParamSpec("P")
SECOND_FACTOR_FIRST = "Your role needs a second factor: set it up first"


class DeskRequest(HttpRequest):
    """A request that passed the door. ``at`` is the clock of the whole page.

    ``counted`` holds what the page counted already, so that its frame does not count it again.
    ``case_owner`` is whose case stands alone on the page: its queue is the current place.
    """

    user: User
    roles: frozenset[str]
    at: datetime
    counted: dict[Wanted, Figure]
    case_owner: str


# Also a file that is sent bit by bit is an answer.
View = Callable[Concatenate[DeskRequest, P], HttpResponseBase]
Guarded = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def needs(verb: str) -> Callable[[View[P]], Guarded[P]]:
    """Let in whoever holds ``verb``; ask strangers to sign in, refuse the rest."""
    holders = policy.VERBS[verb]

    def guard(view: View[P]) -> Guarded[P]:
        @wraps(view)
        @never_cache
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            desk = cast(DeskRequest, request)
            desk.roles = policy.roles_of(request.user)
            if lacks_second_factor(request, desk.roles):
                messages.warning(request, SECOND_FACTOR_FIRST)
                return redirect("mfa_activate_totp")
            desk.at = clock.now()
            with timezone.override(ZoneInfo(directory.current(at=desk.at).timezone)):
                if not desk.roles & holders:
                    raise PermissionDenied(_who_may(desk, holders))
                return view(desk, *args, **kwargs)

        guarded.verb = verb  # type: ignore[attr-defined]  # read by the access test
        return guarded

    return guard


def _who_may(request: DeskRequest, holders: frozenset[str]) -> str:
    if not request.roles:
        if staff.asked_for(request.user):
            return "You have no role yet. One was asked for: it waits for a second person."
        return "You have no role yet. Ask an integration admin to give you one."
    names = [str(Role(role).label) for role in Role.values if role in holders]
    return f"This is for {' or '.join(names)}." if names else "Nobody may do this."


def trace_of(request: DeskRequest) -> Trace:
    """Who acts and when, for everything this request writes."""
    return Trace(at=request.at, actor=f"user:{request.user.get_username()}")


def may(request: DeskRequest, verb: str) -> bool:
    return policy.may(request.user, verb, roles=request.roles)


def require(request: DeskRequest, verb: str) -> None:
    """Refuse inside a view, when the verb depends on what was sent."""
    if not may(request, verb):
        raise PermissionDenied(_who_may(request, policy.VERBS[verb]))


def back_to(request: HttpRequest, otherwise: str) -> str:
    """Where a form wants to return to, if that is a page of ours."""
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return otherwise


def refused(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The page for "this is not yours". Says who may."""
    context = {
        "said": str(exception) if exception and exception.args else "",
        # Who has none has no work either: a way back to it would lead here again.
        "has_no_role": getattr(request, "roles", None) == frozenset(),
    }
    return render(request, "403.html", context, status=403)


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", status=404)


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The page for a form whose proof of origin is missing: an old tab, or signed in anew."""
    context: dict[str, Any] = {"expired": True}
    return render(request, "403.html", context, status=403)
