"""A system of the retailer's that is told: set up, and what it heard."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter

from integrator.engine import secrets
from integrator.models import AlertReceiver
from tests.story import Stage

KEY = b"a key of thirty-two bytes, twice"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
ADDRESS = "https://chat.example/finance/a-secret-path"
REFUSED = "REFUND_REFUSED"


@dataclass
class Receiver(BaseAdapter):
    """A system that follows Standard Webhooks: checks the signature, drops what it knows."""

    calls: list[requests.PreparedRequest] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.calls.append(request)
        answer = requests.Response()
        answer.request, answer.url = request, str(request.url)
        answer.raw = BytesIO()
        answer.status_code = self.statuses.pop(0) if self.statuses else 204
        answer.headers.update(self.headers)
        if answer.status_code == 0:
            raise requests.ConnectionError("the line went dead")
        if answer.status_code == 204:
            self.takes(request)
        return answer

    def takes(self, request: requests.PreparedRequest) -> None:
        body = request.body
        assert isinstance(body, bytes)
        message, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        at = datetime.fromtimestamp(int(stamp), UTC)
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
        expected = hmac.new(KEY, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
        wanted = f"v1,{base64.b64encode(expected).decode()}"
        assert request.headers["webhook-signature"] == wanted
        self.told.setdefault(message, json.loads(body))

    def close(self) -> None:
        pass

    @property
    def news(self) -> list[dict[str, Any]]:
        return list(self.told.values())


def listens(stage: Stage, **values: Any) -> AlertReceiver:
    return AlertReceiver.objects.create(
        **{
            "retailer": stage.retailer,
            "slug": values.get("role", "FINANCE").lower(),
            "name": "Finance channel",
            "role": "FINANCE",
            "address": ADDRESS,
            "secrets": secrets.seal({"secret": SECRET}),
            **values,
        }
    )
