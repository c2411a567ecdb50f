"""``manage.py compare``: read both platforms, compare them with our account, print what differs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finance.comparison import Tally
from integrator.engine import clock
from integrator.engine.errors import PlatformError
from integrator.flows.compare_scayle_returngo import compare_now
from integrator.models import Connection


class Command(BaseCommand):
    help = "Compare the platforms with our account and print every difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--strict", action="store_true", help="report what is still on its way, too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        different = unreadable = 0
        for connection in Connection.objects.filter(platform="returngo").select_related("retailer"):
            tally = self._compare(connection, strict=options["strict"])
            different += len(tally.different)
            unreadable += len(tally.unreadable)
        self.stdout.write(f"{different} differences")
        if different:
            raise CommandError("The systems do not agree.")
        if unreadable:
            raise CommandError("Not everything could be read, so not everything was compared.")

    def _compare(self, connection: Connection, *, strict: bool) -> Tally:
        try:
            tally = compare_now(connection, strict=strict, at=clock.now())
        except PlatformError as error:
            raise CommandError(f"{connection.name} could not be read: {error}") from error
        for one in tally.different:
            self.stdout.write(f"- {one.says}")
        for row in tally.unreadable:
            what = f"{row.record_kind} {row.row or '(the whole list)'}"
            self.stdout.write(f"- {what} at {row.connection.name} cannot be read: {row.error}")
        self.stdout.write(
            f"{connection.retailer}: {tally.compared} compared, {tally.equal} equal,"
            f" {tally.pending} on their way, {len(tally.accepted)} explained,"
            f" {len(tally.different)} different, {len(tally.unreadable)} not readable"
        )
        return tally
