"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrator.desk import proofs, texts, words
from integrator.engine.money import money_text
from integrator.templatetags import desk

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (12995, "EUR", "129.95"),
        (-12995, "EUR", "\N{MINUS SIGN}129.95"),
        (724690, "EUR", "7,246.90"),
        (0, "EUR", "0.00"),
        (1500, "JPY", "1,500"),
        (1500, "KWD", "1.500"),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(minor: int, currency: str, said: str) -> None:
    assert words.number_of(minor, currency) == said


@pytest.mark.parametrize(
    ("typed", "minor"),
    [
        ("49.90", 4990),
        ("49,90", 4990),
        (" 7 ", 700),
        ("0.01", 1),
        ("EUR 1,249.90", 124990),
        ("1.249,90 EUR", 124990),
        ("1,234,567", 123456700),
        ("0,500", 50),
    ],
)
def test_amounts_are_read_as_people_type_them(typed: str, minor: int) -> None:
    assert words.minor_of(typed, "EUR") == minor


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "abc",
        "4.999",
        "1,24.90",
        "1e3",
        "4_9",
        "12E-1",
        "+5",
        "٤٩",
        "1.",
        "CHF 5",
        "-3",
        "0",
        "1e400",
        "1e999999",
        "9" * 5000,
        "NaN",
        "Infinity",
    ],
)
def test_what_is_not_an_amount_is_refused(typed: str) -> None:
    with pytest.raises(words.UnableToRead):
        words.minor_of(typed, "EUR")


@pytest.mark.parametrize(
    ("typed", "currency"),
    [("1,249", "EUR"), ("1,200", "EUR"), ("1.200", "EUR"), ("1,249", "KWD"), ("1.249", "CLF")],
)
def test_what_could_be_thousands_or_decimals_is_refused_and_says_so(
    typed: str, currency: str
) -> None:
    with pytest.raises(words.UnableToRead, match=r"can be read in two ways: write 12\d\d for thou"):
        words.minor_of(typed, currency)


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [("1.249", "KWD", 1249), ("1,249.500", "KWD", 1249500), ("1,249", "JPY", 1249)],
)
def test_an_amount_is_read_by_the_decimals_of_its_currency(
    typed: str, currency: str, minor: int
) -> None:
    assert words.minor_of(typed, currency) == minor


@pytest.mark.parametrize(
    ("left", "symbol", "said"),
    [
        (timedelta(minutes=-12), "bad", "overdue 12 min"),
        (timedelta(), "bad", "overdue less than a minute"),
        (timedelta(minutes=78), "wait", "13:18 · 1 h 18 min left"),
        (timedelta(hours=5), "idle", "17:00"),
        (timedelta(days=1), "idle", "Thu 19 Nov 12:00"),
    ],
)
def test_due_times_say_when_and_how_much_is_left(left: timedelta, symbol: str, said: str) -> None:
    due = words.due_of(NOON + left, at=NOON)

    assert (due.symbol, due.short) == (symbol, said)


def test_times_are_those_of_the_retailer() -> None:
    with timezone.override("Europe/Berlin"):
        assert words.moment_text(NOON, at=NOON) == "13:00"


