"""Tables in a real browser: the head stays in view, rows come closer, and paper keeps the table."""

from __future__ import annotations

from tests.browser.conftest import Desk, House
from tests.browser.screens import troubled


def height_of_a_row(desk: Desk, path: str) -> float:
    desk.opens(path)
    box = desk.page.locator(".tbl tbody tr, .q-row").first.bounding_box()
    assert box is not None
    return box["height"]


def test_the_head_of_a_long_table_stays_in_view_and_hides_nothing_that_has_the_focus(
    house: House,
) -> None:
    troubled(house.stage)
    with house.desk("ada") as desk:
        desk.page.set_viewport_size({"width": 1200, "height": 480})
        desk.opens("/audit/")
        head = desk.page.get_by_role("columnheader", name="Money")
        links = desk.page.locator(".tbl tbody a")
        assert desk.page.evaluate("scrollTo(0, 5000); scrollY") > 600

        at = head.bounding_box()
        assert at is not None and at["y"] == 0
        for place in (5, 3, 1):  # backwards, towards the head
            links.nth(place).focus()
            focused = links.nth(place).bounding_box()
            at = head.bounding_box()
            assert focused is not None and at is not None
            assert focused["y"] >= at["y"] + at["height"]


def test_rows_come_closer_on_a_desk_and_on_a_phone(house: House) -> None:
    troubled(house.stage)
    pages = ("/orders/", "/queue/", "/monitors/")
    with house.desk("omar") as desk:
        for width in (1440, 360):
            desk.page.set_viewport_size({"width": width, "height": 800})
            house.stage.posts(house.stage.omar, "density", density="normal")
            wide = [height_of_a_row(desk, path) for path in pages]
            house.stage.posts(house.stage.omar, "density", density="compact")
            close = [height_of_a_row(desk, path) for path in pages]
            assert all(one < other for one, other in zip(close, wide, strict=True)), width


def test_paper_keeps_the_table_and_says_what_it_is(house: House) -> None:
    troubled(house.stage)
    with house.desk("ada") as desk:
        desk.page.set_viewport_size({"width": 700, "height": 1000})  # an upright sheet
        desk.page.emulate_media(media="print")
        for path in ("/orders/", "/audit/", "/steps/?show=stopped", "/queue/admin/"):
            desk.opens(path)
            assert desk.page.locator(".printed").first.is_visible(), path
            assert not desk.page.get_by_role("navigation", name="Main").is_visible()
            assert desk.page.locator("main form:visible").count() == 0, path
            if path != "/queue/admin/":
                assert desk.page.get_by_role("columnheader").first.is_visible(), path
                assert (
                    desk.page.locator(".tbl tr")
                    .nth(1)
                    .evaluate("row => getComputedStyle(row).display")
                    == "table-row"
                )
            else:
                assert desk.page.locator(".q-row").first.is_visible()
