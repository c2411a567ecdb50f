"""Many cases at once: the page before anything happens, the press, its progress and its results.

Which cases and why not all of them is in ``bulk_choice``; each is decided by ``decide_many``.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from integrator.desk import (
    bulk_choice,
    bulk_forms,
    bulk_rows,
    connections,
    lists,
    queue,
    queue_address,
    queue_rows,
    saved_views,
    words,
)
from integrator.desk.auth import DeskRequest, back_to, may, needs, trace_of
from integrator.desk.bulk_choice import UnableToChoose
from integrator.desk.case_forms import Filled
from integrator.desk.copies import copy_of
from integrator.engine import bulks
from integrator.engine.bulks import UnableToCancel, UnableToStart
from integrator.engine.decisions import HOLD_SECONDS
from integrator.engine.watch import newest_beat
from integrator.flows import many_rules, queue_figures, queue_members
from integrator.flows.queue_wanted import Wanted
from integrator.models import Bulk, BulkItemState, BulkState
from integrator.roles import Role

REFRESH_SECONDS = 5  # no faster: whoever listens to the page must be able to follow


@require_POST
@needs("case.work")
def prepare(request: DeskRequest, role: str) -> HttpResponse:
    """Keep what was chosen in a queue and show what would happen."""
    role = queue.role_of(request, role)
    query = queue_address.parsed(request.POST.get("query", "")[:3000])
    wanted = saved_views.wanted_of(query, role=role, user_id=request.user.pk, at=request.at)
    which = request.POST.get("which", "lines")
    sent = request.POST.getlist("line")
    if which == "page":
        sent = request.POST.get("page", "").split(",")
    lines = [found for one in sent[: queue_rows.PAGE] if (found := lists.number(one))]
    try:
        do, label = bulk_choice.read_action(request.POST.get("do", ""))
        made = bulk_choice.from_queue(request, wanted, which=which, lines=lines, do=do, label=label)
    except UnableToChoose as why:
        messages.warning(request, str(why))
        return HttpResponseRedirect(back_to(request, queue_address.href(wanted)))
    return HttpResponseRedirect(reverse("bulk", args=[made.pk]))


@require_safe
@needs("case.see")
def page(request: DeskRequest, bulk_id: int) -> HttpResponse:
    """Before the press what will happen, to its maker alone; from then on what became of it."""
    found = _get(request, bulk_id)
    if found.state == BulkState.PREPARED:
        return _preview(request, found)
    counts = bulk_rows.counts_of([found.pk]).get(found.pk, {})
    held, going, cancelled = bulk_rows.held_of(found, at=request.at)
    stopped = counts.get(bulk_rows.STOPPED, 0)
    moves = found.state == BulkState.RUNNING and bool(counts.get(BulkItemState.READY))
    shows_anew = (moves or held or going) and "still" not in request.GET
    still_open, open_href = _open(request, found)
    silent = _silence(request)
    context = {
        **_frame(request, found, counts),
        "state": bulk_rows.state_of(found, counts, silent=bool(silent)),
        "silence": silent if moves else "",
        "pace": bulk_rows.pace_of(found, counts, at=request.at),
        "results": bulk_rows.results_of(found, counts),
        "skipped": bulk_rows.whys_of(found, BulkItemState.SKIPPED),
        "failed": bulk_rows.whys_of(found, BulkItemState.FAILED),
        "left_out": bulk_rows.whys_of(found, BulkItemState.EXCLUDED),
        "left_alone": counts.get(BulkItemState.READY, 0),
        "done": counts.get(BulkItemState.DONE, 0),
        "stopped": stopped,
        "moves": moves,
        "is_running": found.state == BulkState.RUNNING,
        "is_cancelled": found.state == BulkState.CANCELLED,
        "held": held,
        "going": going,
        "taken_back": cancelled,
        "open": still_open,
        "open_href": open_href,
        "may_stop": _may_stop(request, found),
        "may_go_on": _may_go_on(request, found),
        "refreshes": REFRESH_SECONDS if shows_anew else 0,
    }
    answer = render(request, "desk/bulk_progress.html", context)
    if shows_anew:  # without a script, and where nobody needs it the browser leaves it out
        answer["Refresh"] = str(REFRESH_SECONDS)
    return answer


@require_safe
@needs("case.see")
def rows(request: DeskRequest, bulk_id: int) -> HttpResponse:
    """Its cases one by one: all of them, those with one result, or those with one reason."""
    found = _get(request, bulk_id)
    result, why = _asked(request)
    after = lists.number(request.GET.get("after", ""))
    lines, older = bulk_rows.page_of(found, result=result, why=why, after=after)
    counts = bulk_rows.counts_of([found.pk]).get(found.pk, {})
    context = {
        **_frame(request, found, counts),
        "lines": lines,
        "result": result,
        "why": why,
        "all": sum(counts.values()),
        "narrowed": ", ".join(part for part in (result.replace("-", " "), why) if part),
        "all_href": bulk_rows.rows_href(found),
        "results": bulk_rows.results_of(found, counts),
        "file": bulk_rows.rows_href(found, result, why, to="bulk_file"),
        "next_page": older,
        "is_first_page": not after,
        "first_page": bulk_rows.rows_href(found, result, why),
    }
    return render(request, "desk/bulk_rows.html", context)


@require_safe
@needs("case.see")
def bulk_file(request: DeskRequest, bulk_id: int) -> HttpResponseBase:
    """The same cases as a file, with the result of each."""
    found = _get(request, bulk_id)
    result, why = _asked(request)
    chosen = {"many at once": f"B-{found.pk}", "result": result, "why": why}
    return copy_of(
        request,
        "the results of many at once",
        {name: value for name, value in chosen.items() if value},
        name=f"B-{found.pk}",
        heads=bulk_rows.FILE_HEADS,
        rows=bulk_rows.file_rows(found, result=result, why=why),
    )


def _asked(request: DeskRequest) -> tuple[str, str]:
    """The result and the reason that the list is narrowed to."""
    result = request.GET.get("result", "")
    result = result if result in bulk_rows.RESULTS else ""
    return result, words.typed(request.GET.get("why", ""))[:300] if result else ""


@require_safe
@needs("case.see")
def all_bulks(request: DeskRequest) -> HttpResponse:
    """Everything that was ever started for many, newest first; one's own that waits for a press."""
    after = lists.number(request.GET.get("after", ""))
    started = Bulk.objects.exclude(state=BulkState.PREPARED).select_related("person")
    started = started.filter(pk__lt=after) if after else started
    found = list(started.order_by("-id")[: bulk_rows.PAGE + 1])
    shown = found[: bulk_rows.PAGE]
    counts = bulk_rows.counts_of([one.pk for one in shown])
    silent = bool(_silence(request))
    context = {
        "bulks": [_summary(one, counts.get(one.pk, {}), silent=silent) for one in shown],
        "next_page": f"?after={shown[-1].pk}" if len(found) > bulk_rows.PAGE else "",
        "first_page": reverse("bulks"),
        "is_first_page": not after,
    }
    return render(request, "desk/bulks.html", context)


