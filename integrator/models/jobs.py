"""What we still owe a platform or ourselves, every try at it, and who is at work."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from integrator.models.connections import Connection
from integrator.models.protection import append_only, guarded_moves
from integrator.models.states import JOB_MOVES, JobState


class Job(models.Model):
    """One promise for one record. Created by the router, changed through ``engine.jobs``.

    ``lane`` keeps order: one job of a lane runs at a time, in id order. ``queue`` is who works on
    it (a platform's slug, or ``local``). ``join_key`` lets later facts join a job that has not
    started. ``started_at`` is set when the attempt was counted: a job lost before that is not
    charged with a crash, but from then on runs ``alone``. ``kept`` is what must survive a crash
    between two steps (read, target, changedAt); ``sent_at`` is set right before a request that
    changes something leaves. ``cause`` is that of the case last opened about it: who solves the
    cause releases the job. ``evidence`` says why it counts as done.
    """

    RECORD_KIND: ClassVar = "job"

    flow = models.CharField(max_length=60)
    fact = models.BigIntegerField()
    joined = ArrayField(models.BigIntegerField(), default=list)
    record_kind = models.CharField(max_length=30)
    record_id = models.BigIntegerField()
    order_id = models.BigIntegerField(null=True)
    connection = models.ForeignKey(Connection, null=True, on_delete=models.PROTECT)
    queue = models.CharField(max_length=30)
    lane = models.CharField(max_length=120)
    # NULL, not "": the unique constraint then lets any number of jobs have none.
    join_key = models.CharField(max_length=200, null=True)  # noqa: DJ001
    priority = models.PositiveSmallIntegerField(default=50)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.DUE)
    not_before = models.DateTimeField()
    due_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    lookups = models.PositiveSmallIntegerField(default=0)
    fence = models.PositiveBigIntegerField(default=0)
    lease_owner = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    alone = models.BooleanField(default=False)
    operation = models.UUIDField()
    kept = models.JSONField(default=dict)
    evidence = models.JSONField(default=dict)
    error_class = models.CharField(max_length=20, blank=True)
    error = models.CharField(max_length=500, blank=True)
    cause = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=100)
    policy_version = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("state", JOB_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["flow", "fact", "lane"], name="job_fact_once"),
            models.UniqueConstraint(
                fields=["lane"], condition=Q(state__in=["RUNNING", "IN_DOUBT"]), name="job_lane_one"
            ),
            models.UniqueConstraint(
                fields=["join_key"],
                condition=Q(join_key__isnull=False, state="DUE", attempts=0),
                name="job_join_once",
            ),
            models.CheckConstraint(
                condition=~Q(state="RUNNING") | Q(lease_until__isnull=False),
                name="job_running_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state="DONE") | Q(finished_at__isnull=False), name="job_done_has_time"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                F("queue"),
                F("priority"),
                F("id"),
                condition=Q(state__in=["DUE", "WAITING"]),
                name="job_claimable",
            ),
            models.Index(
                fields=["lane", "id"],
                condition=Q(state__in=["DUE", "RUNNING", "WAITING", "IN_DOUBT"]),
                name="job_lane_head",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(state__in=["RUNNING", "IN_DOUBT"]),
                name="job_leases",
            ),
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["DUE", "RUNNING", "WAITING", "IN_DOUBT", "PARKED"]),
                name="job_open_due",
            ),
            models.Index(fields=["cause"], condition=Q(state="PARKED"), name="job_parked_cause"),
            models.Index(fields=["order_id", "id"], name="job_order"),
            models.Index(fields=["record_kind", "record_id", "id"], name="job_record"),
            # What came in some days, for the history of a connection: next to nothing to keep.
            BrinIndex(fields=["created_at"], name="job_created", pages_per_range=32),
        ]

    def __str__(self) -> str:
        return f"{self.flow} {self.record_kind} {self.record_id}"


class Attempt(models.Model):
    """One try at a job, ended or lost. ``calls`` lists method, path, status and time; no bodies."""

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="tries")
    number = models.PositiveIntegerField()
    fence = models.PositiveBigIntegerField()
    worker = models.CharField(max_length=60)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=20)
    error = models.CharField(max_length=500, blank=True)
    calls = models.JSONField(default=list)

    class Meta:
        triggers: ClassVar = append_only()
        indexes: ClassVar = [models.Index(fields=["job", "id"], name="attempt_job")]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.number} {self.outcome}"


CLOCK = "clock:"  # the beginning of a name in the table below


class Workers(models.Manager["Heartbeat"]):
    """Signs of life of workers, without the hands of the clocks."""

    def get_queryset(self) -> models.QuerySet[Heartbeat]:
        return super().get_queryset().exclude(name__startswith=CLOCK)


class Heartbeat(models.Model):
    """The last sign of life of everything that works on a queue, and the hand of each clock.

    A hand moves when somebody looks at the clock: it says nothing about who is alive. Who asks for
    life reads ``workers``.
    """

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
    worker = models.CharField(max_length=60)

    objects = models.Manager["Heartbeat"]()
    workers = Workers()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%H:%M:%S}"
