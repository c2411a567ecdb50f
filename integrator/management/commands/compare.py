"""``manage.py compare``: read both platforms, compare them with our account, print what differs."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrator.engine import choices, clock
from integrator.engine.errors import PlatformError
from integrator.engine.work import Work
from integrator.flows import compare_scayle_returngo as comparison
from integrator.models import Connection, Job


class Command(BaseCommand):
    help = "Compare the platforms with our account and print every difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--strict", action="store_true", help="report what is still on its way, too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        different = 0
        for connection in Connection.objects.filter(platform="returngo").select_related("retailer"):
            different += self._compare(connection, strict=options["strict"])
        self.stdout.write(f"{different} differences")
        if different:
            raise CommandError("The systems do not agree.")

    def _compare(self, connection: Connection, *, strict: bool) -> int:
        at = clock.now()
        policy = choices.current(connection.retailer)
        # A hand-made job that is never saved: comparing only reads, so it needs no lease.
        job = Job(
            flow=comparison.FLOW.name,
            record_kind="connection",
            record_id=connection.pk,
            operation=uuid.uuid4(),
            policy_version=policy.version,
            kept={},
            joined=[],
            fact=0,
        )
        work = Work(job, comparison.FLOW, at=at)
        try:
            both = comparison.call(work)
        except PlatformError as error:
            raise CommandError(f"{connection.name} could not be read: {error}") from error
        minutes = 0 if strict else int(policy.values["settling_minutes"])
        tally = comparison.compare(connection, both, settled=at - timedelta(minutes=minutes))
        comparison.write_down(connection.retailer, tally, at=at)
        for one in tally.different:
            self.stdout.write(f"- {one.says}")
        self.stdout.write(
            f"{connection.retailer}: {tally.compared} compared, {tally.equal} equal,"
            f" {tally.pending} on their way, {len(tally.accepted)} explained,"
            f" {len(tally.different)} different"
        )
        return len(tally.different)
