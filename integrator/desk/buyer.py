"""How a customer is called on screen, and what became of their personal data. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from fulfilment.models import Customer
from integrator.models import Job, JobState, Message

OPEN = (JobState.DUE, JobState.RUNNING, JobState.WAITING, JobState.IN_DOUBT, JobState.PARKED)


@dataclass(frozen=True, slots=True)
class Privacy:
    """``state`` is known, blank, erasing or erased; ``at`` is when it was erased."""

    state: str
    at: datetime | None = None


def title_of(customer: Customer, *, personal: bool) -> str:
    """The name for who may see it, the shop's customer number for everybody else."""
    name = f"{customer.first_name} {customer.last_name}".strip() if personal else ""
    return name or number_of(customer)


def number_of(customer: Customer) -> str:
    """A guest has no number: the shop cannot say that two of them are one person."""
    return f"Customer {customer.external_id}" if customer.external_id else "Guest"


def with_privacy() -> QuerySet[Customer]:
    """Customers with the last order of the shop to erase them, for ``privacy_of``."""
    heard = Message.objects.filter(
        connection=OuterRef(OuterRef("connection")),
        resource_kind="customer",
        resource_id=OuterRef(OuterRef("external_id")),
    )
    jobs = Job.objects.filter(
        flow="erase_customer", record_kind="message", record_id__in=heard.values("pk")
    ).order_by("-id")
    return Customer.objects.select_related("connection").annotate(
        erasing=Subquery(jobs.values("state")[:1]),
        erased_at=Subquery(jobs.values("finished_at")[:1]),
    )


def privacy_of(customer: Customer) -> Privacy:
    """What of the person is here. Takes a row of ``with_privacy``.

    Somebody who was erased and bought again later is known again.
    """
    state: str | None = getattr(customer, "erasing", None)
    if state in OPEN:
        return Privacy("erasing")
    if customer.email or customer.first_name or customer.last_name:
        return Privacy("known")
    if state == JobState.DONE:
        return Privacy("erased", getattr(customer, "erased_at", None))
    return Privacy("blank")
