"""Many cases at once while it runs: each decided once, cancelled, kept with its result."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from integrator.engine import bulks, cases, clock, decisions
from integrator.engine.worker import Worker
from integrator.flows import CASE_KINDS, ROUTES, erase_customer
from integrator.models import (
    Bulk,
    BulkItem,
    BulkItemState,
    BulkState,
    Case,
    CaseEvent,
    CaseState,
    Heartbeat,
    Job,
    JobState,
    Note,
)
from tests.desk import factories
from tests.desk.bulks import LATER, TRY_AGAIN, Signed, chooses, results, stopped, text, work

pytestmark = pytest.mark.requirement("R014")


# --- Running --------------------------------------------------------------------------------------


def test_exactly_those_on_the_button_are_decided_once_whoever_presses_twice(
    at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    ready = stopped(at, 25)
    address = chooses(client, TRY_AGAIN, *ready)
    newer = factories.case("REFUND_REFUSED", at, record=("return", 99))

    first = client.post(f"{address}start/", follow=True)
    second = client.post(f"{address}start/", follow=True)
    work()

    assert "Started: Try again: 25 cases" in text(first)
    assert "It was started already." in text(second)
    made = Bulk.objects.get()
    assert (made.state, made.count, results(made)) == (BulkState.DONE, 25, {"DONE": 25})
    for case in ready:
        assert case.events.filter(kind="DECIDED", actor="user:fiona").count() == 1
    own = text(client.get(f"/cases/{ready[0].pk}/"))
    assert "decided “Try again”, with many others at once" in own
    assert not newer.events.filter(kind="DECIDED").exists()
    shown = text(client.get(address))
    assert "25 done" in shown and "Cancel all that have not left: 25" in shown


def test_what_changed_since_it_was_shown_is_skipped_and_says_so(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    client = as_("fiona")
    ready = stopped(at, 4)
    trace = factories.trace(at, "user:frank")
    address = chooses(client, TRY_AGAIN, *ready)
    decisions.take(
        ready[0], CASE_KINDS["REFUND_REFUSED"].actions[0], data={}, trace=trace, by=people["frank"]
    )
    cases.assign(ready[1], to=people["frank"], trace=trace)
    cases.solve(ready[2], resolution="BY_ITSELF", trace=trace, reason="gone")

    client.post(f"{address}start/")
    work()

    made = Bulk.objects.get()
    assert results(made) == {"SKIPPED": 3, "DONE": 1}
    whys = dict(made.items.values_list("case_id", "why"))
    assert whys[ready[1].pk] == "Frank has it."
    assert whys[ready[0].pk] == whys[ready[2].pk] == LATER
    shown = text(client.get(address))
    assert "3 skipped" in shown and "1 case Frank has it." in shown


def test_who_lost_the_right_meanwhile_decides_nothing_more(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    client = as_("fiona")
    ready = stopped(at, 3)
    address = chooses(client, TRY_AGAIN, *ready)
    client.post(f"{address}start/")

    people["fiona"].groups.clear()
    work()

    made = Bulk.objects.get()
    assert results(made) == {"SKIPPED": 3}
    assert not CaseEvent.objects.filter(kind="DECIDED").exists()


def test_it_says_that_nothing_goes_on_while_no_worker_is_alive(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    address = chooses(client, TRY_AGAIN, *stopped(at, 2))
    client.post(f"{address}start/")

    assert "No worker is known to have run" in text(client.get(address))
    factories.heartbeat(clock.now() - timedelta(minutes=7))
    silent = text(client.get(address))
    assert "Waits for a worker" in silent and "no sign" not in silent
    assert "No worker has given a sign of life for 7 min" in silent
    assert "Waits for a worker" in text(client.get("/many/"))
    factories.heartbeat(clock.now())
    for path in (address, "/many/"):
        shown = text(client.get(path))
        assert "Running" in shown and "worker" not in shown, path
    Heartbeat.objects.all().delete()
    work()
    for path in (address, "/many/"):  # it is at its end: it waits for nobody
        assert "worker" not in text(client.get(path)), path


def test_cancel_stops_the_rest_and_says_how_many_were_done(
    at: datetime, as_: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrator.engine.worker.BATCH", 10)
    client = as_("fiona")
    address = chooses(client, TRY_AGAIN, *stopped(at, 25))
    client.post(f"{address}start/")
    Worker(ROUTES, threads=0).round(["local"])

    answer = client.post(f"{address}cancel/", follow=True)
    work()

    made = Bulk.objects.get()
    assert (made.state, results(made)) == (BulkState.CANCELLED, {"DONE": 10, "READY": 15})
    assert "Cancelled after 10 of 25." in text(answer)
    assert "10 had been done when it was cancelled and stay done." in text(answer)
    assert "The other 15 were left alone." in text(answer)
    assert CaseEvent.objects.filter(kind="DECIDED").count() == 10
    assert "It has ended already" in text(client.post(f"{address}cancel/", follow=True))


def test_everything_that_has_not_left_is_cancelled_by_one_button(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    ready = stopped(at, 5)
    address = chooses(client, TRY_AGAIN, *ready)
    client.post(f"{address}start/")
    work()

    answer = client.post(f"{address}take-back/", follow=True)

    assert "5 decisions cancelled. Nothing was sent for them." in text(answer)
    jobs = Job.objects.filter(record_kind="case", flow="try_again")
    assert set(jobs.values_list("state", flat=True)) == {JobState.CANCELLED}
    again = client.post(f"{address}take-back/", follow=True)
    assert "Too late" in text(again)


def test_only_its_maker_starts_it_and_only_their_team_stops_it(at: datetime, as_: Signed) -> None:
    address = chooses(as_("fiona"), TRY_AGAIN, *stopped(at, 2))

    assert as_("frank").get(address).status_code == 404
    assert as_("frank").post(f"{address}start/").status_code == 404
    as_("fiona").post(f"{address}start/")
    assert as_("carla").get(address).status_code == 200
    assert as_("carla").post(f"{address}cancel/").status_code == 403
    assert as_("frank").post(f"{address}cancel/").status_code == 302
    assert Bulk.objects.get().state == BulkState.CANCELLED


def test_cases_are_taken_given_back_snoozed_and_closed(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    client = as_("fiona")
    three = [factories.case("SYSTEMS_DIFFER", at, record=("order", one)) for one in (1, 2, 3)]

    for do, filled in (
        ("take", {}),
        ("give_back", {}),
        ("snooze", {"until": "tomorrow", "note": "The bank is closed"}),
    ):
        address = chooses(client, do, *three, which="lines")
        client.post(f"{address}start/", filled)
        work()
    snoozed = chooses(client, "solve", *three, query="tab=snoozed")
    client.post(f"{snoozed}start/", {"resolution": "DUPLICATE", "note": "Told twice"})
    work()

    for case in three:
        case.refresh_from_db()
        kinds = case.events.exclude(kind="OPENED").order_by("id").values_list("kind", flat=True)
        assert list(kinds) == ["ASSIGNED", "ASSIGNED", "SNOOZED", "SOLVED"]
        assert (case.state, case.resolution) == (CaseState.SOLVED, "DUPLICATE")
        assert case.events.get(kind="SOLVED").note.text == "Told twice"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("do", "filled", "said"),
    [
        ("solve", {"resolution": "DUPLICATE"}, "Note: say it in one sentence"),
        ("solve", {"resolution": "BY_ITSELF", "note": "x"}, "How it ended: choose one"),
        ("snooze", {"until": "never", "note": "x"}, "Until when: choose one"),
        ("snooze", {"until": "monday", "note": "x" * 4001}, "use at most 4,000"),
    ],
)
def test_a_form_that_is_not_right_starts_nothing_and_keeps_what_was_typed(
    do: str, filled: dict[str, str], said: str, at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    address = chooses(client, do, factories.case("SYSTEMS_DIFFER", at))

    answer = client.post(f"{address}start/", filled)

    assert answer.status_code == 422
    assert said in text(answer)
    assert Bulk.objects.get().state == BulkState.PREPARED


def test_a_loss_is_accepted_for_many_by_finance_only(at: datetime, as_: Signed) -> None:
    lost = factories.case("RESTOCK_FAILED", at, record=("return_item", 1))
    address = chooses(as_("omar"), "solve", lost, role="operations")

    answer = as_("omar").post(f"{address}start/", {"resolution": "ACCEPTED_LOSS", "note": "gone"})

    assert answer.status_code == 422


def test_a_fault_in_one_case_is_that_cases_alone(
    at: datetime, as_: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_("fiona")
    ready = stopped(at, 3)
    whole = decisions.take

    def breaks(case: Case, *args: object, **values: object) -> CaseEvent:
        if case.pk == ready[1].pk:
            raise RuntimeError("broken")
        return whole(case, *args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(decisions, "take", breaks)
    address = chooses(client, TRY_AGAIN, *ready)
    client.post(f"{address}start/")
    work()

    made = Bulk.objects.get()
    assert (made.state, results(made)) == (BulkState.DONE, {"DONE": 2, "FAILED": 1})
    assert made.items.get(state=BulkItemState.FAILED).case_id == ready[1].pk
    rows = text(client.get(f"{address}rows/?result=failed"))
    assert "A fault of ours" in rows and f"C-{ready[1].pk}" in rows


# --- What the database holds ----------------------------------------------------------------------


def test_nobody_can_move_a_result_or_leave_out_a_reason(
    at: datetime, people: dict[str, User]
) -> None:
    made = factories.bulk(people["fiona"], at, stopped(at, 2))
    item = made.items.order_by("id")[0]

    for changes in (
        {"state": "SKIPPED", "ended_at": at},  # without a reason
        {"state": "DONE"},  # without a time
        {"case_id": made.items.order_by("id")[1].case_id},  # the same case twice
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            BulkItem.objects.filter(pk=item.pk).update(**changes)
    with pytest.raises(IntegrityError), transaction.atomic():
        Bulk.objects.filter(pk=made.pk).update(state="RUNNING", started_at=at)  # without a count


def test_a_note_for_many_is_erased_with_a_customer_it_may_be_about(
    at: datetime, people: dict[str, User]
) -> None:
    order = factories.order("100482913", at)
    about = factories.case("SYSTEMS_DIFFER", at, order_id=order.pk)
    made = factories.bulk(people["fiona"], at, [about, *stopped(at, 1)])
    bulks.start(made, data={}, note="Lena Berg called", trace=factories.trace(at))

    erase_customer._erase_notes([order])

    assert Note.objects.get().text == "(erased)"


def test_what_was_never_started_is_forgotten_and_what_ran_is_kept(
    at: datetime, people: dict[str, User]
) -> None:
    ready = stopped(at, 3)
    ran = factories.bulk(people["fiona"], at, ready[:1])
    bulks.start(ran, data={}, note="kept", trace=factories.trace(at))
    factories.bulk(people["fiona"], at, ready)

    assert bulks.forget(at=at + timedelta(hours=23)) == 0
    assert bulks.forget(at=at + timedelta(hours=25)) == 1

    assert [one.pk for one in Bulk.objects.all()] == [ran.pk]
    assert BulkItem.objects.count() == 1
    assert Note.objects.get().text == "kept"
    assert clock.now() >= at
