"""Every setting of the installation, read from the environment once and checked at the start.

Not for what a retailer decides (policy, mappings, connections): that is data in the database.
"""

from pathlib import Path
from typing import Any, cast

import environ
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from integrator.logs import configure_structlog, logging_settings
from integrator.oidc_settings import provider_faults

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
# A variable that is already set wins over the same line in `.env`.
environ.Env.read_env(BASE_DIR / ".env")

# Everything that is wrong is collected and said at once, in sentences: see the end of this file.
_faults: list[str] = []


def _flag(name: str) -> bool:
    text = env.str(name, default="").strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text not in ("", "0", "false", "no", "off"):
        _faults.append(f"{name} is {text!r}; write 1 or 0.")
    return False


def _number(name: str, *, default: int, lowest: int, highest: int) -> int:
    text = env.str(name, default="").strip() or str(default)
    if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
        return int(text)
    _faults.append(f"{name} is {text!r}; write a whole number from {lowest} to {highest}.")
    return default


def _words(name: str, *, default: str = "") -> list[str]:
    """A list separated by commas; blanks are dropped."""
    text = env.str(name, default="") or default
    return [word.strip() for word in text.split(",") if word.strip()]


def _database() -> dict[str, Any]:
    url = env.str("DATABASE_URL", default="").strip()
    if not url:
        _faults.append(
            "DATABASE_URL is missing; name a PostgreSQL 15 or newer as"
            " postgres://user:password@host:5432/database,"
            " or put `python -m integrator.local` in front of the command to get a private one."
        )
        return {}
    if not url.startswith(("postgres://", "postgresql://")):
        scheme = url.partition(":")[0]
        _faults.append(f"DATABASE_URL starts with {scheme!r}; only PostgreSQL is supported.")
        return {}
    database = cast(dict[str, Any], env.db_url_config(url, engine="integrator.postgres"))
    if not database.get("NAME"):
        _faults.append("DATABASE_URL names no database; write it after the last slash.")
    options = {"connect_timeout": 5, **database.get("OPTIONS", {})}
    # A connection per request or task costs six to eight times as much as a kept one.
    return database | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def _secret_key() -> str:
    key: str = env.str("SECRET_KEY", default="")
    if not key and DEMO:
        return "demo-installations-listen-on-loopback-only-and-need-no-secret"
    if len(key) < 50 or len(set(key)) < 5:
        _faults.append(
            "SECRET_KEY is missing or too weak; write 50 or more random characters, for example"
            " from `python -c 'import secrets; print(secrets.token_urlsafe(50))'`."
        )
    return key


def _field_keys() -> list[str]:
    keys = _words("FIELD_KEYS")
    if not keys and DEMO:
        # 32 bytes that say what they are; secrets of a demo are invented ones.
        return ["aW50ZWdyYXRvci1kZW1vOiBuZXZlciBmb3IgbGl2ZSE="]
    if not keys:
        _faults.append(
            "FIELD_KEYS is missing; it encrypts stored credentials. Make a key with `python -c"
            " 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`."
        )
    for position, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            _faults.append(f"FIELD_KEYS: key {position} is not a Fernet key (32 bytes in base64).")
    return keys


def _allowed_hosts() -> list[str]:
    hosts = _words("ALLOWED_HOSTS", default="localhost,127.0.0.1,[::1]" if DEMO else "")
    if not hosts:
        _faults.append(
            "ALLOWED_HOSTS is missing; write the host names users and platforms call us by,"
            " separated by commas."
        )
    if "*" in hosts:
        _faults.append("ALLOWED_HOSTS contains *; write the host names themselves.")
    return hosts


def _email() -> dict[str, Any]:
    url = env.str("EMAIL_URL", default="")
    if not url and env.str("ALERT_EMAILS", default=""):
        _faults.append("ALERT_EMAILS is set but EMAIL_URL is not: alerts could not be sent.")
    try:
        config = cast(dict[str, Any], env.email_url_config(url or "consolemail://"))
    except (KeyError, ImproperlyConfigured):
        _faults.append("EMAIL_URL cannot be read; write smtp+tls://user:password@host:587.")
        return {}
    return config


# --- What kind of installation -------------------------------------------------------------------

DEMO = _flag("DEMO")
DEBUG = _flag("DEBUG")
if DEBUG and not DEMO:
    _faults.append("DEBUG=1 shows secrets to anyone who causes an error; it needs DEMO=1.")

SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = _words("SECRET_KEY_FALLBACKS")
# The first key encrypts; all of them decrypt, so that a key can be replaced without a pause.
FIELD_KEYS = _field_keys()

PORT = _number("PORT", default=8000, lowest=1, highest=65535)
SANDBOX_PORT = _number("SANDBOX_PORT", default=8100, lowest=1, highest=65535)

# Where users and platforms reach us: in links of alerts, and in the callback addresses we register.
PUBLIC_URL = env.str("PUBLIC_URL", default="") or (f"http://127.0.0.1:{PORT}" if DEMO else "")
if not PUBLIC_URL.startswith(("http://", "https://")):
    _faults.append("PUBLIC_URL is missing; write the https address users and platforms call us by.")

# --- Workers -------------------------------------------------------------------------------------

# The chain that keeps a call from outliving its worker: each figure is smaller than the next.
CONNECT_TIMEOUT_SECONDS = 5
HTTP_TIMEOUT_SECONDS = 10
DRAIN_SECONDS = 20
# Calls under way at once in one process; each thread keeps a database connection.
DRAIN_THREADS = 8
TASK_TIMEOUT_SECONDS = 60
TASK_RETRY_SECONDS = 90

# At least the number of platforms plus two, so that slow platforms cannot hold every worker.
WORKERS = _number("WORKERS", default=6, lowest=2, highest=64)

