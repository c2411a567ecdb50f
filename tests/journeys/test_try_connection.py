"""Does it work? One harmless reading by the worker, and what was understood of the answer."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client as Browser

from integrator.desk import directory
from integrator.engine import connections, limits
from integrator.models import Case, Connection, RateWindow
from integrator.platforms import PLATFORMS
from tests.story import Stage


def panel(stage: Stage, platform: str, by: str = "ada") -> str:
    directory.forget()
    browser = Browser()
    browser.force_login(stage.people[by])
    html = browser.get("/connections/").content.decode()
    part = html.split(f'id="c-{stage.connection(platform).pk}"')[1].split("</section>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", part)))


def tries(stage: Stage, platform: str) -> None:
    """Ada presses the button and the worker runs."""
    stage.posts(stage.ada, "connection_try", stage.connection(platform).pk)
    stage.work()


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_a_connection_that_works_says_so_with_its_time(platform: str, stage: Stage) -> None:
    name = stage.connection(platform).name
    before = len(stage.wire.calls)

    stage.posts(stage.omar, "connection_try", stage.connection(platform).pk)
    assert len(stage.wire.calls) == before, "nobody is called while somebody waits for a page"
    assert f"{name} is asked in a moment" in panel(stage, platform)
    stage.work()

    called = stage.wire.calls[before:]
    assert [(one.platform, one.method) for one in called] == [(platform, "GET")]
    said = panel(stage, platform)
    assert re.search(r"Tried at 10:00: it works, and answered in \d+ ms", said)
    assert "It accepts our key We may read there" in said
    assert stage.owed() == []


def test_pressing_twice_makes_one_call(stage: Stage) -> None:
    pk = stage.connection("scayle").pk
    before = len(stage.wire.calls)

    stage.posts(stage.ada, "connection_try", pk)
    stage.posts(stage.omar, "connection_try", pk)
    stage.work()

    assert len(stage.wire.calls) == before + 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"fault": "error", "status": 401}, "It does not accept our key We may not read there"),
        ({"fault": "error", "status": 403}, "It accepts our key We may not read there"),
        ({"fault": "error", "status": 422}, "It accepts our key SCAYLE:"),
        ({"fault": "error", "status": 503}, "no answer"),
        ({"fault": "refused"}, "no answer"),
        ({"fault": "drop_after"}, "no answer"),
        ({"fault": "truncated"}, "something unreadable"),
    ],
)
def test_one_that_does_not_says_what_is_wrong_after_one_call(
    fault: dict[str, object], said: str, stage: Stage
) -> None:
    stage.sandbox.add_faults({"platform": "scayle", "endpoint": "*", **fault})
    before = len(stage.wire.calls)

    tries(stage, "scayle")

    assert len(stage.wire.calls) == before + 1, "not even a blip is tried again"
    assert said in panel(stage, "scayle")
    assert stage.owed() == [], "whatever it says, the try is over"
    assert Case.objects.count() == 0


def test_what_is_kept_of_the_day_is_not_spent_on_it(stage: Stage) -> None:
    kept = stage.connection("returngo").settings | {"daily_call_limit": 2000}
    Connection.objects.filter(platform="returngo").update(settings=kept)
    RateWindow.objects.filter(scope="day").update(limit=2000, remaining=500)
    limits.forget()
    before = len(stage.wire.calls)

    tries(stage, "returngo")

    assert len(stage.wire.calls) == before
    said = panel(stage, "returngo")
    assert "it was not called" in said
    assert "The calls of the day are used up" in said


def test_their_clock_is_compared_with_ours(stage: Stage) -> None:
    ahead = (stage.now() + timedelta(seconds=94)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    stage.wire.extra_headers = {"Date": ahead}

    tries(stage, "scayle")

    assert re.search(r"Its clock is 9[34] s ahead of ours", panel(stage, "scayle"))


def test_what_is_paused_can_be_tried_and_nothing_else_of_it_is_called(stage: Stage) -> None:
    """Whoever paused it wants to know whether it works before switching it on."""
    order = stage.ships(stage.shop_sells())
    stage.deliver()
    scayle = stage.connection("scayle")
    connections.pause(scayle, trace=stage.trace("ada"), reason="they move house")
    stage.passes(minutes=10)
    held = stage.owed()
    assert held, f"the order {order['id']} is to be read"
    before = len(stage.wire.calls)

    assert "What is held stays held" in panel(stage, "scayle")
    tries(stage, "scayle")

    assert len(stage.wire.calls) == before + 1
    assert "it works" in panel(stage, "scayle")
    assert stage.owed() == held
    assert stage.connection("scayle").state == "PAUSED"


def test_a_new_key_is_tried_before_it_is_switched_on(stage: Stage) -> None:
    scayle = stage.connection("scayle")
    connections.refused_credentials(scayle, trace=stage.trace("worker"), error="401")

    tries(stage, "scayle")

    assert "It accepts our key We may read there" in panel(stage, "scayle")
    assert stage.connection("scayle").state == "NEEDS_CREDENTIALS"


def test_who_may_not_try_sees_how_it_went(stage: Stage) -> None:
    tries(stage, "scayle")

    said = panel(stage, "scayle", by="carla")
    assert "it works" in said
    assert "Test SCAYLE" not in said
    with pytest.raises(PermissionDenied):
        stage.posts(stage.carla, "connection_try", stage.connection("scayle").pk)
