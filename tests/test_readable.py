"""What no browser sends: answered in the four hundreds, also to a stranger, and never a fault."""

from __future__ import annotations

import pytest
from django.test import Client
from werkzeug.test import EnvironBuilder, run_wsgi_app

from integrator.readable import is_readable
from integrator.wsgi import application
from tests.desk import factories

SIGN_IN = "/accounts/login/"
FORM = b'--B\r\nContent-Disposition: form-data; name="login"\r\n\r\n\\ud800\r\n--B--\r\n'
UNREADABLE = (
    # Python knows each of these by name, and none makes text of a query as a browser would.
    *("charset=hex", "charset=rot13", "charset=base64", "charset=undefined", "charset=idna"),
    *("charset=punycode", "charset=unicode_escape", "charset=utf-16", 'charset="a\x00b"'),
    *("charset*=unicode_escape''%5cud800", "title*=none''a", "title*=idna''%ff%fe"),
)


def status_of(method: str, path: str, body: bytes, content_type: str) -> str:
    """The answer of what the web server calls, which is where nobody catches anything any more."""
    environ = EnvironBuilder(path, method=method, data=body).get_environ()
    environ["CONTENT_TYPE"] = content_type
    chunks, status, _ = run_wsgi_app(application, environ)
    b"".join(chunks)
    return status


@pytest.mark.parametrize("said", UNREADABLE)
def test_what_cannot_be_read_as_utf8_is_refused_before_anything_is_read(
    db: None, said: str
) -> None:
    query = f"{SIGN_IN}?next=/%5cud800="

    assert status_of("GET", query, b"", f"text/plain; {said}") == "400 Bad Request"
    sent = status_of("POST", SIGN_IN, FORM, f"multipart/form-data; boundary=B; {said}")
    assert sent == "400 Bad Request"


@pytest.mark.parametrize(
    "said", ["charset=utf-8", "charset=UTF-8", 'charset="utf8"', "charset=no-charset-at-all", ""]
)
def test_our_own_charset_goes_through_however_it_is_written(db: None, said: str) -> None:
    kind = f"multipart/form-data; boundary=B; {said}"

    # Read, and found to lack the proof that it is a form of ours.
    assert status_of("POST", SIGN_IN, FORM, kind) == "403 Forbidden"
    assert status_of("GET", SIGN_IN, b"", kind) == "200 OK"


def test_most_requests_name_no_charset() -> None:
    assert is_readable("")
    assert is_readable("application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    "key", ["abcdefgh\\000", "\\355\\240\\200abcdefgh", "abcd efgh", "../../../x"]
)
def test_a_cookie_that_no_session_can_have_is_no_session(db: None, key: str) -> None:
    client = Client(headers={"Cookie": f'sessionid="{key}"'})

    assert client.get(SIGN_IN).status_code == 200
    assert client.get("/orders/").url.startswith(SIGN_IN)


def test_a_real_session_is_left_alone(db: None) -> None:
    client = Client()
    client.force_login(factories.person("carla", "CX"))

    assert client.get("/orders/").status_code == 200
