"""What an act is given: the JSON a person or a script sends to make the sandbox's world move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrator.sandbox.calls import Refusal


class Wish:
    """An act's parameters. A bad one is refused with the name of its field."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def refuse(self, name: str, message: str) -> Refusal:
        return Refusal(400, name, message)

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str) or not value:
            raise self.refuse(name, "must be a text")
        return value

    def number(self, name: str, default: int | None = None, *, lowest: int = 0) -> int:
        value = self._values.get(name, default)
        # Ids of ReturnGO are texts of digits on the wire.
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            raise self.refuse(name, f"must be an integer of at least {lowest}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self.refuse(name, "must be true or false")
        return value

    def choice(self, name: str, allowed: Mapping[str, Any] | set[str], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise self.refuse(name, f"must be one of {', '.join(sorted(allowed))}")
        return value

    def rows(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refuse(name, "must be a list")
        return value

    def numbers(self, name: str) -> list[int]:
        return [Wish({name: row}).number(name, lowest=1) for row in self.rows(name)]


Act = Callable[..., dict[str, Any]]
