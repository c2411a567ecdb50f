"""The usual cases of each team without a mouse: three keys at most once the page is open."""

from __future__ import annotations

from datetime import date

import pytest

from integrator import access_reviews
from integrator.models import Approval, CaseEvent
from tests.browser.conftest import Desk, House
from tests.journeys.causes import CAUSES

SENDS = "Control+Enter"
LEADS_ON = ("1", "2", "4", "n", "u", "a", "Enter", SENDS)
WORDS = "Seen there, it is as it should be"


def strikes(desk: Desk, *keys: str) -> None:
    """Each key at a person's pace, and the page it leads to. Words are typed into their field."""
    for key in keys:
        if key == WORDS:
            desk.page.keyboard.type(key)
        elif key in LEADS_ON:
            with desk.page.expect_navigation(timeout=15_000):
                desk.page.keyboard.press(key)
        else:
            desk.page.keyboard.press(key)
            # Longer than any scanner waits between two keys, by the clock of the page itself.
            desk.page.evaluate("new Promise((next) => setTimeout(next, 90))")


# By team: what its people see most, and the keys that end it. Letters choose from a list; the
# sentence a case asks for is typed besides.
USUAL = [
    ("carla", "RETURN_NOT_READ", ["1", "Enter"]),
    ("carla", "REFUND_MODE_UNKNOWN", ["1", "r", SENDS]),
    ("carla", "EXCHANGE_NO_STOCK", ["1", "Enter"]),
    ("carla", "EXCHANGE_DATA_MISSING", ["1", "Enter"]),
    ("carla", "COMPLETE_FAILED", ["1", "Enter"]),
    ("omar", "MAPPING_MISSING", ["1", "w", SENDS]),
    ("omar", "RESTOCK_FAILED", ["1", "Enter"]),
    ("omar", "ORDER_NOT_READ", ["1", "Enter"]),
    ("omar", "SKU_DISCONTINUED", ["4", "Enter"]),
    ("omar", "WRITE_SWITCHED_OFF", ["2", "Enter"]),
    ("fiona", "REFUND_REFUSED", ["1", "Enter"]),
    ("fiona", "REFUND_MORE_THAN_PAID", ["1", "Enter"]),
    ("fiona", "REFUND_NOT_MIRRORED", ["1", "Enter"]),
    ("fiona", "SYSTEMS_DIFFER", ["1", WORDS, SENDS]),
    ("fiona", "REFUND_NOT_RECORDED", ["1", WORDS, SENDS]),
    ("ada", "JOB_FAILED", ["1", "Enter"]),
    ("ada", "JOB_CRASHES", ["1", "Enter"]),
    ("ada", "CREDENTIALS_REFUSED", ["1", "Enter"]),
    ("ada", "STATUS_NOT_POSTED", ["1", "Enter"]),
    ("ada", "STOCK_AUTHORITY_MISSING", ["1", "Enter"]),
]


@pytest.mark.requirement("R011")
@pytest.mark.parametrize(("name", "kind", "keys"), USUAL, ids=[one[1] for one in USUAL])
def test_a_usual_case_takes_three_keys(house: House, name: str, kind: str, keys: list[str]) -> None:
    """From the queue: opened by its key, and ended by three at most."""
    assert len(keys) <= 3
    stage = house.stage
    CAUSES[kind](stage)
    case = stage.some_case(kind)
    with house.desk(name) as desk:
        desk.opens(f"/queue/?kind={kind}")
        strikes(desk, "n")
        assert f"case={case.pk}" in desk.page.url
        strikes(desk, *keys)
        assert desk.page.get_by_role("status").count() > 0
    assert list(case.events.filter(kind="DECIDED").values_list("actor", flat=True)) == [
        f"user:{name}"
    ]


def test_every_team_has_five_usual_kinds() -> None:
    teams = {name: [kind for who, kind, _ in USUAL if who == name] for name, _, _ in USUAL}

    assert sorted(teams) == ["ada", "carla", "fiona", "omar"]
    assert all(len(kinds) >= 5 for kinds in teams.values())


@pytest.mark.requirement("R011")
def test_a_queue_is_gone_through_by_keys_with_a_reason_for_what_is_skipped(house: House) -> None:
    stage = house.stage
    for kind in ("RETURN_ORDER_UNKNOWN", "RETURN_NOT_READ"):
        CAUSES[kind](stage)
    with house.desk("carla") as desk:
        desk.opens("/queue/")
        strikes(desk, "n")
        first = desk.page.locator("#case-title").inner_text()
        strikes(desk, "n", "t", SENDS)  # skip; because it takes longer; send
        second = desk.page.locator("#case-title").inner_text()
        assert second != first
        strikes(desk, "a", "n")  # taken: on without a reason
        assert "Nothing is left here that is free for you" in desk.page.content()
    skipped = CaseEvent.objects.get(kind="SKIPPED")
    assert skipped.data == {"why": "TOO_LONG"}


@pytest.mark.requirement("R011")
def test_what_was_done_last_is_undone_by_its_key(house: House) -> None:
    stage = house.stage
    CAUSES["RETURN_ORDER_UNKNOWN"](stage)
    case = stage.case("RETURN_ORDER_UNKNOWN")
    with house.desk("carla") as desk:
        desk.opens(f"/queue/?case={case.pk}")
        strikes(desk, "a")
        case.refresh_from_db()
        assert case.assignee == stage.carla
        strikes(desk, "u")
        assert "Undone" in desk.page.get_by_role("status").first.inner_text()
        assert f"case={case.pk}" in desk.page.url, "where one was"
    case.refresh_from_db()
    assert case.assignee is None


