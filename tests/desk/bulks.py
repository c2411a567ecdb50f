"""Many cases at once in tests: stopped ones, choosing them, and the work on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape

from django.http import HttpResponse
from django.test import Client

from integrator.engine.worker import Worker
from integrator.flows import ROUTES
from integrator.models import Bulk, Case, JobState
from tests.desk import factories

Signed = Callable[[str], Client]
TRY_AGAIN = "try_again:Try again"
QUERIES_ALLOWED = 15
LATER = "Somebody decided about it after it was chosen."


def stopped(at: datetime, count: int, **values: object) -> list[Case]:
    """Steps that stopped, each with its case for finance."""
    made = []
    for number in range(1, count + 1):
        job = factories.job("refund", at, record=("return", number), state=JobState.PARKED)
        record = ("return", number)
        made.append(factories.case("REFUND_REFUSED", at, record=record, job_id=job.pk, **values))
    return made


def chooses(client: Client, do: str, *chosen: Case, role: str = "finance", **more: str) -> str:
    """Ticks these in the queue; the address of the page that says what would happen."""
    sent = {"do": do, "line": [str(one.pk) for one in chosen], "query": "tab=needs", **more}
    answer = client.post(f"/queue/{role}/many/", sent)
    assert answer.status_code == 302
    return str(answer.url)


def text(answer: HttpResponse) -> str:
    return " ".join(re.sub("<[^>]*>", " ", unescape(answer.content.decode())).split())


def work(*, rounds: int = 20) -> None:
    worker = Worker(ROUTES, threads=0)
    for _ in range(rounds):
        if not worker.round(["local"]):
            return


def results(bulk: Bulk) -> dict[str, int]:
    counts: dict[str, int] = {}
    for state in bulk.items.values_list("state", flat=True):
        counts[state] = counts.get(state, 0) + 1
    return counts
