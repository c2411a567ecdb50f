"""Views of a team: everybody of it has them, each may change them, and who did is kept."""

from __future__ import annotations

import re
import threading
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from integrator.desk import view_writes
from integrator.desk.view_writes import UnableToSave
from integrator.flows.queue_wanted import Wanted
from integrator.models import SavedView
from tests.desk import factories
from tests.desk.test_queue import QUERIES_ALLOWED
from tests.desk.test_saved_views import FREE, MINE, current, page, saves, tabs
from tests.desk.views import OLD, Signed, audit, does, keeps, said


@pytest.mark.requirement("R140")
def test_everybody_of_the_team_has_its_views_and_nobody_of_another(
    at: datetime, as_: Signed
) -> None:
    factories.case("SYSTEMS_DIFFER", at, record=("order", 1))
    link = keeps(as_("fiona"), "Free ones").url

    html = page(as_("frank"), link)

    assert current(html) == "Free ones"
    assert tabs(html)["Free ones"].startswith("1")
    assert "A view of the team" in html
    assert html.count('class="q-row') == 1
    # Who may look at the queue sees what the team sees.
    assert "Free ones" in page(as_("ada"), "/queue/finance/")
    assert "Free ones" not in page(as_("clara"), "/queue/")
    assert "Free ones" not in page(as_("omar"), "/queue/")


def test_each_of_the_team_may_rename_change_and_delete_it(as_: Signed) -> None:
    keeps(as_("fiona"), "Free ones")
    view = SavedView.objects.get()
    frank = as_("frank")

    assert does(frank, view, "rename", name="Nobody's").status_code == 302
    assert does(frank, view, "change", query=OLD).status_code == 302
    view.refresh_from_db()
    assert (view.name, view.query, view.person_id) == ("Nobody's", f"{OLD}&hide=none", None)
    assert does(frank, view, "delete").status_code == 302

    assert not SavedView.objects.exists()
    assert "Nobody's" not in page(as_("fiona"), "/queue/")


@pytest.mark.parametrize("do", ["rename", "change", "tell", "tell_nobody", "delete", "give"])
@pytest.mark.parametrize("name", ["ada", "otto", "omar", "clara"])
def test_who_is_not_of_the_team_changes_none_of_its_views(do: str, name: str, as_: Signed) -> None:
    """Also not who sees every queue."""
    keeps(as_("fiona"), "Free ones")
    view = SavedView.objects.get()
    before = SavedView.objects.values().get()

    assert does(as_(name), view, do, name="Taken", query=OLD, more_than="1").status_code == 403
    assert keeps(as_(name), "Ours", OLD).status_code == 403
    assert does(as_("nobody"), view, do).status_code == 403
    assert SavedView.objects.values().get() == before
    if name == "ada":
        html = page(as_(name), f"/queue/finance/?{FREE}&hide=none&view={view.pk}")
        assert "Rename" not in html
        assert "Set the alert" not in html
        assert "Keep one like it for me" in html


def test_a_person_gives_their_own_view_to_the_team(as_: Signed) -> None:
    fiona = as_("fiona")
    saves(fiona, "Free ones")
    view = SavedView.objects.get()
    does(fiona, view, "first")
    assert "Free ones" not in page(as_("frank"), "/queue/")

    does(fiona, view, "give")

    assert "Free ones" in tabs(page(as_("frank"), "/queue/"))
    assert current(page(fiona, "/queue/")) == "Needs us"
    assert re.search("fiona gave the team a view .{0,9}“Free ones”", audit(as_("clara")))


@pytest.mark.parametrize("do", ["first", "not_first", "give", "nonsense"])
def test_a_view_of_the_team_is_no_persons_first(do: str, as_: Signed) -> None:
    fiona = as_("fiona")
    keeps(fiona, "Free ones")

    assert does(fiona, SavedView.objects.get(), do).status_code == 404


def test_a_person_keeps_one_like_the_teams_for_themselves(as_: Signed) -> None:
    keeps(as_("fiona"), "Free ones")
    frank = as_("frank")

    link = saves(frank, "Mine alone", FREE).url
    html = page(frank, link)

    assert current(html) == "Mine alone"
    assert {"Free ones", "Mine alone"} <= set(tabs(html))
    assert "Mine alone" not in page(as_("fiona"), "/queue/")
    # What the team changes afterwards, it does not change.
    does(as_("fiona"), SavedView.objects.get(name="Free ones"), "delete")
    assert current(page(frank, link)) == "Mine alone"


@pytest.mark.parametrize("query", [MINE, "tab=mine&order=money", "tab=snoozed&who=me"])
def test_what_is_another_list_for_each_is_no_view_of_a_team(query: str, as_: Signed) -> None:
    fiona = as_("fiona")

    answer = keeps(fiona, "Ours", query)

    assert answer.status_code == 422
    assert "“Mine” and “taken by me” are another list for each of you" in said(answer)
    saves(fiona, "My own", query)
    view = SavedView.objects.get()
    assert "Give it to the team" not in page(fiona, f"/queue/finance/?{query}&view={view.pk}")
    assert does(fiona, view, "give").status_code == 422
    keeps(fiona, "Ours")
    ours = SavedView.objects.get(name="Ours")
    assert does(fiona, ours, "change", query=query).status_code == 422
    with pytest.raises(IntegrityError), transaction.atomic():
        SavedView.objects.filter(pk=ours.pk).update(query=query)


