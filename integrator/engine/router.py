"""The router: looks every new fact up in ``ROUTES`` and writes the Jobs. One works at a time.

A cursor over ids would lose facts whose transaction committed late, so facts are found by
``routed_at IS NULL``. Jobs and ``routed_at`` commit together.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.db import connection as database

from integrator.engine import cases, choices
from integrator.engine.errors import first_line
from integrator.engine.flow import Aim, Fact, Flow, Routes
from integrator.engine.states import Trace

log = structlog.get_logger(__name__)

BATCH = 500
GIVE_UP_AFTER = timedelta(days=7)
SET_ASIDE_AFTER = timedelta(minutes=10)
_LOCK = 7_310_001  # advisory lock of the one router

_UNROUTED = """
    (SELECT m.id, 'm' AS source,
            CASE WHEN m.verdict = 'ACCEPTED' THEN 'heard:' || c.platform || ':' || m.topic
                 ELSE 'heard:' || lower(m.verdict) END AS key,
            'message' AS record_kind, m.id AS record_id, m.order_id, m.connection_id,
            c.slug AS actor, m.received_at AS at,
            jsonb_build_object('platform', c.platform, 'kind', m.kind, 'origin', m.origin,
                'resource_kind', m.resource_kind, 'resource_id', m.resource_id,
                'event_id', m.event_id) AS data
       FROM integrator_message m JOIN integrator_connection c ON c.id = m.connection_id
      WHERE m.routed_at IS NULL AND {m} ORDER BY m.id LIMIT %(limit)s)
    UNION ALL
    (SELECT t.id, 't', t.record_kind || '.' || t.field || ':' || t.new, t.record_kind, t.record_id,
            t.order_id, NULL, t.actor, t.at, jsonb_build_object('old', t.old, 'reason', t.reason)
       FROM integrator_transition t
      WHERE t.routed_at IS NULL AND {t} ORDER BY t.id LIMIT %(limit)s)
    UNION ALL
    (SELECT e.id, 'e', CASE WHEN e.kind = 'DECIDED' THEN 'decided:' || e.action
                            ELSE 'case:' || e.kind END,
            'case', e.case_id, k.order_id, k.connection_id, e.actor, e.at,
            e.data || jsonb_build_object('event', e.id, 'kind', k.kind)
       FROM integrator_caseevent e JOIN integrator_case k ON k.id = e.case_id
      WHERE e.routed_at IS NULL AND {e} ORDER BY e.id LIMIT %(limit)s)
    ORDER BY 1 LIMIT %(limit)s
"""
# A fact that could not be routed stays aside as long as its case is open.
_NOT_ASIDE = """NOT EXISTS (SELECT 1 FROM integrator_case aside
    WHERE aside.kind = 'FACT_NOT_ROUTED' AND aside.cause = 'fact:' || {fact}.id
      AND aside.state <> 'SOLVED')"""
_UNROUTED = _UNROUTED.format(**{fact: _NOT_ASIDE.format(fact=fact) for fact in "mte"})
_TABLES = {"m": "integrator_message", "t": "integrator_transition", "e": "integrator_caseevent"}
_ANY_NEW = """SELECT EXISTS (SELECT 1 FROM integrator_message WHERE routed_at IS NULL)
                   OR EXISTS (SELECT 1 FROM integrator_transition WHERE routed_at IS NULL)
                   OR EXISTS (SELECT 1 FROM integrator_caseevent WHERE routed_at IS NULL)"""


def route(routes: Routes, *, at: datetime, limit: int = BATCH) -> set[str] | None:
    """Turn up to ``limit`` new facts into Jobs. Returns the queues that got work.

    None when there was nothing, or when another router is at it. Several processes may call this
    at any time: the advisory lock lets one through, and it is released with the transaction.
    """
    if not _is_any_new():
        return None
    with transaction.atomic():
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                return None
            cursor.execute(_UNROUTED, {"limit": limit})
            rows = cursor.fetchall()
        if not rows:
            return None
        try:
            with transaction.atomic():
                return _route_rows(routes, rows, at)
        except Exception:
            if database.needs_rollback:
                raise  # the database itself is gone
            log.exception("facts_not_routed_together", facts=len(rows))
        return _route_one_by_one(routes, rows, at)


def _is_any_new() -> bool:
    """Asked first, without a transaction: most rounds of most workers find nothing. Facts that are
    set aside count as well.
    """
    with database.cursor() as cursor:
        cursor.execute(_ANY_NEW)
        return bool(cursor.fetchone()[0])


Row = Sequence[Any]


def _route_rows(routes: Routes, rows: Sequence[Row], at: datetime) -> set[str]:
    queues = _write_jobs(_owed(routes, [_fact(row) for row in rows]), at)
    _mark_routed(rows, at)
    return queues


def _route_one_by_one(routes: Routes, rows: Sequence[Row], at: datetime) -> set[str] | None:
    """One fact that cannot be routed must not stop all others: it is set aside with a case.

    It is not marked as routed. When its case is closed it is taken again. An error of the database
    says nothing about the fact: it is taken again in the next rounds, and set aside only when that
    has gone on for long. None when all of them are left for later.
    """
    queues: set[str] = set()
    left = 0
    for row in rows:
        try:
            with transaction.atomic():
                queues |= _route_rows(routes, [row], at)
        except Exception as error:
            if database.needs_rollback:
                raise
            fact, said = _fact(row), first_line(error)
            if isinstance(error, OperationalError) and at - fact.at < SET_ASIDE_AFTER:
                log.warning("fact_left_for_later", fact=fact.id, key=fact.key, exc_info=error)
                left += 1
                continue
            log.exception("fact_not_routed", fact=fact.id, key=fact.key)
            cases.open_case(
                cases.FACT_NOT_ROUTED,
                cases.About(
                    fact.record_kind,
                    fact.record_id,
                    order_id=fact.order_id,
                    connection_id=fact.connection_id,
                ),
                trace=Trace(at=at, actor="router"),
                cause=f"fact:{fact.id}",
                facts={"fact": fact.key, "error": f"{type(error).__name__}: {said}"[:300]},
            )
    return queues if left < len(rows) else None


def _fact(row: Row) -> Fact:
    fact_id, _, key, record_kind, record_id, order_id, connection_id, actor, at, data = row
    return Fact(
        id=fact_id,
        key=key,
        record_kind=record_kind,
        record_id=record_id,
        order_id=order_id,
        connection_id=connection_id,
        actor=actor,
        at=at,
        data=json.loads(data) if isinstance(data, str) else data,
    )


def _owed(routes: Routes, facts: Sequence[Fact]) -> list[tuple[Flow, Fact, Aim]]:
    """Every (flow, fact, aim) the table asks for, in the order of the facts, then of the table."""
    by_key: dict[str, list[Fact]] = {}
    for fact in facts:
        by_key.setdefault(fact.key, []).append(fact)
    aims: dict[tuple[str, int], Sequence[Aim]] = {}
    asked: dict[str, tuple[Flow, list[Fact]]] = {}
    for key, group in by_key.items():
        for flow in routes.get(key, ()):
            asked.setdefault(flow.name, (flow, []))[1].extend(group)
    for name, (flow, group) in asked.items():
        for fact_id, found in flow.aim(group).items():
            aims[name, fact_id] = [found] if isinstance(found, Aim) else found
    return [
        (flow, fact, aim)
        for fact in facts
        for flow in routes.get(fact.key, ())
        for aim in aims.get((flow.name, fact.id), ())
    ]


_INSERT = """
    INSERT INTO integrator_job (flow, fact, joined, record_kind, record_id, order_id, connection_id,
        queue, lane, join_key, priority, state, not_before, due_at, give_up_at, attempts, crashes,
        lookups, fence, lease_owner, alone, operation, kept, evidence, error_class, error, cause,
        actor, policy_version, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'DUE', %s, %s, %s, 0, 0, 0, 0, '', false,
        %s, '{}', '{}', '', '', '', %s, %s, %s)
    ON CONFLICT (join_key) WHERE join_key IS NOT NULL AND state = 'DUE' AND attempts = 0
    DO UPDATE SET joined = integrator_job.joined || EXCLUDED.fact || EXCLUDED.joined,
        not_before = least(integrator_job.not_before, EXCLUDED.not_before)
