"""Reading the audit page in tests."""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta
from html import unescape
from io import StringIO
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils.http import urlencode

from integrator.engine import decisions
from integrator.engine.states import Trace
from integrator.models import Case
from tests.desk import factories

QUERIES_ALLOWED = 15


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


class Reader:
    """Somebody who reads the audit list: its rows as lines of text."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def html(self, **filters: Any) -> str:
        response = self.client.get(f"/audit/?{urlencode(filters)}")
        assert response.status_code == 200, filters
        return response.content.decode()

    def rows(self, **filters: Any) -> list[str]:
        found = re.findall(r"<tr>(.*?)</tr>", self.html(**filters), re.S)
        timeless = (re.sub(r"<time.*?</time>", "", row) for row in found if "<time" in row)
        return [words(row).strip() for row in timeless]

    def copy(self, **filters: Any) -> list[dict[str, str]]:
        response = self.client.post("/audit/copy/", filters)
        assert response.status_code == 200
        text = b"".join(response).decode("utf-8-sig")  # type: ignore[arg-type]
        return list(csv.DictReader(StringIO(text, newline="")))


def by(name: str, at: datetime) -> Trace:
    return Trace(at=at, actor=f"user:{name}")


def paid_by_two(at: datetime, people: dict[str, User]) -> Case:
    """A refund to be paid by hand, of 129.95 euros: two people decided it."""
    order = factories.order("DE-70001", at)
    case = factories.case(
        "REFUND_BY_HAND",
        at - timedelta(hours=3),
        record=("refund", 1),
        order_id=order.pk,
        money_minor=12995,
        currency="EUR",
    )
    kind = factories.CASE_KINDS["REFUND_BY_HAND"]
    action = next(one for one in kind.actions if one.key == "paid_by_hand")
    approval = decisions.ask(
        case,
        action,
        data={"reference": "BANK-1", "note": "Mrs Berg called"},
        trace=by("fiona", at - timedelta(hours=2)),
        by=people["fiona"],
    )
    decisions.agree(
        case, action, approval, trace=by("clara", at - timedelta(hours=1)), by=people["clara"]
    )
    return case
