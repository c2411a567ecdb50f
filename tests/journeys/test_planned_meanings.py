"""A word that shall mean something else from Monday on: planned, agreed to, taken back, begun."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.html import strip_tags

from fulfilment.models import Location
from integrator.engine import mapping_plans, mappings
from integrator.engine.mapping_plans import UnableToPlan
from integrator.flows import tasks
from integrator.models import Approval, Job, Mapping, MappingKind, MappingPlan
from tests.journeys.test_corrections import second_warehouse
from tests.journeys.test_mapping_workbench import comes_from, key, meanings, page, saves
from tests.story import Stage

SKU = "JKT-NVY-M"


def in_hours(stage: Stage, hours: float) -> str:
    """A moment as somebody types it, by the retailer's clock."""
    moment = (stage.now() + timedelta(hours=hours)).astimezone(ZoneInfo("Europe/Berlin"))
    return f"{moment:%Y-%m-%dT%H:%M}"


def plans(stage: Stage, name: str, word: str, ours: str, hours: float) -> int:
    data = {"word": key(stage, word), "ours": ours, "from": in_hours(stage, hours)}
    return stage.posts(stage.people[name], "mapping_save", **data).status_code


def newest() -> MappingPlan:
    return MappingPlan.objects.latest("id")


def agrees(stage: Stage, name: str, answer: str = "agree") -> str:
    stage.posts(stage.people[name], "mapping_plan_answer", newest().pk, answer=answer)
    return newest().state


def test_what_waits_keeps_waiting_until_the_meaning_starts(stage: Stage) -> None:
    before = stage.sellable(SKU)
    comes_from(stage, "WH-9")
    comes_from(stage, "WH-9")
    start = in_hours(stage, 2)
    shown = page(stage, "omar", f"word={key(stage, 'WH-9')}&ours=hamburg&from={start}")
    assert "What waits 2 records 2 records until it starts, then none they go on then" in shown
    assert "What is carried out until then stops and waits stops and waits" in shown

    assert plans(stage, "omar", "WH-9", "hamburg", 2) == 302
    assert newest().state == "PLANNED"
    stage.passes(minutes=110, step=55)
    assert meanings("WH-9") == []
    assert stage.sellable(SKU) == before - 2
    shown = page(stage, "omar", f"word={key(stage, 'WH-9')}")
    assert f"Starts {start[-5:]} : “WH-9” will mean “Warehouse Hamburg (hamburg)”" in shown
    assert "Nothing changes before then, and what waits keeps waiting." in shown
    assert "It has had no meaning yet." in shown
    assert "We have no suggestion" not in shown

    stage.passes(minutes=15, step=5)
    assert meanings("WH-9") == [("hamburg", True)]
    assert newest().state == "STARTED"
    assert stage.sellable(SKU) == before == stage.stock_there(SKU)["truth"]
    assert (stage.open_cases(), stage.owed()) == ([], [])


def test_the_workbench_counts_what_waits_and_calls_meanings_as_people_do(stage: Stage) -> None:
    comes_from(stage, "WH-9")
    mappings.save(
        connection=stage.connection("returngo"),
        kind=MappingKind.METHOD,
        theirs="Shop",
        ours="SHIPPED",
        trace=stage.trace("test"),
    )
    plans(stage, "omar", "WH-9", "hamburg", 2)
    shop = f"{stage.connection('returngo').pk}:METHOD:Shop"
    stage.posts(stage.omar, "mapping_save", word=shop, ours="KEPT")

    shown = page(stage, "omar")
    assert "Waiting 3" in shown, "one question, one word without a meaning, one that is planned"
    assert "Wait for a second person “Shop” will mean “Customer keeps the item” omar asked" in shown
    assert "Without a meaning most records first Location WH-9 1 record" in shown
    assert "planned from 12:" in shown
    assert "Planned starts WH-9 will mean “Warehouse Hamburg” hamburg 12:" in shown
    assert "Waiting 3" in page(stage, "omar", "tab=all")


