"""Platform credentials at rest: encrypted with keys of their own, write-only on screen."""

from __future__ import annotations

import hashlib
import json
import secrets as random
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from integrator.engine.errors import Misconfigured
from integrator.models import AlertReceiver, Connection


@lru_cache(maxsize=1)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(values: dict[str, str]) -> bytes:
    """Encrypt credentials with the first of ``FIELD_KEYS``; every key still opens."""
    return _fernet(tuple(settings.FIELD_KEYS)).encrypt(json.dumps(values).encode())


@lru_cache(maxsize=64)
def _open(token: bytes, keys: tuple[str, ...]) -> str:
    return _fernet(keys).decrypt(token).decode()


def read(owner: Connection | AlertReceiver) -> dict[str, str]:
    """The credentials of a connection or a receiver; ``Misconfigured`` when no key opens them."""
    if not owner.secrets:
        return {}
    try:
        opened = _open(bytes(owner.secrets), tuple(settings.FIELD_KEYS))
    except InvalidToken as error:
        raise Misconfigured(
            f"no key in FIELD_KEYS opens the credentials of {owner.name}", credentials=True
        ) from error
    loaded: dict[str, str] = json.loads(opened)
    return loaded


def new_token() -> str:
    """The unguessable part of a callback address."""
    return random.token_urlsafe(32)


def hashed(token: str) -> str:
    """What is stored of a token or password that only has to be recognised."""
    return hashlib.sha256(token.encode()).hexdigest()
