"""What stands on the page of a case, and what was decided there."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client

from integrator.models import Case, CaseEvent


def text_of(html: str) -> str:
    """What a person reads: no markup, and nothing of the folded technical details."""
    html = re.sub(r"<details>\s*<summary>Technical.*?</details>", " ", html, flags=re.DOTALL)
    html = re.sub(r"<(script|style|svg|title)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", html))


def version(client: Client, case: Case) -> str:
    found = re.search(
        r'name="version" value="(\d+)"', client.get(f"/cases/{case.pk}/").content.decode()
    )
    assert found is not None
    return found[1]


def decided(case: Case) -> list[CaseEvent]:
    return list(case.events.filter(kind=CaseEvent.Kind.DECIDED).order_by("id"))
