"""What people do by hand that should go by itself: counted per week, and said when it grows.

A workaround that nobody counts becomes the normal way, and what is broken stays broken. Every
decision on a case is one of these unless its ``Action`` says otherwise; so is closing a case with
none of its buttons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import (
    BigIntegerField,
    CharField,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models import Case as Choose
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Concat, NullIf

from integrator.engine import cases, choices
from integrator.engine.case_facts import moment_fact
from integrator.engine.case_kinds import Action, CaseKind, Field
from integrator.engine.decisions import CLOSED_BY_HAND
from integrator.engine.states import Trace
from integrator.models import Case, CaseEvent, CaseState, Job, JobState, Retailer

CLOSED = "closed:"  # the beginning of a type's key; its resolution follows

MANY_BY_HAND = CaseKind(
    code="MANY_BY_HAND",
    owner="OPERATIONS",
    severity=2,
    due_hours=24,
    title="“{step}”: {number} times by hand in the week of {week}",
    happened="By {seen} people had done “{step}” more than {limit} times since Monday, {week}. In "
    "the whole week before it was {before} times.",
    means="Work that should go through by itself is done by hand. That hides what is broken.",
    todo="Open Figures, Done by hand. See which cases lead to it; have their cause mended.",
    otherwise="It becomes the normal way, and nobody sees any more what does not work.",
    closes_when="a later whole week stays within what is allowed",
    actions=(
        Action(
            key="not_an_error",
            label="We looked into it",
            says="Close the case. The next week is counted anew.",
            verb="case.solve",
            fields=(Field("note", "What you found, and what will change", "note"),),
        ),
    ),
    evidence=("step", "number", "limit", "before"),
    alert=True,
)
KINDS = (MANY_BY_HAND,)


@dataclass(frozen=True, slots=True)
class Tally:
    """So many decisions, about so much money in each currency."""

    number: int = 0
    money: Mapping[str, int] = field(default_factory=dict)


def labels(kinds: Mapping[str, CaseKind]) -> dict[str, str]:
    """Every type of step by hand with its name: a button's, or the way a case was closed."""
    found = {
        action.key: action.label
        for kind in kinds.values()
        for action in kind.actions
        if action.by_hand
    }
    for one in Case.Resolution:
        found[f"{CLOSED}{one.value}"] = f"Closed by hand: {str(one.label).lower()}"
    return found


def decisions_between(
    kinds: Mapping[str, CaseKind], start: datetime, end: datetime
) -> QuerySet[CaseEvent]:
    """Each step by hand in a time, with its ``type``, ``person``, ``cause``, value and currency.

    Not what was taken back before it was carried out or undone, and not the answers to this very
    alarm.
    """
    undone = CaseEvent.objects.alias(
        event=Cast(KeyTextTransform("event", "data"), BigIntegerField())
    ).filter(case=OuterRef("case_id"), kind=CaseEvent.Kind.UNDONE, event=OuterRef("pk"))
    buttons = [key for key in labels(kinds) if not key.startswith(CLOSED)]
    taken_back = Job.objects.filter(
        record_kind="case",
        record_id=OuterRef("case_id"),
        fact=OuterRef("pk"),
        state=JobState.CANCELLED,
    )
    text = {name: KeyTextTransform(name, "data") for name in ("money_minor", "currency")}
    return (
        CaseEvent.objects.filter(
            Q(kind=CaseEvent.Kind.DECIDED, action__in=buttons)
            | Q(kind=CaseEvent.Kind.SOLVED, data__reason=CLOSED_BY_HAND),
            kind__in=[CaseEvent.Kind.DECIDED, CaseEvent.Kind.SOLVED],
            at__gte=start,
            at__lt=end,
        )
        .exclude(case__kind=MANY_BY_HAND.code)
        .exclude(Exists(taken_back))
        .exclude(Exists(undone))
        .annotate(
            type=Choose(
                When(kind=CaseEvent.Kind.DECIDED, then=F("action")),
                default=Concat(
                    Value(CLOSED),
                    KeyTextTransform("resolution", "data"),
                    output_field=CharField(),
                ),
                output_field=CharField(),
            ),
            person=F("actor"),
            cause=F("case__kind"),
            # What two people agreed to is bound to its amount; else it is what the case is about.
            value=Coalesce(Cast(text["money_minor"], BigIntegerField()), F("case__money_minor")),
            currency=Coalesce(
                NullIf(text["currency"], Value("")),
                F("case__currency"),
                output_field=CharField(),
            ),
        )
    )


