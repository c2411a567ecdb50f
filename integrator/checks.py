"""Start-up checks: the guarantees that live in the database must be there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pgtrigger
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection as database

from integrator.roles import Role


def declared_triggers() -> dict[tuple[str, str], str]:
    """Every declared trigger as (table, name in PostgreSQL) → the model's label."""
    return {
        (model._meta.db_table, trigger.get_pgid(model)): model._meta.label
        for model, trigger in pgtrigger.registered()
    }


def installed_triggers() -> dict[tuple[str, str], bool]:
    """Every trigger of ours that PostgreSQL has as (table, name) → whether it is switched on."""
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT c.relname, t.tgname, t.tgenabled <> 'D' FROM pg_trigger t
                 JOIN pg_class c ON c.oid = t.tgrelid
                WHERE NOT t.tgisinternal AND t.tgname LIKE 'pgtrigger_%'"""
        )
        return {(table, name): enabled for table, name, enabled in cursor.fetchall()}


@register(Tags.database)
def triggers_are_installed(
    app_configs: Any, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Append-only rows and status moves are kept by triggers: a missing one is a start-up error."""
    if not databases or "default" not in databases:
        return []
    with database.cursor() as cursor:
        cursor.execute("SELECT to_regclass('integrator_message') IS NULL")
        if cursor.fetchone()[0]:
            return []  # nothing is migrated yet: migrate comes first
    installed = installed_triggers()
    return [
        Error(
            f"The trigger {name} on {label} is not installed or switched off.",
            hint="Run manage.py migrate, then manage.py pgtrigger install.",
            id="integrator.E001",
        )
        for (table, name), label in sorted(declared_triggers().items())
        if not installed.get((table, name), False)
    ]


@register(Tags.security)
def roles_with_a_second_factor_exist(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """A role with a typing error would go without the second factor that somebody meant it to."""
    return [
        Error(
            f"MFA_ROLES names {word.lower()!r}, which is no role.",
            hint=f"Write some of {', '.join(Role.values).lower()}, separated by commas.",
            id="integrator.E002",
        )
        for word in settings.MFA_ROLES
        if word not in Role.values
    ]
