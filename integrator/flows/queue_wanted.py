"""What is wanted of a team's queue of cases: a tab, what narrows it down, and an order.

An address, a saved view and the clock that looks at a view's alert are read by one function, so
that none can hold what another could not. How it is written is in ``desk.queue_address``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from finance import cases as money
from fulfilment import cases as goods
from integrator.engine import cases as engine
from integrator.engine.case_kinds import CaseKind
from integrator.flows.kinds import CASE_KINDS
from integrator.roles import Role
from returns import cases as returned
from returns import exchange_cases
from returns.states import Custody

# An auditor owns nothing: there is no queue to work through.
ROLES = tuple(role for role in Role.values if role != Role.AUDITOR)
TABS = {"needs": "Needs us", "mine": "Mine", "snoozed": "Snoozed", "solved": "Solved"}
STATES = {"snoozed": "SNOOZED", "solved": "SOLVED"}
WHO = {"me": "Me", "nobody": "Nobody"}
PROMISE = "promise"
LONGEST_CAUSE = 200


@dataclass(frozen=True, slots=True)
class SystemView:
    """A tab that everybody with the role has: open cases of some kinds, with their last step.

    ``steps``: which changes of a record count as a step of what the view is about.
    """

    key: str
    name: str
    role: str
    kinds: tuple[CaseKind, ...]
    order: str = PROMISE
    steps: Q = field(default_factory=Q)
    also: tuple[str, str] | None = None

    @property
    def codes(self) -> list[str]:
        return [kind.code for kind in self.kinds]


SYSTEM_VIEWS = (
    SystemView(
        "not-on-sale",
        "Came back, not on sale",
        Role.OPERATIONS,
        (
            goods.RESTOCK_FAILED,
            goods.RESTOCK_IN_DOUBT,
            goods.SKU_DISCONTINUED,
            returned.VALIDATED_WITHOUT_DISPOSITION,
            engine.MAPPING_MISSING,
        ),
        # That its return was closed says nothing of where the unit got to.
        steps=Q(field="custody") & ~Q(new=Custody.CLOSED),
        also=("off_sale", "Every unit off sale, with a case or without"),
    ),
    SystemView("oversold", "Sold, but not there", Role.OPERATIONS, (goods.OVERSELL_RISK,)),
    SystemView(
        "not-reconciled",
        "Refunds that do not reconcile",
        Role.FINANCE,
        (
            money.REFUND_IN_DOUBT,
            money.REFUND_NOT_RECORDED,
            money.REFUND_NOT_MIRRORED,
            money.REFUNDED_PAST_US,
            money.PAID_IN_SHOP,
            money.CORRECTION_AFTER_REFUND,
            money.SYSTEMS_DIFFER,
        ),
        order="money",
    ),
    SystemView("replacements", "Replacements", Role.CX, exchange_cases.KINDS),
)
_BY_KEY = {(view.role, view.key): view for view in SYSTEM_VIEWS}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tab of a role's queue with its filters. ``order`` is empty for the tab's own.

    ``bulk_id``: only cases about which that one decision about many was to be. ``hidden``: columns
    taken away, None for what the person usually has; they change nothing of what is listed.
    """

    role: str
    tab: str
    user_id: int
    kind: str = ""
    cause: str = ""
    who: str = ""
    connection_id: int = 0
    order: str = ""
    bulk_id: int = 0
    hidden: tuple[str, ...] | None = field(default=None, compare=False)

    @property
    def system(self) -> SystemView | None:
        return _BY_KEY.get((self.role, self.tab))

    @property
    def state(self) -> str:
        return STATES.get(self.tab, "OPEN")

    @property
    def sorted_by(self) -> str:
        if self.tab == "solved":
            return "solved"
        return self.order or own_order(self.role, self.tab)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.kind or self.cause or self.who or self.connection_id or self.bulk_id)

    @property
    def is_of_whoever_looks(self) -> bool:
        """Whether it shows each person something else."""
        return self.tab == "mine" or self.who == "me"

    @property
    def kinds(self) -> list[str]:
        """The codes of the only kinds it can list; none when it may be any."""
        if self.kind:
            return [self.kind]
        return self.system.codes if self.system is not None else []


def own_order(role: str, tab: str) -> str:
    view = _BY_KEY.get((role, tab))
    return view.order if view is not None else PROMISE


def read(
    query: Mapping[str, Any],
    *,
    role: str,
    user_id: int,
    connections: Container[int],
    orders: Container[str] = (),
) -> Wanted:
    """What an address asks for. What does not exist is left out, and so is what changes nothing.

    ``orders``: the ways to sort, for who lists; who only counts needs none.
    """
    tab = query.get("tab", "")
    tab = tab if tab in TABS or (role, tab) in _BY_KEY else "needs"
    kind, who, order = query.get("kind", ""), query.get("who", ""), query.get("order", "")
    cause = query.get("cause", "").replace("\x00", "").strip()
    connection_id = _number(query.get("connection", ""))
    is_own = order == own_order(role, tab) or tab == "solved"
    return Wanted(
        role=role,
        tab=tab,
        user_id=user_id,
        kind=kind if kind in CASE_KINDS else "",
        cause=cause[:LONGEST_CAUSE].strip(),
        who=who if who in WHO and tab != "mine" else "",
        connection_id=connection_id if connection_id in connections else 0,
        order=order if order in orders and not is_own else "",
        bulk_id=_number(query.get("bulk", "")),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
