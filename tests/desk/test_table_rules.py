"""What holds for every table on every screen: it is named, its heads are tied, figures line up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from django.test import Client

from tests.browser.screens import SCREENS, troubled
from tests.story import Stage, opened

# An amount with its currency in front, a count, a share: nothing but a figure.
FIGURE = re.compile(r"(?:[A-Z]{3}\s*)?[-\u2212]?\d[\d,.]*(?:\s*%)?")


@dataclass
class Cell:
    """``is_id``: what looks like a figure is somebody's number."""

    tag: str
    css: set[str]
    scope: str
    span: int
    text: str = ""
    is_id: bool = False

    @property
    def is_figure(self) -> bool:
        return not self.is_id and FIGURE.fullmatch(" ".join(self.text.split())) is not None


@dataclass
class Table:
    """``compares``: values of one thing stand side by side, and nothing is added up downwards."""

    compares: bool
    captions: list[str] = field(default_factory=list)
    heads: list[Cell] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)


class Tables(HTMLParser):
    """The tables of a page, and whether it says on paper what it is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[Table] = []
        self.is_printable = False
        self._into: Cell | None = None
        self._in_head = self._in_caption = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        css = set(given.get("class", "").split())
        self.is_printable |= tag == "p" and "printed" in css
        if tag == "table":
            self.found.append(Table(compares="ev" in css))
        elif tag == "caption":
            self.found[-1].captions.append("")
        elif tag == "tr" and not self._in_head:
            self.found[-1].rows.append([])
        elif tag in ("td", "th"):
            span = int(given.get("colspan", "1"))
            self._into = Cell(tag, css, given.get("scope", ""), span)
            table = self.found[-1]
            (table.heads if self._in_head else table.rows[-1]).append(self._into)
        elif self._into is not None and css & {"id", "nw"}:
            self._into.is_id = True
        self._in_head |= tag == "thead"
        self._in_caption |= tag == "caption"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._into = None
        self._in_head &= tag != "thead"
        self._in_caption &= tag != "caption"

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into.text += data
        elif self._in_caption:
            self.found[-1].captions[-1] += data.strip()


def faults(html: str) -> Iterator[str]:
    page = Tables(html)
    if page.found and not page.is_printable:
        yield "a table, and nothing says on paper what it is"
    for table in page.found:
        name = "".join(table.captions)
        if len(table.captions) != 1 or not name:
            yield f"{table.captions} instead of one caption"
        for cell in (*table.heads, *(one for row in table.rows for one in row)):
            if cell.tag == "th" and cell.scope not in ("col", "row", "rowgroup", "colgroup"):
                yield f"{name}: the head “{cell.text.strip()}” is tied to nothing"
        for row in table.rows:
            yield from (f"{name}: {fault}" for fault in _row_faults(table, row))


def _row_faults(table: Table, row: list[Cell]) -> Iterator[str]:
    heads = table.heads
    if not any(cell.scope == "row" for cell in row):
        yield "a row without a name"
    if heads and sum(cell.span for cell in row) != len(heads):
        yield f"{len(row)} cells under {len(heads)} heads"
    place = 0
    for cell in row:
        if cell.tag == "td" and cell.is_figure and not cell.css & {"num"} and not table.compares:
            yield f"the figure {cell.text.strip()} does not line up"
        if "num" in cell.css and heads and "num" not in heads[place].css and cell.is_figure:
            yield f"figures line up, but not under their head “{heads[place].text}”"
        place += cell.span


def test_every_table_of_every_screen_keeps_the_rules(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(monkeypatch) as stage:
        troubled(stage)
        broken = list(dict.fromkeys(found(stage)))
    assert not broken, "\n".join(broken)


def found(stage: Stage) -> Iterator[str]:
    tables = 0
    for name, screens in SCREENS.items():
        client = Client()
        client.force_login(stage.people[name])
        for path in screens(stage):
            html = client.get(path).content.decode()
            tables += html.count("<table")
            yield from (f"{path.partition('?')[0]}: {fault}" for fault in faults(html))
    if tables < len(SCREENS) * 5:
        yield f"only {tables} tables were looked at"


NAMED = "<table><caption>C</caption>"
ROW = "<th scope='row'>a</th>"
TWO = "<thead><tr><th scope='col'>A</th><th scope='col'>B</th></tr></thead>"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (f"<table><tr>{ROW}</tr></table>", "instead of one caption"),
        (f"{NAMED}<thead><tr><th>A</th></tr></thead></table>", "tied to nothing"),
        (f"{NAMED}<tr><td>a</td></tr></table>", "a row without a name"),
        (f"{NAMED}<tr>{ROW}<td>EUR 1,234.50</td></tr></table>", "does not line up"),
        (f"{NAMED}{TWO}<tr>{ROW}<td class='num'>3</td></tr></table>", "not under their head"),
        (f"{NAMED}{TWO}<tr>{ROW}</tr></table>", "1 cells under 2 heads"),
    ],
)
def test_a_broken_table_is_found(table: str, says: str) -> None:
    (told,) = faults(f"<p class='printed'>x</p>{table}")

    assert says in told
    assert "on paper" in next(faults(table))
