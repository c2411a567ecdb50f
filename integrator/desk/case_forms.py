"""The small forms of a case: what to fill in, what is wrong with it, and what would happen.

Checks what was typed; carries nothing out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from fulfilment.models import Sku
from integrator import policy
from integrator.desk import lists, mapping_rows, words
from integrator.desk.auth import DeskRequest
from integrator.desk.history import Told
from integrator.engine import mappings
from integrator.engine.case_kinds import Action, CaseKind, Field
from integrator.engine.together import Skip, with_team
from integrator.models import Case, MappingKind
from integrator.models import Mapping as Rule
from integrator.roles import Role

# Forms that every case has. They are no actions of a kind: nothing is routed from them by name.
OWN_FORMS = ("solve", "snooze", "note", "assign", "hand_over", "skip")
NOTE_MAX = 4000
TEXT_MAX = 200
NUMBER_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a form as it is shown, with what was typed and what is wrong with it."""

    name: str
    label: str
    kind: str
    required: bool
    value: str
    error: str
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that is open on the page. ``conflict`` says why nothing was done: ``is_late`` where
    somebody else did something first, and ``news`` is all of it where it is more than one thing.
    """

    key: str
    inputs: tuple[Input, ...] = ()
    conflict: str = ""
    news: tuple[Told, ...] = ()
    is_late: bool = False
    for_all: bool = False

    @property
    def errors(self) -> list[tuple[str, str]]:
        return [(one.name, one.error) for one in self.inputs if one.error]


def action_of(kind: CaseKind, key: str) -> Action | None:
    return next((action for action in kind.actions if action.key == key), None)


def opening(request: DeskRequest, case: Case, key: str) -> str:
    """The address of this page with one form open. After a POST that is the case's own page.

    Without a fragment: a browser that jumps to one does not put the cursor into the form.
    """
    query = request.GET.copy()
    query["do"] = key
    path = request.path if request.method == "GET" else reverse("case", args=[case.pk])
    return f"{path}?{query.urlencode()}"


def solve_inputs(*, accepts_loss: bool) -> tuple[Input, ...]:
    """How a case may end. A later fact's own ending is not for people, a loss is for finance."""
    hidden = {Case.Resolution.BY_ITSELF}
    if not accepts_loss:
        hidden.add(Case.Resolution.ACCEPTED_LOSS)
    choices = tuple((one.value, str(one.label)) for one in Case.Resolution if one not in hidden)
    return (
        Input("resolution", "How it ended", "choice", True, "", "", choices),
        Input("note", "Note", "note", True, "", ""),
    )


def snooze_inputs() -> tuple[Input, ...]:
    choices = (
        ("tomorrow", "Tomorrow, 9:00"),
        ("monday", "Next Monday, 9:00"),
        ("CHANGE", "Until something changes"),
        ("WORSE", "Until more money is at risk"),
    )
    return (
        Input("until", "Until when", "choice", True, "", "", choices),
        Input("note", "Why it can wait", "note", True, "", ""),
    )


def snooze_until(chosen: str, *, at: datetime) -> tuple[datetime | None, str]:
    """The end of a snooze: a time in the retailer's zone, or what to wait for."""
    nine = timezone.localtime(at).replace(hour=9, minute=0, second=0, microsecond=0)
    if chosen == "tomorrow":
        return nine + timedelta(days=1), ""
    if chosen == "monday":
        return nine + timedelta(days=7 - nine.weekday()), ""
    return (None, chosen) if chosen in ("CHANGE", "WORSE") else (None, "")


def note_inputs() -> tuple[Input, ...]:
    return (Input("note", "Comment", "note", True, "", ""),)


def teams_for(case: Case) -> tuple[tuple[str, str], ...]:
    """The teams it can be handed to: who works on cases, and has not got it already."""
    here = with_team(case)
    return tuple(
        (one.value, str(one.label))
        for one in Role
        if one in policy.VERBS["case.work"] and one != here
    )


def hand_over_inputs(case: Case) -> tuple[Input, ...]:
    back = case.owner if case.handed_to else ""
    return (
        Input("to", "To which team", "choice", True, back, "", teams_for(case)),
        Input("note", "What they should know or do", "note", True, "", ""),
    )


def skip_inputs() -> tuple[Input, ...]:
    choices = tuple((one.value, str(one.label)) for one in Skip)
    return (
        Input("why", "Why you skip it", "choice", True, "", "", choices),
        Input("note", "In your words", "note", False, "", ""),
    )


def with_typed(blank: tuple[Input, ...], typed: tuple[Input, ...]) -> tuple[Input, ...]:
    """The inputs with what was typed and what is wrong with it."""
    by_name = {one.name: one for one in typed}
    return tuple(
        replace(one, value=by_name[one.name].value, error=by_name[one.name].error)
        if one.name in by_name
        else one
        for one in blank
    )


def asked_for(
    request: DeskRequest, case: Case, kind: CaseKind, locked: Mapping[str, str]
) -> Filled | None:
    """The form that the URL opens. What is ``locked``, by name and with its reason, has none."""
    key = request.GET.get("do", "")
    if locked.get(key):
        return None
    if key in OWN_FORMS and policy.may(request.user, "case.work", roles=request.roles):
        return Filled(key=key)
    action = action_of(kind, key)
    if action is None:
        return None
    return Filled(key=key, inputs=_empty(action, case))


