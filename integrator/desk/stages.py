"""Who has a return when: each stage with its system of record, its team and where to look.

Read from what is connected and from the policy in force, so that it cannot tell of another house.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from finance.models import Refund
from finance.states import Executor, RefundStatus
from fulfilment.models import Location
from integrator.desk import directory, history
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.catalogue import Tile
from integrator.desk.copies import copy_of
from integrator.desk.directory import Directory, Known
from integrator.desk.figures import tabs
from integrator.models import Case
from integrator.roles import Role
from returns.models import Return
from returns.stages import ENDED, NEXT, NOBODY, OWNER
from returns.states import ReturnStatus

# The platforms a return is kept in, and the shops that pay and reserve.
RETURNS_PLATFORMS = frozenset({"returngo", "reveni"})
SHOPS = frozenset({"scayle"})
BY_ITSELF = "we, by ourselves"
NOTHING = "nothing is left to do"
# Of any return, not of one: a case about one that has ended is somebody's next step.
UNLESS_A_CASE = "nothing, unless a case is open"
NOBODY_UNLESS_A_CASE = "Nobody, unless a case is open"


@dataclass(frozen=True, slots=True)
class System:
    """Whose word counts. ``href`` opens what we know of it, ``there`` its own screens."""

    name: str
    tile: Tile | None = None
    href: str = ""
    there: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """``owner`` is the team that answers for it; ``look`` is our own list of what is there now."""

    label: str
    says: str
    systems: Sequence[System]
    owner: str
    next_step: str
    look: tuple[str, str]


_SAYS = {
    ReturnStatus.REQUESTED: "The customer asked. Nobody has agreed yet.",
    ReturnStatus.AUTHORISED: "It may come back. The customer has not handed it over.",
    ReturnStatus.IN_TRANSIT: "A carrier has it.",
    ReturnStatus.RECEIVED: "It has arrived. Nobody has checked it, and nobody can buy it.",
    ReturnStatus.INSPECTED: "It was checked. Money, stock and replacement follow.",
    ReturnStatus.COMPLETED: "The returns platform shows it as done. Still owed lists what is not.",
    ReturnStatus.CLOSED: "It was turned down or withdrawn. Nothing comes back.",
}


def stage_of(
    rma: Return,
    known: Directory,
    *,
    case: Case | None = None,
    owes: bool = False,
    refunds: Iterable[Refund] = (),
) -> Stage:
    """The stage a return is in now, with the systems of this very return.

    What is next is not for the stage alone to say: its most urgent open ``case`` has an owner, and
    while it still ``owes`` a step it is not at its end. Who pays its ``refunds`` is known.
    """
    own = known.connections.get(rma.connection_id)
    stage = _stage(
        ReturnStatus(rma.status),
        known,
        [own] if own else [],
        rma.external_id,
        executor=executor_of(refunds),
    )
    if case is not None:
        team = history.team(case.owner)
        ended = rma.status in ENDED
        return replace(stage, next_step=team, owner=team if ended else stage.owner)
    return replace(stage, next_step=BY_ITSELF) if owes and rma.status in ENDED else stage


def executor_of(refunds: Iterable[Refund]) -> str:
    """Who pays, or has paid, the newest refund that stands; empty where there is none."""
    standing = [one for one in refunds if one.status != RefundStatus.REFUSED]
    return max(standing, key=lambda one: one.pk).executor if standing else ""


def _stage(
    status: ReturnStatus,
    known: Directory,
    portals: Iterable[Known],
    number: str = "",
    *,
    executor: str = "",
) -> Stage:
    """The portal's word counts, but for the money of a checked unit: there it is the payer's."""
    systems = [_system(one, number) for one in portals]
    if status == ReturnStatus.INSPECTED:
        systems = payers(known, systems, executor)
    return Stage(
        label=str(status.label),
        says=_SAYS[status],
        systems=systems or [_missing("returns platform")],
        owner=str(OWNER[status].label) if status in OWNER else NOBODY,
        next_step=NOTHING if status in ENDED else NEXT.get(status, BY_ITSELF),
        look=_look(status),
    )


def payers(known: Directory, portals: Sequence[System], executor: str = "") -> list[System]:
    """Who pays: the ``executor`` of a refund that stands, else by the policy in force. There is no
    default.
    """
    executor = executor or known.executor or ""
    if executor == Executor.SCAYLE:
        return _of(known, SHOPS) or [_missing("shop")]
    if executor == Executor.RETURNS_PLATFORM:
        return list(portals)
    if executor == Executor.MANUAL:
        return [System("nowhere: Finance pays by hand")]
    return [System("Nobody was chosen to pay refunds")]


def stage_map(known: Directory, locations: Iterable[Location]) -> list[Stage]:
    """Every stage in the order a return goes through, with what runs beside it."""
    portals = [one for one in known.connections.values() if one.platform in RETURNS_PLATFORMS]
    stages = [_stage(one, known, portals) for one in ReturnStatus]
    stages = [
        replace(one, next_step=UNLESS_A_CASE, owner=NOBODY_UNLESS_A_CASE)
        if one.next_step == NOTHING
        else one
        for one in stages
    ]
    place = list(ReturnStatus).index(ReturnStatus.INSPECTED) + 1
    return [*stages[:place], _on_sale(known, locations), _replacement(known), *stages[place:]]


def _on_sale(known: Directory, locations: Iterable[Location]) -> Stage:
    """Whoever counts the stock of a place has the last word about what can be bought there."""
    by_platform = {one.platform: one for one in known.connections.values()}
    systems = []
    for one in locations:
        counts = by_platform.get(one.authority)
        name = f"{one.get_authority_display()} for {one.name}"
        systems.append(_system(counts, name=name) if counts else System(name))
    return Stage(
        label="Back on sale",
        says="Beside the money: good units can be bought again where they are.",
        systems=systems or [_missing("location")],
        owner=str(Role.OPERATIONS.label),
        next_step=BY_ITSELF,
        look=("Put back on sale", reverse("figure", args=["units-on-sale"])),
    )


def _replacement(known: Directory) -> Stage:
    return Stage(
        label="Replacement",
        says="Instead of money: another piece is reserved, ordered and sent.",
        systems=_of(known, SHOPS) or [_missing("shop")],
        owner=str(Role.CX.label),
        next_step=f"{Role.OPERATIONS.label} tell the warehouse",
        look=("Still owed", reverse("monitors")),
    )


def _look(status: ReturnStatus) -> tuple[str, str]:
    if status in (ReturnStatus.AUTHORISED, ReturnStatus.IN_TRANSIT, ReturnStatus.RECEIVED):
        return "On the way back", f"{reverse('inbound_units')}?stage={status.value}"
    return f"Returns: {str(status.label).lower()}", f"{reverse('returns')}?stage={status.value}"


def _of(known: Directory, platforms: frozenset[str]) -> list[System]:
    return [_system(one) for one in known.connections.values() if one.platform in platforms]


def _system(one: Known, number: str = "", *, name: str = "") -> System:
    """A platform; a return's own page there when its number and the way to it are known."""
    there = one.page("rma", number) or one.start
    ours = "" if there else f"{reverse('connections')}#c-{one.id}"
    return System(name or one.name, one.tile, ours, there)


def _missing(what: str) -> System:
    return System(f"No {what} is set up")


@require_safe
@needs("figures.see")
def stages(request: DeskRequest) -> HttpResponse:
    """The map, for everybody: which system to look in, and which team answers for it."""
    known = directory.current(at=request.at)
    found = stage_map(known, Location.objects.order_by("name", "pk"))
    context = {"tabs": tabs("stages"), "stages": found}
    return render(request, "desk/stages.html", context)


@require_safe
@needs("figures.see")
def stages_file(request: DeskRequest) -> HttpResponseBase:
    """The map as a file: a line per stage and system."""
    known = directory.current(at=request.at)
    found = stage_map(known, Location.objects.order_by("name", "pk"))

    def rows() -> Iterator[list[object]]:
        for stage in found:
            for one in stage.systems:
                yield [stage.label, one.name, stage.owner, stage.next_step, stage.says]

    return copy_of(
        request,
        "who has a return when",
        {},
        name=f"stages-{request.at:%Y-%m-%d}",
        heads=["Stage", "System whose word counts", "Team", "Next step", "Meaning"],
        rows=rows(),
    )
