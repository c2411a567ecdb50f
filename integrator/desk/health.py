"""For machines that watch this one: alive, ready, and numbers. Says nothing about any customer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import Error as DatabaseError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from integrator.engine import clock, jobs, router
from integrator.engine.lag import all_lags
from integrator.engine.watch import SILENT_AFTER, newest_beat
from integrator.models import Case, CaseState, Connection, Job, JobState


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers. It asks nothing else."""
    return JsonResponse({"alive": True})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Fit for work: the database answers, and a worker was alive in the last two minutes."""
    try:
        beat = newest_beat()
    except DatabaseError:
        return JsonResponse({"ready": False, "because": "the database does not answer"}, status=503)
    at = clock.now()
    if beat is None or at - beat > SILENT_AFTER:
        said = "no worker has ever run" if beat is None else "no worker for two minutes"
        return JsonResponse({"ready": False, "because": said}, status=503)
    return JsonResponse({"ready": True})


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Ages and counts, read from the database at this moment, so every process says the same."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(clock.now()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Figures:
    """One reading of everything that is worth an alert."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def collect(self) -> Iterable[Metric]:
        yield from self._ages()
        yield self._lags()
        yield self._jobs()
        yield self._cases()
        yield self._connections()

    def _ages(self) -> Iterable[Metric]:
        beat = newest_beat()
        age = GaugeMetricFamily(
            "integrator_heartbeat_age_seconds", "Since the last sign of life of any worker"
        )
        if beat is not None:
            age.add_metric([], (self.at - beat).total_seconds())
        yield age
        yield GaugeMetricFamily(
            "integrator_unrouted_age_seconds",
            "Age of the oldest fact that was not looked at",
            value=router.unrouted_since(at=self.at).total_seconds(),
        )
        yield GaugeMetricFamily(
            "integrator_due_age_seconds",
            "For how long the oldest job that could run has been waiting",
            value=jobs.oldest_due(at=self.at).total_seconds(),
        )

    def _lags(self) -> Metric:
        slugs = dict(Connection.objects.values_list("id", "slug"))
        family = GaugeMetricFamily(
            "integrator_lag_seconds",
            "How far a stream is behind; absent while it was never read completely",
            labels=["connection", "stream"],
        )
        for lag in all_lags(at=self.at):
            if lag.age is not None:
                labels = [slugs[lag.connection_id], lag.stream]
                family.add_metric(labels, lag.age.total_seconds())
        return family

    def _jobs(self) -> Metric:
        family = GaugeMetricFamily("integrator_jobs", "Open jobs", labels=["queue", "state"])
        rows = (
            Job.objects.exclude(state__in=[JobState.DONE, JobState.CANCELLED])
            .values_list("queue", "state")
            .annotate(count=Count("id"))
            .order_by("queue", "state")
        )
        for queue, state, count in rows:
            family.add_metric([queue, state], count)
        return family

    def _cases(self) -> Metric:
        family = GaugeMetricFamily("integrator_cases", "Open cases", labels=["owner", "kind"])
        rows = (
            Case.objects.exclude(state=CaseState.SOLVED)
            .values_list("owner", "kind")
            .annotate(count=Count("id"))
            .order_by("owner", "kind")
        )
        for owner, kind, count in rows:
            family.add_metric([owner, kind], count)
        return family

    def _connections(self) -> Metric:
        family = GaugeMetricFamily(
            "integrator_connection", "1 for the state a connection is in", labels=["slug", "state"]
        )
        for slug, state in Connection.objects.order_by("slug").values_list("slug", "state"):
            family.add_metric([slug, state], 1)
        return family
