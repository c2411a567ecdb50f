"""django-q2 with its ORM broker: two workers, everything else at its default."""

from bench.peers.settings import *  # noqa: F403
from bench.peers.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_q"]
DATABASES["default"]["CONN_MAX_AGE"] = 0  # Django's default
Q_CLUSTER = {"name": "defaults", "orm": "default", "workers": 2}
