"""The last 90 days of a connection: its incidents, the strip, and what people write on them."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from integrator.desk import connection_days
from integrator.engine import connections
from integrator.engine.states import Trace
from integrator.models import (
    Connection,
    IncidentNote,
    Job,
    JobState,
    Transition,
)
from tests.desk import factories
from tests.desk.test_connection import As, announced, cancel, minute, moved
from tests.desk.test_connections import words

BERLIN = ZoneInfo("Europe/Berlin")


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
    assert re.search(
        r"Key refused on \w{3} \d+ \w{3}( \d{4})? at \d\d:\d\d for 2 h: 401 who are you\?", said
    )
    assert "New key (ada)" in said
    assert "3 steps waited when it ended." in said
    assert "Our sweeps found 3 missed callbacks during it or in the hour after." in said
    assert "Key refused 1 day" in said
    assert "Nothing happened 10 days" in said
    assert "Not known 79 days" in said, "nothing was kept before its first change"


def test_what_no_look_has_told_is_not_called_nothing(
    at: datetime, scayle: Connection, as_: As
) -> None:
    """Only a look that was finished then can say that no callback was missed."""
    began = at - timedelta(days=20)
    moved(scayle, began, connections.pause, "Stock-taking")
    moved(scayle, began + timedelta(hours=2), connections.resume, "Counted")
    unseen = of_day(as_("carla"), scayle)
    look = factories.job(
        "sweep_scayle",
        at,
        record=("connection", scayle.pk),
        to=scayle,
        state=JobState.DONE,
        evidence={"seen": 1, "missed": 0, "unreadable": 0},
    )

    def looked(after: timedelta) -> str:
        Job.objects.filter(pk=look.pk).update(finished_at=began + after)
        return of_day(as_("carla"), scayle)

    none = "Our sweeps found no missed callback during it or in the hour after."
    assert "What our sweeps found then was not kept." in unseen and none not in unseen
    assert none in looked(timedelta(hours=1))
    assert none in looked(timedelta(hours=2, minutes=59))
    for after in (timedelta(minutes=-1), timedelta(hours=3)):
        told = looked(after)
        assert "What our sweeps found then was not kept." in told and none not in told


def test_one_that_began_this_minute_is_told_in_words(
    at: datetime, scayle: Connection, as_: As
) -> None:
    moved(scayle, at, connections.pause, "They move house")

    said = of_day(as_("carla"), scayle)

    assert re.search(r"Paused by a person \d\d:\d\d , just now", said)
    assert re.search(r"Paused by ada since \d\d:\d\d , less than a minute so far", said)
    assert " 0 s" not in said
    assert "Paused by a person 1 day" in said, "today is the day of an incident"
    assert "missed callback" not in said.split("Paused by ada")[1], "that hour is still to come"


def test_each_day_leads_to_its_incidents(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    moved(scayle, at - timedelta(hours=1), connections.pause, "They move house")
    client = as_("carla")
    html = client.get(f"/connections/{scayle.pk}/history/").content.decode()
    links = re.findall(r'href="([^"]+\?day=[\d-]+)#incidents">(\d+)<', html)
    assert len(links) >= 2
    for link, count in links:
        told = client.get(link).content.decode()
        assert told.count('<article class="incident"') == int(count), link

    day = timezone.localtime(outage.at, BERLIN).date()
    assert "They move house" not in of_day(client, scayle, f"?day={day}").split("Incidents on")[1]
    assert "worked on this day" in of_day(client, scayle, f"?day={day + timedelta(days=3)}")
    before = of_day(client, scayle, f"?day={day - timedelta(days=3)}")
    assert "Nobody can say how SCAYLE worked on this day" in before
    assert "worked on each" not in of_day(client, scayle, "?day=tomorrow")


def test_the_strip_has_a_bar_a_day_and_the_worst_wins(
    at: datetime, scayle: Connection, outage: Transition, as_: As
) -> None:
    html = as_("carla").get(f"/connections/{scayle.pk}/history/").content.decode()
    strip = html.split('class="strip"')[1].split("</svg>")[0]

    assert strip.count("<rect") == 90
    assert strip.count('class="d-bad"') == 1
    assert strip.count('class="d-fine"') == 10
    assert strip.count('class="d-unknown"') == 79


def test_what_was_never_looked_at_is_not_called_fine(
    at: datetime, scayle: Connection, as_: As
) -> None:
    """The first look that saw everything was today: of the days before nobody can say a word."""
    assert "Nobody can say how SCAYLE worked in these days" in of_day(as_("carla"), scayle)
    evidence = {"seen": 1, "missed": 0, "unreadable": 0}
    state, record = JobState.DONE, ("connection", scayle.pk)
    look = factories.job(
        "sweep_scayle", at, record=record, to=scayle, state=state, evidence=evidence
    )
    Job.objects.filter(pk=look.pk).update(finished_at=at)

    said = of_day(as_("carla"), scayle)

    assert "Nothing happened 1 day " in said
    assert "Not known 89 days" in said
    assert "worked on each day since" in said
    assert re.search(r" at most\. How old our news was before that was not kept\.", said)


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
    asked = of_day(omar, scayle, f"?note={outage.pk}")
    assert "Save note" in asked
    assert "Note on an incident All of the 90 days" in asked
    for _ in range(2):  # a double press
        omar.post(address, {"note": "Their certificate had run out"})

    note = IncidentNote.objects.get()
    assert (note.actor, note.fact_id) == ("user:omar", outage.pk)
    assert re.search(r"omar .*Their certificate had run out", of_day(as_("carla"), scayle))
    answer = omar.post(address, {"note": " "})
    assert answer.status_code == 422
    assert "Write what others should know" in words(answer.content.decode())
    assert f'href="/connections/{scayle.pk}/history/?day=' in answer.content.decode()


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
    ada, window = as_("ada"), announced(scayle, at)
    cancel(ada, window, "They moved it to May")
    ada.post(f"/connections/incidents/{outage.pk}/note/", {"note": "Their certificate"})

    said = words(as_("otto").get("/audit/").content.decode())

    assert "announced maintenance" in said
    assert "New release" in said
    cancelled = said.split("cancelled maintenance")[1].split("announced maintenance")[0]
    assert "(“New release”)" in cancelled and "They moved it to May" in cancelled
    assert "wrote a note on an incident" in said
    assert "Their certificate" in said
    one = words(as_("otto").get("/audit/?kind=setting").content.decode())
    assert "announced maintenance" in one
