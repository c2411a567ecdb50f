"""Mail about a case that cannot wait: told in time, once, and only while there is something."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as ours
from django.core import mail

from integrator.engine import cases, clock
from integrator.engine.errors import Transient
from integrator.engine.worker import Worker
from integrator.flows import ROUTES, alert
from integrator.models import Case, Job, JobState
from tests.desk import factories


@pytest.mark.django_db
def test_a_case_that_is_closed_before_its_mail_leaves_is_not_told(settings: Any) -> None:
    settings.ALERT_EMAILS = ["team@example.org"]
    at = clock.now() - timedelta(minutes=1)
    case = factories.case("CREDENTIALS_REFUSED", at)
    worker = Worker(ROUTES)
    worker.round(["local"])
    by_itself = Case.Resolution.BY_ITSELF
    cases.solve(case, resolution=by_itself, trace=factories.trace(at), reason="It works again")
    worker.round(["mail"])

    assert mail.outbox == []
    job = Job.objects.get(flow="alert")
    assert job.state == JobState.DONE
    assert job.evidence == {"nothing": "it was closed before anybody could be told"}


def test_a_mail_server_that_says_nothing_is_given_up(settings: Any) -> None:
    assert ours.EMAIL_TIMEOUT == ours.HTTP_TIMEOUT_SECONDS
    settings.EMAIL_TIMEOUT = 0.2
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        started = time.monotonic()
        with pytest.raises(Transient, match="did not take it"):
            alert.send("subject", "text", to=["team@example.org"])

    assert time.monotonic() - started < ours.HTTP_TIMEOUT_SECONDS
