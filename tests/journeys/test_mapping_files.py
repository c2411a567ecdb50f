"""Words taken along as a file, brought back, looked at row by row, and only then saved."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fulfilment.models import Location
from integrator.desk import directory
from integrator.engine import mapping_files, mappings
from integrator.engine.mapping_files import Verdict
from integrator.models import Approval, CaseEvent, Export, Mapping, MappingFile, MappingKind
from tests.journeys.test_corrections import second_warehouse
from tests.story import Stage

SKU = "JKT-NVY-M"
HEAD = ("Connection", "Kind", "Word", "Meaning", "Version")
Row = Sequence[object]


def browser(stage: Stage, name: str) -> Client:
    directory.forget()  # of another story's connections
    person = stage.people[name]
    if person.pk not in stage.browsers:
        stage.browsers[person.pk] = Client()
        stage.browsers[person.pk].force_login(person)
    return stage.browsers[person.pk]


def text_of(content: bytes) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", content.decode())).split())


def brings(stage: Stage, rows: Sequence[Row], name: str = "omar") -> MappingFile:
    """Somebody brings rows as a CSV file, and is shown what they come to."""
    lines = StringIO()
    csv.writer(lines).writerows([HEAD, *rows])
    file = SimpleUploadedFile("words.csv", lines.getvalue().encode())
    answer = browser(stage, name).post(reverse("mapping_bring"), {"file": file})
    assert answer.status_code == 302, text_of(answer.content)
    return MappingFile.objects.latest("id")


def page(stage: Stage, file: MappingFile, query: str = "", name: str = "omar") -> str:
    answer = browser(stage, name).get(f"{reverse('mapping_file', args=[file.pk])}?{query}")
    assert answer.status_code == 200
    return text_of(answer.content)


def presses(stage: Stage, name: str, what: str, file: MappingFile, **data: str) -> str:
    """Press a button of the file's page. Returns what is said on the next one."""
    there = reverse(f"mapping_{what}", args=[file.pk])
    answer = browser(stage, name).post(there, data, follow=True)
    return text_of(answer.content)


def meanings(*words: str) -> dict[str, str]:
    rows = Mapping.objects.filter(theirs__in=words, ended_at=None, connection__platform="returngo")
    return dict(rows.values_list("theirs", "ours"))


def place(word: str, ours: str = "hamburg", version: str = "") -> Row:
    return ("returngo", "Location", word, ours, version)


def said(stage: Stage, word: str, ours: str) -> None:
    mappings.save(
        connection=stage.connection("returngo"),
        kind=MappingKind.LOCATION,
        theirs=word,
        ours=ours,
        trace=stage.trace("user:ada"),
    )


def test_five_thousand_rows_with_twelve_errors_show_those_twelve_and_cancelling_changes_nothing(
    stage: Stage,
) -> None:
    before = Mapping.objects.count()
    rows = [place(f"HH-{number}") for number in range(5_000)]
    for number in range(12):
        rows[number * 400] = place(f"HH-{number * 400}", "nowhere")
    costs = []
    brings(stage, rows[:1])  # signs in
    for some in (rows[:1], rows):
        with CaptureQueriesContext(database) as asked:
            file = brings(stage, some)
        costs.append(len(asked))
    assert costs[0] == costs[1] <= 30

    shown = page(stage, file)
    assert "5,000 rows; 12 of them cannot be taken" in shown
    found = re.findall(r"([\d,]+) (?:bad )?Meaning: we have no “nowhere”, write hamburg", shown)
    assert found == [f"{2 + number * 400:,}" for number in range(12)]
    assert "Save 4,988, leave 12 out" in shown

    assert "Nothing was changed" in presses(stage, "omar", "cancel", file)
    assert Mapping.objects.count() == before
    assert not MappingFile.objects.filter(pk=file.pk).exists()


def test_five_thousand_new_words_are_saved_with_few_questions_and_exactly_as_shown(
    stage: Stage,
) -> None:
    costs = []
    for rows in (1, 5_000):
        file = brings(stage, [place(f"HH-{rows}-{number}") for number in range(rows)])
        with CaptureQueriesContext(database) as asked:
            stage.posts(stage.omar, "mapping_confirm", file.pk)
        costs.append(len(asked))
    assert costs[1] - costs[0] == 4  # they are written a thousand at a time

    saved = Mapping.objects.filter(theirs__startswith="HH-5", ours="hamburg", made_by="user:omar")
    assert saved.count() == 5_000
    assert "It was confirmed already" in presses(stage, "omar", "confirm", file)
    assert Mapping.objects.filter(theirs__startswith="HH-5").count() == 5_000


