"""One connection's page: its switch with an end, its maintenance, and what each team reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from integrator.desk import directory
from integrator.engine import connections, maintenance
from integrator.engine.states import Trace
from integrator.models import (
    Connection,
    ConnectionState,
    MaintenanceState,
    MaintenanceWindow,
    Transition,
)
from tests.desk import factories
from tests.desk.test_connections import words

As = Callable[[str], Client]
ADA = "user:ada"
BERLIN = ZoneInfo("Europe/Berlin")


def typed(moment: datetime) -> str:
    """As a browser sends it: the clock on the retailer's wall."""
    local = moment.astimezone(BERLIN)
    return f"{local:%Y-%m-%dT%H:%M}"


def minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def plan(client: Client, on: Connection, **values: str) -> str:
    answer = client.post(f"/connections/{on.pk}/plan/", values, follow=True)
    return words(answer.content.decode())


def announced(on: Connection, at: datetime) -> MaintenanceWindow:
    """Ada says that it will be down for an hour, three hours from now."""
    starts = at + timedelta(hours=3)
    return maintenance.announce(
        on,
        starts_at=starts,
        ends_at=starts + timedelta(hours=1),
        reason="New release",
        trace=Trace(at=at, actor=ADA),
    )


def cancel(client: Client, window: MaintenanceWindow, reason: str) -> str:
    address = f"/connections/windows/{window.pk}/cancel/"
    return words(client.post(address, {"reason": reason}, follow=True).content.decode())


def page(client: Client, of: Connection, query: str = "") -> str:
    directory.forget()
    return words(client.get(f"/connections/{of.pk}/{query}").content.decode())


def moved(
    of: Connection, at: datetime, act: Callable[..., None], reason: str, actor: str = ADA
) -> None:
    act(Connection.objects.get(pk=of.pk), trace=Trace(at=at, actor=actor), reason=reason)


# --- announcing ---------------------------------------------------------------------------------


def test_announced_it_is_said_on_every_page_beforehand_and_meanwhile(
    at: datetime, scayle: Connection, as_: As
) -> None:
    starts, ends = minute(at + timedelta(hours=3)), minute(at + timedelta(hours=5))
    ada = as_("ada")

    said = plan(ada, scayle, starts=typed(starts), ends=typed(ends), reason="New release")

    window = MaintenanceWindow.objects.get()
    assert (window.starts_at, window.ends_at, window.made_by) == (starts, ends, ADA)
    assert "Announced: SCAYLE is down from" in said
    directory.forget()
    orders = words(as_("carla").get("/orders/").content.decode())
    assert "SCAYLE will be down from" in orders
    assert "(New release)" in orders

    maintenance.turn(at=starts)
    factories.job("refund", at, record=("order", 9), to=scayle)
    directory.forget()
    orders = words(as_("carla").get("/orders/").content.decode())
    assert "SCAYLE is down as planned until" in orders
    assert "and starts again by itself" in orders
    assert re.search(r"1 step waited at \d\d:\d\d", orders)
    assert "Down as planned" in page(ada, scayle)


def test_one_that_is_days_away_is_on_the_connections_page_only(
    at: datetime, scayle: Connection, as_: As
) -> None:
    starts = at + timedelta(days=3)
    plan(
        as_("ada"),
        scayle,
        starts=typed(starts),
        ends=typed(starts + timedelta(hours=1)),
        reason="New release",
    )

    assert "will be down" not in words(as_("carla").get("/orders/").content.decode())
    said = page(as_("carla"), scayle)
    assert "New release Planned ada" in said
    assert "Cancel…" not in said.split("Pauses and maintenance")[1].split("Today")[0]


