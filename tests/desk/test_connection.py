"""One connection's page: its switch with an end, its maintenance, its 90 days and their notes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from integrator.desk import connection_days, directory
from integrator.engine import connections, maintenance
from integrator.engine.states import Trace
from integrator.models import (
    Connection,
    ConnectionState,
    IncidentNote,
    Job,
    JobState,
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
    assert "Cancel" not in said.split("Maintenance")[1].split("Today")[0]


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

    address = f"/connections/windows/{window.pk}/cancel/"
    assert "nothing is held then" in words(ada.post(address, follow=True).content.decode())
    assert "is over already" in words(ada.post(address, follow=True).content.decode())
    assert as_("omar").post(address).status_code == 403


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
        assert "Keep as it is" not in said
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


# --- 90 days --------------------------------------------------------------------------------------


@pytest.fixture
def outage(at: datetime, scayle: Connection) -> Transition:
    """Ten days ago it refused our key for two hours; three steps waited, one from before."""
    began = minute(at.astimezone(BERLIN)).replace(hour=9) - timedelta(days=10)
    moved(scayle, began, lambda one, **how: refuse(one, **how), "401 who are you?", "worker")
    for number, (created, finished) in enumerate(
        [(-1, 3), (0.5, 3), (1, 2.5), (1, 1.5), (2.5, 3), (-24 * 20, 3)]
    ):
        job = factories.job("restock", at, record=("order", number), to=scayle, state=JobState.DONE)
        Job.objects.filter(pk=job.pk).update(
            created_at=began + timedelta(hours=created),
            finished_at=began + timedelta(hours=finished),
        )
    moved(scayle, began + timedelta(hours=2), connections.resume, "New key")
    for minutes in (30, 125, 170, 400):
        when = began + timedelta(minutes=minutes)
        factories.message(scayle, "missed", when, origin="SWEEP")
        factories.message(scayle, "order.updated", when)
    return Transition.objects.filter(record_kind="connection").earliest("id")


def refuse(one: Connection, *, trace: Trace, reason: str) -> None:
    connections.refused_credentials(one, trace=trace, error=reason)


def of_day(client: Client, of: Connection, query: str = "") -> str:
    html = client.get(f"/connections/{of.pk}/history/{query}").content.decode()
    return words(html)


def test_an_incident_says_from_when_to_when_why_and_what_waited(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    said = of_day(as_("carla"), scayle)

    assert "SCAYLE: 1 incident" in said
    assert re.search(r"Key refused at .* for 2 h: 401 who are you\?", said)
    assert "New key (ada)" in said
    assert "3 steps waited when it ended." in said
    assert "Our sweeps found 3 missed callbacks in it and in the hour after it." in said
    assert "Key refused 1 day" in said
    assert "Nothing happened 89 days" in said


def test_each_day_leads_to_its_incidents(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    moved(scayle, at - timedelta(hours=1), connections.pause, "They move house")
    client = as_("carla")
    html = client.get(f"/connections/{scayle.pk}/history/").content.decode()
    links = re.findall(r'href="(\?day=[\d-]+)#incidents">(\d+)<', html)
    assert len(links) >= 2
    for link, count in links:
        told = client.get(f"/connections/{scayle.pk}/history/{link}").content.decode()
        assert told.count('<article class="incident"') == int(count), link

    day = timezone.localtime(outage.at, BERLIN).date()
    assert "They move house" not in of_day(client, scayle, f"?day={day}").split("Incidents on")[1]
    assert "worked on this day" in of_day(client, scayle, f"?day={day - timedelta(days=3)}")
    assert "worked on each" not in of_day(client, scayle, "?day=tomorrow")


def test_the_strip_has_a_bar_a_day_and_the_worst_wins(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    html = as_("carla").get(f"/connections/{scayle.pk}/history/").content.decode()
    strip = html.split('class="strip"')[1].split("</svg>")[0]

    assert strip.count("<rect") == 90
    assert strip.count('class="d-bad"') == 1
    assert strip.count('class="d-fine"') == 89


def test_what_it_was_behind_by_is_read_from_the_sweeps(
    at: datetime, scayle: Connection, as_: As
) -> None:
    """The longest counts, and one that broke off does not."""
    assert "Nothing has been looked through completely" in of_day(as_("carla"), scayle)
    shown = connection_days.Period(date(2026, 1, 1), date(2026, 1, 4), BERLIN)
    morning = datetime(2026, 1, 2, 8, 0, tzinfo=BERLIN)
    for after, unreadable in ((0, 0), (9, 0), (83, 0), (950, 3), (2940, 0)):
        look = factories.job(
            "sweep_scayle",
            at,
            record=("connection", scayle.pk),
            to=scayle,
            state=JobState.DONE,
            evidence={"seen": 1, "missed": 0, "unreadable": unreadable},
        )
        Job.objects.filter(pk=look.pk).update(finished_at=morning + timedelta(minutes=after))

    unseen = connection_days.unseen_per_day(
        scayle, shown, at=datetime(2026, 1, 4, 9, 23, tzinfo=BERLIN)
    )

    assert unseen == {
        # Before the first look nobody can say; a day without one has what the last one left.
        date(2026, 1, 2): 24 * 60 - 8 * 60 - 83,
        date(2026, 1, 3): 2 * 24 * 60 - 8 * 60 - 83,
        date(2026, 1, 4): 2940 - 83,
    }


def test_people_write_notes_that_stay(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    address = f"/connections/incidents/{outage.pk}/note/"
    omar = as_("omar")
    assert "Keep the note" in of_day(omar, scayle, f"?note={outage.pk}")
    for _ in range(2):  # a double press
        omar.post(address, {"note": "Their certificate had run out"})

    note = IncidentNote.objects.get()
    assert (note.actor, note.fact_id) == ("user:omar", outage.pk)
    assert re.search(r"omar .*Their certificate had run out", of_day(as_("carla"), scayle))
    answer = omar.post(address, {"note": " "})
    assert answer.status_code == 422
    assert "Write what others should know" in words(answer.content.decode())


def test_a_note_is_for_who_works_here_and_about_an_incident(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    address = f"/connections/incidents/{outage.pk}/note/"
    assert as_("otto").post(address, {"note": "x"}).status_code == 403
    assert "Write a note" not in of_day(as_("otto"), scayle, f"?note={outage.pk}")
    back = Transition.objects.filter(record_kind="connection", new="ACTIVE").get()
    assert as_("omar").post(f"/connections/incidents/{back.pk}/note/").status_code == 404
    assert not IncidentNote.objects.exists()


def test_the_audit_says_who_announced_cancelled_and_noted(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    starts = at + timedelta(hours=3)
    ada = as_("ada")
    plan(
        ada,
        scayle,
        starts=typed(starts),
        ends=typed(starts + timedelta(hours=1)),
        reason="New release",
    )
    ada.post(f"/connections/windows/{MaintenanceWindow.objects.get().pk}/cancel/")
    ada.post(f"/connections/incidents/{outage.pk}/note/", {"note": "Their certificate"})

    said = words(as_("otto").get("/audit/").content.decode())

    assert "announced maintenance" in said
    assert "New release" in said
    assert "cancelled maintenance" in said
    assert "wrote a note on an incident" in said
    assert "Their certificate" in said
    one = words(as_("otto").get("/audit/?kind=setting").content.decode())
    assert "announced maintenance" in one
