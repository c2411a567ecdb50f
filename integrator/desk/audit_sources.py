"""What people did, table by table: exceptions, second persons, states, the books, copies.

Each gives rows with an actor and an object of what its words need; ``audit_rows`` merges them. What
was set and who holds which role is in ``audit_settings``. Reads only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db.models import (
    CharField,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Cast, Concat, JSONObject

from finance.models import LedgerEntry
from integrator.engine.mapping_files import Verdict
from integrator.models import (
    Approval,
    Case,
    CaseEvent,
    Export,
    IncidentNote,
    MaintenanceWindow,
    Mapping,
    MappingFile,
    MappingPlan,
    ReviewDecision,
    Sighting,
    SignInEvent,
    Transition,
)

PERSON = "user:"
_HANDLING = ("ASSIGNED", "SNOOZED", "WOKE", "SOLVED", "HANDED_OVER", "SKIPPED", "UNDONE")
_MONEY_FIELDS = ("money", "difference")
# What a row of a file of meanings may come to that changes something.
_TAKES_EFFECT = (Verdict.NEW, Verdict.CHANGED, Verdict.LATER)
# The kinds of change, as the filter names them.
KINDS = {
    "decision": "Decisions on cases",
    "handling": "Cases taken, snoozed, handed over, closed",
    "note": "Notes",
    "approval": "Second person",
    "status": "Other changes of state",
    "money": "Entries in the books",
    "mapping": "What words mean",
    "setting": "Connections, rules, settings",
    "role": "Roles of people",
    "sign_in": "Signing in by the provider",
    "export": "Copies taken",
    "personal": "Saw personal data",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What the list is narrowed to: a case, a connection, the orders of that number or customer.

    ``customer_ids``: whoever it is about, for what people saw of them.
    """

    case_id: int | None = None
    connection_id: int | None = None
    order_ids: tuple[int, ...] = ()
    customer_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """When people work, Monday to Friday, by the clock of a zone."""

    timezone: str
    begins: time
    ends: time

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters. ``personal``: whether the reader may see what people wrote; ``view``: one of
    ``audit_views``.
    """

    person: User | None = None
    kind: str = ""
    target: Target | None = None
    since: datetime | None = None
    until: datetime | None = None
    two: bool = False
    money: bool = False
    hand: bool = False
    personal: bool = False
    view: str = ""
    hours: Hours | None = None


def by_actor(rows: QuerySet[Any], wanted: Wanted, column: str = "actor") -> QuerySet[Any]:
    """Rows whose actor stands in a column, of the wanted person; by hand: of any person."""
    rows = rows.annotate(row_actor=Cast(column, CharField()))
    if wanted.person is not None:
        rows = rows.filter(**{column: f"{PERSON}{wanted.person.get_username()}"})
    if wanted.hand:
        rows = rows.filter(**{f"{column}__startswith": PERSON})
    return rows


def one_of(rows: QuerySet[Any], **fields: Any) -> Any:
    """One other row as an object; null when there is none."""
    found = rows.annotate(as_object=JSONObject(**fields)).values("as_object")[:1]
    return Subquery(found, output_field=JSONField())


def _case_of(record_id: str) -> JSONObject:
    """The words of a case, for rows that name it by its number only."""
    return one_of(
        Case.objects.filter(pk=OuterRef(record_id)),
        kind="kind",
        owner="owner",
        facts="facts",
        order_id="order_id",
        money_minor="money_minor",
        currency="currency",
    )


def case_events(wanted: Wanted) -> QuerySet[Any] | None:
    kinds = {
        "decision": ["DECIDED"],
        "note": ["NOTED"],
        "handling": [*_HANDLING],
    }
    told = kinds[wanted.kind] if wanted.kind else [one for some in kinds.values() for one in some]
    rows = by_actor(CaseEvent.objects.filter(kind__in=told), wanted)
    if (target := wanted.target) is not None:
        if target.connection_id is not None:
            rows = rows.filter(case__connection_id=target.connection_id)
        elif target.case_id is not None:
            rows = rows.filter(case_id=target.case_id)
        else:
            rows = rows.filter(case__order_id__in=target.order_ids)
    # What a second person was asked, and the answer, are rows of their own: ``asked``, ``moved``.
    rows = rows.exclude(kind="NOTED", data__has_key="question", note__isnull=True)
    if wanted.two:
        rows = rows.filter(data__has_key="approval_id")
    if wanted.money:
        rows = rows.filter(case__money_minor__gt=0)
    return rows.annotate(
        row_data=JSONObject(
            kind="kind",
            action="action",
            data="data",
            case_id="case_id",
            case=JSONObject(
                kind="case__kind",
                owner="case__owner",
                facts="case__facts",
                order_id="case__order_id",
                money_minor="case__money_minor",
                currency="case__currency",
            ),
            has_note=Q(note__isnull=False),
            note="note__text" if wanted.personal else Value(""),
        )
    )


def _approvals_of(target: Target) -> Q | None:
    """Approvals about a target: those of its case, of its orders' or own cases, of its words."""
    if target.case_id is not None:
        return Q(record_kind="case", record_id=target.case_id)
    if (connection_id := target.connection_id) is not None:
        words = Mapping.objects.filter(connection_id=connection_id)
        cases = Case.objects.filter(connection_id=connection_id)
        return (
            Q(record_kind="mapping", record_id__in=words.values("pk"))
            | Q(record_kind="case", record_id__in=cases.values("pk"))
            | _later_or_by_file(connection_id, Verdict.CHANGED)
        )
    cases = Case.objects.filter(order_id__in=target.order_ids)
    return Q(record_kind="case", record_id__in=cases.values("pk"))


