"""Meanings as a file: taken along, brought back, looked at row by row, and only then saved.

What a row comes to is ``mapping_table``'s; that exactly what was shown is saved is the engine's.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrator import policy
from integrator.desk import (
    catalogue,
    directory,
    lists,
    mapping_later,
    mapping_rows,
    mapping_table,
    tables,
    words,
)
from integrator.desk.answers import Answer, answer_of, refuse_if_asker_may_not
from integrator.desk.auth import DeskRequest, may, needs, trace_of
from integrator.desk.copies import copy_of
from integrator.desk.mapping_asked import may_ask
from integrator.desk.tables import UnableToRead
from integrator.engine import mapping_files, mappings
from integrator.engine.approvals import UnableToApprove
from integrator.engine.case_kinds import Action
from integrator.engine.decisions import HOLD_SECONDS, UnableToDecide
from integrator.engine.mapping_files import Line, UnableToConfirm, Verdict
from integrator.models import (
    Approval,
    ApprovalState,
    Case,
    MappingFile,
    MappingFileState,
    MappingKind,
)

PAGE = 100
RECENT_MAX = 20
WAITING, ALL = "waiting", "all"
LABELS = {
    Verdict.WRONG: "Cannot be taken",
    Verdict.CHANGED: "Changes its meaning",
    Verdict.LATER: "Start later",
    Verdict.NEW: "New",
    Verdict.SAME: "Unchanged",
}


@require_safe
@needs("mapping.see")
def files(request: DeskRequest) -> HttpResponse:
    """Take a file along, bring one back, and what became of those that were brought."""
    return _files(request)


def _files(request: DeskRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    tabs = [
        (WAITING, "Words that wait"),
        (ALL, "All rules"),
        *((one.value.lower(), f"Rules: {one.label}") for one in mapping_rows.kinds_in_use()),
    ]
    shown = MappingFile.objects.exclude(state=MappingFileState.PREPARED).select_related("person")
    mine = MappingFile.objects.filter(person=request.user, state=MappingFileState.PREPARED)
    context = {
        "tabs": [(label, _take(tab, "csv"), _take(tab, "xlsx")) for tab, label in tabs],
        "may_change": may(request, mappings.CHANGE),
        "why_not": "Only operations or an integration admin can bring meanings in.",
        "error": error,
        "heads": mapping_table.HEADS,
        "rows_max": tables.ROWS_MAX,
        "megabytes_max": tables.BYTES_MAX // 1024 // 1024,
        "mine": list(mine.defer("rows").order_by("-id")[:5]),
        "files": list(shown.defer("rows").order_by("-id")[:RECENT_MAX]),
    }
    return render(request, "desk/mapping_files.html", context, status=status)


def _take(tab: str, form: str) -> str:
    return f"{reverse('mapping_take')}?{urlencode({'tab': tab, 'form': form})}"


@require_safe
@needs("mapping.see")
def take(request: DeskRequest) -> HttpResponseBase:
    """What one tab of the workbench lists, as a file that can come back."""
    tab = request.GET.get("tab", ALL)
    if tab not in (WAITING, ALL) and tab.upper() not in MappingKind.values:
        raise Http404
    return copy_of(
        request,
        "meanings of words",
        {"list": tab},
        name=f"mappings-{tab}-{request.at:%Y-%m-%d}",
        heads=[*mapping_table.HEADS, *mapping_table.TOLD],
        rows=mapping_table.rows_of(tab, at=request.at, zone=timezone.get_current_timezone()),
        form="xlsx" if request.GET.get("form") == "xlsx" else "csv",
    )


@require_POST
@needs("mapping.change")
def bring(request: DeskRequest) -> HttpResponse:
    """Keep what a file says, to be looked at. Saves no meaning."""
    brought = request.FILES.get("file")
    try:
        if brought is None:
            is_long = int(request.META.get("CONTENT_LENGTH") or 0) > tables.BYTES_MAX
            raise UnableToRead(tables.too_large() if is_long else "Choose a CSV or XLSX file")
        if (brought.size or 0) > tables.BYTES_MAX:
            raise UnableToRead(tables.too_large())
        rows = tables.read(
            brought.read(),
            heads=mapping_table.NEEDED,
            also=(mapping_table.VERSION,),
            moments=(mapping_table.FROM,),
        )
        if not rows:
            raise UnableToRead("The file has no row below its head. Nothing would change")
    except UnableToRead as why:
        return _files(request, error=f"File: {why}", status=422)
    made = mapping_files.prepare(
        mapping_table.judge(rows, roles=request.roles, at=request.at),
        name=words.typed(str(brought.name))[:120] or "file",
        by=request.user,
        trace=trace_of(request),
    )
    return HttpResponseRedirect(reverse("mapping_file", args=[made.pk]))


@require_safe
@needs("mapping.see")
def page(request: DeskRequest, file_id: int) -> HttpResponse:
    """Row by row what would be saved, to its maker alone; from then on what became of it."""
    file = _get(request, file_id)
    # Files from before there were later rows do not count them.
    counts = {verdict: file.counts.get(verdict.value, 0) for verdict in Verdict}
    shown = _chosen(request, counts)
    lines = mapping_files.lines_of(file, shown)
    after = lists.number(request.GET.get("after", ""))
    behind = [one for one in lines if one.row > after]
    known = directory.current(at=request.at)
    names = mapping_rows.Meanings()
    asked = _asked(file)
    context = {
        "file": file,
        "is_prepared": file.state == MappingFileState.PREPARED,
        "is_asked": file.state == MappingFileState.ASKED,
        "total": sum(counts.values()),
        "new": counts[Verdict.NEW],
        "changed": counts[Verdict.CHANGED],
        "wrong": counts[Verdict.WRONG],
        "later": counts[Verdict.LATER],
        "two": sum(one.two for one in mapping_files.lines_of(file, Verdict.LATER)),
        "would_save": counts[Verdict.NEW] + counts[Verdict.CHANGED] + counts[Verdict.LATER],
        "waits": sum(one.waits for one in mapping_files.lines_of(file, Verdict.NEW)),
        "verdicts": [
            (_chip(one, count), _rows_href(file, one), one == shown)
            for one, count in counts.items()
        ],
        "label": LABELS[shown],
        "is_wrong": shown == Verdict.WRONG,
        "lines": [
            (
                one,
                known.name(one.connection_id),
                _kind(one),
                mapping_later.starts_text(one),
                names.of(one.kind, one.connection_id, one.before),
                names.of(one.kind, one.connection_id, one.ours),
            )
            for one in behind[:PAGE]
        ],
        "next_page": _rows_href(file, shown, behind[PAGE - 1].row) if len(behind) > PAGE else "",
        "is_first_page": not after,
        "first_page": _rows_href(file, shown),
        "hold_seconds": HOLD_SECONDS,
        **_second(request, file, asked),
    }
    return render(request, "desk/mapping_file.html", context)


def _chosen(request: DeskRequest, counts: dict[Verdict, int]) -> Verdict:
    """The verdict whose rows are listed: what was asked for, else the gravest that occurs."""
    named = request.GET.get("rows", "").upper()
    if named in list(Verdict):
        return Verdict(named)
    return next((one for one, count in counts.items() if count), Verdict.SAME)


def _chip(verdict: Verdict, count: int) -> str:
    if verdict == Verdict.CHANGED:
        return words.plural(count, *mapping_rows.CHANGES)
    if verdict == Verdict.LATER:
        return words.plural(count, "starts later", "start later")
    return f"{count:,} {LABELS[verdict].lower()}"


def _rows_href(file: MappingFile, verdict: Verdict, after: int = 0) -> str:
    query = {"rows": verdict.value.lower()} | ({"after": after} if after else {})
    return f"{reverse('mapping_file', args=[file.pk])}?{urlencode(query)}"


def _kind(line: Line) -> str:
    return str(MappingKind(line.kind).label) if line.kind else ""


def _second(request: DeskRequest, file: MappingFile, asked: Approval | None) -> dict[str, Any]:
    is_mine = file.person_id == request.user.pk
    decides = asked is not None and may(request, mappings.CHANGE) and not is_mine
    why_not = "You asked: somebody else must agree." if is_mine else ""
    return {
        "may_decide": decides,
        "may_take_back": asked is not None and asked.asked_by_id == request.user.pk,
        "why_not": why_not or "Only operations or an integration admin can agree.",
    }


def _asked(file: MappingFile) -> Approval | None:
    return (
        Approval.objects.filter(
            record_kind=MappingFile.RECORD_KIND, record_id=file.pk, state=ApprovalState.ASKED
        )
        .select_related("asked_by")
        .first()
    )


# --- Saving, throwing away, agreeing --------------------------------------------------------------


@require_POST
@needs("mapping.change")
def confirm(request: DeskRequest, file_id: int) -> HttpResponse:
    """Let exactly the rows hold that were shown; refuse where a rule changed in between."""
    file = _get(request, file_id)
    if file.person_id != request.user.pk:
        raise PermissionDenied("Only who brought the file can save what is in it.")
    try:
        with transaction.atomic():
            file = mapping_files.hold(file)
            done = mapping_files.confirm(
                file, waiting=_answers(request, file), trace=trace_of(request), by=request.user
            )
    except UnableToConfirm as why:
        messages.warning(request, f"{why} Nothing was saved. Bring the file again to look anew.")
    except UnableToDecide as why:
        messages.warning(request, f"Nothing was saved. {why}")
    else:
        said = [
            (done.saved, f"{words.plural(done.saved, 'word')} saved"),
            (
                done.decided,
                f"{words.plural(done.decided, 'word')} that records wait for: they go on in "
                f"{HOLD_SECONDS} s",
            ),
            (
                done.asked,
                words.plural(done.asked, *mapping_rows.CHANGES)
                + " once a second person has agreed",
            ),
            (done.planned, f"{words.plural(done.planned, 'word')} planned for later"),
            (
                done.plans_asked,
                f"{words.plural(done.plans_asked, 'later meaning')} must be agreed to, each on its "
                "word’s page",
            ),
        ]
        messages.success(request, "; ".join(text for count, text in said if count))
    return HttpResponseRedirect(reverse("mapping_file", args=[file_id]))


def _answers(request: DeskRequest, file: MappingFile) -> dict[str, tuple[Case, Action]]:
    """The cases that its new words answer. PermissionDenied where another team must answer one."""
    found = {}
    for cause, case in mapping_files.cases_waiting(
        mapping_files.lines_of(file, Verdict.NEW)
    ).items():
        kind, action = catalogue.kind_of(case), mapping_table.answering(case)
        if action is None or not policy.may_act(kind, action, request.roles):
            raise PermissionDenied(
                f"A word of this file waits in the queue of {kind.owner.lower()} by now: they must "
                "answer it. Bring the file again without it."
            )
        found[cause] = (case, action)
    return found


@require_POST
@needs("mapping.change")
def cancel(request: DeskRequest, file_id: int) -> HttpResponse:
    """Throw it away. Nothing of it was saved."""
    file = _get(request, file_id)
    if file.person_id != request.user.pk:
        raise PermissionDenied("Only who brought the file can throw it away.")
    if mapping_files.cancel(file):
        messages.success(request, "Thrown away. Nothing was changed.")
        return HttpResponseRedirect(reverse("mapping_files"))
    messages.warning(request, "Too late: it was saved already.")
    return HttpResponseRedirect(reverse("mapping_file", args=[file_id]))


@require_POST
@needs("mapping.change")
def answer(request: DeskRequest, file_id: int) -> HttpResponse:
    """The second person's word on all words of one file that change their meaning; or who asked
    takes the question back.
    """
    file = _get(request, file_id)
    asked = _asked(file)
    trace, given = trace_of(request), answer_of(request)
    try:
        if asked is None:
            raise UnableToApprove("This has been decided already.")
        if given == Answer.TAKE_BACK:
            mapping_files.take_back(file, asked, trace=trace, by=request.user)
            messages.success(request, "Taken back: those words stay as they were")
        elif given == Answer.AGREE:
            refuse_if_asker_may_not(asked, still=may_ask(asked.asked_by))
            released = mapping_files.agree(file, asked, trace=trace, by=request.user)
            held = f", and {words.plural(released, 'step')} go on" if released else ""
            messages.success(request, f"You agreed: the new meanings hold from now on{held}")
        else:
            mapping_files.refuse(file, asked, trace=trace, by=request.user)
            messages.success(request, "You refused: those words stay as they were")
    except UnableToApprove as why:
        messages.warning(request, str(why))
    except UnableToConfirm as why:
        messages.warning(request, f"{why} Refuse it, and have the file brought again.")
    return HttpResponseRedirect(reverse("mapping_file", args=[file_id]))


def _get(request: DeskRequest, file_id: int) -> MappingFile:
    """A file; what nobody has confirmed is its maker's alone."""
    file = get_object_or_404(MappingFile.objects.select_related("person"), pk=file_id)
    if file.state == MappingFileState.PREPARED and file.person_id != request.user.pk:
        raise Http404
    return file
