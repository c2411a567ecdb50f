"""Reading the answer to a write that the platform accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from integrator.engine.errors import Malformed, Unknown
from integrator.engine.shapes import Reply
from integrator.platforms.tame import Field

T = TypeVar("T")


def accepted(reply: Reply, parse: Callable[[Field], T]) -> T:
    """The shape of ``reply``. If it cannot be read, the write still happened: never "refused"."""
    try:
        return parse(Field(reply.data))
    except Malformed as error:
        raise Unknown(
            f"The platform accepted the call, but its answer cannot be read: {error.message}",
            facts=error.facts,
            status=reply.status,
            request_id=reply.request_id,
        ) from error
