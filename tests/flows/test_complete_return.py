"""Whether a return is finished: asked after every refund, so it must not cost more per unit."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrator.engine.work import Work
from integrator.flows import complete_return
from integrator.models import Job
from tests.story import Stage


def test_the_look_costs_the_same_however_many_units_came_back(stage: Stage) -> None:
    costs = []
    for units in (1, 4):
        rma = stage.comes_back(stage.sold(*["JKT-NVY-M"] * units))
        stage.warehouse_checks(rma)
        record = stage.returned(rma)
        job = Job.objects.filter(flow="complete_return", record_id=record.pk).latest("pk")
        work = Work(job, complete_return.FLOW, at=stage.now())
        with CaptureQueriesContext(connection) as asked:
            assert complete_return._is_finished(work, record)
        costs.append(len(asked))
    assert costs[0] == costs[1]
