"""What is answered here is kept by nobody on the way, whichever package answers.

Static files are served before this is asked, and may be kept.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers


class PrivateMiddleware:
    """``no-store`` on every answer that does not say itself for how long it may be kept."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        if not answer.has_header("Cache-Control"):
            add_never_cache_headers(answer)
        return answer
