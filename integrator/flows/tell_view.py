"""Mail whoever a view with an alert belongs to that it lists more than was said."""

from __future__ import annotations

from django.contrib.auth.models import User

from integrator import policy
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, each, only_reads
from integrator.engine.work import Work
from integrator.flows import alert, tell_view_receiver, view_alerts
from integrator.flows.alert import When
from integrator.flows.queue_members import visible_to
from integrator.models import AlertChoice, SavedView, ViewAlert
from integrator.roles import Role


def _aim(fact: Fact) -> Aim:
    return Aim(ViewAlert.RECORD_KIND, fact.record_id, f"view:{fact.record_id}")


def call(work: Work) -> int | Nothing:
    """Send it. Twice told is a nuisance, not told is worse: so it may be repeated."""
    found = ViewAlert.objects.select_related("view__person").filter(pk=work.job.record_id).first()
    if found is None or not view_alerts.is_news(work.job.fact, found):
        return Nothing("it has changed since")
    people = readers_of(found.view)
    if not people:
        return Nothing("nobody is to be told by e-mail")
    title = f"[{Role(found.view.role).label}] {view_alerts.title_of(found)}"
    return alert.send(title, view_alerts.text_of(found), hidden=people)


def readers_of(view: SavedView) -> list[str]:
    """The addresses of whoever is told of a view: of a team those who want to hear at once."""
    if view.person is None:
        return alert.readers(view.role, When.AT_ONCE)
    sees_it = view.role in visible_to(policy.roles_of(view.person))
    return [view.person.email] if sees_it and not why_not_told(view.person) else []


def why_not_told(person: User) -> str:
    """Why no mail of their own view can reach a person, as a sentence; empty when it can."""
    if not person.email:
        return "No e-mail address is known for you: enter it on My alerts first"
    if AlertChoice.objects.filter(person=person, when=When.NEVER).exists():
        return "You chose no e-mail at all on My alerts: change that first"
    return ""


def why_nobody_hears(view: SavedView) -> str:
    """Why an alert of this view would reach nobody, as a sentence; empty when it reaches some."""
    if view.person is not None:
        return why_not_told(view.person)
    if readers_of(view) or tell_view_receiver.receivers_of(view):
        return ""
    return (
        f"At present nobody would be told: no one of {Role(view.role).label} with an e-mail "
        "address chose “At once” on My alerts, and no system hears of all that this view can list"
    )


def record(work: Work, sent: int) -> Evidence:
    ViewAlert.objects.filter(pk=work.job.record_id).update(told_at=work.at)
    return {"mails": sent}


FLOW = Flow(
    name="tell_view",
    says="Tell by e-mail that a view lists more than was said",
    aim=each(_aim),
    call=call,
    record=record,
    probe=only_reads,
    queue=alert.QUEUE,
    priority=10,
    due_minutes=30,
)
