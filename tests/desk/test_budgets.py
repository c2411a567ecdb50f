"""What a page may cost: fifteen statements, and 150 kB on the wire with all it brings along."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.browser.screens import SCREENS, troubled
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


def too_dear(stage: Stage) -> Iterator[str]:
    for name, screens in SCREENS.items():
        client = Client()
        client.force_login(stage.people[name])
        for path in screens(stage):
            with CaptureQueriesContext(database) as asked:
                answer = client.get(path)
            if len(asked) > STATEMENTS_MAX + PREVIEW_MAX * ("?do=" in path):
                yield f"{name} {path}: {len(asked)} statements"
            if answer.status_code == 302:  # an exact match jumps to its own page
                continue
            if (found := weight(answer.content)) > KILOBYTES_MAX * 1024:
                yield f"{name} {path}: {found // 1024} kB"
