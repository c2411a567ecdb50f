"""Every screen, as everybody sees it: nothing that axe objects to, nothing wider than its window,
no word in the console; in light and dark, on a desk and on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Desk, House
from tests.browser.screens import SCREENS, seen_by, troubled

WINDOWS = ((1440, 900), (360, 780))
SCHEMES = ("light", "dark")
AXE = Axe()
ONLY = "resultTypes: ['violations']"


def objections(desk: Desk) -> Iterator[str]:
    """What is wrong with the page that is open, in all its looks."""
    desk.page.evaluate(AXE.axe_script)
    for width, height in WINDOWS:
        desk.page.set_viewport_size({"width": width, "height": height})
        wider = desk.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if wider > 0:
            yield f"{width}: {wider} px wider than its window"
        for scheme in SCHEMES:
            desk.page.emulate_media(color_scheme=scheme)
            # A theme changes colours and nothing else.
            rules = f"runOnly: ['color-contrast'], {ONLY}" if scheme == "dark" else ONLY
            answer = desk.page.evaluate(f"axe.run(document, {{{rules}}})")
            for one in answer["violations"]:
                yield f"{width} {scheme}: {one['id']} at {one['nodes'][0]['html'][:100]}"


# Who sees most has a browser, and a house, of their own. Ada is last: she pauses the shop.
TOURS = (("omar",), ("carla", "fiona", "conrad", "nobody", "ada"))


def test_everybody_has_a_tour() -> None:
    assert sorted(name for names in TOURS for name in names) == sorted(SCREENS)


@pytest.mark.parametrize("names", TOURS)
def test_nothing_is_wrong_with_any_screen(house: House, names: tuple[str, ...]) -> None:
    troubled(house.stage)
    found = []
    for name in names:
        with house.desk(name) as desk:
            for path in seen_by(name, house.stage):
                assert desk.opens(path) in (200, 403, 404), path
                found += [f"{name} {path} {one}" for one in objections(desk)]
    assert found == []


def test_nothing_is_wrong_where_people_sign_in(house: House) -> None:
    found = []
    with house.desk() as desk:
        desk.opens("/")
        found += list(objections(desk))
        desk.page.fill("[name=login]", "fiona")
        desk.page.fill("[name=password]", "wrong")
        desk.page.press("[name=password]", "Enter")
        desk.page.get_by_role("alert").wait_for()
        found += list(objections(desk))
    assert found == []