def test_a_second_person_agrees_by_two_keys(house: House) -> None:
    """One alone does nothing: it only reaches the button."""
    stage = house.stage
    CAUSES["REFUND_BY_HAND"](stage)
    case = stage.case("REFUND_BY_HAND")
    stage.presses(case, "paid_by_hand", by=stage.fiona, reference="BANK-1")
    with house.desk("conrad") as desk:
        desk.opens(f"/cases/{case.pk}/")
        strikes(desk, "y")
        assert Approval.objects.get().state == "ASKED"
        strikes(desk, "Enter")
    assert Approval.objects.get().state in ("GRANTED", "USED")


def test_a_team_goes_through_its_queue_by_keys(house: House) -> None:
    """From the list to a case and back, and what is typed into a field is no command."""
    stage = house.stage
    for kind in ("RETURN_ORDER_UNKNOWN", "UNIT_RETURNED_TWICE"):
        CAUSES[kind](stage)
    with house.desk("carla") as desk:
        desk.opens("/queue/")
        strikes(desk, "j", "Enter")
        opened = desk.page.url
        assert "case=" in opened or "/cases/" in opened
        strikes(desk, "/")
        desk.page.keyboard.type("1ac")
        assert desk.page.url == opened
        assert desk.page.input_value("#find") == "1ac"


def test_lines_are_ticked_one_by_one_and_up_to_here(house: House) -> None:
    """x and Shift+x, and not where somebody types or has switched single keys off."""
    stage = house.stage
    for kind in ("MAPPING_MISSING", "SKU_DISCONTINUED", "EXCHANGE_RELEASE_BY_HAND"):
        CAUSES[kind](stage)
    with house.desk("omar") as desk:
        desk.opens("/queue/operations/")
        count = desk.page.locator("[data-ticked]")
        desk.page.locator(".q-row").first.focus()
        strikes(desk, "x")
        assert count.inner_text() == "(1)"
        strikes(desk, "j", "j", "Shift+X")
        assert count.inner_text() == "(3)"
        strikes(desk, "x")
        assert count.inner_text() == "(2)"
        strikes(desk, "/", "x")
        assert count.inner_text() == "(2)"
        desk.page.locator("#many-do").select_option("take")
        with desk.page.expect_navigation():
            desk.page.get_by_role("button", name="Preview").click()
        assert desk.page.locator("h1").inner_text() == "Take 2 cases"


def test_from_anywhere_to_a_return_and_what_its_customer_may_hear(house: House) -> None:
    """g r leads to the list, its number in the field to its page; Control+K copies the sentence."""
    stage = house.stage
    rma = stage.comes_back(stage.sold("JKT-NVY-M"))
    number = stage.returned(rma).external_id
    with house.desk("carla", permissions=["clipboard-read", "clipboard-write"]) as desk:
        desk.opens("/queue/")
        strikes(desk, "g")
        with desk.page.expect_navigation():
            desk.page.keyboard.press("r")
        assert desk.page.locator("h1").inner_text() == "Returns"
        strikes(desk, "/")
        desk.page.keyboard.type(number)
        strikes(desk, "Enter")
        assert desk.page.locator("h1").inner_text() == f"Return {number}"
        strikes(desk, "Control+k")
        desk.page.locator("#palette-q").fill("copy the sentence")
        desk.page.keyboard.press("Enter")
        desk.page.locator(".copied").wait_for()
        told = desk.page.evaluate("navigator.clipboard.readText()")
    assert told == (
        f"Your return {number} has arrived and is not checked yet."
        " Your refund has not been sent yet."
    )


def test_the_slip_is_printed_by_the_palette(house: House) -> None:
    stage = house.stage
    rma = stage.comes_back(stage.sold("JKT-NVY-M"))
    with house.desk("omar") as desk:
        desk.opens(f"/returns/{stage.returned(rma).pk}/")
        desk.page.evaluate("window.print = () => { document.title = 'printed'; }")
        strikes(desk, "Control+k")
        desk.page.locator("#palette-q").fill("print")
        desk.page.keyboard.press("Enter")
        desk.page.wait_for_function("document.title === 'printed'")
        desk.page.emulate_media(media="print")
        assert desk.page.locator(".slip-code svg").is_visible()
        for gone in ("#timeline", ".trust", "#fc-h", ".side"):
            assert not desk.page.locator(gone).is_visible()


def test_a_review_of_roles_goes_on_by_one_key_a_role(house: House) -> None:
    """Each key decides and leads to the next row, which offers the same reason."""
    stage = house.stage
    review = access_reviews.begin_due(today=date(2026, 1, 28), at=stage.now())
    assert review is not None
    with house.desk("ada") as desk:
        desk.opens(f"/people/reviews/{review.pk}/")
        desk.page.locator("#next input[name=reason]").fill("Still works here")
        with desk.page.expect_navigation(timeout=15_000):
            desk.page.keyboard.press("Enter")
        for key in ("e", "d"):
            desk.page.get_by_role("link", name="The same reason").click()
            desk.page.wait_for_url("**same=1*")
            with desk.page.expect_navigation(timeout=15_000):
                desk.page.keyboard.press(key)
    kept = review.items.filter(decision__reason="Still works here").order_by("decision__id")
    assert list(kept.values_list("decision__keeps", flat=True)) == [True, True, False]
