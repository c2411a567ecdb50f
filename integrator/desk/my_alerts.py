"""How a person wants to be told of what needs their roles, and who and what else tells or is told.

Nobody sees or changes another's choice.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from integrator.desk.auth import DeskRequest, needs
from integrator.engine import choices
from integrator.flows import alert, queue_members, tell_view, view_alerts
from integrator.models import AlertChoice, AlertReceiver, Retailer, SavedView
from integrator.roles import Role


@require_safe
@needs("queue.see")
def my_alerts(request: DeskRequest) -> HttpResponse:
    """The choice, where mail goes, which systems are told too, and which views tell."""
    return _show(request)


@require_POST
@needs("queue.see")
def save(request: DeskRequest) -> HttpResponse:
    """Keep how this person wants to be told."""
    wanted = request.POST.get("when", "")
    if wanted not in AlertChoice.When.values:
        return _show(request, error="Choose how you want to be told")
    AlertChoice.objects.update_or_create(person=request.user, defaults={"when": wanted})
    messages.success(request, "Saved: it holds from now on")
    return HttpResponseRedirect(reverse("my_alerts"))


def _show(request: DeskRequest, *, error: str = "") -> HttpResponse:
    chosen = AlertChoice.objects.filter(person=request.user).values_list("when", flat=True).first()
    receivers = AlertReceiver.objects.filter(is_on=True, role__in=request.roles)
    views = list(_views(request))
    own = tell_view.why_not_told(request.user) if any(one.person_id for one in views) else ""
    silent = _silent({one.role for one in views if one.person_id is None}, receivers)
    context = {
        "error": error,
        "choices": AlertChoice.When.choices,
        "chosen": chosen or AlertChoice.When.DIGEST,
        "role_names": [str(role.label) for role in Role if role.value in request.roles],
        "digest_at": _digest_at(),
        "receivers": [
            (one.name, str(Role(one.role).label), len(one.kinds))
            for one in receivers.order_by("role", "name", "id")
        ],
        "counts_every": view_alerts.EVERY_MINUTES,
        "views": [
            (one, str(Role(one.role).label), view_alerts.path_of(one), silent.get(one.role, ""))
            if one.person_id is None
            else (one, str(Role(one.role).label), view_alerts.path_of(one), own)
            for one in views
        ],
    }
    return render(request, "desk/my_alerts.html", context, status=422 if error else 200)


def _views(request: DeskRequest) -> QuerySet[SavedView]:
    """The views with an alert of this person's own, and of their teams."""
    own = Q(person=request.user, role__in=queue_members.visible_to(request.roles))
    teams = Q(person__isnull=True, role__in=request.roles)
    found = SavedView.objects.filter(own | teams, more_than__isnull=False)
    return found.select_related("alert").order_by("role", "name", "id")


def _silent(roles: Iterable[str], receivers: Iterable[AlertReceiver]) -> dict[str, str]:
    """Of these teams, those in which an alert of a view reaches nobody and no system."""
    systems = {one.role for one in receivers}
    return {
        role: "nobody of the team chose “At once”: nobody is told"
        for role in roles
        if role not in systems and not alert.readers(role, AlertChoice.When.AT_ONCE)
    }


def _digest_at() -> str:
    """The hour of the daily summary; empty when there is none."""
    retailer = Retailer.objects.order_by("id").first()
    try:
        found = choices.choice(choices.current(retailer), "digest_at") if retailer else None
    except choices.UnableToSetPolicy:
        return ""
    return str(found or "")
