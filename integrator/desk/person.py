"""One person's roles: what they hold and until when, asking for another, agreeing, leaving."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_POST, require_safe

from integrator import sign_in, staff
from integrator.desk import words
from integrator.desk.answers import Answer, answer_of, refuse_if_asker_may_not
from integrator.desk.auth import DeskRequest, may, needs, trace_of
from integrator.desk.would_see import would_see
from integrator.engine import approvals
from integrator.models import Approval, Case, CaseState, RoleChange, SignInEvent
from integrator.roles import Role
from integrator.staff import UnableToChangeRole


@dataclass(frozen=True, slots=True)
class Held:
    role: Role
    last_day: date | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A change that waits for its second person. ``why_not`` says why the reader cannot answer."""

    approval: Approval
    person: str
    role: str
    gives: bool
    reason: str
    last_day: date | None
    comes_in_by: str  # the e-mail address of who has no role yet
    is_own: bool
    why_not: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What was sent with the form and cannot be taken, and why."""

    error: str = ""
    role: str = ""
    do: str = "give"
    reason: str = ""
    last_day: str = ""


@dataclass(frozen=True, slots=True)
class SigningIn:
    """The provider, the account there that is linked (or none), and what was of note lately."""

    provider: str
    subject: str
    events: list[tuple[datetime, str, str]]


@require_safe
@needs("people.see")
def person(request: DeskRequest, user_id: int) -> HttpResponse:
    """What they hold and may do. ``?do=leave`` shows what happens when they leave, and asks."""
    return _show(request, get_object_or_404(User, pk=user_id))


def _show(
    request: DeskRequest,
    user: User,
    *,
    typed: Typed | None = None,
    unlink: str = "",
    status: int = 200,
) -> HttpResponse:
    names = set(user.groups.values_list("name", flat=True))
    held = frozenset(names) & frozenset(Role.values)
    last = staff.last_days(user)
    is_self = user.pk == request.user.pk
    context = {
        "one": user,
        "name": user.get_full_name() or user.get_username(),
        "held": [Held(role, last.get(role.value)) for role in Role if role.value in names],
        "asked": asked_rows(request, person=user),
        "choices": [(role.value, str(role.label)) for role in Role],
        "typed": typed or Typed(),
        "unlink_error": unlink,
        "today": timezone.localtime(request.at).date().isoformat(),
        "may_change": may(request, "people.change"),
        "is_self": is_self,
        "is_leaving": request.GET.get("do") == "leave",
        "sign_in": _signing_in(user),
        "sees": would_see(held if user.is_active else frozenset()),
        "cases": Case.objects.filter(assignee=user).exclude(state=CaseState.SOLVED).count(),
    }
    return render(request, "desk/person.html", context, status=status)


def _signing_in(user: User) -> SigningIn | None:
    """What is known of somebody's sign-in by the provider; None where there is no provider."""
    if not settings.OIDC_ISSUER:
        return None
    link = sign_in.link_of(user, settings.OIDC_ISSUER)
    events = SignInEvent.objects.filter(person=user, issuer=settings.OIDC_ISSUER)
    return SigningIn(
        settings.OIDC_NAME,
        link.uid if link else "",
        [
            (one.at, one.get_what_display(), one.subject)
            for one in events.order_by("-at", "-id")[:5]
        ],
    )


def asked_rows(request: DeskRequest, *, person: User | None = None) -> list[Asked]:
    """What waits for a second person, about one person or about all."""
    changes = RoleChange.objects.filter(ended_at__isnull=True)
    if person is not None:
        changes = changes.filter(person=person)
    found = Approval.objects.filter(
        Q(record_id__in=changes.values("pk")),
        record_kind=RoleChange.RECORD_KIND,
        state="ASKED",
    ).select_related("asked_by")
    rows = list(found.order_by("id")[:100])
    about = RoleChange.objects.select_related("person").in_bulk([one.record_id for one in rows])
    return [_asked(request, one, about[one.record_id]) for one in rows]


def _asked(request: DeskRequest, approval: Approval, change: RoleChange) -> Asked:
    is_own = approval.asked_by_id == request.user.pk
    if is_own:
        why_not = "You asked: somebody else must agree."
    elif change.person_id == request.user.pk:
        why_not = "It is about you: somebody else must answer."
    elif not may(request, "people.agree"):
        why_not = "Only a controller or another integration admin can agree."
    else:
        why_not = ""
    label = str(Role(change.role).label) if change.role in Role.values else change.role
    name = change.person.get_full_name() or change.person.get_username()
    return Asked(
        approval=approval,
        person=name,
        role=label,
        gives=change.gives,
        reason=change.reason,
        last_day=change.last_day,
        comes_in_by=str(approval.content.get("email", "")),
        is_own=is_own,
        why_not=why_not,
    )