def test_another_meaning_from_later_on_takes_two_people_and_until_then_the_old_one_answers(
    stage: Stage,
) -> None:
    second_warehouse(stage)
    plans(stage, "omar", "WH-1", "berlin", 2)
    assert "You asked: somebody else must agree." in page(
        stage, "omar", f"word={key(stage, 'WH-1')}"
    )
    assert agrees(stage, "omar") == "ASKED"
    assert agrees(stage, "ada") == "PLANNED"

    berlin = there(stage)
    comes_from(stage, "WH-1")
    assert there(stage) == berlin
    stage.passes(hours=2, step=60)
    assert meanings("WH-1") == [("hamburg", False), ("berlin", True)]
    assert Mapping.objects.get(theirs="WH-1", ended_at=None, ours="berlin").made_by == "user:omar"
    assert there(stage) == berlin  # what is booked stays
    comes_from(stage, "WH-1")
    assert there(stage) == berlin + 1


def there(stage: Stage) -> int:
    return int(stage.stock_there(SKU, "WH-BER")["sellable"])


def test_a_step_takes_the_meaning_that_holds_when_it_is_carried_out(stage: Stage) -> None:
    second_warehouse(stage)
    plans(stage, "omar", "WH-1", "berlin", 1)
    agrees(stage, "ada")
    rma = stage.comes_back(stage.sold(SKU))
    berlin = there(stage)
    stage.checks_only(rma, location="WH-1")  # before it starts; we hear of it after
    stage.clock.shift(timedelta(hours=1))
    stage.passes(minutes=10, step=1)

    assert there(stage) == berlin + 1


def test_two_changes_in_a_row_each_show_what_would_hold_before_them(stage: Stage) -> None:
    second_warehouse(stage)
    plans(stage, "omar", "WH-1", "berlin", 2)
    agrees(stage, "ada")
    start = in_hours(stage, 4)
    shown = page(stage, "ada", f"word={key(stage, 'WH-1')}&ours=hamburg&from={start}")
    until = "Warehouse Hamburg (hamburg) until 12:00, then Warehouse Berlin (berlin)"
    assert f"until then {until} {until}" in shown
    assert "on Warehouse Berlin (berlin) Warehouse Hamburg (hamburg) met" in shown
    plans(stage, "ada", "WH-1", "hamburg", 4)
    agrees(stage, "omar")

    held = []
    for _ in range(3):
        held.append(meanings("WH-1")[-1])
        stage.passes(hours=2, step=60)
    assert held == [("hamburg", True), ("berlin", True), ("hamburg", True)]


def test_a_meaning_from_sooner_on_is_shown_beside_what_is_planned(stage: Stage) -> None:
    second_warehouse(stage)
    comes_from(stage, "WH-9")
    plans(stage, "omar", "WH-9", "hamburg", 4)
    word, start, planned_for = key(stage, "WH-9"), in_hours(stage, 2), in_hours(stage, 4)[-5:]
    planned = f"until {planned_for}, then Warehouse Hamburg (hamburg)"
    shown = page(stage, "omar", f"word={word}&ours=hamburg&from={start}")
    assert "What waits 1 record 1 record until it starts, then none" in shown
    assert "until then stops and waits stops and waits" in shown
    assert f"{start[-5:]} on stops and waits {planned} Warehouse Hamburg (hamburg) met" in shown
    # What one person planned as its first meaning replaces no other one.
    shown = page(stage, "omar", f"word={word}&ours=berlin")
    assert f"from now on stops and waits {planned} Warehouse Berlin (berlin) met" in shown

    plans(stage, "omar", "WH-1", "berlin", 4)
    agrees(stage, "ada")
    Location.objects.create(retailer=stage.retailer, code="bremen", name="Bremen")
    shown = page(stage, "ada", f"word={key(stage, 'WH-1')}&ours=bremen&from={start}")
    planned = f"until {planned_for}, then Warehouse Berlin (berlin)"
    today = f"Warehouse Hamburg (hamburg) {planned}"
    assert f"{start[-5:]} on {today} Bremen (bremen) {planned} met" in shown


