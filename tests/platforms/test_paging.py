"""Lists are read to their end, or say that they were not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from integrator.engine.errors import Malformed, Refused, Unknown
from integrator.engine.shapes import Reply
from integrator.platforms.accepted import accepted
from integrator.platforms.paging import Page, paged, pages, readable
from integrator.platforms.tame import Field


def book(chapters: dict[str, Any]) -> Callable[[str], Field]:
    return lambda cursor: Field(chapters[cursor])


def following(page: Field) -> Field:
    return page["next"]


def test_all_pages_are_read_in_order() -> None:
    fetch = book({"": {"n": 1, "next": "a"}, "a": {"n": 2, "next": "b"}, "b": {"n": 3}})
    read = [page["n"].integer() for page in pages(fetch, following, cap=3, what="orders")]
    assert read == [1, 2, 3]


def test_a_list_longer_than_the_cap_is_an_error_not_a_silent_stop() -> None:
    numbers = iter(range(1000))
    endless = pages(
        lambda cursor: Field({"next": str(next(numbers))}), following, cap=5, what="orders"
    )
    with pytest.raises(Refused, match="more than 5 pages") as error:
        list(endless)
    assert error.value.facts == {"list": "orders", "pages": 5}


def test_a_cursor_that_repeats_is_an_error() -> None:
    fetch = book({"": {"next": "a"}, "a": {"next": "b"}, "b": {"next": "a"}})
    with pytest.raises(Malformed, match=r"^next repeats"):
        list(pages(fetch, following, cap=99, what="orders"))


def test_one_bad_row_hides_no_good_one_and_is_not_lost() -> None:
    rows = Field([1, "two", 3, None], "entities").each()
    found = []
    with pytest.raises(Malformed) as error:
        for number in readable(rows, lambda row: row.integer()):
            found.append(number)
    assert found == [1, 3]
    assert error.value.facts["unreadable"] == [
        "entities[1] is not a whole number",
        "entities[3] is missing",
    ]


def rows_of(page: Field) -> Iterable[Field]:
    return page["rows"].each()


def test_what_a_page_holds_comes_with_the_way_to_the_next() -> None:
    fetch = book({"": {"rows": [1, "x"], "next": "a"}, "a": {"rows": [2]}})
    bodies = pages(fetch, following, cap=9, what="orders")
    read = paged(bodies, following, rows_of, lambda row: row.integer(), lambda row: str(row.value))
    assert list(read) == [
        Page((1,), {"x": "rows[1] is not a whole number"}, "a"),
        Page((2,), {}, ""),
    ]


def test_behind_a_page_that_is_broken_nothing_is_known() -> None:
    """Its rows are not to be had, so neither is the place of the next page believed."""
    fetch = book({"": {"rows": [1], "next": "a"}, "a": {"rows": "none", "next": "b"}})
    bodies = pages(fetch, following, cap=9, what="orders")
    first, second = paged(bodies, following, rows_of, lambda row: row.integer())
    assert first.following == "a"
    assert (second.rows, second.following, list(second.unreadable)) == ((), "", [""])


def test_a_cursor_that_repeats_breaks_the_list_off() -> None:
    fetch = book({"": {"rows": [1], "next": "a"}, "a": {"rows": [2], "next": "a"}})
    bodies = pages(fetch, following, cap=9, what="orders")
    read = list(paged(bodies, following, rows_of, lambda row: row.integer()))
    assert [one.rows for one in read] == [(1,), (2,), ()]
    assert "repeats" in read[-1].unreadable[""]


def test_an_accepted_write_with_an_unreadable_answer_is_in_doubt_never_refused() -> None:
    with pytest.raises(Unknown, match="quantity is missing") as error:
        accepted(Reply(201, {}, request_id="r-1"), lambda body: body["quantity"].integer())
    assert (error.value.status, error.value.request_id) == (201, "r-1")
