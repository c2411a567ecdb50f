"""Meanings that start later: planned, agreed to, withdrawn, and begun by the clock.

A step takes the meaning that holds when it is carried out. So a plan answers nothing before its
moment, and what waits for the word keeps waiting until then.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from integrator.engine import approvals, mappings
from integrator.engine.states import Raced, Trace, UnableToMove, born, move
from integrator.models import (
    Approval,
    Connection,
    Mapping,
    MappingKind,
    MappingPlan,
    MappingPlanState,
)

LATEST = timedelta(days=731)
OPEN = (MappingPlanState.ASKED, MappingPlanState.PLANNED, MappingPlanState.DUE)


class UnableToPlan(Exception):
    """Its moment is taken or has passed, or it is over already. Says which, for the person."""


def plan(
    *,
    connection: Connection,
    kind: MappingKind,
    theirs: str,
    ours: str,
    starts_at: datetime,
    trace: Trace,
    by: Any,
) -> MappingPlan:
    """Plan what a word is to mean from a later moment on. A second press is no second plan.

    One person plans a first meaning. Where the word has a meaning, or is to get one, it redirects
    goods or money: then a second person is asked. UnableToPlan when its moment has passed, or
    something else is planned for it.
    """
    if not trace.at < starts_at <= trace.at + LATEST:
        raise UnableToPlan("Choose a moment that is still to come, within two years")
    word = {"connection": connection, "kind": kind, "theirs": theirs}
    with transaction.atomic():
        mappings.lock([connection.pk])
        others = MappingPlan.objects.filter(**word, state__in=OPEN)
        for same in others.filter(starts_at=starts_at):
            if same.ours == ours:
                return same
            raise UnableToPlan(f"It is to become {same.ours} at that moment: withdraw that first")
        has_meaning = Mapping.objects.filter(**word, ended_at__isnull=True).exists()
        alone = not has_meaning and not others.exists()
        made = MappingPlan.objects.create(
            **word,
            ours=ours,
            starts_at=starts_at,
            alone=alone,
            state=MappingPlanState.PLANNED if alone else MappingPlanState.ASKED,
            made_by=trace.actor,
            made_at=trace.at,
        )
        born(made, "state", reason=f"“{theirs}” is to become {ours}", trace=trace)
        if not alone:
            approvals.ask(
                verb=mappings.CHANGE,
                record_kind=MappingPlan.RECORD_KIND,
                record_id=made.pk,
                content=_content(made),
                by=by,
                trace=trace,
            )
    return made


def agree(made: MappingPlan, approval: Approval, *, trace: Trace, by: Any) -> None:
    """The second person's word: from its moment on it holds, whatever the word means until then.

    UnableToPlan when its moment has passed, UnableToApprove when it is the asker who agrees.
    """
    with transaction.atomic():
        made = _locked(made.pk)
        if made.state == MappingPlanState.ASKED and made.starts_at <= trace.at:
            raise UnableToPlan("Its moment has passed: it must be asked anew for a later one")
        approvals.decide(approval, grant=True, by=by, trace=trace)
        approvals.use(
            verb=mappings.CHANGE,
            record_kind=MappingPlan.RECORD_KIND,
            record_id=made.pk,
            content=_content(made),
            trace=trace,
        )
        move(made, "state", MappingPlanState.PLANNED, reason="A second person agreed", trace=trace)


def refuse(made: MappingPlan, approval: Approval, *, trace: Trace, by: Any) -> None:
    with transaction.atomic():
        made = _locked(made.pk)
        approvals.decide(approval, grant=False, by=by, trace=trace)
        move(made, "state", MappingPlanState.REFUSED, reason="A second person refused", trace=trace)


def take_back(made: MappingPlan, approval: Approval, *, trace: Trace, by: Any) -> None:
    """Whoever asked takes the question back before anybody has answered it."""
    with transaction.atomic():
        made = _locked(made.pk)
        approvals.take_back(approval, by=by, trace=trace)
        move(made, "state", MappingPlanState.WITHDRAWN, reason="Taken back", trace=trace)


def withdraw(made: MappingPlan, *, trace: Trace) -> None:
    """Take it back before its moment: what holds until then goes on to hold. One person may.

    What still waits for a second person is a question, which only who asked it takes back.
    """
    if made.state == MappingPlanState.ASKED:
        raise UnableToPlan("It waits for a second person: who asked can take it back")
    try:
        move(made, "state", MappingPlanState.WITHDRAWN, reason="Taken back", trace=trace)
    except (Raced, UnableToMove):
        raise UnableToPlan("Too late: it has started, or was taken back already") from None


def mark_due(*, at: datetime) -> int:
    """Say of each plan whose moment has come that it is due. Returns how many."""
    due = MappingPlan.objects.filter(state=MappingPlanState.PLANNED, starts_at__lte=at)
    count = 0
    for made in due.order_by("starts_at", "id"):
        try:
            move(
                made,
                "state",
                MappingPlanState.DUE,
                reason="Its moment has come",
                trace=Trace(at=at, actor="clock"),
            )
        except Raced:
            continue  # withdrawn at this very moment
        count += 1
    return count


def start(made: MappingPlan, *, trace: Trace) -> int:
    """Let a plan that is due hold, and what waits for its word go on. Returns how many jobs do.

    What one person planned as a first meaning replaces none that the word has got meanwhile.
    """
    with transaction.atomic():
        mappings.lock([made.connection_id])
        now = Mapping.objects.filter(
            connection=made.connection_id, kind=made.kind, theirs=made.theirs, ended_at__isnull=True
        ).first()
        if made.alone and now is not None and now.ours != made.ours:
            reason = f"It had got the meaning {now.ours} by then"
            move(made, "state", MappingPlanState.OVERTAKEN, reason=reason, trace=trace)
            return 0
        _, released = mappings.answer(
            connection=made.connection,
            kind=MappingKind(made.kind),
            theirs=made.theirs,
            ours=made.ours,
            trace=trace.by(made.made_by),
        )
        move(made, "state", MappingPlanState.STARTED, reason="As planned", trace=trace)
    return released


def _locked(plan_id: int) -> MappingPlan:
    return MappingPlan.objects.select_for_update(no_key=True).get(pk=plan_id)


def _content(made: MappingPlan) -> dict[str, Any]:
    moment = made.starts_at.astimezone(UTC)  # one form, whichever clock it was typed by
    return {"theirs": made.theirs, "to": made.ours, "starts_at": moment.isoformat()}