def test_the_open_word_is_marked_wherever_it_is_listed(stage: Stage) -> None:
    second_warehouse(stage)
    comes_from(stage, "WH-9")
    plans(stage, "omar", "WH-9", "hamburg", 2)
    plans(stage, "omar", "WH-1", "berlin", 2)
    page(stage, "omar")  # signs in
    browser = stage.browsers[stage.omar.pk]
    for query, marked in (("", 0), (key(stage, "WH-9"), 2), (key(stage, "WH-1"), 1)):
        html = browser.get("/mappings/", {"word": query} if query else {}).content.decode()
        assert html.count('aria-current="true"') == marked


def test_after_a_pause_of_the_clock_they_start_in_their_order(stage: Stage) -> None:
    second_warehouse(stage)
    plans(stage, "omar", "WH-1", "hamburg", 4)  # planned first, to start last
    agrees(stage, "ada")
    plans(stage, "omar", "WH-1", "berlin", 2)
    agrees(stage, "ada")
    stage.clock.shift(timedelta(hours=5))
    stage.tick_and_work()

    assert [ours for ours, _ in meanings("WH-1")] == ["hamburg", "berlin", "hamburg"]
    # One after the other, however many workers there are.
    assert Job.objects.filter(flow="start_meaning").values("lane").distinct().count() == 1


def test_what_was_taken_back_does_not_start_and_the_others_do(stage: Stage) -> None:
    second_warehouse(stage)
    for hours, ours in ((2, "berlin"), (4, "hamburg"), (6, "berlin")):
        plans(stage, "omar", "WH-1", ours, hours)
        agrees(stage, "ada")
    first, _, third = MappingPlan.objects.order_by("starts_at")
    with pytest.raises(PermissionDenied):
        stage.posts(stage.carla, "mapping_plan_withdraw", first.pk)
    stage.posts(stage.ada, "mapping_plan_withdraw", first.pk)
    shown = page(stage, "ada", f"word={key(stage, 'WH-1')}")
    assert shown.count("Starts ") == 2
    assert "Take it back" in shown
    stage.passes(hours=7, step=60)

    assert meanings("WH-1") == [("hamburg", False), ("berlin", True)]
    states = MappingPlan.objects.order_by("starts_at").values_list("state", flat=True)
    assert list(states) == ["WITHDRAWN", "STARTED", "STARTED"]
    stage.posts(stage.ada, "mapping_plan_withdraw", third.pk)  # too late: says so
    third.refresh_from_db()
    assert third.state == "STARTED"


def test_a_refusal_and_an_answer_that_comes_too_late_plan_nothing(stage: Stage) -> None:
    second_warehouse(stage)
    plans(stage, "omar", "WH-1", "berlin", 1)
    assert agrees(stage, "ada", "refuse") == "REFUSED"
    assert agrees(stage, "ada") == "REFUSED"
    plans(stage, "omar", "WH-1", "berlin", 1)
    stage.passes(minutes=61, step=61)
    assert "Its moment has passed" in page(stage, "ada", f"word={key(stage, 'WH-1')}")
    assert agrees(stage, "ada") == "ASKED"
    stage.passes(hours=1, step=60)

    assert meanings("WH-1") == [("hamburg", True)]


def test_who_asked_takes_the_question_back_and_nobody_else_withdraws_it(stage: Stage) -> None:
    second_warehouse(stage)
    plans(stage, "omar", "WH-1", "berlin", 1)
    made = newest()
    stage.posts(stage.ada, "mapping_plan_withdraw", made.pk)  # it is a question, not yet a plan
    stage.posts(stage.ada, "mapping_plan_answer", made.pk, answer="take_back")
    stage.posts(stage.ada, "mapping_plan_answer", made.pk, answer="no")  # no button says that
    assert newest().state == "ASKED"

    stage.posts(stage.omar, "mapping_plan_answer", made.pk, answer="take_back")
    assert agrees(stage, "ada") == "WITHDRAWN"
    stage.passes(hours=2, step=60)

    assert meanings("WH-1") == [("hamburg", True)]
    assert Approval.objects.get(record_kind="mapping_plan").state == "WITHDRAWN"
    plans(stage, "omar", "WH-1", "berlin", 1)  # and may be asked anew
    assert newest().state == "ASKED"


