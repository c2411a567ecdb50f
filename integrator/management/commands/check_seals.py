"""``manage.py check_seals``: is every row what it was when its day was sealed? Fails when not."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrator.engine import clock, seal_checks
from integrator.engine.seals import BY_NAME
from integrator.engine.states import Trace
from integrator.models import SealCheck


class Command(BaseCommand):
    help = "Compare every sealed row with its seal, and name the day, the table and the row."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect",
            action="append",
            default=[],
            metavar="DIGEST",
            help="a digest noted elsewhere that must be in the chain; may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check = seal_checks.check(trace=Trace(at=clock.now(), actor="command"))
        self.stdout.write(f"{check.row_count:,} rows under {check.seals:,} seals were read.")
        for one in check.findings:
            book = BY_NAME[one["book"]]
            self.stdout.write(
                f"- {book.says} ({book.table}), {one['day']}: {'; '.join(one['says'])}"
            )
        for name, head in sorted(check.heads.items()):
            self.stdout.write(f"newest seal of {name}: {head}")
        strange = [one for one in options["expect"] if not seal_checks.is_in_chain(one)]
        if strange:
            raise CommandError(f"Not in the chain: {', '.join(strange)}.")
        if check.result == SealCheck.Result.BROKEN:
            raise CommandError("The record is not as it was sealed.")
        late = check.result == SealCheck.Result.LATE
        self.stdout.write(
            "Nothing was changed, but look at the rows that came late."
            if late
            else "Nothing was changed."
        )
