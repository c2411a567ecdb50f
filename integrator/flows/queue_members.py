"""Which cases belong in a queue, in SQL: by whose they are, and by what a tab asks for.

One definition serves lists (``desk.queue_rows``) and counts (``queue_figures``), so they cannot
differ.
The columns it names are those of the cases and of what is kept about them
(``models.case_counts``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from integrator import policy
from integrator.engine.case_reach import reach_of
from integrator.flows.kinds import CASE_KINDS
from integrator.flows.queue_wanted import ROLES, Wanted
from integrator.roles import Role


class Params(dict[str, Any]):
    """The values of a statement. Each is given a name, which is all that the SQL holds."""

    def put(self, value: Any) -> str:
        name = f"p{len(self)}"
        self[name] = value
        return f"%({name})s"


def held_by(roles: frozenset[str]) -> list[str]:
    """The queues these roles work through, in their fixed order."""
    return [role for role in ROLES if role in roles]


def visible_to(roles: frozenset[str]) -> list[str]:
    """The queues these roles may look at, their own first. Admins and auditors see every team's."""
    held = held_by(roles)
    if not {Role.ADMIN, Role.AUDITOR} & roles:
        return held
    return [*held, *(role for role in ROLES if role not in held)]


def nearest(owner: str, queues: Sequence[str]) -> str:
    """Of these queues the one to go to from a case: its owner's, else the first; empty of none."""
    return owner if owner in queues else next(iter(queues), "")


def narrowed(wanted: Wanted, params: Params) -> str:
    """What the tab and its filters ask of a case, whoever's it is."""
    parts = [f"state = '{wanted.state}'"]
    if wanted.system is not None:
        parts.append(f"kind = ANY({params.put(wanted.system.codes)})")
    if wanted.kind:
        parts.append(f"kind = {params.put(wanted.kind)}")
    if wanted.cause:
        parts.append(f"cause = {params.put(wanted.cause)}")
    if wanted.bulk_id:
        parts.append(
            f"""id = ANY(ARRAY(SELECT case_id FROM integrator_bulkitem
                                WHERE bulk_id = {params.put(wanted.bulk_id)}
                                  AND state <> 'EXCLUDED'))"""  # noqa: S608
        )
    if wanted.connection_id:
        parts.append(f"connection_id = {params.put(wanted.connection_id)}")
    if wanted.tab == "mine" or wanted.who == "me":
        parts.append(f"assignee_id = {params.put(wanted.user_id)}")
    elif wanted.who == "nobody":
        parts.append("assignee_id IS NULL")
    return " AND ".join(parts)


@dataclass(frozen=True, slots=True)
class Doors:
    """How a case comes into a role's queue, as conditions. No case comes in by two of them.

    ``owns``: the role owns it; ``lifted``: it was lifted to it; ``asked``: it was handed to it, or
    it is asked to agree, which only the case itself tells.
    """

    owns: str
    lifted: tuple[str, ...]
    asked: str

    @property
    def every(self) -> list[str]:
        return [self.owns, *self.lifted, self.asked]

    @property
    def own(self) -> str:
        return " OR ".join([self.owns, *self.lifted])

    @property
    def any(self) -> str:
        return " OR ".join(self.every)


def doors_of(role: str, params: Params) -> Doors:
    reach = reach_of(role, CASE_KINDS)
    owns = f"owner = {params.put(role)}"
    steps: dict[str, list[str]] = defaultdict(list)
    for (owner, step), codes in reach.lifted.items():
        steps[owner].append(f"(escalation >= {step} AND kind = ANY({params.put(codes)}))")
    lifted = tuple(
        f"(owner = {params.put(owner)} AND ({' OR '.join(each)}))" for owner, each in steps.items()
    )
    elsewhere = " OR ".join([owns, *lifted])
    # One array: they are few, and are looked up one by one.
    ids = f"""SELECT id FROM integrator_case
               WHERE handed_to <> '' AND handed_to = {params.put(role)}"""  # noqa: S608
    if role in policy.VERBS["approval.decide"]:
        ids += f""" UNION ALL SELECT asked.id FROM integrator_approval
                      JOIN integrator_case asked ON asked.id = integrator_approval.record_id
                     WHERE integrator_approval.record_kind = 'case'
                       AND integrator_approval.state = 'ASKED'
                       AND asked.kind = ANY({params.put(reach.answerable)})"""  # noqa: S608
    asked = f"(NOT ({elsewhere}) AND id = ANY(ARRAY({ids})))"
    return Doors(owns, lifted, asked)


def is_grouped(wanted: Wanted) -> bool:
    """Whether cases of one cause are one line: not where the cause is looked into, nor among what
    is solved, where nothing is left to do once for all of them.
    """
    return not wanted.cause and wanted.state != "SOLVED"
