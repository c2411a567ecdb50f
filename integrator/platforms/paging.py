"""Reading a platform's lists: every page, each row on its own, never a silent stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from integrator.engine.errors import Malformed, Refused
from integrator.platforms.tame import Field

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list. ``unreadable``: what is wrong with each row that cannot be read, by name;
    "" is the page itself, behind which nothing is known. ``following``: the cursor of the next
    page, empty at the end.
    """

    rows: tuple[T, ...]
    unreadable: Mapping[str, str]
    following: str


def pages(
    fetch: Callable[[str], Field],
    cursor_of: Callable[[Field], Field],
    *,
    cap: int,
    what: str,
    after: str = "",
) -> Iterator[Field]:
    """The bodies of all pages, from the first or from the cursor ``after`` on.

    A cursor that repeats, or a list longer than ``cap`` pages, is an error: stopping there would
    pass a part for the whole.
    """
    cursor, seen = after, {after, ""}
    for _ in range(cap):
        page = fetch(cursor)
        yield page
        following = cursor_of(page)
        cursor = following.text_or_empty()
        if not cursor:
            return
        if cursor in seen:
            following.fail("repeats: the list never ends")
        seen.add(cursor)
    raise Refused(
        f"The list of {what} has more than {cap} pages.",
        cause=f"page cap {what}",
        facts={"list": what, "pages": cap},
    )


def _nameless(row: object) -> str:
    return ""


def readable(
    rows: Iterable[R], parse: Callable[[R], T], name: Callable[[R], str] = _nameless
) -> Iterator[T]:
    """Every row that can be read; then ``Malformed`` if there were others.

    One bad row must not hide the good ones behind it, and must not be lost either.
    ``facts["unreadable"]`` lists what was wrong, row by row, ``facts["rows"]`` which they are: by
    ``name``, the platform's id, or by what is wrong where a row has not even that.
    """
    bad: list[Malformed] = []
    names: list[str] = []
    for row in rows:
        try:
            shape = parse(row)
        except Malformed as error:
            bad.append(error)
            names.append(_name_of(row, name) or error.message)
            continue
        yield shape
    if bad:
        raise Malformed(
            f"{len(bad)} row(s) could not be read; the first: {bad[0].message}",
            cause=bad[0].cause,
            facts={
                **bad[0].facts,
                "unreadable": [error.message for error in bad],
                "rows": names,
            },
        )


def paged(
    bodies: Iterator[Field],
    cursor_of: Callable[[Field], Field],
    rows_of: Callable[[Field], Iterable[Field]],
    parse: Callable[[Field], T],
    name: Callable[[Field], str] = _nameless,
) -> Iterator[Page[T]]:
    """The same pages, each row on its own: what cannot be read is told beside what can."""
    try:
        for body in bodies:
            rows, unreadable = _told_apart(readable(rows_of(body), parse, name))
            following = "" if "" in unreadable else cursor_of(body).text_or_empty()
            yield Page(rows, unreadable, following)
            if not following:
                return
    except Malformed as error:
        yield Page((), {"": error.message}, "")


def _told_apart(rows: Iterable[T]) -> tuple[tuple[T, ...], dict[str, str]]:
    found: list[T] = []
    try:
        for row in rows:
            found.append(row)
    except Malformed as error:
        wrong = error.facts.get("unreadable", [error.message])
        names = error.facts.get("rows", [""])
        return tuple(found), dict(zip(names, wrong, strict=True))
    return tuple(found), {}


def _name_of(row: R, name: Callable[[R], str]) -> str:
    try:
        return name(row)
    except Malformed:
        return ""