def test_what_waits_for_a_word_of_the_file_goes_on_in_order(stage: Stage) -> None:
    before = stage.sellable(SKU)
    for _ in range(2):
        rma = stage.comes_back(stage.sold(SKU))
        stage.warehouse_checks(rma, location="WH-9")
    file = brings(stage, [place("WH-9"), place("WH-10")])
    assert "2 records go on" in page(stage, file)

    shown = presses(stage, "omar", "confirm", file)
    assert "1 word saved; 1 word that records wait for: they go on in 30 s" in shown
    assert meanings("WH-9", "WH-10") == {"WH-10": "hamburg"}  # for 30 s it can be taken back
    stage.passes(minutes=4, step=2)

    assert meanings("WH-9") == {"WH-9": "hamburg"}
    assert stage.sellable(SKU) == before == stage.stock_there(SKU)["truth"]
    assert (stage.open_cases(), stage.owed()) == ([], [])


def test_another_meaning_waits_for_a_second_person_and_new_words_do_not(stage: Stage) -> None:
    second_warehouse(stage)
    file = brings(stage, [place("WH-1", "berlin"), place("WH-7")])
    assert "Warehouse Hamburg hamburg Warehouse Berlin berlin not met in" in page(stage, file)

    presses(stage, "omar", "confirm", file)
    assert meanings("WH-1", "WH-7") == {"WH-1": "hamburg", "WH-7": "hamburg"}
    listed = text_of(browser(stage, "ada").get(reverse("mappings")).content)
    assert "Wait for a second person 1 word changes its meaning by words.csv omar asked" in listed

    shown = page(stage, file)
    assert "You asked: somebody else must agree." in shown
    assert "omar brought it 10:00 . 2 rows. The new word holds. The word that is to change" in shown
    assert "cannot be the one" in presses(stage, "omar", "answer", file, answer="agree")
    assert meanings("WH-1") == {"WH-1": "hamburg"}

    presses(stage, "ada", "answer", file, answer="agree")
    assert meanings("WH-1") == {"WH-1": "berlin"}
    assert "2 rows. The rows are as they were when it was saved." in page(stage, file)
    assert Mapping.objects.get(theirs="WH-1", ours="berlin", ended_at=None).made_by == "user:omar"
    assert "decided already" in presses(stage, "ada", "answer", file, answer="agree")
    told = text_of(browser(stage, "ada").get("/audit/").content)
    assert (
        "asked a second person to agree to 1 other meaning of a file two people 10:00 words.csv"
        in told
    )
    assert "agreed to 1 other meaning of a file two people 10:00 words.csv" in told
    assert "saved a file of meanings" in told


def test_a_refusal_leaves_other_meanings_as_they_were(stage: Stage) -> None:
    second_warehouse(stage)
    file = brings(stage, [place("WH-1", "berlin")])
    presses(stage, "omar", "confirm", file)
    presses(stage, "ada", "answer", file, answer="no")  # no button says that
    assert "A second person refused" not in page(stage, file, name="ada")
    presses(stage, "ada", "answer", file, answer="refuse")

    assert "A second person refused" in page(stage, file, name="ada")
    assert "decided already" in presses(stage, "ada", "answer", file, answer="agree")
    assert meanings("WH-1") == {"WH-1": "hamburg"}


def test_who_brought_it_takes_the_other_meanings_back_and_new_words_hold(stage: Stage) -> None:
    second_warehouse(stage)
    file = brings(stage, [place("WH-1", "berlin"), place("WH-7")])
    presses(stage, "omar", "confirm", file)
    word = f"{stage.connection('returngo').pk}:LOCATION:WH-1"
    told = text_of(browser(stage, "ada").get(reverse("mappings"), {"word": word}).content)
    assert "It is in words.csv" in told
    assert "it will mean “Warehouse Berlin (berlin)”" in told

    assert "Only who asked" in presses(stage, "ada", "answer", file, answer="take_back")
    presses(stage, "omar", "answer", file, answer="take_back")
    assert "decided already" in presses(stage, "ada", "answer", file, answer="agree")

    assert "omar took it back" in page(stage, file, name="ada")
    assert meanings("WH-1", "WH-7") == {"WH-1": "hamburg", "WH-7": "hamburg"}
    told = text_of(browser(stage, "ada").get(reverse("mappings"), {"word": word}).content)
    assert "words.csv" not in told


