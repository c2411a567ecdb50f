"""A view tells when it lists more than was said: once per rise, to whoever it belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail

from integrator.engine import cases, http
from integrator.engine.cases import About
from integrator.flows import tasks, view_alerts
from integrator.flows.kinds import CASE_KINDS
from integrator.models import AlertChoice, Case, CaseState, Job, SavedView, Transition, ViewAlert
from tests.flows.receivers import Receiver, listens
from tests.story import Stage

KIND = "SYSTEMS_DIFFER"
QUERY = f"tab=needs&kind={KIND}&who=nobody"
TITLE = "[Finance] “Free ones” lists 3, more than 2"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    http.mount("https://chat.example/", made)
    yield made
    http.mount("https://chat.example/", None)


def keeps(
    stage: Stage, *, name: str = "Free ones", query: str = QUERY, more_than: int = 2, **values: Any
) -> SavedView:
    """Fiona keeps a view and sets its alert: for the team, unless said otherwise."""
    sent = {"name": name, "query": query, "for": "team", **values}
    stage.posts(stage.fiona, "view_save", "finance", **sent)
    view = SavedView.objects.get(name=name)
    sets(stage, view, more_than=more_than)
    view.refresh_from_db()
    assert view.more_than == more_than
    return view


def sets(stage: Stage, view: SavedView, *, more_than: int) -> None:
    form = {"do": "tell", "more_than": more_than, "query": view.query, "version": view.version}
    stage.posts(stage.fiona, "view_change", view.pk, **form)


def come_up(stage: Stage, number: int, kind: str = KIND) -> None:
    """So many more exceptions of finance."""
    done = Case.objects.count()
    for one in range(done, done + number):
        cases.open_case(CASE_KINDS[kind], About("order", one + 1), trace=stage.trace("test"))


def are_solved(stage: Stage, number: int) -> None:
    for case in Case.objects.filter(kind=KIND, state=CaseState.OPEN).order_by("id")[:number]:
        cases.solve(case, resolution="FIXED_HERE", trace=stage.trace("test"), reason="done")


def chooses(person: User, when: str) -> None:
    AlertChoice.objects.update_or_create(person=person, defaults={"when": when})


def letters() -> list[tuple[str, list[str]]]:
    """The mails about views, with who got them."""
    return [(one.subject, one.bcc) for one in mail.outbox if " lists " in one.subject]


def test_the_team_is_told_once_when_it_rises_and_again_only_after_it_came_down(
    stage: Stage, receiver: Receiver
) -> None:
    listens(stage)
    chooses(stage.fred, "AT_ONCE")
    view = keeps(stage)
    come_up(stage, 2)
    stage.passes(minutes=10, step=1)
    assert letters() == []

    come_up(stage, 1)
    stage.passes(minutes=5, step=1)

    # Fred wants to hear at once; Fiona has the daily summary, as who chose nothing.
    assert letters() == [(TITLE, [stage.fred.email])]
    news = [one for one in receiver.news if one["type"] == "queue.more_than"]
    assert [one["data"]["count"] for one in news] == [3]
    assert ViewAlert.objects.get().told_at is not None

    come_up(stage, 1)
    stage.passes(minutes=30, step=1)
    are_solved(stage, 1)  # three are left: still above
    stage.passes(minutes=10, step=1)
    assert len(letters()) == 1

    are_solved(stage, 1)
    stage.passes(minutes=5, step=1)
    assert ViewAlert.objects.get().state == "BELOW"
    come_up(stage, 2)
    stage.passes(minutes=5, step=1)
    assert [title for title, _ in letters()] == [TITLE, TITLE.replace("lists 3", "lists 4")]
    assert str(view.pk) in mail.outbox[-1].body


def test_what_is_told_is_what_the_tab_shows_and_leads_there(
    stage: Stage, receiver: Receiver
) -> None:
    listens(stage)
    chooses(stage.fred, "AT_ONCE")
    keeps(stage)
    come_up(stage, 3)
    stage.passes(minutes=5, step=5)

    (news,) = [one for one in receiver.news if one["type"] == "queue.more_than"]
    link = news["data"]["link"]
    (letter,) = [one for one in mail.outbox if " lists " in one.subject]
    assert link in str(letter.body)
    path = re.sub("^https?://[^/]+", "", link)
    stage.posts(stage.fred, "density")  # signs him in
    html = stage.browsers[stage.fred.pk].get(path).content.decode()
    assert re.search(r'aria-current="page">Free ones <span class="n">3\b', html)
    assert {key: news["data"][key] for key in ("name", "role", "count", "more_than")} == {
        "name": "Free ones",
        "role": "FINANCE",
        "count": 3,
        "more_than": 2,
    }


def test_a_view_of_ones_own_tells_its_person_alone(stage: Stage, receiver: Receiver) -> None:
    listens(stage)
    chooses(stage.fred, "AT_ONCE")
    keeps(stage, **{"for": "me"})

    come_up(stage, 3)
    stage.passes(minutes=5, step=5)

    assert letters() == [(TITLE, [stage.fiona.email])]
    assert [one for one in receiver.news if one["type"] == "queue.more_than"] == []


@pytest.mark.parametrize("how", ["left", "lost the role", "no mail", "no address"])
def test_who_may_or_will_not_hear_of_it_is_not_told(stage: Stage, how: str) -> None:
    keeps(stage, **{"for": "me"})
    match how:
        case "left":
            User.objects.filter(pk=stage.fiona.pk).update(is_active=False)
        case "lost the role":
            stage.fiona.groups.set([Group.objects.get(name="CX")])
        case "no mail":
            chooses(stage.fiona, "NEVER")
        case "no address":
            User.objects.filter(pk=stage.fiona.pk).update(email="")

    come_up(stage, 3)
    stage.passes(minutes=5, step=5)

    assert letters() == []


def test_what_is_above_when_the_alert_is_set_is_told_when_it_rises_again(stage: Stage) -> None:
    """Who sets it sees how many there are."""
    chooses(stage.fred, "AT_ONCE")
    come_up(stage, 3)
    view = keeps(stage)
    stage.passes(minutes=10, step=5)
    assert letters() == []

    # Another number: it begins afresh, now below.
    sets(stage, view, more_than=3)
    come_up(stage, 1)
    stage.passes(minutes=5, step=5)

    assert letters() == [("[Finance] “Free ones” lists 4, more than 3", [stage.fred.email])]


def test_another_list_begins_afresh(stage: Stage) -> None:
    """A view that shows more from now on did not rise: somebody changed it."""
    chooses(stage.fred, "AT_ONCE")
    view = keeps(stage)
    come_up(stage, 1)
    come_up(stage, 3, kind="REFUND_REFUSED")
    form = {"do": "change", "query": "tab=needs&who=nobody", "version": view.version}
    stage.posts(stage.fiona, "view_change", view.pk, **form)

    stage.passes(minutes=10, step=5)

    assert ViewAlert.objects.get().count == 4
    assert letters() == []


def test_two_who_count_at_once_tell_once(stage: Stage) -> None:
    chooses(stage.fred, "AT_ONCE")
    keeps(stage)
    come_up(stage, 3)
    both_read = [ViewAlert.objects.select_related("view").get() for _ in range(2)]

    rose = [view_alerts.seen(one, 3, trace=stage.trace("clock")) for one in both_read]
    stage.work()

    assert rose == [True, False]
    assert Transition.objects.filter(record_kind="view_alert").count() == 1
    assert letters() == [(TITLE, [stage.fred.email])]


def test_who_reads_an_old_alert_says_nothing_of_the_new_one(stage: Stage) -> None:
    """Counted while somebody raised the number."""
    view = keeps(stage)
    come_up(stage, 3)
    read = ViewAlert.objects.select_related("view").get()
    sets(stage, view, more_than=5)

    assert view_alerts.seen(read, 3, trace=stage.trace("clock")) is False
    assert not Transition.objects.filter(record_kind="view_alert").exists()


@pytest.mark.parametrize(("where", "what"), [(view_alerts, "watch"), (tasks, "wake")])
def test_a_rise_is_told_once_whatever_stops_in_between(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, where: Any, what: str
) -> None:
    """The clock's process dies before it has counted, or before anybody was told."""
    chooses(stage.fred, "AT_ONCE")
    keeps(stage)
    come_up(stage, 3)
    stage.clock.shift(300)

    def dies(**_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(where, what, dies)
        with pytest.raises(SystemExit):
            tasks.tick()
    assert letters() == []
    stage.new_worker()
    stage.passes(minutes=20, step=1)

    assert letters() == [(TITLE, [stage.fred.email])]


def test_what_came_down_before_it_could_be_told_is_not_told(stage: Stage) -> None:
    chooses(stage.fred, "AT_ONCE")
    keeps(stage)
    come_up(stage, 3)
    view_alerts.watch(at=stage.now())
    are_solved(stage, 1)
    view_alerts.watch(at=stage.now())

    stage.work()

    assert letters() == []
    assert Job.objects.get(flow="tell_view").evidence == {"nothing": "it has changed since"}


def test_an_alert_that_was_ended_tells_nothing_any_more(stage: Stage, receiver: Receiver) -> None:
    listens(stage)
    chooses(stage.fred, "AT_ONCE")
    view = keeps(stage)
    come_up(stage, 3)
    view_alerts.watch(at=stage.now())
    form = {"do": "tell_nobody", "query": view.query, "version": view.version}
    stage.posts(stage.fiona, "view_change", view.pk, **form)

    stage.work()

    assert letters() == []
    flows = ("tell_view", "tell_view_receiver")
    ended = Job.objects.filter(flow__in=flows).values_list("state", flat=True)
    assert "queue.more_than" not in {one["type"] for one in receiver.news}
    assert set(ended) == {"DONE"}


def test_a_receiver_hears_of_views_of_its_role_and_kinds_only(
    stage: Stage, receiver: Receiver
) -> None:
    listens(stage, role="CX", name="CX channel")
    listens(stage, slug="refunds", kinds=["REFUND_REFUSED"], name="Refund channel")
    listens(stage, slug="off", is_on=False)
    named = listens(stage, slug="named", kinds=[KIND, "REFUND_REFUSED"], name="Differences")
    every = listens(stage, slug="all", name="Everything")
    keeps(stage)
    keeps(stage, name="All that is free", query="tab=needs&who=nobody")

    come_up(stage, 3)
    stage.passes(minutes=5, step=5)

    heard = {
        (json.loads(one.body or b"")["data"]["name"], int(one.headers["webhook-id"].split("-")[2]))
        for one in receiver.calls
        if str(one.headers["webhook-id"]).startswith("view-")
    }
    assert heard == {
        ("Free ones", named.pk),
        ("Free ones", every.pk),
        ("All that is free", every.pk),
    }


def test_a_receiver_that_fails_is_the_one_case_it_always_was(
    stage: Stage, receiver: Receiver
) -> None:
    channel = listens(stage)
    keeps(stage)
    receiver.statuses = [500] * 200
    come_up(stage, 3)
    stage.passes(hours=1, step=10)
    case = stage.case("ALERT_NOT_TAKEN")
    assert (case.owner, case.record_id) == ("ADMIN", channel.pk)

    receiver.statuses = []
    stage.decide(case, "try_again", by=stage.ada)

    assert len([one for one in receiver.news if one["type"] == "queue.more_than"]) == 1


def test_any_number_of_views_is_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_alerts, "AT_ONCE", 2)
    orders = ("", "&order=oldest", "&order=money", "&order=customers", "&hide=due")
    for number, order in enumerate(orders):
        keeps(stage, name=f"View {number}", query=QUERY + order)
    come_up(stage, 3)

    assert view_alerts.watch(at=stage.now()) == len(orders)
    assert view_alerts.watch(at=stage.now()) == 0
