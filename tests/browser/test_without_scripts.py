"""The main task of each team with scripts switched off: links, forms and buttons are enough."""

from __future__ import annotations

from datetime import UTC, datetime

from finance.models import Refund
from integrator.desk import directory
from integrator.models import Case, CaseState, Mapping
from tests.browser.conftest import Desk, House
from tests.journeys.causes import CAUSES


def presses(desk: Desk, label: str) -> None:
    """A button of the page, or a link that looks like one."""
    desk.page.get_by_role("button", name=label).first.click()
    desk.page.wait_for_load_state()


def sends(desk: Desk) -> None:
    """The one button of the form that is open."""
    desk.page.locator("form.preview [type=submit]").click()
    desk.page.wait_for_load_state()


def test_an_unknown_word_is_mapped_and_what_waited_goes_on(house: House) -> None:
    stage = house.stage
    CAUSES["MAPPING_MISSING"](stage)
    with house.desk("omar", java_script_enabled=False) as desk:
        desk.opens("/queue/")
        desk.page.get_by_role("link", name="we do not know this location").first.click()
        presses(desk, "Map it")
        desk.page.get_by_label("This is our").select_option("hamburg")
        sends(desk)
    stage.passes(minutes=6, step=2)
    assert stage.open_cases() == []
    assert stage.owed() == []


def test_two_people_agree_to_a_payment_by_hand(house: House) -> None:
    stage = house.stage
    CAUSES["REFUND_BY_HAND"](stage)
    case = stage.case("REFUND_BY_HAND")
    with house.desk("fiona", java_script_enabled=False) as desk:
        desk.opens(f"/cases/{case.pk}/")
        presses(desk, "I paid it by hand")
        sends(desk)  # nothing was typed
        assert "2 things to change" in desk.page.content()
        desk.page.get_by_label("Reference of the payment").fill("BANK-77")
        desk.page.get_by_label("How it was paid").fill("By bank transfer")
        sends(desk)
    with house.desk("conrad", java_script_enabled=False) as desk:
        desk.opens(f"/cases/{case.pk}/")
        presses(desk, "Agree")
    stage.passes(minutes=4, step=1)
    assert Refund.objects.get().reference == "BANK-77"
    assert stage.open_cases() == []


def test_a_return_is_tied_to_the_order_it_belongs_to(house: House) -> None:
    stage = house.stage
    CAUSES["RETURN_ORDER_UNKNOWN"](stage)
    (case,) = Case.objects.exclude(state=CaseState.SOLVED)
    with house.desk("carla", java_script_enabled=False) as desk:
        desk.opens(f"/cases/{case.pk}/")
        presses(desk, "It belongs to this order")
        desk.page.get_by_label("Order number").fill("DE-70001")
        sends(desk)
    stage.passes(minutes=2, step=1)
    case.refresh_from_db()
    assert case.state == CaseState.SOLVED


def test_words_are_brought_as_a_file_looked_at_and_saved(house: House) -> None:
    content = b"Connection,Kind,Word,Meaning\nreturngo,Location,HH-1,hamburg\n"
    with house.desk("omar", java_script_enabled=False) as desk:
        desk.opens("/mappings/")
        desk.page.get_by_role("link", name="Download or upload a file").click()
        desk.page.get_by_label("CSV or XLSX file").set_input_files(
            {"name": "words.csv", "mimeType": "text/csv", "buffer": content}
        )
        presses(desk, "Check the file")
        assert not Mapping.objects.filter(theirs="HH-1").exists()
        presses(desk, "Save 1")
        assert "1 word saved" in desk.page.content()
    assert Mapping.objects.get(theirs="HH-1").ours == "hamburg"


def test_rows_are_put_close_and_columns_taken_away(house: House) -> None:
    house.stage.sold()
    with house.desk("omar", java_script_enabled=False) as desk:
        desk.opens("/orders/")
        assert desk.page.get_by_role("columnheader", name="Country").count() == 1
        presses(desk, "Put the rows close together")
        desk.page.get_by_text("Columns", exact=True).click()
        desk.page.get_by_label("Country").uncheck()
        presses(desk, "Show these")
        assert desk.page.get_by_role("columnheader", name="Country").count() == 0
        assert desk.page.locator("html[data-rows=compact]").count() == 1
        assert desk.page.locator("[data-copy]:visible").count() == 0


