"""Signing in by the retailer's own provider, as a browser does it: with our content policy."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import House
from tests.oidc import urls
from tests.oidc.provider import CLIENT, SECRET, served


def test_one_press_leads_there_and_back(house: House, settings: Any) -> None:
    person = house.stage.fiona
    User.objects.filter(pk=person.pk).update(email="fiona@demo-sport.test")
    with served() as provider, house.desk() as desk:
        settings.ROOT_URLCONF = urls.__name__
        settings.OIDC_ISSUER, settings.OIDC_NAME = provider.url, "Demo Sport"
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT, SECRET
        provider.says = {"sub": "f-1", "email": "fiona@demo-sport.test", "email_verified": True}
        desk.opens("/orders/")

        desk.page.get_by_role("button", name="Sign in with Demo Sport").click()

        expect(desk.page.get_by_role("heading", level=1)).to_have_text("Orders")
        assert desk.page.url == f"{house.url}/orders/"

        provider.says["sub"] = "mallory"
        desk.page.context.clear_cookies()
        desk.opens("/accounts/login/")
        desk.page.get_by_role("button", name="Sign in with Demo Sport").click()
        expect(desk.page.get_by_role("alert")).to_contain_text("linked to another account")
