"""Answers for pages of the desk, timed: reads addresses from its input, one a line.

For each it prints one JSON object: the milliseconds of each of the requests, from the first
middleware to the last byte, and how many lines the page has.
"""

from __future__ import annotations

import json
import re
import sys
import time

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402

REQUESTS = 20
_LINE = re.compile(rb'href="[^"]*case=\d+')
_OLDER = re.compile(rb'href="([^"]*after=[^"]+)"')


def main() -> None:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.get(username="omar"))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_timed(client, *line.split())), flush=True)


def _timed(client: Client, address: str, pages: str = "0") -> dict[str, object]:
    """``pages``: how far to go on from the address before anything is timed."""
    for _ in range(int(pages)):
        found = _OLDER.search(client.get(address).content)
        assert found is not None, f"{address} is the last page"
        address = found[1].decode().replace("&amp;", "&")
        address = address if address.startswith("/") else f"/queue/operations/{address}"
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        answer = client.get(address)
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (address, answer.status_code)
    return {"ms": taken, "lines": len(set(_LINE.findall(answer.content)))}


if __name__ == "__main__":
    main()