# django-q2 is clock and hands, not memory: nothing in its tables has to survive.
Q_CLUSTER = {
    # A cluster is named here, never by `qcluster --name`: the name also salts its messages.
    "name": env.str("Q_CLUSTER_NAME", default="") or "integrator",
    "label": "Task queue",
    "orm": "default",
    "workers": WORKERS,
    "timeout": TASK_TIMEOUT_SECONDS,
    "retry": TASK_RETRY_SECONDS,
    # A task is tried once and acknowledged even when it failed; the Job decides about retries.
    "max_attempts": 1,
    "ack_failures": True,
    # Successful results are not kept: pruning them is what makes the queue slow.
    "save_limit": -1,
    # Missed minutes are not replayed: one drain finds everything that is due.
    "catch_up": False,
    "recycle": 100_000,
    # No more tasks are fetched than can start within one drain.
    "bulk": WORKERS,
    "queue_limit": WORKERS,
    "poll": 0.2,
    "sync": False,
    # The cluster writes its statistics twice a second: kept in memory, not in the database.
    "cache": "process",
}

# --- Applications --------------------------------------------------------------------------------

INSTALLED_APPS = [
    "integrator",
    "finance",
    "returns",
    "fulfilment",
    "pgtrigger",
    "pghistory",
    "django_q",
    "django_htmx",
    "django_structlog",
    "bootstrap",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "integrator.private.PrivateMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    # Who changed a setting, kept with the change.
    "pghistory.middleware.HistoryMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]

# Files that people bring in are short tables: held in memory, and a longer one is dropped.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

ROOT_URLCONF = "integrator.urls"
WSGI_APPLICATION = "integrator.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Data ----------------------------------------------------------------------------------------

DATABASES = {"default": _database()}

CACHES = {
    # Shared by all processes and machines: limits on login attempts are counted here.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "integrator_cache",
    },
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

# The history of settings and roles is kept for ever, as every other record is.
PGHISTORY_APPEND_ONLY = True

# --- Language and time ---------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files --------------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# A demo serves the files from where they lie; everything else serves what `collectstatic` hashed.
STATIC_ROOT = None if DEMO else BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEMO
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEMO
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Login ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "auth.User"
AUTHENTICATION_BACKENDS = ["integrator.login.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

# Accounts are made by an administrator, so nobody holds one with a stranger's address.
ACCOUNT_ADAPTER = "integrator.login.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_ALLOW_UNVERIFIED_EMAIL = True
# People enter their own address, and it counts when they open the link that was sent there.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {"login_failed": "20/m/ip,5/5m/key"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Integrator"
MFA_TOTP_TOLERANCE = 1  # a code typed in its last seconds counts: RFC 6238, section 5.2
# Roles that open no page before a second factor is set up; checks.py looks at the names.
MFA_ROLES = [word.upper() for word in _words("MFA_ROLES")]

# The retailer's own sign-in provider (OpenID Connect). Without an issuer there is none.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="").strip()
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="").strip()
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="").strip()
OIDC_NAME = env.str("OIDC_NAME", default="").strip()
# What of the provider's word counts as a second factor: amr:mfa, acr:…
OIDC_SECOND_FACTOR = _words("OIDC_SECOND_FACTOR")
_faults += provider_faults(
    wanted={
        "OIDC_ISSUER": OIDC_ISSUER,
        "OIDC_CLIENT_ID": OIDC_CLIENT_ID,
        "OIDC_CLIENT_SECRET": OIDC_CLIENT_SECRET,
        "OIDC_NAME": OIDC_NAME,
    },
    second_factor=OIDC_SECOND_FACTOR,
    is_demo=DEMO,
)
SOCIALACCOUNT_ADAPTER = "integrator.desk.oidc.ProviderAdapter"
SESSION_ENGINE = "integrator.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60

# --- Protection of the browser -------------------------------------------------------------------

ALLOWED_HOSTS = _allowed_hosts()
CSRF_FAILURE_VIEW = "integrator.desk.auth.form_expired"
CSRF_TRUSTED_ORIGINS = _words("CSRF_TRUSTED_ORIGINS")
for _origin in CSRF_TRUSTED_ORIGINS:
    if not _origin.startswith(("http://", "https://")):
        _faults.append(f"CSRF_TRUSTED_ORIGINS: {_origin!r} must start with https://.")

TRUSTED_PROXIES = _number("TRUSTED_PROXIES", default=0, lowest=0, highest=5)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

_ENCRYPTED_ONLY = not DEMO
SECURE_SSL_REDIRECT = _ENCRYPTED_ONLY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _ENCRYPTED_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _ENCRYPTED_ONLY
SECURE_HSTS_PRELOAD = _ENCRYPTED_ONLY
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _ENCRYPTED_ONLY
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Bootstrap's arrows and the QR code of a second factor are pictures written as data.
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Mail ----------------------------------------------------------------------------------------

vars().update(_email())
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="") or "integrator@localhost"
SERVER_EMAIL, EMAIL_TIMEOUT = DEFAULT_FROM_EMAIL, HTTP_TIMEOUT_SECONDS
ALERT_EMAILS = _words("ALERT_EMAILS")

# --- Logs ----------------------------------------------------------------------------------------

LOG_LEVEL = (env.str("LOG_LEVEL", default="") or "INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR"):
    _faults.append(f"LOG_LEVEL is {LOG_LEVEL!r}; write DEBUG, INFO, WARNING or ERROR.")
    LOG_LEVEL = "INFO"
configure_structlog()
LOGGING = logging_settings(level=LOG_LEVEL, readable=DEMO)

if _faults:
    raise ImproperlyConfigured(
        "The settings need attention:\n" + "\n".join(f"- {fault}" for fault in _faults)
    )
