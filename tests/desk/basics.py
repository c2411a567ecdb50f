"""People, their retailer, its connections and places. Valid rows only; see ``factories``."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User

from fulfilment.models import Location
from integrator.engine.states import Trace
from integrator.models import AccessReview, Connection, Cursor, Retailer, ReviewItem, RoleGrant

PASSWORD = "correct horse battery"


def trace(at: datetime, actor: str = "worker") -> Trace:
    return Trace(at=at, actor=actor)


def person(username: str, *roles: str, **values: Any) -> User:
    """Somebody with these roles: Carla (CX), Omar (operations), Fiona (finance)."""
    user = User.objects.create_user(
        username, password=PASSWORD, first_name=username.capitalize(), **values
    )
    for role in roles:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def review(at: datetime) -> AccessReview:
    """A review that began today, of every role that somebody holds; its quarter is long ago."""
    review = AccessReview.objects.create(
        first_day=date(2020, 1, 1), last_day=at.date() + timedelta(days=27), began_at=at
    )
    for one in RoleGrant.objects.select_related("user", "group").order_by("user__username"):
        ReviewItem.objects.create(review=review, person=one.user, role=one.group.name)
    return review


def retailer() -> Retailer:
    found, _ = Retailer.objects.get_or_create(
        slug="demo",
        defaults={"name": "Demo Sport", "timezone": "Europe/Berlin", "currency": "EUR"},
    )
    return found


def connection(platform: str = "scayle", name: str = "SCAYLE") -> Connection:
    found, _ = Connection.objects.get_or_create(
        slug=platform,
        defaults={
            "retailer": retailer(),
            "platform": platform,
            "name": name,
            "base_url": "http://127.0.0.1:8100/",
            "callback_token_hash": uuid.uuid4().hex,
        },
    )
    return found


def location(code: str = "hamburg", name: str = "Hamburg warehouse") -> Location:
    found, _ = Location.objects.get_or_create(
        retailer=retailer(), code=code, defaults={"name": name, "authority": "scayle"}
    )
    return found


def stream(
    of: Connection, name: str, *, swept_at: datetime | None, budget: int = 900, missed: int = 0
) -> Cursor:
    return Cursor.objects.create(
        connection=of,
        stream=name,
        swept_at=swept_at,
        lag_budget_seconds=budget,
        missed_total=missed,
    )
