"""What is filled in once for many cases: a note, how it ended, until when. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrator.desk import bulk_choice, case_forms, catalogue, words
from integrator.desk.auth import DeskRequest, may
from integrator.desk.case_forms import Filled, Input
from integrator.engine.case_kinds import Action
from integrator.engine.flow import LOCAL
from integrator.flows import many_rules
from integrator.models import Bulk, BulkItemState, Case


@dataclass(frozen=True, slots=True)
class Read:
    """A form as it came in, and what is kept of it when nothing is wrong."""

    form: Filled
    data: dict[str, Any]
    note: str


def sample_of(bulk: Bulk) -> Case | None:
    """One of the cases that will be tried: its button is the button of all of them."""
    ready = bulk.items.filter(state=BulkItemState.READY).select_related("case").order_by("id")
    item = ready.first()
    return item.case if item is not None else None


def action_of(bulk: Bulk, sample: Case | None) -> Action | None:
    return many_rules.action_for(sample, bulk.do, bulk.label) if sample is not None else None


def effects_of(bulk: Bulk) -> list[tuple[catalogue.Tile, str]]:
    """What each decision sets going at a platform."""
    return [
        (catalogue.tile_of(flow.queue), catalogue.flow_says(flow.name))
        for flow in catalogue.flows_after(bulk.do)
        if flow.queue != LOCAL
    ]


def blank(request: DeskRequest, bulk: Bulk, sample: Case | None) -> Filled:
    """The form with what was typed on the page it came from."""
    typed = {**bulk.data, "note": bulk.note.text if bulk.note is not None else ""}
    inputs = _inputs(request, bulk, sample)
    return Filled(bulk.do, tuple(_with(one, str(typed.get(one.name, "")), "") for one in inputs))


def read(request: DeskRequest, bulk: Bulk) -> Read:
    """What was filled in, each wrong field with the sentence that says how to mend it."""
    inputs = []
    values: dict[str, str] = {}
    for one in _inputs(request, bulk, sample_of(bulk)):
        text = words.typed(request.POST.get(one.name, ""))
        values[one.name] = text
        inputs.append(_with(one, text, _wrong(one, text)))
    form = Filled(bulk.do, tuple(inputs))
    data: dict[str, Any] = {}
    if "resolution" in values:
        data["resolution"] = values["resolution"]
    if "until" in values and not form.errors:
        until, awaiting = case_forms.snooze_until(values["until"], at=request.at)
        data |= bulk_choice.snooze_of(until, awaiting)
    return Read(form, data, values.get("note", ""))


def _inputs(request: DeskRequest, bulk: Bulk, sample: Case | None) -> tuple[Input, ...]:
    if bulk.do == many_rules.SNOOZE.key:
        return case_forms.snooze_inputs()
    if bulk.do == many_rules.SOLVE.key:
        return case_forms.solve_inputs(accepts_loss=may(request, "loss.accept"))
    action = action_of(bulk, sample)
    fields = action.fields if action is not None else ()
    return tuple(Input(one.name, one.label, one.kind, one.required, "", "") for one in fields)


def _with(one: Input, value: str, error: str) -> Input:
    return Input(one.name, one.label, one.kind, one.required, value, error, one.choices)


def _wrong(one: Input, text: str) -> str:
    if one.kind == "choice":
        return "" if text in dict(one.choices) else f"{one.label}: choose one from the list"
    if not text:
        return f"{one.label}: say it in one sentence" if one.required else ""
    if len(text) > case_forms.NOTE_MAX:
        return f"{one.label}: use at most {case_forms.NOTE_MAX:,} characters"
    return ""
