"""Mail about a case that cannot wait: told in time, once, and only while there is something."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from django.conf import settings as ours

from integrator.engine.errors import Transient
from integrator.flows import alert


def test_a_mail_server_that_says_nothing_is_given_up(settings: Any) -> None:
    assert ours.EMAIL_TIMEOUT == ours.HTTP_TIMEOUT_SECONDS
    settings.EMAIL_TIMEOUT = 0.2
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        started = time.monotonic()
        with pytest.raises(Transient, match="did not take it"):
            alert.send("subject", "text", to=["team@example.org"])

    assert time.monotonic() - started < 2
