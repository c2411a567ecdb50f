"""Readers that turn a vendor's JSON into plain values, or say which field is wrong.

They never guess: a value is of the promised kind, or ``Malformed`` names its path. They know no
platform.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from integrator.engine.errors import Malformed
from integrator.engine.money import EXPONENTS

_LARGEST = 2**63 - 1  # what a bigint column holds
_LONGEST_KEY = 255
# Binary floats of the senders leave dust such as 66.64999999999999; more than that is a real
# fraction of a cent, and rounding it would invent money.
_DUST = Decimal("0.001")
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")


@dataclass(frozen=True, slots=True)
class Field:
    """A value out of a vendor's JSON, with the path that leads to it."""

    value: Any
    path: str = ""

    def __getitem__(self, key: str) -> Field:
        """A field of this object; absent when the object or the field is not there."""
        # PHP senders write an empty object as [].
        if self.value is None or self.value == []:
            return Field(None, self._join(key))
        if not isinstance(self.value, dict):
            self.fail("is not an object")
        return Field(self.value.get(key), self._join(key))

    def each(self) -> Iterator[Field]:
        """The elements of this list; none when it is not there."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.fail("is not a list")
        for index, element in enumerate(self.value):
            yield Field(element, f"{self.path}[{index}]")

    @property
    def absent(self) -> bool:
        """Missing, null or an empty text: senders use all three for "nothing"."""
        return self.value is None or self.value == ""

    def require_object(self) -> Field:
        if not isinstance(self.value, dict):
            self.fail("is missing" if self.value is None else "is not an object")
        return self

    def text(self) -> str:
        """An id or a word that must be there: a text, or a whole number as text."""
        value = self.value
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
            return str(value)
        if self.absent:
            self.fail("is missing")
        if not isinstance(value, str):
            self.fail("is not a text")
        if len(value) > _LONGEST_KEY:
            self.fail("is too long")
        if _storable(value) != value:
            self.fail("holds characters that cannot be stored")
        return value

    def text_or_empty(self) -> str:
        return "" if self.absent else self.text()

    def prose(self) -> str:
        """What a person wrote. Characters that cannot be stored are replaced, not refused."""
        if self.absent:
            return ""
        if not isinstance(self.value, str):
            self.fail("is not a text")
        return _storable(self.value)

    def integer(self) -> int:
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None:
            self.fail("is missing")
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail("is not a whole number")
        if abs(value) > _LARGEST:
            self.fail("is too large")
        return int(value)

    def minor(self) -> int:
        """An amount that the sender already gives in minor units; never below zero."""
        amount = self.integer()
        if amount < 0:
            self.fail("is below zero")
        return amount

    def money(self, currency: str) -> int:
        """An amount in major units, as minor units of ``currency``; never below zero."""
        number = self.decimal()
        if number < 0:
            self.fail("is below zero")
        exact = number.scaleb(EXPONENTS[currency])
        if exact > _LARGEST:
            self.fail("is too large")
        amount = int(exact.to_integral_value())
        if abs(exact - amount) > _DUST:
            self.fail(f"has more decimals than {currency}")
        return amount

    def decimal(self) -> Decimal:
        value = self.value
        if self.absent:
            self.fail("is missing")
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self.fail("is not a number")
        # int → str refuses numbers of thousands of digits, and Decimal words such as "abc".
        try:
            number = Decimal(str(value))
        except (InvalidOperation, ValueError):
            self.fail("is not a number")
        if not number.is_finite() or abs(number.adjusted()) > 30:
            self.fail("is not a number")
        return number

    def currency(self) -> str:
        code = self.text()
        if code not in EXPONENTS:
            self.fail("is not an ISO 4217 currency")
        return code

    def truth(self) -> bool:
        """True or false; senders write 1 and 0 as well."""
        if self.value is None:
            self.fail("is missing")
        if isinstance(self.value, bool) or (isinstance(self.value, int) and self.value in (0, 1)):
            return bool(self.value)
        self.fail("is neither true nor false")

    def when(self) -> datetime:
        """A moment with its offset. One without is refused: its hour would be a guess."""
        value = self.value
        if self.absent:
            self.fail("is missing")
        if not isinstance(value, str):
            self.fail("is not a date and time")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("is not a date and time")
        if moment.tzinfo is None:
            self.fail("has no time zone")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.fail("is out of range")

    def when_or_none(self) -> datetime | None:
        return None if self.absent else self.when()

    def fail(self, why: str) -> NoReturn:
        path = self.path or "body"
        raise Malformed(f"{path} {why}", cause=f"{path} {why}", facts={"field": path, "why": why})

    def _join(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def document(body: bytes) -> Field:
    """The JSON object a request body holds."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        Field(None).fail("is not JSON")
    return Field(value).require_object()


def plain(text: str, longest: int = 200) -> str:
    """An error text of a platform, fit for logs and screens: no addresses, one line, short."""
    return _EMAIL.sub("<e-mail>", " ".join(_storable(text).split()))[:longest]


def _storable(text: str) -> str:
    """``text`` as PostgreSQL can keep it: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
