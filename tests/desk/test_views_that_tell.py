"""Alerts of views: set, counted, refused, shown, and taken along."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

from integrator.desk import view_writes
from integrator.desk.view_writes import Seen, UnableToSave
from integrator.engine import cases
from integrator.flows import view_alerts
from integrator.models import AlertChoice, AlertReceiver, Case, Connection, SavedView, ViewAlert
from tests.desk import factories
from tests.desk.test_saved_views import FREE, MINE, current, page, saves, tabs
from tests.desk.views import OLD, Signed, does, keeps, said


def receives(shop: Connection, slug: str, **values: Any) -> None:
    """A system of the retailer's that is told of what finance's queue lists."""
    values = {"name": slug, "role": "FINANCE", "address": "https://chat.example/", **values}
    AlertReceiver.objects.create(retailer=shop.retailer, slug=slug, **values)


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


@pytest.mark.parametrize("who", ["a colleague", "a system of the team's"])
def test_an_alert_of_the_team_that_reaches_nobody_is_set_and_says_so(
    who: str, as_: Signed, people: dict[str, User], scayle: Connection
) -> None:
    fiona = as_("fiona")
    link = keeps(fiona, "Free ones").url
    view = SavedView.objects.get()
    # Neither of these hears of it: no address, another role, only some kinds, switched off.
    for name in ("fiona", "clara"):
        AlertChoice.objects.create(person=people[name], when="AT_ONCE")
    User.objects.filter(username__in=["frank", "clara"]).update(email="x@demo-sport.test")
    for slug, values in {
        "cx": {"role": "CX"},
        "some": {"kinds": ["REFUND_REFUSED"]},
        "off": {"is_on": False},
    }.items():
        receives(scayle, slug, **values)

    does(fiona, view, "tell", more_than="20")
    told = said(fiona.get(link))

    nobody = "At present nobody would be told: no one of Finance with an e-mail address chose"
    assert told.count(nobody) == 2  # once as the answer, once in the form
    assert ViewAlert.objects.get().view == view
    assert told.count(nobody) - said(fiona.get(link)).count(nobody) == 1
    assert nobody not in said(as_("ada").get(link))

    if who == "a colleague":
        AlertChoice.objects.create(person=people["frank"], when="AT_ONCE")
    else:
        receives(scayle, "all")
    does(fiona, view, "tell", more_than="30")

    assert nobody not in said(fiona.get(link))


def test_what_stops_an_alert_from_reaching_anybody_is_said_too(
    as_: Signed, scayle: Connection
) -> None:
    """A view that is given to the team, or shows more from now on, than a system hears of."""
    User.objects.update(email="somebody@demo-sport.test")
    receives(scayle, "refunds", kinds=["REFUND_REFUSED"])
    fiona = as_("fiona")
    refunds = "tab=needs&kind=REFUND_REFUSED"
    saves(fiona, "Refused", refunds)
    view = SavedView.objects.get()
    does(fiona, view, "tell", more_than="20")
    nobody = "At present nobody would be told"
    assert nobody not in said(fiona.get("/my-alerts/"))

    does(fiona, view, "give", query=refunds)
    assert nobody not in said(fiona.get("/my-alerts/"))
    does(fiona, view, "change", query=OLD)

    assert nobody in said(fiona.get("/my-alerts/"))


def test_my_alerts_lists_the_views_that_tell_me(as_: Signed, people: dict[str, User]) -> None:
    User.objects.update(email="somebody@demo-sport.test")
    fiona, frank = as_("fiona"), as_("frank")
    keeps(fiona, "Free ones")
    saves(fiona, "By age", OLD)
    saves(frank, "Of Frank", MINE)
    for name, client in (("Free ones", fiona), ("By age", fiona), ("Of Frank", frank)):
        does(client, SavedView.objects.get(name=name), "tell", more_than="20")

    told = said(fiona.get("/my-alerts/"))

    nobody = "nobody of the team chose “At once”: nobody is told"
    assert f"Free ones Finance the team {nobody} 20 not yet" in told
    assert "By age Finance you 20 not yet" in told
    assert "Of Frank" not in told
    AlertChoice.objects.create(person=people["frank"], when=AlertChoice.When.AT_ONCE)
    assert "Free ones Finance the team 20 not yet" in said(fiona.get("/my-alerts/"))
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