def _empty(action: Action, case: Case) -> tuple[Input, ...]:
    return tuple(_input(one, case, value="", error="") for one in action.fields)


def _input(one: Field, case: Case, *, value: str, error: str) -> Input:
    choices = choices_of(one, case)
    kind = one.kind if one.kind != "choice" or choices else "text"
    label = one.label
    if one.choices == "mapping" and _asks_for_theirs(case):
        label = "Their word for it"
    return Input(one.name, label, kind, one.required, value, error, choices)


def choices_of(one: Field, case: Case) -> tuple[tuple[str, str], ...]:
    """What may be chosen. A word with no fixed list (a reason, a SKU) is typed instead."""
    if one.choices == "location":
        return mapping_rows.places(connection=case.connection_id)
    if one.choices != "mapping" or _asks_for_theirs(case):
        return ()
    kind = case.facts.get("kind_code", "")
    return mapping_rows.choices(kind, connection=case.connection_id)


def _asks_for_theirs(case: Case) -> bool:
    """Our own word has no partner there: what is missing is the platform's word, which is typed."""
    return f":{mappings.OURS}" in case.cause


def read(action: Action, case: Case, typed: Mapping[str, str]) -> tuple[dict[str, Any], Filled]:
    """What was filled in, and the form with an error on each field that is not right."""
    data: dict[str, Any] = {}
    inputs = []
    for one in action.fields:
        text = words.typed(typed.get(one.name, ""))
        value, error = _checked(one, case, text)
        if not error and value != "":
            data[one.name] = value
        inputs.append(_input(one, case, value=text, error=error))
    return data, Filled(action.key, tuple(inputs), for_all=typed.get("all") == "1")


def _checked(one: Field, case: Case, text: str) -> tuple[Any, str]:
    """The value of a field, or the sentence that says how to mend it."""
    if not text:
        return "", _missing(one) if one.required else ""
    if one.kind == "money":
        return _amount(one, case, text)
    if one.kind == "number":
        if not 0 < (number := lists.number(text)) <= NUMBER_MAX:
            return "", f"{one.label}: write a whole number from 1 to {NUMBER_MAX:,}"
        return number, ""
    limit = NOTE_MAX if one.kind == "note" else TEXT_MAX
    if len(text) > limit:
        return "", f"{one.label}: use at most {limit:,} characters"
    choices = choices_of(one, case)
    if choices and text not in dict(choices):
        return "", f"{one.label}: choose one from the list"
    is_theirs = one.choices == "mapping" and _asks_for_theirs(case)
    if is_theirs and (other := _other_meaning(case, text)):
        return "", (
            f"{one.label}: “{text}” means {other} already. Another meaning takes two people: ask"
            " for it on Mappings"
        )
    is_ours = one.choices == "mapping" and not is_theirs
    is_sku = is_ours and case.facts.get("kind_code") == MappingKind.SKU
    if is_sku or one.choices == "sku":
        retailer = case.connection.retailer_id if case.connection is not None else None
        if not Sku.objects.filter(code=text, retailer=retailer).exists():
            return "", f"{one.label}: we know no SKU “{text}”"
    return text, ""


def _other_meaning(case: Case, theirs: str) -> str:
    """What a word of the platform means that somebody names as the partner of a word of ours."""
    ours = case.cause.partition(f":{mappings.OURS}")[2]
    found = Rule.objects.filter(
        connection=case.connection_id,
        kind=case.facts.get("kind_code", ""),
        theirs=theirs,
        ended_at__isnull=True,
    ).exclude(ours=ours)
    return found.values_list("ours", flat=True).first() or ""


def _amount(one: Field, case: Case, text: str) -> tuple[Any, str]:
    """Minor units in the case's own currency: without one no amount means anything."""
    if not case.currency:
        return "", f"{one.label}: it is not known in which currency this case is"
    try:
        return words.minor_of(text, case.currency), ""
    except words.UnableToRead as error:
        return "", f"{one.label}: {str(error)[:1].lower()}{str(error)[1:]}"


def _missing(one: Field) -> str:
    if one.kind == "choice":
        return f"{one.label}: choose one from the list"
    if one.kind == "note":
        return f"{one.label}: say it in one sentence"
    return f"{one.label}: fill this in"


def in_words(
    action: Action, content: Mapping[str, Any], notes: Mapping[int, str]
) -> list[tuple[str, str]]:
    """The exact content somebody agrees to: the amount at stake, then field by field."""
    data = content.get("data", {})
    lines = []
    if content.get("money_minor"):
        lines.append(("Amount", words.amount_text(content["money_minor"], content["currency"])))
    for one in action.fields:
        if one.kind == "note":
            text = notes.get(int(content.get("note_event") or 0), "")
        elif one.kind == "money" and one.name in data:
            text = words.amount_text(int(data[one.name]), str(content["currency"]))
        else:
            text = str(data.get(one.name, ""))
        if text:
            lines.append((one.label, text))
    return lines
