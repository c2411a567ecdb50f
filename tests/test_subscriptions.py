"""Registering our callback addresses: one connection must not cut off another, nor itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrator.engine.errors import PlatformError, Transient
from integrator.engine.secrets import seal
from integrator.models import Connection
from integrator.platforms.scayle.client import Scayle
from integrator.subscriptions import subscribe
from tests.journeys.causing import SKU
from tests.story import Stage, opened


@pytest.fixture
def stage(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with opened(monkeypatch) as stage:
        yield stage


def registered(stage: Stage) -> int:
    return len(stage.sandbox.world.outbox.subscribed("scayle"))


def second_shop(stage: Stage) -> Connection:
    first = stage.connection("scayle")
    return Connection.objects.create(
        retailer=stage.retailer,
        platform="scayle",
        slug="second-shop",
        name="SCAYLE Austria",
        base_url=first.base_url,
        settings={**first.settings, "country_code": "AT"},
        secrets=bytes(first.secrets),
        callback_token_hash="second",
    )


def breaks_after(count: int) -> Any:
    """SCAYLE stops answering after so many registrations."""
    original, events = Scayle.subscribe, []

    def one(self: Scayle, event: str, url: str) -> Any:
        events.append(event)
        if len(events) > count:
            raise Transient("SCAYLE does not answer")
        return original(self, event, url)

    return one


def test_subscribing_again_replaces_what_was_registered(stage: Stage) -> None:
    before = registered(stage)

    assert subscribe(stage.connection("scayle")) == before

    assert registered(stage) == before
    stage.sold(SKU)
    assert stage.deliver() == 0  # all were answered well


def test_two_shops_of_one_account_are_both_called(stage: Stage) -> None:
    first, second = stage.connection("scayle"), second_shop(stage)
    subscribe(second)

    here, there = stage.sold(SKU), stage.sold(SKU, country="AT")

    assert stage.order(here).connection == first
    assert stage.order(there).connection == second
    assert stage.open_cases() == []


def test_a_wrong_key_leaves_the_callbacks_as_they_are(stage: Stage) -> None:
    shop = stage.connection("scayle")
    Connection.objects.filter(pk=shop.pk).update(secrets=seal({"access_token": "old"}))
    before = registered(stage)

    with pytest.raises(PlatformError):
        subscribe(stage.connection("scayle"))

    assert registered(stage) == before
    assert stage.connection("scayle").callback_token_hash == shop.callback_token_hash


def test_what_a_broken_run_left_behind_is_ended_by_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = registered(stage)
    token = stage.connection("scayle").callback_token_hash
    with monkeypatch.context() as broken:
        broken.setattr(Scayle, "subscribe", breaks_after(3))
        with pytest.raises(Transient):
            subscribe(stage.connection("scayle"))
    assert registered(stage) > before
    assert stage.connection("scayle").callback_token_hash == token  # the old address still works

    subscribe(stage.connection("scayle"))

    assert registered(stage) == before
