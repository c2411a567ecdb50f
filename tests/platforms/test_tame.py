"""The readers take what senders really write, and name the field of everything else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integrator.engine.errors import Malformed
from integrator.engine.money import EXPONENTS
from integrator.platforms.scayle.countries import ALPHA_2
from integrator.platforms.tame import Field, document, plain


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        (24.5, "EUR", 2450),
        ("24.50", "EUR", 2450),
        (0, "EUR", 0),
        (0.07, "EUR", 7),
        (19.99, "EUR", 1999),
        (66.64999999999999, "EUR", 6665),
        (459.00000000000006, "ZAR", 45900),
        (1500, "JPY", 1500),
        (1.234, "KWD", 1234),
        (0.1 + 0.2, "EUR", 30),
    ],
)
def test_major_units_become_minor_units(amount: Any, currency: str, minor: int) -> None:
    assert Field(amount, "amount").money(currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (24.505, "EUR"),
        (0.5, "JPY"),
        (-1, "EUR"),
        (True, "EUR"),
        (None, "EUR"),
        ("", "EUR"),
        ("12,50", "EUR"),
        (float("nan"), "EUR"),
        (float("inf"), "EUR"),
        ("1e400", "EUR"),
        (10**20, "EUR"),
        ([], "EUR"),
    ],
)
def test_an_amount_is_never_rounded_into_being(amount: Any, currency: str) -> None:
    with pytest.raises(Malformed, match=r"^items\[2\]\.price "):
        Field(amount, "items[2].price").money(currency)


@pytest.mark.parametrize(
    ("reader", "value", "result"),
    [
        ("text", 70412, "70412"),
        ("text", " x ", " x "),
        ("text_or_empty", "", ""),
        ("text_or_empty", None, ""),
        ("prose", "zu\x00 gross \ud83d", "zu\ufffd gross ?"),
        ("integer", 8925.0, 8925),
        ("integer", -3, -3),
        ("minor", 0, 0),
        ("truth", 1, True),
        ("truth", 0, False),
        ("truth", False, False),
        ("when", "2026-10-02T10:12:00+02:00", datetime(2026, 10, 2, 8, 12, tzinfo=UTC)),
        ("when", "2026-10-02T08:12:00Z", datetime(2026, 10, 2, 8, 12, tzinfo=UTC)),
        ("when_or_none", "", None),
        ("currency", "SEK", "SEK"),
    ],
)
def test_a_good_value_is_read(reader: str, value: Any, result: Any) -> None:
    read = getattr(Field(value, "x"), reader)()
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("reader", "value", "why"),
    [
        ("text", None, "is missing"),
        ("text", "", "is missing"),
        ("text", True, "is not a text"),
        ("text", 1.5, "is not a text"),
        ("text", {}, "is not a text"),
        ("text", "a" * 256, "is too long"),
        ("text", "a\x00", "holds characters that cannot be stored"),
        ("text", 2**63, "is not a text"),
        ("prose", 5, "is not a text"),
        ("integer", "5", "is not a whole number"),
        ("integer", 5.5, "is not a whole number"),
        ("integer", True, "is not a whole number"),
        ("integer", float("nan"), "is not a whole number"),
        ("integer", 2**63, "is too large"),
        ("minor", -1, "is below zero"),
        ("truth", "true", "is neither true nor false"),
        ("truth", 2, "is neither true nor false"),
        ("truth", None, "is missing"),
        ("when", "yesterday", "is not a date and time"),
        ("when", 1760000000, "is not a date and time"),
        ("when", "2026-10-02 08:12:00", "has no time zone"),
        ("when", "2026-10-02", "has no time zone"),
        ("when", "0001-01-01T00:00:00+14:00", "is out of range"),
        ("currency", "eur", "is not an ISO 4217 currency"),
        ("currency", "XXX", "is not an ISO 4217 currency"),
        ("require_object", [], "is not an object"),
        ("require_object", None, "is missing"),
    ],
)
def test_a_bad_value_names_its_field(reader: str, value: Any, why: str) -> None:
    with pytest.raises(Malformed) as error:
        getattr(Field(value, "order.x"), reader)()
    assert error.value.facts == {"field": "order.x", "why": why}


def test_paths_name_the_way_to_a_field() -> None:
    body = Field({"items": [{}, {"price": {"withTax": "x"}}]})
    with pytest.raises(Malformed, match=r"^items\[1\]\.price\.withTax is not a whole number$"):
        list(body["items"].each())[1]["price"]["withTax"].integer()


def test_an_empty_php_list_stands_for_an_empty_object() -> None:
    assert Field([], "context")["key"].absent


@pytest.mark.parametrize("value", ["text", 5, [1], True])
def test_a_field_of_something_else_is_refused(value: Any) -> None:
    with pytest.raises(Malformed, match=r"^customer is not an object$"):
        Field(value, "customer")["id"]


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^items is not a list$"):
        list(Field({"0": 1}, "items").each())


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"1" * 5000]
)
def test_a_body_that_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed, match=r"^body "):
        document(content)


def test_an_error_text_loses_its_addresses_and_its_length() -> None:
    text = plain("Customer <pat.roe@example.test>\n unknown " + "x" * 400)
    assert text.startswith("Customer <<e-mail>> unknown xxx")
    assert len(text) == 200


def test_the_country_table_is_one_to_one_and_complete() -> None:
    assert len(ALPHA_2) == len(set(ALPHA_2.values())) == 249
    assert {"DEU": "DE", "CHE": "CH", "SWE": "SE"}.items() <= ALPHA_2.items()


def test_currencies_have_the_decimals_iso_gives_them() -> None:
    assert [EXPONENTS[code] for code in ("EUR", "JPY", "KWD", "ALL", "CLF")] == [2, 0, 3, 2, 4]
