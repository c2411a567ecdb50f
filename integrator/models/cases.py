"""What a person must look at, and everything that was said and done about it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from integrator.models.case_counts import counted
from integrator.models.connections import Connection
from integrator.models.jobs import Job
from integrator.models.protection import append_only, guarded_moves, next_fact_id
from integrator.models.states import CASE_MOVES, CaseState

IN_QUEUE = Q(state__in=["OPEN", "SNOOZED"])
ALONE, TOGETHER = IN_QUEUE & Q(shares_cause=False), IN_QUEUE & Q(shares_cause=True)


class Case(models.Model):
    """One thing that went wrong for one record. The words are in its ``CaseKind``.

    ``cause`` groups what one fix solves; ``shares_cause`` says that its kind has such groups (kept
    here because the database counts them). ``facts`` fills the sentences and holds no personal
    data. ``handed_to`` is the team that works on it in its owner's place; the owner still answers
    for it.
    One row per (kind, record, cause) for ever: what returns is reopened with its history.
    """

    class Resolution(models.TextChoices):
        FIXED_HERE = "FIXED_HERE", "Fixed here"
        FIXED_THERE = "FIXED_THERE", "Fixed in the platform"
        ACCEPTED_LOSS = "ACCEPTED_LOSS", "Accepted as a loss"
        DUPLICATE = "DUPLICATE", "Same as another"
        NOT_AN_ERROR = "NOT_AN_ERROR", "Not an error"
        BY_ITSELF = "BY_ITSELF", "Solved by a later fact"

    RECORD_KIND: ClassVar = "case"
    MOVES: ClassVar = {"state": CASE_MOVES}

    kind = models.CharField(max_length=40)
    owner = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=CaseState.choices, default=CaseState.OPEN)
    record_kind = models.CharField(max_length=30)
    record_id = models.BigIntegerField()
    order_id = models.BigIntegerField(null=True)
    connection = models.ForeignKey(Connection, null=True, on_delete=models.PROTECT)
    job = models.ForeignKey(Job, null=True, on_delete=models.PROTECT, related_name="cases")
    cause = models.CharField(max_length=200)
    shares_cause = models.BooleanField(default=False)
    facts = models.JSONField(default=dict)
    severity = models.PositiveSmallIntegerField()
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    money_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    customers_waiting = models.PositiveIntegerField(default=0)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="cases"
    )
    handed_to = models.CharField(max_length=20, blank=True, default="", db_default="")
    seen = models.PositiveIntegerField(default=1)
    regressions = models.PositiveIntegerField(default=0)
    escalation = models.PositiveSmallIntegerField(default=0)
    snoozed_until = models.DateTimeField(null=True)
    snoozed_for = models.CharField(max_length=10, blank=True)
    resolution = models.CharField(max_length=20, choices=Resolution.choices, blank=True)
    solved_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = [*guarded_moves("state", CASE_MOVES), *counted()]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "record_kind", "record_id", "cause"], name="case_once"
            ),
            models.CheckConstraint(
                condition=~Q(state="SOLVED") | (~Q(resolution="") & Q(solved_at__isnull=False)),
                name="case_solved_has_reason",
            ),
            # What is solved lies with nobody, and what lies with its owner was not handed over.
            models.CheckConstraint(
                condition=Q(handed_to="") | (~Q(state="SOLVED") & ~Q(handed_to=F("owner"))),
                name="case_handed_to_another",
            ),
        ]
        indexes: ClassVar = [
            # One per order of a queue (desk.queue_orders): counted backwards, so that a page goes
            # on from a key by one comparison. Cases of one cause are one line, and few.
            models.Index(
                "owner",
                "state",
                F("severity") * -1,
                "due_at",
                "id",
                condition=ALONE,
                name="case_queue_promise",
            ),
            models.Index(
                "owner",
                "state",
                "currency",
                F("money_minor") * -1,
                "id",
                condition=ALONE,
                name="case_queue_money",
            ),
            models.Index(
                "owner",
                "state",
                F("customers_waiting") * -1,
                "due_at",
                "id",
                condition=ALONE,
                name="case_queue_customers",
            ),
            models.Index(
                "owner", "state", "opened_at", "id", condition=ALONE, name="case_queue_oldest"
            ),
            models.Index(
                "kind", "cause", "due_at", "id", condition=TOGETHER, name="case_together_due"
            ),
            models.Index(
                "kind", "cause", "opened_at", "id", condition=TOGETHER, name="case_together_oldest"
            ),
            models.Index(fields=["owner", "due_at"], condition=IN_QUEUE, name="case_queue_day"),
            models.Index(
                fields=["owner", "solved_at", "id"],
                condition=Q(state="SOLVED"),
                name="case_queue_solved",
            ),
            models.Index(fields=["cause"], condition=~Q(state="SOLVED"), name="case_cause"),
            models.Index(fields=["handed_to"], condition=~Q(handed_to=""), name="case_handed"),
            models.Index(fields=["order_id", "id"], name="case_order"),
            models.Index(fields=["record_kind", "record_id"], name="case_record"),
            models.Index(fields=["due_at"], condition=~Q(state="SOLVED"), name="case_due"),
            models.Index(
                fields=["opened_at", "id"], include=["state", "resolution"], name="case_opened"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.record_kind} {self.record_id}"

    @property
    def sleep(self) -> dict[str, str]:
        """How long it is snoozed, as its events say it; nothing where it is not."""
        if self.snoozed_until is None and not self.snoozed_for:
            return {}
        until = self.snoozed_until
        return {"until": until.isoformat() if until else "", "for": self.snoozed_for}


class Note(models.Model):
    """Free text a person wrote. It may hold personal data, so it can be erased."""

    ERASED: ClassVar = "(erased)"

    text = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"note {self.pk}"

    @property
    def is_erased(self) -> bool:
        return self.text == self.ERASED


class CaseEvent(models.Model):
    """Everything that happened to a case.

    A person's decision is one, and is routed like any fact.
    """

    class Kind(models.TextChoices):
        OPENED = "OPENED", "Opened"
        SEEN_AGAIN = "SEEN_AGAIN", "Seen again"
        REOPENED = "REOPENED", "Came back"
        ASSIGNED = "ASSIGNED", "Assigned"
        NOTED = "NOTED", "Note"
        SNOOZED = "SNOOZED", "Snoozed"
        WOKE = "WOKE", "Woke up"
        ESCALATED = "ESCALATED", "Escalated"
        DECIDED = "DECIDED", "Decided"
        SOLVED = "SOLVED", "Solved"
        ALERTED = "ALERTED", "Alert sent"
        HANDED_OVER = "HANDED_OVER", "Handed over"
        SKIPPED = "SKIPPED", "Skipped"
        UNDONE = "UNDONE", "Undone"

    RECORD_KIND: ClassVar = "case_event"

    id = models.BigIntegerField(primary_key=True, db_default=next_fact_id())
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    action = models.CharField(max_length=40, blank=True)
    actor = models.CharField(max_length=100)
    data = models.JSONField(default=dict)
    note = models.ForeignKey(Note, null=True, on_delete=models.PROTECT)
    at = models.DateTimeField()
    routed_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = append_only(routed=True)
        indexes: ClassVar = [
            models.Index(
                fields=["id"], condition=Q(routed_at__isnull=True), name="case_event_unrouted"
            ),
            models.Index(fields=["case", "id"], name="case_event_case"),
            # What people decided, by week.
            models.Index(
                fields=["at", "id"],
                condition=Q(kind__in=["DECIDED", "SOLVED"]),
                name="case_event_decided",
            ),
            models.Index(fields=["at", "id"], name="case_event_at"),
            models.Index(
                fields=["at", "id"], condition=Q(kind="SKIPPED"), name="case_event_skipped"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.kind}"


class CasePresence(models.Model):
    """Somebody has a case open, until ``until`` unless they say so again.

    No fact: rows come and go, and nothing is decided by them but who is served which case next.
    """

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="presences")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="presences"
    )
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "person"], name="presence_once"),
            models.CheckConstraint(condition=Q(until__gte=F("since")), name="presence_ends"),
        ]

    def __str__(self) -> str:
        return f"{self.person} on {self.case_id}"
