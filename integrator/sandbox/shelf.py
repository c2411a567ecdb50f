"""A shelf of records whose newest state can be hidden from readers for a while.

A platform may accept a write and go on showing the old state for a moment.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from datetime import datetime
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Record = TypeVar("Record")


class Shelf(dict[Key, Record]):
    """A dict for those who write; readers go through ``seen``."""

    def __init__(self) -> None:
        super().__init__()
        self._hidden: dict[Key, tuple[Record | None, datetime]] = {}

    def seen(self, at: datetime) -> dict[Key, Record]:
        """What a reader is shown at that instant."""
        shown: dict[Key, Record] = {}
        for key, record in self.items():
            former, until = self._hidden.get(key, (record, at))
            visible = record if at >= until else former
            if visible is not None:
                shown[key] = visible
        return shown

    def copied(self) -> dict[Key, Record]:
        return copy.deepcopy(dict(self))

    def hide_changes(self, since: dict[Key, Record], until: datetime) -> None:
        """Readers see the state of ``since`` for every record that differs from it."""
        for key, record in self.items():
            if since.get(key) != record:
                self._hidden[key] = (since.get(key), until)

    def reveal(self) -> None:
        self._hidden.clear()
