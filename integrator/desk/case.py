"""The case page: everything a person needs to decide, in one fixed order. Writes nothing."""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from fulfilment.models import Order
from integrator import policy
from integrator.desk import (
    case_asked,
    case_forms,
    case_manual,
    catalogue,
    directory,
    evidence,
    handed,
    history,
    personal,
    presence,
    read_again,
    words,
)
from integrator.desk.auth import DeskRequest, back_to, may, needs
from integrator.desk.preview import preview
from integrator.desk.steps import steps_of
from integrator.desk.trust import Id, Trust, ids_of, trust_of
from integrator.engine import decisions
from integrator.engine.case_kinds import Action, CaseKind
from integrator.flows import queue_members
from integrator.models import (
    Case,
    CaseEvent,
    CaseState,
    Link,
)
from integrator.roles import Role


@dataclass(frozen=True, slots=True)
class Button:
    """An action as a button: open it, or read beside it who may."""

    action: Action
    label: str
    number: int
    href: str
    is_open: bool
    locked: str


def find(case_id: int) -> Case | None:
    return whole().filter(pk=case_id).first()


def whole() -> QuerySet[Case]:
    """Cases with what their page and their line of a queue show of other records."""
    return Case.objects.select_related("connection", "assignee", "job").annotate(
        is_asked=Exists(case_asked.waiting_of(OuterRef("pk"))),
        order_number=Subquery(Order.objects.filter(pk=OuterRef("order_id")).values("number")[:1]),
    )


@require_safe
@needs("case.see")
def page(request: DeskRequest, case_id: int) -> HttpResponse:
    """One case on a page of its own."""
    case = find(case_id)
    if case is None:
        raise Http404
    return show(request, case)


def show(
    request: DeskRequest, case: Case, *, form: case_forms.Filled | None = None, status: int = 200
) -> HttpResponse:
    """The page of a case, with a form to correct or to press again when ``form`` is given."""
    request.case_owner = case.owner
    context = {"detail": detail_of(request, case, form=form), "role": case.owner.lower()}
    context["role_name"] = Role(case.owner).label if case.owner in Role.values else case.owner
    return render(request, "desk/case.html", context, status=status)


def detail_of(
    request: DeskRequest, case: Case, *, form: case_forms.Filled | None = None
) -> dict[str, Any]:
    """Everything the partial ``desk/_case.html`` shows."""
    kind = catalogue.kind_of(case)
    known = directory.current(at=request.at)
    events = list(
        CaseEvent.objects.filter(case=case).select_related("note__author").order_by("-id")[:200]
    )
    personal.cover_notes(request, events, case=case)
    said = catalogue.said_of(case)
    asked = case_asked.of(request, case, kind, events)
    locked = _locked(request, case, kind, is_asked=any(one.is_current for one in asked))
    opened_form = form or case_forms.asked_for(request, case, kind, locked)
    given = handed.of(case, events, at=request.at)
    steps = steps_of(request, case)
    group = _group(case, kind)
    shown = evidence.of(case, kind, known, at=request.at)
    if personal.has_notes(events):
        personal.saw(request, personal.Page.CASE, _buyers(case, shown))
    return {
        "case": case,
        "kind": kind,
        "said": case_asked.told(said, asked),
        "due": words.due_of(case.due_at, at=request.at),
        "state": _state(case, at=request.at),
        "owner": Role(case.owner).label if case.owner in Role.values else case.owner,
        "group": group,
        "members": group.count,
        "others": group.count - 1,
        "buttons": _buttons(request, case, kind, opened_form, locked),
        "close_is_told": any(locked[one.key] == locked["solve"] for one in kind.actions),
        "is_only_handed": bool(case.handed_to) and all(locked[one.key] for one in kind.actions),
        "form": opened_form,
        "preview": preview(opened_form, case, kind),
        "may_work": may(request, "case.work"),
        "may_close": policy.may_act(kind, policy.SOLVE, request.roles),
        "close_locked": locked["solve"],
        "handed": given,
        "todo": _todo(request, kind, said.todo, asked, given),
        "presence": presence.here(request, case, kind),
        "is_mine": case.assignee_id == request.user.pk,
        "asked": asked,
        "steps": steps,
        "tries": evidence.tries_of(case.job),
        "evidence": shown,
        "events": events,
        "history": history.all_told(events, at=request.at, kind=case.kind),
        "readings": read_again.of_case(
            request, shown.order, shown.rma, known, is_own_page=_is_own(request, case)
        ),
        "trust": _trust(case, shown, known, history=len(events)),
        "version": version_of(events),
        "closes_when": say_when(kind, case),
        "manual_anchor": case_manual.anchor_of(kind),
        **_addresses(request, case),
        **_own_inputs(request, case, opened_form),
    }


