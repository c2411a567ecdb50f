"""A word is tried before a platform sends it: what would happen, and by whose word."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fulfilment.models import Location
from integrator.desk import directory
from integrator.engine import mappings
from integrator.models import Case, Mapping, MappingKind
from tests.story import Stage

SKU = "JKT-NVY-M"


def tries(stage: Stage, theirs: str, kind: str = "LOCATION", platform: str = "returngo") -> str:
    """The page for a word, as operations read it; its address can be passed on."""
    number = stage.connection(platform).pk
    status, shown = answer(stage, connection=number, kind=kind, theirs=theirs)
    assert status == 200
    return shown


def answer(stage: Stage, **given: object) -> tuple[int, str]:
    directory.forget()  # of another story's connections
    browser = stage.browsers.setdefault(stage.omar.pk, Client())
    browser.force_login(stage.omar)
    found = browser.get(f"{reverse('mapping_try')}?{urlencode(given)}")
    return found.status_code, " ".join(
        unescape(re.sub(r"<[^>]+>", " ", found.content.decode())).split()
    )


def says(stage: Stage, platform: str, kind: MappingKind, theirs: str, ours: str) -> None:
    mappings.save(
        connection=stage.connection(platform),
        kind=kind,
        theirs=theirs,
        ours=ours,
        trace=stage.trace("user:omar"),
    )


def test_a_word_with_a_rule_says_what_a_unit_that_came_so_would_lead_to(stage: Stage) -> None:
    shown = tries(stage, "WH-1")

    assert "WH-1 means “Warehouse Hamburg (hamburg)”" in shown
    assert "The rule, version 1 , by the set-up file, since" in shown
    assert "A unit checked there is booked to Warehouse Hamburg. One that may be sold" in shown
    assert "goes back on sale in SCAYLE" in shown


def test_where_another_system_counts_we_would_write_nothing(stage: Stage) -> None:
    Location.objects.filter(code="hamburg").update(authority="scend")

    assert "Scend counts the stock of this place: we write no figure" in tries(stage, "WH-1")


def test_a_word_without_a_rule_would_wait_and_says_for_whom(stage: Stage) -> None:
    shown = tries(stage, "WH-9")
    assert "No rule answers WH-9" in shown
    assert "there is no default" in shown
    assert "would wait, and so would what depends on it. Nothing would be booked" in shown
    assert "It would be a case for Operations, to be answered within 4 hours" in shown
    assert "Waits for it now nothing" in shown

    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma, location="WH-9")
    stage.case("MAPPING_MISSING")
    assert "Waits for it now 1 record" in tries(stage, "WH-9")
    assert "WH-9 Location ReturnGO 1" in tries(stage, "WH-1")  # what was met lately, to choose from


@pytest.mark.parametrize(
    ("sent", "said", "differs"),
    [
        ("wh-1", "", "the capitals"),
        ("WH-1 ", "the word ends with 1 blank", "the blanks"),
        ("  WH -1", "the word begins with 2 blanks", "the blanks"),
        (" wh-1", "the word begins with 1 blank", "the capitals and the blanks"),
    ],
)
def test_what_almost_matches_is_shown_and_does_not_answer(
    stage: Stage, sent: str, said: str, differs: str
) -> None:
    shown = tries(stage, sent)

    assert "No rule answers" in shown
    assert said in shown
    assert f"WH-1 Warehouse Hamburg (hamburg) {differs}: it does not answer for" in shown
    assert "Similar words that do not count" in shown
    assert "Similar words" not in tries(stage, "WH-11")


def test_a_platforms_own_list_goes_before_our_rules(stage: Stage) -> None:
    says(stage, "returngo", MappingKind.RESOLUTION, "RefundToPaymentMethod", "STORE_CREDIT")

    shown = tries(stage, "RefundToPaymentMethod", "RESOLUTION")
    assert "means “Refund to the payment method”" in shown
    assert "ReturnGO’s own list of words. No rule of ours is asked." in shown

    says(stage, "returngo", MappingKind.RESOLUTION, "GiftCard", "STORE_CREDIT")
    assert "The customer gets store credit for the unit." in tries(stage, "GiftCard", "RESOLUTION")
    assert "a case for Customer service" in tries(stage, "Voucher", "RESOLUTION")


def test_how_it_comes_back_says_what_money_waits_for(stage: Stage) -> None:
    shown = tries(stage, "Ship with any carrier", "METHOD")
    assert "Before any money goes back it must be approved and inspected." in shown
    assert "Nothing is sent back" in tries(stage, "No shipment required", "METHOD")


def test_words_that_no_step_asks_for_do_not_claim_to_wait(stage: Stage) -> None:
    assert "no step asks for their meaning" in tries(stage, "too small", "REASON")
    assert "we only write them" in tries(stage, "WH-9", platform="scayle")
    assert "Stock of Warehouse Hamburg is posted to SCAYLE under this name" in tries(
        stage, "WH-HAM", platform="scayle"
    )


def test_what_is_missing_is_named_and_what_was_typed_is_kept(stage: Stage) -> None:
    status, shown = answer(stage, connection="", kind="NONE", theirs="W" * 201)

    assert status == 200
    for said in ("Connection: choose who", "Kind: choose what", "Word: use at most 200"):
        assert said in shown
    assert answer(stage)[0] == 200
    _, shown = answer(stage, theirs="a\x00b", kind="SKU", connection="99999999999999999999")
    assert "2 things to change" in shown


def test_trying_changes_nothing_and_asks_little(stage: Stage) -> None:
    before = (Mapping.objects.count(), Case.objects.count())
    tries(stage, "WH-1")
    with CaptureQueriesContext(database) as asked:
        tries(stage, "WH-9")

    assert (Mapping.objects.count(), Case.objects.count()) == before
    assert len(asked) <= 25  # signing in among them
