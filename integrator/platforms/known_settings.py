"""What a set-up may hold, by name. What nothing reads is a slip, and said to be one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

# What some were called once: their spelling would not lead there.
FORMERLY = {"screen_url": "pages.start", "return_url": "pages.rma"}


class UnknownSetting(Exception):
    """Nothing reads it. The message names it and says what to write."""


def check(names: Iterable[str], known: Collection[str], *, where: str) -> None:
    """UnknownSetting for the first name that is not known; ``where`` is what they stand in."""
    for name in names:
        if name not in known:
            raise UnknownSetting(f"{where}{name} is not known here: {_what_to_write(name, known)}")


def _what_to_write(name: str, known: Collection[str]) -> str:
    if name in FORMERLY:
        return f"it is {FORMERLY[name]} now"
    nearest = get_close_matches(name, known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"write one of {', '.join(known)}"
