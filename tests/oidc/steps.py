"""The steps of a browser that signs in by the provider. Not for what is expected: see the tests."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import requests
from django.test import Client

from integrator.sign_in import Why

MAIL = "fiona@demo-sport.test"
START, BACK = "/accounts/provider/", "/accounts/provider/answer/"


def goes(client: Client, **more: str) -> str:
    """Presses the button; the provider's address that the page leads to."""
    page = client.post(START, more)
    assert page.status_code == 200, page.content
    content = page.content.decode()
    (address,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', content)
    assert f'href="{address}"' in content
    return unescape(address)


def comes_back(client: Client, address: str) -> Any:
    there = requests.get(address, allow_redirects=False, timeout=5)
    assert there.status_code == 302
    assert there.headers["Location"].startswith(f"http://testserver{BACK}?")
    return client.get(there.headers["Location"].removeprefix("http://testserver"))


def signs_in(client: Client | None = None, **more: str) -> Any:
    client = client or Client()
    answer = comes_back(client, goes(client, **more))
    answer.who = client.session.get("_auth_user_id")
    return answer


def said(answer: Any) -> str:
    return unescape(answer.content.decode())


def refused(answer: Any, why: Why) -> bool:
    assert answer.status_code == 403, answer.status_code
    assert why.value.format(name="Demo Sport") in said(answer)
    return answer.who is None
