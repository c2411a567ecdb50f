"""The bare project's only view: keep the body with one ORM insert, answer 202."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.peers.models import Event


def receive(request: HttpRequest) -> HttpResponse:
    Event.objects.create(body=request.body.decode())
    return HttpResponse(status=202, headers={"Content-Length": "0"})


urlpatterns = [path("callbacks/", receive)]
