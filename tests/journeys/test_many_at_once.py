"""Many cases, one decision: a location nobody mapped, and stopped steps tried again together.

A second person, a dying worker and a second press come in between; each case is decided once.
"""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrator.engine import bulks, cases, decisions, mappings
from integrator.engine.cases import MAPPING_MISSING, TRY_AGAIN, About
from integrator.engine.worker import Worker
from integrator.flows import ROUTES
from integrator.models import Bulk, BulkItem, BulkState, Case, CaseState, Job, JobState, MappingKind
from tests.desk import factories
from tests.story import Stage


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more, not even an exception handler."""


@pytest.mark.requirement("R120")
def test_a_location_nobody_mapped_is_fixed_once_for_forty_returns(stage: Stage) -> None:
    shop = stage.connection("returngo")
    cause = mappings.cause(connection=shop, kind=MappingKind.LOCATION, theirs="HH-2")
    facts = {"platform": shop.name, "kind": "location", "kind_code": "LOCATION", "theirs": "HH-2"}
    for number in range(1, 41):
        step = factories.job(
            "restock", stage.now(), record=("return", number), state=JobState.PARKED, cause=cause
        )
        cases.open_case(
            MAPPING_MISSING,
            About("return", number, connection_id=shop.pk, job_id=step.pk),
            trace=stage.trace("worker"),
            cause=cause,
            facts=facts,
        )
    omar = signed_in(stage.omar)

    # One line of the queue stands for forty; taking it takes them all.
    page = omar.get("/queue/operations/").content.decode()
    (line,) = re.findall(r'name="line" value="(\d+)"', page)
    shown = omar.post(
        "/queue/operations/many/", {"do": "take", "line": line, "query": ""}, follow=True
    )
    assert "Take 40 cases" in unescape(shown.content.decode())
    assert not Case.objects.exclude(assignee=None).exists()
    omar.post(f"/many/{Bulk.objects.get().pk}/start/")
    stage.work()
    assert Case.objects.filter(assignee=stage.omar).count() == 40

    # The fix itself is one decision: everything that waits for the word goes on.
    case = Case.objects.order_by("id")[0]
    stage.presses(case, "save_mapping", by=stage.omar, ours="hamburg")
    stage.passes(minutes=2, step=1)
    assert Job.objects.get(flow="save_mapping").evidence["released"] == 40
    assert mappings.find(connection=shop, kind=MappingKind.LOCATION, theirs="HH-2") == "hamburg"


@pytest.mark.requirement("R014")
def test_twenty_five_are_tried_again_while_one_is_decided_elsewhere_and_a_worker_dies(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 26):
        step = factories.job(
            "refund", stage.now(), record=("return", number), state=JobState.PARKED
        )
        factories.case("REFUND_REFUSED", stage.now(), record=("return", number), job_id=step.pk)
    stage.work()
    theirs = Case.objects.filter(kind="REFUND_REFUSED").order_by("id")[3]
    fiona = signed_in(stage.fiona)
    fiona.post(
        "/queue/finance/many/",
        {"do": "try_again:Try again", "which": "all", "query": "kind=REFUND_REFUSED"},
    )
    bulk = Bulk.objects.get()

    # Fred decides about one of them on its own page before Fiona presses, and she presses twice.
    decisions.take(theirs, TRY_AGAIN, data={}, trace=stage.trace("user:fred"), by=stage.fred)
    for _ in range(2):
        assert fiona.post(f"/many/{bulk.pk}/start/").status_code == 302

    # The worker dies in the middle: what it had not committed never happened.
    whole, ended = bulks.end_item, []

    def dies(*args: object, **values: object) -> None:
        ended.append(args)
        if len(ended) == 10:
            raise Killed
        whole(*args, **values)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(bulks, "end_item", dies)
        with pytest.raises(Killed):
            stage.work()
    assert bulk.items.filter(state="READY").count() == 25

    # Two others take over when its time has run out.
    stage.clock.shift(timedelta(minutes=2))
    one, two = Worker(ROUTES, threads=0), Worker(ROUTES, threads=0)
    for worker in (one, two) * 40:
        worker.round(["local"])

    bulk.refresh_from_db()
    assert bulk.state == BulkState.DONE
    assert bulk.items.filter(state="DONE").count() == 24
    [skipped] = bulk.items.filter(state="SKIPPED")
    assert (skipped.case_id, skipped.why) == (
        theirs.pk,
        "Somebody decided about it after it was chosen.",
    )
    for case in Case.objects.filter(kind="REFUND_REFUSED"):
        assert case.events.filter(kind="DECIDED").count() == 1
        assert case.state in (CaseState.OPEN, CaseState.SOLVED)
    page = unescape(fiona.get(f"/many/{bulk.pk}/").content.decode())
    assert "24 done" in page and "1 skipped" in page


@pytest.mark.requirement("R014")
@pytest.mark.parametrize("fault", ["raises", "kills its worker"])
def test_one_whose_steps_keep_failing_says_so_and_goes_on_when_it_is_mended(
    fault: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of eight, at each try: the program breaks right before their result is written."""
    fiona, ada = signed_in(stage.fiona), signed_in(stage.ada)
    bulk = taken_by_fiona(stage, fiona, 8)
    broken = set(bulk.items.order_by("id").values_list("pk", flat=True)[2:5])
    error = RuntimeError if fault == "raises" else Killed
    whole = bulks.end_item

    def breaks(item: BulkItem, *args: object, **values: object) -> None:
        if item.pk in broken:
            raise error
        whole(item, *args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(bulks, "end_item", breaks)
    for _ in range(2):
        works_on(stage)
        assert said_of(fiona, bulk, "Stopped 5 of 8", "3 cases stopped", "5 done", "Try 3 again")
        assert stage.open_cases() == [JOB_CASE[fault]] * 3 + ["SYSTEMS_DIFFER"] * 8
        fiona.post(f"/many/{bulk.pk}/go-on/")  # nothing is mended yet: it stops again

    works_on(stage)
    broken.clear()
    ada.post(f"/many/{bulk.pk}/go-on/")
    works_on(stage)

    bulk.refresh_from_db()
    assert bulk.state == BulkState.DONE
    assert said_of(fiona, bulk, "Finished 8 of 8", "8 done")
    assert stage.open_cases() == ["SYSTEMS_DIFFER"] * 8, "what told of the steps is closed"
    for case in Case.objects.filter(kind="SYSTEMS_DIFFER"):
        assert case.assignee == stage.fiona
        assert case.events.filter(kind="ASSIGNED").count() == 1


def test_a_step_that_is_given_up_keeps_nobody_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fiona = signed_in(stage.fiona)
    bulk = taken_by_fiona(stage, fiona, 3)
    last = bulk.items.latest("id").pk
    whole = bulks.end_item

    def breaks(item: BulkItem, *args: object, **values: object) -> None:
        if item.pk == last and values.get("why") == "":
            raise RuntimeError
        whole(item, *args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(bulks, "end_item", breaks)
    works_on(stage)

    stage.presses(stage.case("JOB_FAILED"), "give_up", by=stage.ada, note="Fiona takes it herself")
    works_on(stage)

    bulk.refresh_from_db()
    assert bulk.state == BulkState.DONE
    assert said_of(fiona, bulk, "2 done", "1 skipped", "Its step had stopped and was given up.")
    assert stage.open_cases() == ["SYSTEMS_DIFFER"] * 3


JOB_CASE = {"raises": "JOB_FAILED", "kills its worker": "JOB_CRASHES"}


def taken_by_fiona(stage: Stage, fiona: Client, count: int) -> Bulk:
    """She takes so many cases at once; nothing has been worked on yet."""
    for number in range(1, count + 1):
        factories.case("SYSTEMS_DIFFER", stage.now(), record=("order", number))
    stage.work()
    choice = {"do": "take", "which": "all", "query": "kind=SYSTEMS_DIFFER"}
    fiona.post("/queue/finance/many/", choice)
    bulk = Bulk.objects.get()
    fiona.post(f"/many/{bulk.pk}/start/")
    return bulk


def works_on(stage: Stage) -> None:
    """Workers come and go until nothing more is tried: what fails is tried again after a while."""
    for _ in range(20):
        try:
            stage.tick_and_work()
        except Killed:
            stage.new_worker()
        stage.clock.shift(timedelta(seconds=70))


def said_of(client: Client, bulk: Bulk, *words: str) -> bool:
    html = unescape(client.get(f"/many/{bulk.pk}/").content.decode())
    page = " ".join(re.sub("<[^>]*>", " ", html).split())
    return all(one in page for one in words) or pytest.fail(page)