@pytest.mark.parametrize(
    "rows",
    [
        [place("WH-1", "hamburg"), place("WH-7")],  # shown as it is
        [place("WH-1", "bremen"), place("WH-7")],  # shown as another meaning
        [place("NEW"), place("WH-7")],  # shown as new
    ],
)
def test_nothing_is_saved_when_a_rule_changed_since_the_rows_were_shown(
    stage: Stage, rows: Sequence[Row]
) -> None:
    second_warehouse(stage)
    Location.objects.create(retailer=stage.retailer, code="bremen", name="Bremen")
    file = brings(stage, rows)
    word = str(rows[0][2])
    said(stage, word, "berlin")

    shown = presses(stage, "omar", "confirm", file)
    assert f"Row 2: “{word}” was changed since these rows were shown, it means berlin now" in shown
    assert meanings(word, "WH-7") == {word: "berlin"}
    assert not Approval.objects.filter(record_kind="mapping_file").exists()


def test_nobody_agrees_to_rows_whose_rule_was_replaced_since(stage: Stage) -> None:
    second_warehouse(stage)
    said(stage, "WH-2", "hamburg")
    file = brings(stage, [place("WH-1", "berlin"), place("WH-2", "berlin")])
    presses(stage, "omar", "confirm", file)
    said(stage, "WH-2", "berlin")

    assert "Row 3: “WH-2” was changed" in presses(stage, "ada", "answer", file, answer="agree")
    assert meanings("WH-1") == {"WH-1": "hamburg"}


def test_a_word_somebody_changed_since_the_file_was_taken_is_not_taken_back(stage: Stage) -> None:
    second_warehouse(stage)
    said(stage, "WH-1", "berlin")
    old, all_the_same = place("WH-1", "hamburg", "1"), place("WH-1", "hamburg")
    shown = page(stage, brings(stage, [old]))
    assert "Version: it was changed since this file was taken, to berlin." in shown
    assert "1 word changes its meaning" in page(stage, brings(stage, [all_the_same]))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("nobody", "Location", "X", "hamburg", ""), "Connection: write one of returngo, scayle"),
        (
            ("returngo", "Colour", "X", "hamburg", ""),
            "Kind: write one of Location, Reason, Resolution,",
        ),
        (("returngo", "Location", " ", "hamburg", ""), "Nothing can be said for all other words"),
        (("returngo", "Location", "W" * 201, "hamburg", ""), "Word: use at most 200 characters"),
        (
            ("returngo", "Resolution", "X", "GIFT", ""),
            "we have no “GIFT”, write one of EXCHANGE, REFUND,",
        ),
        (("returngo", "SKU", "X", "NO-SUCH", ""), "Meaning: we know no SKU “NO-SUCH”"),
        (("returngo", "Reason", "X\x00", "small", ""), "it holds a sign that cannot be kept"),
        (("returngo", "Reason", "X", "s" * 201, ""), "Meaning: use at most 200 characters"),
    ],
)
def test_what_cannot_be_taken_names_its_column_and_how_to_mend_it(
    stage: Stage, row: Row, says: str
) -> None:
    file = brings(stage, [row, place("WH-7")])

    assert "1 cannot be taken 0 words change their meaning 0 start later 1 new 0 unchanged" in page(
        stage, file
    )
    assert says in page(stage, file)
    presses(stage, "omar", "confirm", file)
    assert Mapping.objects.filter(theirs__in=["X", " "]).count() == 0
    assert meanings("WH-7") == {"WH-7": "hamburg"}


def test_an_empty_meaning_takes_none_away_and_a_row_counts_once(stage: Stage) -> None:
    second_warehouse(stage)
    rows = [place("WH-1", ""), place("A"), place("A"), place("*")]
    file = brings(stage, rows)

    shown = page(stage, file, "rows=same")
    assert "left empty, so it stays as it is" in shown
    assert "said in row 3 already" in shown
    presses(stage, "omar", "confirm", file)
    # An asterisk is a word like any other, and stands for no other.
    assert meanings("WH-1", "A", "*", "B") == {"WH-1": "hamburg", "A": "hamburg", "*": "hamburg"}


