"""A little business of its own for tests of the engine: one platform, a few flows, no retail.

``resource_id`` is ``lane/name``. The platform's answers come from a script (``Answers``) or, for
tests with processes, from a server with its own book (``tests.engine.book``).
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import BaseAdapter

from integrator.engine.flow import LOCAL, Aim, Evidence, Fact, Flow, Found, NotFound, Routes, each
from integrator.engine.http import Dialect
from integrator.engine.inbox import store
from integrator.engine.shapes import Heard
from integrator.engine.work import Work
from integrator.models import Connection, Message, Note, Retailer

PLATFORM = "toy"
PLACE = "http://toy.test"


def _error_text(data: Any) -> str:
    return str(data.get("error", "")) if isinstance(data, dict) else ""


DIALECT = Dialect(
    name=PLATFORM,
    headers=lambda settings, secrets: {"X-Key": secrets.get("key", "")},
    limit=lambda headers, scope: None,
    not_executed=frozenset({503}),
    error_text=_error_text,
    is_rate_limit=lambda status, data: status == 420,
    request_id_headers=("x-request-id",),
)


def connect(*, slug: str = "toy-1", base_url: str = PLACE, **fields: Any) -> Connection:
    retailer, _ = Retailer.objects.get_or_create(
        slug="acorn", defaults={"name": "Acorn", "currency": "EUR"}
    )
    return Connection.objects.create(
        retailer=retailer,
        platform=fields.pop("platform", PLATFORM),
        slug=slug,
        name=fields.pop("name", slug.title()),
        base_url=base_url,
        callback_token_hash=fields.pop("callback_token_hash", slug),
        **fields,
    )


def hear(
    connection: Connection, topic: str, resource_id: str, *, at: Any, event_id: str = ""
) -> int | None:
    """The platform says something. Returns the message's id, None when it was known."""
    heard = Heard(topic, topic, "thing", resource_id, event_id=event_id)
    [stored] = store(
        connection_id=connection.pk,
        heard=[heard],
        body=b"{}",
        headers={},
        origin=Message.Origin.CALLBACK,
        at=at,
    )
    return stored.message_id


def aim(fact: Fact) -> Aim:
    lane = str(fact.data["resource_id"]).partition("/")[0]
    return Aim("message", fact.record_id, lane=f"toy:{lane}")


def thing(work: Work) -> str:
    return str(Message.objects.values_list("resource_id", flat=True).get(pk=work.job.record_id))


def client(work: Work) -> Any:
    return work.http(Connection.objects.get(pk=work.job.connection_id), DIALECT)


def write_down(work: Work, _: Any) -> Evidence:
    """A local effect that can be counted: nothing but the engine keeps it from happening twice."""
    Note.objects.create(text=thing(work), at=work.at)
    return {"noted": thing(work)}


def keep_receipt(work: Work, result: Any) -> Evidence:
    """What a call did there is also written down here, so that both books can be compared."""
    write_down(work, None)
    return {"receipt": result}


def pay(work: Work) -> Any:
    """A call without an idempotency key: sent twice, it is paid twice."""
    return client(work).send("POST", "/pay", json={"name": thing(work)}).data["receipt"]


def was_paid(work: Work) -> Found | NotFound:
    found = client(work).get("/paid", params={"name": thing(work)}).data["receipts"]
    return Found(found[0]) if found else NotFound(may_repeat=True)


def die(work: Work, _: Any = None) -> Evidence:
    """A step that takes its whole process with it, like a crash in C or a kill for its memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def flow(name: str, **parts: Any) -> Flow:
    """A flow named like its topic. It calls out when it has a ``call``, and is local otherwise."""
    parts.setdefault("record", keep_receipt)
    return Flow(
        name=name,
        says=parts.pop("says", f"{name.capitalize()} it"),
        aim=parts.pop("aim", each(aim)),
        queue=parts.pop("queue", PLATFORM if parts.get("call") else LOCAL),
        **parts,
    )


def routes(*flows: Flow) -> Routes:
    return {f"heard:{PLATFORM}:{one.name}": [one] for one in flows}


NOTE = flow("note", record=write_down)
PAY = flow("pay", call=pay, probe=was_paid, settle_minutes=0)
TELL = flow("tell", call=pay, settle_minutes=0)  # nothing there can be looked up
BOMB = flow("bomb", record=die)
MINE = flow("mine", call=lambda work: die(work), queue="mines")
ROUTES = routes(NOTE, PAY, TELL, BOMB, MINE)
QUEUES = (LOCAL, PLATFORM, "mines")

Answer = Exception | tuple[int, Any] | tuple[int, Any, Mapping[str, str]]


class Answers(BaseAdapter):
    """The toy platform as a script: answers in the order given, and every request on record."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, Any]] = []
        self.script: list[Answer] = []
        self.before: Callable[[], None] | None = None

    def will(self, *answers: Answer) -> Answers:
        self.script += answers
        return self

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        body = json.loads(request.body) if request.body else None
        self.seen.append((str(request.method), str(request.path_url), body))
        assert self.script, f"nobody expected {request.method} {request.path_url}"
        answer = self.script.pop(0)
        if self.before is not None:
            self.before()
        if isinstance(answer, Exception):
            raise answer
        status, content, *rest = answer
        response = requests.Response()
        response.status_code = status
        response.headers.update(dict(rest[0]) if rest else {})
        response._content = content if isinstance(content, bytes) else json.dumps(content).encode()
        response.url, response.request = str(request.url), request
        return response

    def close(self) -> None:
        pass
