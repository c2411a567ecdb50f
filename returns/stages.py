"""Who answers for a return at each stage. Screens show it, and what stands still goes there."""

from __future__ import annotations

from collections.abc import Mapping

from integrator.roles import Role
from returns.states import ReturnStatus

ENDED = (ReturnStatus.COMPLETED, ReturnStatus.CLOSED)
NOBODY = "Nobody: it has ended"
# Which team answers for each stage under way, whoever's step is next.
OWNER: Mapping[str, Role] = {
    ReturnStatus.REQUESTED: Role.CX,
    ReturnStatus.AUTHORISED: Role.CX,
    ReturnStatus.IN_TRANSIT: Role.CX,
    ReturnStatus.RECEIVED: Role.OPERATIONS,
    ReturnStatus.INSPECTED: Role.FINANCE,
}
# Whose step is next while nothing is wrong. An open case has an owner of its own.
NEXT: Mapping[str, str] = {
    ReturnStatus.REQUESTED: str(Role.CX.label),
    ReturnStatus.AUTHORISED: "the customer",
    ReturnStatus.IN_TRANSIT: "the carrier",
    ReturnStatus.RECEIVED: str(Role.OPERATIONS.label),
}
