"""Where a platform is called: an address that a key may be sent to. Calls nothing itself."""

from __future__ import annotations

from urllib.parse import urlsplit

from integrator.platforms.pages import LOOPBACK


class UnableToCall(Exception):
    """An address no key may be sent to. The message names the field and says what to write."""


def check(url: str, *, demo: bool, where: str) -> str:
    """The address, if it may be called. A demo calls its sandbox; all else is encrypted."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UnableToCall(f"{where} must be an https address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnableToCall(f"{where} must be an https address")
    if parts.username is not None or parts.query or parts.fragment:
        raise UnableToCall(f"{where} must be an address without a password, ? and #")
    if demo and parts.hostname not in LOOPBACK:
        raise UnableToCall(f"{where} is a real platform, but DEMO=1 is for the sandbox")
    if not demo and parts.scheme != "https":
        raise UnableToCall(f"{where} must start with https://")
    return url
