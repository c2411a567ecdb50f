"""Prepares our side's database: tables, triggers, one connection."""

from __future__ import annotations

import sys

import django

django.setup()

import pgtrigger  # noqa: E402
from django.core.management import call_command  # noqa: E402

from integrator.engine.secrets import hashed  # noqa: E402
from integrator.models import Connection, Retailer  # noqa: E402


def main(echo_port: str, token: str, user: str, password: str) -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    pgtrigger.install()
    retailer = Retailer.objects.create(slug="bench", name="Bench", currency="EUR")
    Connection.objects.create(
        retailer=retailer,
        platform="scayle",
        slug="scayle",
        name="SCAYLE",
        base_url=f"http://127.0.0.1:{echo_port}",
        callback_token_hash=hashed(token),
        callback_user=user,
        callback_password_hash=hashed(password),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
