"""Sessions in the database, as Django keeps them; but not every cookie is asked about there.

A quoted cookie may hold any sign, also one that no table can be asked about: NUL.
"""

from __future__ import annotations

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore


class SessionStore(DatabaseStore):
    """A key that Django cannot have made is no key. Its own are letters and digits."""

    def _validate_session_key(self, key: str | None) -> bool:
        is_ours = key is not None and key.isascii() and key.isalnum()
        # Django's types do not know the method.
        return is_ours and bool(super()._validate_session_key(key))  # type: ignore[misc]
