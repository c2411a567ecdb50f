"""What is wrong with the settings of the sign-in provider, in sentences. Reads nothing itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

LONGEST_ISSUER = 200  # links are kept under it
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def provider_faults(
    *, wanted: Mapping[str, str], second_factor: Sequence[str], is_demo: bool
) -> Iterator[str]:
    """Half a provider is none: who meant to set one is told what is missing."""
    if not any(wanted.values()) and not second_factor:
        return
    for name, value in wanted.items():
        if not value:
            yield f"{name} is missing; the other settings of OIDC need it."
    issuer = wanted["OIDC_ISSUER"]
    if issuer and not _is_address(issuer, is_demo=is_demo):
        yield (
            "OIDC_ISSUER must be the https address of the provider, without ? or #; in a demo it"
            " may be http on this machine."
        )
    if len(issuer) > LONGEST_ISSUER:
        yield f"OIDC_ISSUER is longer than {LONGEST_ISSUER} characters."
    for word in second_factor:
        if not re.fullmatch(r"(amr|acr):\S+", word):
            yield f"OIDC_SECOND_FACTOR: write amr: or acr: in front of {word!r}."


def _is_address(issuer: str, *, is_demo: bool) -> bool:
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return False
    is_local = is_demo and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not (is_local and parts.scheme == "http"):
        return False
    return bool(parts.hostname) and not (parts.query or parts.fragment or parts.username)
