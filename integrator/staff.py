"""People's roles: asked for by one person, agreed to by another, ended by the clock; and leaving.

Nothing else gives or takes a role, but ``manage.py give_role`` where nobody could agree yet.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pghistory
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import transaction

from integrator import policy, sign_in
from integrator.engine import approvals, cases
from integrator.engine.states import Trace
from integrator.models import (
    Approval,
    ApprovalState,
    Case,
    CaseState,
    RoleChange,
    SignInEvent,
)
from integrator.roles import Role

CHANGE = "people.change"
LONGEST_REASON = 200


class UnableToChangeRole(Exception):
    """The role cannot be given or taken like this. Says why, for the person who asks."""


def role_ask(
    *,
    person: User,
    role: Role,
    gives: bool,
    reason: str,
    last_day: date | None,
    today: date,
    trace: Trace,
    by: User,
) -> Approval:
    """Ask a second person to give somebody a role, or to take it away.

    A first role is bound to the e-mail address, by which its holder will set a password.
    """
    if not reason or len(reason) > LONGEST_REASON:
        raise UnableToChangeRole(f"Say why, in at most {LONGEST_REASON} characters")
    if last_day is not None and last_day < today:
        raise UnableToChangeRole("The last day is over already")
    with transaction.atomic():
        locked = _locked(person)
        _check(locked, role, gives=gives, last_day=last_day)
        is_first = gives and not has_role(locked)
        if is_first and not locked.email:
            raise UnableToChangeRole("Give the account an e-mail address first: by it they come in")
        if asked_for(person, role):
            raise UnableToChangeRole("This waits for a second person already")
        change = RoleChange.objects.create(
            person=person,
            role=role.value,
            gives=gives,
            reason=reason,
            last_day=last_day if gives else None,
            made_at=trace.at,
        )
        return approvals.ask(
            verb=CHANGE,
            record_kind=RoleChange.RECORD_KIND,
            record_id=change.pk,
            content={
                "person": person.get_username(),
                "role": role.value,
                "gives": gives,
                "reason": reason,
                "last_day": last_day.isoformat() if last_day and gives else "",
                "email": locked.email if is_first else "",
            },
            by=by,
            trace=trace,
        )


def may_ask(person: User) -> bool:
    """Whether somebody may ask for roles: at any time, or at the review of each quarter."""
    return policy.may(person, CHANGE) or policy.may(person, "people.review")


def role_agree(approval: Approval, *, today: date, trace: Trace, by: User) -> RoleChange:
    """The second person's word: it holds from the next click of the person on."""
    with transaction.atomic():
        change = _of(approval)
        refuse_own(change, by)
        person = _locked(change.person)
        role = Role(change.role)
        is_first = change.gives and not has_role(person)
        if is_first and approval.content.get("email", "") != person.email:
            raise UnableToChangeRole(
                "Their e-mail address was changed since this was asked: refuse it, and ask anew"
            )
        if change.last_day is not None and change.last_day < today:
            raise UnableToChangeRole("The last day is over already: refuse it, and ask anew")
        _check(change.person, role, gives=change.gives, last_day=change.last_day)
        approvals.decide(approval, grant=True, by=by, trace=trace)
        approvals.use(
            verb=CHANGE,
            record_kind=RoleChange.RECORD_KIND,
            record_id=change.pk,
            content=approval.content,
            trace=trace,
        )
        # From now on this is what holds: an earlier last day must not end it.
        _standing(change.person).filter(role=role).exclude(pk=change.pk).update(ended_at=trace.at)
        group, _ = Group.objects.get_or_create(name=role.value)
        if is_first:
            sign_in.forget_ways_in(person)
            _end_sessions(person, at=trace.at)
        if change.gives:
            change.person.groups.add(group)
        else:
            change.person.groups.remove(group)
            RoleChange.objects.filter(pk=change.pk).update(ended_at=trace.at)
    return change


def role_refuse(approval: Approval, *, trace: Trace, by: User) -> None:
    """The second person says no: it stays as it is."""
    with transaction.atomic():
        change = _of(approval)
        refuse_own(change, by)
        approvals.decide(approval, grant=False, by=by, trace=trace)
        RoleChange.objects.filter(pk=change.pk).update(ended_at=trace.at)


def role_take_back(approval: Approval, *, trace: Trace, by: User) -> None:
    """Whoever asked takes the question back before anybody has answered it."""
    with transaction.atomic():
        change = _of(approval)
        approvals.take_back(approval, by=by, trace=trace)
        RoleChange.objects.filter(pk=change.pk).update(ended_at=trace.at)


def refuse_own(change: RoleChange, by: User) -> None:
    if change.person_id == by.pk:
        raise UnableToChangeRole("It is about you: somebody else must answer")


def asked_for(person: User, role: Role | None = None) -> list[Approval]:
    """What waits for a second person about somebody."""
    changes = RoleChange.objects.filter(person=person, ended_at__isnull=True)
    if role is not None:
        changes = changes.filter(role=role.value)
    found = Approval.objects.filter(
        record_kind=RoleChange.RECORD_KIND,
        record_id__in=changes.values("pk"),
        state=ApprovalState.ASKED,
    )
    return list(found.select_related("asked_by").order_by("id"))


