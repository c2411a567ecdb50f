"""Many at once of which steps have stopped: said so, tried again, cancelled, given up."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrator.engine import bulks, clock, router
from integrator.flows import ROUTES
from integrator.models import Bulk, BulkState, Job, JobState
from tests.desk import factories
from tests.desk.bulks import QUERIES_ALLOWED, results, text, work

pytestmark = pytest.mark.requirement("R014")

Signed = Callable[[str], Client]


@pytest.fixture
def bulk(at: datetime, people: dict[str, User]) -> Bulk:
    """Fiona takes five cases; nobody has worked on them yet."""
    ready = [factories.case("SYSTEMS_DIFFER", at, record=("order", one)) for one in range(1, 6)]
    made = factories.bulk(people["fiona"], at, ready)
    bulks.start(made, data={}, note="", trace=factories.trace(at, "user:fiona"))
    router.route(ROUTES, at=at)
    return made


def stop(bulk: Bulk, count: int) -> None:
    """The steps of the last of its cases have failed too often."""
    last = bulk.items.order_by("-id").values_list("pk", flat=True)[:count]
    steps = Job.objects.filter(record_kind="bulk_item", record_id__in=list(last))
    assert steps.update(state=JobState.PARKED, crashes=3) == count


def shown(client: Client, bulk: Bulk, rest: str = "") -> HttpResponse:
    return client.get(f"/many/{bulk.pk}/{rest}")


def presses(client: Client, bulk: Bulk, do: str = "go-on") -> HttpResponse:
    return client.post(f"/many/{bulk.pk}/{do}/", follow=True)


def test_while_others_go_on_it_runs_and_says_what_has_stopped(bulk: Bulk, as_: Signed) -> None:
    stop(bulk, 2)
    factories.heartbeat(clock.now())

    answer = shown(as_("fiona"), bulk)

    said = text(answer)
    assert "Running 0 of 5" in said
    assert "3 to be done" in said and "2 stopped" in said
    assert "st-ok" not in answer.content.decode(), "nothing done is no success"
    assert "2 cases stopped through a fault of ours" in said and "The others go on." in said
    assert answer["Refresh"] == "5"


def test_when_nothing_goes_on_by_itself_it_has_stopped(bulk: Bulk, as_: Signed) -> None:
    stop(bulk, 2)
    work()
    fiona = as_("fiona")

    answer = shown(fiona, bulk)

    said = text(answer)
    assert "Stopped 3 of 5" in said and "Nothing goes on by itself." in said
    assert "3 done" in said and "2 stopped" in said and "to be done" not in said
    assert "Try 2 again" in said and "Cancel the rest" in said
    assert "Refresh" not in answer and "You can leave this page" not in said
    listed = fiona.get("/many/")
    assert re.search(r"Take 5 cases B-\d+, Finance Fiona [\d:]+ Stopped", text(listed))
    assert "#i-bad" in listed.content.decode()


def test_what_has_stopped_is_a_list_and_stands_in_the_file(bulk: Bulk, as_: Signed) -> None:
    stop(bulk, 2)
    fiona = as_("fiona")
    links = re.findall(r'href="([^"]+rows/\?result=[^"]+)"', shown(fiona, bulk).content.decode())
    lengths = [
        fiona.get(unescape(one)).content.decode().count('<tr><th scope="row">') for one in links
    ]

    assert lengths == [3, 2, 0]
    rows = text(shown(fiona, bulk, "rows/?result=stopped"))
    assert "Stopped A fault of ours: nothing was decided. It waits to be tried again." in rows
    file = b"".join(shown(fiona, bulk, "file/").streaming_content).decode()  # type: ignore[attr-defined]
    assert file.count(",Stopped,") == 2 and file.count(",To be done,") == 3


def test_its_team_and_the_admins_have_it_go_on_once(bulk: Bulk, as_: Signed) -> None:
    stop(bulk, 2)
    work()
    assert presses(as_("carla"), bulk).status_code == 403
    assert presses(as_("otto"), bulk).status_code == 403
    assert "Try 2 again" not in text(shown(as_("carla"), bulk))
    assert "Try 2 again" in text(shown(as_("ada"), bulk))

    first, second = presses(as_("frank"), bulk), presses(as_("frank"), bulk)
    work()

    assert "2 cases tried again" in text(first)
    assert "Nothing of it waits to be tried again." in text(second)
    bulk.refresh_from_db()
    assert (bulk.state, results(bulk)) == (BulkState.DONE, {"DONE": 5})
    assert Job.objects.filter(record_kind="bulk_item").count() == 5, "no step was made twice"
    for item in bulk.items.all():
        assert item.case.events.filter(kind="ASSIGNED").count() == 1
    assert "It has ended already." in text(presses(as_("frank"), bulk))
    audit = text(as_("otto").get("/audit/"))
    assert "frank went on with many at once" in audit
    assert "Take them: 2 tried again" in audit and "Running → Running" not in audit


def test_cancelled_it_owes_nothing_more(bulk: Bulk, as_: Signed) -> None:
    stop(bulk, 2)
    work()

    said = text(presses(as_("fiona"), bulk, "cancel"))

    assert "Cancelled after 3 of 5." in said and "The other 2 were left alone." in said
    assert "2 left alone" in said and "stopped" not in said
    steps = Job.objects.filter(record_kind="bulk_item", state=JobState.CANCELLED)
    assert steps.count() == 2


def test_pages_cost_the_same_however_many_have_stopped(bulk: Bulk, as_: Signed) -> None:
    fiona = as_("fiona")

    def asked(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert fiona.get(address).status_code == 200
        return len(queries)

    pages = (f"/many/{bulk.pk}/", f"/many/{bulk.pk}/rows/", "/many/")
    asked(pages[0])  # what every page keeps for some seconds is read once
    before = [asked(one) for one in pages]
    stop(bulk, 5)
    assert [asked(one) for one in pages] == before
    assert max(before) <= QUERIES_ALLOWED
