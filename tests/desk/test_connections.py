"""Connections: green but behind is visible, held work is counted, the switch asks for a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

from django.test import Client
from django.utils import timezone

from integrator.engine import connections
from integrator.engine.states import Trace
from integrator.models import (
    Case,
    Connection,
    ConnectionState,
    JobState,
    RateWindow,
    Transition,
)
from tests.desk import factories


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_a_platform_that_answers_with_old_news_is_not_green(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    factories.stream(returngo, "rma", swept_at=at - timedelta(minutes=47), budget=600, missed=3)
    factories.heartbeat(at)

    text = words(as_("ada").get("/connections/").content.decode())

    assert "answers, but behind" in text
    assert "47 min of 10 min allowed" in text
    assert "Furthest behind: 47 min, returns from ReturnGO" in text
    assert "in time" not in text.lower()


def test_the_same_renewal_is_told_as_one_time_however_it_was_counted(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    """A platform tells whole seconds that are left: its moment lands just short of ours."""
    ends = (at + timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    for scope, short in (("day", timedelta()), ("month", timedelta(milliseconds=400))):
        RateWindow.objects.create(
            connection=returngo, scope=scope, limit=10, remaining=5, resets_at=ends - short
        )

    page = words(as_("ada").get("/connections/").content.decode())

    told = f"{timezone.localtime(ends, ZoneInfo('Europe/Berlin')):%H:%M}"
    assert page.split("Renews")[1].count(told) == 2


def test_a_stream_that_is_late_by_seconds_is_over_what_is_allowed(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    swept = at - timedelta(minutes=10, seconds=5)
    factories.stream(returngo, "rma", swept_at=swept, budget=600)

    assert "over 10 min of 10 min allowed" in words(
        as_("ada").get("/connections/").content.decode()
    )


def test_nobody_says_that_a_platform_answers_while_no_worker_asks_it(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    factories.stream(returngo, "rma", swept_at=at - timedelta(minutes=47), budget=600)
    client = as_("ada")
    paths = ("/connections/", f"/connections/{returngo.pk}/")
    for path in paths:
        page = words(client.get(path).content.decode())
        assert "No worker is known to have run" in page, path
        assert "behind, not read now" in page and "nswers" not in page, path
        assert "It waits until a worker runs." in page, path
    factories.heartbeat(at)
    for path in paths:
        page = words(client.get(path).content.decode())
        assert "No worker" not in page and "until a worker" not in page, path


def test_a_stream_that_was_never_read_is_unknown_not_zero(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    factories.stream(returngo, "rma", swept_at=None)

    text = words(as_("ada").get("/connections/").content.decode())

    assert "not read yet" in text
    assert "not known of 15 min allowed" in text


def test_every_count_is_the_length_of_the_list_it_links_to(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    for number in range(4):
        factories.job("restock", at, record=("order", number), to=scayle)
    factories.job("refund", at, record=("order", 9), to=scayle, state=JobState.PARKED)
    factories.job("refund", at, record=("order", 8), to=scayle, state=JobState.IN_DOUBT)
    factories.case("SYSTEMS_DIFFER", at, connection_id=scayle.pk)
    client = as_("ada")
    html = client.get("/connections/").content.decode()

    for path, count in (
        ("show=waiting&amp;connection", 5),
        ("show=in-doubt&amp;connection", 1),
        ("show=stopped&amp;connection", 1),
        ("/cases/?connection", 1),
    ):
        link = re.search(rf'href="([^"]*{re.escape(path)}=\d+)">(.*?)</a>', html, re.DOTALL)
        assert link is not None, path
        assert words(link[2]).strip() == str(count)
        listed = client.get(unescape(link[1])).content.decode()
        assert listed.count('<th scope="row">') == count, path


def test_a_pause_needs_the_verb_and_a_reason_and_is_kept_with_its_person(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    address = f"/connections/{scayle.pk}/switch/"
    ada = as_("ada")

    assert as_("omar").post(address, {"to": "pause", "reason": "x"}).status_code == 403
    ada.post(address, {"to": "pause", "reason": ""})
    scayle.refresh_from_db()
    assert scayle.state == ConnectionState.ACTIVE

    ada.post(address, {"to": "pause", "reason": "Maintenance until 14:00"})

    scayle.refresh_from_db()
    move = Transition.objects.get(record_kind="connection", new="PAUSED")
    assert scayle.state == ConnectionState.PAUSED
    assert (move.actor, move.reason) == ("user:ada", "Maintenance until 14:00")
    page = words(ada.get("/connections/").content.decode())
    assert "Paused by a person" in page
    assert "Maintenance until 14:00" in page
    ada.post(address, {"to": "resume", "reason": "done"})
    scayle.refresh_from_db()
    assert scayle.state == ConnectionState.ACTIVE


def test_switching_twice_says_so_and_changes_nothing(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    address = f"/connections/{scayle.pk}/switch/"
    ada = as_("ada")
    ada.post(address, {"to": "pause", "reason": "one"})

    html = ada.post(address, {"to": "pause", "reason": "two"}, follow=True).content.decode()

    assert "Somebody has switched it already" in html
    assert Transition.objects.filter(record_kind="connection").count() == 1


def test_a_silent_worker_is_named(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    client = as_("ada")
    assert "No worker is known to have run" in client.get("/connections/").content.decode()

    factories.heartbeat(at, "local")
    factories.heartbeat(at - timedelta(minutes=3), "scayle")

    text = words(client.get("/connections/").content.decode())
    assert "SCAYLE 3 min ago silent" in text
    assert "Our own records just now at work" in text


def test_while_no_worker_is_alive_that_leads_and_nothing_is_called_in_time(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    factories.stream(scayle, "order", swept_at=at)
    client = as_("ada")
    never = words(client.get("/connections/").content.decode())
    factories.heartbeat(at - timedelta(minutes=3), "local")
    silent = words(client.get("/connections/").content.decode())
    of_one = words(client.get(f"/connections/{scayle.pk}/").content.decode())
    factories.heartbeat(at, "scayle")
    alive = words(client.get("/connections/").content.decode())

    assert never.index("No worker is known to have run") < never.index("Waiting, all connections")
    assert "No worker has given a sign of life for 3 min" in silent
    for page in (never, silent, of_one):
        assert "in time" not in page.lower()
        assert "not read now" in page
        assert "none until a worker runs" in page
        assert "Furthest behind:" not in page
    assert "sign of life for" not in alive
    assert "SCAYLE In time" in alive
    assert "Our calls go out at once" in alive


def test_a_step_is_listed_with_the_number_of_its_order(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    order = factories.order("100482913", at, units=(("SKU-1", "Tee", 1000),))
    factories.job("refund", at, record=("order", order.pk), order_id=order.pk, to=scayle)

    html = as_("ada").get("/steps/").content.decode()

    assert f'<a class="id" href="/orders/{order.pk}/">100482913</a>' in html


def test_a_stopped_step_leads_to_its_open_case(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    job = factories.job("refund", at, record=("order", 1), to=scayle, state=JobState.PARKED)
    case = factories.case("JOB_FAILED", at, record=("order", 1), job_id=job.pk)
    leads = f'<a href="/cases/{case.pk}/">C-{case.pk}</a>'

    assert leads in as_("ada").get("/steps/?show=stopped").content.decode()
    Case.objects.filter(pk=case.pk).update(state="SOLVED", resolution="FIXED_HERE", solved_at=at)
    assert leads not in as_("ada").get("/steps/?show=stopped").content.decode()


def test_steps_open_on_the_first_list_that_has_some_and_say_how_many_each_has(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    for number in (1, 2):
        factories.job("refund", at, record=("order", number), to=scayle, state=JobState.PARKED)
    client = as_("ada")

    opened = client.get("/steps/").content.decode()

    assert 'aria-current="true">Stopped 2</a>' in opened
    assert "Waiting 0" in opened and opened.count('<th scope="row">') == 2
    factories.job("refund", at, record=("order", 3), to=scayle, state=JobState.IN_DOUBT)
    opened = client.get("/steps/").content.decode()
    assert 'aria-current="true">Waiting 1</a>' in opened and "In doubt 1" in opened
    assert "No step is in this state" not in client.get("/steps/?show=in-doubt").content.decode()


def test_the_side_bar_of_every_page_says_what_is_late(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    factories.stream(returngo, "rma", swept_at=at - timedelta(minutes=47), budget=600)

    text = words(as_("carla").get("/orders/").content.decode())

    assert "1 late" in text
    assert "ReturnGO is behind by 47 min" in text


def test_what_is_held_on_purpose_is_not_called_late(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    factories.stream(scayle, "order", swept_at=at - timedelta(minutes=47), budget=600)
    connections.pause(scayle, trace=Trace(at=at, actor="user:ada"), reason="They move house")

    text = words(as_("carla").get("/orders/").content.decode())

    assert "Connections paused" in text and "1 late" not in text
    assert "47 min" not in text


def test_secrets_are_never_on_the_page(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    Connection.objects.filter(pk=scayle.pk).update(secrets=b"gAAAAAB-very-secret")
    html = as_("ada").get("/connections/?switch=1").content.decode()
    setup = as_("ada").get(f"/admin/integrator/connection/{scayle.pk}/change/").content.decode()

    for page in (html, setup):
        assert "very-secret" not in page
        assert scayle.callback_token_hash not in page
