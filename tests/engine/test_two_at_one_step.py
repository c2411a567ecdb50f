"""A person and a worker at one step: neither waits for what the other holds."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections, transaction

from integrator.engine import decisions, router
from integrator.engine.cases import TRY_AGAIN
from integrator.engine.outcomes import report_late
from integrator.engine.states import Trace
from integrator.models import Attempt, Case, JobState
from tests.engine import toys
from tests.engine.conftest import Clock, Shop


@pytest.mark.parametrize("goes_first", ["person", "worker"])
def test_whoever_comes_second_waits_and_money_that_was_sent_is_no_doubt(
    committed: None, clock: Clock, omar: Any, answers: toys.Answers, goes_first: str
) -> None:
    may_begin, person_has_step = threading.Event(), threading.Event()
    errors: list[Exception] = []

    def record(work: Any, result: Any) -> dict[str, Any]:
        may_begin.set()
        return {"receipt": result}

    def meanwhile() -> None:
        if goes_first == "person":
            may_begin.set()
            assert person_has_step.wait(30)

    def person() -> None:
        try:
            assert may_begin.wait(30)
            with transaction.atomic():
                decisions.lock_step(Case.objects.get().pk)
                person_has_step.set()
                case = Case.objects.select_for_update(no_key=True).get()
                trace = Trace(at=clock.at, actor="user:omar")
                decisions.take(case, TRY_AGAIN, data={}, trace=trace, by=omar)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    answers.will((200, {"receipt": "r-1"}))
    answers.before = meanwhile
    here = Shop(toys.connect(), clock, [toys.flow("tell", call=toys.pay, record=record)])
    here.hear("tell", "a/1")
    router.route(here.routes, at=clock.at)
    clock.forward(minutes=20)
    assert report_late(here.routes, at=clock.at) == 1
    one = threading.Thread(target=person)
    one.start()
    here.worker.round(["toy"])
    one.join()

    assert errors == []
    assert here.job(flow="tell").state == JobState.DONE
    assert [one.outcome for one in Attempt.objects.all()] == ["DONE"]
