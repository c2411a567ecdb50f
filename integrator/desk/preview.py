"""What pressing a button would do: every call, every figure before and after. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from integrator.desk import case_forms, catalogue
from integrator.desk.case_forms import Filled
from integrator.engine.case_kinds import Action, CaseKind
from integrator.engine.flow import LOCAL
from integrator.engine.records import find as find_record
from integrator.engine.shapes import Call, Change
from integrator.flows.many_rules import PER_RECORD
from integrator.models import Case


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of "What will happen"."""

    tile: catalogue.Tile
    says: str
    amount: tuple[int, str] | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """``button`` is its label: a verb, and a number when many."""

    action: Action
    effects: list[Effect]
    button: str
    waits: bool
    is_per_record: bool


def preview(form: Filled | None, case: Case, kind: CaseKind) -> Preview | None:
    """What an action would do, before anything is done."""
    action = case_forms.action_of(kind, form.key) if form else None
    if action is None:
        return None
    return Preview(
        action=action,
        effects=[*_pressed(case, action), *(_once_more(case) if action.again else ())],
        button="Ask a second person" if action.approval else action.label_on(case.facts),
        waits=action.leaves,
        is_per_record=kind.shared_cause and action.key in PER_RECORD,
    )


def _pressed(case: Case, action: Action) -> list[Effect]:
    """What the button says, then what carries it out. Figures without words are the button's."""
    says, decided = action.says_on(case.facts), list(_decided(case, action))
    if decided and not decided[0].says:
        return [replace(decided[0], says=says), *decided[1:]]
    return [Effect(catalogue.OURS, says), *decided]


def _decided(case: Case, action: Action) -> Iterator[Effect]:
    """What carries the decision out: here, about the case; at a platform, about its record."""
    for flow in catalogue.flows_after(action.key):
        is_ours = flow.queue == LOCAL
        if flow.plan is None:
            if not is_ours:  # a step of ours only repeats what the button says
                yield Effect(catalogue.tile_of(flow.queue), flow.says)
            continue
        record = case if is_ours else find_record(case.record_kind, case.record_id)
        if record is not None:
            yield from map(_effect, flow.plan(record, {}))


def _once_more(case: Case) -> Iterator[Effect]:
    """What the case's step does once it is set going again."""
    job = case.job
    flow = catalogue.flow_named(job.flow) if job is not None else None
    if job is None or flow is None:
        return
    record = find_record(job.record_kind, job.record_id)
    if flow.plan is None or record is None:
        yield Effect(catalogue.tile_of(flow.queue), flow.says)
        return
    yield from map(_effect, flow.plan(record, job.kept))


def _effect(call: Call) -> Effect:
    amount = None if call.money_minor is None else (call.money_minor, call.currency)
    return Effect(catalogue.tile_of(call.platform), call.says, amount, call.changes)
