"""How SCAYLE speaks HTTP: its headers, its limits, its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrator.engine.errors import Misconfigured
from integrator.engine.http import Dialect
from integrator.engine.shapes import Limit
from integrator.platforms.scayle import CONTRACT
from integrator.platforms.tame import plain


def required(values: Mapping[str, str], name: str, *, credentials: bool = False) -> str:
    if not (value := str(values.get(name, "")).strip()):
        raise Misconfigured(
            f"The SCAYLE connection has no {name}.",
            credentials=credentials,
            cause=f"scayle:{name}",
            facts={"platform": CONTRACT.title, "setting": name},
        )
    return value


def _headers(settings: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    token = required(secrets, "access_token", credentials=True)
    headers = {CONTRACT.transport["auth_header"].value: token, "Accept": "application/json"}
    if company := str(settings.get("company_id", "")).strip():
        headers[CONTRACT.transport["company_header"].value] = company
    return headers


def _limit(headers: Mapping[str, str], scope: str) -> Limit | None:
    try:
        return Limit(
            scope=headers.get("x-ratelimit-scope", scope),
            limit=int(headers["x-ratelimit-limit"]),
            remaining=int(headers["x-ratelimit-remaining"]),
            reset_seconds=float(headers["x-ratelimit-reset"]),
        )
    except (KeyError, ValueError):
        return None  # not every reply carries all four


def _errors(body: Any) -> list[dict[str, Any]]:
    errors = body.get("errors") if isinstance(body, dict) else None
    return (
        [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    )


def _error_text(body: Any) -> str:
    said = (f"{error.get('errorKey', '')}: {error.get('message', '')}" for error in _errors(body))
    return plain("; ".join(text.strip(": ") for text in said))


def _is_rate_limit(status: int, body: Any) -> bool:
    key = CONTRACT.transport["rate_limit_key"].value
    return status == CONTRACT.number("rate_limit_status") or any(
        error.get("errorKey") == key for error in _errors(body)
    )


DIALECT = Dialect(
    name="scayle",
    headers=_headers,
    limit=_limit,
    # Only the limit proves that nothing happened: a 503 may come from a proxy after the fact.
    not_executed=frozenset({CONTRACT.number("rate_limit_status")}),
    error_text=_error_text,
    is_rate_limit=_is_rate_limit,
    request_id_headers=("x-request-id",),
)
