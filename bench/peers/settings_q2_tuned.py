"""django-q2 with its ORM broker, tuned: fifty at a time, nothing kept, no recycling."""

from bench.peers.settings import *  # noqa: F403
from bench.peers.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_q"]
Q_CLUSTER = {
    "name": "tuned",
    "orm": "default",
    "workers": 2,
    "bulk": 50,
    "queue_limit": 100,
    "save_limit": -1,
    "recycle": 10_000_000,
}