def _later_or_by_file(connection_id: int, *verdicts: Verdict) -> Q:
    """Planned meanings of a connection, and files with a row of such a verdict about it."""
    plans = MappingPlan.objects.filter(connection_id=connection_id)
    has_row = Q(pk__in=[])
    for verdict in verdicts:
        has_row |= Q(rows__contains=[{"connection_id": connection_id, "verdict": verdict.value}])
    files = MappingFile.objects.filter(has_row)
    return Q(record_kind=MappingPlan.RECORD_KIND, record_id__in=plans.values("pk")) | Q(
        record_kind=MappingFile.RECORD_KIND, record_id__in=files.values("pk")
    )


def asked(wanted: Wanted) -> QuerySet[Any] | None:
    rows = Approval.objects.annotate(
        row_actor=Concat(Value(PERSON), "asked_by__username", output_field=CharField())
    )
    if wanted.person is not None:
        rows = rows.filter(asked_by=wanted.person)
    if wanted.target is not None:
        rows = rows.filter(_approvals_of(wanted.target))
    if wanted.money:
        rows = rows.filter(content__money_minor__gt=0)
    return rows.annotate(
        row_data=JSONObject(
            record_kind="record_kind",
            record_id="record_id",
            content="content",
            case=_case_of("record_id"),
        )
    )


def _states_of(target: Target) -> Q:
    """Changes of state about a target: of its approvals, its own, of its meanings or orders."""
    about = Approval.objects.filter(_approvals_of(target))
    states = Q(record_kind="approval", record_id__in=about.values("pk"))
    if (connection_id := target.connection_id) is not None:
        windows = MaintenanceWindow.objects.filter(connection=connection_id)
        states |= Q(record_kind="connection", record_id=connection_id)
        states |= Q(record_kind="maintenance", record_id__in=windows.values("pk"))
        states |= _later_or_by_file(connection_id, *_TAKES_EFFECT)
    if target.order_ids:
        states |= Q(order_id__in=target.order_ids)
    return states


