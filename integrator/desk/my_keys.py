"""A person's own keys: switched off or on, and each changed. Nobody sees or changes another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from integrator.desk import palette, shell
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.keys import COMMANDS, USUAL, Command, Keys, faults_of, keys_of
from integrator.models import KeyChoice


@dataclass(frozen=True, slots=True)
class Field:
    command: Command
    key: str
    error: str


@require_safe
@needs("queue.see")
def my_keys(request: DeskRequest) -> HttpResponse:
    return _show(request, keys_of(request), {})


@require_POST
@needs("queue.see")
def save(request: DeskRequest) -> HttpResponse:
    """Keep what this person chose, all of it or nothing."""
    if request.POST.get("do") == "usual":
        KeyChoice.objects.filter(person=request.user).delete()
        messages.success(request, "You have the usual keys again")
        return HttpResponseRedirect(reverse("my_keys"))
    typed = {one.name: request.POST.get(one.name, "").strip().lower() for one in COMMANDS}
    is_on = request.POST.get("on") == "1"
    if faults := faults_of(typed):
        return _show(request, Keys(is_on, typed), faults)
    KeyChoice.objects.update_or_create(
        person=request.user, defaults={"is_on": is_on, "keys": typed}
    )
    messages.success(request, "Saved: it holds from now on")
    return HttpResponseRedirect(reverse("my_keys"))


def _show(request: DeskRequest, keys: Keys, faults: Mapping[str, str]) -> HttpResponse:
    context = {
        "is_on": keys.is_on,
        "fields": [
            Field(one, keys.of.get(one.name, ""), faults.get(one.name, "")) for one in COMMANDS
        ],
        "faults": [(name, text) for name, text in faults.items()],
        "is_usual": keys == USUAL,
        "places": shell.places_of(request.roles),
    }
    return render(request, "desk/my_keys.html", context, status=422 if faults else 200)


@require_safe
@needs("queue.see")
def shortcuts(request: DeskRequest) -> HttpResponse:
    """The pages to choose from, and the help: a part of a page, fetched when it is wanted."""
    own = keys_of(request)
    context = {
        "pages": palette.pages_of(request.roles),
        "is_on": own.is_on,
        "commands": [(own.of.get(one.name, ""), one.says) for one in COMMANDS],
        "places": shell.places_of(request.roles),
        "go": own.of.get("go", ""),
    }
    return render(request, "desk/_shortcuts.html", context)
