"""What was pressed under a question to a second person."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.http import Http404, HttpRequest

from integrator.engine.approvals import UnableToApprove
from integrator.models import Approval


class Answer(StrEnum):
    AGREE = "agree"
    REFUSE = "refuse"
    TAKE_BACK = "take_back"  # by who asked


def answer_of(request: HttpRequest, among: Iterable[Answer] = Answer) -> Answer:
    """Http404 for any other word: a refusal that nobody pressed must not be recorded."""
    given = request.POST.get("answer", "")
    if given not in set(among):
        raise Http404
    return Answer(given)


def refuse_if_asker_may_not(approval: Approval, *, still: bool) -> None:
    """What two people agree to is done in the name of who asked, so they must still be allowed to
    ask for it. UnableToApprove otherwise; of who has left ``approvals.decide`` says so.
    """
    if not still and approval.asked_by.is_active:
        raise UnableToApprove(
            "Who asked may not ask for this any more: refuse it, and have it asked anew."
        )
