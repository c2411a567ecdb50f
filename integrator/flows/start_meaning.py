"""A meaning's moment has come: the word has it from now on, and what waits for the word goes on."""

from __future__ import annotations

from integrator.engine import mapping_plans
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.work import Work
from integrator.models import MappingPlan, MappingPlanState


def _aim(fact: Fact) -> Aim:
    # One lane for all: several that are due after a pause start in the order of their moments.
    return Aim("mapping_plan", fact.record_id, "mapping_plans")


def record(work: Work, _: None) -> Evidence:
    made: MappingPlan = work.record
    if made.state != MappingPlanState.DUE:
        return {"nothing": "it was done before"}
    released = mapping_plans.start(made, trace=work.trace)
    return {"state": made.state, "released": released}


FLOW = Flow(
    name="start_meaning",
    says="Let a planned meaning hold and release what waits",
    aim=each(_aim),
    record=record,
    priority=15,
    due_minutes=5,
)
