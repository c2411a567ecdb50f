"""Rows of a file that say from when: planned as on the word's own page, and lossless both ways."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from io import BytesIO, StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from openpyxl import Workbook

from fulfilment.models import Location
from integrator.desk import mapping_later
from integrator.models import Approval, MappingFile, MappingPlan
from tests.journeys.test_mapping_files import (
    HEAD,
    Row,
    brings,
    browser,
    meanings,
    page,
    place,
    presses,
    said,
)
from tests.story import Stage

LATER = "2026-03-09 06:00"  # a week after the story begins


def brings_later(stage: Stage, *rows: Row, name: str = "omar") -> MappingFile:
    """Rows with a moment as their last cell."""
    lines = StringIO()
    csv.writer(lines).writerows([(*HEAD, "From when"), *rows])
    file = SimpleUploadedFile("later.csv", lines.getvalue().encode())
    answer = browser(stage, name).post(reverse("mapping_bring"), {"file": file})
    assert answer.status_code == 302
    return MappingFile.objects.latest("id")


def later(word: str, ours: str = "hamburg", moment: str = LATER) -> Row:
    return (*place(word, ours), moment)


def plans() -> list[tuple[str, str, str, str]]:
    rows = MappingPlan.objects.order_by("starts_at", "id")
    return [(one.theirs, one.ours, one.state, mapping_plans_text(one)) for one in rows]


def mapping_plans_text(plan: MappingPlan) -> str:
    return f"{plan.starts_at:%Y-%m-%d %H:%M}"


@pytest.fixture
def berlin(stage: Stage) -> None:
    Location.objects.create(
        retailer=stage.retailer, code="berlin", name="Berlin", authority="scayle"
    )


def test_a_first_meaning_from_later_on_is_planned_and_begins_by_itself(stage: Stage) -> None:
    file = brings_later(stage, later("HH-7"), (*place("HH-8"), ""))

    shown = page(stage, file, "rows=later")
    assert "from 9 Mar 2026 06:00" in shown and "nothing before then" in shown
    assert "Save 1, plan 1" in shown
    answer = presses(stage, "omar", "confirm", file)
    assert "1 word saved; 1 word planned for later" in answer
    assert plans() == [("HH-7", "hamburg", "PLANNED", "2026-03-09 05:00")]  # UTC
    assert meanings("HH-7", "HH-8") == {"HH-8": "hamburg"}
    assert not Approval.objects.exists()
    assert "It was confirmed already" in presses(stage, "omar", "confirm", file)
    assert len(plans()) == 1

    stage.passes(days=7, step=1440)
    assert meanings("HH-7") == {"HH-7": "hamburg"}


def test_where_a_word_has_a_meaning_a_second_person_is_asked_for_each(
    stage: Stage, berlin: None
) -> None:
    said(stage, "HH-7", "hamburg")
    file = brings_later(stage, later("HH-7", "berlin"))

    shown = page(stage, file)
    assert "a second person must agree" in shown and "Plan 1" in shown
    assert "1 of them needs a second person first" in shown
    assert "must be agreed to" in presses(stage, "omar", "confirm", file)
    assert [one[2] for one in plans()] == ["ASKED"]
    plan = MappingPlan.objects.get()
    browser(stage, "ada").post(reverse("mapping_plan_answer", args=[plan.pk]), {"answer": "agree"})
    assert [one[2] for one in plans()] == ["PLANNED"]

    stage.passes(days=7, step=1440)
    assert meanings("HH-7") == {"HH-7": "berlin"}


def test_of_several_later_meanings_only_the_first_is_one_persons_word(
    stage: Stage, berlin: None
) -> None:
    file = brings_later(
        stage, later("HH-7", "berlin", "2026-04-01 06:00"), later("HH-7", "hamburg")
    )
    presses(stage, "omar", "confirm", file)

    assert [one[1:3] for one in plans()] == [("hamburg", "PLANNED"), ("berlin", "ASKED")]


def test_what_holds_already_is_planned_only_where_something_else_comes_before(
    stage: Stage, berlin: None
) -> None:
    said(stage, "HH-1", "hamburg")
    said(stage, "HH-2", "hamburg")
    rows = [later("HH-1"), later("HH-2"), later("HH-2", "berlin", "2026-03-05 06:00")]
    file = brings_later(stage, *rows)

    assert (file.counts["SAME"], file.counts["LATER"]) == (1, 2)
    assert "it means this already" in page(stage, file, "rows=same")
    presses(stage, "omar", "confirm", file)
    assert [one[:3] for one in plans()] == [
        ("HH-2", "berlin", "ASKED"),
        ("HH-2", "hamburg", "ASKED"),
    ]


@pytest.mark.parametrize(
    ("moment", "says"),
    [
        ("soon", "From when: write a day and a time"),
        ("04.01.2027 06:00", "From when: write a day and a time"),
        ("2026-03-02 06:00", "From when: choose a moment to come"),
        ("2029-01-01 06:00", "From when: choose a moment to come, within two years"),
        ("2026-03-29 02:30", "From when: the clocks go forward then"),
    ],
)
def test_a_moment_that_cannot_be_is_refused_by_row_and_field(
    moment: str, says: str, stage: Stage
) -> None:
    file = brings_later(stage, later("HH-1"), later("HH-7", moment=moment))

    shown = page(stage, file, "rows=wrong")

    assert f"3 {says}" in shown
    assert f"hamburg · {moment}" in shown
    presses(stage, "omar", "confirm", file)
    assert [one[0] for one in plans()] == ["HH-1"]


def test_rows_that_contradict_a_plan_or_each_other_are_refused(stage: Stage, berlin: None) -> None:
    presses(stage, "omar", "confirm", brings_later(stage, later("HH-1")))
    file = brings_later(
        stage,
        later("HH-1", "berlin"),
        (*place("HH-2"), ""),
        later("HH-2", "berlin"),
        later("HH-3"),
        later("HH-3", "berlin"),
        later("HH-4", ""),
    )

    shown = page(stage, file, "rows=wrong")

    assert "it is to become hamburg at that moment: take that back first" in shown
    assert "row 3 gives it its first meaning" in shown
    assert "row 6 says berlin, this row says hamburg: leave one of them" in shown
    assert "row 5 says hamburg, this row says berlin: leave one of them" in shown
    assert "say what it is to mean from then on" in shown
    assert "5 of them cannot be taken" in shown


def test_nothing_is_planned_after_rows_that_contradict_each_other(
    stage: Stage, berlin: None
) -> None:
    """Nobody knows what it would come after. What comes before them is clear."""
    said(stage, "HH-2", "hamburg")
    file = brings_later(
        stage,
        (*place("HH-1"), ""),
        (*place("HH-1", "berlin"), ""),
        later("HH-1"),
        later("HH-2", "berlin", "2026-03-09 06:00"),
        later("HH-2", "hamburg", "2026-03-09 06:00"),
        later("HH-2", "hamburg", "2026-03-10 06:00"),
        later("HH-3", "berlin", "2026-03-08 06:00"),
        later("HH-3", "berlin", "2026-03-09 06:00"),
        later("HH-3", "hamburg", "2026-03-09 06:00"),
    )

    shown = page(stage, file, "rows=wrong")

    assert "4 From when: another row contradicts row 2: mend that first" in shown
    assert "7 From when: another row contradicts row 5: mend that first" in shown
    assert (file.counts["WRONG"], file.counts["LATER"]) == (8, 1)
    presses(stage, "omar", "confirm", file)
    assert [one[:3] for one in plans()] == [("HH-3", "berlin", "PLANNED")]


def test_what_was_planned_since_the_rows_were_shown_voids_them_all(
    stage: Stage, berlin: None
) -> None:
    file = brings_later(stage, later("HH-1"), later("HH-2"))
    presses(stage, "ada", "confirm", brings_later(stage, later("HH-2", "berlin"), name="ada"))
    before = plans()

    answer = presses(stage, "omar", "confirm", file)

    assert "Row 3: It is to become berlin at that moment" in answer
    assert "Nothing was saved" in answer
    assert plans() == before

    other = brings_later(stage, later("HH-3", moment="2026-03-10 06:00"))
    presses(stage, "ada", "confirm", brings_later(stage, later("HH-3"), name="ada"))
    assert "something was planned for “HH-3” since" in presses(stage, "omar", "confirm", other)


def test_a_moment_that_passed_between_look_and_word_is_refused(stage: Stage) -> None:
    moment = f"{stage.now() + timedelta(hours=1, minutes=1):%Y-%m-%d %H:%M}"  # Berlin's clock
    file = brings_later(stage, later("HH-1", moment=moment))
    assert "Plan 1" in page(stage, file)
    stage.clock.shift(120)

    assert "Row 2: Choose a moment that is still to come" in presses(stage, "omar", "confirm", file)
    assert plans() == []


def test_a_file_plans_so_many_and_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping_later, "MOST", 2)
    file = brings_later(stage, *(later(f"HH-{number}") for number in range(3)))

    assert "4 From when: a file plans at most 2" in page(stage, file, "rows=wrong")
    assert (file.counts["LATER"], file.counts["WRONG"]) == (2, 1)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_taken_along_and_brought_back_it_is_as_it_was(
    form: str, stage: Stage, berlin: None
) -> None:
    """Also the hour that is there twice, in which only a clock with its zone tells which."""
    said(stage, "HH-1", "hamburg")
    twice = ("2026-10-25 02:30+02:00", "2026-10-25 02:30+01:00")
    rows = [later("HH-1", "berlin"), later("HH-2"), *(later("HH-3", moment=one) for one in twice)]
    rows[3] = later("HH-3", "berlin", twice[1])
    presses(stage, "omar", "confirm", brings_later(stage, *rows))
    before = plans()
    assert len(before) == 4

    answer = browser(stage, "omar").get(reverse("mapping_take"), {"tab": "all", "form": form})
    content = b"".join(answer)  # type: ignore[call-overload]
    again = SimpleUploadedFile(f"again.{form}", content)
    browser(stage, "omar").post(reverse("mapping_bring"), {"file": again})
    file = MappingFile.objects.latest("id")

    assert {name: count for name, count in file.counts.items() if count} == {
        "SAME": file.counts["SAME"]
    }
    assert file.counts["SAME"] >= 5
    assert "Nothing in it would change anything" in page(stage, file)
    assert plans() == before


def test_a_spreadsheets_own_day_and_time_is_taken(stage: Stage) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append([*HEAD, "From when"])
    book.active.append([*place("HH-7"), datetime(2026, 3, 9, 6, 0)])  # noqa: DTZ001
    kept = BytesIO()
    book.save(kept)
    file = SimpleUploadedFile("later.xlsx", kept.getvalue())
    browser(stage, "omar").post(reverse("mapping_bring"), {"file": file})

    presses(stage, "omar", "confirm", MappingFile.objects.latest("id"))

    assert plans() == [("HH-7", "hamburg", "PLANNED", "2026-03-09 05:00")]


def test_a_file_of_before_counts_none_that_start_later(stage: Stage) -> None:
    file = brings(stage, [place("HH-1")])
    old = MappingFile.objects.create(
        person=stage.omar,
        name="old.csv",
        rows=[],
        counts={"WRONG": 0, "CHANGED": 0, "NEW": 0, "SAME": 0},
        prepared_at=file.prepared_at,
    )

    assert "Nothing in it would change anything" in page(stage, old)
