"""``manage.py demo``: everything on this machine, with invented data: ``make run``.

Migrates, makes the roles and one named person per role, then runs the sandbox, the web server, the
workers and steady traffic until Ctrl-C.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection as database
from honcho.manager import Manager  # type: ignore[import-untyped]

from integrator.roles import Role

PEOPLE = {
    Role.CX: "carla",
    Role.OPERATIONS: "omar",
    Role.FINANCE: "fiona",
    Role.CONTROLLER: "conrad",
    Role.ADMIN: "ada",
    Role.AUDITOR: "aurel",
}
FILE = Path("demo.toml")
STATE = Path(".local/sandbox.pickle")
# What the processes print is read by a person: warnings only, and at once.
QUIET = {"PYTHONUNBUFFERED": "1"}
# The sandbox accepts these and nothing else does.
SANDBOX_KEYS = {
    "SCAYLE_ACCESS_TOKEN": "sandbox-scayle-key",
    "RETURNGO_API_KEY": "sandbox-returngo-key",
}
SUBSCRIBE_TRIES = 10


class Command(BaseCommand):
    help = "Run the whole product against the sandbox until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", default="0.5", help="orders per second")
        parser.add_argument("--faults", default="demo", choices=("demo", "none"))
        parser.add_argument(
            "--connect",
            action="store_true",
            help="(started by the demo itself) wait, then subscribe",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo needs DEMO=1; it must never run beside real platforms.")
        os.environ.update(SANDBOX_KEYS)
        if options["connect"]:
            self._connect()
            return
        self._start_afresh_if_the_sandbox_forgot()
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        call_command("configure", FILE, stdout=self.stdout)
        passwords = self._people()
        self._say(passwords)
        sys.exit(self._run(options["rate"], options["faults"]))

    def _start_afresh_if_the_sandbox_forgot(self) -> None:
        """Our account of platforms that no longer know any of it would be worth nothing.

        The sandbox keeps its books when it is stopped, not when it is killed.
        """
        with database.cursor() as cursor:
            cursor.execute("SELECT to_regclass('fulfilment_order') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return
            cursor.execute("SELECT EXISTS (SELECT 1 FROM fulfilment_order)")
            if STATE.exists() or not cursor.fetchone()[0]:
                return
            if not os.environ.get("PRIVATE_DATABASE"):
                raise CommandError(
                    "The sandbox has forgotten its books, and DATABASE_URL still holds the account"
                    " of them. Name an empty database."
                )
            self.stdout.write(
                "The sandbox was not stopped properly; the demo starts from the beginning."
            )
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def _people(self) -> dict[str, str]:
        """One person per role. Passwords are made anew at every start and printed once."""
        passwords = {}
        for role, name in PEOPLE.items():
            group, _ = Group.objects.get_or_create(name=role.value)
            user, _ = User.objects.get_or_create(
                username=name, defaults={"first_name": name.title()}
            )
            passwords[name] = f"{name}-{secrets.token_hex(4)}"
            user.set_password(passwords[name])
            user.save()
            user.groups.set([group])
        return passwords

    def _say(self, passwords: dict[str, str]) -> None:
        self.stdout.write("")
        self.stdout.write(f"  Open {settings.PUBLIC_URL} and log in as one of:")
        for role, name in PEOPLE.items():
            self.stdout.write(f"    {name:<8} {passwords[name]:<20} {role.label}")
        self.stdout.write(
            f"  The sandbox is at http://127.0.0.1:{settings.SANDBOX_PORT}. Stop with Ctrl-C."
        )
        self.stdout.write("")
        self.stdout.flush()

    def _run(self, rate: str, faults: str) -> int:
        """All processes, each in a group of its own; when one ends, all end."""
        python, manage = sys.executable, sys.argv[0]
        sandbox = f"{python} -m integrator.sandbox"
        address = f"http://127.0.0.1:{settings.SANDBOX_PORT}"
        traffic = f"{sandbox}.traffic --sandbox {address} --rate {rate} --faults {faults}"
        processes = {
            "sandbox": f"{sandbox} --port {settings.SANDBOX_PORT} --state {STATE}",
            "web": f"{Path(python).parent}/granian --interface wsgi --host 127.0.0.1"
            f" --port {settings.PORT} --workers 2 --blocking-threads 4 --no-ws"
            " --log-level warning integrator.wsgi:application",
            "workers": f"{python} {manage} watch",
            "traffic": f"{python} {manage} demo --connect && exec {traffic}",
        }
        manager = Manager()
        for name, command in processes.items():
            manager.add_process(name, command, env={"LOG_LEVEL": "WARNING", **os.environ, **QUIET})
        manager.loop()
        return int(manager.returncode or 0)

    def _connect(self) -> None:
        """The sandbox and the web server must answer before the callbacks are registered."""
        for address in (
            f"http://127.0.0.1:{settings.SANDBOX_PORT}/_faults",
            f"{settings.PUBLIC_URL}/healthz",
        ):
            self._wait_for(address)
        self._subscribe()
        self.stdout.write(f"Everything runs. Open {settings.PUBLIC_URL}")

    def _subscribe(self) -> None:
        """Faults that the sandbox was told to throw outlive a restart, and may strike here too."""
        for tries_left in reversed(range(SUBSCRIBE_TRIES)):
            try:
                call_command("configure", FILE, "--subscribe", stdout=self.stdout)
            except CommandError as error:
                if not tries_left:
                    raise
                self.stdout.write(f"{error} Trying again.")
                time.sleep(2)
            else:
                return

    def _wait_for(self, address: str) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with urlopen(address, timeout=2):  # nosec B310  (a demo, on this machine)
                    return
            except (URLError, OSError):
                time.sleep(0.5)
        raise CommandError(f"{address} did not answer within a minute.")
