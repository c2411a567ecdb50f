"""A house in which much has gone wrong, and all its screens, as everybody sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from integrator.engine import seal_checks
from integrator.flows import CASE_KINDS
from integrator.models import Case, CaseState
from tests.journeys.causes import CAUSES
from tests.story import Stage

TROUBLES = (
    "MAPPING_MISSING",
    "REFUND_REFUSED",
    "REFUND_BY_HAND",
    "UNIT_RETURNED_TWICE",
    "RETURN_ORDER_UNKNOWN",
    "EXCHANGE_RELEASE_BY_HAND",
    "SKU_DISCONTINUED",
    "GOODWILL",
    "JOB_FAILED",
)
LISTS = (
    "/",
    "/queue/",
    "/queue/?tab=all",
    "/cases/",
    "/orders/",
    "/find/?q=DE-70001",
    "/find/?q=nothing+of+the+kind",
    "/steps/",
    "/monitors/",
    "/connections/",
    "/mappings/",
    "/mappings/?tab=all",
    "/people/",
    "/off-sale/",
    "/nowhere/",
)
OWN = ("/", "/queue/")
AUDIT = ("/audit/", "/audit/?kind=approval&two=1", "/audit/?record=nothing&from=soon")


def troubled(stage: Stage) -> None:
    """Something for everybody, and one payment that waits for its second person."""
    for kind in TROUBLES:
        CAUSES[kind](stage)
    waits_for_two = stage.case("REFUND_BY_HAND")
    stage.presses(waits_for_two, "paid_by_hand", by=stage.fiona, reference="BANK-1")
    seal_checks.daily(at=stage.now() + timedelta(days=1))


def cases_of(role: str) -> Iterator[str]:
    """The page of each open case of a team with its first form open; the first with every form."""
    found = Case.objects.filter(owner=role).exclude(state=CaseState.SOLVED).order_by("id")
    for case in found:
        actions = CASE_KINDS[case.kind].actions
        yield f"/cases/{case.pk}/?do={actions[0].key}"
    if found:
        yield f"/queue/?case={found[0].pk}"
        for form in ("solve", "snooze", "note"):
            yield f"/cases/{found[0].pk}/?do={form}"


def of_everybody(stage: Stage) -> list[str]:
    """The lists, an order with all that happened to it, a word with a meaning and one without."""
    words = f"/mappings/?word={stage.connection('returngo').pk}:LOCATION:"
    order = f"/orders/{stage.order({'id': '70001'}).pk}/"
    return [*LISTS, order, f"{words}WH-9&ours=hamburg", f"{words}WH-1&tab=location"]


SCREENS: dict[str, Callable[[Stage], Iterable[str]]] = {
    "carla": lambda stage: [*OWN, *cases_of("CX")],
    "omar": lambda stage: [*of_everybody(stage), *cases_of("OPERATIONS")],
    "fiona": lambda stage: [*OWN, *cases_of("FINANCE")],
    "conrad": lambda stage: [*OWN, f"/cases/{stage.case('REFUND_BY_HAND').pk}/"],
    "ada": lambda stage: [*OWN, "/connections/", *AUDIT, *cases_of("ADMIN")],
    "nobody": lambda stage: OWN,
}
