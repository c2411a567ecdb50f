"""Case by case: the next that nobody else is on, and a reason for each that is passed by."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from integrator.desk import play
from integrator.engine import together
from integrator.engine.states import Trace
from integrator.engine.together import Skip
from integrator.models import Case, CaseEvent
from tests.desk import factories

As = Callable[[str], Client]
CODE = "SYSTEMS_DIFFER"


def some(at: datetime, count: int, code: str = CODE) -> list[Case]:
    """Cases, the first of which is due first."""
    return [
        factories.case(
            code, at, record=("order", number + 1), opened_at=at - timedelta(hours=count - number)
        )
        for number in range(count)
    ]


def served(answer: Any) -> int:
    """The case a way on leads to; 0 for none."""
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.url).query)
    return int(query.get("case", ["0"])[0]) if "play" in query else 0


def next_of(client: Client, queue: str = "finance", **query: Any) -> int:
    return served(client.get(f"/queue/{queue}/play/", query))


@pytest.mark.requirement("R011")
def test_everybody_is_served_a_case_of_their_own(at: datetime, as_: As) -> None:
    first, second, _ = some(at, 3)

    assert next_of(as_("fiona")) == first.pk
    assert next_of(as_("frank")) == second.pk, "Fiona has the first open"


def test_two_who_ask_in_the_same_moment_get_two_cases(
    committed: None, people: dict[str, User], at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would have looked who is on what before either is; so one of them must wait."""
    cases = some(at, 2)
    got: list[int] = []
    both_looked = threading.Barrier(2)
    free = play._free

    def looks(*asked: Any) -> list[int]:
        with suppress(threading.BrokenBarrierError):
            both_looked.wait(timeout=1)
        return free(*asked)

    def asks(name: str) -> None:
        client = Client()
        client.force_login(people[name])
        got.append(next_of(client))
        connections.close_all()

    monkeypatch.setattr(play, "_free", looks)
    threads = [threading.Thread(target=asks, args=(name,)) for name in ("fiona", "frank")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(got) == sorted(one.pk for one in cases)


def test_what_is_taken_decided_asked_or_lent_is_not_served(
    at: datetime, as_: As, people: dict[str, User]
) -> None:
    taken, decided, lent, snoozed, free = some(at, 5)
    as_("frank").post(f"/cases/{taken.pk}/assign/", {"to": "me", "assignee": ""})
    as_("frank").post(f"/cases/{decided.pk}/act/not_an_error/", {"note": "seen"})
    over = {"to": "OPERATIONS", "note": "Where is it?", "version": "0"}
    as_("frank").post(f"/cases/{lent.pk}/hand-over/", over)
    later = {"until": "CHANGE", "note": "later", "version": "0"}
    as_("frank").post(f"/cases/{snoozed.pk}/snooze/", later)

    fiona = as_("fiona")

    assert next_of(fiona) == free.pk
    assert next_of(fiona, after=free.pk) == 0
    assert "Nothing is left here that is free for you" in fiona.get("/queue/").content.decode()


def test_passing_one_by_takes_a_reason_and_leads_on(at: datetime, as_: As) -> None:
    first, second = some(at, 2)
    fiona = as_("fiona")
    page = fiona.get(fiona.get("/queue/finance/play/").url).content.decode()
    skip = unescape(re.search(r'href="([^"]+)" data-act data-key="n"', page)[1])  # type: ignore[index]
    form = fiona.get(skip).content.decode()
    way_on = unescape(re.search(r'name="next" value="(/queue/finance/play/[^"]+)"', form)[1])  # type: ignore[index]
    address = f"/cases/{first.pk}/skip/"

    refused = fiona.post(address, {"why": "", "next": way_on})
    assert refused.status_code == 422
    assert "Why you skip it: choose one from the list" in refused.content.decode()
    wordless = fiona.post(address, {"why": "OTHER", "note": " ", "next": way_on})
    assert wordless.status_code == 422
    assert "In your words: say it in one sentence" in wordless.content.decode()
    assert way_on in unescape(wordless.content.decode()), "it still leads on"
    assert not CaseEvent.objects.filter(kind="SKIPPED").exists()

    answer = fiona.post(address, {"why": "UNCLEAR", "note": "Which month?", "next": way_on})

    event = CaseEvent.objects.get(kind="SKIPPED")
    assert (event.case, event.data, event.actor) == (first, {"why": "UNCLEAR"}, "user:fiona")
    assert event.note is not None and event.note.text == "Which month?"
    assert served(fiona.get(answer.url)) == second.pk
    told = fiona.get(f"/cases/{first.pk}/").content.decode()
    assert "skipped it: not clear what to do" in told


def test_what_was_passed_by_comes_again_the_next_day_and_to_others_at_once(
    at: datetime, as_: As, people: dict[str, User]
) -> None:
    (only,) = some(at, 1)
    trace = Trace(at=at, actor="user:fiona")
    together.skip(only, why=Skip.TOO_LONG, words="", trace=trace, by=people["fiona"])

    assert next_of(as_("fiona")) == 0
    assert next_of(as_("frank")) == only.pk
    with time_machine.travel(at + timedelta(hours=16), tick=False):
        client = Client()
        client.force_login(people["fiona"])
        assert next_of(client) == only.pk


def test_a_case_that_is_skipped_twice_by_a_double_press_counts_once(at: datetime, as_: As) -> None:
    """And once more when it came again and is passed by for the same reason."""
    (only,) = some(at, 1)
    for hours in (0, 0, 16):
        with time_machine.travel(at + timedelta(hours=hours), tick=False):
            fiona = as_("fiona")
            fiona.post(f"/cases/{only.pk}/skip/", {"why": "UNCLEAR", "note": ""})
            assert next_of(fiona) == 0, "it is left alone for a working day"

    assert only.events.filter(kind="SKIPPED").count() == 2


def test_after_something_was_done_the_key_leads_on_without_a_reason(at: datetime, as_: As) -> None:
    first, second = some(at, 2)
    fiona = as_("fiona")
    shown = fiona.get("/queue/finance/play/").url
    fiona.post(f"/cases/{first.pk}/act/not_an_error/", {"note": "seen", "next": shown})

    page = fiona.get(shown).content.decode()

    way_on = unescape(re.search(r'href="([^"]+)" data-act data-key="n"', page)[1])  # type: ignore[index]
    assert served(fiona.get(way_on)) == second.pk


def test_only_the_own_queue_is_gone_through(at: datetime, as_: As) -> None:
    some(at, 1)

    assert as_("carla").get("/queue/finance/play/").status_code == 403
    assert as_("ada").get("/queue/finance/play/").status_code == 403, "she may look, not work"
    assert as_("ada").get("/queue/nothing/play/").status_code == 403
    assert "/play/" not in as_("ada").get("/queue/finance/").content.decode()
    assert "/play/" in as_("fiona").get("/queue/finance/").content.decode()


def test_a_list_that_is_narrowed_stays_so(at: datetime, as_: As) -> None:
    other, wanted = some(at, 1, "REFUND_NOT_MIRRORED")[0], some(at, 1)[0]
    assert other.pk != wanted.pk

    answer = as_("fiona").get("/queue/finance/play/", {"kind": CODE})

    assert served(answer) == wanted.pk
    assert f"kind={CODE}" in answer.url


# --- what the lead sees ---------------------------------------------------------------------------


@pytest.mark.requirement("R011")
def test_the_lead_sees_what_was_skipped_by_kind_and_each_number_opens_its_cases(
    at: datetime, as_: As, people: dict[str, User]
) -> None:
    trace = Trace(at=at, actor="user:fiona")
    for one in some(at, 2):
        together.skip(one, why=Skip.UNCLEAR, words="Which?", trace=trace, by=people["fiona"])
    (other,) = some(at, 1, "REFUND_NOT_MIRRORED")
    together.skip(other, why=Skip.TOO_LONG, words="", trace=trace, by=people["fiona"])

    lead = as_("clara")
    page = lead.get("/figures/skips/").content.decode()

    assert "Skipped: 3" in page
    found = re.findall(r'<a href="(/figures/skips/rows/[^"]+)">([\d,]+)</a>', page)
    numbers = {unescape(href): int(number) for href, number in found}
    assert {number for href, number in numbers.items() if "by=code" in href} == {2, 1, 0}
    for href, number in numbers.items():
        rows = lead.get(href).content.decode()
        assert len(re.findall(r'<th scope="row">', rows)) == number, href
    every = lead.get(next(href for href in numbers if f"of={CODE}" in href)).content.decode()
    assert "“Which?”" in every
    assert "“Which?”" not in as_("otto").get("/figures/skips/rows/").content.decode()
    assert lead.get("/figures/skips/rows/?by=why&of=nothing").status_code == 404
