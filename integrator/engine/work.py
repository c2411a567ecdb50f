"""``Work``: what a flow's functions get.

It carries the job, the time, the policy, and the fence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import OperationalError, transaction

from integrator.engine import choices, jobs
from integrator.engine.clock import now
from integrator.engine.errors import Held, OutOfTime, Transient
from integrator.engine.flow import Flow
from integrator.engine.http import Dialect, Http
from integrator.engine.records import find
from integrator.engine.states import Trace
from integrator.models import Connection, Job, Message, PolicyVersion

WRITES_MAX = 3


class Work:
    """One attempt at one job. ``at`` is fixed when a step begins, so a step has one time.

    ``ends_at``: the moment of the monotonic clock from which a step that has sent nothing begins no
    call any more.
    """

    def __init__(self, job: Job, flow: Flow, *, at: datetime, ends_at: float | None = None) -> None:
        self.job = job
        self.flow = flow
        self.at = at
        self.ends_at = ends_at
        self.calls: list[dict[str, Any]] = []
        self.clients: list[Http] = []

    @property
    def trace(self) -> Trace:
        """Who and why, for every change this attempt makes."""
        return Trace(
            at=self.at,
            actor=f"flow:{self.flow.name}",
            job_id=self.job.pk,
            policy_version=self.job.policy_version,
        )

    @property
    def kept(self) -> dict[str, Any]:
        return dict(self.job.kept)

    @cached_property
    def facts(self) -> list[int]:
        """The facts this job answers: the one that made it and those that joined."""
        return [self.job.fact, *self.job.joined]

    @cached_property
    def heard(self) -> list[Message]:
        """The messages this job answers, oldest first. Only for flows that answer messages."""
        messages = Message.objects.select_related("connection")
        return list(messages.filter(pk__in=self.facts).order_by("id"))

    @cached_property
    def record(self) -> Any:
        return find(self.job.record_kind, self.job.record_id)

    def policy(self, retailer_id: int) -> PolicyVersion:
        """The policy version this job was created under."""
        if self.job.policy_version is None:
            raise Transient("there is no policy yet", retry_after=60)
        return choices.version(retailer_id, self.job.policy_version)

    def http(
        self,
        connection: Connection,
        dialect: Dialect,
        *,
        again: bool = True,
        though_held: bool = False,
    ) -> Http:
        """A way to call one platform, bound to this job's fence and call log.

        ``though_held``: a person wants to know whether what is held works.
        """
        if connection.holds_work and not though_held:
            raise Held(
                f"{connection.name} is {connection.get_state_display().lower()}", retry_after=60
            )
        client = Http(
            connection,
            dialect,
            log=self.calls,
            on_send=self._sending,
            for_write=not self.flow.gives_way,
            again=again,
            on_begin=self._beginning,
        )
        self.clients.append(client)
        return client

    def _beginning(self) -> None:
        if self._is_out_of_time():
            raise OutOfTime("the worker was about to stop; it goes on from what is written down")

    def _is_out_of_time(self) -> bool:
        """What has sent something goes on: it could not simply begin again."""
        late = self.ends_at is not None and time.monotonic() >= self.ends_at
        return late and self.job.sent_at is None

    def _sending(self) -> None:
        jobs.mark_sent(self.job, at=now())

    @contextmanager
    def step(self) -> Iterator[None]:
        """A short transaction of ours between two calls, only while the lease is ours.

        It notes what was written there before it: see ``has_unnoted_write``.
        """
        self.at = now()
        with transaction.atomic():
            jobs.hold(self.job, at=self.at)
            yield
        for client in self.clients:
            client.written = 0

    def write_down(self, write: Callable[[], None]) -> None:
        """Run a whole transaction of ours, again when the database took it back: it stood in
        another's way, say. Nothing of it remains then, and the job is still ours.
        """
        for again in range(WRITES_MAX, 0, -1):
            before = dict(vars(self.job))
            try:
                write()
            except OperationalError:
                if again == 1:
                    raise
                vars(self.job).clear()
                vars(self.job).update(before)
                self.__dict__.pop("record", None)
            else:
                return

    @property
    def has_unnoted_write(self) -> bool:
        """Whether something was, or may have been, written there that no step of ours knows of."""
        return any(client.written for client in self.clients)

    def keep(self, **values: Any) -> None:
        """Remember something across attempts; call it inside ``step()``."""
        jobs.keep(self.job, **values)
