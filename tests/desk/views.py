"""Keeping and changing views of a queue in tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from django.http import HttpResponse
from django.test import Client

from integrator.models import SavedView
from tests.desk.test_saved_views import FREE

OLD = "tab=needs&order=oldest"
Signed = Callable[[str], Client]


def keeps(client: Client, name: str, query: str = FREE, role: str = "finance") -> HttpResponse:
    """Keep a view for the team."""
    data = {"name": name, "query": query, "for": "team"}
    return client.post(f"/queue/{role}/views/", data)


def does(client: Client, view: SavedView, do: str, **data: str) -> HttpResponse:
    """What the page as it is now would send."""
    view.refresh_from_db()
    sent = {"do": do, "query": view.query, "version": str(view.version), **data}
    return client.post(f"/queue/views/{view.pk}/", sent)


def said(answer: HttpResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def audit(client: Client) -> str:
    return said(client.get("/audit/?kind=setting"))