def end_due(*, today: date, at: datetime) -> int:
    """Take back every role whose last day is over. Returns how many. Safe in several processes."""
    ended = 0
    due = RoleChange.objects.filter(gives=True, ended_at__isnull=True, last_day__lt=today)
    for change in due.select_related("person").order_by("id")[:200]:
        with transaction.atomic(), pghistory.context(actor="clock"):
            # Whoever agrees to a later day at this moment waits, and then gives the role anew.
            User.objects.select_for_update(no_key=True).get(pk=change.person_id)
            mine = RoleChange.objects.filter(pk=change.pk, ended_at__isnull=True)
            if not mine.update(ended_at=at):
                continue
            if not _is_used(change):
                continue  # nobody ever agreed to it
            change.person.groups.remove(*Group.objects.filter(name=change.role))
            ended += 1
    return ended


def leave(person: User, *, trace: Trace, by: User) -> int:
    """Somebody leaves: no way in, no role, and their cases go back to the teams. Returns how many.

    It takes no second person: a leaver must be out at once, and it gives nobody anything.
    """
    if person.pk == by.pk:
        raise UnableToChangeRole("Somebody else must let you leave")
    with transaction.atomic():
        locked = _locked(person, is_active=None)
        if not locked.is_active:
            raise UnableToChangeRole("They have left already")
        _refuse_the_last_admin(locked)
        locked.is_active = False
        locked.save(update_fields=["is_active"])
        _end_sessions(locked, at=trace.at)
        locked.groups.remove(*Group.objects.filter(name__in=Role.values))
        _standing(locked).update(ended_at=trace.at)
        sign_in.note(locked, SignInEvent.What.CLOSED, trace=trace)
        held = (
            Case.objects.select_related("assignee")
            .filter(assignee=locked)
            .exclude(state=CaseState.SOLVED)
        )
        return sum(cases.assign(case, to=None, trace=trace) for case in held.order_by("id"))


def come_back(person: User, *, trace: Trace) -> None:
    """The account works again; its roles are asked for anew."""
    with transaction.atomic():
        if User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
            sign_in.note(person, SignInEvent.What.OPENED, trace=trace)


def has_role(person: User) -> bool:
    return person.groups.filter(name__in=Role.values).exists()


def clash_of(held: frozenset[str], role: Role) -> str:
    """The sentence why a role does not go with those somebody holds; empty when it does."""
    for pair in policy.TOXIC:
        if pair <= held | {role.value}:
            names = " and ".join(str(one.label) for one in Role if one.value in pair)
            return f"One person cannot be {names}: who asks for money must not agree to it"
    return ""


def _check(person: User, role: Role, *, gives: bool, last_day: date | None) -> None:
    held = frozenset(person.groups.values_list("name", flat=True)) & frozenset(Role.values)
    if gives:
        if clash := clash_of(held, role):
            raise UnableToChangeRole(clash)
        if role.value in held and last_day == _last_day(person, role):
            raise UnableToChangeRole(f"They are {role.label} already")
    elif role.value not in held:
        raise UnableToChangeRole(f"They are not {role.label}")
    elif role == Role.ADMIN:
        _refuse_the_last_admin(person)


def _refuse_the_last_admin(person: User) -> None:
    admins = User.objects.filter(is_active=True, groups__name=Role.ADMIN.value)
    if set(admins.values_list("pk", flat=True)) == {person.pk}:
        raise UnableToChangeRole("Nobody could ask for roles any more: name another admin first")


def _standing(person: User) -> Any:
    return RoleChange.objects.filter(person=person, ended_at__isnull=True)


def last_days(person: User) -> dict[str, date]:
    """Until when somebody holds which role, where that has an end."""
    found = list(_standing(person).filter(gives=True, last_day__isnull=False))
    used = _used([one.pk for one in found])
    return {one.role: one.last_day for one in found if one.pk in used and one.last_day}


def _last_day(person: User, role: Role) -> date | None:
    return last_days(person).get(role.value)


def _used(ids: list[int]) -> set[int]:
    found = Approval.objects.filter(
        record_kind=RoleChange.RECORD_KIND, record_id__in=ids, state=ApprovalState.USED
    )
    return set(found.values_list("record_id", flat=True))


def _is_used(change: RoleChange) -> bool:
    return change.pk in _used([change.pk])


def _of(approval: Approval) -> RoleChange:
    """What is asked, if it still is: who left, or a last day that came, has settled it."""
    change = RoleChange.objects.select_related("person").get(pk=approval.record_id)
    if change.ended_at is not None:
        raise UnableToChangeRole("This is not asked any more")
    return change


def _locked(person: User, *, is_active: bool | None = True) -> User:
    """One change of roles at a time: two together could make a forbidden pair, or end the last two
    admins. The role before the person, as whoever changes a team's views locks them.
    """
    list(Group.objects.select_for_update(no_key=True).filter(name=Role.ADMIN.value))
    locked = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if is_active and not locked.is_active:
        raise UnableToChangeRole("They have left")
    return locked


def _end_sessions(person: User, *, at: datetime) -> None:
    """Their sessions are found by reading them all: there are as many as people signed in today."""
    now = Session.objects.filter(expire_date__gt=at)
    mine = [
        one.pk for one in now.iterator() if one.get_decoded().get("_auth_user_id") == str(person.pk)
    ]
    Session.objects.filter(pk__in=mine).delete()
