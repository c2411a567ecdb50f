"""Who has a case open: shown to others, soft, gone after a while of silence, and served to one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrator.models import Case, CasePresence
from tests.desk import factories

As = Callable[[str], Client]
CODE = "SYSTEMS_DIFFER"


def text_of(client: Client, path: str) -> str:
    html = client.get(path).content.decode()
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def beats(client: Client, case: Case, **more: str) -> str:
    return client.post(f"/cases/{case.pk}/here/", more).content.decode()


@pytest.fixture
def case(db: None, at: datetime) -> Case:
    return factories.case(CODE, at)


def test_others_see_who_has_a_case_open_on_its_page_and_in_the_queue(case: Case, as_: As) -> None:
    as_("frank").get(f"/cases/{case.pk}/")

    fiona = as_("fiona")

    for path in (f"/cases/{case.pk}/", f"/queue/finance/?case={case.pk}", "/queue/finance/", "/"):
        assert "Frank has had this open since" in text_of(fiona, path), path
    for path in (f"/cases/{case.pk}/", "/queue/finance/"):
        assert "Frank has had this open" not in text_of(as_("frank"), path), "no company to himself"


def test_it_lapses_after_a_while_of_silence_as_when_a_laptop_sleeps(
    case: Case, as_: As, at: datetime
) -> None:
    frank, fiona = as_("frank"), as_("fiona")
    with time_machine.travel(at, tick=False) as clock:
        frank.get(f"/cases/{case.pk}/")
        beats(frank, case)
        clock.shift(40)
        beats(frank, case)  # still there
        clock.shift(44)
        assert "Frank has had this open" in beats(fiona, case)
        clock.shift(2)
        assert "Frank has had this open" not in beats(fiona, case)
        beats(frank, case)
        assert "Frank has had this open" in beats(fiona, case), "it woke up again"


def test_since_when_is_not_moved_by_staying(case: Case, as_: As, at: datetime) -> None:
    frank = as_("frank")
    with time_machine.travel(at, tick=False) as clock:
        frank.get(f"/cases/{case.pk}/")
        for _ in range(4):
            clock.shift(30)
            beats(frank, case)
        assert CasePresence.objects.get().since == at
        clock.shift(60)
        beats(frank, case)
        assert CasePresence.objects.get().since == at + timedelta(seconds=180)


def test_without_scripts_opening_the_page_counts_for_a_while(
    case: Case, as_: As, at: datetime
) -> None:
    fiona = as_("fiona")
    with time_machine.travel(at, tick=False) as clock:
        as_("frank").get(f"/cases/{case.pk}/")
        clock.shift(240)
        assert "Frank has had this open" in text_of(fiona, f"/cases/{case.pk}/")
        clock.shift(120)
        assert "Frank has had this open" not in text_of(fiona, f"/cases/{case.pk}/")


def test_who_leaves_the_page_is_gone_soon(case: Case, as_: As, at: datetime) -> None:
    frank, fiona = as_("frank"), as_("fiona")
    with time_machine.travel(at, tick=False) as clock:
        beats(frank, case)
        beats(frank, case, leaves="1")
        clock.shift(6)
        assert "Frank has had this open" not in beats(fiona, case)


def test_who_may_only_look_is_nobodys_company(case: Case, as_: As) -> None:
    for name in ("otto", "carla"):
        as_(name).get(f"/cases/{case.pk}/")
    assert as_("carla").post(f"/cases/{case.pk}/here/").status_code == 204
    assert as_("otto").post(f"/cases/{case.pk}/here/").status_code == 403

    assert not CasePresence.objects.exists()
    assert "is on this" not in text_of(as_("fiona"), f"/cases/{case.pk}/")


def test_nobody_is_locked_out(case: Case, as_: As) -> None:
    as_("frank").get(f"/cases/{case.pk}/")

    answer = as_("fiona").post(f"/cases/{case.pk}/assign/", {"to": "me", "assignee": ""})

    assert answer.status_code == 302
    case.refresh_from_db()
    assert case.assignee is not None and case.assignee.username == "fiona"


def test_a_page_that_is_open_hears_what_changed(case: Case, as_: As) -> None:
    fiona, frank = as_("fiona"), as_("frank")
    assert "closed it" not in beats(fiona, case, version="0")
    frank.post(
        f"/cases/{case.pk}/solve/", {"resolution": "NOT_AN_ERROR", "note": "ok", "version": "0"}
    )

    assert "frank closed it: not an error" in beats(fiona, case, version="0")


def test_what_somebody_left_behind_does_not_pile_up(as_: As, at: datetime) -> None:
    frank = as_("frank")
    with time_machine.travel(at, tick=False) as clock:
        for number in range(5):
            one = factories.case(CODE, at, record=("order", number + 1))
            frank.get(f"/cases/{one.pk}/")
            clock.shift(600)
    assert CasePresence.objects.count() == 1


def test_a_queue_asks_once_for_all_of_its_lines(
    as_: As, at: datetime, people: dict[str, User]
) -> None:
    def statements(count: int) -> int:
        for number in range(count):
            one = factories.case(CODE, at, record=("order", 100 * count + number))
            CasePresence.objects.create(
                case=one, person=people["frank"], since=at, until=at + timedelta(hours=1)
            )
        fiona = as_("fiona")
        fiona.get("/queue/finance/")
        with CaptureQueriesContext(database) as asked:
            page = fiona.get("/queue/finance/").content.decode()
        assert "Frank has had this open" in page
        return len(asked)

    assert statements(2) == statements(20)
