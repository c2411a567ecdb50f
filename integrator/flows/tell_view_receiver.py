"""Tell a retailer's own systems that a view of their team lists more than was said.

In the way of ``tell_receiver``. A person's own view is nobody else's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, only_reads
from integrator.engine.work import Work
from integrator.flows import tell_receiver, view_alerts
from integrator.models import AlertReceiver, Connection, SavedView, Transition, ViewAlert


def _aim(facts: Sequence[Fact]) -> dict[int, list[Aim]]:
    teams = ViewAlert.objects.filter(view__person__isnull=True).select_related("view")
    alerts = teams.in_bulk({fact.record_id for fact in facts})
    if not alerts:
        return {}
    receivers = list(AlertReceiver.objects.filter(is_on=True).order_by("id"))
    retailers = dict(Connection.objects.values_list("pk", "retailer_id"))
    return {
        fact.id: [
            Aim(AlertReceiver.RECORD_KIND, one.pk, f"receiver:{one.pk}:view:{fact.record_id}")
            for one in _receivers_of(alerts[fact.record_id].view, receivers, retailers)
        ]
        for fact in facts
        if fact.record_id in alerts
    }


def receivers_of(view: SavedView) -> list[AlertReceiver]:
    """The systems that are told of a team's view as things are now."""
    receivers = list(AlertReceiver.objects.filter(is_on=True, role=view.role).order_by("id"))
    if not receivers:
        return []
    retailers = dict(Connection.objects.values_list("pk", "retailer_id"))
    return list(_receivers_of(view, receivers, retailers))


def _receivers_of(
    view: SavedView, receivers: Sequence[AlertReceiver], retailers: dict[int, int]
) -> Iterator[AlertReceiver]:
    """Those of the team. One that hears of some kinds only hears of views of these kinds only."""
    wanted = view_alerts.wanted_of(view, retailers)
    for one in receivers:
        hears_of_all = not one.kinds or (wanted.kinds and set(wanted.kinds) <= set(one.kinds))
        retailer = retailers.get(wanted.connection_id, one.retailer_id)
        if one.role == view.role and hears_of_all and retailer == one.retailer_id:
            yield one


def call(work: Work) -> str | Nothing:
    """Tell it. Returns the receiver's name."""
    receiver: AlertReceiver = work.record
    if not receiver.is_on:
        return Nothing(f"{receiver.name} is not told any more")
    fact = Transition.objects.get(pk=work.job.fact)
    alert = ViewAlert.objects.select_related("view").filter(pk=fact.record_id).first()
    if alert is None or not view_alerts.is_news(fact.pk, alert):
        return Nothing("it has changed since")
    message = {
        "type": "queue.more_than",
        "timestamp": fact.at.isoformat(),
        "data": {
            "view": alert.view_id,
            "name": alert.view.name,
            "role": alert.view.role,
            "count": alert.count,
            "more_than": alert.view.more_than,
            "title": view_alerts.title_of(alert),
            "link": view_alerts.link_of(alert.view),
        },
    }
    tell_receiver.tell(work, receiver, f"view-{fact.pk}-{receiver.pk}", message)
    return receiver.name


def record(work: Work, name: str) -> Evidence:
    told = Transition.objects.filter(pk=work.job.fact).values("record_id")
    ViewAlert.objects.filter(pk__in=told).update(told_at=work.at)
    return {"receiver": name}


FLOW = Flow(
    name="tell_view_receiver",
    says="Tell the retailer's own system that a view lists more than was said",
    aim=_aim,
    call=call,
    record=record,
    # Being told twice with one id is harmless.
    probe=only_reads,
    queue=tell_receiver.QUEUE,
    priority=10,
    due_minutes=60,  # longer than the patience: a receiver that fails has one case, not many
)