@require_POST
@needs("people.change")
def ask(request: DeskRequest, user_id: int) -> HttpResponse:
    """Ask a second person to give or take a role. Nothing changes yet."""
    user = get_object_or_404(User, pk=user_id)
    role, do = request.POST.get("role", ""), request.POST.get("do", "")
    reason = words.typed(request.POST.get("reason", ""))
    day = request.POST.get("last_day", "").strip()
    typed = Typed(role=role, do=do, reason=reason, last_day=day)
    try:
        if role not in Role.values:
            raise UnableToChangeRole("Choose a role")
        if do not in ("give", "take"):
            raise UnableToChangeRole("Choose whether to give or to take it")
        staff.role_ask(
            person=user,
            role=Role(role),
            gives=do == "give",
            reason=reason,
            last_day=_day(day),
            today=timezone.localtime(request.at).date(),
            trace=trace_of(request),
            by=request.user,
        )
    except UnableToChangeRole as why:
        wrong = Typed(str(why), typed.role, typed.do, typed.reason, typed.last_day)
        return _show(request, user, typed=wrong, status=422)
    messages.success(request, "A second person has been asked: nothing has changed yet")
    return HttpResponseRedirect(reverse("person", args=[user.pk]))


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise UnableToChangeRole("The last day: write it as 2026-12-31, or leave it empty")
    return found


@require_POST
@needs("people.agree")
def answer(request: DeskRequest, approval_id: int) -> HttpResponse:
    """The second person's word, or who asked takes the question back."""
    approval = get_object_or_404(
        Approval, pk=approval_id, record_kind=RoleChange.RECORD_KIND, verb=staff.CHANGE
    )
    user_id = get_object_or_404(RoleChange, pk=approval.record_id).person_id
    trace, given = trace_of(request), answer_of(request)
    try:
        if given == Answer.TAKE_BACK:
            staff.role_take_back(approval, trace=trace, by=request.user)
            messages.success(request, "Taken back: nobody is asked any more")
        elif given == Answer.AGREE:
            refuse_if_asker_may_not(approval, still=staff.may_ask(approval.asked_by))
            today = timezone.localtime(request.at).date()
            staff.role_agree(approval, today=today, trace=trace, by=request.user)
            is_first = bool(approval.content.get("email"))
            said = "they set a password by e-mail first" if is_first else "from their next click on"
            messages.success(request, f"You agreed: it holds, {said}")
        else:
            staff.role_refuse(approval, trace=trace, by=request.user)
            messages.success(request, "You refused: it stays as it was")
    except (UnableToChangeRole, approvals.UnableToApprove) as why:
        messages.warning(request, str(why))
    return HttpResponseRedirect(reverse("person", args=[user_id]))


@require_POST
@needs("people.change")
def leave(request: DeskRequest, user_id: int) -> HttpResponse:
    """Somebody leaves at once, or their account works again, without a role."""
    user = get_object_or_404(User, pk=user_id)
    do = request.POST.get("do", "")
    if do == "back":
        staff.come_back(user, trace=trace_of(request))
        messages.success(request, "The account works again. Ask for its roles")
    elif do == "leave":
        try:
            given_back = staff.leave(user, trace=trace_of(request), by=request.user)
        except UnableToChangeRole as why:
            messages.warning(request, str(why))
        else:
            count = words.plural(given_back, "case")
            messages.success(request, f"They are out: signed out, no role, {count} given back")
    else:
        raise Http404
    return HttpResponseRedirect(reverse("person", args=[user.pk]))


@require_POST
@needs("people.change")
def unlink(request: DeskRequest, user_id: int) -> HttpResponse:
    """Their account at the provider was replaced: let the new one be linked."""
    if not settings.OIDC_ISSUER:
        raise Http404
    user = get_object_or_404(User, pk=user_id)
    reason = words.typed(request.POST.get("reason", ""))
    try:
        sign_in.unlink(
            user,
            issuer=settings.OIDC_ISSUER,
            reason=reason,
            trace=trace_of(request),
            by=request.user,
        )
    except sign_in.UnableToUnlink as why:
        return _show(request, user, typed=Typed(reason=reason), unlink=str(why), status=422)
    messages.success(request, "They link anew when they next sign in")
    return HttpResponseRedirect(reverse("person", args=[user.pk]))
