"""One line of the audit list, on the page and in a file, and two sets of values side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrator.engine.money import EXPONENTS

# Columns of settings, in words.
_FIELDS = {
    "name": "name",
    "base_url": "address",
    "callback_user": "user of its callbacks",
    "callback_token_hash": "address of its callbacks",
    "callback_password_hash": "password of its callbacks",
    "timezone": "time zone",
    "authority": "who counts the stock",
}
_SECRET = frozenset({"callback_token_hash", "callback_password_hash"})
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different now. Without ``old`` it was said, not changed."""

    label: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list. ``about`` is the record, ``sub`` what else is known of it."""

    at: datetime
    who: str
    is_person: bool
    says: str
    about: str = ""
    href: str = ""
    sub: str = ""
    changes: tuple[Change, ...] = ()
    amount: tuple[int, str] | None = None
    why: str = ""
    is_quote: bool = False  # ``why`` are a person's own words: in marks on the page
    two: bool = False


def cells(one: Entry) -> dict[str, object]:
    """The same line for a spreadsheet, by the heads there (``columns.AUDIT``).

    An amount is a number there.
    """
    amount: Decimal | None = None
    if one.amount is not None:
        amount = Decimal(one.amount[0]).scaleb(-EXPONENTS[one.amount[1]])
    return {
        "Time": one.at,
        "Who": one.who,
        "What": one.says,
        "Two people": "yes" if one.two else "",
        "About": " · ".join(part for part in (one.about, one.sub) if part),
        "Address": one.href,
        "Before": _side(one.changes, lambda change: change.old),
        "After": _side(one.changes, lambda change: change.new),
        "Amount": amount,
        "Currency": one.amount[1] if one.amount is not None else "",
        "Why": one.why,
    }


def _side(changes: Iterable[Change], side: Callable[[Change], str]) -> str:
    return "; ".join(
        f"{change.label}: {side(change)}" if change.label else side(change)
        for change in changes
        if side(change)
    )


def differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[Change, ...]:
    """What two sets of values do not have in common, each by its own name."""
    changes: list[Change] = []
    for key in [*old, *(key for key in new if key not in old)]:
        before, now = old.get(key), new.get(key)
        if before == now:
            continue
        label = _FIELDS.get(key, (key.lower() if key.isupper() else key).replace("_", " "))
        if key in _SECRET:
            became = "another one" if before else "set, kept secret"
            changes.append(Change(label, "kept secret" if before else "", became if now else ""))
        elif isinstance(before, dict) and isinstance(now, dict):
            changes += [
                Change(f"{label}, {one.label}", one.old, one.new)
                for one in differences(before, now)
            ]
        else:
            changes.append(Change(label, _plain(before), _plain(now)))
    return tuple(changes)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return short(", ".join(value))
    return short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
