"""The mapping workbench: what waits for a meaning, every rule, and what changing one would move.

A first meaning is one person's word; another meaning for a word that has one takes two people.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from fulfilment.models import Sku
from integrator import policy
from integrator.desk import catalogue, directory, mapping_plans, mapping_rows, words
from integrator.desk.answers import Answer, answer_of, refuse_if_asker_may_not
from integrator.desk.auth import DeskRequest, may, needs, trace_of
from integrator.desk.directory import Known
from integrator.desk.mapping_asked import asked_of, may_ask
from integrator.desk.mapping_plans import agreed
from integrator.desk.mapping_rows import LONGEST, Meanings, Waiting, Word
from integrator.engine import approvals, decisions, mapping_files, mappings
from integrator.engine import mapping_plans as plans
from integrator.engine.decisions import UnableToDecide
from integrator.engine.mapping_plans import UnableToPlan
from integrator.engine.mappings import UnableToChange, cause_of
from integrator.models import (
    Approval,
    Case,
    Connection,
    Mapping,
    MappingKind,
    MappingPlan,
    MappingPlanState,
)

WAITING, ALL = "waiting", "all"


@require_safe
@needs("mapping.see")
def mappings_page(request: DeskRequest) -> HttpResponse:
    """The list on the left, the chosen word on the right."""
    word = Word.read(request.GET.get("word", ""))
    if request.GET.get("word") and word is None:
        raise Http404
    starts, wrong = mapping_plans.moment_of(request.GET.get("from", ""), at=request.at)
    return _show(
        request,
        word,
        chosen=words.typed(request.GET["ours"]) if "ours" in request.GET else None,
        starts=starts,
        errors={"from": wrong} if wrong else {},
    )


def _show(
    request: DeskRequest,
    word: Word | None,
    *,
    chosen: str | None = None,
    starts: datetime | None = None,
    errors: Map[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    tab = request.GET.get("tab", WAITING)
    kind = MappingKind(tab.upper()) if tab.upper() in MappingKind.values else None
    known = directory.current(at=request.at)
    waits = mapping_rows.waiting()
    rules = [] if tab == WAITING else mapping_rows.rules(kind)
    heard = mapping_rows.heard(at=request.at)
    met = {one.word: one.met for one in heard}
    later = mapping_plans.open_plans()
    names = Meanings()
    questions = mapping_rows.questions(later, names, at=request.at)
    planned = [(one, names.name(one), mapping_plans.word_of(one)) for one in agreed(later)]
    nearest = {word: one for one, _, word in reversed(planned)}
    tabs = _tabs(tab, len(questions) + len(waits) + len(planned))
    context = {
        "tab": tab,
        "tabs": tabs,
        "printed_tab": next((one["label"] for one in tabs if one["is_on"]), ""),
        "waits": [
            (one, known.tile(one.word.connection_id), _href(one.word, tab), nearest.get(one.word))
            for one in waits
        ],
        "rules": [_rule(rule, names, met, tab, word) for rule in rules],
        "questions": questions if tab == WAITING else [],
        "planned": planned if tab == WAITING else [],
        "held": sum(one.records for one in waits),
        "coverage": [
            (one, known.name(one.connection_id), one.kind.label)
            for one in mapping_rows.coverage(heard)
        ],
        "detail": _detail(
            request,
            word,
            known.connections.get(word.connection_id)
            or get_object_or_404(Connection.objects.defer("secrets"), pk=word.connection_id),
            _waits(word, waits),
            mapping_plans.of_word(word, later),
            met,
            names,
            chosen=chosen,
            starts=starts,
            errors=errors or {},
        )
        if word
        else None,
        "closed": f"{reverse('mappings')}?{urlencode({'tab': tab})}",
    }
    return render(request, "desk/mappings.html", context, status=status)


def _tabs(tab: str, waiting: int) -> list[dict[str, Any]]:
    kinds = [(one.value.lower(), one.label) for one in mapping_rows.kinds_in_use()]
    named = [(WAITING, "Waiting"), (ALL, "All rules"), *kinds]
    return [
        {
            "href": f"{reverse('mappings')}?{urlencode({'tab': slug})}",
            "label": label,
            "count": waiting if slug == WAITING else None,
            "is_on": slug == tab,
        }
        for slug, label in named
    ]


def _href(word: Word, tab: str) -> str:
    return f"{reverse('mappings')}?{urlencode({'tab': tab, 'word': word.key})}"


def _rule(
    rule: Mapping, names: Meanings, met: dict[Word, int], tab: str, chosen: Word | None
) -> dict[str, Any]:
    word = Word(rule.connection_id, MappingKind(rule.kind), rule.theirs)
    return {
        "rule": rule,
        "means": names.name(rule),
        "tile": catalogue.tile_of(rule.connection.platform),
        "href": _href(word, tab),
        "met": met.get(word, 0)
        if mapping_rows.is_counted(word.kind, rule.connection.platform)
        else None,
        "is_chosen": word == chosen,
    }


def _waits(word: Word, shown: list[Waiting]) -> Waiting | None:
    """What waits for a word, from the list if that has room for it."""
    rows = shown if len(shown) < mapping_rows.SHOWN_MAX else mapping_rows.waiting(word=word)
    cause = cause_of(word.connection_id, word.kind, word.theirs)
    return next((one for one in rows if one.case.cause == cause and not one.asks_for_theirs), None)


def _detail(
    request: DeskRequest,
    word: Word,
    connection: Known | Connection,
    waits: Waiting | None,
    later: list[MappingPlan],
    met: dict[Word, int],
    names: Meanings,
    *,
    chosen: str | None,
    starts: datetime | None,
    errors: Map[str, str],
) -> dict[str, Any]:
    versions = mapping_rows.versions(word)
    current = next((one for one in versions if one.ended_at is None), None)
    if waits is None and not versions and not later:
        raise Http404
    offered = names.choices(word.kind, word.connection_id)
    labels = dict(offered)
    likely, reasons = mapping_rows.suggested(word, offered) if current is None else ("", [])
    value = chosen if chosen is not None else (current.ours if current is not None else likely)
    times = met.get(word, 0)
    before = mapping_plans.before(later, current, starts)
    return {
        "word": word,
        "connection": connection,
        "tile": catalogue.tile_of(connection.platform),
        "current": current,
        "current_label": labels.get(current.ours, current.ours) if current is not None else "",
        "versions": [
            (one, labels.get(one.ours, one.ours), mapping_rows.said_by(one)) for one in versions
        ],
        "waits": waits,
        "offered": offered,
        "value": value,
        "value_label": labels.get(value, value),
        "likely": labels.get(likely, likely),
        "reasons": reasons,
        "met": times,
        "is_counted": mapping_rows.is_counted(word.kind, connection.platform),
        "is_change": current is not None or (starts is not None and bool(later)),
        "is_sooner": _is_sooner(value, starts, current, later),
        "differs": bool(value) and before != value,
        "before_label": labels.get(before, before),
        **mapping_plans.courses(later, current, value, starts, labels=labels, at=request.at),
        "plans": mapping_plans.shown(request, later, current, labels),
        "starts": starts,
        "typed_from": _typed_from(request),
        "others": _others(word, value, connection),
        "may_change": _may_change(request, waits),
        "why_not": _why_not(waits),
        "asked": asked_of(request, current, labels, why_not=_why_not(None)),
        "files": [
            (file, labels.get(ours, ours))
            for file, ours in mapping_files.asked_about(
                word.connection_id, word.kind.value, word.theirs
            )
        ],
        "errors": errors,
    }


def _is_sooner(
    ours: str, starts: datetime | None, current: Mapping | None, later: list[MappingPlan]
) -> bool:
    """Whether a first meaning that is planned already would only start sooner."""
    if starts is None or current is not None or not later:
        return False
    return all(one.ours == ours and one.starts_at > starts for one in later)


def _typed_from(request: DeskRequest) -> str:
    sent = request.POST if request.method == "POST" else request.GET
    return sent.get("from", "")


def _others(word: Word, ours: str, connection: Known | Connection) -> list[str]:
    """Other words that stand for the same place, where only one may."""
    places = word.kind == MappingKind.LOCATION and mapping_rows.names_places(connection.platform)
    if not places or not ours:
        return []
    found = Mapping.objects.filter(
        connection=word.connection_id, kind=word.kind, ours=ours, ended_at__isnull=True
    ).exclude(theirs=word.theirs)
    return list(found.order_by("theirs").values_list("theirs", flat=True)[:5])


def _may_change(request: DeskRequest, waits: Waiting | None) -> bool:
    """What waits is answered as its case is: by the team that owns the question."""
    if waits is None:
        return may(request, mappings.CHANGE)
    kind = catalogue.kind_of(waits.case)
    return any(policy.may_act(kind, one, request.roles) for one in _answers(waits))


def _why_not(waits: Waiting | None) -> str:
    if waits is None:
        return "Only operations or an integration admin can change this."
    kind = catalogue.kind_of(waits.case)
    return next((policy.why_not(kind, one) for one in _answers(waits)), "Nobody may do this here.")


def _answers(waits: Waiting) -> list[Any]:
    return [one for one in catalogue.kind_of(waits.case).actions if one.key == "save_mapping"]


# --- Writing --------------------------------------------------------------------------------------


@require_POST
@needs("mapping.see")
def save(request: DeskRequest) -> HttpResponse:
    """Say what a word means: at once where it had no meaning, else a second person is asked."""
    word = Word.read(request.POST.get("word", ""))
    if word is None:
        raise Http404
    ours = words.typed(request.POST.get("ours", ""))
    connection = get_object_or_404(Connection.objects.defer("secrets"), pk=word.connection_id)
    waits = _waits(word, mapping_rows.waiting(word=word))
    if not _may_change(request, waits):
        raise PermissionDenied(_why_not(waits))
    starts, wrong = mapping_plans.moment_of(request.POST.get("from", ""), at=request.at)
    found = {"ours": _wrong(word, ours, connection), "from": wrong}
    if errors := {name: text for name, text in found.items() if text}:
        return _show(request, word, chosen=ours, starts=starts, errors=errors, status=422)
    try:
        with transaction.atomic():
            if starts is not None:
                said = _plan(request, word, ours, connection, starts)
            else:
                said = _write(request, word, ours, connection, waits)
    except (UnableToChange, UnableToDecide, UnableToPlan) as why:
        messages.warning(request, str(why))
    else:
        messages.success(request, said)
    return HttpResponseRedirect(_href(word, request.POST.get("tab", WAITING)))


def _wrong(word: Word, ours: str, connection: Connection) -> str:
    offered = mapping_rows.choices(word.kind, connection=word.connection_id)
    if offered and ours not in dict(offered):
        return "What it means: choose one from the list"
    if not ours or len(ours) > LONGEST:
        return f"What it means: write a word of at most {LONGEST} characters"
    is_sku = word.kind == MappingKind.SKU
    if is_sku and not Sku.objects.filter(retailer=connection.retailer_id, code=ours).exists():
        return f"What it means: we know no SKU “{ours}”"
    return ""


def _plan(
    request: DeskRequest, word: Word, ours: str, connection: Connection, starts: datetime
) -> str:
    """A meaning from a later moment on. What waits keeps waiting until then."""
    made = plans.plan(
        connection=connection,
        kind=word.kind,
        theirs=word.theirs,
        ours=ours,
        starts_at=starts,
        trace=trace_of(request),
        by=request.user,
    )
    if made.state == MappingPlanState.ASKED:
        return "A second person has been asked"
    means = Meanings().name(made)
    when = words.start_text(starts, at=request.at)
    return f"Planned: “{word.theirs}” will mean “{means}” from {when}"


def _write(
    request: DeskRequest, word: Word, ours: str, connection: Connection, waits: Waiting | None
) -> str:
    trace = trace_of(request)
    if waits is not None:
        # As on the case's own page: one decision, and everything that waits for it goes on.
        (action,) = _answers(waits)
        case = Case.objects.select_for_update(no_key=True).get(pk=waits.case.pk)
        decisions.take(case, action, data={"ours": ours}, trace=trace, by=request.user)
        return f"Saved: {words.plural(waits.records, 'record')} go on in 30 s"
    current = Mapping.objects.filter(
        connection=connection, kind=word.kind, theirs=word.theirs, ended_at__isnull=True
    ).first()
    if current is None:
        saved = mappings.save(
            connection=connection,
            kind=word.kind,
            theirs=word.theirs,
            ours=ours,
            trace=trace,
            first_only=True,
        )
        return f"Saved: “{word.theirs}” means “{Meanings().name(saved)}”"
    if current.ours == ours:
        return f"“{word.theirs}” means “{Meanings().name(current)}” already"
    mappings.ask_to_change(current, ours=ours, trace=trace, by=request.user)
    return "A second person has been asked"


@require_POST
@needs("mapping.change")
def agree(request: DeskRequest, approval_id: int) -> HttpResponse:
    """The second person's word on a change of meaning; or who asked takes the question back."""
    approval = get_object_or_404(
        Approval.objects.select_related("asked_by"),
        pk=approval_id,
        record_kind=Mapping.RECORD_KIND,
        verb=mappings.CHANGE,
    )
    rule = get_object_or_404(Mapping, pk=approval.record_id)
    trace, given = trace_of(request), answer_of(request)
    try:
        if given == Answer.TAKE_BACK:
            with transaction.atomic():
                approvals.take_back(approval, by=request.user, trace=trace)
            messages.success(request, "Taken back: it stays as it was")
        elif given == Answer.AGREE:
            refuse_if_asker_may_not(approval, still=may_ask(approval.asked_by))
            _, released = mappings.agree_to_change(approval, trace=trace, by=request.user)
            held = f", and {words.plural(released, 'step')} go on" if released else ""
            messages.success(request, f"You agreed: the new meaning holds from now on{held}")
        else:
            with transaction.atomic():
                approvals.decide(approval, grant=False, by=request.user, trace=trace)
            messages.success(request, "You refused: it stays as it was")
    except (UnableToChange, approvals.UnableToApprove) as why:
        messages.warning(request, str(why))
    word = Word(rule.connection_id, MappingKind(rule.kind), rule.theirs)
    return HttpResponseRedirect(word.href)
