"""What scripts add to the pages of records: an id is copied, and a reading shows itself."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import House


def test_an_id_is_copied_and_the_button_says_so(house: House) -> None:
    order = house.stage.sold()
    with house.desk("carla", permissions=["clipboard-read", "clipboard-write"]) as desk:
        desk.opens(f"/orders/{house.stage.order(order).pk}/")
        desk.page.get_by_role("button", name=f"Copy order {order['id']}").press("Enter")

        expect(desk.page.locator(".copied")).to_have_text("Copied")
        assert desk.page.evaluate("navigator.clipboard.readText()") == str(order["id"])
        expect(desk.page.locator(".copied")).to_have_text("")


def test_without_scripts_an_id_has_no_button_and_the_reading_a_link(house: House) -> None:
    order = house.stage.sold()
    pk = house.stage.order(order).pk
    with house.desk("carla", java_script_enabled=False) as desk:
        desk.opens(f"/orders/{pk}/")
        expect(desk.page.get_by_role("button", name="Copy order")).to_have_count(0)
        desk.page.get_by_role("button", name="Read again from SCAYLE").click()
        assert desk.page.url.endswith(f"/orders/{pk}/#read-order-{pk}")
        house.stage.work()
        desk.page.get_by_role("link", name="Show it anew").click()

        expect(desk.page.get_by_text("Nothing changed, read at")).to_be_visible()


def test_a_reading_that_came_shows_itself_but_not_while_somebody_types(house: House) -> None:
    order = house.stage.sold()
    with house.desk("carla") as desk:
        desk.opens(f"/orders/{house.stage.order(order).pk}/")
        desk.page.get_by_role("button", name="Read again from SCAYLE").click()
        desk.page.get_by_text("Ask for goodwill…").click()
        desk.page.get_by_label("Why").fill("The parcel was")
        house.stage.work()
        desk.page.wait_for_timeout(3000)
        expect(desk.page.get_by_label("Why")).to_have_value("The parcel was")

        desk.page.get_by_label("Why").fill("")
        desk.page.get_by_label("Why").blur()

        expect(desk.page.get_by_text("Nothing changed, read at")).to_be_visible()