def test_a_moment_to_come_keeps_its_time_of_day() -> None:
    with timezone.override("Europe/Berlin"):
        assert words.start_text(NOON + timedelta(days=2), at=NOON) == "Fri 20 Nov 13:00"
        assert words.start_text(NOON + timedelta(days=60), at=NOON) == "Sun 17 Jan 2027 13:00"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=24), "24 s"),
        (timedelta(minutes=47), "47 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=2, minutes=14), "2 h 14 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (timedelta(days=40, hours=4), "40 d"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_lengths_have_two_units_at_most(length: timedelta, said: str) -> None:
    assert words.span(length) == said


@pytest.mark.parametrize(
    ("length", "lasted", "ago"),
    [
        (timedelta(), "less than a minute", "just now"),
        (timedelta(seconds=-5), "less than a minute", "just now"),  # two clocks never agree
        (timedelta(seconds=59.9), "less than a minute", "just now"),
        (timedelta(minutes=1), "1 min", "1 min ago"),
        (timedelta(hours=2, minutes=14), "2 h 14 min", "2 h 14 min ago"),
    ],
)
def test_sentences_count_no_seconds(length: timedelta, lasted: str, ago: str) -> None:
    assert words.lasted(length) == lasted
    assert words.ago_text(NOON - length, at=NOON) == ago


@pytest.mark.parametrize(
    ("minor", "currency", "shown", "said"),
    [
        (123450, "EUR", "1,234.50", "EUR 1,234.50"),
        (1234, "JPY", "1,234", "JPY 1,234"),
        (12345, "KWD", "12.345", "KWD 12.345"),
        (12345, "RSD", "123.45", "RSD 123.45"),  # Babel shows none of its decimals
    ],
)
def test_an_amount_has_the_decimals_its_platform_gave_it_everywhere(
    minor: int, currency: str, shown: str, said: str
) -> None:
    assert words.number_of(minor, currency) == shown
    assert money_text(minor, currency) == said
    assert words.minor_of(said, currency) == minor  # copied from a page, it is read as it was


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("order DE-70002-X1 & more", 'order <span class="nw">DE-70002-X1</span> &amp; more'),
        ("<b>WH-9</b>", '&lt;b&gt;<span class="nw">WH-9</span>&lt;/b&gt;'),
        ("EUR 1,089.25, or", '<span class="nw">EUR 1,089.25</span>, or'),
        ("a gift-wrapped one", "a gift-wrapped one"),
        ("A-" + "B" * 40, "A-" + "B" * 40),
    ],
)
def test_a_number_is_never_cut_at_the_end_of_a_line(text: str, shown: str) -> None:
    assert texts.whole_ids(text) == shown


def test_in_a_value_a_number_has_the_face_of_ids_and_an_amount_has_not() -> None:
    shown = texts.mono_ids("DE-70002: EUR 89.25")

    assert shown == '<span class="id">DE-70002</span>: <span class="nw">EUR 89.25</span>'


@pytest.mark.parametrize(("count", "said"), [(1, "once"), (3, "3 times"), (1200, "1,200 times")])
def test_how_often_is_said_in_words(count: int, said: str) -> None:
    assert words.times(count) == said


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [
        ("RefundToPaymentMethod", "Refund to payment method"),
        ("refundToStoreCredit", "Refund to store credit"),
        ("REFUND_TO_CARD", "<code>REFUND_TO_CARD</code>"),
        ("ReturnGO", "ReturnGO"),
        ("Pending <b>", "Pending &lt;b&gt;"),
    ],
)
def test_a_platform_s_own_word_is_read_in_plain_words(theirs: str, shown: str) -> None:
    assert texts.their_word(theirs) == shown


def test_an_amount_in_a_text_stands_as_everywhere() -> None:
    amount = '<span class="amt"><span class="cur">EUR</span> 1,089.25</span>'
    assert texts.amounts("EUR 1,089.25 & more") == f"{amount} &amp; more"
    assert texts.amounts("about DE-70002") == 'about <span class="id">DE-70002</span>'


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("ordersRead", "orders, reading"),
        ("globalWrite", "everything, writing"),
        ("returnItemsWrite", "return items, writing"),
        ("day", "today, as we count"),
        ("", "as ReturnGO says"),
    ],
)
def test_limits_are_named_by_what_they_count(scope: str, said: str) -> None:
    assert desk.calls_name(scope, "ReturnGO") == said


def test_a_proof_is_written_in_words() -> None:
    assert proofs.in_words({"nothing": "no unit is here"}) == "nothing to do: no unit is here"
    assert proofs.in_words({"at": "Hamburg", "to": "SELLABLE"}) == "at Hamburg, to sellable"
    assert proofs.in_words({"batch": 1, "changes": 2}) == "2 changes of state"
    assert proofs.in_words({"steps": 1, "return": "R1"}) == "1 unit changed, return R1"
    assert proofs.in_words({"returns": 0}) == "no returns looked at again"
    assert proofs.in_words({"missed": 0}) == "none missed by callback"
    assert proofs.in_words({"case": 7}) == "case C-7"
    assert proofs.in_words({"refund": "none waits for proof"}) == "refund: none waits for proof"


def test_a_proof_shows_no_row_number_and_no_cents() -> None:
    assert proofs.in_words({"refund": 2, "amount_minor": 8925}) == ""
