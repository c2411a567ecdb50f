"""The product's settings plus the toy record the benchmarked flows move."""

from integrator.settings import *  # noqa: F403
from integrator.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench.ours.toy"]
