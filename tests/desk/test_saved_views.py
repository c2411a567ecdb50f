"""A person's own views of a queue: kept, shown with their counts, changed, shared and refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.db import DataError, IntegrityError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrator.models import SavedView
from tests.desk import factories
from tests.desk.test_queue import QUERIES_ALLOWED

MINE = "tab=needs&who=me&order=money"
FREE = "tab=needs&who=nobody"
Signed = Callable[[str], Client]


def saves(client: Client, name: str, query: str = FREE, role: str = "finance") -> HttpResponse:
    return client.post(f"/queue/{role}/views/", {"name": name, "query": query})


def does(client: Client, view: SavedView, do: str, **data: str) -> HttpResponse:
    return client.post(f"/queue/views/{view.pk}/", {"do": do, "query": view.query, **data})


def page(client: Client, path: str) -> str:
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def tabs(html: str) -> dict[str, str]:
    """What each tab says after its name."""
    found = re.search(r'<ul class="tabs".*?</ul>', html, re.DOTALL)
    assert found is not None
    rows = re.findall(r"<li><a [^>]*>(.*?)</a>", found[0])
    parts = [re.sub("<.*?>", "|", row).replace("||", "|").split("|", 1) for row in rows]
    return {name.strip(): rest.replace("|", "").strip() for name, rest in parts}


def current(html: str) -> str:
    (name,) = re.findall(r'aria-current="page">([^<]*) <span class="n"', html)
    return str(name).strip()


def test_a_person_saves_what_is_shown_and_finds_it_as_a_tab_with_its_counts(
    at: datetime, as_: Signed
) -> None:
    factories.case("SYSTEMS_DIFFER", at, record=("order", 1))
    factories.case("REFUND_REFUSED", at, record=("order", 2), opened_at=at - timedelta(days=1))
    client = as_("fiona")
    shown = page(client, "/queue/finance/?who=nobody")
    assert current(shown) == "Not saved"
    assert "Save as view" in shown

    answer = saves(client, "  Free   ones ")
    html = page(client, answer.url)

    assert current(html) == "Free ones"
    assert tabs(html)["Free ones"] == "2 · 1 overdue"
    assert html.count('class="q-row') == 2
    assert "Not saved" not in html
    assert tabs(page(client, "/queue/"))["Free ones"] == "2 · 1 overdue"


def test_a_changed_view_says_so_and_can_be_saved_kept_apart_or_undone(
    at: datetime, as_: Signed
) -> None:
    factories.case("SYSTEMS_DIFFER", at)
    client = as_("fiona")
    saves(client, "Free ones")
    view = SavedView.objects.get()
    changed = f"/queue/finance/?{FREE}&order=oldest&view={view.pk}"

    html = page(client, changed)

    assert tabs(html)["Free ones"] == "1 · changed"
    assert current(html) == "Not saved"
    assert "and have not saved it" in html
    assert "Save as new" in html
    undo = re.search(r'href="([^"]+)">Undo', html)
    assert undo is not None
    assert current(page(client, undo[1])) == "Free ones"

    does(client, view, "change", query=f"{FREE}&order=oldest&view={view.pk}")

    assert current(page(client, changed)) == "Free ones"
    assert SavedView.objects.get().query == f"{FREE}&order=oldest&hide=none"


def test_a_view_is_renamed_and_deleted(as_: Signed) -> None:
    client = as_("fiona")
    saves(client, "Free ones")
    view = SavedView.objects.get()

    does(client, view, "rename", name="Nobody's")
    assert "Nobody's" in tabs(page(client, "/queue/"))

    answer = does(client, view, "delete")
    assert "Nobody's" not in tabs(page(client, answer.url))
    assert not SavedView.objects.exists()


def test_the_first_view_opens_the_queue_and_its_number_is_in_the_navigation(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    for number in range(3):
        case = factories.case("SYSTEMS_DIFFER", at, record=("order", number))
    type(case).objects.filter(pk=case.pk).update(assignee=people["fiona"])
    client = as_("fiona")
    saves(client, "Free ones")
    saves(client, "By money", "tab=needs&order=money")
    free = SavedView.objects.get(name="Free ones")

    does(client, free, "first")
    html = page(client, "/queue/")

    assert current(html) == "Free ones"
    assert next(iter(tabs(html))) == "Free ones"
    assert tabs(html)["Free ones"] == "2"
    assert '<span class="n">2</span></a>' in page(client, "/orders/").replace("\n", "")
    assert current(page(client, "/queue/finance/?tab=needs")) == "Needs us"

    does(client, SavedView.objects.get(name="By money"), "first")
    assert current(page(client, "/queue/")) == "By money"
    does(client, SavedView.objects.get(name="By money"), "not_first")
    assert current(page(client, "/queue/")) == "Needs us"


def test_a_shared_link_opens_as_a_tab_of_its_own_that_can_be_saved(
    at: datetime, as_: Signed
) -> None:
    """The other's name for it stays with them."""
    factories.case("SYSTEMS_DIFFER", at)
    link = saves(as_("fiona"), "Fiona's list").url
    frank = as_("frank")

    html = page(frank, link)

    assert current(html) == "Not saved"
    assert html.count('class="q-row') == 1
    assert "Fiona's list" not in html
    assert "changed" not in html
    assert current(page(frank, saves(frank, "Also mine").url)) == "Also mine"


