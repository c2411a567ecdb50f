"""One key a decision: the next row of a review is marked, and takes it."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape
from typing import Any

import pytest

from tests.desk.test_reviews import As, People, begins, decides, item_of


def marked(answer: Any) -> list[str]:
    """The rows that the keys would decide about."""
    html = answer.content.decode()
    found = re.findall(r'<tr id="next" aria-current="true">.*?</tr>', html, re.S)
    return [unescape(re.sub(r"<[^>]+>", " ", row)).split()[0] for row in found]


@pytest.mark.requirement("R040")
def test_the_next_row_is_marked_with_its_keys_and_offers_the_last_reason(
    at: datetime, people: People, as_: As
) -> None:
    review = begins(at)
    client = as_("ada")
    first = client.get(f"/people/reviews/{review.pk}/")
    assert marked(first) == ["Carla"]  # Ada, the first of all, is not asked about herself

    answer = decides(client, people["carla"], reason="Works in returns")

    html = answer.content.decode()
    assert answer.redirect_chain[-1][0].endswith(f"?after={item_of(people['carla']).pk}#next")
    assert marked(answer) == ["Clara"]
    assert 'value="Works' not in html, "it was about another person"
    same = re.search(r'href="([^"]*)">The same reason: <b>Works in returns</b>', html)
    assert same is not None
    asked = client.get(unescape(same[1]))
    assert marked(asked) == ["Clara"]
    assert asked.content.decode().count('value="Works in returns"') == 1
    assert re.search(r'value="keep" type="submit" data-act data-key="e"', html)
    assert re.search(r'value="remove" type="submit" data-act data-key="d"', html)
    assert html.count("data-key=") == html.count("aria-keyshortcuts=") >= 2
    answer = decides(client, people["frank"], reason="Works in finance")  # out of turn
    assert marked(answer) == ["Omar"]
    assert "The same reason: <b>Works in finance</b>" in answer.content.decode()
    page = as_("clara").get(f"/people/reviews/{review.pk}/")
    assert "The same reason" not in page.content.decode(), "hers, not that of others"


def test_behind_the_last_row_it_begins_again_and_a_mistake_stays_where_it_is(
    at: datetime, people: People, as_: As
) -> None:
    review = begins(at)
    client = as_("ada")

    assert marked(decides(client, people["otto"])) == ["Carla"]
    assert marked(decides(client, people["fiona"], reason="")) == ["Fiona"]
    assert marked(client.get(f"/people/reviews/{review.pk}/?after=nonsense")) == ["Carla"]
    assert marked(as_("otto").get(f"/people/reviews/{review.pk}/")) == []  # he may not decide
