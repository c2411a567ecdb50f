"""Views of a team: everybody of it has them, each may change them, and who did is kept."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrator.desk import view_writes
from integrator.desk.view_writes import Seen, UnableToSave
from integrator.engine import cases
from integrator.flows import view_alerts
from integrator.flows.queue_wanted import Wanted
from integrator.models import AlertChoice, Case, SavedView, ViewAlert
from tests.desk import factories
from tests.desk.test_queue import QUERIES_ALLOWED
from tests.desk.test_saved_views import FREE, MINE, current, page, saves, tabs

OLD = "tab=needs&order=oldest"
Signed = Callable[[str], Client]


def keeps(client: Client, name: str, query: str = FREE, role: str = "finance") -> HttpResponse:
    """Keep a view for the team."""
    data = {"name": name, "query": query, "for": "team"}
    return client.post(f"/queue/{role}/views/", data)


def does(client: Client, view: SavedView, do: str, **data: str) -> HttpResponse:
    """What the page as it is now would send."""
    view.refresh_from_db()
    sent = {"do": do, "query": view.query, "version": str(view.version), **data}
    return client.post(f"/queue/views/{view.pk}/", sent)


def said(answer: HttpResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def audit(client: Client) -> str:
    return said(client.get("/audit/?kind=setting"))


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
    assert "Needs us, Taken by nobody, by next promise" in told
    assert "Needs us, by oldest" in told
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


# --- Alerts --------------------------------------------------------------------------------------


def test_an_alert_is_set_shown_changed_and_ended(at: datetime, as_: Signed) -> None:
    factories.case("SYSTEMS_DIFFER", at, record=("order", 1))
    fiona = as_("fiona")
    link = keeps(fiona, "Free ones").url
    view = SavedView.objects.get()

    does(fiona, view, "tell", more_than=" 0 ")
    html = page(fiona, link)

    assert "tells when more than 0" in html
    assert "We count every 5 minutes" in html
    assert "It is above now." in html  # set while it was: told when it rises again
    assert "tells when more than 0" in page(as_("frank"), "/queue/")
    does(fiona, view, "tell", more_than="20")
    assert "It is above now." not in page(fiona, link)
    assert ViewAlert.objects.get().count == 1
    does(fiona, view, "tell_nobody")
    assert "tells when" not in page(fiona, link)
    assert not ViewAlert.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        OLD,
        FREE,
        "tab=snoozed&order=oldest",
        "tab=solved&kind=SYSTEMS_DIFFER",
        "tab=needs&kind=SYSTEMS_DIFFER",
        "tab=needs&kind=MAPPING_MISSING&cause=shared:1",
        "tab=needs&connection=%d",
        "tab=not-reconciled&who=nobody",
        MINE,
        "tab=mine&order=money",
    ],
)
def test_an_alert_counts_what_the_tab_lists(
    query: str, at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    """Lines, and not cases: of those that share a cause there is one."""
    User.objects.update(email="somebody@demo-sport.test")
    shop = factories.connection().pk
    query = query.replace("%d", str(shop))
    some = {}
    for number, code in enumerate(["SYSTEMS_DIFFER", "REFUND_REFUSED", "REFUND_IN_DOUBT"] * 4):
        where = {"connection_id": shop} if number % 3 else {}
        some[number] = factories.case(code, at, record=("order", number + 1), **where)
    for number in range(5):
        cause = f"shared:{number % 2}"
        factories.case("MAPPING_MISSING", at, record=("order", 90 + number), cause=cause)
    Case.objects.filter(kind="MAPPING_MISSING").update(handed_to="FINANCE")
    for number in (0, 4, 5):
        cases.snooze(
            some[number], until=None, awaiting="WORSE", trace=factories.trace(at), note="later"
        )
    for number in (3, 6):
        trace = factories.trace(at)
        cases.solve(some[number], resolution="FIXED_HERE", trace=trace, reason="done")
    Case.objects.filter(pk__in=[some[7].pk, some[8].pk]).update(assignee=people["fiona"])
    fiona = as_("fiona")
    link = saves(fiona, "Counted", query).url

    does(fiona, SavedView.objects.get(), "tell", more_than="1")

    html = page(fiona, link)
    assert current(html) == "Counted"
    count = ViewAlert.objects.get().count
    assert count == html.count('class="q-row') > 0
    assert re.match(rf"{count}(?!\d)", tabs(html)["Counted"])
    view_alerts.watch(at=at)
    assert ViewAlert.objects.get().count == count


@pytest.mark.parametrize("typed", ["", "x", "-1", "1.5", "10000", "²", "1e3", "\x00"])
def test_what_is_no_number_is_said_and_not_kept(typed: str, as_: Signed) -> None:
    fiona = as_("fiona")
    keeps(fiona, "Free ones")
    view = SavedView.objects.get()

    answer = does(fiona, view, "tell", more_than=typed)

    assert answer.status_code == 422
    assert "Tell when more than: write a number from 0 to 9,999" in said(answer)
    view.refresh_from_db()
    assert view.more_than is None
    assert not ViewAlert.objects.exists()


def test_an_alert_of_ones_own_needs_an_address_and_a_wish(
    as_: Signed, people: dict[str, User]
) -> None:
    fiona = as_("fiona")
    saves(fiona, "Free ones")
    view = SavedView.objects.get()

    assert "No e-mail address is known for you" in said(does(fiona, view, "tell", more_than="3"))
    User.objects.filter(username="fiona").update(email="fiona@demo-sport.test")
    choice = AlertChoice.objects.create(person=people["fiona"], when="NEVER")
    assert "You chose no e-mail at all" in said(does(fiona, view, "tell", more_than="3"))
    assert not ViewAlert.objects.exists()
    choice.delete()
    assert does(fiona, view, "tell", more_than="3").status_code == 302
    assert ViewAlert.objects.get().view == view


def test_my_alerts_lists_the_views_that_tell_me(as_: Signed, people: dict[str, User]) -> None:
    User.objects.update(email="somebody@demo-sport.test")
    fiona, frank = as_("fiona"), as_("frank")
    keeps(fiona, "Free ones")
    saves(fiona, "By age", OLD)
    saves(frank, "Of Frank", MINE)
    for name, client in (("Free ones", fiona), ("By age", fiona), ("Of Frank", frank)):
        does(client, SavedView.objects.get(name=name), "tell", more_than="20")

    told = said(fiona.get("/my-alerts/"))

    assert "Free ones Finance the team 20 not yet" in told
    assert "By age Finance you 20 not yet" in told
    assert "Of Frank" not in told
    assert "Free ones" not in said(as_("ada").get("/my-alerts/"))
    people["fiona"].groups.clear()
    assert fiona.get("/my-alerts/").status_code == 403


def test_given_to_the_team_an_alert_goes_along(as_: Signed) -> None:
    User.objects.update(email="somebody@demo-sport.test")
    fiona = as_("fiona")
    saves(fiona, "Free ones")
    view = SavedView.objects.get()
    does(fiona, view, "tell", more_than="20")
    before = ViewAlert.objects.get()

    does(fiona, view, "give")

    assert ViewAlert.objects.get().pk != before.pk  # it begins afresh
    view.refresh_from_db()
    assert (view.person_id, view.more_than) == (None, 20)


def test_a_view_that_is_gone_says_so(people: dict[str, User]) -> None:
    gone = Seen(404)

    with pytest.raises(UnableToSave, match="deleted in the meantime"):
        view_writes.rename(gone, person=people["fiona"], role="FINANCE", name="Other")
