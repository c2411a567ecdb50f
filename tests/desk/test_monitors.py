"""*Still owed* shrinks while people work it off, and nothing is passed over meanwhile."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client

from integrator.desk import paging
from integrator.engine import cases
from integrator.models import Case
from tests.desk import factories

As = Callable[[str], Client]


@pytest.fixture
def differences(db: None, at: datetime, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """Seven, an hour apart, on pages of three."""
    monkeypatch.setattr(paging, "PAGE", 3)
    found = []
    for number in range(7):
        opened = at - timedelta(hours=10 - number)
        found.append(factories.case("SYSTEMS_DIFFER", opened, cause=f"compare:{number}"))
    return found


def shown(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'href="/cases/(\d+)/', page)]


def further(page: str) -> str:
    (link,) = re.findall(r'href="([^"]+)">Show more', page)
    return f"/monitors/{html.unescape(link)}"


def test_the_next_page_goes_on_where_the_last_one_ended(
    differences: list[Case], at: datetime, as_: As
) -> None:
    fiona = as_("fiona")
    first = fiona.get("/monitors/?show=differ").content.decode()
    assert shown(first) == [one.pk for one in differences[:3]]

    for one in differences[:2]:  # mended before "Show more" is pressed
        cases.solve(one, resolution="FIXED_HERE", trace=factories.trace(at), reason="mended")
    second = fiona.get(further(first)).content.decode()
    third = fiona.get(further(second)).content.decode()

    assert shown(second) == [one.pk for one in differences[3:6]]
    assert shown(third) == [differences[6].pk]
    assert "Show more" not in third and "First page" in third


@pytest.mark.parametrize("show", ["owed", "stalled", "overdue", "found", "differ"])
def test_a_place_that_means_nothing_is_the_beginning(
    differences: list[Case], as_: As, show: str
) -> None:
    for after in ("50", "x_1", "2026-11-27T10:00:00_1"):
        page = as_("fiona").get("/monitors/", {"show": show, "after": after})
        assert page.status_code == 200
        assert "First page" not in page.content.decode()
