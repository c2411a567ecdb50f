"""A workaround that became the normal way: operations are told, look into it, and are told once."""

from __future__ import annotations

import pytest
from django.test import Client

from integrator.models import Case, CaseState
from tests.journeys.causes import CAUSES
from tests.story import Stage


def seen(stage: Stage) -> str:
    """The report as Omar sees it."""
    client = Client()
    client.force_login(stage.omar)
    return client.get("/figures/by-hand/").content.decode()


@pytest.mark.requirement("R013")
def test_operations_are_told_of_what_is_done_by_hand_and_answer(stage: Stage) -> None:
    stage.configure(by_hand_per_week=1)
    for code, owner in (("SYSTEMS_DIFFER", stage.fiona), ("MESSAGE_UNKNOWN", stage.ada)):
        CAUSES[code](stage)
        assert "MANY_BY_HAND" not in stage.open_cases()
        note = {"note": "It is as it should be"}
        stage.decide(stage.case(code), "not_an_error", by=owner, data=note)

    # The quarter of an hour that follows tells operations: two times, and one is allowed.
    stage.passes(minutes=15, step=5)
    case = stage.case("MANY_BY_HAND")
    assert (case.facts["step"], case.facts["number"]) == ("Nothing is wrong", 2)

    # Omar looks at the report, which shows the same two, and answers.
    page = seen(stage)
    assert "Done by hand: 2" in page
    assert "more than allowed" in page
    stage.decide(case, "not_an_error", by=stage.omar, data={"note": "The portal was new"})

    # It is closed, not counted itself, and does not come back in the same week.
    stage.passes(minutes=60, step=20)
    case.refresh_from_db()
    assert case.state == CaseState.SOLVED
    assert Case.objects.filter(kind="MANY_BY_HAND").count() == 1
    assert "Done by hand: 2" in seen(stage)