def moved(wanted: Wanted) -> QuerySet[Any] | None:
    """States a person changed, or a step in a person's name. Cases tell their own story."""
    answers = Q(record_kind="approval", new__in=["GRANTED", "REFUSED", "WITHDRAWN"])
    settings = Q(record_kind__in=["connection", "maintenance"])
    rows = by_actor(Transition.objects.filter(actor__startswith=PERSON), wanted)
    rows = rows.exclude(record_kind="case").exclude(record_kind="approval", new="USED")
    match wanted.kind:
        case "approval":
            rows = rows.filter(answers)
        case "setting":
            rows = rows.filter(settings)
        case "status":
            rows = rows.exclude(answers | settings)
    if wanted.target is not None:
        rows = rows.filter(_states_of(wanted.target))
    if wanted.two:
        rows = rows.filter(answers)
    if wanted.money:
        paid = Approval.objects.filter(content__money_minor__gt=0)
        rows = rows.filter(
            Q(record_kind="refund")
            | Q(field__in=_MONEY_FIELDS)
            | Q(record_kind="approval", record_id__in=paid.values("pk"))
        )
    if wanted.hand:
        rows = rows.filter(job_id__isnull=True)
    asked = Approval.objects.filter(pk=OuterRef("record_id"))
    return rows.annotate(
        row_data=JSONObject(
            record_kind="record_kind",
            record_id="record_id",
            field="field",
            old="old",
            new="new",
            reason="reason",
            order_id="order_id",
            job_id="job_id",
            approval=one_of(
                asked.annotate(case=_case_of("record_id")),
                asker="asked_by__username",
                record_kind="record_kind",
                record_id="record_id",
                content="content",
                case="case",
            ),
            window=one_of(
                MaintenanceWindow.objects.filter(pk=OuterRef("record_id")),
                connection_id="connection_id",
                starts_at="starts_at",
                ends_at="ends_at",
                reason="reason",
            ),
        )
    )


def booked(wanted: Wanted) -> QuerySet[Any] | None:
    target = wanted.target
    if wanted.two or (target is not None and not target.order_ids):
        return None
    rows = by_actor(LedgerEntry.objects.filter(actor__startswith=PERSON), wanted)
    if target is not None:
        rows = rows.filter(order_id__in=target.order_ids)
    if wanted.hand:
        rows = rows.filter(job_id__isnull=True)
    return rows.annotate(
        row_data=JSONObject(
            old="from_account",
            new="to_account",
            amount_minor="amount_minor",
            currency="currency",
            order_id="order_id",
            job_id="job_id",
            reason="reason",
        )
    )


def exported(wanted: Wanted) -> QuerySet[Any] | None:
    if wanted.two or wanted.money or wanted.target is not None:
        return None
    return by_actor(Export.objects.all(), wanted).annotate(
        row_data=JSONObject(what="what", filters="filters", rows="row_count")
    )


def saw(wanted: Wanted) -> QuerySet[Any] | None:
    """Who was shown which customer: no change, so only for who asks for it."""
    if wanted.kind != "personal" or wanted.two or wanted.money:
        return None
    rows = by_actor(Sighting.objects.all(), wanted)
    if wanted.target is not None:
        rows = rows.filter(customer_id__in=wanted.target.customer_ids)
    return rows.annotate(row_data=JSONObject(page="page", customer_id="customer_id"))


def signed_in(wanted: Wanted) -> QuerySet[Any] | None:
    if wanted.two or wanted.money or wanted.target is not None:
        return None
    return by_actor(SignInEvent.objects.all(), wanted).annotate(
        row_data=JSONObject(
            what="what", person="person__username", person_id="person_id", reason="reason"
        )
    )


def noted(wanted: Wanted) -> QuerySet[Any] | None:
    """What people wrote on incidents of connections: about no customer, so for every reader."""
    target = wanted.target
    if wanted.two or wanted.money or (target is not None and target.connection_id is None):
        return None
    rows = by_actor(IncidentNote.objects.all(), wanted)
    if target is not None:
        rows = rows.filter(fact__record_kind="connection", fact__record_id=target.connection_id)
    return rows.annotate(
        row_data=JSONObject(
            connection_id="fact__record_id", fact_id="fact_id", began="fact__at", text="text"
        )
    )


def reviewed(wanted: Wanted) -> QuerySet[Any] | None:
    if wanted.two or wanted.money or wanted.target is not None:
        return None
    rows = ReviewDecision.objects.annotate(
        who=Concat(Value(PERSON), "by__username", output_field=CharField())
    )
    return by_actor(rows, wanted, "who").annotate(
        row_data=JSONObject(
            keeps="keeps",
            role="item__role",
            person="item__person__username",
            review_id="item__review_id",
            reason="reason",
        )
    )
