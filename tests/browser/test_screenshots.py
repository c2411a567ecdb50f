"""Pictures of every screen for people to look at: ``make screenshots``. They prove nothing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

from tests.browser.conftest import House
from tests.browser.screens import SCREENS, seen_by, troubled

FOLDER = Path(settings.BASE_DIR) / "screenshots"
LOOKS = {
    "light": ((1440, 900), "light"),
    "dark": ((1440, 900), "dark"),
    "phone": ((360, 780), "light"),
}


@pytest.mark.screenshots
@pytest.mark.parametrize("name", SCREENS)
def test_pictures_of_every_screen(house: House, name: str) -> None:
    troubled(house.stage)
    FOLDER.mkdir(exist_ok=True)
    taken: Counter[str] = Counter()
    with house.desk(name) as desk:
        for path in seen_by(name, house.stage):
            desk.opens(path)
            title = re.sub(r"[^a-z0-9]+", "-", desk.page.title().lower())[:50].strip("-")
            form = re.sub(r".*do=", "-", path) if "do=" in path else ""
            called = f"{name}-{title}{form}"
            taken[called] += 1
            if taken[called] > 1:  # two looks at one page have one title
                called += f"-{taken[called]}"
            for look, ((width, height), scheme) in LOOKS.items():
                desk.page.set_viewport_size({"width": width, "height": height})
                desk.page.emulate_media(color_scheme=scheme)
                # The field with the focus may have scrolled the page away under its side bar.
                desk.page.evaluate("window.scrollTo(0, 0)")
                picture = FOLDER / f"{called}-{look}.png"
                desk.page.screenshot(path=picture, full_page=True)
