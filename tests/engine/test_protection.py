"""What the database itself refuses, to Django and raw SQL alike: the trail cannot be rewritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pgtrigger
import pytest
from django.core.checks import Error
from django.db import DatabaseError, models, transaction
from django.db import connection as database

from integrator import checks
from integrator.engine.states import Raced, Trace, UnableToMove, move
from integrator.models import (
    Approval,
    Connection,
    ConnectionState,
    Export,
    Mapping,
    Retailer,
    RoleGrant,
    Transition,
)
from tests.engine import rows, toys

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("R040")]

TRIGGERS = {
    (model, trigger.name): trigger
    for model, trigger in pgtrigger.registered()
    if model in rows.every_model()
}
KEPT_FOR_EVER = sorted(
    {model for model, name in TRIGGERS if name == "no_truncate"}, key=lambda one: one._meta.label
)
ROUTED = [model for model in KEPT_FOR_EVER if (model, "routed_once") in TRIGGERS]
# The one column of a kept row that may be set, once.
ONCE = dict.fromkeys(ROUTED, "routed_at") | {Export: "row_count"}
# What the audit trail rests on. A model that leaves this list left it by mistake.
TRAIL = {
    "integrator.Message",
    "integrator.Transition",
    "integrator.CaseEvent",
    "integrator.Attempt",
    "integrator.PolicyVersion",
    "returns.Inspection",
    "fulfilment.StockMovement",
    "finance.LedgerEntry",
    "integrator.Seal",
    "integrator.SealCheck",
    "integrator.Export",
    "integrator.Sighting",
}


def label(value: Any) -> str:
    return value._meta.label if hasattr(value, "_meta") else str(value)


@contextmanager
def refused(by: str) -> Iterator[None]:
    with pytest.raises(DatabaseError, match=by), transaction.atomic():
        yield


def run(statement: str, *values: Any) -> int:
    """Raw SQL of a test's own making."""
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def put(model: type[models.Model], **given: Any) -> Any:
    with rows.triggers_asleep():
        return rows.make(model, **given)


class Undo(Exception):
    """Rolls back what was let through."""


@contextmanager
def undone() -> Iterator[None]:
    """Nothing stays: rows whose foreign keys point nowhere would fail the end of the test."""
    with suppress(Undo), transaction.atomic():
        yield
        raise Undo


# --- rows that are kept for ever -----------------------------------------------------------------


def test_the_whole_trail_is_kept_for_ever() -> None:
    assert {label(model) for model in KEPT_FOR_EVER} >= TRAIL


@pytest.mark.parametrize("model", KEPT_FOR_EVER, ids=label)
def test_a_row_cannot_be_changed(model: Any) -> None:
    row = put(model, **({ONCE[model]: None} if model in ONCE else {}))
    table = model._meta.db_table
    for field in model._meta.concrete_fields:
        if field.primary_key or field.name == ONCE.get(model):
            continue
        with refused("Cannot update"):
            model.objects.filter(pk=row.pk).update(**{field.name: None})
        with refused("Cannot update"):
            run(f"UPDATE {table} SET {field.column} = NULL WHERE id = {row.pk}")  # noqa: S608


