"""Views of a queue that tell when they list more than was said: every few minutes all are counted.

The state of each is a row, and only its move from below to above is a fact that is told
(``tell_view``, ``tell_view_receiver``): once per rise, whoever counts and whatever crashes.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.http import QueryDict

from integrator.engine.states import Raced, Trace, move
from integrator.flows import queue_wanted
from integrator.flows.queue_figures import figures_of
from integrator.flows.queue_wanted import Wanted
from integrator.models import Connection, SavedView, Transition, ViewAlert, ViewAlertState
from integrator.roles import Role

EVERY_MINUTES = 5
AT_ONCE = 50  # views counted by one statement


def begin(view: SavedView, *, at: datetime) -> None:
    """Let its alert begin afresh, or end, in the transaction that changed the view.

    What lists more already is told when it has come down and rises again: who sets an alert sees
    how many there are.
    """
    ViewAlert.objects.filter(view=view).delete()
    if view.more_than is None:
        return
    wanted = wanted_of(view, _connections())
    count = figures_of([wanted], at=at)[wanted].count
    ViewAlert.objects.create(view=view, state=_state(view, count), count=count)


def watch(*, at: datetime) -> int:
    """Count every view with an alert. Returns how many rose.

    Two at once are harmless: a state moves once from what both have read.
    """
    somebodys = Q(view__person__isnull=True) | Q(view__person__is_active=True)
    alerts = list(ViewAlert.objects.filter(somebodys).select_related("view").order_by("id"))
    if not alerts:
        return 0
    connections = _connections()
    risen = 0
    for first in range(0, len(alerts), AT_ONCE):
        some = {one: wanted_of(one.view, connections) for one in alerts[first : first + AT_ONCE]}
        figures = figures_of(list(some.values()), at=at)
        trace = Trace(at=at, actor="clock")
        risen += sum(seen(one, figures[wanted].count, trace=trace) for one, wanted in some.items())
    return risen


def seen(alert: ViewAlert, count: int, *, trace: Trace) -> bool:
    """Note how many a view lists. Says whether it rose above what its alert says just now."""
    state = _state(alert.view, count)
    if state == alert.state:
        if count != alert.count:
            ViewAlert.objects.filter(pk=alert.pk).update(count=count)
        return False
    reason = f"It lists {count}, and is to tell when more than {alert.view.more_than}"
    try:
        move(alert, "state", state, reason=reason, trace=trace, count=count)
    except Raced:
        return False  # somebody else noted it, or set the alert anew
    return state == ViewAlertState.ABOVE


def is_news(fact_id: int, alert: ViewAlert) -> bool:
    """Whether this rise is still how things stand: it has neither come down nor risen anew."""
    moves = Transition.objects.filter(record_kind=ViewAlert.RECORD_KIND, record_id=alert.pk)
    return moves.order_by("-id").values_list("pk", flat=True).first() == fact_id


def wanted_of(view: SavedView, connections: Container[int]) -> Wanted:
    """What a view lists."""
    return queue_wanted.read(
        QueryDict(view.query),
        role=view.role,
        user_id=view.person_id or 0,
        connections=connections,
    )


def title_of(alert: ViewAlert) -> str:
    """What is told, in one line."""
    return f"“{alert.view.name}” lists {alert.count:,}, more than {alert.view.more_than:,}"


def text_of(alert: ViewAlert) -> str:
    """What is told by e-mail."""
    view, house = alert.view, settings.PUBLIC_URL.rstrip("/")
    return "\n".join(
        [
            f"{title_of(alert)}. It is a view of the queue of {Role(view.role).label}.",
            link_of(view),
            "",
            f"You are told again when it has been at {view.more_than:,} or below and rises anew.",
            f"How you are told: {house}/my-alerts/",
        ]
    )


def link_of(view: SavedView) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}{path_of(view)}"


def path_of(view: SavedView) -> str:
    """Where a view is shown."""
    return f"/queue/{view.role.lower()}/?{view.query}&view={view.pk}"


def _state(view: SavedView, count: int) -> ViewAlertState:
    assert view.more_than is not None, "only a view with an alert is counted for it"
    return ViewAlertState.ABOVE if count > view.more_than else ViewAlertState.BELOW


def _connections() -> set[int]:
    return set(Connection.objects.values_list("pk", flat=True))
