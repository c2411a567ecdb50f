"""The environment of tests, set before Django reads its settings. Fixtures are in conftest."""

import os

import pytest

if not os.environ.get("DATABASE_URL"):
    raise pytest.UsageError(
        "Tests need a PostgreSQL: run `make test`, or put `python -m integrator.local` in front."
    )

# Every other variable is set here, so that neither the shell nor a `.env` file changes a result.
os.environ.update(
    {
        "DEMO": "1",
        "DEBUG": "0",
        "SECRET_KEY": "",
        "SECRET_KEY_FALLBACKS": "",
        "FIELD_KEYS": "",
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": "",
        "TRUSTED_PROXIES": "0",
        "PUBLIC_URL": "",
        "PORT": "8000",
        "SANDBOX_PORT": "8100",
        "WORKERS": "2",
        "Q_CLUSTER_NAME": "",
        "EMAIL_URL": "memorymail://",
        "DEFAULT_FROM_EMAIL": "",
        "ALERT_EMAILS": "",
        "MFA_ROLES": "",
        "OIDC_ISSUER": "",
        "OIDC_CLIENT_ID": "",
        "OIDC_CLIENT_SECRET": "",
        "OIDC_NAME": "",
        "OIDC_SECOND_FACTOR": "",
        "LOG_LEVEL": "WARNING",
    }
)
