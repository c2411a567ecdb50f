"""The case of a receiver that does not take what it should be told."""

from __future__ import annotations

from integrator.engine.case_kinds import GIVE_UP, TRY_AGAIN, CaseKind

ALERT_NOT_TAKEN = CaseKind(
    code="ALERT_NOT_TAKEN",
    owner="ADMIN",
    severity=2,
    due_hours=4,
    title="{receiver} does not take our alerts",
    happened="{receiver} was told of cases for half an hour and did not take it: {error}",
    means="Whoever reads alerts there misses some. The cases themselves are in their queues.",
    todo="Look at the address and the secret in the retailer's file, then try again.",
    otherwise="What it should have been told waits here. E-mails are not concerned.",
    closes_when="it has taken what waits for it",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("receiver", "error"),
    alert=True,
    shared_cause=True,
)

KINDS: tuple[CaseKind, ...] = (ALERT_NOT_TAKEN,)
