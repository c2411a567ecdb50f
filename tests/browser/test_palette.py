"""Own keys, pairs, the list that Control+K opens and the help, as a browser does them."""

from __future__ import annotations

from playwright.sync_api import expect

from integrator.desk.keys import USUAL
from integrator.models import KeyChoice
from tests.browser.conftest import Desk, House
from tests.browser.test_screens import objections
from tests.journeys.causes import CAUSES

KIND = "RETURN_NOT_READ"


def a_case(house: House) -> str:
    CAUSES[KIND](house.stage)
    return f"/cases/{house.stage.some_case(KIND).pk}/"


def opens_palette(desk: Desk) -> None:
    desk.page.keyboard.press("Control+k")
    expect(desk.page.get_by_role("combobox", name="What do you look for")).to_be_focused()


def test_a_page_is_reached_by_the_first_letters_of_its_name(house: House) -> None:
    with house.desk("ada") as desk:
        desk.opens("/")
        opens_palette(desk)
        desk.page.keyboard.type("conn")
        chosen = desk.page.locator("[role=option][aria-selected=true]")
        expect(chosen).to_contain_text("Connections")
        expect(desk.page.locator("#palette [role=status]")).to_have_text("1 to choose from")
        assert desk.page.locator("#palette-q").get_attribute(
            "aria-activedescendant"
        ) == chosen.get_attribute("id")
        with desk.page.expect_navigation():
            desk.page.keyboard.press("Enter")
        assert desk.page.url == f"{house.url}/connections/"


def test_arrows_go_round_and_escape_gives_the_focus_back(house: House) -> None:
    with house.desk("ada") as desk:
        desk.opens("/people/")
        desk.page.locator("main a").first.focus()
        was = desk.page.evaluate("document.activeElement.href")
        opens_palette(desk)
        first = desk.page.locator("[role=option]").first
        expect(first).to_have_attribute("aria-selected", "true")
        desk.page.keyboard.press("ArrowUp")
        expect(desk.page.locator("[role=option]").last).to_have_attribute("aria-selected", "true")
        desk.page.keyboard.press("ArrowDown")
        expect(first).to_have_attribute("aria-selected", "true")
        for _ in range(5):
            desk.page.keyboard.press("Tab")
            assert desk.page.evaluate(
                "document.activeElement === document.body"
                " || document.querySelector('#palette').contains(document.activeElement)"
            ), "the page behind is out of reach"
        desk.page.locator("#palette-q").focus()
        desk.page.keyboard.type("nothing of the kind")
        expect(desk.page.get_by_text("Nothing is called that")).to_be_visible()
        desk.page.keyboard.press("Enter")
        desk.page.keyboard.press("Escape")
        expect(desk.page.locator("#palette")).to_be_hidden()
        assert desk.page.evaluate("document.activeElement.href") == was


def test_what_may_be_done_here_is_on_the_list(house: House) -> None:
    path = a_case(house)
    with house.desk("carla") as desk:
        desk.opens(path)
        opens_palette(desk)
        desk.page.keyboard.type("take it")
        with desk.page.expect_navigation():
            desk.page.keyboard.press("Enter")
    assert house.stage.some_case(KIND).assignee == house.stage.carla


def test_it_opens_for_the_mouse_too_and_nothing_is_wrong_with_it(house: House) -> None:
    path = a_case(house)
    with house.desk("carla") as desk:
        for button, box in (("Go to…", "#palette"), ("Keys", "#help")):
            desk.opens(path)
            desk.page.get_by_role("button", name=button).click()
            expect(desk.page.locator(box)).to_be_visible()
            assert list(objections(desk)) == []
            desk.page.mouse.click(5, 5)
            expect(desk.page.locator(box)).to_be_hidden()
            desk.page.set_viewport_size({"width": 1440, "height": 900})


def test_without_scripts_nothing_of_it_is_shown(house: House) -> None:
    with house.desk("carla", java_script_enabled=False) as desk:
        desk.opens("/my-keys/")
        expect(desk.page.get_by_text("Go to…")).to_be_hidden()
        desk.page.get_by_label("Take a case, or give it back").fill("t")
        desk.page.get_by_role("button", name="Save").click()
    assert KeyChoice.objects.get().keys["take"] == "t"


def test_a_changed_key_works_and_the_old_one_does_not(house: House) -> None:
    path = a_case(house)
    KeyChoice.objects.create(person=house.stage.carla, keys=USUAL.of | {"take": "t", "go": "z"})
    with house.desk("carla") as desk:
        desk.opens(path)
        desk.page.keyboard.press("a")
        desk.page.wait_for_timeout(300)
        assert house.stage.some_case(KIND).assignee is None
        with desk.page.expect_navigation():
            desk.page.keyboard.press("t")
        with desk.page.expect_navigation():
            desk.page.keyboard.type("zo")
        assert desk.page.url == f"{house.url}/orders/"


def test_keys_that_are_off_do_nothing_and_those_with_control_go_on(house: House) -> None:
    path = a_case(house)
    KeyChoice.objects.create(person=house.stage.carla, is_on=False, keys=dict(USUAL.of))
    with house.desk("carla") as desk:
        desk.opens(path)
        desk.page.keyboard.type("1a?go/")
        desk.page.wait_for_timeout(300)
        assert desk.page.url == f"{house.url}{path}"
        assert house.stage.some_case(KIND).assignee is None
        assert desk.page.locator("dialog").count() == 0
        opens_palette(desk)
        desk.page.keyboard.type("comment")
        with desk.page.expect_navigation():
            desk.page.keyboard.press("Enter")
        desk.page.get_by_role("textbox", name="Comment").fill("Seen")
        with desk.page.expect_navigation():
            desk.page.keyboard.press("Control+Enter")
    assert house.stage.some_case(KIND).events.filter(kind="NOTED").exists()


def test_pairs_lead_to_pages_and_a_half_one_does_nothing(house: House) -> None:
    path = a_case(house)
    with house.desk("carla") as desk:
        desk.opens(path)
        desk.page.keyboard.type("gx")
        desk.page.keyboard.press("g")
        desk.page.keyboard.press("Escape")
        desk.page.wait_for_timeout(300)
        assert desk.page.url == f"{house.url}{path}"
        desk.page.locator("#find").focus()
        desk.page.keyboard.type("go")
        assert desk.page.input_value("#find") == "go"
        desk.page.locator("main").focus()
        with desk.page.expect_navigation():
            desk.page.keyboard.type("gq")
        assert "/queue/" in desk.page.url
        desk.page.keyboard.press("?")
        expect(desk.page.get_by_role("heading", name="Keys")).to_be_visible()
        desk.page.keyboard.press("Escape")
        expect(desk.page.locator("#help")).to_be_hidden()


def test_behind_the_help_no_key_does_anything(house: House) -> None:
    path = a_case(house)
    with house.desk("carla") as desk:
        desk.opens(f"{path}?do=note")
        desk.page.locator("main").focus()
        desk.page.keyboard.press("?")
        expect(desk.page.locator("#help")).to_be_visible()
        desk.page.keyboard.type("ah1")
        desk.page.wait_for_timeout(300)
        desk.page.keyboard.press("Escape")
        expect(desk.page.locator("#help")).to_be_hidden()
        assert desk.page.url == f"{house.url}{path}?do=note"
    assert house.stage.some_case(KIND).assignee is None
