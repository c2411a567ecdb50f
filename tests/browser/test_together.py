"""Two people on one case, a scanner, and the camera, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime

from fulfilment.models import Order
from integrator.desk import presence
from integrator.models import CasePresence
from tests.browser.conftest import Desk, House
from tests.browser.test_keyboard import strikes
from tests.journeys.causes import CAUSES


def test_a_colleague_appears_on_an_open_page_and_goes_with_theirs(house: House) -> None:
    stage = house.stage
    CAUSES["REFUND_REFUSED"](stage)
    case = stage.case("REFUND_REFUSED")
    with house.desk("fiona") as fiona:
        fiona.opens(f"/cases/{case.pk}/")
        said = fiona.page.locator("[data-here]")
        assert said.inner_text().strip() == ""
        with house.desk("fred") as fred:
            fred.opens(f"/cases/{case.pk}/")
            assert "fiona has had this open since" in fred.page.locator("[data-here]").inner_text()
            looks_again(fiona)
            assert "fred has had this open since" in said.inner_text()
            fred.opens("/")
            hears_that_he_left(fred)
        stage.clock.shift(6)
        looks_again(fiona)
        assert said.inner_text().strip() == ""
        stage.presses(case, "try_again", by=stage.fred)
        looks_again(fiona)
        assert "fred decided" in said.inner_text()


def hears_that_he_left(desk: Desk) -> None:
    """What a page says while it goes comes on its own: the browser shows it to nobody."""
    for _ in range(100):
        soon = desk.stage.now() + presence.LEAVING
        if not CasePresence.objects.filter(person=desk.stage.fred, until__gt=soon).exists():
            return
        desk.page.wait_for_timeout(50)
    raise AssertionError("his page never said that he left it")


def looks_again(desk: Desk) -> None:
    """The page says that it is still open, as it does every few seconds."""
    with desk.page.expect_response(lambda answer: answer.url.endswith("/here/")) as heard:
        desk.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    heard.value.finished()
    desk.page.evaluate("new Promise((next) => setTimeout(next))")


def scans(desk: Desk, text: str) -> None:
    """Keys with no time between them, wherever the reader is; the page's clock stands still."""
    desk.page.keyboard.type(text)


def test_a_scanned_number_opens_its_case_wherever_the_reader_is(house: House) -> None:
    """None of its keys is taken for a command: 1 would press a button, n leave the page."""
    stage = house.stage
    CAUSES["RESTOCK_FAILED"](stage)
    case = stage.case("RESTOCK_FAILED")
    order = Order.objects.get(pk=case.order_id)
    with house.desk("omar") as desk:
        desk.page.clock.install()
        for year, path in ((2100, "/"), (2101, f"/queue/?case={case.pk}")):
            desk.opens(path)
            desk.page.clock.pause_at(datetime(year, 1, 1, tzinfo=UTC))
            scans(desk, f"{order.number}")
            with desk.page.expect_navigation():
                desk.page.keyboard.press("Enter")
            assert desk.page.url.endswith(f"/cases/{case.pk}/")
            desk.page.clock.resume()
    assert not case.events.filter(kind="DECIDED").exists()


def test_a_number_without_its_end_waits_in_the_box_and_slow_keys_are_commands(house: House) -> None:
    with house.desk("omar") as desk:
        desk.page.clock.install()
        desk.opens("/queue/")
        desk.page.clock.pause_at(datetime(2100, 1, 1, tzinfo=UTC))
        scans(desk, "1njx/DE-7")
        desk.page.clock.run_for(60)
        assert desk.page.input_value("#scan") == "1njx/DE-7"
        desk.page.locator("main").focus()
        scans(desk, "?")
        desk.page.clock.run_for(60)
        desk.page.clock.resume()
        desk.page.locator("#help").wait_for(state="visible")
        assert desk.page.url.endswith("/queue/")


READS = """
    window.BarcodeDetector = class { async detect() { return [{ rawValue: "%s" }]; } };
    navigator.mediaDevices.getUserMedia = async () => {
      window.asked = true;
      return document.createElement("canvas").captureStream();
    };
    HTMLMediaElement.prototype.play = async () => {};
"""
ABSENT = "delete window.BarcodeDetector;"


def test_where_the_browser_reads_codes_the_camera_opens_what_it_sees(house: House) -> None:
    stage = house.stage
    CAUSES["RESTOCK_FAILED"](stage)
    case = stage.case("RESTOCK_FAILED")
    number = Order.objects.get(pk=case.order_id).number
    phone = {"width": 360, "height": 740}
    with house.desk("omar", viewport=phone) as desk:
        desk.page.add_init_script(READS % number)
        desk.opens("/")
        assert desk.page.evaluate("window.asked") is None, "asked for only when it is pressed"
        with desk.page.expect_navigation():
            desk.page.get_by_role("button", name="Scan with the camera").click()
        assert desk.page.url.endswith(f"/cases/{case.pk}/")


def test_where_it_does_not_the_button_stays_away(house: House) -> None:
    with house.desk("omar") as desk:
        desk.page.add_init_script(ABSENT)
        desk.opens("/")
        assert not desk.page.locator("[data-camera]").is_visible()
        assert desk.page.locator("#scan").is_visible()


def test_a_camera_that_is_not_allowed_says_what_to_do(house: House) -> None:
    refuses = "navigator.mediaDevices.getUserMedia = async () => { throw new Error('no'); };"
    with house.desk("omar") as desk:
        desk.page.add_init_script((READS % "") + refuses)
        desk.opens("/")
        desk.page.get_by_role("button", name="Scan with the camera").click()
        said = desk.page.locator("#camera [role=status]")
        said.get_by_text("Allow it for this page, or type the number").wait_for()
        strikes(desk, "Escape")
        assert not desk.page.locator("#camera").is_visible()
