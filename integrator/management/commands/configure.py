"""``manage.py configure retailer.toml``: make the database say what the file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrator import configuration, retailer_file
from integrator.engine import clock
from integrator.engine.errors import PlatformError
from integrator.engine.states import Trace
from integrator.models import Connection
from integrator.subscriptions import subscribe


class Command(BaseCommand):
    help = "Set up a retailer: locations, connections, policy, mappings. Safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="print the difference, change nothing"
        )
        parser.add_argument(
            "--subscribe",
            action="store_true",
            help="give each connection a new callback address and register it at its platform",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        trace = Trace(at=clock.now(), actor="configure")
        try:
            content = retailer_file.read(options["file"])
            said = configuration.apply(content, trace=trace, dry_run=options["dry_run"])
        except retailer_file.UnableToConfigure as error:
            raise CommandError(str(error)) from error
        for line in said:
            self.stdout.write(f"- {line}")
        done = "would change" if options["dry_run"] else "changed"
        self.stdout.write(f"{len(said)} {done}" if said else "Nothing to change.")
        if options["subscribe"] and not options["dry_run"]:
            slugs = [table["slug"] for table in content.get("connection", [])]
            for connection in Connection.objects.filter(slug__in=slugs).order_by("slug"):
                self._subscribe(connection)

    def _subscribe(self, connection: Connection) -> None:
        try:
            count = subscribe(connection)
        except PlatformError as error:
            raise CommandError(f"{connection.name}: {error}") from error
        self.stdout.write(f"{connection.name}: {count} events registered.")
