"""Mail the owner of a case that cannot wait, and whoever an overdue case is lifted to."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Q
from django.utils import timezone

from integrator.engine.case_facts import fact_text, moment_fact
from integrator.engine.case_words import say
from integrator.engine.errors import Transient
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing, each
from integrator.engine.money import money_text
from integrator.engine.work import Work
from integrator.flows.kinds import CASE_KINDS
from integrator.models import AlertChoice, Case, CaseEvent, CaseState, Retailer
from integrator.roles import Role

QUEUE = "mail"
MOST_URGENT = 3  # the severity that nobody who wants mail waits for until the daily summary
When = AlertChoice.When


def readers(role: str, *wanted: str) -> list[str]:
    """The addresses of a role's people who chose one of these; choosing nothing is DIGEST."""
    chose = Q(alert_choice__when__in=wanted)
    if When.DIGEST in wanted:
        chose |= Q(alert_choice__isnull=True)
    people = User.objects.filter(chose, is_active=True, groups__name=role).exclude(email="")
    return list(people.order_by("email").values_list("email", flat=True).distinct())


def _aim(fact: Fact) -> Aim | None:
    kind = CASE_KINDS.get(str(fact.data["kind"]))
    if kind is None or not (kind.alert or fact.key == "case:ESCALATED"):
        return None
    return Aim("case", fact.record_id, f"alert:{fact.record_id}")


def call(work: Work) -> int | Nothing:
    """Send it. A mail told twice is a nuisance, a refund untold is not: so it may be repeated."""
    case = Case.objects.get(pk=work.job.record_id)
    if case.state == CaseState.SOLVED:
        return Nothing("it was closed before anybody could be told")
    event = CaseEvent.objects.get(pk=work.job.fact)
    is_lifted = event.kind == CaseEvent.Kind.ESCALATED
    told = Role(event.data["role"] if is_lifted else CASE_KINDS[case.kind].owner)
    is_urgent = case.severity >= MOST_URGENT
    people = readers(told, When.AT_ONCE, *([When.DIGEST] if is_urgent else []))
    if not settings.ALERT_EMAILS and not people:
        return Nothing("nobody is to be told by e-mail")
    with timezone.override(clock_of_the_house()):
        title, text = _written(case)
    title = f"{'Overdue: ' if is_lifted else ''}{title}"
    return send(f"[{told.label}] {title}", text, to=settings.ALERT_EMAILS, hidden=people)


def clock_of_the_house() -> ZoneInfo:
    zone = Retailer.objects.order_by("id").values_list("timezone", flat=True).first()
    return ZoneInfo(zone or "UTC")


def send(subject: str, text: str, *, to: Sequence[str] = (), hidden: Sequence[str] = ()) -> int:
    """Send one mail; ``Transient`` when the mail server does not take it."""
    # A platform's words may hold line breaks; a mail's subject may not.
    subject = " ".join(subject.split())[:180]
    try:
        return EmailMessage(subject, text, to=to, bcc=hidden).send()
    except OSError as error:
        raise Transient(f"the mail server did not take it: {type(error).__name__}") from error


def _written(case: Case) -> tuple[str, str]:
    """The mail's title and text; moments as the clock on the reader's wall shows them."""
    kind = CASE_KINDS[case.kind]
    said = say(kind, case.facts)
    money = money_text(case.money_minor, case.currency) if case.currency else "none"
    due = fact_text(moment_fact(case.due_at))
    lines = [
        said.happened,
        said.means,
        "",
        f"What to do: {said.todo}",
        f"Owner: {Role(kind.owner).label}. Due {due}. Money: {money}.",
        f"{settings.PUBLIC_URL.rstrip('/')}/cases/{case.pk}/",
    ]
    return said.title, "\n".join(lines)


def record(work: Work, sent: int) -> Evidence:
    case = Case.objects.get(pk=work.job.record_id)
    CaseEvent.objects.create(
        case=case,
        kind=CaseEvent.Kind.ALERTED,
        actor=work.trace.actor,
        data={"mails": sent},
        at=work.at,
    )
    return {"mails": sent}


def probe(work: Work) -> Found | NotFound:
    """A second mail is harmless."""
    return NotFound(may_repeat=True)


FLOW = Flow(
    name="alert",
    says="Tell the team by e-mail",
    aim=each(_aim),
    call=call,
    record=record,
    probe=probe,
    queue=QUEUE,
    priority=5,
    due_minutes=5,
)
