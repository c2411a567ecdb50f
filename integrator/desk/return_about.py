"""What belongs to a return: its units, their verdicts, its refunds and its replacements.

One home for the question, so that a page and a count in a list cannot mean different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Q

from finance.models import Refund
from returns.models import Exchange, Inspection, Return, ReturnItem


@dataclass(frozen=True, slots=True)
class Records:
    """The records of some returns by kind, each by its number with that of its return."""

    of: Mapping[str, Mapping[int, int]]

    def among(self, *, prefix: str = "") -> Q:
        """Rows about any of them, by their columns ``record_kind`` and ``record_id``."""
        about = Q(pk__in=())
        for kind, numbers in self.of.items():
            if numbers:
                wanted = {f"{prefix}record_kind": kind, f"{prefix}record_id__in": list(numbers)}
                about |= Q(**wanted)
        return about

    def return_of(self, kind: str, number: int) -> int:
        """The return that a row of ``among`` is about."""
        return self.of[kind][number]


def records_of(
    returns: Iterable[Return],
    *,
    units: Iterable[ReturnItem],
    refunds: Iterable[Refund],
    exchanges: Iterable[Exchange],
    inspections: Iterable[Inspection] = (),
) -> Records:
    """From rows that are already read."""
    owner = {one.pk: one.return_record_id for one in units}
    return Records(
        {
            Return.RECORD_KIND: {one.pk: one.pk for one in returns},
            ReturnItem.RECORD_KIND: owner,
            Inspection.RECORD_KIND: {one.pk: owner[one.return_item_id] for one in inspections},
            Refund.RECORD_KIND: {
                one.pk: one.return_record_id for one in refunds if one.return_record_id
            },
            Exchange.RECORD_KIND: {one.pk: one.return_record_id for one in exchanges},
        }
    )
