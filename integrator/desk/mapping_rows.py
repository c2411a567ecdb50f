"""The platforms' words: which wait for a meaning, what each means, and how often it was met lately.

Reads only. A word is met where a verdict or a returned unit carries it.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Sum, Value
from django.urls import reverse

from fulfilment.models import Location
from integrator.desk import history, lists, words
from integrator.engine import mappings
from integrator.models import (
    Approval,
    ApprovalState,
    Case,
    CaseState,
    Mapping,
    MappingKind,
    MappingPlan,
)
from integrator.platforms import PLATFORMS
from returns.models import Inspection, ReturnItem
from returns.shapes import Method, Resolution

LATELY = timedelta(days=30)
SHOWN_MAX = 200
LONGEST = 200  # characters of a word
CHANGES = ("word changes its meaning", "words change their meaning")
# Where the words of a kind are met: the rows, when each was learnt, and the field with the word.
_MET: Map[MappingKind, tuple[Any, str, str, str]] = {
    MappingKind.LOCATION: (
        Inspection,
        "learned_at",
        "return_item__return_record__connection_id",
        "location_word",
    ),
    MappingKind.RESOLUTION: (
        ReturnItem,
        "return_record__requested_at",
        "return_record__connection_id",
        "resolution_word",
    ),
    MappingKind.METHOD: (
        ReturnItem,
        "return_record__requested_at",
        "return_record__connection_id",
        "method_word",
    ),
}
# The field that shows whether a word was known without a rule of ours: by the platform's contract.
_KNOWN = {MappingKind.RESOLUTION: "resolution", MappingKind.METHOD: "method"}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of one connection. ``key`` names it in addresses."""

    connection_id: int
    kind: MappingKind
    theirs: str

    @property
    def key(self) -> str:
        return f"{self.connection_id}:{self.kind.value}:{self.theirs}"

    @classmethod
    def read(cls, key: str) -> Word | None:
        connection, _, rest = key.partition(":")
        kind, _, theirs = rest.partition(":")
        connection_id = lists.number(connection)
        if not connection_id or kind not in MappingKind.values or "\x00" in theirs:
            return None
        if not theirs:
            return None
        return cls(connection_id, MappingKind(kind), theirs[:LONGEST])

    @property
    def href(self) -> str:
        """Its place on the workbench, among the others of its kind."""
        query = {"tab": self.kind.value.lower(), "word": self.key}
        return f"{reverse('mappings')}?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A word nobody has explained, and what waits for it. ``asks_for_theirs``: it is ours."""

    word: Word
    case: Case
    records: int
    since: datetime
    money_minor: int
    asks_for_theirs: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """A word a platform used, on how many rows, and of how many of them we knew its meaning."""

    word: Word
    met: int
    understood: int


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of what a connection said lately could be understood."""

    connection_id: int
    kind: MappingKind
    met: int
    understood: int

    @property
    def percent(self) -> str:
        # Never 100 while one word is not understood.
        return f"{self.understood * 1000 // self.met / 10:.1f} %"


@dataclass(frozen=True, slots=True)
class Question:
    """Other meanings that wait for a second person: of one ``word``, or those of a file."""

    says: str
    who: str
    since: datetime
    href: str
    word: Word | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """A code and what people call it; no label where the code is all there is, as of a SKU."""

    code: str
    label: str = ""

    def __str__(self) -> str:
        return self.label or self.code


class Meanings:
    """What codes are called, by kind and connection. Their names are read once for a page."""

    def __init__(self) -> None:
        self._choices: dict[tuple[str, int], Sequence[tuple[str, str]]] = {}

    def choices(self, kind: str, connection_id: int) -> Sequence[tuple[str, str]]:
        """What a word of this kind may mean, with its name; see ``choices``."""
        key = (kind, connection_id)
        if key not in self._choices:
            found = choices(MappingKind(kind), connection=connection_id) if kind else ()
            self._choices[key] = found
        return self._choices[key]

    def of(self, kind: str, connection_id: int, code: str) -> Meaning:
        # The name of a place ends with its code in brackets.
        label = dict(self.choices(kind, connection_id)).get(code, "")
        return Meaning(code, label.removesuffix(f" ({code})"))

    def name(self, of: Mapping | MappingPlan, ours: str = "") -> Meaning:
        """What a word is to mean; ``ours``: not what is kept but this."""
        return self.of(of.kind, of.connection_id, ours or of.ours)


def questions(plans: Sequence[MappingPlan], names: Meanings, *, at: datetime) -> list[Question]:
    """What waits for a second person, the oldest first; some of it are open ``plans``."""
    asked = list(
        Approval.objects.filter(verb=mappings.CHANGE, state=ApprovalState.ASKED)
        .select_related("asked_by")
        .order_by("id")[:SHOWN_MAX]
    )
    numbers = [one.record_id for one in asked if one.record_kind == Mapping.RECORD_KIND]
    rules = Mapping.objects.in_bulk(numbers) if numbers else {}
    later = {one.pk: one for one in plans}
    found = []
    word: Word | None
    for one in asked:
        if one.record_kind == Mapping.RECORD_KIND:
            rule = rules[one.record_id]
            if rule.ended_at is not None:
                continue  # it was changed meanwhile: nobody can agree any more
            says = f"“{rule.theirs}” will mean “{names.name(rule, one.content['to'])}”"
            word = Word(rule.connection_id, MappingKind(rule.kind), rule.theirs)
        elif one.record_kind == MappingPlan.RECORD_KIND:
            plan = later.get(one.record_id)
            if plan is None:
                continue  # far beyond what this page shows
            starts = words.start_text(plan.starts_at, at=at)
            says = f"“{plan.theirs}” will mean “{names.name(plan)}” from {starts}"
            word = Word(plan.connection_id, MappingKind(plan.kind), plan.theirs)
        else:
            count = words.plural(one.content["changes"], *CHANGES)
            says, word = f"{count} by {one.content['file']}", None
        href = word.href if word else reverse("mapping_file", args=[one.record_id])
        found.append(Question(says, one.asked_by.get_username(), one.asked_at, href, word))
    return found


def said_by(rule: Mapping) -> str:
    """A person by their name; what came with the set-up file says so."""
    return history.who(rule.made_by) if rule.made_by.startswith("user:") else "the set-up file"


def waiting(*, word: Word | None = None) -> list[Waiting]:
    """The words that wait, those that hold most records first; or one, if it waits."""
    found = Case.objects.filter(cause__startswith="mapping:").exclude(state=CaseState.SOLVED)
    if word is not None:
        cause = mappings.cause_of(word.connection_id, word.kind, word.theirs)
        found = found.filter(cause=cause)
    groups = found.values("cause").annotate(
        records=Count("id"), since=Min("opened_at"), first=Min("id"), money=Sum("money_minor")
    )
    most = list(groups.order_by("-records", "since")[:SHOWN_MAX])
    cases = Case.objects.in_bulk([group["first"] for group in most])
    rows = []
    for group in most:
        case = cases[group["first"]]
        _, connection, kind, theirs = group["cause"].split(":", 3)
        is_ours = theirs.startswith(mappings.OURS)
        said = theirs.removeprefix(mappings.OURS) if is_ours else str(case.facts["theirs"])
        rows.append(
            Waiting(
                Word(int(connection), MappingKind(kind), said),
                case,
                group["records"],
                group["since"],
                group["money"] or 0,
                is_ours,
            )
        )
    return rows


def rules(kind: MappingKind | None, *, most: int | None = 500) -> list[Mapping]:
    """What words mean now: at most so many of them."""
    found = Mapping.objects.filter(ended_at__isnull=True).select_related("connection")
    if kind is not None:
        found = found.filter(kind=kind)
    return list(found.order_by("connection__name", "kind", "theirs")[:most])


def versions(word: Word) -> list[Mapping]:
    """What the word has meant, the newest first."""
    return list(
        Mapping.objects.filter(
            connection=word.connection_id, kind=word.kind, theirs=word.theirs
        ).order_by("-version")[:50]
    )


def heard(*, at: datetime) -> list[Heard]:
    """Every word met in the last 30 days, by rows: units, or verdicts on them."""
    first, *more = (_heard(kind, at=at) for kind in _MET)
    return [
        Heard(Word(connection, MappingKind(kind), theirs), met, understood)
        for kind, connection, theirs, met, understood in first.union(*more, all=True)
    ]


def _heard(kind: MappingKind, *, at: datetime) -> QuerySet[Any, tuple[str, int, str, int, int]]:
    model, when, connection, field = _MET[kind]
    rules = Mapping.objects.filter(
        connection=OuterRef(connection), kind=kind, theirs=OuterRef(field), ended_at__isnull=True
    )
    known = Q(Exists(rules))
    if kind in _KNOWN:
        known |= ~Q(**{_KNOWN[kind]: "UNKNOWN"})
    rows = model.objects.filter(**{f"{when}__gte": at - LATELY}).exclude(**{field: ""}).order_by()
    found: QuerySet[Any, tuple[str, int, str, int, int]] = (
        rows.annotate(kind_code=Value(kind.value))
        .values_list("kind_code", connection, field)
        .annotate(met=Count("id"), understood=Count("id", filter=known))
    )
    return found


def names_places(platform: str) -> bool:
    """Whether places are named to it when stock is posted: one place must have one name there."""
    return "post_stock" in PLATFORMS[platform].contract.writes


def is_counted(kind: MappingKind, platform: str) -> bool:
    """Whether we can tell how often words of this kind are met: we hear them, not only write."""
    return kind in _MET and not (kind == MappingKind.LOCATION and names_places(platform))


def kinds_in_use() -> list[MappingKind]:
    """The kinds that have rules, in their fixed order."""
    found = set(
        Mapping.objects.filter(ended_at__isnull=True).values_list("kind", flat=True).distinct()
    )
    return [kind for kind in MappingKind if kind.value in found]


def coverage(heard: Sequence[Heard]) -> list[Covered]:
    """How much of what was heard could be understood, the worst first."""
    found: dict[tuple[int, MappingKind], list[int]] = {}
    for one in heard:
        sums = found.setdefault((one.word.connection_id, one.word.kind), [0, 0])
        sums[0] += one.met
        sums[1] += one.understood
    covered = [Covered(*key, *sums) for key, sums in found.items()]
    return sorted(covered, key=lambda one: (one.understood / one.met, one.connection_id, one.kind))


def choices(kind: MappingKind | str, *, connection: int | None) -> tuple[tuple[str, str], ...]:
    """What a word of this kind may mean; empty where it is typed."""
    match kind:
        case MappingKind.LOCATION:
            return places(connection=connection)
        case MappingKind.RESOLUTION:
            return _labels(Resolution)
        case MappingKind.METHOD:
            return _labels(Method)
    return ()


def places(*, connection: int | None) -> tuple[tuple[str, str], ...]:
    """Our own places: the retailer's whose connection it is."""
    found = Location.objects.order_by("name").values_list("code", "name")
    if connection is not None:
        found = found.filter(retailer__connection=connection)
    return tuple((code, f"{name} ({code})") for code, name in found)


