"""How each person likes their screens: light or dark, close rows, which columns of a table.

Kept with the person and read with them (``login.Backend``), so that it costs no statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.views.decorators.http import require_POST

from integrator.desk import columns
from integrator.desk.auth import DeskRequest, back_to, needs
from integrator.models import ScreenChoice


def choice_of(request: HttpRequest | None) -> ScreenChoice:
    """What who asks has chosen; the usual for strangers and for those who chose nothing."""
    user = getattr(request, "user", None)
    found: ScreenChoice | None = getattr(user, "screen_choice", None)
    return found if found is not None else ScreenChoice()


def shown(
    request: HttpRequest,
    table: columns.Table,
    *,
    instead: Iterable[str] | None = None,
    without: Iterable[str] = (),
) -> columns.Shown:
    """The columns of a table as who asks has them.

    ``instead`` are the hidden ones a view or an address names; ``without`` those that say nothing
    on this page.
    """
    hidden = choice_of(request).hidden.get(table.key, []) if instead is None else instead
    return columns.Shown(table, frozenset(table.hideable(hidden)), frozenset(without))


def here(request: HttpRequest) -> str:
    """The page a choice leads back to: a form that came back has an address that shows nothing."""
    return request.get_full_path() if request.method in ("GET", "HEAD") else "/"


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep a person's choice of light or dark. Anything else follows the system again."""
    chosen = request.POST.get("theme", "")
    if request.user.is_authenticated:
        known = chosen if chosen in ScreenChoice.Theme.values else ""
        _keep(request.user, lambda choice: setattr(choice, "theme", known))
    return HttpResponseRedirect(back_to(request, "/"))


@require_POST
@needs("queue.see")
def density(request: DeskRequest) -> HttpResponse:
    """Rows close together, so that more of them are in view, or wide apart again."""
    is_compact = request.POST.get("density") == "compact"
    _keep(request.user, lambda choice: setattr(choice, "is_compact", is_compact))
    return HttpResponseRedirect(back_to(request, "/"))


@require_POST
@needs("queue.see")
def choose_columns(request: DeskRequest, table: str) -> HttpResponse:
    """Show these columns of a table from now on.

    On a page whose address says its columns (a view) only the address changes: what the person
    usually has stays as it is, and the view is changed when it is saved.
    """
    chosen = columns.TABLES.get(table)
    if chosen is None:
        raise Http404
    ticked = request.POST.getlist("show")
    every = request.POST.get("do") == "all"
    hidden = [] if every else [one.key for one in chosen.optional if one.key not in ticked]
    back = back_to(request, "/")
    if request.POST.get("in") == "address":
        return HttpResponseRedirect(_with(back, hidden))

    def hide(choice: ScreenChoice) -> None:
        choice.hidden = {**choice.hidden, chosen.key: hidden}

    _keep(request.user, hide)
    return HttpResponseRedirect(back)


def _keep(person: User, change: Callable[[ScreenChoice], None]) -> None:
    """Change one thing and leave the rest. Two windows of one person take turns."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=person.pk)
        choice, _ = ScreenChoice.objects.get_or_create(person=person)
        change(choice)
        choice.save()


def _with(address: str, hidden: list[str]) -> str:
    parts = urlsplit(address)
    query = QueryDict(parts.query, mutable=True)
    query[columns.NAME] = columns.write(hidden)
    return parts._replace(query=query.urlencode()).geturl()
