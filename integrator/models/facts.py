"""What we heard and what changed: the rows everything else follows from. Append-only."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from integrator.models.connections import Connection
from integrator.models.protection import append_only, next_fact_id


class Message(models.Model):
    """What a platform told us, once.

    A platform's event id is unique for ever per connection. Without one, a nudge is dropped only
    while an equal nudge is still unrouted: the read it causes has not happened yet.
    """

    class Origin(models.TextChoices):
        CALLBACK = "CALLBACK", "Callback"  # the platform called us
        SWEEP = "SWEEP", "Sweep"  # we found it ourselves: its callback was missed
        PERSON = "PERSON", "Person"  # somebody asked to read it again
        CLOCK = "CLOCK", "Clock"  # the time of a scheduled step has come

    class Verdict(models.TextChoices):
        ACCEPTED = "ACCEPTED", "Accepted"
        UNKNOWN = "UNKNOWN", "Unknown event"  # authentic, but we have no meaning for it
        QUARANTINED = "QUARANTINED", "Quarantined"  # a known id came with other content

    id = models.BigIntegerField(primary_key=True, db_default=next_fact_id())
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    topic = models.CharField(max_length=60)
    kind = models.CharField(max_length=80)
    resource_kind = models.CharField(max_length=40)
    resource_id = models.CharField(max_length=120)
    event_id = models.CharField(max_length=200, blank=True)
    digest = models.BinaryField(max_length=32)
    order_id = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(db_default=Now())
    routed_at = models.DateTimeField(null=True)

    RECORD_KIND: ClassVar = "message"

    class Meta:
        triggers: ClassVar = append_only(routed=True)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "event_id"],
                condition=~Q(event_id="") & Q(verdict__in=["ACCEPTED", "UNKNOWN"]),
                name="message_event_once",
            ),
            models.UniqueConstraint(
                fields=["connection", "topic", "kind", "resource_id"],
                condition=Q(event_id="", routed_at__isnull=True, verdict="ACCEPTED"),
                name="message_nudge_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"], condition=Q(routed_at__isnull=True), name="message_unrouted"
            ),
            models.Index(fields=["order_id", "id"], name="message_order"),
            models.Index(
                fields=["connection", "resource_kind", "resource_id"], name="message_resource"
            ),
            # What sweeps found that no callback had told.
            models.Index(
                fields=["connection", "received_at"],
                condition=Q(origin="SWEEP", kind="missed"),
                name="message_missed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.resource_id}"


class Payload(models.Model):
    """The body of a message as it came. Personal data: it can be erased, the Message stays."""

    message = models.OneToOneField(
        Message, on_delete=models.PROTECT, primary_key=True, related_name="payload"
    )
    body = models.BinaryField()
    headers = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"payload of {self.message_id}"


class Stranger(models.Model):
    """Input nobody could authenticate: head and hash, capped per address and day, then counted.

    The head may hold personal data: it is erased after some weeks.
    """

    day = models.DateField()
    address = models.GenericIPAddressField(null=True)
    platform = models.CharField(max_length=50)
    reason = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, blank=True)
    head = models.BinaryField(max_length=2048)
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "address", "digest"], nulls_distinct=False, name="stranger_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.day} ×{self.count}"


class Transition(models.Model):
    """What changed here: which record, from what to what, why, who, when.

    Written by ``move()`` only.

    ``job_id`` and ``message_id`` name the work and the news that caused it; ``policy_version`` the
    configuration in force.
    """

    id = models.BigIntegerField(primary_key=True, db_default=next_fact_id())
    record_kind = models.CharField(max_length=30)
    record_id = models.BigIntegerField()
    field = models.CharField(max_length=30)
    old = models.CharField(max_length=30)
    new = models.CharField(max_length=30)
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=100)
    order_id = models.BigIntegerField(null=True)
    job_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    policy_version = models.PositiveIntegerField(null=True)
    at = models.DateTimeField()
    routed_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = append_only(routed=True)
        indexes: ClassVar = [
            models.Index(
                fields=["id"], condition=Q(routed_at__isnull=True), name="transition_unrouted"
            ),
            models.Index(fields=["order_id", "id"], name="transition_order"),
            models.Index(fields=["record_kind", "record_id", "id"], name="transition_record"),
            # Since when every unit on its way back is where it is.
            models.Index(
                fields=["record_id", "-id"],
                include=["at"],
                condition=Q(record_kind="return_item", field="custody"),
                name="transition_custody",
            ),
            models.Index(
                fields=["at", "id"],
                condition=Q(actor__startswith="user:"),
                name="transition_by_person",
            ),
            models.Index(
                fields=["id", "at"],
                condition=Q(record_kind="approval"),
                name="transition_approval",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record_kind} {self.record_id} {self.field}: {self.old} → {self.new}"


class Link(models.Model):
    """The same thing under two names: a platform's id and our record."""

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_kind = models.CharField(max_length=40)
    external_id = models.CharField(max_length=120)
    record_kind = models.CharField(max_length=30)
    record_id = models.BigIntegerField()
    order_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "external_kind", "external_id"], name="link_external_once"
            ),
            models.CheckConstraint(condition=~Q(external_id=""), name="link_external_id_given"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["record_kind", "record_id"], name="link_record"),
            models.Index(fields=["order_id"], name="link_order"),
        ]

    def __str__(self) -> str:
        return f"{self.external_kind} {self.external_id}"
