"""What a page may cost: fifteen statements, and 150 kB on the wire with all it brings along."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.staticfiles import finders
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fulfilment.models import Order
from integrator.desk import directory
from integrator.models import SavedView
from returns.models import Return
from tests.browser.screens import SCREENS, troubled
from tests.journeys.causes import CAUSES
from tests.story import Stage, opened

STATEMENTS_MAX = 15
PREVIEW_MAX = 5  # more: the rules that pay are asked what they would do
KILOBYTES_MAX = 150
_BROUGHT = re.compile(r'(?:src|href)="/static/([^"]+\.(?:css|js))"')


def weight(html: bytes) -> int:
    """Bytes of a page as it is sent, with its style sheets and scripts."""
    brought = [finders.find(name) for name in _BROUGHT.findall(html.decode())]
    assert brought and all(brought), "a page without its style sheet"
    files = [Path(path).read_bytes() for path in brought]
    return sum(len(gzip.compress(one)) for one in (html, *files))


@pytest.mark.requirement("R014")
def test_no_page_costs_more_than_it_may(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(monkeypatch) as stage:
        troubled(stage)
        assert list(too_dear(stage)) == []


@pytest.mark.requirement("R014")
def test_a_record_s_page_stays_within_it_in_every_state(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replacements, sets, other orders' goods, several returns, forms that came back; for who has
    one team, two of them, and none.
    """
    with opened(monkeypatch) as stage:
        troubled(stage)
        for kind in ("EXCHANGE_STALLED", "BUNDLE_PRICE_FALLBACK", "RETURN_WENT_BACK"):
            CAUSES[kind](stage)
        several = stage.sold("JKT-NVY-M", "JKT-NVY-M", "JKT-NVY-L")
        for unit in range(3):
            stage.comes_back(several, unit)
        dear = [one for name in ("carla", "conrad", "both") for one in _too_dear(stage, name)]
    assert dear == []


def _too_dear(stage: Stage, name: str) -> Iterator[str]:
    client = Client()
    client.force_login(_somebody(stage, name))
    client.get("/")
    for path, given in _states_of_records():
        asked = _statements(client, path, given)
        if len(asked) > STATEMENTS_MAX:
            yield f"{name} {path} {given or ''}: {len(asked)} statements"


def _somebody(stage: Stage, name: str) -> User:
    """``both`` is in two teams and opens each queue with a view of their own."""
    if name != "both":
        return stage.people[name]
    person: User = stage.carla
    person.groups.add(Group.objects.get(name="OPERATIONS"))
    for role in ("CX", "OPERATIONS"):
        SavedView.objects.create(
            person=person, role=role, name="Mine", query="who=me", place=1, is_first=True
        )
    return person


def _states_of_records() -> Iterator[tuple[str, dict[str, str] | None]]:
    """Each page of an order and of a return; with what is sent to it, where something is."""
    for pk in Return.objects.values_list("pk", flat=True):
        yield f"/returns/{pk}/", None
        yield f"/returns/{pk}/?show=money", None
    for pk in Order.objects.values_list("pk", flat=True):
        yield f"/orders/{pk}/", None
        yield f"/orders/{pk}/goodwill/", {"amount": "ten", "note": ""}
        yield f"/orders/{pk}/goodwill/", {"amount": "10", "note": " "}
    yield "/returns/", None


def _statements(client: Client, path: str, given: dict[str, str] | None) -> CaptureQueriesContext:
    with CaptureQueriesContext(database) as asked:
        answer = client.get(path) if given is None else client.post(path, given)
    assert answer.status_code in (200, 403), path
    return asked


def too_dear(stage: Stage) -> Iterator[str]:
    for name, screens in SCREENS.items():
        client = Client()
        client.force_login(stage.people[name])
        for path in screens(stage):
            directory.current(at=stage.now())  # kept for some seconds: no page's own cost
            with CaptureQueriesContext(database) as asked:
                answer = client.get(path)
            if len(asked) > STATEMENTS_MAX + PREVIEW_MAX * ("?do=" in path):
                yield f"{name} {path}: {len(asked)} statements"
            if answer.status_code == 302:  # an exact match jumps to its own page
                continue
            if (found := weight(answer.content)) > KILOBYTES_MAX * 1024:
                yield f"{name} {path}: {found // 1024} kB"
