"""Rows of a file whose meaning starts later: what each comes to beside plans and other rows.

They become plans like those of the word's own page: each can be taken back on its own, and each
that takes two people is a question of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import replace

from django.utils import timezone

from integrator.desk import mapping_plans
from integrator.engine.mapping_files import Line, Verdict
from integrator.engine.mapping_plans import OPEN
from integrator.engine.mappings import Said
from integrator.models import Mapping, MappingPlan

MOST = 200  # in one file
_HOLDS = "it means this already"
_Key = tuple[int, str, str]


def plans_of(words: Iterable[Said]) -> dict[_Key, list[MappingPlan]]:
    """What is planned for these words, the next first. One question, whatever their number."""
    wanted = {one.key for one in words}
    found: dict[_Key, list[MappingPlan]] = defaultdict(list)
    for one in MappingPlan.objects.filter(state__in=OPEN).order_by("starts_at", "id"):
        key = (one.connection_id, one.kind, one.theirs)
        if key in wanted:
            found[key].append(one)
    return found


def judged(line: Line, rule: Mapping | None, plans: Sequence[MappingPlan]) -> Line:
    """A row with a moment, beside what holds and what is planned for its word."""
    moment = line.starts_at
    assert moment is not None
    same = next((one for one in plans if one.starts_at == moment), None)
    if same is not None and same.ours == line.ours:
        return replace(line, verdict=Verdict.SAME, why="it is planned already")
    if same is not None:
        return wrong(line, f"it is to become {same.ours} at that moment: take that back first")
    if rule is not None and rule.ours == line.ours and not plans:
        return replace(line, verdict=Verdict.SAME, why=_HOLDS)
    before = mapping_plans.before(plans, rule, moment)
    return replace(line, verdict=Verdict.LATER, before=before, two=rule is not None or bool(plans))


def among_others(lines: Sequence[Line], unclear: Map[_Key, Line]) -> list[Line]:
    """The rows, those that start later beside the other rows about their word.

    The first meaning of a word comes about by itself: a later one must wait for it. Of several
    later ones all but the earliest change what the one before said, and that takes two people. One
    that says what holds already says something where another row changes that first. And where rows
    contradict each other (``unclear``, the earliest of each word), nobody knows what comes before.
    """
    lines = _wakened(lines, unclear)
    first = {one.said.key: one for one in lines if one.verdict == Verdict.NEW}
    earliest: dict[_Key, str] = {}
    for one in lines:
        if one.verdict == Verdict.LATER:
            key = one.said.key
            earliest[key] = min(one.starts, earliest.get(key, one.starts))
    found, taken = [], 0
    for line in lines:
        if line.verdict == Verdict.LATER:
            taken += 1
            key = line.said.key
            if key in unclear and unclear[key].starts < line.starts:
                line = wrong(
                    line, f"another row contradicts row {unclear[key].row}: mend that first"
                )
            elif key in first:
                why = f"row {first[key].row} gives it its first meaning: bring this once that holds"
                line = wrong(line, why)
            elif taken > MOST:
                line = wrong(line, f"a file plans at most {MOST}: bring the rest in another")
            elif line.starts != earliest[key]:
                line = replace(line, two=True)
        found.append(line)
    return found


def _wakened(lines: Sequence[Line], unclear: Map[_Key, Line]) -> list[Line]:
    changed = {one.said.key for one in lines if one.verdict in (Verdict.CHANGED, Verdict.LATER)}
    changed |= unclear.keys()
    return [
        replace(one, verdict=Verdict.LATER, two=True, why="")
        if one.verdict == Verdict.SAME and one.why == _HOLDS and one.said.key in changed
        else one
        for one in lines
    ]


def wrong(line: Line, why: str) -> Line:
    return replace(line, verdict=Verdict.WRONG, why=f"From when: {why}")


def starts_text(line: Line) -> str:
    """Its moment by the reader's clock, in words."""
    moment = line.starts_at
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return f"from {local.day} {local:%b %Y %H:%M}"
