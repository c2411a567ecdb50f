"""Four eyes: a second person's word on one exact content. Other content needs another word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from integrator.engine.states import Raced, Trace, move
from integrator.models import Approval, ApprovalState


class UnableToApprove(Exception):
    """The approval is decided already, asked by the same person, or for other content."""


def digest_of(content: Mapping[str, Any]) -> str:
    """The hash an approval is bound to: of the content as canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def ask(
    *,
    verb: str,
    record_kind: str,
    record_id: int,
    content: Mapping[str, Any],
    by: Any,
    trace: Trace,
) -> Approval:
    """Ask for a second person. Asking again for the same content returns the open one."""
    approval, _ = Approval.objects.get_or_create(
        verb=verb,
        record_kind=record_kind,
        record_id=record_id,
        digest=digest_of(content),
        state__in=[ApprovalState.ASKED, ApprovalState.GRANTED],
        defaults={"content": dict(content), "asked_by": by, "asked_at": trace.at},
    )
    return approval


def decide(approval: Approval, *, grant: bool, by: Any, trace: Trace) -> None:
    """Grant or refuse. The asker may not decide, whoever they are; the database holds this too.

    Of two who answer at once one is told that it has been decided. What somebody asked who has left
    since can be refused only: what is carried out is carried out in their name.
    """
    if approval.asked_by_id == by.pk:
        raise UnableToApprove("The person who asked cannot be the one who agrees.")
    if approval.state != ApprovalState.ASKED:
        raise UnableToApprove("This has been decided already.")
    if grant and not approval.asked_by.is_active:
        raise UnableToApprove("Who asked has left: refuse it, and have it asked anew.")
    try:
        move(
            approval,
            "state",
            ApprovalState.GRANTED if grant else ApprovalState.REFUSED,
            reason="Agreed by a second person" if grant else "Refused by a second person",
            trace=trace,
            decided_by_id=by.pk,
            decided_at=trace.at,
        )
    except Raced:
        raise UnableToApprove("This has been decided already.") from None


def take_back(approval: Approval, *, by: Any, trace: Trace) -> None:
    """Whoever asked changes their mind, as long as nobody has answered."""
    if approval.asked_by_id != by.pk:
        raise UnableToApprove("Only who asked can take it back.")
    if approval.state != ApprovalState.ASKED:
        raise UnableToApprove("Somebody has answered this already.")
    try:
        move(approval, "state", ApprovalState.WITHDRAWN, reason="Taken back", trace=trace)
    except Raced:
        raise UnableToApprove("Somebody has answered this already.") from None


def use(
    *, verb: str, record_kind: str, record_id: int, content: Mapping[str, Any], trace: Trace
) -> Approval:
    """Use up the approval of exactly this content, once; UnableToApprove when there is none."""
    with transaction.atomic():
        approval = (
            Approval.objects.select_for_update()
            .filter(
                verb=verb,
                record_kind=record_kind,
                record_id=record_id,
                digest=digest_of(content),
                state=ApprovalState.GRANTED,
            )
            .first()
        )
        if approval is None:
            raise UnableToApprove("Nobody has agreed to exactly this.")
        move(approval, "state", ApprovalState.USED, reason="Carried out", trace=trace)
    return approval