@pytest.mark.parametrize(
    "hours, reason, says",
    [
        ((-1, 2), "x", "Starts: choose a moment that is still to come"),
        ((3, 2), "x", "Ends: choose a moment after the start"),
        ((1, 2), "", "Reason: say it in one sentence"),
        ((1, 500), "x", "Ends: choose at most 14 days"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field_and_keeps_what_was_typed(
    at: datetime, scayle: Connection, as_: As, hours: tuple[int, int], reason: str, says: str
) -> None:
    starts, ends = (typed(at + timedelta(hours=one)) for one in hours)
    values = {"starts": starts, "ends": ends, "reason": reason}
    answer = as_("ada").post(f"/connections/{scayle.pk}/plan/", values)

    html = answer.content.decode()
    field = says.partition(":")[0].lower()
    assert answer.status_code == 422
    assert re.search(rf'id="e-{field}">.*?{re.escape(says)}', html, re.DOTALL)
    assert f'value="{starts}"' in html
    assert not MaintenanceWindow.objects.exists()


def test_an_hour_that_the_clocks_leave_out_is_refused(scayle: Connection, as_: As) -> None:
    values = {"starts": "2027-03-28T02:30", "ends": "2027-03-28T05:00", "reason": "x"}
    html = as_("ada").post(f"/connections/{scayle.pk}/plan/", values).content.decode()

    assert "Starts: the clocks go forward then, this time does not exist that day" in html


def test_it_is_announced_once_and_cancelled_once(at: datetime, scayle: Connection, as_: As) -> None:
    starts = at + timedelta(hours=3)
    values = {"starts": typed(starts), "ends": typed(starts + timedelta(hours=1)), "reason": "x"}
    ada = as_("ada")
    plan(ada, scayle, **values)
    plan(ada, scayle, **values)
    window = MaintenanceWindow.objects.get()
    values["reason"] = "another"
    assert "Cancel it first" in plan(ada, scayle, **values)

    assert "nothing is held then" in cancel(ada, window, "They moved it to May")
    assert "is over already" in cancel(ada, window, "They moved it to May")
    assert "is over already" in cancel(ada, window, ""), "whatever is typed, it is over"
    assert as_("omar").post(f"/connections/windows/{window.pk}/cancel/").status_code == 403


def test_cancelling_asks_why_in_place_and_says_so_beside_the_field(
    at: datetime, scayle: Connection, returngo: Connection, as_: As
) -> None:
    ada, window = as_("ada"), announced(scayle, at)
    asked = page(ada, scayle, f"?do=cancel&window={window.pk}")
    assert "Cancel the maintenance from" in asked
    assert "ada announced it for “New release”" in asked
    for query in (f"?do=cancel&window={window.pk + 1}", "?do=cancel&window=x", "?do=cancel"):
        assert "Cancel the maintenance from" not in page(ada, scayle, query)
    query = f"?do=cancel&window={window.pk}"
    assert "Cancel the maintenance from" not in page(ada, returngo, query)
    assert "Cancel the maintenance from" not in page(as_("omar"), scayle, query)

    answer = ada.post(f"/connections/windows/{window.pk}/cancel/", {"reason": " "})

    html = answer.content.decode()
    assert answer.status_code == 422
    assert re.search(r'id="e-reason">.*?Reason: say it in one sentence', html, re.DOTALL)
    assert f'href="/connections/{scayle.pk}/?do=pause#do"' in html, "its links lead on from here"
    window.refresh_from_db()
    assert window.state == MaintenanceState.PLANNED


# --- switching ----------------------------------------------------------------------------------


def test_a_pause_may_say_when_it_ends(at: datetime, scayle: Connection, as_: As) -> None:
    ends = minute(at + timedelta(hours=2))
    ada = as_("ada")
    address = f"/connections/{scayle.pk}/switch/"
    ada.post(address, {"to": "pause", "reason": "Lunch", "ends": typed(ends)})

    scayle.refresh_from_db()
    assert scayle.state == ConnectionState.PAUSED
    said = page(ada, scayle)
    assert f"until {ends.astimezone(BERLIN):%H:%M}" in said
    assert "End it early… Keep it paused…" in said
    asked = page(ada, scayle, "?do=on")
    assert "End the pause of SCAYLE early" in asked
    assert "No step is held." in asked
    assert "0 held steps" not in asked
    maintenance.turn(at=ends)
    scayle.refresh_from_db()
    assert scayle.state == ConnectionState.ACTIVE


def test_kept_paused_it_stays_so_and_a_second_press_changes_nothing(
    at: datetime, scayle: Connection, as_: As
) -> None:
    ada = as_("ada")
    address = f"/connections/{scayle.pk}/switch/"
    ends = typed(at + timedelta(hours=2))
    ada.post(address, {"to": "pause", "reason": "Lunch", "ends": ends})
    ada.post(address, {"to": "pause", "reason": "It takes longer", "ends": ""})
    again = ada.post(address, {"to": "pause", "reason": "It takes longer"}, follow=True)

    assert "Somebody has switched it already" in words(again.content.decode())
    maintenance.turn(at=at + timedelta(hours=3))
    scayle.refresh_from_db()
    assert (scayle.state, scayle.state_reason) == ("PAUSED", "It takes longer")
    moves = Transition.objects.filter(record_kind="connection")
    assert list(moves.order_by("id").values_list("new", flat=True)) == ["PAUSED", "PAUSED"]


def test_without_a_reason_or_with_a_past_end_nothing_is_paused(
    at: datetime, scayle: Connection, as_: As
) -> None:
    address = f"/connections/{scayle.pk}/switch/"
    for values, says in (
        ({"reason": ""}, "Reason: say it in one sentence"),
        (
            {"reason": "x", "ends": typed(at - timedelta(hours=1))},
            "Start again at: choose a moment that is still to come",
        ),
        ({"reason": "x", "ends": "soon"}, "Start again at: write a day and a time"),
    ):
        answer = as_("ada").post(address, {"to": "pause", **values})
        assert answer.status_code == 422
        assert says in words(answer.content.decode())
    scayle.refresh_from_db()
    assert scayle.state == ConnectionState.ACTIVE


def test_only_who_may_change_it_sees_its_forms(at: datetime, scayle: Connection, as_: As) -> None:
    assert "Announce maintenance…" in page(as_("ada"), scayle)
    for do in ("", "?do=pause", "?do=plan", "?do=on"):
        said = page(as_("omar"), scayle, do)
        assert "Announce maintenance…" not in said
        assert "Reason" not in said
    assert as_("omar").get("/connections/999/").status_code == 404


# --- each team in its own words -------------------------------------------------------------------


def test_each_team_reads_what_a_stop_means_for_it(
    at: datetime, scayle: Connection, as_: As
) -> None:
    moved(scayle, at, connections.pause, "They move house")
    said = {}
    for name in ("carla", "omar", "fiona", "otto"):
        said[name] = words(as_(name).get("/people/").content.decode())
        assert "SCAYLE is paused since" in said[name]
        assert "until somebody switches it on (They move house)" in said[name]

    assert "Refunds and replacements wait. Tell customers who ask" in said["carla"]
    assert "New orders, returned stock and replacement orders wait" in said["omar"]
    assert "Refunds and entries of refunds wait. Pay nothing by hand" in said["fiona"]
    for advice in ("Tell customers", "Change nothing", "Pay nothing"):
        assert advice not in said["otto"]


def test_a_platform_that_works_stands_above_no_page(scayle: Connection, as_: As) -> None:
    assert 'class="banner' not in as_("carla").get("/orders/").content.decode()
