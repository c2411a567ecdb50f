"""The manual is for business people: no names of programs, and every word it points at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.utils.html import strip_tags

from integrator.flows import CASE_KINDS
from integrator.roles import Role

DOCS = Path(settings.BASE_DIR) / "docs"
PAGES = ("manual.md", "exceptions.md", "roles.md")
# What programs are made of, by how it is written: `code`, snake_case, CODES, files and calls.
PROGRAMS = re.compile(r"`|\b[A-Za-z]+_[A-Za-z_]+\b|\b\w+\.(?:py|toml|html)\b|\b\w+\(\)")


def read(name: str) -> str:
    """A page without what only the next writer reads."""
    return re.sub(r"<!--.*?-->", "", (DOCS / name).read_text("utf-8"))


def on_screen() -> str:
    """Every word the screens may show, in one line."""
    folders = ("templates", "integrator", "returns", "finance", "fulfilment")
    files = [
        one
        for folder in folders
        for kind in ("*.html", "*.py")
        for one in (Path(settings.BASE_DIR) / folder).rglob(kind)
    ]
    return re.sub(r"\s+", " ", " ".join(strip_tags(one.read_text("utf-8")) for one in files))


@pytest.mark.requirement("R018")
@pytest.mark.parametrize("name", PAGES)
def test_it_names_nothing_that_only_programmers_know(name: str) -> None:
    said = re.sub(r"\]\([^)]*\)", "]", read(name))  # where a link leads is not read
    assert PROGRAMS.findall(said) == []

    # A name of one word is plain English as well: only those of several are looked for.
    ours = {one.__name__ for one in apps.get_models()}
    tables = {one._meta.db_table for one in apps.get_models()}
    assert (ours | tables).isdisjoint(re.findall(r"\b[A-Z][a-z]+[A-Z]\w*\b|\b\w+_\w+\b", said))


@pytest.mark.requirement("R018")
def test_every_kind_of_case_says_what_it_means_what_to_do_and_who_is_next() -> None:
    chapters = read("exceptions.md").split("\n### ")[1:]
    assert len(chapters) == len(CASE_KINDS)
    for chapter in chapters:
        for line in ("What happened", "What it means", "What to do", "If nobody acts"):
            assert re.search(rf"\*\*{line}:\*\* \w|\*\*{line}:\*\* [“{{]", chapter), chapter
        next_one = re.search(r"Then told: (.+)\.", chapter)
        assert next_one is not None, chapter
        assert {*next_one[1].split(", then ")} <= {str(role.label) for role in Role}, chapter


def test_what_stands_in_italics_stands_on_a_screen() -> None:
    screens = on_screen()
    said = re.findall(r"(?<!\*)\*([^*\n]+(?:\n[^*\n]+)?)\*(?!\*)", read("manual.md"))
    assert len(said) > 50
    words = {re.sub(r"\s+", " ", one).rstrip("…") for one in said} - {"italics"}
    assert sorted(one for one in words if one not in screens) == []


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", read("manual.md"))
    assert links
    assert [one for one in links if not (DOCS / one).exists()] == []


def test_it_has_a_chapter_for_every_team() -> None:
    chapters = re.findall(r"^## (.+)$", read("manual.md"), re.MULTILINE)
    assert {str(role.label) for role in Role} <= set(chapters)
