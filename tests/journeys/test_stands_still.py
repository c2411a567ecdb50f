"""Returns that stand still are put before the team that answers for their stage (R091)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrator.desk import stages
from integrator.models import Case, Connection
from returns.models import Return
from returns.stage_cases import STANDS_STILL
from returns.stages import OWNER
from tests.story import Row, Stage

pytestmark = pytest.mark.requirement("R091")

SKU = "JKT-NVY-M"
HOURS = {"REQUESTED": 2, "AUTHORISED": 3, "IN_TRANSIT": 4, "RECEIVED": 5, "INSPECTED": 6}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.configure(stage_hours=HOURS)
    return stage


def asked(stage: Stage) -> Row:
    return stage.shopper_returns(stage.sold(SKU))


def agreed(stage: Stage) -> Row:
    rma = asked(stage)
    stage.approves(rma)
    return rma


def handed_in(stage: Stage) -> Row:
    rma = agreed(stage)
    stage.hands_in(rma)
    return rma


def arrived(stage: Stage) -> Row:
    rma = handed_in(stage)
    stage.arrives(rma)
    return rma


Act = Callable[[Stage, Row], object]
GOES_ON: dict[str, tuple[Callable[[Stage], Row], Act]] = {
    "REQUESTED": (asked, Stage.approves),
    "AUTHORISED": (agreed, Stage.hands_in),
    "IN_TRANSIT": (handed_in, Stage.arrives),
    "RECEIVED": (arrived, Stage.warehouse_checks),
}


@pytest.mark.parametrize("status", GOES_ON)
def test_it_goes_to_the_team_of_its_stage_and_ends_when_it_moves(stage: Stage, status: str) -> None:
    begins, moves = GOES_ON[status]
    rma = begins(stage)
    hours = HOURS[status]
    stage.passes(hours=hours - 0.5, step=30)
    assert stage.open_cases() == []

    stage.passes(minutes=50, step=10)
    case = stage.case(STANDS_STILL[status].code)
    assert (case.owner, case.facts["rma"]) == (OWNER[status], str(rma["id"]))
    assert case.facts["stood"] == f"{hours} hours"

    moves(stage, rma)
    stage.passes(minutes=16, step=8)
    assert stage.open_cases() == []
    case.refresh_from_db()
    assert case.resolution == Case.Resolution.BY_ITSELF


def test_every_stage_that_may_stand_still_is_the_case_of_its_owner() -> None:
    """The table is the only place that says whose it is."""
    assert set(STANDS_STILL) == set(OWNER) - {"COMPLETED", "CLOSED"}
    for status, kind in STANDS_STILL.items():
        assert kind.owner == OWNER[status]


def test_the_page_shows_the_same_owner(stage: Stage) -> None:
    rma = arrived(stage)
    row = Return.objects.get(external_id=str(rma["id"]))

    known = stages.directory.current(at=stage.now())
    assert stages.stage_of(row, known).owner == str(OWNER["RECEIVED"].label)


def test_what_another_exception_explains_is_not_said_twice(stage: Stage) -> None:
    """Finance has the refund in front of it: that is why the return does not end."""
    rma = arrived(stage)
    stage.breaks("scayle", "POST /fulfillment/return-items", "error", status=422, times=1)
    stage.warehouse_checks(rma)
    stage.passes(hours=7, step=60)
    assert "REFUND_REFUSED" in stage.open_cases()
    assert "RETURN_NOT_FINISHED" not in stage.open_cases()


def test_a_return_that_is_checked_and_never_ends_is_finance_s(stage: Stage) -> None:
    """Its step was stopped with a word that was wrong: no other exception is left to say so."""
    rma = arrived(stage)
    stage.breaks("scayle", "POST /fulfillment/return-items", "error", status=422, times=1)
    stage.warehouse_checks(rma)
    stage.decide(stage.case("REFUND_REFUSED"), "give_up", by=stage.fiona)
    stage.passes(hours=7, step=60)

    assert stage.open_cases() == ["RETURN_NOT_FINISHED"]
    assert stage.case("RETURN_NOT_FINISHED").owner == "FINANCE"


def test_who_found_nothing_wrong_is_asked_again_only_when_it_stands_anew(stage: Stage) -> None:
    rma = agreed(stage)
    stage.passes(hours=4, step=30)
    stage.decide(stage.case("RETURN_NOT_SENT"), "not_an_error", by=stage.carla)
    stage.passes(hours=9, step=60)
    assert stage.open_cases() == []

    stage.hands_in(rma)
    stage.passes(hours=5, step=60)
    assert stage.open_cases() == ["RETURN_NOT_ARRIVED"]


def test_read_again_and_nothing_had_changed(stage: Stage) -> None:
    asked(stage)
    stage.passes(hours=3, step=30)
    case = stage.case("RETURN_NOT_ANSWERED")
    stage.decide(case, "fixed_there", by=stage.carla)
    assert stage.open_cases() == []

    stage.passes(minutes=16, step=8)
    assert stage.case("RETURN_NOT_ANSWERED").pk == case.pk
    assert stage.case("RETURN_NOT_ANSWERED").regressions == 1


def test_thousands_on_the_first_day_are_told_by_and_by(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look tells the next ones; none is told twice, and none is closed for being late."""
    monkeypatch.setattr("integrator.flows.watch_returns.TOLD_AT_ONCE", 2)
    for _ in range(5):
        asked(stage)
    stage.passes(hours=2, step=30)
    seen = set()
    for _ in range(8):
        stage.passes(minutes=15, step=15)
        seen.add(len(stage.open_cases()))

    assert sorted(seen)[-1] == 5
    assert {2, 4} & seen
    assert Case.objects.count() == 5
    assert set(Case.objects.values_list("seen", flat=True)) == {1}


def test_a_stage_without_hours_is_never_told(stage: Stage) -> None:
    stage.configure(stage_hours={"RECEIVED": 1})
    asked(stage)
    stage.passes(hours=100, step=600)

    assert stage.open_cases() == []
    assert Connection.objects.filter(platform="returngo").count() == 1