@pytest.mark.parametrize("model", KEPT_FOR_EVER, ids=label)
def test_a_row_cannot_be_deleted_nor_the_table_emptied(model: Any) -> None:
    row = put(model)
    table = model._meta.db_table
    if (model, "no_delete") in TRIGGERS:
        with refused("Cannot delete"):
            model.objects.filter(pk=row.pk)._raw_delete("default")
        with refused("Cannot delete"):
            run(f"DELETE FROM {table} WHERE id = {row.pk}")  # noqa: S608
    with refused("cannot truncate"):
        run(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("model", ROUTED, ids=label)
def test_a_fact_is_marked_as_routed_once(model: Any) -> None:
    row = put(model, routed_at=None)
    fact = f"{model._meta.db_table} SET routed_at"
    with undone():
        assert run(f"UPDATE {fact} = %s WHERE id = {row.pk}", rows.AT) == 1
        with refused("Cannot update"):
            run(f"UPDATE {fact} = %s WHERE id = {row.pk}", rows.AT.replace(year=2027))
        with refused("Cannot update"):
            run(f"UPDATE {fact} = NULL WHERE id = {row.pk}")


def test_the_rows_of_an_export_are_counted_once() -> None:
    row = put(Export, row_count=None)
    assert Export.objects.filter(pk=row.pk).update(row_count=3) == 1
    for other in (4, None):
        with refused("Cannot update"):
            Export.objects.filter(pk=row.pk).update(row_count=other)


def test_what_was_asked_and_answered_stays() -> None:
    """The second person's word is on exactly this, and it is theirs for ever."""
    asked = put(Approval, state="ASKED", decided_by_id=None, decided_at=None)
    mine = Approval.objects.filter(pk=asked.pk)
    for change in ({"content": {"to": "other"}}, {"asked_by_id": 7}, {"digest": "x"}):
        with refused("Cannot update"):
            mine.update(**change)
    answered = Approval.objects.filter(pk=put(Approval, state="GRANTED").pk)
    for change in ({"decided_by_id": 9}, {"decided_at": None}):
        with refused("Cannot update"):
            answered.update(**change)


# --- moves ---------------------------------------------------------------------------------------


@pytest.mark.requirement("R021")
@pytest.mark.parametrize(("model", "field"), rows.moving(), ids=label)
def test_every_move_that_is_not_listed_is_refused(model: Any, field: str) -> None:
    rows.forget_checks(model)
    moves = rows.moves_of(model, field)
    states = [state for state, _ in model._meta.get_field(field).choices]
    table = model._meta.db_table
    wrong = []
    for old in states:
        row = put(model, **{field: old})
        for new in states:
            if new == old:
                continue
            allowed = new in moves.get(old, ())
            ways: list[Callable[[], int]] = [
                lambda row=row, new=new: model.objects.filter(pk=row.pk).update(**{field: new}),
                lambda row=row, new=new: run(
                    f"UPDATE {table} SET {field} = %s WHERE id = {row.pk}",  # noqa: S608
                    new,
                ),
            ]
            for way in ways:
                if passes(way) != allowed:
                    wrong.append((old, new, "refused" if allowed else "let through"))

    assert wrong == []


def passes(way: Callable[[], int]) -> bool:
    """Whether a change goes through. It is undone in any case."""
    try:
        with undone():
            assert way() == 1
    except DatabaseError as error:
        # "Cannot update": rows that only ever grow in number, such as verdicts.
        known = ("Invalid transition", "Cannot insert", "Cannot update")
        assert any(words in str(error) for words in known), error
        return False
    return True


@pytest.mark.requirement("R021")
@pytest.mark.parametrize(("model", "field"), rows.moving(), ids=label)
def test_a_row_is_born_only_as_listed(model: Any, field: str) -> None:
    rows.forget_checks(model)
    born = rows.moves_of(model, field)[""]
    states = [state for state, _ in model._meta.get_field(field).choices]
    others = {
        other: rows.moves_of(model, other)[""][0]
        for owner, other in rows.moving()
        if owner is model and other != field
    }

    def bear(state: str) -> Callable[[], int]:
        return lambda: bool(rows.make(model, **{**others, field: state}).pk)

    assert {state for state in states if passes(bear(state))} == set(born)


def test_move_writes_the_change_and_its_fact_together() -> None:
    connection = toys.connect()
    trace = Trace(at=rows.AT, actor="ada", job_id=4, message_id=5, policy_version=6)

    fact = move(connection, "state", ConnectionState.PAUSED, reason="Why", trace=trace)

    written = Transition.objects.get(pk=fact)
    assert (written.record_kind, written.record_id) == ("connection", connection.pk)
    assert (written.field, written.old, written.new) == ("state", "ACTIVE", "PAUSED")
    assert (written.reason, written.actor, written.at) == ("Why", "ada", rows.AT)
    assert (written.job_id, written.message_id, written.policy_version) == (4, 5, 6)


def test_a_move_that_is_not_listed_writes_nothing() -> None:
    connection = toys.connect(state=ConnectionState.PAUSED)
    trace = Trace(at=rows.AT, actor="ada")

    with pytest.raises(UnableToMove):
        move(connection, "state", ConnectionState.DEGRADED, reason="x", trace=trace)

    assert Transition.objects.count() == 0


def test_who_was_slower_changes_nothing_and_knows() -> None:
    mine = toys.connect()
    theirs = Connection.objects.get()
    trace = Trace(at=rows.AT, actor="ada")
    move(theirs, "state", ConnectionState.PAUSED, reason="first", trace=trace)

    with pytest.raises(Raced):
        move(mine, "state", ConnectionState.DEGRADED, reason="second", trace=trace)

    assert Connection.objects.get().state == ConnectionState.PAUSED
    assert Transition.objects.count() == 1


# --- installed is declared -----------------------------------------------------------------------


def test_every_declared_trigger_is_installed_as_declared() -> None:
    status = {
        f"{label(model)}.{trigger.name}": trigger.get_installation_status(model)[0]
        for model, trigger in pgtrigger.registered()
    }

    assert {name: found for name, found in status.items() if found != "INSTALLED"} == {}
    assert set(checks.installed_triggers()) == set(checks.declared_triggers())


@pytest.mark.parametrize(
    "harm",
    [
        "ALTER TABLE integrator_message DISABLE TRIGGER {name}",
        "DROP TRIGGER {name} ON integrator_message",
    ],
)
def test_a_missing_trigger_is_a_start_up_error(harm: str) -> None:
    assert checks.triggers_are_installed(None, databases=["default"]) == []
    trigger = TRIGGERS[toys.Message, "no_update"]
    run(harm.format(name=trigger.get_pgid(toys.Message)))

    [found] = checks.triggers_are_installed(None, databases=["default"])

    assert isinstance(found, Error)
    assert "integrator.Message" in found.msg


def test_what_a_word_meant_and_who_said_so_stays() -> None:
    """A meaning ends and another begins: what was said before is never rewritten."""
    said = Mapping.objects.filter(pk=put(Mapping, ended_at=None).pk)
    for change in ({"ours": "other"}, {"made_by": "user:ada"}, {"made_at": None}):
        with refused("Cannot update"):
            said.update(**change)
    with refused("Cannot delete"):
        said._raw_delete("default")
    with undone():
        assert said.update(ended_at=rows.AT) == 1


@pytest.mark.parametrize("model", [Connection, Retailer, RoleGrant], ids=label)
def test_the_history_of_settings_and_roles_cannot_be_rewritten(model: Any) -> None:
    history = model.pgh_event_model
    with rows.triggers_asleep():
        row = rows.make(history, pgh_context_id=None)
    mine = history.objects.filter(pk=row.pk)
    with refused("Cannot update or delete"):
        mine.update(pgh_label="nothing")
    with refused("Cannot update or delete"):
        mine._raw_delete("default")
