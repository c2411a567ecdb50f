"""The manual on screen: the whole book, with ways to the pages its reader may open."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from integrator.desk import case_manual, manual, palette
from integrator.flows import CASE_KINDS
from integrator.models import Case
from integrator.roles import Role
from tests.desk import factories
from tests.desk.conftest import ROLES

pytestmark = pytest.mark.requirement("R018")

As = Callable[[str], Client]


def body(client: Client, name: str) -> str:
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    return answer.content.decode().partition("<main")[2]


def read(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(strip_tags(html)))


def test_nothing_of_the_book_is_lost_on_screen(as_: As) -> None:
    book = manual.BOOK.read_text("utf-8")
    shown = read(body(as_("omar"), "manual"))

    for line in book.splitlines():
        words = re.sub(r"\[([^]]+)\]\([^)]*\)|[#*|]|^\d+\.|^- |-{3,}", r"\1", line).split()
        if words:
            assert " ".join(words) in re.sub(r"\s+", " ", shown), line
    assert "](" not in shown
    assert "**" not in shown


@pytest.mark.parametrize("name", ROLES)
def test_the_name_of_a_page_leads_there_if_its_reader_may_go(as_: As, name: str) -> None:
    main = body(as_(name), "manual")
    may = {one.label: one.href for one in palette.pages_of(frozenset({ROLES[name]}))}

    for label, href in (("Audit", "/audit/"), ("Off sale", "/off-sale/"), ("Figures", "/figures/")):
        is_link = f'<a href="{href}">{label}</a>' in main
        assert is_link == (label in may), label
        assert is_link or f"<em>{label}</em>" in main
    assert f'href="{reverse("manual_cases")}"' in main
    assert ".md" not in main


def test_each_chapter_is_listed_above_and_ones_own_is_marked(as_: As) -> None:
    main = body(as_("fiona"), "manual")
    listed = dict(re.findall(r'<li><a href="#([\w-]+)">([^<]+)</a>', main))

    assert {str(role.label) for role in Role} <= set(listed.values())
    for anchor, title in listed.items():
        assert f'<h2 id="{anchor}">{title}</h2>' in main
    assert re.findall(r'>([^<]+)</a> <span class="faint">your team', main) == ["Finance"]


def test_each_table_bears_the_name_of_its_chapter_alone(as_: As) -> None:
    names = re.findall(r"<caption[^>]*>([^<]+)</caption>", main := body(as_("omar"), "manual"))

    assert len(names) == len(set(names)) == main.count("<table")
    assert all(f">{name}</h2>" in main for name in names)


def test_tables_are_cards_on_a_phone(as_: As) -> None:
    main = body(as_("omar"), "manual")

    assert main.count('<table class="tbl cards">') == main.count("<table")
    assert '<th scope="row">each morning</th><td data-l="Who">every team</td>' in re.sub(
        r">\s+<", "><", main
    )


def test_every_kind_of_case_is_there_with_its_buttons_ones_own_team_first(as_: As) -> None:
    main = body(as_("ada"), "manual_cases")

    anchors = re.findall(r'<article id="([\w-]+)">', main)
    assert sorted(anchors) == sorted(one.lower().replace("_", "-") for one in CASE_KINDS)
    owners = {code.lower().replace("_", "-"): kind.owner for code, kind in CASE_KINDS.items()}
    assert owners[anchors[0]] == Role.ADMIN
    shown = read(main)
    for team in case_manual.teams():
        for entry in team.entries:
            for says in (entry.title, *(text for _, text in entry.lines)):
                assert re.sub(r"[{}]", "", says) in shown
            for label, says in entry.buttons:
                assert f"{label} {says}" in shown
    assert "<var>return</var>" in main
    assert "{" not in shown


@pytest.mark.requirement("R111", "R141")
def test_each_kind_of_case_has_an_owner_a_time_and_who_is_next_in_one_line(as_: As) -> None:
    main = body(as_("fiona"), "manual_owners")
    rows = [
        [read(cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", main, re.DOTALL)
    ]

    assert "Finance" in rows[0]
    assert len(rows) == len(CASE_KINDS)
    says = {0.5: "30 min", 1: "1 h", 2: "2 h", 4: "4 h", 8: "8 h", 24: "1 d", 48: "2 d"}
    assert sorted(row[1:] for row in rows) == sorted(
        [
            Role(kind.owner).label,
            says[kind.due_hours],
            ", then ".join(Role(one).label for one in kind.ladder),
        ]
        for kind in CASE_KINDS.values()
    )
    anchors = re.findall(r'<article id="([\w-]+)">', body(as_("fiona"), "manual_cases"))
    assert re.findall(rf'href="{reverse("manual_cases")}#([\w-]+)"', main) == anchors


@pytest.mark.requirement("R141")
@pytest.mark.parametrize("code", ["REFUND_IN_DOUBT", "UNIT_NOT_BOUGHT"])
def test_a_case_leads_to_its_kind_in_the_manual(as_: As, at: datetime, code: str) -> None:
    case = factories.case(code, at)
    page = as_("fiona").get(reverse("case", args=[case.pk])).content.decode()
    (link,) = re.findall(r'<a [^>]*href="([^"]+)">In the manual</a>', page)
    address, _, anchor = link.partition("#")

    assert address == reverse("manual_cases")
    (article,) = re.findall(
        rf'<article id="{anchor}">(.*?)</article>', body(as_("fiona"), "manual_cases"), re.DOTALL
    )
    (entry,) = [one for team in case_manual.teams() for one in team.entries if one.anchor == anchor]
    assert re.sub(r"[{}]", "", entry.title) in read(article)
    assert all(button.label in read(article) for button in CASE_KINDS[code].actions)


def test_a_case_of_a_kind_no_longer_in_use_leads_nowhere(as_: As, at: datetime) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    Case.objects.filter(pk=case.pk).update(kind="OF_OLD")

    page = as_("fiona").get(reverse("case", args=[case.pk])).content.decode()
    assert "no longer in use" in page
    assert "In the manual" not in page


@pytest.mark.requirement("R080")
@pytest.mark.parametrize("name", ROLES)
def test_each_round_says_when_who_and_until_and_leads_there(as_: As, name: str) -> None:
    main = body(as_(name), "manual")
    (table,) = re.findall(r"when</caption>(.*?)</table>", main, re.DOTALL)
    rows = re.findall(r"<tr>\s*(<th scope=\"row\">.*?)</tr>", table, re.DOTALL)
    teams = {str(one.label).lower() for one in Role}
    mine, times = 0, set()
    for row in rows:
        when, who, where, until = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        times.add(when)
        named = set(who.split(", "))
        assert named <= teams | {"every team"}
        assert until
        if named & {"every team", str(Role(ROLES[name]).label).lower()}:
            mine += 1
            assert "<a href=" in where, row
    assert mine >= 4
    assert {"each morning", "each week"} <= times
    assert 'class="printed"' in main


def test_who_has_no_role_reads_no_manual(as_: As) -> None:
    for name in ("manual", "manual_cases", "manual_owners"):
        assert as_("nobody").get(reverse(name)).status_code == 403
        assert Client().get(reverse(name)).status_code == 302


def test_the_book_brings_no_tags_of_its_own(as_: As, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manual, "_text", lambda: "# M\n\nA\n\n## C\n\n<b>bold</b> 1 < 2")
    assert "<p>&lt;b&gt;bold&lt;/b&gt; 1 &lt; 2</p>" in body(as_("omar"), "manual")
