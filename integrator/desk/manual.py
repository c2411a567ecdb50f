"""The operating manual on screen, for those who never see a file of the product. Writes nothing.

The text is ``docs/manual.md``. The name of a page in it leads there, where its reader may go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from integrator.desk import case_manual, palette
from integrator.desk.auth import DeskRequest, needs
from integrator.roles import Role

BOOK = Path(settings.BASE_DIR) / "docs" / "manual.md"
# Where a link of the book leads on screen.
_PAGES = {"exceptions.md": "manual_cases", "roles.md": "people"}
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True, slots=True)
class Chapter:
    """``text`` is HTML of our own: the library lets no tags of the book through.

    ``is_own``: it is about a team of who reads.
    """

    anchor: str
    title: str
    text: str
    is_own: bool


@require_safe
@needs("case.see")
def manual(request: DeskRequest) -> HttpResponse:
    """The whole book on one page, to read, to search and to print."""
    links = {one.label: one.href for one in palette.pages_of(request.roles)}
    own = {str(Role(one).label) for one in request.roles}
    return render(request, "desk/manual.html", {"chapters": list(_chapters(links, own))})


@require_safe
@needs("case.see")
def cases(request: DeskRequest) -> HttpResponse:
    """Every kind of case, the reader's own teams first."""
    return render(request, "desk/manual_cases.html", {"teams": _own_first(request)})


@require_safe
@needs("case.see")
def owners(request: DeskRequest) -> HttpResponse:
    """Who answers for each kind of case, how soon, and who is told next: a list to print."""
    return render(request, "desk/manual_owners.html", {"teams": _own_first(request)})


def _own_first(request: DeskRequest) -> list[case_manual.Team]:
    return sorted(case_manual.teams(), key=lambda one: one.role not in request.roles)


@cache
def _text() -> str:
    return BOOK.read_text("utf-8")


def _chapters(links: Mapping[str, str], own: set[str]) -> Iterator[Chapter]:
    """The book cut at its headings; what stands before the first has no title."""
    part: list[Token] = []
    title = ""
    tokens = _MARKDOWN.parse(_text())
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            yield _chapter(title, part, links, own)
            title, part = tokens[place + 1].content, []
        part.append(token)
    yield _chapter(title, part, links, own)


def _chapter(title: str, part: list[Token], links: Mapping[str, str], own: set[str]) -> Chapter:
    # Its heading is set by the page, and names its table.
    body = list(_as_on_screen(part[3:], title))
    for token in body:
        if token.type == "inline":
            token.children = list(_linked(token.children or [], links))
    html = _MARKDOWN.renderer.render(body, _MARKDOWN.options, {})
    return Chapter(slugify(title), title, html, title in own)


def _as_on_screen(tokens: Iterable[Token], caption: str) -> Iterator[Token]:
    """Tables as all ours: with a name, the first cell heads its row, cards on a narrow screen."""
    heads: list[str] = []
    in_head, column = False, 0
    for token in tokens:
        if token.type in ("thead_open", "thead_close"):
            in_head = token.type == "thead_open"
        elif token.type == "tr_open":
            column = 0
        elif token.type == "inline" and in_head:
            heads.append(token.content)
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "td_open":
            token.attrSet(*(("data-l", heads[column]) if column else ("scope", "row")))
            token.tag = "td" if column else "th"
        elif token.type == "td_close":
            token.tag = "td" if column else "th"
            column += 1
        yield token
        if token.type == "table_open":
            token.attrSet("class", "tbl cards")
            heads = []
            yield Token("caption_open", "caption", 1, attrs={"class": "visually-hidden"})
            yield Token("text", "", 0, content=caption)
            yield Token("caption_close", "caption", -1)


def _linked(tokens: Iterable[Token], links: Mapping[str, str]) -> Iterator[Token]:
    """Links of the book lead to our pages, and so does the name of a page in italics."""
    rest = iter(tokens)
    for token in rest:
        if token.type == "link_open" and (page := _PAGES.get(str(token.attrGet("href")))):
            token.attrSet("href", reverse(page))
        if token.type != "em_open":
            yield token
            continue
        words = list(takewhile(lambda one: one.type != "em_close", rest))
        href = links.get(" ".join(one.content for one in words if one.content))
        yield Token("link_open", "a", 1, attrs={"href": href}) if href else token
        yield from words
        yield Token("link_close", "a", -1) if href else Token("em_close", "em", -1)
