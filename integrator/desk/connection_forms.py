"""The forms of a connection: pause, switch on, announce and cancel maintenance, write a note.

Checks what was typed; carries nothing out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from integrator.desk import periods, words
from integrator.desk.case_forms import Filled, Input
from integrator.desk.periods import UnableToReadPeriod

REASON_MAX = 200
NOTE_MAX = 500

_REASON = Input("reason", "Reason", "text", True, "", "")
_BLANK: Mapping[str, tuple[Input, ...]] = {
    "pause": (_REASON, Input("ends", "Start again at", "moment", False, "", "")),
    "on": (_REASON,),
    "plan": (
        Input("starts", "Starts", "moment", True, "", ""),
        Input("ends", "Ends", "moment", True, "", ""),
        _REASON,
    ),
    "cancel": (_REASON,),
    "note": (
        Input("note", "What should others know? Nothing about customers", "note", True, "", ""),
    ),
}
_NEEDED = {
    "reason": "Reason: say it in one sentence",
    "starts": "Starts: choose a day and a time",
    "ends": "Ends: choose a day and a time",
    "note": "Write what others should know",
}


def blank(key: str) -> Filled | None:
    """An empty form; None for one that there is not."""
    return Filled(key, _BLANK[key]) if key in _BLANK else None


def read(key: str, typed: Mapping[str, str]) -> tuple[dict[str, str], dict[str, datetime], Filled]:
    """What was typed: texts, moments, and the form as it goes back if something is wrong."""
    texts: dict[str, str] = {}
    moments: dict[str, datetime] = {}
    inputs = []
    for one in _BLANK[key]:
        value = words.typed(typed.get(one.name, ""))
        error = _NEEDED[one.name] if one.required and not value else ""
        if value and one.kind == "moment":
            try:
                moments[one.name] = periods.moment(value)
            except UnableToReadPeriod as why:
                error = f"{one.label}: {why}"
        elif value:
            most = NOTE_MAX if one.kind == "note" else REASON_MAX
            error = error or (f"Write at most {most} characters" if len(value) > most else "")
            texts[one.name] = value
        inputs.append(replace(one, value=value, error=error))
    return texts, moments, Filled(key, tuple(inputs))


def refused(form: Filled, field: str, text: str) -> Filled:
    """The form with what is wrong beside its field."""
    inputs = (replace(one, error=text) if one.name == field else one for one in form.inputs)
    return replace(form, inputs=tuple(inputs))
