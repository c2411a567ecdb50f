"""A provider that is served, an installation that knows it, and one person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.desk import factories
from tests.oidc import urls
from tests.oidc.provider import CLIENT, SECRET, OpenIdProvider, served
from tests.oidc.steps import MAIL


@pytest.fixture
def provider(settings: Any) -> Iterator[OpenIdProvider]:
    with served() as found:
        # Imported above: the product's own addresses are read while there is no provider.
        settings.ROOT_URLCONF = urls.__name__
        settings.OIDC_ISSUER = found.url
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT, SECRET
        settings.OIDC_NAME = "Demo Sport"
        settings.OIDC_SECOND_FACTOR = []
        found.says = {"sub": "f-1", "email": MAIL, "email_verified": True}
        yield found


@pytest.fixture
def fiona(db: None) -> User:
    person = factories.person("fiona", "FINANCE")
    person.email = MAIL
    person.save()
    return person