def _buyers(case: Case, shown: evidence.Evidence) -> list[int | None]:
    """The customer whom notes on this case are about, if it is about an order."""
    if shown.order is not None and case.order_id in (None, shown.order.pk):
        return [shown.order.customer_id]
    if case.order_id is None:
        return []
    return list(Order.objects.filter(pk=case.order_id).values_list("customer_id", flat=True))


def _addresses(request: DeskRequest, case: Case) -> dict[str, str]:
    """Where the forms open, close and return to: this page, whether alone or beside its list."""
    own = reverse("case", args=[case.pk])
    is_own = _is_own(request, case)
    query = request.GET.copy()
    query.pop("do", None)
    closed = f"{own if is_own else request.path}?{query.urlencode()}".rstrip("?")
    wanted = request.POST.get("next", "")
    same_cause = urlencode({"kind": case.kind, "cause": case.cause})
    # Who does not see the owner's queue goes back to their own.
    role = queue_members.nearest(case.owner, queue_members.visible_to(request.roles))
    queue = reverse("queue", args=[role.lower()]) if role else ""
    return {
        "closed": closed,
        "own": own,
        "next": wanted or closed,
        "open_snooze": case_forms.opening(request, case, "snooze"),
        "open_solve": case_forms.opening(request, case, "solve"),
        "open_note": case_forms.opening(request, case, "note"),
        "open_hand_over": case_forms.opening(request, case, "hand_over"),
        "queue_href": queue,
        "queue_name": f"{Role(role).label} queue" if role else "",
        "members_href": f"{queue}?{same_cause}" if queue and role == case.owner else "",
    }


def _is_own(request: DeskRequest, case: Case) -> bool:
    """Whether the case stands on its page alone, not beside a list."""
    return request.method != "GET" or request.path == reverse("case", args=[case.pk])


def _own_inputs(request: DeskRequest, case: Case, form: case_forms.Filled | None) -> dict[str, Any]:
    """The inputs of the forms every case has; what was typed stays."""
    open_one = form.key if form is not None else ""
    typed = form.inputs if form is not None else ()
    accepts_loss = may(request, "loss.accept")
    blank = {
        "solve": case_forms.solve_inputs(accepts_loss=accepts_loss),
        "snooze": case_forms.snooze_inputs(),
        "note": case_forms.note_inputs(),
        "hand_over": case_forms.hand_over_inputs(case),
        "skip": case_forms.skip_inputs(),
    }
    if open_one in blank and typed:
        blank[open_one] = case_forms.with_typed(blank[open_one], typed)
    return {f"{name}_inputs": inputs for name, inputs in blank.items()}


def say_when(kind: CaseKind, case: Case) -> str:
    """What closes the case without a person."""
    return kind.closes_when.format_map(defaultdict(lambda: "the platform", case.facts))


def version_of(events: list[CaseEvent]) -> int:
    """What a person has seen: the newest event that decided or changed something."""
    return max((event.pk for event in events if event.kind in decisions.TO_BE_SEEN), default=0)


def plain_title(kind: CaseKind) -> str:
    """The title of a kind without a case: its facts are left out."""
    return "".join(
        text if name is None else f"{text}…"
        for text, name, _, _ in string.Formatter().parse(kind.title)
    )


def snoozed_words(case: Case, *, at: datetime) -> str:
    if case.snoozed_for == "CHANGE":
        return "until something changes"
    if case.snoozed_for == "WORSE":
        return "until it gets worse"
    if case.snoozed_until is None:
        return ""
    return f"until {words.moment_text(case.snoozed_until, at=at)}"


def _state(case: Case, *, at: datetime) -> tuple[str, str]:
    """Symbol and words for the head line."""
    if case.state == CaseState.SOLVED:
        label = Case.Resolution(case.resolution).label
        return "ok", f"Solved {words.moment_text(case.solved_at or at, at=at)}: {label.lower()}"
    if case.state == CaseState.SNOOZED:
        return "pause", f"Snoozed {snoozed_words(case, at=at)}"
    due = words.due_of(case.due_at, at=at)
    return due.symbol, due.long


@dataclass(frozen=True, slots=True)
class Group:
    """What all open cases of one cause come to; for most kinds that is the case alone."""

    count: int
    money_minor: int
    currency: str
    currencies: int
    customers: int