def test_of_rows_that_contradict_each_other_none_is_saved(stage: Stage) -> None:
    second_warehouse(stage)
    rows = [place("A"), place("A"), place("A", "berlin"), place("WH-1"), place("WH-1", "berlin")]
    file = brings(stage, [*rows, place("B")])

    shown = page(stage, file)
    for row, other, means, this in (
        (2, 4, "berlin", "hamburg"),
        (3, 4, "berlin", "hamburg"),
        (4, 2, "hamburg", "berlin"),
        (5, 6, "berlin", "hamburg"),  # it means that already
        (6, 5, "hamburg", "berlin"),
    ):
        why = f"row {other} says {means}, this row says {this}: leave one of them"
        assert f"{row} Meaning: {why}" in shown
    assert "Save 1, leave 5 out" in shown
    presses(stage, "omar", "confirm", file)
    assert meanings("A", "B", "WH-1") == {"B": "hamburg", "WH-1": "hamburg"}


def test_a_word_that_waits_for_another_team_is_theirs_to_answer(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order, resolution="Voucher")
    stage.warehouse_checks(rma)
    stage.case("REFUND_MODE_UNKNOWN")
    row = ("returngo", "Resolution", "Voucher", "STORE_CREDIT", "")

    assert "Word: Customer service must answer it" in page(stage, brings(stage, [row]))


def test_a_second_name_for_a_place_is_pointed_out(stage: Stage) -> None:
    file = brings(stage, [("scayle", "Location", "WH-2", "hamburg", "")])
    assert "hamburg is also WH-HAM there" in page(stage, file)


def test_only_its_maker_sees_and_saves_what_is_not_saved_yet(stage: Stage) -> None:
    file = brings(stage, [place("WH-7")])
    there = reverse("mapping_file", args=[file.pk])
    for name in ("ada", "fiona"):
        assert browser(stage, name).get(there).status_code == 404
    assert browser(stage, "ada").post(reverse("mapping_confirm", args=[file.pk])).status_code == 404
    with pytest.raises(PermissionDenied):
        stage.posts(stage.people["carla"], "mapping_bring")

    assert mapping_files.forget(at=stage.now() + timedelta(hours=23)) == 0
    assert mapping_files.forget(at=stage.now() + timedelta(hours=25)) == 1
    assert not MappingFile.objects.exists()


def test_a_copy_is_on_record_and_comes_back_unchanged(stage: Stage) -> None:
    for word in ("=1+1", "'=1", " WH 1 ", "'t Huis", "+49", "a\nb", "007", "1e5", "TRUE", 'ä,;"x'):
        said(stage, word, "hamburg")
    there = reverse("mapping_take")
    for form in ("csv", "xlsx"):
        answer = browser(stage, "fiona").get(f"{there}?tab=all&form={form}")
        content = answer.getvalue()
        assert answer["Content-Disposition"].endswith(f'.{form}"')
        taken = Export.objects.latest("id")
        assert (taken.what, taken.row_count) == ("meanings of words", Mapping.objects.count())

        file = SimpleUploadedFile(f"back.{form}", content)
        answer = browser(stage, "omar").post(reverse("mapping_bring"), {"file": file})
        assert answer.status_code == 302, text_of(answer.content)
        counts = MappingFile.objects.latest("id").counts
        assert counts == dict.fromkeys(Verdict, 0) | {"SAME": taken.row_count}


def test_what_waits_is_taken_along_with_an_open_meaning(stage: Stage) -> None:
    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma, location="WH-9")
    answer = browser(stage, "omar").get(f"{reverse('mapping_take')}?tab=waiting&form=csv")
    rows = list(csv.DictReader(StringIO(answer.getvalue().decode("utf-8-sig"))))

    (row,) = rows
    assert (row["Word"], row["Meaning"], row["Records that wait"]) == ("WH-9", "", "1")
    row["Meaning"] = "hamburg"
    file = brings(stage, [[row[name] for name in HEAD]])
    presses(stage, "omar", "confirm", file)
    stage.passes(minutes=4, step=2)
    assert stage.open_cases() == []
    assert CaseEvent.objects.filter(kind="DECIDED", actor="user:omar").count() == 1
