"""Who a customer is: shown to whom the policy allows, and never without a row that says who saw it.

Nothing else on the desk asks for the right, and nothing else reads a customer's name or address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fulfilment.models import Customer
from integrator import policy
from integrator.desk import buyer, catalogue
from integrator.desk.auth import DeskRequest, may, trace_of
from integrator.models import Case, CaseEvent, Note, Sighting

Page = Sighting.Page
NOTE_COVERED = "A note, only for those who may see customer data"


@dataclass(frozen=True, slots=True)
class Shown:
    """A customer as this reader may see them. ``allowed``: their role sees names at all."""

    pk: int
    title: str
    number: str
    allowed: bool
    email: str = ""
    reference: str = ""


def may_see(request: DeskRequest) -> bool:
    """Whether this reader may see who customers are. Whoever then shows it calls ``saw``."""
    return may(request, "personal.see")


def show(request: DeskRequest, page: Page, customer: Customer, *, notes: bool = False) -> Shown:
    """The customer for a page, kept as seen when it names them, or has ``notes`` about them."""
    allowed = may_see(request)
    shown = Shown(
        pk=customer.pk,
        title=buyer.title_of(customer, personal=allowed),
        number=buyer.number_of(customer),
        allowed=allowed,
        email=customer.email if allowed else "",
        reference=customer.reference if allowed else "",
    )
    if notes or shown.title != shown.number or shown.email or shown.reference:
        saw(request, page, [customer.pk])
    return shown


def saw(request: DeskRequest, page: Page, customer_ids: Iterable[int | None]) -> None:
    """Keep that this reader was shown these customers. One statement, and none for nobody."""
    trace = trace_of(request)
    rows = [
        Sighting(customer_id=one, page=page, actor=trace.actor, at=trace.at)
        for one in sorted({one for one in customer_ids if one is not None})
    ]
    if rows:
        Sighting.objects.bulk_create(rows, ignore_conflicts=True)


def has_notes(events: Iterable[CaseEvent]) -> bool:
    """Whether people wrote something here: a note may say who the customer is."""
    return any(_is_told(event) for event in events)


def cover_notes(
    request: DeskRequest, events: Iterable[CaseEvent], *, case: Case | None = None
) -> None:
    """Put other words in the place of notes this reader may not see, for this page only.

    Whoever works on a case sees what is written there, and everybody what they wrote themselves.
    ``case``: whose events they are; without it each has its own at hand.
    """
    if may_see(request):
        return
    for event in events:
        if event.note is None or not _is_told(event) or event.note.author_id == request.user.pk:
            continue
        of = case or event.case
        kind = catalogue.kind_of(of)
        if not policy.may_work(kind, request.roles, handed_to=of.handed_to):
            event.note = Note(text=NOTE_COVERED)


def _is_told(event: CaseEvent) -> bool:
    return event.note_id is not None and event.note is not None and not event.note.is_erased
