"""What a unit's words mean: as its platform's contract knows them, else as a person has said.

Whoever asks must have the unit's return at hand. A word nobody has mapped stays UNKNOWN: it is
never guessed, and asking for it is what a refund does.
"""

from __future__ import annotations

from integrator.models import Mapping, MappingKind
from returns.models import ReturnItem
from returns.shapes import Method, Resolution


def resolution_of(item: ReturnItem) -> Resolution:
    """What the customer is to get for it."""
    return resolution_said(item, item.resolution, item.resolution_word)


def resolution_said(item: ReturnItem, known: str, word: str) -> Resolution:
    """The same of a word that was read for it just now."""
    return Resolution(_meaning(item, MappingKind.RESOLUTION, known, word))


def method_of(item: ReturnItem) -> Method:
    """How it comes back, if it does."""
    return Method(_meaning(item, MappingKind.METHOD, item.method, item.method_word))


def _meaning(item: ReturnItem, kind: MappingKind, known: str, word: str) -> str:
    if known != Resolution.UNKNOWN:
        return known
    mapped = Mapping.objects.filter(
        connection=item.return_record.connection_id, kind=kind, theirs=word, ended_at=None
    )
    return mapped.values_list("ours", flat=True).first() or known
