"""A word nobody knows, and a word that shall mean something else: seen, tried, answered."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fulfilment.models import Location
from integrator.desk import directory
from integrator.models import Approval, Mapping
from tests.journeys.test_corrections import second_warehouse
from tests.story import Row, Stage

SKU = "JKT-NVY-M"


def page(stage: Stage, name: str, query: str = "") -> str:
    """The workbench as somebody reads it."""
    directory.forget()  # of another story's connections
    person = stage.people[name]
    if person.pk not in stage.browsers:
        stage.browsers[person.pk] = Client()
        stage.browsers[person.pk].force_login(person)
    answer = stage.browsers[person.pk].get(f"{reverse('mappings')}?{query}")
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def key(stage: Stage, theirs: str) -> str:
    return f"{stage.connection('returngo').pk}:LOCATION:{theirs}"


def saves(stage: Stage, name: str, theirs: str, ours: str) -> int:
    word = key(stage, theirs)
    return stage.posts(stage.people[name], "mapping_save", word=word, ours=ours).status_code


def comes_from(stage: Stage, place: str) -> Row:
    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma, location=place)
    return rma


def meanings(theirs: str) -> list[tuple[str, bool]]:
    """What a word has meant, oldest first, and whether that holds."""
    rows = Mapping.objects.filter(theirs=theirs, connection__platform="returngo")
    return [(one.ours, one.ended_at is None) for one in rows.order_by("version")]


def test_a_word_that_stops_two_returns_is_answered_once(stage: Stage) -> None:
    before = stage.sellable(SKU)
    comes_from(stage, "WH-9")
    comes_from(stage, "WH-9")
    assert stage.sellable(SKU) == before - 2

    shown = page(stage, "omar", f"word={key(stage, 'WH-9')}&ours=hamburg")
    assert "1 word has no meaning yet, 2 records wait" in shown
    assert "Location WH-9 2 records" in shown
    assert "What waits 2 records none all go on" in shown
    assert "met 2 times in the last 30 days" in shown

    assert saves(stage, "omar", "WH-9", "hamburg") == 302
    assert stage.sellable(SKU) == before - 2  # for thirty seconds it can be taken back
    stage.passes(minutes=4, step=2)

    assert stage.sellable(SKU) == before == stage.stock_there(SKU)["truth"]
    assert (stage.open_cases(), stage.owed()) == ([], [])
    assert "Every word that was met has a meaning" in page(stage, "omar")


def test_another_meaning_takes_two_people_and_moves_nothing_that_is_booked(stage: Stage) -> None:
    second_warehouse(stage)
    comes_from(stage, "WH-1")
    here, there = stage.sellable(SKU), stage.stock_there(SKU, "WH-BER")["sellable"]

    assert saves(stage, "omar", "WH-1", "berlin") == 302
    assert meanings("WH-1") == [("hamburg", True)]
    asked = Approval.objects.get(record_kind="mapping")
    assert "You asked: somebody else must agree." in page(
        stage, "omar", f"word={key(stage, 'WH-1')}"
    )
    stage.posts(stage.omar, "mapping_agree", asked.pk, answer="agree")
    assert meanings("WH-1") == [("hamburg", True)]

    stage.posts(stage.ada, "mapping_agree", asked.pk, answer="agree")
    assert meanings("WH-1") == [("hamburg", False), ("berlin", True)]
    assert Mapping.objects.get(theirs="WH-1", ended_at=None, ours="berlin").made_by == "user:omar"
    assert (stage.sellable(SKU), stage.stock_there(SKU, "WH-BER")["sellable"]) == (here, there)

    told = page(stage, "omar", f"word={key(stage, 'WH-1')}")
    assert "2 Warehouse Berlin (berlin) omar" in told
    assert "1 Warehouse Hamburg (hamburg) the set-up file" in told

    comes_from(stage, "WH-1")
    assert stage.stock_there(SKU, "WH-BER")["sellable"] == there + 1
    assert stage.sellable(SKU) == here - 1  # the one that was sold now


def test_a_refusal_leaves_it_as_it_was_and_no_word_is_answered_twice(stage: Stage) -> None:
    second_warehouse(stage)
    saves(stage, "omar", "WH-1", "berlin")
    asked = Approval.objects.get(record_kind="mapping")
    assert stage.posts(stage.ada, "mapping_agree", asked.pk, answer="no").status_code == 404
    stage.posts(stage.ada, "mapping_agree", asked.pk, answer="refuse")
    stage.posts(stage.ada, "mapping_agree", asked.pk, answer="agree")
    assert meanings("WH-1") == [("hamburg", True)]


def test_who_asked_takes_it_back(stage: Stage) -> None:
    second_warehouse(stage)
    saves(stage, "omar", "WH-1", "berlin")
    asked = Approval.objects.get(record_kind="mapping")
    assert "Take it back" in page(stage, "omar", f"word={key(stage, 'WH-1')}")
    stage.posts(stage.ada, "mapping_agree", asked.pk, answer="take_back")
    asked.refresh_from_db()
    assert asked.state == "ASKED"

    stage.posts(stage.omar, "mapping_agree", asked.pk, answer="take_back")
    stage.posts(stage.ada, "mapping_agree", asked.pk, answer="agree")

    assert meanings("WH-1") == [("hamburg", True)]
    assert "Waits for a second person" not in page(stage, "ada", f"word={key(stage, 'WH-1')}")


def test_what_was_changed_meanwhile_is_not_changed_by_an_older_question(stage: Stage) -> None:
    second_warehouse(stage)
    place = Location.objects.get(code="hamburg")
    Location.objects.create(retailer=place.retailer, code="bremen", name="Bremen")
    for ours in ("berlin", "bremen"):
        saves(stage, "omar", "WH-1", ours)
    first, second = Approval.objects.filter(record_kind="mapping").order_by("id")
    stage.posts(stage.ada, "mapping_agree", second.pk, answer="agree")
    stage.posts(stage.ada, "mapping_agree", first.pk, answer="agree")

    assert meanings("WH-1") == [("hamburg", False), ("bremen", True)]
    first.refresh_from_db()
    assert first.state == "ASKED"


@pytest.mark.parametrize("name", ["carla", "fiona", "conrad"])
def test_only_operations_and_admins_change_what_places_are_called(stage: Stage, name: str) -> None:
    with pytest.raises(PermissionDenied):
        saves(stage, name, "WH-1", "hamburg")
    assert "Only operations or an integration admin" in page(
        stage, name, f"word={key(stage, 'WH-1')}"
    )


def test_a_place_we_do_not_have_is_named_at_its_field(stage: Stage) -> None:
    comes_from(stage, "WH-9")
    assert saves(stage, "omar", "WH-9", "nowhere") == 422
    answer = stage.posts(stage.omar, "mapping_save", word=key(stage, "WH-9"), ours="nowhere")
    said = '<a href="#m-ours">What it means: choose one from the list</a>'
    assert said in answer.content.decode()
    assert meanings("WH-9") == []
    stage.case("MAPPING_MISSING")


def test_a_likely_meaning_is_shown_with_its_reasons_and_not_applied(stage: Stage) -> None:
    place = Location.objects.get(code="hamburg")
    comes_from(stage, f"  {place.name.upper()}".strip())
    word = key(stage, place.name.upper())

    shown = page(stage, "omar", f"word={word}")
    assert f"We suggest “{place.name}" in shown
    assert "is the same name" in shown
    assert meanings(place.name.upper()) == []
    stage.case("MAPPING_MISSING")

    comes_from(stage, "ZZ-1")
    assert "We have no suggestion" in page(stage, "omar", f"word={key(stage, 'ZZ-1')}")


def test_what_is_understood_is_counted_by_what_was_met(stage: Stage) -> None:
    for place in ("WH-1", "WH-1", "WH-9"):
        comes_from(stage, place)
    shown = page(stage, "omar", "tab=location")
    assert "Location, ReturnGO 66.6 %" in shown
    assert "WH-1 → Warehouse Hamburg hamburg 2" in shown
    # We write it, and never hear it.
    assert "WH-HAM → Warehouse Hamburg hamburg not counted" in shown


def test_a_second_name_for_a_place_is_pointed_out_where_only_one_may_be(stage: Stage) -> None:
    second_warehouse(stage)
    for platform, theirs, warns in (("scayle", "WH-BER", True), ("returngo", "WH-2", False)):
        word = f"{stage.connection(platform).pk}:LOCATION:{theirs}"
        shown = page(stage, "omar", f"word={word}&ours=hamburg")
        assert ("One thing to know: Warehouse Hamburg (hamburg) is also WH-HAM" in shown) == warns


def test_the_page_asks_no_more_for_many_words(stage: Stage) -> None:
    costs = []
    page(stage, "omar")  # signs in
    for words in (1, 6):
        for number in range(words):
            comes_from(stage, f"WH-{words}{number}")
        with CaptureQueriesContext(connection) as asked:
            page(stage, "omar", "tab=waiting")
        costs.append(len(asked))
    assert costs[0] == costs[1] <= 15