def tallies(rows: QuerySet[CaseEvent], by: str) -> dict[str, Tally]:
    """The same decisions by type, person or cause."""
    number: dict[str, int] = defaultdict(int)
    money: dict[str, dict[str, int]] = defaultdict(dict)
    grouped = rows.order_by().values(by, "currency").annotate(number=Count("pk"), sum=Sum("value"))
    for key, currency, count, total in grouped.values_list(by, "currency", "number", "sum"):
        number[key] += count
        if currency and total:
            money[key][currency] = int(total)
    return {key: Tally(number[key], money.get(key, {})) for key in number}


def week_start(at: datetime, zone: ZoneInfo) -> datetime:
    """Midnight of Monday where the retailer is."""
    day = at.astimezone(zone).date()
    return datetime.combine(day - timedelta(days=day.weekday()), time.min, tzinfo=zone)


def watch(kinds: Mapping[str, CaseKind], *, at: datetime) -> int:
    """Tell operations of each type that passed its limit this week, once per week and type.

    Returns how many cases were opened. The limit is the retailer's choice ``by_hand_per_week``.
    """
    retailer = Retailer.objects.order_by("id").first()
    policy = retailer.policies.order_by("-version").first() if retailer else None
    if retailer is None or policy is None:
        return 0
    zone, limit = ZoneInfo(retailer.timezone), int(choices.choice(policy, "by_hand_per_week"))
    monday = week_start(at, zone)
    before = week_start(monday - timedelta(days=1), zone)
    trace = Trace(at=at, actor="clock")
    _close(kinds, retailer, (before, monday), limit, trace)
    now = tallies(decisions_between(kinds, monday, at + timedelta(seconds=1)), "type")
    many = {key: one for key, one in now.items() if one.number > limit}
    said = _said(retailer, many, monday)
    missing = {key: one for key, one in many.items() if _cause(monday, key) not in said}
    if not missing:
        return 0
    last = tallies(decisions_between(kinds, before, monday), "type")
    for key, one in missing.items():
        facts = {
            "step": labels(kinds)[key],
            "number": one.number,
            "limit": limit,
            "before": last.get(key, Tally()).number,
            "week": f"{monday.day} {monday:%B}",
            "seen": moment_fact(at),
        }
        about = cases.About(
            Retailer.RECORD_KIND,
            retailer.pk,
            money_minor=one.money.get(retailer.currency, 0),
            currency=retailer.currency,
        )
        cases.open_case(MANY_BY_HAND, about, trace=trace, cause=_cause(monday, key), facts=facts)
    return len(missing)


def _cause(monday: datetime, key: str) -> str:
    return f"by-hand:{monday.date().isoformat()}:{key}"


def _said(retailer: Retailer, keys: Iterable[str], monday: datetime) -> set[str]:
    """The causes of this week that were told already, whatever was answered."""
    causes = [_cause(monday, key) for key in keys]
    told = _cases_of(retailer).filter(cause__in=causes)
    return set(told.values_list("cause", flat=True)) if causes else set()


def _cases_of(retailer: Retailer) -> QuerySet[Case]:
    return Case.objects.filter(
        kind=MANY_BY_HAND.code, record_kind=Retailer.RECORD_KIND, record_id=retailer.pk
    )


def _close(
    kinds: Mapping[str, CaseKind],
    retailer: Retailer,
    last_week: tuple[datetime, datetime],
    limit: int,
    trace: Trace,
) -> None:
    """A case of an earlier week ends when the last whole week stayed within the limit."""
    start, end = last_week
    of_last_week = Q(cause__startswith=f"by-hand:{start.date().isoformat()}:")
    of_this_week = Q(cause__startswith=f"by-hand:{end.date().isoformat()}:")
    earlier = list(
        _cases_of(retailer)
        .exclude(state=CaseState.SOLVED)
        .exclude(of_last_week | of_this_week)
        .order_by("id")
    )
    if not earlier:
        return
    counted = tallies(decisions_between(kinds, start, end), "type")
    for case in earlier:
        key = case.cause.split(":", 2)[2]
        if counted.get(key, Tally()).number <= limit:
            cases.close_by_fact(
                trace=trace,
                reason=f"The week of {start.day} {start:%B} stayed within what is allowed",
                kinds=KINDS,
                record_kind=Retailer.RECORD_KIND,
                record_id=retailer.pk,
                cause=case.cause,
            )
