"""How amounts, times and ages are written on screen. The only place where numbers become text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from babel.numbers import format_decimal
from django.utils import timezone

from integrator.engine.money import EXPONENTS

LOCALE = "en"
SOON = timedelta(hours=2)
MINUTE = timedelta(minutes=1)


class UnableToRead(Exception):
    """What was typed is not an amount. The text says what is expected."""


def number_of(amount_minor: int, currency: str) -> str:
    """An amount without its currency: 1,234.50, with a real minus sign."""
    digits = EXPONENTS[currency]
    value = Decimal(amount_minor).scaleb(-digits)
    text: str = format_decimal(value, format=f"#,##0.{'0' * digits}".rstrip("."), locale=LOCALE)
    return text.replace("-", "\N{MINUS SIGN}")


def plain_number(amount_minor: int, currency: str) -> Decimal:
    """An amount as a file keeps it: a number with its decimals, without thousands set apart."""
    return Decimal(amount_minor).scaleb(-EXPONENTS[currency])


def amount_text(amount_minor: int, currency: str) -> str:
    return f"{currency} {number_of(amount_minor, currency)}"


# Thousands set apart, as amounts are shown here, and the decimals after them.
_GROUPED = re.compile(
    r"([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.([0-9]+))?"
    r"|([1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,([0-9]+))?"
)
_NUMBER = re.compile(r"([0-9]{1,15})(?:[.,]([0-9]{1,15}))?")


def minor_of(text: str, currency: str) -> int:
    """The minor units somebody typed as 49.90, 49,90 or EUR 1,249.90.

    A lone 1,249 or 1.249 is refused where it could be either, thousands or decimals. With three
    decimals 1.249 is an amount as we write it, and read as that.
    """
    digits = EXPONENTS[currency]
    plain = text.replace(" ", "").removeprefix(currency).removesuffix(currency)
    if (grouped := _GROUPED.fullmatch(plain)) is not None:
        whole, cents = grouped[1] or grouped[3], grouped[2] or grouped[4]
        thousands = re.split("[.,]", whole)
        joined = "".join(thousands)
        if cents or len(thousands) > 2 or not digits:
            plain = f"{joined}.{cents or 0}"
        elif digits != 3 or "," in whole:
            raise UnableToRead(
                f"{plain} can be read in two ways: write {joined} for thousands, or a dot and "
                f"{plural(digits, 'decimal')}"
            )
    if (number := _NUMBER.fullmatch(plain)) is None:
        raise UnableToRead("Write an amount like 49.90")
    decimals = (number[2] or "").rstrip("0")
    if len(decimals) > digits:
        raise UnableToRead(f"Write an amount with at most {digits} decimals")
    minor = int(number[1] + decimals.ljust(digits, "0"))
    if not 0 < minor < 10**12:
        raise UnableToRead("Write an amount above zero")
    return minor


def typed(text: str) -> str:
    """What somebody typed, without surrounding blanks and without what cannot be stored."""
    return text.replace("\x00", "").strip()


def clock_time(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%H:%M")


def day_of(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%A} {local.day} {local:%B %Y}"


def date_text(day: date) -> str:
    """30 Nov 2025: a day that is no moment."""
    return f"{day.day} {day:%b %Y}"


def moment_text(moment: datetime, *, at: datetime) -> str:
    """10:42 today, Mon 30 Nov 09:12 this year, 30 Nov 2025 before."""
    local, today = timezone.localtime(moment), timezone.localtime(at)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return f"{local:%a} {local.day} {local:%b %H:%M}"
    return f"{local.day} {local:%b %Y}"


def then_text(moment: datetime, *, at: datetime) -> str:
    """A moment that is over, with its day and time: 3 May 14:00, also of today."""
    local, today = timezone.localtime(moment), timezone.localtime(at)
    year = f" {local.year}" if local.year != today.year else ""
    seconds = ":%S" if local.second else ""
    return f"{local.day} {local:%b}{year} {local:%H:%M{seconds}}"


def start_text(moment: datetime, *, at: datetime) -> str:
    """A moment to come: as ``moment_text``, and with its time also in another year."""
    local, today = timezone.localtime(moment), timezone.localtime(at)
    if local.year == today.year:
        return moment_text(moment, at=at)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M}"


def up_to_minute(moment: datetime) -> datetime:
    """The next full minute, or the moment itself where it is one."""
    minute = moment.replace(second=0, microsecond=0)
    return minute if minute == moment else minute + MINUTE


def span(length: timedelta) -> str:
    """A length of time with at most two units: 47 min, 1 h 18 min, 3 d 4 h."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    days = hours // 24
    return f"{days} d {hours % 24} h" if hours % 24 and days < 10 else f"{days} d"


def lasted(length: timedelta) -> str:
    """How long something went on, for a sentence: as ``span``, and nobody reads seconds."""
    return span(length) if length >= MINUTE else "less than a minute"


def ago_text(moment: datetime | None, *, at: datetime) -> str:
    """How long ago, to the minute: never, just now, 47 min ago."""
    if moment is None:
        return "never"
    return f"{span(at - moment)} ago" if at - moment >= MINUTE else "just now"


def learnt_text(happened: datetime, learnt: datetime) -> tuple[str, bool]:
    """How long after it happened we learnt it, and whether that is late enough to stand out."""
    late = learnt - happened
    if late < MINUTE:
        return "at once", False
    return f"{span(late)} later", late >= timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """When something must be done, said three times: symbol, words and colour."""

    symbol: str
    long: str
    short: str


def due_of(due_at: datetime, *, at: datetime) -> Due:
    left = due_at - at
    when = moment_text(due_at, at=at)
    if left <= timedelta():
        return Due("bad", f"Overdue {lasted(-left)}", f"overdue {lasted(-left)}")
    if left <= SOON:
        return Due("wait", f"Urgent: due {when}, {span(left)} left", f"{when} · {span(left)} left")
    return Due("idle", f"Due {when}", when)


def fee_words(key: str) -> str:
    """A platform's name of a fee as words: returnFee → return fee."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key).replace("_", " ").lower()


def times(count: int) -> str:
    """How often, as people say it."""
    return "once" if count == 1 else f"{count:,} times"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