def _labels(enum: Any) -> tuple[tuple[str, str], ...]:
    return tuple((one.value, str(one.label)) for one in enum if one.value != "UNKNOWN")


def suggested(word: Word, offered: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """The likeliest meaning and why, fact by fact; nothing where there is no reason.

    Never applied by itself: a suggestion about stock or money is only shown.
    """
    reasons: dict[str, list[str]] = {}
    same = _plain(word.theirs)
    for value, label in offered:
        if same in (_plain(value), _plain(label.partition(" (")[0])):
            reasons.setdefault(value, []).append(f"“{label}” is the same name")
    elsewhere = Mapping.objects.filter(
        kind=word.kind, theirs=word.theirs, ended_at__isnull=True
    ).exclude(connection=word.connection_id)
    for one in elsewhere.select_related("connection")[:20]:
        reasons.setdefault(one.ours, []).append(f"{one.connection.name} uses the same word for it")
    before = Mapping.objects.filter(
        connection=word.connection_id, kind=word.kind, theirs=word.theirs, ended_at__isnull=False
    )
    for ours in before.values_list("ours", flat=True).distinct()[:5]:
        reasons.setdefault(ours, []).append("It meant that here before")
    allowed = {value for value, _ in offered}
    likely = sorted(
        (one for one in reasons if one in allowed or not offered),
        key=lambda one: (-len(reasons[one]), one),
    )
    return (likely[0], reasons[likely[0]]) if likely else ("", [])


def _plain(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())