@require_POST
@needs("case.work")
def start(request: DeskRequest, bulk_id: int) -> HttpResponse:
    """Let it run. A second press, or one from a second window, starts nothing."""
    found = _get(request, bulk_id)
    if found.person_id != request.user.pk:
        raise PermissionDenied("Only who chose the cases can start this.")
    filled = bulk_forms.read(request, found)
    if filled.form.errors:
        return _preview(request, found, form=filled.form, status=422)
    try:
        count = bulks.start(found, data=filled.data, note=filled.note, trace=trace_of(request))
    except UnableToStart as why:
        messages.warning(request, str(why))
    else:
        messages.success(request, f"Started: {bulk_rows.title_of(found, count)}")
    return HttpResponseRedirect(reverse("bulk", args=[bulk_id]))


@require_POST
@needs("case.work")
def go_on(request: DeskRequest, bulk_id: int) -> HttpResponse:
    """Try again what has stopped, from where it stood. What has its result keeps it."""
    found = _get(request, bulk_id)
    if not _may_go_on(request, found):
        name = found.person.get_username()
        raise PermissionDenied(f"Only {name}, their team or an integration admin can do this.")
    try:
        count = bulks.go_on(found, trace=trace_of(request))
    except UnableToStart as why:
        messages.warning(request, str(why))
    else:
        messages.success(request, f"{words.plural(count, 'case')} tried again")
    return HttpResponseRedirect(reverse("bulk", args=[bulk_id]))


@require_POST
@needs("case.work")
def cancel(request: DeskRequest, bulk_id: int) -> HttpResponse:
    """Begin no further case. What is done stays done, and is said."""
    found = _stoppable(request, bulk_id)
    try:
        handled = bulks.cancel(found, trace=trace_of(request))
    except UnableToCancel as why:
        messages.warning(request, str(why))
    else:
        messages.success(
            request,
            f"Cancelled after {handled:,} of {found.count or 0:,}. No other case is touched.",
        )
    return HttpResponseRedirect(reverse("bulk", args=[bulk_id]))


@require_POST
@needs("case.work")
def take_back(request: DeskRequest, bulk_id: int) -> HttpResponse:
    """Cancel every decision of it that has not left the house."""
    found = _stoppable(request, bulk_id)
    name = request.user.get_username()
    count = bulks.take_back(found, at=request.at, reason=f"cancelled by {name}")
    if count:
        messages.success(
            request, f"{words.plural(count, 'decision')} cancelled. Nothing was sent for them."
        )
    else:
        messages.warning(request, "Too late: everything has left already")
    return HttpResponseRedirect(reverse("bulk", args=[bulk_id]))


