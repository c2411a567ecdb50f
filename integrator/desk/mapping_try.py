"""Test a word: what would happen now if a platform sent exactly this. Reads only.

A word counts sign by sign: another case or a blank more makes it another word.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, Func, Value
from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from fulfilment.models import Location
from integrator.desk import directory, lists, mapping_rows, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.directory import Known
from integrator.desk.mapping_plans import open_plans
from integrator.desk.mapping_rows import LONGEST, Word
from integrator.engine.choices import choice
from integrator.flows import CASE_KINDS
from integrator.models import Mapping, MappingKind, MappingPlan, MappingPlanState, PolicyVersion
from integrator.platforms import PLATFORMS
from integrator.platforms.contract import UNKNOWN
from integrator.roles import Role
from returns.shapes import Method, Resolution

ASKED = MappingPlanState.ASKED
SIMILAR_MAX = 10
RECENT_MAX = 20
# The kinds a platform's own contract explains too, by the name they have there. It goes first.
_IN_CONTRACT = {MappingKind.RESOLUTION: "resolution", MappingKind.METHOD: "method"}
_HELD_GOODS = "Nothing would be booked to another place."
_HELD_MONEY = "Its money would be held: a guess could pay twice or not at all."
# The case that opens for a word nobody explained. Of the other kinds no step asks for a meaning.
_STOPS_AS = {
    MappingKind.LOCATION: ("MAPPING_MISSING", _HELD_GOODS),
    MappingKind.RESOLUTION: ("REFUND_MODE_UNKNOWN", _HELD_MONEY),
    MappingKind.METHOD: ("REFUND_MODE_UNKNOWN", _HELD_MONEY),
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What a word would come to. ``rule`` answers, or ``by`` says what else does; or nothing.

    ``records`` is how many wait for the word now, ``href`` its place on the workbench.
    """

    word: Word
    connection: Known
    meaning: str
    rule: Mapping | None
    said_by: str
    by: str
    happens: list[str]
    blanks: str
    records: int
    planned: list[tuple[MappingPlan, str]]
    href: str


@dataclass(frozen=True, slots=True)
class Similar:
    """Another word with a meaning that differs only in what people overlook."""

    theirs: str
    meaning: str
    differs: str
    href: str


@require_safe
@needs("mapping.see")
def mapping_try(request: DeskRequest) -> HttpResponse:
    """The form, and below it the answer for the word in the address."""
    known = directory.current(at=request.at).connections
    given = {name: request.GET.get(name, "") for name in ("connection", "kind", "theirs")}
    is_asked = bool(given["theirs"] or given["connection"] or given["kind"])
    word, errors = _read(given, known) if is_asked else (None, [])
    heard = mapping_rows.heard(at=request.at)
    recent = sorted(heard, key=lambda one: (-one.met, one.word.key))[:RECENT_MAX]
    context = {
        "given": given,
        "errors": errors,
        "wrong": dict(errors),
        "connections": known.values(),
        "kinds": MappingKind.choices,
        "recent": [
            (one, known.get(one.word.connection_id), _href(one.word), one.word == word)
            for one in recent
        ],
        "tried": _tried(word, known[word.connection_id], at=request.at) if word else None,
        "similar": _similar(word) if word else [],
    }
    return render(request, "desk/mapping_try.html", context)


def _read(
    given: Map[str, str], known: Map[int, Known]
) -> tuple[Word | None, list[tuple[str, str]]]:
    """The word as it stands in the address, sign by sign, or what is wrong by field."""
    errors = []
    number, kind, theirs = lists.number(given["connection"]), given["kind"], given["theirs"]
    if number not in known:
        errors.append(("connection", "Connection: choose who sends the word"))
    if kind not in MappingKind.values:
        errors.append(("kind", "Kind: choose what the word is about"))
    if not theirs or "\x00" in theirs:
        errors.append(("theirs", "Word: write it exactly as the platform sends it"))
    elif len(theirs) > LONGEST:
        errors.append(("theirs", f"Word: use at most {LONGEST} characters, no platform sends more"))
    return (None, errors) if errors else (Word(number, MappingKind(kind), theirs), [])


def _href(word: Word) -> str:
    query = {"connection": word.connection_id, "kind": word.kind.value, "theirs": word.theirs}
    return f"{reverse('mapping_try')}?{urlencode(query)}"


# --- What answers ---------------------------------------------------------------------------------


def _tried(word: Word, connection: Known, *, at: datetime) -> Tried:
    rule = Mapping.objects.filter(
        connection=word.connection_id, kind=word.kind, theirs=word.theirs, ended_at__isnull=True
    ).first()
    in_contract = _in_contract(word, connection)
    ours, by = in_contract, ""
    if in_contract:
        by, rule = f"{PLATFORMS[connection.platform].name}’s own list of words", None
    elif rule is not None:
        ours = rule.ours
    labels = dict(mapping_rows.choices(word.kind, connection=word.connection_id))
    waits = mapping_rows.waiting(word=word) if not ours else []
    return Tried(
        word=word,
        connection=connection,
        meaning=labels.get(ours, ours),
        rule=rule,
        said_by=mapping_rows.said_by(rule) if rule is not None else "",
        by=by,
        happens=_happens(word, connection, ours) if ours else _waits(word, connection),
        blanks=_blanks(word.theirs),
        records=sum(one.records for one in waits),
        planned=[
            (one, labels.get(one.ours, one.ours))
            for one in ([] if by else open_plans(word))
            if one.state != ASKED
        ],
        href=word.href if rule is not None or waits else "",
    )