def _group(case: Case, kind: CaseKind) -> Group:
    if not kind.shared_cause:
        has_money = 1 if case.money_minor else 0
        return Group(1, case.money_minor, case.currency, has_money, case.customers_waiting)
    priced = Q(money_minor__gt=0)
    sums = Case.objects.filter(kind=case.kind, cause=case.cause, state=case.state).aggregate(
        count=Count("id"),
        money=Sum("money_minor"),
        one=Max("currency", filter=priced),
        several=Count("currency", filter=priced, distinct=True),
        customers=Sum("customers_waiting"),
    )
    return Group(
        sums["count"] or 1,
        sums["money"] or 0,
        sums["one"] or "",
        sums["several"],
        sums["customers"] or 0,
    )


def _buttons(
    request: DeskRequest,
    case: Case,
    kind: CaseKind,
    opened: case_forms.Filled | None,
    locked: Mapping[str, str],
) -> list[Button]:
    """Those that can be pressed first; each keeps the number by which it is called."""
    if case.state == CaseState.SOLVED:
        return []
    buttons = [
        Button(
            action=action,
            label=action.label_on(case.facts),
            number=number,
            href=case_forms.opening(request, case, action.key),
            is_open=opened is not None and opened.key == action.key,
            locked=locked[action.key],
        )
        for number, action in enumerate(kind.actions, start=1)
    ]
    return sorted(buttons, key=lambda one: one.locked)


def _locked(request: DeskRequest, case: Case, kind: CaseKind, *, is_asked: bool) -> dict[str, str]:
    """Why each button cannot be pressed by who reads, by its name; empty where it can.

    ``is_asked``: a second person has been asked about the case as it is.
    """
    deciding = case.job_id is not None and bool(decisions.being_decided([case.job_id]))
    closing = decisions.why_not_close(case.job)
    waits = decisions.WAITS_FOR_SECOND if is_asked else ""
    locked = {"solve": closing or waits}
    for action in kind.actions:
        if not policy.may_act(kind, action, request.roles):
            locked[action.key] = policy.why_not(kind, action)
        elif why := decisions.why_not(action, case.job, deciding=deciding):
            locked[action.key] = why
        else:
            locked[action.key] = waits
    return locked


def _todo(
    request: DeskRequest,
    kind: CaseKind,
    todo: str,
    asked: Collection[case_asked.Asked],
    given: handed.Handed | None,
) -> str:
    """What to do next, said to who reads: who asked waits, who was asked answers."""
    if any(one.may_refuse for one in asked):
        return "Check what was asked below, then agree or refuse."
    if any(one.is_own for one in asked):
        return "Wait until somebody else has answered, or take it back."
    if asked:
        return "A second person has been asked. Wait for their answer: do nothing twice."
    decides = any(policy.may_act(kind, one, request.roles) for one in kind.actions)
    if given is not None and not given.is_back and not decides:
        team = history.team(kind.owner)
        return f"Answer the question of {team}, then hand the case back to {team}: they decide."
    return todo


def _trust(
    case: Case, shown: evidence.Evidence, known: directory.Directory, *, history: int
) -> Trust:
    """What every platform calls the records of this case."""
    ids = []
    if shown.order is not None:
        order = shown.order
        ids.append(Id(order.connection_id, "order", order.external_id, order.read_at))
    if shown.rma is not None:
        rma = shown.rma
        ids.append(Id(rma.connection_id, "rma", rma.external_id, rma.read_at))
    used = case.job.policy_version if case.job is not None else None
    return trust_of(
        [*ids, *ids_of(_links(case))], known, history=history, history_href="#history", used=used
    )


def _links(case: Case) -> Any:
    about = Q(record_kind=case.record_kind, record_id=case.record_id)
    if case.order_id:
        about |= Q(order_id=case.order_id)
    return Link.objects.filter(about).order_by("connection_id", "external_kind", "id")[:12]


# --- What the views that write share --------------------------------------------------------------


def get(case_id: int) -> Case:
    case = find(case_id)
    if case is None:
        raise Http404
    return case


def lock(case_id: int) -> Case:
    """The case, locked until the end of the transaction, and before it its step."""
    decisions.lock_step(case_id)
    return get_object_or_404(
        Case.objects.select_for_update(of=("self",), no_key=True).select_related(
            "connection", "assignee", "job"
        ),
        pk=case_id,
    )


def back(request: DeskRequest, case: Case) -> HttpResponse:
    return HttpResponseRedirect(back_to(request, reverse("case", args=[case.pk])))