def test_a_return_is_found_narrowed_to_and_read_again(house: House) -> None:
    stage = house.stage
    rma = stage.comes_back(stage.sold("JKT-NVY-M"))
    number = stage.returned(rma).external_id
    with house.desk("carla", java_script_enabled=False) as desk:
        desk.opens("/returns/")
        desk.page.get_by_role("link", name="Operations 1").click()
        desk.page.get_by_role("link", name="Received 1").click()
        assert "stage=RECEIVED" in desk.page.url and "team=OPERATIONS" in desk.page.url
        desk.page.get_by_role("link", name=number).first.click()
        assert "Received, not checked yet" in desk.page.content()
        assert desk.page.get_by_role("button", name="Print the slip").count() == 0
        presses(desk, "Read again from ReturnGO")
        pk = stage.returned(rma).pk
        assert desk.page.url.endswith(f"/returns/{pk}/#read-return-{pk}")
        desk.page.get_by_label("Find an order").fill(number)
        desk.page.keyboard.press("Enter")
        desk.page.wait_for_url(f"**/returns/{pk}/")


def test_maintenance_is_announced_and_a_pause_kept(house: House) -> None:
    stage = house.stage
    shop = stage.connection("scayle").pk
    with house.desk("ada", java_script_enabled=False) as desk:
        desk.opens(f"/connections/{shop}/")
        desk.page.get_by_role("button", name="Announce maintenance").click()
        sends(desk)  # nothing was typed
        assert "3 things to change" in desk.page.content()
        desk.page.get_by_label("Starts").fill("2026-03-02T14:00")
        desk.page.get_by_label("Ends").fill("2026-03-02T16:00")
        desk.page.get_by_label("Reason").fill("A new release")
        sends(desk)
        assert "SCAYLE will be down from 14:00 to 16:00" in desk.page.content()
        desk.page.get_by_role("button", name="Cancel… the maintenance").click()
        sends(desk)  # without a word
        assert "1 thing to change" in desk.page.content()
        desk.page.get_by_role("link", name="Back", exact=True).click()
        stage.clock.move_to(datetime(2026, 3, 2, 13, 0, tzinfo=UTC))
        stage.tick_and_work()
        directory.forget()
        desk.opens(f"/connections/{shop}/")
        desk.page.get_by_role("button", name="Keep it paused").click()
        desk.page.get_by_label("Reason").fill("It looks wrong")
        sends(desk)
        assert "until somebody switches it on" in desk.page.content()
    assert stage.connection("scayle").state_reason == "It looks wrong"


def test_a_queue_is_gone_through_skipped_handed_over_undone_and_scanned(house: House) -> None:
    stage = house.stage
    CAUSES["RETURN_ORDER_UNKNOWN"](stage)
    case = stage.case("RETURN_ORDER_UNKNOWN")
    with house.desk("carla", java_script_enabled=False) as desk:
        desk.opens("/queue/")
        desk.page.get_by_role("link", name="Case by case").click()
        assert f"case={case.pk}" in desk.page.url
        desk.page.get_by_role("button", name="Hand over").click()
        desk.page.get_by_label("To which team").select_option("OPERATIONS")
        sends(desk)  # without a word
        assert "1 thing to change" in desk.page.content()
        desk.page.get_by_label("What they should know or do").fill("Which parcel was it in?")
        sends(desk)
        assert "Handed over to Operations" in desk.page.content()
        presses(desk, "Undo")
        assert "Undone" in desk.page.content()
        desk.opens("/queue/")
        desk.page.get_by_role("link", name="Case by case").click()
        desk.page.get_by_role("button", name="Skip…").click()
        desk.page.get_by_label("Why you skip it").select_option("UNCLEAR")
        sends(desk)
        assert "Nothing is left here that is free for you" in desk.page.content()
        desk.page.get_by_label("Scan or type a SKU").fill(f"C-{case.pk}")
        desk.page.get_by_role("button", name="Open", exact=True).click()
        assert desk.page.url.endswith(f"/cases/{case.pk}/")
        assert "skipped it" in desk.page.content()
