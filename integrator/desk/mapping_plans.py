"""Meanings that start later, on the workbench: seen, agreed to, taken back.

Planning itself is the word's own form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST

from integrator.desk import history, periods, words
from integrator.desk.answers import Answer, answer_of, refuse_if_asker_may_not
from integrator.desk.auth import DeskRequest, may, needs, trace_of
from integrator.desk.mapping_asked import may_ask
from integrator.desk.mapping_rows import SHOWN_MAX, Meanings, Word
from integrator.desk.periods import UnableToReadPeriod
from integrator.engine import mapping_plans, mappings
from integrator.engine.approvals import UnableToApprove
from integrator.engine.mapping_plans import UnableToPlan
from integrator.models import (
    Approval,
    ApprovalState,
    Mapping,
    MappingKind,
    MappingPlan,
    MappingPlanState,
)

STOPS = "stops and waits"  # what comes with a word that has no meaning


@dataclass(frozen=True, slots=True)
class Planned:
    """One planned meaning as a reader sees it. ``never``: why it will not start after all."""

    plan: MappingPlan
    means: str
    who: str
    is_asked: bool
    is_over: bool
    is_own: bool
    may_decide: bool
    may_withdraw: bool
    why_not: str
    never: str


def moment_of(text: str, *, at: datetime, zoned: bool = False) -> tuple[datetime | None, str]:
    """The moment somebody chose by the retailer's clock; None for now. Or what is wrong with it.

    ``zoned``: it may name its own clock, as a file does for the hour that is there twice.
    """
    if not text:
        return None, ""
    try:
        moment = periods.moment(text, zoned=zoned)
    except UnableToReadPeriod as why:
        return None, f"From when: {why}, or leave it empty to start at once"
    if not at < moment <= at + mapping_plans.LATEST:
        return None, (
            "From when: choose a moment to come, within two years, or leave it empty to start at "
            "once"
        )
    return moment, ""


def moment_text(moment: datetime, zone: tzinfo) -> str:
    """A moment by the clock of a zone, as ``moment_of`` reads it: it comes back as the same one."""
    local = moment.astimezone(zone)
    plain = local.replace(tzinfo=None, fold=0)
    is_plain = timezone.make_aware(plain, zone).astimezone(UTC) == moment.astimezone(UTC)
    precision = "microseconds" if plain.microsecond else "seconds" if plain.second else "minutes"
    return (plain if is_plain else local).isoformat(sep=" ", timespec=precision)


def open_plans(word: Word | None = None) -> list[MappingPlan]:
    """What words are to mean later, the next first, with what waits for a second person.

    Of one word all of it, of all words at most ``SHOWN_MAX``.
    """
    found = MappingPlan.objects.filter(state__in=mapping_plans.OPEN).order_by("starts_at", "id")
    if word is None:
        return list(found[:SHOWN_MAX])
    return list(found.filter(connection=word.connection_id, kind=word.kind, theirs=word.theirs))


def of_word(word: Word, shown: Sequence[MappingPlan]) -> list[MappingPlan]:
    """The plans of a word, from the list of all if that has room for it."""
    if len(shown) == SHOWN_MAX:
        return open_plans(word)
    return [one for one in shown if word_of(one) == word]


def before(plans: Sequence[MappingPlan], current: Mapping | None, moment: datetime | None) -> str:
    """What the word will mean just before a moment, as planned and agreed to; or means now."""
    stands = current.ours if current is not None else ""
    if moment is None:
        return stands
    for one in plans:
        is_agreed = one.state != MappingPlanState.ASKED
        if is_agreed and one.starts_at < moment and not never(one, current):
            stands = one.ours
    return stands


def courses(
    plans: Sequence[MappingPlan],
    current: Mapping | None,
    ours: str,
    starts: datetime | None,
    *,
    labels: dict[str, str],
    at: datetime,
) -> dict[str, str]:
    """What the word means until a moment, from then on as it is planned, and with ``ours`` then."""
    told, since = partial(_course, labels=labels, at=at), starts or at
    earlier = [one for one in plans if one.starts_at < since]
    others = [one for one in plans if one.starts_at != since]
    return {
        "until_then": told(earlier, before(plans, current, None), since=at),
        "today": told(plans, before(plans, current, starts), since=since),
        "with_it": told(others, ours, since=since),
    }


def _course(
    plans: Sequence[MappingPlan],
    ours: str,
    *,
    since: datetime,
    labels: dict[str, str],
    at: datetime,
) -> str:
    """A meaning that stands ``since`` a moment, and what agreed plans make of it from then on.

    What a plan changes at that very moment is what stands. Said at ``at``, in words.
    """
    says = labels.get(ours, ours) or STOPS
    for one in plans:
        is_held = one.alone and ours not in ("", one.ours)
        is_agreed = one.state != MappingPlanState.ASKED
        if one.starts_at < since or not is_agreed or is_held or one.ours == ours:
            continue
        ours, label = one.ours, labels.get(one.ours, one.ours)
        is_then = one.starts_at == since
        until = words.start_text(one.starts_at, at=at)
        says = label if is_then else f"{says} until {until}, then {label}"
    return says


def never(plan: MappingPlan, current: Mapping | None) -> str:
    """Why a plan will not start after all; empty when it will."""
    if plan.alone and current is not None and current.ours != plan.ours:
        return "It will not start: the word has a meaning now, and another one takes two people."
    return ""


def shown(
    request: DeskRequest,
    plans: Sequence[MappingPlan],
    current: Mapping | None,
    labels: dict[str, str],
) -> list[Planned]:
    """The plans with what this reader may do about each."""
    me = request.user.get_username()
    rows = []
    for one in plans:
        is_asked = one.state == MappingPlanState.ASKED
        mine, holds = one.made_by == f"user:{me}", may(request, mappings.CHANGE)
        is_over = is_asked and one.starts_at <= request.at
        rows.append(
            Planned(
                plan=one,
                means=labels.get(one.ours, one.ours),
                who=history.who(one.made_by),
                is_asked=is_asked,
                is_over=is_over,
                is_own=mine,
                may_decide=is_asked and holds and not mine,
                may_withdraw=one.state == MappingPlanState.PLANNED and (holds or mine),
                why_not="You asked: somebody else must agree."
                if mine
                else "Only operations or an integration admin can change this.",
                never=never(one, current),
            )
        )
    return rows


def agreed(plans: Sequence[MappingPlan]) -> list[MappingPlan]:
    """Those that nobody has to agree to any more."""
    return [one for one in plans if one.state == MappingPlanState.PLANNED]


def word_of(plan: MappingPlan) -> Word:
    return Word(plan.connection_id, MappingKind(plan.kind), plan.theirs)


# --- Writing --------------------------------------------------------------------------------------


@require_POST
@needs("mapping.change")
def answer(request: DeskRequest, plan_id: int) -> HttpResponse:
    """The second person's word on another meaning from a later moment on; or who asked takes the
    question back.
    """
    plan = get_object_or_404(MappingPlan, pk=plan_id)
    asked = Approval.objects.select_related("asked_by").filter(
        record_kind=MappingPlan.RECORD_KIND, record_id=plan.pk, state=ApprovalState.ASKED
    )
    trace, given = trace_of(request), answer_of(request)
    try:
        if (approval := asked.first()) is None:
            raise UnableToApprove("This has been decided already.")
        if given == Answer.TAKE_BACK:
            mapping_plans.take_back(plan, approval, trace=trace, by=request.user)
            messages.success(request, "Taken back: it stays as it was")
        elif given == Answer.AGREE:
            refuse_if_asker_may_not(approval, still=may_ask(approval.asked_by))
            mapping_plans.agree(plan, approval, trace=trace, by=request.user)
            starts = words.start_text(plan.starts_at, at=request.at)
            messages.success(request, f"You agreed: it starts {starts}")
        else:
            mapping_plans.refuse(plan, approval, trace=trace, by=request.user)
            messages.success(request, "You refused: it stays as it was")
    except (UnableToApprove, UnableToPlan) as why:
        messages.warning(request, str(why))
    return HttpResponseRedirect(word_of(plan).href)


@require_POST
@needs("mapping.see")
def withdraw(request: DeskRequest, plan_id: int) -> HttpResponse:
    """Take a plan back before its moment: who made it, or who may change meanings."""
    plan = get_object_or_404(MappingPlan, pk=plan_id)
    is_mine = plan.made_by == f"user:{request.user.get_username()}"
    if not (is_mine or may(request, mappings.CHANGE)):
        raise PermissionDenied(
            "Only who planned it, operations or an integration admin can do this."
        )
    try:
        mapping_plans.withdraw(plan, trace=trace_of(request))
    except UnableToPlan as why:
        messages.warning(request, str(why))
    else:
        means = Meanings().name(plan)
        messages.success(request, f"Taken back: “{plan.theirs}” does not become {means}")
    return HttpResponseRedirect(word_of(plan).href)
