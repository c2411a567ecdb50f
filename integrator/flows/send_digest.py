"""The daily summary: what needs a role, by e-mail to its people, once a working day."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from integrator.engine import choices
from integrator.engine.case_words import say
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each, only_reads
from integrator.engine.money import money_text
from integrator.engine.states import Trace, born, move
from integrator.engine.work import Work
from integrator.flows import alert
from integrator.flows.alert import When
from integrator.flows.kinds import CASE_KINDS
from integrator.flows.queue_figures import figures_of
from integrator.flows.queue_members import Params, doors_of, narrowed
from integrator.flows.queue_wanted import ROLES, Wanted
from integrator.models import Case, Digest, DigestState, Retailer
from integrator.roles import Role

WINDOW = timedelta(hours=2)  # who was down longer at that hour begins the day without a summary
OLDEST = 5
MONTH_ENDS_SOON = 3  # working days, the last one included


@dataclass(frozen=True, slots=True)
class Summary:
    """What a role is told. ``needs`` and ``overdue`` are lines of its queue."""

    needs: int
    overdue: int
    money: Mapping[str, int]
    oldest: tuple[Case, ...]
    by_itself: int
    of_this_month: int

    @property
    def says_nothing(self) -> bool:
        return not self.needs and not self.by_itself


def due(*, at: datetime) -> int:
    """Owe each role its summary when its hour has come, once a working day. Returns how many."""
    retailer = Retailer.objects.order_by("id").first()
    hour = _hour(retailer)
    if retailer is None or hour is None:
        return 0
    local = at.astimezone(ZoneInfo(retailer.timezone))
    hours, _, minutes = hour.partition(":")
    begins = local.replace(hour=int(hours), minute=int(minutes), second=0, microsecond=0)
    if local.weekday() >= 5 or not begins <= local < begins + WINDOW:
        return 0
    there = set(Digest.objects.filter(day=local.date()).values_list("role", flat=True))
    return sum(_owe(Role(role), local.date(), at) for role in ROLES if role not in there)


def _hour(retailer: Retailer | None) -> str | None:
    try:
        found = choices.choice(choices.current(retailer), "digest_at") if retailer else None
    except choices.UnableToSetPolicy:
        return None  # not set up yet: nobody has cases
    return str(found) if found else None


def _owe(role: Role, day: date, at: datetime) -> bool:
    """Two clocks may be at it: the database lets one through."""
    if not alert.readers(role, When.AT_ONCE, When.DIGEST):
        return False
    with transaction.atomic():
        digest, created = Digest.objects.get_or_create(role=role, day=day, defaults={"made_at": at})
        if created:
            trace = Trace(at=at, actor="clock")
            born(digest, "state", reason="Its hour has come", trace=trace)
    return created


def summary_of(role: Role, *, since: datetime, at: datetime) -> Summary:
    """What a role's "Needs us" lists, in figures, and what was solved by itself since then."""
    queue = Wanted(role=role, tab="needs", user_id=0)
    figure = figures_of([queue], at=at)[queue]
    month = timezone.localtime(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    params = Params(at=at, since=since, month=month, by_itself=Case.Resolution.BY_ITSELF)
    mine = f"integrator_case WHERE ({doors_of(role, params).any})"
    opened = f"{mine} AND {narrowed(queue, params)}"
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*) FILTER (WHERE NOT shares_cause)
                       + count(DISTINCT (kind, cause)) FILTER (WHERE shares_cause)
                  FROM {opened} AND opened_at >= %(month)s""",  # noqa: S608
            params,
        )
        of_this_month = cursor.fetchone()[0]
        cursor.execute(
            f"""SELECT currency, sum(money_minor)::bigint FROM {opened} AND currency <> ''
                 GROUP BY currency HAVING sum(money_minor) <> 0 ORDER BY currency""",  # noqa: S608
            params,
        )
        money = dict(cursor.fetchall())
        cursor.execute(
            f"""SELECT count(*) FROM {mine} AND state = 'SOLVED' AND resolution = %(by_itself)s
                   AND solved_at > %(since)s AND solved_at <= %(at)s""",  # noqa: S608
            params,
        )
        by_itself = cursor.fetchone()[0]
    oldest = Case.objects.raw(
        f"SELECT * FROM {opened} ORDER BY opened_at, id LIMIT {OLDEST}",  # noqa: S608
        params,
    )
    return Summary(figure.count, figure.overdue, money, tuple(oldest), by_itself, of_this_month)


def _aim(fact: Fact) -> Aim:
    return Aim(Digest.RECORD_KIND, fact.record_id, f"digest:{fact.record_id}")


def call(work: Work) -> int:
    """Send it as things are now; nothing when there is nothing to say, or its day is over."""
    digest: Digest = work.record
    zone = alert.clock_of_the_house()
    role = Role(digest.role)
    before = Digest.objects.filter(role=role, state=DigestState.SENT, day__lt=digest.day)
    last = before.order_by("-day").values_list("made_at", flat=True).first()
    since = last or digest.made_at - timedelta(days=1)
    with timezone.override(zone):
        summary = summary_of(role, since=since, at=work.at)
        people = alert.readers(role, When.AT_ONCE, When.DIGEST)
        is_over = timezone.localtime(work.at).date() > digest.day
        if is_over or summary.says_nothing or not people:
            return 0
        subject, text = written(role, summary, since=since, at=work.at)
    return alert.send(subject, text, hidden=people)


def written(role: Role, summary: Summary, *, since: datetime, at: datetime) -> tuple[str, str]:
    """The mail's title and text, by the clock of the house."""
    house = settings.PUBLIC_URL.rstrip("/")
    needs = "1 case needs" if summary.needs == 1 else f"{summary.needs} cases need"
    title = f"{needs} you, {summary.overdue} overdue" if summary.needs else "Nothing needs you"
    lines = [f"{title}.", f"{house}/queue/{role.lower()}/"]
    if summary.money:
        amounts = ", ".join(money_text(minor, code) for code, minor in summary.money.items())
        lines.append(f"Money at risk: {amounts}.")
    if summary.needs and (ends := _month_ends(at)) is not None:
        came_up = f"{summary.of_this_month} of these came up in it"
        lines.append(f"The month ends on {ends.day} {ends:%B}: {came_up}.")
    if summary.oldest:
        lines += ["", "The oldest:"]
    for case in summary.oldest:
        said = say(CASE_KINDS[case.kind], case.facts)
        late = ", overdue" if case.due_at <= at else ""
        lines.append(f"- {said.title} (since {_when(case.opened_at)}{late})")
        lines.append(f"  {house}/cases/{case.pk}/")
    if summary.by_itself:
        was = "1 was" if summary.by_itself == 1 else f"{summary.by_itself} were"
        lines += ["", f"{was} solved by a later fact since {_when(since)}; nothing is left to do."]
    lines += ["", f"How you are told: {house}/my-alerts/"]
    return f"[{role.label}] {title}", "\n".join(lines)


def _when(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{local.day} {local:%b %H:%M}"


def _month_ends(at: datetime) -> date | None:
    """The last day of the month, on its last three working days: what stands open is in time."""
    today = timezone.localtime(at).date()
    last = today.replace(day=monthrange(today.year, today.month)[1])
    left = [today + timedelta(days=n) for n in range((last - today).days + 1)]
    return last if sum(day.weekday() < 5 for day in left) <= MONTH_ENDS_SOON else None


def record(work: Work, sent: int) -> Evidence:
    digest: Digest = work.record
    move(
        digest,
        "state",
        DigestState.SENT if sent else DigestState.EMPTY,
        reason="The mail server has it" if sent else "There was nothing to say",
        trace=work.trace,
    )
    return {"mails": sent}


FLOW = Flow(
    name="send_digest",
    says="Send the daily summary",
    aim=each(_aim),
    call=call,
    record=record,
    # A second mail is harmless.
    probe=only_reads,
    queue=alert.QUEUE,
    priority=60,
    due_minutes=60,
)
