"""The workbench as a table: what goes into a file, and what each row of one that comes back means.

Judges and changes nothing. Whatever the number of rows, the same few questions are asked of the
database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from django.db.models import Count, Min

from fulfilment.models import Sku
from integrator import policy
from integrator.desk import catalogue, history, mapping_later, mapping_plans, mapping_rows
from integrator.desk.mapping_rows import LONGEST, Word
from integrator.desk.tables import Cells
from integrator.engine import decisions, mappings
from integrator.engine.case_kinds import Action
from integrator.engine.mapping_files import Line, Verdict
from integrator.engine.mapping_plans import OPEN
from integrator.models import Case, CaseState, Connection, Mapping, MappingKind, MappingPlan
from integrator.roles import Role

# The columns that are read again, and those that only inform.
CONNECTION, KIND, WORD, MEANING, VERSION, FROM = HEADS = (
    "Connection",
    "Kind",
    "Word",
    "Meaning",
    "Version",
    "From when",
)
NEEDED = (CONNECTION, KIND, WORD, MEANING)
TOLD = ("Met in 30 days", "Records that wait", "Said by", "Since")
_NAMED_MAX = 8  # meanings that an error lists


def rows_of(tab: str, *, at: datetime, zone: tzinfo) -> Iterator[Sequence[object]]:
    """What a tab of the workbench lists, under ``HEADS`` and ``TOLD``. Empty meanings are open.

    What is planned follows the rules, each plan with its moment by the clock of ``zone``: the rows
    are read while they are sent, when nobody's clock is set any more.
    """
    met = {one.word: one.met for one in mapping_rows.heard(at=at)}
    slugs = dict(Connection.objects.values_list("pk", "slug"))
    if tab == "waiting":
        for one in mapping_rows.waiting():
            if not one.asks_for_theirs:
                word = one.word
                place = (slugs[word.connection_id], word.kind.label, word.theirs)
                yield (*place, "", "", "", met.get(word, 0), one.records, "", one.since)
        return
    kind = MappingKind(tab.upper()) if tab.upper() in MappingKind.values else None
    for rule in mapping_rows.rules(kind, most=None):
        word = Word(rule.connection_id, MappingKind(rule.kind), rule.theirs)
        is_counted = mapping_rows.is_counted(word.kind, rule.connection.platform)
        yield (
            rule.connection.slug,
            word.kind.label,
            rule.theirs,
            rule.ours,
            rule.version,
            "",
            met.get(word, 0) if is_counted else "",
            "",
            mapping_rows.said_by(rule),
            rule.made_at,
        )
    plans = MappingPlan.objects.filter(state__in=OPEN, starts_at__gt=at).order_by("starts_at", "id")
    for plan in plans.filter(kind=kind) if kind is not None else plans:
        moment = mapping_plans.moment_text(plan.starts_at, zone)
        told = (slugs[plan.connection_id], MappingKind(plan.kind).label, plan.theirs, plan.ours)
        yield (*told, "", moment, "", "", history.who(plan.made_by), plan.made_at)


# --- What comes back ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    """What rows are judged by, read once for all of them."""

    connections: dict[int, Connection]
    meanings: dict[tuple[int, str], dict[str, str]]
    skus: set[tuple[int, str]]
    rules: dict[tuple[int, str, str], Mapping]
    waiting: dict[str, tuple[Case, int]]
    deciding: set[int]
    met: dict[Word, int]
    partners: dict[tuple[int, str], list[str]]
    plans: dict[tuple[int, str, str], list[MappingPlan]]
    roles: frozenset[str]


def judge(rows: Sequence[Cells], *, roles: frozenset[str], at: datetime) -> list[Line]:
    """Each row with what it comes to. Who may not answer a word that waits cannot bring it in."""
    found = Connection.objects.defer("secrets").order_by("-pk")
    connections = {one.name.casefold(): one for one in found} | {one.slug: one for one in found}
    read = [_read(one, connections, at) for one in rows]
    known = _known(read, connections, roles=roles, at=at)
    lines = [
        _judged(line, cells, known) if line.verdict != Verdict.WRONG else line
        for line, cells in zip(read, rows, strict=True)
    ]
    return mapping_later.among_others(*_each_once(lines))


def _read(cells: Cells, connections: Map[str, Connection], at: datetime) -> Line:
    """Which word a row is about, or why that cannot be told."""
    typed = [cells.by_head[name] or "(empty)" for name in NEEDED]
    from_when = cells.by_head.get(FROM, "").strip()
    typed += [from_when] if from_when else []
    connection = connections.get(cells.by_head[CONNECTION].strip().casefold())
    kind = _kind_of(cells.by_head[KIND])
    theirs, ours = cells.by_head[WORD], cells.by_head[MEANING].strip()
    line = Line(
        row=cells.number,
        typed=typed,
        verdict=Verdict.SAME,
        connection_id=connection.pk if connection is not None else 0,
        kind=kind or "",
        theirs=theirs[:LONGEST],
        ours=ours,
    )
    if cells.wrong:
        name, why = next(iter(cells.wrong.items()))
        return _wrong(line, f"{name}: {why}")
    if connection is None:
        return _wrong(line, f"{CONNECTION}: {_one_of({one.slug for one in connections.values()})}")
    if kind is None:
        return _wrong(line, f"{KIND}: {_one_of({one.label for one in MappingKind})}")
    if not theirs.strip():
        return _wrong(line, f"{WORD}: name the word. Nothing can be said for all other words")
    if len(theirs) > LONGEST:
        return _wrong(line, f"{WORD}: use at most {LONGEST} characters")
    if len(ours) > LONGEST:
        return _wrong(line, f"{MEANING}: use at most {LONGEST} characters")
    moment, why = mapping_plans.moment_of(from_when, at=at, zoned=True)
    if why:
        return _wrong(line, why)
    return replace(line, starts=moment.astimezone(UTC).isoformat()) if moment is not None else line


def _kind_of(text: str) -> str | None:
    plain = text.strip().casefold()
    return next(
        (one.value for one in MappingKind if plain in (one.label.casefold(), one.value.casefold())),
        None,
    )


def _known(
    read: Sequence[Line],
    connections: Map[str, Connection],
    *,
    roles: frozenset[str],
    at: datetime,
) -> _Known:
    lines = [one for one in read if one.verdict != Verdict.WRONG]
    words = [one.said for one in lines]
    pairs = {(one.connection_id, one.kind) for one in lines}
    skus = {one.ours for one in lines if one.kind == MappingKind.SKU}
    waiting = _waiting([one.cause for one in lines])
    steps = [case.job_id for case, _ in waiting.values() if case.job_id is not None]
    partners: dict[tuple[int, str], list[str]] = {}
    naming = [one.pk for one in connections.values() if mapping_rows.names_places(one.platform)]
    for number, ours, theirs in Mapping.objects.filter(
        connection__in=naming, kind=MappingKind.LOCATION, ended_at__isnull=True
    ).values_list("connection", "ours", "theirs"):
        partners.setdefault((number, ours), []).append(theirs)
    return _Known(
        connections={one.pk: one for one in connections.values()},
        meanings={
            pair: dict(mapping_rows.choices(MappingKind(pair[1]), connection=pair[0]))
            for pair in pairs
        },
        skus=set(Sku.objects.filter(code__in=skus).values_list("retailer", "code"))
        if skus
        else set(),
        rules=mappings.current(words) if words else {},
        waiting=waiting,
        deciding=decisions.being_decided(steps) if steps else set(),
        met={one.word: one.met for one in mapping_rows.heard(at=at)},
        partners=partners,
        plans=mapping_later.plans_of(words),
        roles=roles,
    )


def _waiting(causes: Sequence[str]) -> dict[str, tuple[Case, int]]:
    """By cause, the first case that waits and how many do."""
    groups = (
        Case.objects.filter(cause__in=causes)
        .exclude(state=CaseState.SOLVED)
        .values("cause")
        .annotate(first=Min("id"), count=Count("id"))
    )
    found = {group["cause"]: (group["first"], group["count"]) for group in groups}
    cases = Case.objects.in_bulk([first for first, _ in found.values()]) if found else {}
    return {cause: (cases[first], count) for cause, (first, count) in found.items()}


def _judged(line: Line, cells: Cells, known: _Known) -> Line:
    connection = known.connections[line.connection_id]
    word = Word(line.connection_id, MappingKind(line.kind), line.theirs)
    rule = known.rules.get(line.said.key)
    case, waits = known.waiting.get(line.cause, (None, 0))
    is_counted = mapping_rows.is_counted(word.kind, connection.platform)
    line = replace(
        line,
        rule=rule.pk if rule is not None else None,
        before=rule.ours if rule is not None else "",
        met=known.met.get(word, 0) if is_counted else None,
        waits=waits,
    )
    if not line.ours and line.starts:
        return _wrong(line, f"{MEANING}: say what it is to mean from then on")
    if not line.ours:
        return replace(line, why="left empty, so it stays as it is")
    if not line.starts and rule is not None and rule.ours == line.ours:
        return line
    if why := _meaning_error(line, connection, known):
        return _wrong(line, f"{MEANING}: {why}")
    version = cells.by_head.get(VERSION, "").strip()
    if rule is not None and version and version != str(rule.version):
        return _wrong(
            line,
            f"{VERSION}: it was changed since this file was taken, to {rule.ours}. Take a "
            "new file, or empty the version to change it all the same",
        )
    if case is not None and (why := _why_not_answer(case, known, later=bool(line.starts))):
        return _wrong(line, f"{WORD}: {why}")
    if line.starts:
        return mapping_later.judged(line, rule, known.plans.get(line.said.key, []))
    verdict = Verdict.CHANGED if rule is not None else Verdict.NEW
    return replace(line, verdict=verdict, why=_also(line, known))


def _meaning_error(line: Line, connection: Connection, known: _Known) -> str:
    allowed = known.meanings[line.connection_id, line.kind]
    if allowed and line.ours not in allowed:
        return f"we have no “{line.ours}”, {_one_of(set(allowed))}"
    if line.kind == MappingKind.LOCATION and not allowed:
        return "we have no place yet"
    is_sku = line.kind == MappingKind.SKU
    if is_sku and (connection.retailer_id, line.ours) not in known.skus:
        return f"we know no SKU “{line.ours}”"
    return ""


def _one_of(names: set[str]) -> str:
    shown = sorted(names)[:_NAMED_MAX]
    return f"write {'one of ' if len(names) > 1 else ''}{', '.join(shown)}"


def _why_not_answer(case: Case, known: _Known, *, later: bool) -> str:
    kind, action = catalogue.kind_of(case), answering(case)
    if action is None or not policy.may_act(kind, action, known.roles):
        return f"{Role(kind.owner).label} must answer it: it waits in their queue"
    if case.job_id in known.deciding and not later:
        return "an answer to it is on its way. Bring the file again in a minute"
    return ""


def answering(case: Case) -> Action | None:
    """The button of a case by which its word is answered."""
    actions = catalogue.kind_of(case).actions
    return next((one for one in actions if one.key == "save_mapping"), None)


def _also(line: Line, known: _Known) -> str:
    """Other names of a place where stock is posted under one: such steps would stop and ask."""
    others = known.partners.get((line.connection_id, line.ours), [])
    if line.kind != MappingKind.LOCATION or not [one for one in others if one != line.theirs]:
        return ""
    names = ", ".join(sorted(one for one in others if one != line.theirs)[:3])
    return f"{line.ours} is also {names} there: with two names, posting its stock stops and asks"


def _each_once(lines: Sequence[Line]) -> tuple[list[Line], dict[tuple[int, str, str], Line]]:
    """Of rows that say the same only the first counts; none of those that contradict each other.

    Also the earliest row of each word that another one contradicts.
    """
    about: dict[tuple[object, ...], dict[str, Line]] = {}
    for line in lines:
        if line.verdict != Verdict.WRONG and line.ours:
            about.setdefault((*line.said.key, line.starts), {}).setdefault(line.ours, line)
    found, unclear = [], dict[tuple[int, str, str], Line]()
    for line in lines:
        if line.verdict != Verdict.WRONG and line.ours:
            firsts = about[*line.said.key, line.starts]
            if len(firsts) > 1:
                unclear[line.said.key] = min(
                    unclear.get(line.said.key, line), line, key=lambda one: one.starts
                )
            line = _beside(line, firsts)
        found.append(line)
    return found, unclear


def _beside(line: Line, firsts: Map[str, Line]) -> Line:
    """A row beside the first row of each meaning that the file gives its word."""
    other = next((one for ours, one in firsts.items() if ours != line.ours), None)
    if other is not None:
        says = f"row {other.row} says {other.ours}, this row says {line.ours}"
        return _wrong(line, f"{MEANING}: {says}: leave one of them")
    first = firsts[line.ours]
    if first is line:
        return line
    why = f"said in row {first.row} already"
    return replace(line, verdict=Verdict.SAME, why=why, rule=first.rule)


def _wrong(line: Line, why: str) -> Line:
    return replace(line, verdict=Verdict.WRONG, why=why)