# --- What the views share ------------------------------------------------------------------------


def _get(request: DeskRequest, bulk_id: int) -> Bulk:
    """A bulk; what nobody has started is its maker's alone."""
    found = get_object_or_404(Bulk.objects.select_related("person", "note"), pk=bulk_id)
    if found.state == BulkState.PREPARED and found.person_id != request.user.pk:
        raise Http404
    return found


def _silence(request: DeskRequest) -> str:
    """That no worker is alive, in words; empty while one is."""
    return connections.silence(newest_beat(), at=request.at)


def _is_near(request: DeskRequest, bulk: Bulk) -> bool:
    """Who started it, and their team: nobody has to wait for somebody who went home."""
    return bulk.person_id == request.user.pk or bulk.role in request.roles


def _may_stop(request: DeskRequest, bulk: Bulk) -> bool:
    return _is_near(request, bulk) and may(request, "case.work")


def _may_go_on(request: DeskRequest, bulk: Bulk) -> bool:
    """Also the admins: the cases about steps that stopped are theirs."""
    is_near = _is_near(request, bulk) or Role.ADMIN in request.roles
    return is_near and may(request, "case.work")


def _summary(
    bulk: Bulk, counts: dict[str, int], *, silent: bool
) -> tuple[Bulk, str, str, str, str, list[bulk_rows.Result]]:
    """One line of the list: the bulk, its title and team, its state with a sign, its results."""
    symbol = bulk_rows.symbol_of(bulk, counts)
    state = bulk_rows.state_of(bulk, counts, silent=silent)
    title, results = bulk_rows.title_of(bulk, 0), bulk_rows.results_of(bulk, counts)
    return bulk, title, _team(bulk), symbol, state, results


def _stoppable(request: DeskRequest, bulk_id: int) -> Bulk:
    found = _get(request, bulk_id)
    if not _may_stop(request, found):
        raise PermissionDenied(f"Only {found.person.get_username()} or their team can stop this.")
    return found


def _preview(
    request: DeskRequest, bulk: Bulk, *, form: Filled | None = None, status: int = 200
) -> HttpResponse:
    counts = bulk_rows.counts_of([bulk.pk]).get(bulk.pk, {})
    ready = counts.get(BulkItemState.READY, 0)
    sample = bulk_forms.sample_of(bulk)
    action = bulk_forms.action_of(bulk, sample)
    context = {
        **_frame(request, bulk, counts),
        "action": action,
        "ready": ready,
        "ready_href": bulk_rows.rows_href(bulk, "to-do"),
        "chosen": sum(counts.values()),
        "left_out_count": counts.get(BulkItemState.EXCLUDED, 0),
        "left_out_href": bulk_rows.rows_href(bulk, "left-out"),
        "left_out": bulk_rows.whys_of(bulk, BulkItemState.EXCLUDED),
        "money": bulk_rows.money_of(bulk),
        "steps": bulk_rows.steps_of(bulk) if action is not None and action.again else [],
        "effects": bulk_forms.effects_of(bulk),
        "hold_seconds": HOLD_SECONDS,
        "d": {"form": form or bulk_forms.blank(request, bulk, sample)},
        "back": _queue_href(request, bulk),
    }
    return render(request, "desk/bulk.html", context, status=status)


def _frame(request: DeskRequest, bulk: Bulk, counts: dict[str, int]) -> dict[str, Any]:
    """What every page of a bulk shows around its content."""
    return {
        "bulk": bulk,
        "title": bulk_rows.title_of(bulk, counts.get(BulkItemState.READY, 0)),
        "team": _team(bulk),
        "is_own_action": bulk.do in many_rules.OWN,
        "is_mine": bulk.person_id == request.user.pk,
        "queue_href": _queue_href(request, bulk),
    }


def _team(bulk: Bulk) -> str:
    return str(Role(bulk.role).label) if bulk.role in Role.values else bulk.role


def _queue_href(request: DeskRequest, bulk: Bulk) -> str:
    """The list it was chosen from, for whoever may look at that queue."""
    if bulk.role not in queue_members.visible_to(request.roles):
        return ""
    return f"{reverse('queue', args=[bulk.role.lower()])}?{bulk.query}"


def _open(request: DeskRequest, bulk: Bulk) -> tuple[int, str]:
    """How many lines its queue has of cases that are still open, and the view that lists them."""
    if bulk.role not in queue_members.visible_to(request.roles):
        return 0, ""
    wanted = Wanted(bulk.role, "needs", request.user.pk, bulk_id=bulk.pk)
    count = queue_figures.figures_of([wanted], at=request.at)[wanted].count
    return count, queue_address.href(wanted) if count else ""
