"""What a log line looks like: JSON in production, readable in a demo. Bodies are never logged."""

import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

# What follows is as good as a password until it is used: links that were sent by mail.
_SECRET_AFTER = ("/accounts/password/reset/key/", "/accounts/confirm-email/")


def without_query(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A query string may hold what somebody searched for, so a logged address ends before it.

    So does one whose path holds a secret.
    """
    if isinstance(event.get("request"), str):
        said = event["request"].partition("?")[0]
        for start in _SECRET_AFTER:
            before, found, _ = said.partition(start)
            said = before + found
        event["request"] = said
    return event


def frames_and_first_line(exc_info: ExcInfo) -> str:
    """Where it broke, and the first line of why.

    No local variables, and no further lines: PostgreSQL puts the values of the row there, and both
    may hold personal data.
    """
    kind, error, frames = exc_info
    first = (str(error).splitlines() or [""])[0]
    return "".join(traceback.format_tb(frames)) + f"{kind.__name__}: {first}"


def write_exception(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + frames_and_first_line(exc_info))


def render_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The exception of a line as text, for JSON."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    elif isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if isinstance(found, tuple) and found[0] is not None:
        event["exception"] = frames_and_first_line(found)
    return event


# The same for our own lines and for those of the standard library.
_BEFORE_RENDERING: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    without_query,
]


def configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_BEFORE_RENDERING,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logging_settings(*, level: str, readable: bool) -> dict[str, Any]:
    """The value of Django's LOGGING."""
    rendering: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=write_exception)]
        if readable
        else [render_exception, structlog.processors.JSONRenderer()]
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _BEFORE_RENDERING,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # The request middleware already writes one line per request.
            "django.server": {"handlers": [], "propagate": False},
            "django.request": {"handlers": [], "level": "ERROR"},
            "django": {"handlers": [], "level": "WARNING"},
            "django-q": {"handlers": [], "level": "WARNING"},
        },
    }
