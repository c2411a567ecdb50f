"""Undoing what stays in the house, handing over with a note, and changes under somebody's hands."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client

from finance.cases import SYSTEMS_DIFFER
from integrator.engine import by_hand, cases
from integrator.engine.states import Trace
from integrator.engine.worker import Worker
from integrator.flows import CASE_KINDS, QUEUES, ROUTES
from integrator.models import Case, CaseEvent, Transition
from tests.desk import factories

As = Callable[[str], Client]
CODE = SYSTEMS_DIFFER.code


@pytest.fixture
def case(db: None, at: datetime) -> Case:
    return factories.case(CODE, at)


def read(answer: Any) -> str:
    return unescape(answer.content.decode())


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", read(answer)))


def version(client: Client, case: Case) -> str:
    found = re.search(r'name="version" value="(\d+)"', read(client.get(f"/cases/{case.pk}/")))
    assert found is not None
    return found[1]


def does(client: Client, case: Case, verb: str, **data: str) -> Any:
    """Press it as the page does; the page that comes after it."""
    data.setdefault("version", version(client, case))
    return client.post(f"/cases/{case.pk}/{verb}/", data, follow=True)


def way_back(page: Any) -> str:
    found = re.search(r'action="(/cases/\d+/undo/\d+/)"', read(page))
    assert found is not None, "nothing to undo is offered"
    return found[1]


def undoes(client: Client, page: Any) -> str:
    return words(client.post(way_back(page), follow=True))


def state_of(case: Case) -> dict[str, Any]:
    names = ("state", "assignee_id", "snoozed_until", "snoozed_for", "resolution", "solved_at")
    found: dict[str, Any] = Case.objects.values(*names, "handed_to").get(pk=case.pk)
    return found


SNOOZE = {"until": "tomorrow", "note": "The warehouse answers tomorrow"}
CLOSE = {"resolution": "NOT_AN_ERROR", "note": "Looked, fine"}
OVER = {"to": "OPERATIONS", "note": "Is it on your shelf?"}
INSIDE = [
    ("assign", {"to": "me", "assignee": ""}),
    ("snooze", SNOOZE),
    ("solve", CLOSE),
    ("hand-over", OVER),
    ("note", {"note": "Asked the shop"}),
    ("act/not_an_error", {"note": "Rounding"}),
]


@pytest.mark.requirement("R011")
@pytest.mark.parametrize(("verb", "data"), INSIDE, ids=[one[0] for one in INSIDE])
def test_what_stays_in_the_house_is_undone_and_nothing_is_erased(
    case: Case, as_: As, verb: str, data: dict[str, str]
) -> None:
    fiona, before = as_("fiona"), state_of(case)
    events = case.events.count()

    page = does(fiona, case, verb, **data)
    assert 'data-key="u"' in read(page)
    said = undoes(fiona, page)

    assert f"Undone: C-{case.pk} is as it was before" in said
    assert state_of(case) == before
    assert case.events.count() == events + 2, "what was done, and that it was undone"
    undone = case.events.latest("id")
    assert (undone.kind, undone.actor) == ("UNDONE", "user:fiona")
    assert "fiona undid that" in said
    assert "(undone)" in said


def test_undoing_gives_back_what_was_before_and_not_only_nothing(
    case: Case, as_: As, people: dict[str, User], at: datetime
) -> None:
    """Snoozed, taken by Frank, handed over: each of it is there again."""
    fiona, frank, omar = as_("fiona"), as_("frank"), as_("omar")
    does(frank, case, "assign", to="me", assignee="")
    does(fiona, case, "hand-over", **OVER)
    does(omar, case, "snooze", until="CHANGE", note="later")
    before = state_of(case)
    assert before["handed_to"] == "OPERATIONS" and before["snoozed_for"] == "CHANGE"

    undoes(fiona, does(fiona, case, "solve", **CLOSE))
    assert state_of(case) == before
    undoes(omar, does(omar, case, "wake"))
    assert state_of(case) == before
    back = {"to": "FINANCE", "note": "Not here"}
    undoes(omar, does(omar, case, "hand-over", **back))
    assert state_of(case) == before


def test_giving_back_is_undone_to_who_had_it(case: Case, as_: As, people: dict[str, User]) -> None:
    fiona = as_("fiona")
    does(fiona, case, "assign", to="me", assignee="")

    page = does(fiona, case, "assign", to="", assignee=str(people["fiona"].pk))
    undoes(fiona, page)

    assert state_of(case)["assignee_id"] == people["fiona"].pk


@pytest.mark.requirement("R011")
def test_it_is_refused_plainly_when_somebody_changed_it_in_between(case: Case, as_: As) -> None:
    fiona, frank = as_("fiona"), as_("frank")
    page = does(fiona, case, "snooze", **SNOOZE)
    does(frank, case, "wake")
    before, events = state_of(case), case.events.count()

    said = undoes(fiona, page)

    assert "Nothing was undone. Something else happened to the case since" in said
    assert (state_of(case), case.events.count()) == (before, events)


def test_nobody_undoes_what_another_did_and_nothing_is_undone_twice(case: Case, as_: As) -> None:
    fiona, frank = as_("fiona"), as_("frank")
    page = does(fiona, case, "assign", to="me", assignee="")

    assert "Only who did it can undo it" in undoes(frank, page)
    assert as_("carla").post(way_back(page)).status_code == 403
    undoes(fiona, page)
    assert "It was undone already" in undoes(fiona, page)
    assert case.events.filter(kind="UNDONE").count() == 1


def test_what_leaves_the_house_has_its_thirty_seconds_and_no_undo(at: datetime, as_: As) -> None:
    case = factories.case("RETURN_ORDER_UNKNOWN", at, record=("return", 5))
    carla = as_("carla")

    page = does(carla, case, "act/match_return", order_number="100482913")

    assert "it leaves in 30 s" in words(page)
    assert "/undo/" not in read(page)
    event = case.events.get(kind="DECIDED")
    said = words(carla.post(f"/cases/{case.pk}/undo/{event.pk}/", follow=True))
    assert "Nothing was undone. This cannot be undone." in said


def test_closing_as_not_an_error_is_undone_before_and_after_the_worker_did_it(
    case: Case, as_: As, at: datetime
) -> None:
    fiona = as_("fiona")

    page = does(fiona, case, "act/not_an_error", note="Rounding")
    undoes(fiona, page)
    works()
    assert state_of(case)["state"] == "OPEN", "the decision was undone before it was carried out"

    page = does(fiona, case, "act/not_an_error", note="Rounding")
    works()
    assert state_of(case)["state"] == "SOLVED"
    undoes(fiona, page)
    assert state_of(case)["state"] == "OPEN"
    moved = Transition.objects.filter(record_kind="case", record_id=case.pk).latest("id")
    assert (moved.new, moved.actor, moved.reason) == ("OPEN", "user:fiona", "Undone")


def works() -> None:
    worker = Worker(ROUTES, threads=0)
    while worker.round(QUEUES):
        pass


def test_what_was_undone_was_not_done_by_hand(case: Case, as_: As, at: datetime) -> None:
    fiona = as_("fiona")
    undoes(fiona, does(fiona, case, "solve", **CLOSE))

    hours = timedelta(hours=1)
    counted = by_hand.decisions_between(CASE_KINDS, at - hours, at + hours)

    assert list(counted) == []


def test_a_comment_that_is_taken_back_is_named_and_not_shown(case: Case, as_: As) -> None:
    fiona = as_("fiona")
    page = does(fiona, case, "note", note="Wrong customer")

    said = undoes(fiona, page)

    assert "Wrong customer" not in said
    assert "fiona wrote (undone)" in said
    assert case.events.get(kind="NOTED").note.text == "Wrong customer"  # type: ignore[union-attr]


def test_the_key_is_in_the_help_and_among_the_own_keys(as_: As) -> None:
    fiona = as_("fiona")

    assert "<kbd>u</kbd>" in read(fiona.get("/shortcuts/"))
    assert "Undo what you did last" in read(fiona.get("/my-keys/"))


def test_the_audit_page_tells_what_was_handed_over_skipped_and_undone(case: Case, as_: As) -> None:
    fiona = as_("fiona")
    does(fiona, case, "skip", why="TOO_LONG")
    undoes(fiona, does(fiona, case, "hand-over", **OVER))

    told = words(as_("ada").get("/audit/?kind=handling"))

    assert "handed it over to Operations" in told
    assert "skipped it: takes longer than I have now" in told
    assert "undid that: it is with the team it was with" in told


# --- handing over ---------------------------------------------------------------------------------


@pytest.mark.requirement("R011")
def test_handing_over_takes_a_note_which_stands_on_top(case: Case, as_: As) -> None:
    fiona, omar = as_("fiona"), as_("omar")
    refused = does(fiona, case, "hand-over", to="OPERATIONS", note=" ")
    assert refused.status_code == 422
    assert "What they should know or do: say it in one sentence" in read(refused)
    assert not case.events.filter(kind="HANDED_OVER").exists()

    does(fiona, case, "assign", to="me", assignee="")
    does(fiona, case, "hand-over", **OVER)

    assert "from Finance" in words(omar.get("/queue/operations/"))
    assert "with Operations" in words(fiona.get("/queue/finance/")), "the owner still sees it"
    page = words(omar.get(f"/cases/{case.pk}/"))
    assert "Handed over to Operations “Is it on your shelf?”" in page
    assert "Nobody has taken it; it is with Operations" in page


def test_the_counts_of_a_queue_hold_what_was_handed_over(case: Case, as_: As) -> None:
    does(as_("fiona"), case, "hand-over", **OVER)

    page = words(as_("omar").get("/queue/operations/"))

    assert "Needs us 1" in page
    assert "1 needs us" in words(as_("omar").get("/"))


def test_handing_over_moves_the_work_and_not_the_right_to_decide(case: Case, as_: As) -> None:
    omar = as_("omar")
    assert omar.post(f"/cases/{case.pk}/assign/", {"to": "me", "assignee": ""}).status_code == 403
    does(as_("fiona"), case, "hand-over", **OVER)

    for verb, data in (("act/not_an_error", {"note": "x"}), ("solve", CLOSE)):
        assert omar.post(f"/cases/{case.pk}/{verb}/", data).status_code == 403, verb
    assert "Close it…" not in words(omar.get(f"/cases/{case.pk}/"))
    does(omar, case, "hand-over", to="FINANCE", note="Shelf 4, one piece")

    assert state_of(case)["handed_to"] == ""
    assert "Handed back to Finance “Shelf 4, one piece”" in words(
        as_("fiona").get(f"/cases/{case.pk}/")
    )
    assert omar.post(f"/cases/{case.pk}/assign/", {"to": "me", "assignee": ""}).status_code == 403


def test_it_is_handed_to_who_works_on_cases_and_has_not_got_it(case: Case, as_: As) -> None:
    for nobody in ("FINANCE", "AUDITOR", "MARS", ""):
        answer = does(as_("fiona"), case, "hand-over", to=nobody, note="Please")
        assert answer.status_code == 422, nobody
    with pytest.raises(IntegrityError, match="case_handed_to_another"), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(handed_to="FINANCE")


def test_a_closed_case_lies_with_nobody(case: Case, as_: As, at: datetime) -> None:
    does(as_("fiona"), case, "hand-over", **OVER)
    case.refresh_from_db()
    trace = Trace(at=at, actor="worker")
    cases.solve(case, resolution=Case.Resolution.BY_ITSELF, trace=trace, reason="It agrees again")

    assert state_of(case)["handed_to"] == ""
    assert f"C-{case.pk}" not in words(as_("omar").get("/queue/operations/"))
    factories.case(CODE, at)  # it comes back: to its owner, and without the old note
    assert "Handed over to" not in words(as_("omar").get(f"/cases/{case.pk}/")).replace(
        "handed it over to", ""
    )


# --- changes under somebody's hands ---------------------------------------------------------------


@pytest.mark.requirement("R011")
def test_who_decides_on_what_has_changed_sees_what_and_keeps_what_they_typed(
    case: Case, as_: As, at: datetime
) -> None:
    """Other facts, then a colleague: both are told, and nothing was overwritten."""
    fiona, frank = as_("fiona"), as_("frank")
    seen = version(fiona, case)
    factories.case(CODE, at, facts={"ours": "EUR 12.00"})
    does(frank, case, "hand-over", **OVER)

    answer = does(fiona, case, "snooze", **SNOOZE, version=seen)

    assert answer.status_code == 409
    said = words(answer)
    assert "saw it again, with other details: ours EUR 129.95 → EUR 12.00" in said
    assert "frank handed it over to Operations" in said
    assert "Nothing of yours was done" in said
    assert "The warehouse answers tomorrow</textarea>" in read(answer)
    assert state_of(case)["state"] == "OPEN"
    assert does(fiona, case, "snooze", **SNOOZE).status_code == 200, "looked at, and pressed again"
    assert state_of(case)["state"] == "SNOOZED"


def test_a_comment_or_a_taking_of_another_holds_nobody_up(case: Case, as_: As) -> None:
    fiona, frank = as_("fiona"), as_("frank")
    seen = version(fiona, case)
    does(frank, case, "note", note="Looking")
    does(frank, case, "assign", to="me", assignee="")

    assert does(fiona, case, "solve", **CLOSE, version=seen).status_code == 200
    assert CaseEvent.objects.filter(case=case, kind="SOLVED").exists()


def test_who_was_handed_a_case_gives_it_back_without_choosing(case: Case, as_: As) -> None:
    own = read(as_("fiona").get(f"/cases/{case.pk}/?do=hand_over"))
    assert "Hand over…" in own and 'value="OPERATIONS" selected' not in own
    does(as_("fiona"), case, "hand-over", **OVER)
    omar = as_("omar")

    page = read(omar.get(f"/cases/{case.pk}/?do=hand_over"))

    assert "Hand back…" in page and "Hand over…" not in page
    assert "Hand back to Finance, or on to another team" in page
    assert '<option value="FINANCE" selected>' in page


def test_the_question_stands_on_the_case_until_it_is_handed_back(case: Case, as_: As) -> None:
    """Whoever takes it has to answer it: it does not go away with the press."""
    does(as_("fiona"), case, "hand-over", **OVER)
    omar = as_("omar")
    does(omar, case, "assign", to="me", assignee="")

    page = words(omar.get(f"/cases/{case.pk}/"))

    assert "“Is it on your shelf?”" in page and "until it is handed back" in page
    does(omar, case, "hand-over", to="FINANCE", note="Yes, since Monday")
    back = words(as_("fiona").get(f"/cases/{case.pk}/"))
    assert "Handed back to Finance" in back and "until somebody takes the case" in back
    assert "until it is handed back" not in back
