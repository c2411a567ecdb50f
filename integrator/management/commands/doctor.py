"""``manage.py doctor``: is this installation ready? Prints every check, fails when one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.core.checks import Error, run_checks
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection as database

from fulfilment.models import Location
from integrator.engine import choices, clock, mappings, watch
from integrator.engine.errors import Misconfigured, PlatformError
from integrator.engine.http import Http
from integrator.engine.lag import all_lags
from integrator.models import Connection, MappingKind, Retailer
from integrator.platforms import PLATFORMS
from integrator.platforms.contract import WrongSetting
from integrator.roles import Role

# Beside those of the workers and their calls: eight threads of the web server, the cluster's own
# processes, the watch, and people at a shell.
OTHER_CONNECTIONS = 20

Finding = tuple[bool, str]


class Command(BaseCommand):
    help = "Check settings, database, connections, policy and mappings."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--offline", action="store_true", help="do not call the platforms")

    def handle(self, *args: Any, **options: Any) -> None:
        checks: list[Callable[[], Iterator[Finding]]] = [
            self._database,
            self._settings,
            self._people,
            self._retailers,
            self._locations,
            self._workers,
        ]
        if not options["offline"]:
            checks.append(self._connections)
        failed = 0
        for check in checks:
            for good, says in check():
                failed += not good
                self.stdout.write(f"{'ok  ' if good else 'FAIL'} {says}")
        if failed:
            raise CommandError(f"{failed} checks failed.")
        self.stdout.write("Everything is in order.")

    def _database(self) -> Iterator[Finding]:
        version = database.pg_version // 10000  # type: ignore[attr-defined]
        yield version >= 15, f"PostgreSQL is version {version} (15 or newer is needed)"
        with database.cursor() as cursor:
            cursor.execute(
                """SELECT current_setting('max_connections')::int
                        - current_setting('superuser_reserved_connections')::int"""
            )
            free = cursor.fetchone()[0]
        needed = settings.WORKERS * (1 + settings.DRAIN_THREADS) + OTHER_CONNECTIONS
        yield needed <= free, f"PostgreSQL takes {free} connections ({needed} may be needed)"
        faults = [fault for fault in run_checks(databases=["default"]) if isinstance(fault, Error)]
        yield (
            not faults,
            "; ".join(str(fault.msg) for fault in faults) or "all triggers are installed",
        )

    def _settings(self) -> Iterator[Finding]:
        chain = (
            settings.HTTP_TIMEOUT_SECONDS,
            settings.DRAIN_SECONDS,
            settings.TASK_TIMEOUT_SECONDS,
            settings.TASK_RETRY_SECONDS,
        )
        in_order = all(left < right for left, right in pairwise(chain))
        yield (
            in_order,
            f"a call ends before its drain, task and repeat: {' < '.join(map(str, chain))}",
        )
        enough = len(PLATFORMS) + 2
        yield enough <= settings.WORKERS, f"{settings.WORKERS} workers (at least {enough})"

    def _people(self) -> Iterator[Finding]:
        from django.contrib.auth.models import User

        for role in Role:
            count = User.objects.filter(groups__name=role.value, is_active=True).count()
            yield count > 0, f"{count} people with the role {role.label}"

    def _retailers(self) -> Iterator[Finding]:
        retailers = list(Retailer.objects.all())
        yield bool(retailers), f"{len(retailers)} retailers are set up"
        for retailer in retailers:
            try:
                policy = choices.current(retailer)
            except choices.UnableToSetPolicy as error:
                yield False, str(error)
                continue
            executor = policy.values["refund_executor"]
            yield executor is not None, f"{retailer}: refunds are paid by {executor or 'nobody'}"
            shipping = choices.choice(policy, "shipping_refund")
            yield shipping is not None, f"{retailer}: shipping is paid back: {shipping or 'unsaid'}"

    def _locations(self) -> Iterator[Finding]:
        """Every place counted by a shop must have its partner there: there is no default place."""
        for location in Location.objects.filter(authority=Location.Authority.SCAYLE):
            for connection in Connection.objects.filter(
                retailer=location.retailer_id, platform="scayle"
            ):
                try:
                    theirs = mappings.find_theirs(
                        connection=connection, kind=MappingKind.LOCATION, ours=location.code
                    )
                    yield True, f"{location} is {theirs} in {connection.name}"
                except Misconfigured as error:
                    yield False, str(error)

    def _workers(self) -> Iterator[Finding]:
        is_right = clock.is_right()
        yield is_right, f"this clock {'agrees' if is_right else 'disagrees'} with the database's"
        beat = watch.newest_beat()
        at = clock.now()
        alive = beat is not None and at - beat < watch.STALE_AFTER
        yield alive, "the workers show signs of life" if alive else "no worker shows a sign of life"
        for lag in all_lags(at=at):
            yield (
                not lag.is_behind,
                f"stream {lag.stream}: {'behind' if lag.is_behind else 'up to date'}",
            )

    def _connections(self) -> Iterator[Finding]:
        for connection in Connection.objects.order_by("slug"):
            platform = PLATFORMS[connection.platform]
            try:
                platform.contract.check_settings(connection.settings, where="")
            except WrongSetting as error:
                yield False, f"{connection.name}: the setting {error}"
                continue
            try:
                platform.client(Http(connection, platform.dialect), connection.settings).check()
                yield True, f"{connection.name} answers and accepts our key"
            except PlatformError as error:
                yield False, f"{connection.name}: {error}"
