"""What the web server calls: callbacks of platforms go to their receiver, the rest to Django.

Callbacks skip Django's middleware: they need no session, no cookie and no page, only speed.
"""

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrator.settings")
try:
    import_module(os.environ["DJANGO_SETTINGS_MODULE"])
except ImproperlyConfigured as fault:
    sys.exit(str(fault))

# Loads the apps, so it stands before the receiver, which imports models.
_django = get_wsgi_application()

import integrator.api.callbacks as callbacks  # noqa: E402
from integrator import readable  # noqa: E402


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"].startswith("/callbacks/"):
        return callbacks.application(environ, start_response)
    if not readable.is_readable(environ.get("CONTENT_TYPE", "")):
        return readable.refuse(start_response)
    return _django(environ, start_response)