def test_what_one_person_planned_replaces_no_meaning_the_word_got_meanwhile(stage: Stage) -> None:
    second_warehouse(stage)
    comes_from(stage, "WH-9")
    plans(stage, "omar", "WH-9", "berlin", 2)
    saves(stage, "omar", "WH-9", "hamburg")
    stage.passes(minutes=5, step=1)
    assert "It will not start" in page(stage, "omar", f"word={key(stage, 'WH-9')}")
    stage.passes(hours=2, step=60)

    assert meanings("WH-9") == [("hamburg", True)]
    assert newest().state == "OVERTAKEN"


def test_a_second_plan_for_a_word_without_a_meaning_takes_two_people(stage: Stage) -> None:
    second_warehouse(stage)
    comes_from(stage, "WH-9")
    plans(stage, "omar", "WH-9", "berlin", 2)
    plans(stage, "omar", "WH-9", "berlin", 2)  # pressed twice
    assert MappingPlan.objects.count() == 1
    plans(stage, "omar", "WH-9", "hamburg", 2)  # something else at that moment
    assert MappingPlan.objects.count() == 1
    plans(stage, "omar", "WH-9", "hamburg", 3)
    assert newest().state == "ASKED"
    assert Approval.objects.filter(record_kind="mapping_plan").count() == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("2026-03-02T09:00", "choose a moment to come"),
        ("2030-01-01T09:00", "within two years"),
        ("tomorrow", "write a day and a time"),
        ("2026-03-09T09:00+01:00", "write a day and a time"),
        ("2026-03-29T02:30", "this time does not exist that day"),
    ],
)
def test_a_moment_that_cannot_be_is_named_at_its_field(stage: Stage, typed: str, says: str) -> None:
    data = {"word": key(stage, "WH-1"), "ours": "hamburg", "from": typed}
    assert stage.posts(stage.omar, "mapping_save", **data).status_code == 422
    assert says in page(stage, "omar", f"word={key(stage, 'WH-1')}&ours=hamburg&from={typed}")
    assert not MappingPlan.objects.exists()


def test_the_database_holds_what_was_planned(stage: Stage) -> None:
    comes_from(stage, "WH-9")
    plans(stage, "omar", "WH-9", "hamburg", 2)
    for change in ({"ours": "berlin"}, {"starts_at": stage.now()}, {"state": "STARTED"}):
        with (
            pytest.raises(Exception, match=r"planned_stays|[Ii]nvalid|[Cc]annot"),
            transaction.atomic(),
        ):
            MappingPlan.objects.update(**change)
    with pytest.raises(UnableToPlan):
        mapping_plans.plan(
            connection=stage.connection("returngo"),
            kind=MappingKind.LOCATION,
            theirs="WH-9",
            ours="hamburg",
            starts_at=stage.now(),
            trace=stage.trace("user:omar"),
            by=stage.omar,
        )


def test_who_planned_and_who_agreed_is_on_record(stage: Stage) -> None:
    second_warehouse(stage)
    plans(stage, "omar", "WH-1", "berlin", 2)
    agrees(stage, "ada")
    stage.posts(stage.ada, "mapping_plan_withdraw", newest().pk)

    told = unescape(strip_tags(stage.browsers[stage.ada.pk].get("/audit/").content.decode()))
    assert "to another meaning of “WH-1” from a later moment on" in told
    assert "agreed to another meaning of “WH-1”" in told
    assert "changed a planned meaning" in told


def test_starting_twice_is_starting_once(stage: Stage) -> None:
    comes_from(stage, "WH-9")
    plans(stage, "omar", "WH-9", "hamburg", 1)
    stage.clock.shift(timedelta(hours=2))
    assert mapping_plans.mark_due(at=stage.now()) == 1
    assert mapping_plans.mark_due(at=stage.now()) == 0
    tasks.tick()
    stage.work()
    stage.tick_and_work()
    assert meanings("WH-9") == [("hamburg", True)]
