"""The quarterly review of roles: begun by the clock, decided by people, missed by nobody.

Who keeps a role is only written down. Who is to lose one loses it as always: a second person must
agree (``staff``).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, QuerySet

from integrator import staff
from integrator.engine import cases
from integrator.engine.case_kinds import Action, CaseKind, Field
from integrator.engine.states import Trace
from integrator.models import (
    AccessReview,
    Approval,
    ApprovalState,
    Case,
    ReviewDecision,
    ReviewItem,
    RoleChange,
    RoleGrant,
)
from integrator.roles import Role

WEEKS = 4
ON_THE_SERVER = ""  # nobody is named: it was a command

REVIEW_OVERDUE = CaseKind(
    code="ACCESS_REVIEW_OVERDUE",
    owner="ADMIN",
    severity=2,
    due_hours=24,
    title="The review of roles of {quarter} is not finished",
    happened="The review of {quarter} began four weeks ago. {open} of {number} roles still wait "
    "for a decision.",
    means="People may hold rights that they do not need any more, and nobody looked.",
    todo="Open People, then the review. Say for each role whether its holder keeps it, and why.",
    otherwise="Controllers and the auditor are told, and the roles stay as they are.",
    closes_when="the last role of the review is decided",
    actions=(
        Action(
            key="not_an_error",
            label="It is explained",
            says="Close the case with your reason. The review stays open on People.",
            verb="case.solve",
            fields=(Field("note", "Why the review is not finished", "note"),),
        ),
    ),
    evidence=("quarter", "open", "number"),
    ladder=("CONTROLLER", "AUDITOR"),
    alert=True,
)
KINDS: tuple[CaseKind, ...] = (REVIEW_OVERDUE,)


class UnableToDecide(Exception):
    """The decision cannot be taken. Says why, for the person who decides."""


def begin_due(*, today: date, at: datetime) -> AccessReview | None:
    """Begin the quarter's review in its first weeks, with every role that somebody holds by now.

    Once, in however many processes. Who sets up later begins with the next quarter.
    """
    first_day = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    if today >= first_day + timedelta(weeks=WEEKS):
        return None
    if AccessReview.objects.filter(first_day=first_day).exists():
        return None
    with transaction.atomic():
        held = list(
            RoleGrant.objects.filter(user__is_active=True, group__name__in=Role.values)
            .select_related("user", "group")
            .order_by("user__username", "group__name")
        )
        if not held:
            return None
        review, is_new = AccessReview.objects.get_or_create(
            first_day=first_day,
            defaults={
                "last_day": today + timedelta(weeks=WEEKS, days=-1),
                "began_at": at,
            },
        )
        if not is_new:
            return None
        given = _given()
        items = []
        for one in held:
            when, by = given.get((one.user_id, one.group.name), (None, ON_THE_SERVER))
            items.append(
                ReviewItem(
                    review=review,
                    person=one.user,
                    role=one.group.name,
                    given_at=when,
                    given_by=by,
                )
            )
        ReviewItem.objects.bulk_create(items)
    return review


def _given() -> dict[tuple[int, str], tuple[datetime | None, str]]:
    """When each role was last given, and by whom, from the history that nobody can rewrite."""
    events: Any = RoleGrant.pgh_event_model
    granted = events.objects.filter(pgh_label="granted").order_by("pgh_id")
    two = _by_two()
    found: dict[tuple[int, str], tuple[datetime | None, str]] = {}
    for person_id, role, at, user in granted.values_list(
        "user_id", "group__name", "pgh_created_at", "pgh_context__metadata__user"
    ):
        key = (person_id, role)
        # Without anybody signed in it was a command, whatever two people agreed to before.
        found[key] = (at, ON_THE_SERVER if user is None else two.get(key, ON_THE_SERVER))
    return found


def _by_two() -> dict[tuple[int, str], str]:
    """The two people behind each role that was last given by two."""
    used = Approval.objects.filter(
        record_kind=RoleChange.RECORD_KIND, state=ApprovalState.USED, content__gives=True
    )
    approvals = list(used.select_related("asked_by", "decided_by").order_by("pk"))
    changes = RoleChange.objects.in_bulk([one.record_id for one in approvals])
    names = {}
    for one in approvals:
        change = changes[one.record_id]
        second = one.decided_by.get_username() if one.decided_by else "nobody"
        names[change.person_id, change.role] = f"{one.asked_by.get_username()} and {second}"
    return names


def held_items(review: AccessReview) -> QuerySet[ReviewItem]:
    """The roles of a review whose holders still have them."""
    return ReviewItem.objects.filter(
        review=review, person__is_active=True, person__groups__name=F("role")
    )


def open_items(review: AccessReview) -> QuerySet[ReviewItem]:
    """What still waits: not decided, and still held. Who left or lost the role is no question."""
    return held_items(review).filter(decision__isnull=True)


def decide(
    item: ReviewItem, *, keeps: bool, reason: str, today: date, trace: Trace, by: User
) -> ReviewDecision:
    """Say that somebody keeps a role, or ask a second person to take it away."""
    if not reason or len(reason) > staff.LONGEST_REASON:
        raise UnableToDecide(f"Say why, in at most {staff.LONGEST_REASON} characters")
    if item.person_id == by.pk:
        raise UnableToDecide("It is about you: somebody else must decide")
    with transaction.atomic():
        locked = ReviewItem.objects.select_for_update(of=("self",)).select_related(
            "person", "review"
        )
        item = locked.get(pk=item.pk)
        if ReviewDecision.objects.filter(item=item).exists():
            raise UnableToDecide("Somebody decided this already")
        if not open_items(item.review).filter(pk=item.pk).exists():
            raise UnableToDecide("They do not hold this role any more")
        decision = ReviewDecision.objects.create(
            item=item, keeps=keeps, reason=reason, by=by, at=trace.at
        )
        if not keeps:
            _ask(item, reason=reason, today=today, trace=trace, by=by)
        _finish(item.review, trace=trace)
    return decision


def _ask(item: ReviewItem, *, reason: str, today: date, trace: Trace, by: User) -> None:
    role = Role(item.role)
    if any(not one.content["gives"] for one in staff.asked_for(item.person, role)):
        return  # somebody asked for it already
    try:
        staff.role_ask(
            person=item.person,
            role=role,
            gives=False,
            reason=reason,
            last_day=None,
            today=today,
            trace=trace,
            by=by,
        )
    except staff.UnableToChangeRole as why:
        raise UnableToDecide(str(why)) from why


def watch(*, today: date, at: datetime) -> None:
    """End reviews in which nothing is open any more; tell of each that is late, once."""
    for review in AccessReview.objects.filter(done_at__isnull=True).order_by("first_day"):
        trace = Trace(at=at, actor="clock")
        if not _finish(review, trace=trace) and today > review.last_day:
            _tell(review, trace=trace)


def _finish(review: AccessReview, *, trace: Trace) -> bool:
    if open_items(review).exists():
        return False
    with transaction.atomic():
        AccessReview.objects.filter(pk=review.pk, done_at__isnull=True).update(done_at=trace.at)
        cases.close_by_fact(
            trace=trace,
            reason="Every role of the review is decided",
            kinds=KINDS,
            record_kind=AccessReview.RECORD_KIND,
            record_id=review.pk,
        )
    return True


def _tell(review: AccessReview, *, trace: Trace) -> None:
    told = Case.objects.filter(
        kind=REVIEW_OVERDUE.code, record_kind=AccessReview.RECORD_KIND, record_id=review.pk
    )
    if told.exists():
        return
    facts = {
        "quarter": review.quarter,
        "open": open_items(review).count(),
        "number": review.items.count(),
    }
    about = cases.About(AccessReview.RECORD_KIND, review.pk)
    cases.open_case(REVIEW_OVERDUE, about, trace=trace, facts=facts)
