"""Settings: complete in `.env.example`, and wrong ones are refused in sentences, all at once."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent

GOOD = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl",
    "FIELD_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "integrator.example",
    "PUBLIC_URL": "https://integrator.example",
}

PROVIDER = {
    "OIDC_ISSUER": "https://id.example/desk",
    "OIDC_CLIENT_ID": "desk",
    "OIDC_CLIENT_SECRET": "hunter2",
    "OIDC_NAME": "Demo Sport",
}


def variables_read_by_settings() -> set[str]:
    """Names given to `env.…("NAME")` and to the small readers beside it."""
    tree = ast.parse((ROOT / "integrator" / "settings.py").read_text())
    names = set()
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        function, first = call.func, call.args[0]
        on_env = (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.value.id in ("env", "environ", "os")
        )
        reader = isinstance(function, ast.Name) and function.id in ("_flag", "_number", "_words")
        if (on_env or reader) and isinstance(first, ast.Constant):
            names.add(str(first.value))
    return names


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    """Starts a management command that needs no database, with these variables and no others."""
    # An empty variable counts as missing, and hides a line of a developer's own `.env`.
    environment = dict.fromkeys(variables_read_by_settings(), "") | GOOD | changes
    return subprocess.run(
        [sys.executable, "manage.py", "diffsettings"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | {k: v for k, v in environment.items() if v is not None},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_example_lists_every_variable_once_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = [line.partition("=")[0] for line in lines if re.match(r"[A-Z_]+=", line)]

    assert len(variables_read_by_settings()) > 10
    assert sorted(listed) == sorted(variables_read_by_settings())


def test_the_example_explains_every_variable() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r"[A-Z_]+=", line):
            assert re.fullmatch(r"# .{10,}", before), f"{line} has no sentence above it"


def test_good_settings_start_and_protect_the_browser() -> None:
    done = start()

    assert done.returncode == 0, done.stderr
    for line in (
        "SECURE_SSL_REDIRECT = True",
        "SESSION_COOKIE_SECURE = True",
        "CSRF_COOKIE_SECURE = True",
        "SECURE_HSTS_SECONDS = 31536000",
    ):
        assert line in done.stdout


def test_a_demo_needs_nothing_but_a_database() -> None:
    done = start(DEMO="1", SECRET_KEY="", FIELD_KEYS="", ALLOWED_HOSTS="")

    assert done.returncode == 0, done.stderr


def test_a_provider_is_whole_and_protected_but_on_this_machine() -> None:
    here = PROVIDER | {"OIDC_ISSUER": "http://127.0.0.1:9000", "DEMO": "1"}

    for changes in (PROVIDER, PROVIDER | {"OIDC_SECOND_FACTOR": "amr:mfa,acr:a:b"}, here):
        done = start(**changes)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is missing"),
        ({"DATABASE_URL": "sqlite:///x.db"}, "only PostgreSQL is supported"),
        ({"DATABASE_URL": "postgres://u@host:5432/"}, "DATABASE_URL names no database"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is missing or too weak"),
        ({"SECRET_KEY": "a" * 60}, "SECRET_KEY is missing or too weak"),
        ({"FIELD_KEYS": ""}, "FIELD_KEYS is missing"),
        ({"FIELD_KEYS": f"{GOOD['FIELD_KEYS']},short"}, "key 2 is not a Fernet key"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is missing"),
        ({"PUBLIC_URL": ""}, "PUBLIC_URL is missing"),
        ({"PUBLIC_URL": "integrator.example"}, "write the https address"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS contains *"),
        ({"DEBUG": "1"}, "it needs DEMO=1"),
        ({"DEMO": "maybe"}, "write 1 or 0"),
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"SANDBOX_PORT": "70000"}, "SANDBOX_PORT is '70000'"),
        ({"WORKERS": "1"}, "WORKERS is '1'"),
        ({"CSRF_TRUSTED_ORIGINS": "integrator.example"}, "must start with https://"),
        ({"ALERT_EMAILS": "ops@integrator.example"}, "EMAIL_URL is not"),
        ({"EMAIL_URL": "pigeon://loft"}, "EMAIL_URL cannot be read"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is 'LOUD'"),
        *(
            (PROVIDER | {name: ""}, f"{name} is missing")
            for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_NAME")
        ),
        ({"OIDC_SECOND_FACTOR": "amr:mfa"}, "OIDC_ISSUER is missing"),
        (PROVIDER | {"OIDC_SECOND_FACTOR": "mfa"}, "write amr: or acr: in front of 'mfa'"),
        (PROVIDER | {"OIDC_ISSUER": "http://127.0.0.1:9"}, "must be the https address"),
        (PROVIDER | {"OIDC_ISSUER": "http://id.example", "DEMO": "1"}, "must be the https address"),
        (PROVIDER | {"OIDC_ISSUER": "https://id.example/?a=1"}, "without ? or #"),
        (PROVIDER | {"OIDC_ISSUER": "https://[id.example"}, "must be the https address"),
        (PROVIDER | {"OIDC_ISSUER": f"https://id.example/{'x' * 200}"}, "longer than 200"),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_sentence(
    changes: dict[str, str], sentence: str
) -> None:
    done = start(**changes)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_all_faults_are_said_at_once() -> None:
    done = start(SECRET_KEY="", FIELD_KEYS="", WORKERS="many")

    assert len(re.findall(r"^- ", done.stderr, re.MULTILINE)) == 3


def test_secrets_are_not_repeated_in_a_fault() -> None:
    done = start(FIELD_KEYS="hunter2", SECRET_KEY="hunter2", DATABASE_URL="mysql://u:hunter2@h/d")

    assert done.returncode == 1
    assert "hunter2" not in done.stderr + done.stdout


def test_a_call_ends_before_its_drain_and_a_drain_before_its_task() -> None:
    queue = settings.Q_CLUSTER

    assert (
        settings.CONNECT_TIMEOUT_SECONDS
        < settings.HTTP_TIMEOUT_SECONDS
        < settings.DRAIN_SECONDS
        < queue["timeout"]
        < queue["retry"]
    )


def test_the_task_queue_forgets_instead_of_piling_up() -> None:
    queue = settings.Q_CLUSTER

    assert (queue["max_attempts"], queue["ack_failures"]) == (1, True)
    assert (queue["save_limit"], queue["catch_up"], queue["sync"]) == (-1, False, False)
    # What waits in memory must start before the queue hands it to somebody else.
    assert queue["queue_limit"] <= queue["workers"]


def test_the_content_policy_allows_no_code_from_elsewhere_and_none_in_pages() -> None:
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]

    assert directives["default-src"] == ["'self'"]
    assert "script-src" not in directives
    assert not any("unsafe" in source for sources in directives.values() for source in sources)


def test_a_logged_address_ends_before_its_query() -> None:
    from integrator.logs import without_query

    event = without_query(None, "info", {"request": "GET /orders/?q=carla@example.com", "code": 1})

    assert event == {"request": "GET /orders/", "code": 1}