@pytest.mark.parametrize("do", ["rename", "change", "first", "not_first", "delete", "nonsense", ""])
def test_nobody_sees_or_changes_the_views_of_another(do: str, as_: Signed) -> None:
    saves(as_("fiona"), "Free ones")
    view = SavedView.objects.get()
    before = SavedView.objects.values().get()

    for name in ("frank", "clara", "ada", "otto"):
        assert does(as_(name), view, do, name="Taken", query=MINE).status_code == 404
    assert does(as_("nobody"), view, do).status_code == 403
    assert SavedView.objects.values().get() == before
    assert "Free ones" not in page(as_("frank"), "/queue/")
    if do in ("nonsense", ""):
        assert does(as_("fiona"), view, do).status_code == 404


def test_a_view_opens_no_queue_that_the_role_may_not_see(
    as_: Signed, people: dict[str, User]
) -> None:
    assert saves(as_("carla"), "Look", role="finance").status_code == 403
    assert saves(as_("carla"), "Look", role="auditor").status_code == 404
    assert not SavedView.objects.exists()
    # Ada may look at every queue; when she is an admin no longer, her view leads nowhere.
    ada = as_("ada")
    link = saves(ada, "Look").url
    view = SavedView.objects.get()
    does(ada, view, "first")
    people["ada"].groups.set([Group.objects.get(name="CX")])

    assert ada.get(link).status_code == 403
    assert does(ada, view, "rename", name="Still").status_code == 403
    assert "Look" not in page(ada, "/queue/")
    assert current(page(ada, "/queue/")) == "Needs us"


def test_views_belong_to_one_queue(as_: Signed) -> None:
    ada = as_("ada")
    saves(ada, "Free ones", role="finance")
    assert saves(ada, "Free ones", role="cx").status_code == 302

    assert "Free ones" not in tabs(page(ada, "/queue/operations/"))


