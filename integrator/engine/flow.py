"""What a flow is: one verb of the business, as data and up to four small functions.

No base class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from integrator.engine.case_kinds import JOB_FAILED, JOB_IN_DOUBT, JOB_LATE, CaseKind
from integrator.engine.shapes import Call

if TYPE_CHECKING:
    from integrator.engine.work import Work

LOCAL = "local"
Evidence = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """A Message, Transition or CaseEvent that the router has not looked at yet.

    ``key`` is what ``ROUTES`` is asked with; ``data`` is what the fact itself carries.
    """

    id: int
    key: str
    record_kind: str
    record_id: int
    order_id: int | None
    connection_id: int | None
    actor: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Aim:
    """Which record a fact makes a flow work on, and in which lane it must wait its turn.

    ``queue`` overrides the flow's own queue; ``delay_seconds`` is the time in which a person can
    still cancel; ``join`` names what joining facts share (the record in its lane, if empty).
    """

    record_kind: str
    record_id: int
    lane: str
    order_id: int | None = None
    connection_id: int | None = None
    queue: str = ""
    delay_seconds: int = 0
    join: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A look-up found that the call had happened.

    ``result`` is what the call would have returned.
    """

    result: Any


@dataclass(frozen=True, slots=True)
class NotFound:
    """A look-up did not find it.

    ``may_repeat`` only where the contract says a repeat is harmless.
    """

    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """A call found that nothing needs to be done, and says why. The job is done."""

    because: str


@dataclass(frozen=True, slots=True)
class Flow:
    """One verb. ``aim`` says what a batch of facts means for it; missing facts are not for it.

    A fact that concerns several lanes has one aim for each of them.

    - ``call(work)`` talks to platforms; no transaction is open. Without it the flow is local.
    - ``record(work, result)`` writes what follows, in one transaction with the end of the job.
    - ``probe(work)`` looks a call up that may have happened; it must not change anything there.
    - ``plan(record, kept)`` says beforehand what would be done, for previews; ``kept`` is what a
      step that stopped remembers. A flow that carries a person's decision out gets the case.

    ``joins`` lets facts that arrive before the job started share it. ``due_minutes`` is the promise
    after which somebody is told. ``writes`` names the writes of platforms' contracts that it may
    make; from them follow ``settle_minutes`` and ``lookups_needed``: when "not there" is believed.
    ``gives_way`` is for readings that can be made later: when a day's calls run low they stop
    first, and while one waits for its time, others of its lane pass.
    """

    name: str
    says: str
    aim: Callable[[Sequence[Fact]], Mapping[int, Aim | Sequence[Aim]]]
    record: Callable[[Work, Any], Evidence]
    call: Callable[[Work], Any] | None = None
    probe: Callable[[Work], Found | NotFound] | None = None
    plan: Callable[[Any, Mapping[str, Any]], Sequence[Call]] | None = None
    queue: str = LOCAL
    priority: int = 50
    joins: bool = False
    gives_way: bool = False
    due_minutes: int = 15
    writes: tuple[str, ...] = ()
    settle_minutes: int = 2
    lookups_needed: int = 2
    on_refused: CaseKind = JOB_FAILED
    on_doubt: CaseKind = JOB_IN_DOUBT
    on_late: CaseKind = JOB_LATE
    about: Callable[[Any], Mapping[str, Any]] | None = None


Routes = Mapping[str, Sequence[Flow]]


def flows_of(routes: Routes) -> dict[str, Flow]:
    """All flows of a table by name.

    Two different flows with one name are a programmer's mistake.
    """
    flows: dict[str, Flow] = {}
    for row in routes.values():
        for flow in row:
            assert flows.setdefault(flow.name, flow) is flow, f"two flows are called {flow.name}"
            assert (flow.call is None) == (flow.queue == LOCAL), (
                f"{flow.name}: only local flows are local"
            )
    return flows


def each(aim_one: Callable[[Fact], Aim | None]) -> Callable[[Sequence[Fact]], dict[int, Aim]]:
    """An ``aim`` for flows that need nothing but the fact itself: no query, so one by one."""

    def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
        aims = ((fact.id, aim_one(fact)) for fact in facts)
        return {fact_id: found for fact_id, found in aims if found is not None}

    return aim


def only_reads(work: Work) -> NotFound:
    """The ``probe`` of a flow whose call changes nothing there: repeating it is harmless."""
    return NotFound(may_repeat=True)
