"""The product's words for the screens: case kinds, flows, platforms. Not for numbers and dates."""

from __future__ import annotations

from dataclasses import dataclass

from integrator.engine.case_kinds import CaseKind
from integrator.engine.case_words import Said, say
from integrator.engine.flow import Flow, flows_of
from integrator.flows import CASE_KINDS, ROUTES
from integrator.models import Case
from integrator.platforms import PLATFORMS

_FLOWS = flows_of(ROUTES)


@dataclass(frozen=True, slots=True)
class Tile:
    """A platform's two letters. ``lane`` is its column in a time line, 6 is ours, 7 a person."""

    letters: str
    name: str
    lane: int


OURS = Tile("Us", "Our record", 6)
PERSON = Tile("P", "A person", 7)
# Every platform keeps its column, so that two time lines can be compared. Two share one at most
# when a retailer connects more than five platforms, which the six known ones allow.
_LANES = {"scayle": 1, "scend": 2, "returngo": 3, "reveni": 3, "sitoo": 4}
_ERP_LANE = 5


def kinds() -> dict[str, CaseKind]:
    """Every case kind by code."""
    return CASE_KINDS


def kind_of(case: Case) -> CaseKind:
    """The kind of a case. One that is no longer in use keeps its name and offers no action."""
    kind = CASE_KINDS.get(case.kind)
    if kind is not None:
        return kind
    return CaseKind(
        code=case.kind,
        owner=case.owner,
        severity=case.severity,
        due_hours=0,
        title=f"{case.kind.replace('_', ' ').capitalize()} (no longer in use)",
        happened="This kind of case is no longer opened.",
        means="Its history is kept.",
        todo="Look at the history, then close it.",
        otherwise="It stays in the queue.",
        closes_when="a person closes it",
        actions=(),
    )


def said_of(case: Case) -> Said:
    return say(kind_of(case), case.facts)


def kind_says(kind: str) -> str:
    """What a platform calls a kind of record, in the words used here: rma → return."""
    return {"rma": "return", "exchange": "replacement"}.get(kind, kind.replace("_", " "))


def flow_says(name: str) -> str:
    """What a flow does, as a short sentence without its full stop."""
    flow = _FLOWS.get(name)
    words = name.replace("_", " ").capitalize() if flow is None else flow.says
    return words.rstrip(".")


def flow_named(name: str) -> Flow | None:
    """A step's flow; None for one of another version of the product."""
    return _FLOWS.get(name)


def flows_after(key: str) -> list[Flow]:
    """What a person's decision sets going."""
    return list(ROUTES.get(f"decided:{key}", ()))


def tile_of(platform: str) -> Tile:
    """The tile of a platform by its slug; ours for everything that is not a platform."""
    known = PLATFORMS.get(platform)
    if known is None:
        return OURS
    return Tile(known.tile, known.name, _LANES.get(platform, _ERP_LANE))