@pytest.mark.parametrize(
    ("name", "query", "says"),
    [
        ("", FREE, "write 1 to 40 characters"),
        ("   ", FREE, "write 1 to 40 characters"),
        ("\x00", FREE, "write 1 to 40 characters"),
        ("x" * 41, FREE, "write 1 to 40 characters"),
        ("FREE ONES", MINE, "there is a tab “FREE ONES” already"),
        ("Needs us", MINE, "there is a tab “Needs us” already"),
        ("refunds that do not reconcile", MINE, "already, choose another name"),
        ("Other", FREE, "Your view “Free ones” shows exactly this already"),
        ("Other", "tab=needs&cause=" + "ä" * 200, "These filters are too long to be kept"),
        ("Other", "tab=solved", "This is a tab that everybody has"),
        ("Other", "", "This is a tab that everybody has"),
    ],
)
def test_what_cannot_be_saved_is_said_and_what_was_typed_stays(
    name: str, query: str, says: str, as_: Signed
) -> None:
    client = as_("fiona")
    saves(client, "Free ones")

    answer = saves(client, name, query)
    html = unescape(answer.content.decode())

    assert answer.status_code == 422
    assert says in html
    if query == MINE:
        assert f'value="{name}"' in html
    assert SavedView.objects.count() == 1


def test_the_most_is_twelve_and_this_is_said(as_: Signed) -> None:
    client = as_("fiona")
    orders = ("money", "customers", "oldest")
    queries = [f"tab={tab}&order={one}" for tab in ("needs", "mine", "snoozed") for one in orders]
    queries += [f"tab={tab}&who=me" for tab in ("needs", "snoozed", "solved")]
    for number, query in enumerate(queries, start=1):
        assert saves(client, f"View {number}", query).status_code == 302

    answer = saves(client, "One more", "tab=needs&who=nobody")

    assert "You have 12 views of this queue, which is the most" in answer.content.decode()
    assert SavedView.objects.count() == SavedView.MOST == 12
    does(client, SavedView.objects.get(name="View 5"), "delete")
    assert saves(client, "One more", "tab=needs&who=nobody").status_code == 302


def test_a_filter_is_checked_as_an_address_is(as_: Signed) -> None:
    saves(as_("fiona"), "Odd", "tab=needs&kind=NONSENSE&who=me&connection=99&order=up&x=1&view=7")

    assert SavedView.objects.get().query == "tab=needs&who=me&hide=none"


def test_a_filter_that_is_gone_since_is_left_out_and_this_is_said(as_: Signed) -> None:
    client = as_("fiona")
    saves(client, "Free ones")
    SavedView.objects.update(query="tab=needs&kind=NO_LONGER_A_KIND&who=nobody")

    html = page(client, "/queue/finance/?who=nobody")

    assert current(html) == "Free ones"
    assert "A filter it was saved with is gone" in html


@pytest.mark.parametrize(
    "values",
    [
        {"name": "FREE ONES"},
        {"query": f"{FREE}&hide=none"},
        {"place": 1},
        {"place": 0},
        {"place": 13},
        {"name": ""},
        {"name": "x" * 41},
        {"is_first": True},
    ],
)
def test_the_database_refuses_what_the_page_would(
    values: dict[str, object], as_: Signed, people: dict[str, User]
) -> None:
    saves(as_("fiona"), "Free ones")
    SavedView.objects.update(is_first=True)
    row = {"person": people["fiona"], "role": "FINANCE", "name": "B", "query": "q", "place": 2}

    with pytest.raises((IntegrityError, DataError)), transaction.atomic():
        SavedView.objects.create(**row | values)
    SavedView.objects.create(**row)


@pytest.mark.parametrize("number", [0, 12])
def test_the_page_asks_no_more_often_for_more_views(
    number: int, at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    for place in range(1, number + 1):
        query = f"tab=needs&cause={place}"
        SavedView.objects.create(
            person=people["fiona"], role="FINANCE", name=f"v{place}", query=query, place=place
        )
    client = as_("fiona")
    client.get("/")

    for path in (
        f"/queue/?tab=not-reconciled&case={case.pk}&do=not_an_error",
        "/queue/?who=nobody",
    ):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        assert len(queries) <= QUERIES_ALLOWED
        counts = [one for one in queries if "count(DISTINCT" in one["sql"]]
        assert len([one for one in counts if "FILTER (WHERE NOT shares_cause" in one["sql"]]) == 1
