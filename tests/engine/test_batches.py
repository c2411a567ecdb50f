"""Batches: windows by the retailer's clock, counts that are fixed at closing, results per item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from integrator.engine import batches, choices
from integrator.engine.batches import Change
from integrator.engine.states import Trace
from integrator.models import Batch, BatchItem, BatchItemState, Connection, Transition

BERLIN = "Europe/Berlin"
AT = datetime(2026, 3, 2, 9, 7, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "at", "end"),
    [
        ("at once", AT, AT),
        ("every 15 minutes", AT, utc(2026, 3, 2, 9, 15)),
        ("every 15 minutes", utc(2026, 3, 2, 9, 15), utc(2026, 3, 2, 9, 30)),
        ("every 1 minute", AT, utc(2026, 3, 2, 9, 8)),
        # A day is no multiple of 50 minutes: the last window ends with the retailer's day.
        ("every 50 minutes", utc(2026, 3, 2, 22, 50), utc(2026, 3, 2, 23, 0)),
        ("daily at 18:00", AT, utc(2026, 3, 2, 17, 0)),
        ("daily at 18:00", utc(2026, 3, 2, 17, 0), utc(2026, 3, 3, 17, 0)),
        ("daily at 00:30", utc(2026, 3, 2, 23, 10), utc(2026, 3, 2, 23, 30)),
        # The clocks go forward on 29 March and back on 25 October.
        ("daily at 18:00", utc(2026, 3, 28, 17, 30), utc(2026, 3, 29, 16, 0)),
        ("daily at 02:30", utc(2026, 3, 28, 12, 0), utc(2026, 3, 29, 1, 30)),
        ("daily at 18:00", utc(2026, 10, 24, 16, 30), utc(2026, 10, 25, 17, 0)),
    ],
)
def test_a_window_ends_by_the_retailers_clock(rule: str, at: datetime, end: datetime) -> None:
    assert batches.closes_at(rule, at=at, timezone=BERLIN) == end


@given(
    minutes=st.integers(1, 9999),
    minute_of_year=st.integers(0, 525_600),
)
def test_a_window_ends_after_it_began_and_not_later_than_it_is_long(
    minutes: int, minute_of_year: int
) -> None:
    at = utc(2026, 1, 1) + timedelta(minutes=minute_of_year)
    end = batches.closes_at(f"every {minutes} minutes", at=at, timezone=BERLIN)
    assert at < end <= at + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "rule", ["", "daily at 24:00", "daily at 6:00", "every 0 minutes", "every hour", 15, None]
)
def test_a_rule_nobody_understands_is_not_saved(rule: Any) -> None:
    with pytest.raises(choices.UnableToSetPolicy, match="status_posting"):
        choices.check({"status_posting": rule})


def collect(connection: Connection, order: int, *facts: int, at: datetime, **more: Any) -> None:
    batches.collect(
        Change("order", order, None, facts, at, **more),
        connection_id=connection.pk,
        kind=Batch.Kind.RETURN_STATUSES,
        rule="every 15 minutes",
        timezone=BERLIN,
        trace=Trace(at=at, actor="test"),
    )


@pytest.mark.requirement("R004")
def test_n_changes_inside_a_window_are_one_batch_with_count_n(connection: Connection) -> None:
    collect(connection, 1, 11, at=AT, amount_minor=500, currency="EUR")
    collect(connection, 2, 12, 13, at=AT + timedelta(minutes=2))
    collect(connection, 1, 14, at=AT + timedelta(minutes=7), amount_minor=250, currency="EUR")
    assert batches.close_due(at=AT + timedelta(minutes=7)) == 0
    assert batches.close_due(at=AT + timedelta(minutes=8)) == 1
    assert batches.close_due(at=AT + timedelta(minutes=8)) == 0

    batch = Batch.objects.get()
    assert (batch.state, batch.count, batch.totals) == ("POSTING", 4, {"EUR": 750})
    assert [item.changes for item in batch.items.order_by("id")] == [[11, 14], [12, 13]]
    owed = Transition.objects.filter(record_kind="batch_item", new="DUE")
    assert owed.count() == 2, "one step of work per order"


def test_what_comes_after_closing_opens_the_next_batch(connection: Connection) -> None:
    collect(connection, 1, 11, at=AT)
    batches.close_due(at=AT + timedelta(minutes=8))
    collect(connection, 1, 12, at=AT + timedelta(minutes=8))

    assert [one.count for one in Batch.objects.order_by("id")] == [1, None]


def test_a_batch_is_done_with_its_last_item_and_a_failed_one_is_in_the_next(
    connection: Connection,
) -> None:
    collect(connection, 1, 11, at=AT, amount_minor=500, currency="EUR")
    collect(connection, 2, 12, at=AT)
    end = AT + timedelta(minutes=8)
    batches.close_due(at=end)
    batch = Batch.objects.get()
    bad, good = batch.items.order_by("id")
    trace = Trace(at=end, actor="test")

    for _ in range(2):  # twice is harmless
        batches.fail_item(bad, rule="at once", timezone=BERLIN, trace=trace, reason="refused")
    batch.refresh_from_db()
    assert batch.state == "POSTING"
    batches.end_item(good, BatchItemState.POSTED, trace=trace, reason="seen")
    batch.refresh_from_db()
    assert batch.state == "DONE"

    carried = BatchItem.objects.get(state="COLLECTED")
    assert (carried.carried_from, carried.changes, carried.amount_minor) == (bad, [11], 500)
    assert carried.batch.closes_at == utc(2026, 3, 2, 9, 30), "not at once again: it was refused"
    bad.refresh_from_db()
    assert (bad.state, bad.error) == ("FAILED", "refused")


def test_the_database_keeps_one_open_batch_per_window(connection: Connection) -> None:
    values = {"connection": connection, "kind": "RETURN_STATUSES", "closes_at": AT}
    Batch.objects.create(opened_at=AT, **values)
    with pytest.raises(IntegrityError, match="batch_window_once"), transaction.atomic():
        Batch.objects.create(opened_at=AT, **values)