def _in_contract(word: Word, connection: Known) -> str:
    """What the platform's contract says of a word: a rule of ours is asked only after it."""
    name = _IN_CONTRACT.get(word.kind, "")
    contract = PLATFORMS[connection.platform].contract
    found = contract.word(name, word.theirs) if name in contract.enums else UNKNOWN
    return "" if found == UNKNOWN else found


def _waits(word: Word, connection: Known) -> list[str]:
    if word.kind not in _STOPS_AS:
        return [
            "Nothing waits for it: words of this kind are kept as they come, and no step asks for "
            "their meaning."
        ]
    if not mapping_rows.is_counted(word.kind, connection.platform):
        return [
            f"{connection.name} is never heard using places’ names: we only write them. A place of "
            "ours without a name there stops and asks."
        ]
    code, held = _STOPS_AS[word.kind]
    kind = CASE_KINDS[code]
    return [
        f"A unit with this word would wait, and so would what depends on it. {held}",
        f"It would be a case for {Role(kind.owner).label}, to be answered within "
        f"{kind.due_hours} hours. Then everything that waits for the word goes on, oldest first.",
    ]


# --- What would happen with a unit that came so ---------------------------------------------------


def _happens(word: Word, connection: Known, ours: str) -> list[str]:
    says = _SAYS.get(word.kind)
    if says is None:
        return [f"It is kept as {ours}. No goods and no money move by it alone."]
    return says(word, connection, ours)


def _says_location(word: Word, connection: Known, ours: str) -> list[str]:
    place = Location.objects.filter(code=ours, retailer__connection=connection.id).first()
    if place is None:
        return [f"It stops: we have no place {ours} any more."]
    if mapping_rows.names_places(connection.platform):
        return [f"Stock of {place.name} is posted to {connection.name} under this name."]
    authority = place.get_authority_display()
    if place.authority == Location.Authority.SCAYLE:
        return [
            f"A unit checked there is booked to {place.name}. One that may be sold again goes back "
            f"on sale in {authority}, which counts the stock of this place."
        ]
    return [
        f"A unit checked there is booked to {place.name}. {authority} counts the stock of this "
        "place: we write no figure, and wait for its next one."
    ]


def _says_resolution(word: Word, connection: Known, ours: str) -> list[str]:
    said = {
        Resolution.REFUND.value: "The money of the unit goes back the way it was paid, as soon as "
        "all that the rules ask for is there.",
        Resolution.STORE_CREDIT.value: "The customer gets store credit for the unit. No money "
        "goes back the way it was paid.",
        Resolution.EXCHANGE.value: "Another piece is sent for the unit. No money goes back for it "
        "but a difference in price.",
    }
    return [said[ours]] if ours in said else []


def _says_method(word: Word, connection: Known, ours: str) -> list[str]:
    policy = PolicyVersion.objects.filter(retailer__connection=connection.id)
    newest = policy.order_by("-version").first()
    needed = choice(newest, "refund_evidence").get(ours, []) if newest is not None else []
    comes = (
        "Nothing is sent back, so nobody waits for a parcel or checks the unit."
        if ours == Method.KEPT
        else "A parcel is waited for, and the unit is checked when it is here."
    )
    names = " and ".join(one.replace("_", " ") for one in needed)
    return [comes, *([f"Before any money goes back it must be {names}."] if names else [])]


_SAYS: Map[MappingKind, Callable[[Word, Known, str], list[str]]] = {
    MappingKind.LOCATION: _says_location,
    MappingKind.RESOLUTION: _says_resolution,
    MappingKind.METHOD: _says_method,
}


# --- What almost matches --------------------------------------------------------------------------


def _similar(word: Word) -> list[Similar]:
    """Words of the same kind there that differ only in case and blanks. They do not answer."""
    rules = Mapping.objects.filter(
        connection=word.connection_id, kind=word.kind, ended_at__isnull=True
    ).exclude(theirs=word.theirs)
    found = rules.alias(plain=_plain(F("theirs"))).filter(plain=_plain(Value(word.theirs)))
    labels = dict(mapping_rows.choices(word.kind, connection=word.connection_id)) if found else {}
    return [
        Similar(
            one.theirs,
            labels.get(one.ours, one.ours),
            _difference(word.theirs, one.theirs),
            _href(Word(word.connection_id, word.kind, one.theirs)),
        )
        for one in found.order_by("theirs")[:SIMILAR_MAX]
    ]


def _plain(text: Any) -> Func:
    """Small letters without blanks, made by the database on both sides."""
    return Func(Lower(text), Value(r"\s+"), Value(""), Value("g"), function="regexp_replace")


def _difference(sent: str, known: str) -> str:
    if "".join(sent.split()) == "".join(known.split()):
        return "the blanks"
    return "the capitals" if sent.lower() == known.lower() else "the capitals and the blanks"


def _blanks(text: str) -> str:
    """Where blanks hide at the ends of a word, in words: a screen does not show them."""
    ends = (
        ("begins", len(text) - len(text.lstrip())),
        ("ends", len(text) - len(text.rstrip())),
    )
    return " and ".join(
        f"{verb} with {words.plural(count, 'blank')}" for verb, count in ends if count
    )