def test_names_are_unique_among_what_a_person_sees(as_: Signed) -> None:
    fiona = as_("fiona")
    keeps(fiona, "Free ones")

    assert "there is a tab “FREE ones” already" in said(saves(fiona, "FREE ones", MINE))
    assert "there is a tab “Free ones” already" in said(keeps(as_("frank"), "Free ones", OLD))
    assert "The team's view “Free ones” shows exactly this" in said(keeps(fiona, "Others"))
    # Of a colleague's own views nobody learns: theirs is told apart instead.
    saves(as_("frank"), "By age", OLD)
    assert keeps(fiona, "By age", OLD).status_code == 302
    assert {"By age", "By age (yours)"} <= set(tabs(page(as_("frank"), "/queue/")))
    assert "By age (yours)" not in page(fiona, "/queue/")


def test_a_team_has_twelve_views_besides_everybodys_own(as_: Signed) -> None:
    for number in range(1, SavedView.MOST + 1):
        SavedView.objects.create(
            role="FINANCE", name=f"v{number}", query=f"tab=needs&cause={number}", place=number
        )
    fiona = as_("fiona")

    answer = keeps(fiona, "One more")

    assert "Your team has 12 views of this queue, which is the most" in said(answer)
    assert saves(fiona, "One more").status_code == 302
    assert "Your team has 12 views" in said(
        does(fiona, SavedView.objects.get(place=1, person__isnull=False), "give")
    )


def test_nobody_changes_what_they_did_not_see(as_: Signed) -> None:
    """Fiona has the page open, Frank changes the view: her form says so and shows his."""
    keeps(as_("fiona"), "Free ones")
    view = SavedView.objects.get()
    as_fiona_saw_it = str(view.version)
    does(as_("frank"), view, "rename", name="Nobody's")

    for do in ("rename", "change", "tell", "delete"):
        data = {"name": "Mine", "query": OLD, "more_than": "3", "version": as_fiona_saw_it}
        answer = does(as_("fiona"), view, do, **data)
        assert answer.status_code == 422
        assert "Somebody of your team changed “Nobody's” in the meantime" in said(answer)

    assert SavedView.objects.get().name == "Nobody's"


def test_every_change_is_on_the_audit_page_with_who(as_: Signed) -> None:
    fiona, frank, clara = as_("fiona"), as_("frank"), as_("clara")
    saves(fiona, "My own", MINE)
    keeps(fiona, "Free ones")
    view = SavedView.objects.get(name="Free ones")
    does(frank, view, "rename", name="Nobody's")
    does(frank, view, "change", query=OLD)
    does(fiona, view, "tell", more_than="20")
    does(frank, view, "delete")

    told = audit(clara)

    assert "fiona kept a view for the team" in told
    assert "frank changed a view of the team" in told
    assert "frank deleted a view of the team" in told
    assert "Needs us, Taken by nobody, most serious first" in told
    assert "Needs us, oldest first" in told
    for line in (r"name Free ones .{0,20}Nobody's", r"tells when more than .{0,40}20"):
        assert re.search(line, told), line
    # What a person arranged for themselves is nobody else's business.
    assert "My own" not in told
    assert (
        "Nobody's"
        in clara.post("/audit/copy/", {"kind": "setting", "form": "csv"}).getvalue().decode()
    )


@pytest.mark.parametrize(
    "values",
    [
        {"name": "FREE ONES"},
        {"query": f"{FREE}&hide=none"},
        {"place": 1},
        {"is_first": True},
        {"more_than": 10_000},
        {"query": "tab=mine"},
        {"query": "tab=needs&who=me&order=money"},
    ],
)
def test_the_database_refuses_what_the_page_would(values: dict[str, object], as_: Signed) -> None:
    keeps(as_("fiona"), "Free ones")
    row = {"role": "FINANCE", "name": "B", "query": "tab=needs&cause=who%3Dme", "place": 2}

    with pytest.raises((IntegrityError, DataError)), transaction.atomic():
        SavedView.objects.create(**row | values)
    SavedView.objects.create(**row)


def test_two_of_a_team_at_once_take_turns(committed: None) -> None:
    """Both keep a view under one name: the second hears that there is one."""
    people = [factories.person(name, "FINANCE") for name in ("fiona", "frank")]
    heard: list[str] = []
    together = threading.Barrier(2)

    def keep(person: User) -> None:
        together.wait()
        try:
            view_writes.keep(
                person=person,
                wanted=Wanted("FINANCE", "needs", person.pk, who="nobody", hidden=()),
                name="Free ones",
                for_team=True,
            )
        except UnableToSave as why:
            heard.append(str(why))
        finally:
            connection.close()

    threads = [threading.Thread(target=keep, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert SavedView.objects.get().place == 1
    assert heard == ["Name: there is a tab “Free ones” already, choose another name"]


def test_the_page_asks_no_more_often_for_views_of_the_team(at: datetime, as_: Signed) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    causes = [f"tab=needs&cause={number}" for number in range(2, SavedView.MOST + 1)]
    for place, query in enumerate([f"tab=needs&kind={case.kind}&hide=none", *causes], start=1):
        SavedView.objects.create(role="FINANCE", name=f"v{place}", query=query, place=place)
    view = SavedView.objects.get(place=1)
    client = as_("fiona")
    does(client, view, "tell", more_than="20")
    client.get("/")

    with CaptureQueriesContext(connection) as queries:
        answer = client.get(f"/queue/finance/?{view.query}&view={view.pk}&case={case.pk}")

    assert answer.status_code == 200
    assert "Change the alert" in answer.content.decode()
    assert len(queries) <= QUERIES_ALLOWED
