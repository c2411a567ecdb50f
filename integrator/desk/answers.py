"""What was pressed under a question to a second person."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.http import Http404, HttpRequest


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
