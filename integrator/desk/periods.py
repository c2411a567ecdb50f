"""Days as the retailer's clock counts them: the period of a page of figures, and its weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

USUAL_DAYS = 30
# What a page counts in one go. A longer time is a question for the books, not for a day's work.
MOST_DAYS = 92
_EARLIEST = date(2000, 1, 1)
_LATEST = date(2200, 1, 1)


class UnableToReadPeriod(Exception):
    """The days asked for make no period. Says what to write."""


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both ends included. A day begins at midnight where the retailer is."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time.min, tzinfo=self.zone)

    @property
    def end(self) -> datetime:
        """The midnight after the last day: not part of the period."""
        return datetime.combine(self.last + timedelta(days=1), time.min, tzinfo=self.zone)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @property
    def query(self) -> str:
        return urlencode({"from": self.first.isoformat(), "to": self.last.isoformat()})

    @property
    def text(self) -> str:
        """3 November 2026, or 3 to 9 November 2026, or with both months."""
        last = f"{self.last.day} {self.last:%B %Y}"
        if self.first == self.last:
            return last
        if (self.first.year, self.first.month) == (self.last.year, self.last.month):
            return f"{self.first.day} to {last}"
        year = "" if self.first.year == self.last.year else f" {self.first.year}"
        return f"{self.first.day} {self.first:%B}{year} to {last}"

    def holds(self, field: str) -> Q:
        """The rows whose ``field`` lies in the period: what every figure and its list ask."""
        return Q(**{f"{field}__gte": self.start, f"{field}__lt": self.end})

    def of_day(self, day: date) -> Period:
        return Period(day, day, self.zone)


def zone() -> ZoneInfo:
    """The zone of the reader, which the door of every page has set to the retailer's."""
    return ZoneInfo(timezone.get_current_timezone_name())


def today(at: datetime) -> date:
    return timezone.localtime(at).date()


def usual(at: datetime) -> Period:
    """The last thirty days, today among them."""
    last = today(at)
    return Period(last - timedelta(days=USUAL_DAYS - 1), last, zone())


def read(first: str, last: str, *, at: datetime) -> Period:
    """The period somebody asked for; UnableToReadPeriod says what is wrong with it."""
    otherwise = usual(at)
    if not first and not last:
        return otherwise
    to = _day(last) if last else otherwise.last
    since = _day(first) if first else to - timedelta(days=USUAL_DAYS - 1)
    if since > to:
        raise UnableToReadPeriod("The first day must not be after the last one")
    if (to - since).days >= MOST_DAYS:
        raise UnableToReadPeriod(f"Choose at most {MOST_DAYS} days at a time")
    return Period(since, to, zone())


def week_of(day: date, in_zone: ZoneInfo) -> Period:
    """The week from Monday to Sunday that ``day`` is in."""
    monday = day - timedelta(days=day.weekday())
    return Period(monday, monday + timedelta(days=6), in_zone)


def read_week(text: str, *, at: datetime) -> Period:
    """The week of the day somebody asked for, or this one."""
    return week_of(_day(text) if text else today(at), zone())


def moment(text: str, *, zoned: bool = False) -> datetime:
    """The moment somebody wrote by the retailer's clock; UnableToReadPeriod says what to write.

    ``zoned``: it may name its own clock, as a file does for the hour that is there twice.
    """
    try:
        chosen = datetime.fromisoformat(text)
    except ValueError:
        raise UnableToReadPeriod("write a day and a time") from None
    names_its_clock = timezone.is_aware(chosen)
    if (names_its_clock and not zoned) or not _EARLIEST <= chosen.date() < _LATEST:
        raise UnableToReadPeriod("write a day and a time")
    if names_its_clock:
        return chosen
    found = timezone.make_aware(chosen)
    if timezone.make_naive(found.astimezone(UTC)) != chosen:
        raise UnableToReadPeriod("the clocks go forward then, this time does not exist that day")
    return found


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise UnableToReadPeriod("Choose a day from the calendar") from None
    if not _EARLIEST <= found < _LATEST:
        raise UnableToReadPeriod("Choose days of this century")
    return found
