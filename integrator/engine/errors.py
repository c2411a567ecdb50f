"""The errors a platform call can end in. The class is the retry policy; nothing else decides it.

PlatformError
├── Transient       nothing came of it, a later try can work      → the Job waits, tries again (*)
│   ├── OutOfCalls  our allowance of calls is used up             → it waits for the new day
│   ├── Held        a person or a plan holds what it would call   → it waits, its clock stops
│   ├── OutOfTime   its worker stops soon, and nothing was sent   → the next one goes on with it
│   └── Yields      another job of its lane must go first         → that one passes it meanwhile
├── Refused         the platform understood and said no           → parked, a case for the team
├── Misconfigured   a setting, credential or mapping is missing   → parked, a case for its owner
└── Unknown         it may have happened                          → in doubt, never repeated

(*) What an earlier call of the same attempt wrote may not be shown yet when it is tried again. So
where nothing of ours has noted that write, it is in doubt as well, and so is a refused credential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integrator.engine.case_kinds import CaseKind


class PlatformError(Exception):
    """A call to a platform did not end well.

    ``case`` is the case kind to open instead of the flow's own (a code for the engine's kinds);
    ``cause`` groups cases that one fix would solve; ``facts`` fill the case's sentences and must
    hold no personal data. ``money_minor`` is what this very call was about, where the record as a
    whole is worth more.
    """

    def __init__(
        self,
        message: str,
        *,
        case: CaseKind | str | None = None,
        cause: str = "",
        facts: dict[str, Any] | None = None,
        status: int | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.case = case
        self.cause = cause
        self.facts = facts or {}
        self.status = status
        self.request_id = request_id
        self.connection_id: int | None = None
        self.money_minor: int | None = None


class Transient(PlatformError):
    """Nothing happened there, and trying again later can work.

    ``retry_after`` is the wait in seconds the platform asked for, if it did.
    ``platform_down`` says that the platform as a whole did not answer (it counts towards DEGRADED).
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        platform_down: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after
        self.platform_down = platform_down


class OutOfCalls(Transient):
    """Our allowance at the platform is used up. The work waits in order until it is given anew."""


class Held(Transient):
    """What it would call is paused, or does not accept our key. That does not count against it."""


class OutOfTime(Transient):
    """Its worker is about to stop, so no call was begun. What is written down by then is kept."""


class Yields(Transient):
    """What it waits for is another job of its own lane, perhaps one behind it. While it waits the
    others may pass; a job that keeps its place would wait for ever for one that it holds up.
    """


class Refused(PlatformError):
    """The platform, or a rule of ours, said no. Trying the same again cannot help; a person can."""


class Misconfigured(PlatformError):
    """A credential, setting or mapping is missing or wrong. Its owner can fix it once for all.

    ``credentials`` is set when the platform no longer accepts ours: the connection then stops.
    ``about`` is the connection whose word it is, where that is not the one the step calls.
    """

    def __init__(
        self, message: str, *, credentials: bool = False, about: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.credentials = credentials
        self.about = about


class Unknown(PlatformError):
    """The request left, and we cannot tell whether it was carried out."""


class Malformed(Refused):
    """The platform answered with something that breaks its own contract. Names the field."""


def first_line(error: Exception) -> str:
    """What an error says, for rows that stay: PostgreSQL's other lines hold the row's values."""
    return (str(error).splitlines() or [""])[0]