"""


_NOT_BEFORE = 11  # its place among the values of _INSERT


def _write_jobs(owed: Iterable[tuple[Flow, Fact, Aim]], at: datetime) -> set[str]:
    rows: dict[object, list[object]] = {}
    queues: set[str] = set()
    policies = choices.current_versions()
    for flow, fact, aim in owed:
        queue = aim.queue or flow.queue
        queues.add(queue)
        connection_id = aim.connection_id or fact.connection_id
        join_key = _join_key(flow, aim)
        not_before = at + timedelta(seconds=aim.delay_seconds)
        if join_key is not None and join_key in rows:
            joined = rows[join_key]
            joined[2].append(fact.id)  # type: ignore[attr-defined]
            joined[_NOT_BEFORE] = min(joined[_NOT_BEFORE], not_before)  # type: ignore[call-overload]
            continue
        rows[join_key or (flow.name, fact.id, aim.lane)] = [
            flow.name,
            fact.id,
            [],
            aim.record_kind,
            aim.record_id,
            aim.order_id or fact.order_id,
            connection_id,
            queue,
            aim.lane,
            join_key,
            flow.priority,
            not_before,
            at + timedelta(minutes=flow.due_minutes),
            at + GIVE_UP_AFTER,
            uuid.uuid4(),
            fact.actor,
            policies.get(connection_id),
            at,
        ]
    if rows:
        with database.cursor() as cursor:
            cursor.executemany(_INSERT, list(rows.values()))  # type: ignore[arg-type]
    return queues


def _join_key(flow: Flow, aim: Aim) -> str | None:
    if not flow.joins:
        return None
    return f"{flow.name}/{aim.join or f'{aim.lane}/{aim.record_kind}/{aim.record_id}'}"


def _mark_routed(rows: Sequence[Row], at: datetime) -> None:
    with database.cursor() as cursor:
        for source, table in _TABLES.items():
            ids = [row[0] for row in rows if row[1] == source]
            if ids:
                cursor.execute(
                    f"UPDATE {table} SET routed_at = %s WHERE id = ANY(%s)",  # noqa: S608
                    [at, ids],
                )


def unrouted_since(*, at: datetime) -> timedelta:
    """How long the oldest fact has been waiting for the router: zero when none does."""
    with database.cursor() as cursor:
        cursor.execute(f"SELECT min(at) FROM ({_UNROUTED}) waiting", {"limit": 1})  # noqa: S608
        oldest = cursor.fetchone()[0]
    return max(at - oldest, timedelta()) if oldest else timedelta()
