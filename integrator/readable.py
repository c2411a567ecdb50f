"""Requests that Django cannot read are refused before it tries: they cost no page and no exception.

It decodes a query and a form by the charset that the request names, whatever that is: some make the
reading fail, some make text of it that no database can keep. Ours are UTF-8.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from wsgiref.types import StartResponse

from django.utils.http import parse_header_parameters

_SAID = b"Send it as UTF-8."
_HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_SAID)))]


def is_readable(content_type: str) -> bool:
    """Whether a request of this Content-Type is read as UTF-8. No charset, or none there is, is."""
    try:
        _, params = parse_header_parameters(content_type)
        return "charset" not in params or codecs.lookup(params["charset"]).name == "utf-8"
    except LookupError:
        return True  # not one that could be followed: Django leaves it aside
    except ValueError:
        return False


def refuse(start_response: StartResponse) -> Iterable[bytes]:
    start_response("400 Bad Request", _HEADERS)
    return [_SAID]
