"""No browser and no proxy keeps a page: also not one of the packages that sign people in."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.desk import factories


@pytest.mark.requirement("R040")
@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/accounts/email/",
        "/accounts/2fa/",
        "/accounts/password/change/",
        "/admin/auth/user/",
        "/nowhere/",
        "/people/0/",
        "/api/partner/returngo/orders/DE-1",
        "/healthz",
    ],
)
def test_what_is_answered_may_not_be_kept(db: None, address: str) -> None:
    signed_in = Client()
    signed_in.force_login(factories.person("ada", "ADMIN", email="ada@example.com"))

    for client in (signed_in, Client()):
        assert "no-store" in client.get(address)["Cache-Control"], address
