"""What a step leaves as its proof, in words. Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fulfilment.states import Bucket

# Names of evidence that do not speak for themselves.
_WORDS = {
    "nothing": "nothing to do:",
    "rma": "return",
    "refund": "refund:",
    "case": "case C-",
    "key": "replacement",
    "exchange": "replacement",
}
# What a count counts, for one and for more.
_COUNTS = {
    "changes": ("change of state", "changes of state"),
    "steps": ("unit changed", "units changed"),
    "returns": ("return looked at again", "returns looked at again"),
    "mails": ("e-mail sent", "e-mails sent"),
    "seen": ("record compared", "records compared"),
    "compared": ("record compared", "records compared"),
    "missed": ("missed by callback", "missed by callback"),
    "released": ("step goes on", "steps go on"),
    "hurried": ("step goes on now", "steps go on now"),
    "bodies": ("message emptied", "messages emptied"),
    "orders": ("order", "orders"),
    "notes": ("note emptied", "notes emptied"),
}
_NONE = {"missed": "none"}
# Our own row numbers, which no screen shows anywhere else.
_ROW_NUMBERS = ("batch", "mapping", "refund", "run", "verdict")
_BUCKETS = {one.value: str(one.label).lower() for one in Bucket}


def in_words(evidence: Mapping[str, Any]) -> str:
    """What counts as proof, in one line."""
    told = [
        _word(name, value)
        for name, value in evidence.items()
        if isinstance(value, str | int)
        and not isinstance(value, bool)
        and value != ""
        # An amount in cents is nothing to read; the refund itself shows it.
        and not name.endswith("_minor")
        and not (name in _ROW_NUMBERS and isinstance(value, int))
    ]
    return ", ".join(told[:2])


def _word(name: str, value: str | int) -> str:
    if name in _COUNTS and isinstance(value, int):
        return f"{value or _NONE.get(name, 'no')} {_COUNTS[name][value != 1]}"
    said = _WORDS.get(name, name.replace("_", " "))
    return f"{said}{'' if said.endswith('-') else ' '}{_BUCKETS.get(str(value), value)}"
