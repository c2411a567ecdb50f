"""The platforms we speak to: one line each. A platform package translates; it decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from integrator.engine.http import Dialect, Http
from integrator.engine.shapes import Heard
from integrator.platforms import pages, returngo, scayle
from integrator.platforms.contract import Contract
from integrator.platforms.returngo import client as returngo_client
from integrator.platforms.returngo import webhook as returngo_webhook
from integrator.platforms.scayle import client as scayle_client
from integrator.platforms.scayle import dialect as scayle_dialect
from integrator.platforms.scayle import webhook as scayle_webhook


class Webhook(Protocol):
    """What every platform's ``webhook`` module offers."""

    AUTH: str  # "basic" (and the token in the path) or "token"
    TOPICS: dict[str, str]  # event → topic, the word the router knows
    IGNORED: frozenset[str]  # events we know and drop
    EVENTS: tuple[str, ...]  # events to subscribe to
    REPLIES: dict[str, tuple[int, dict[str, str], bytes]]

    def split(
        self, body: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]
    ) -> list[Heard]: ...


@dataclass(frozen=True)
class Platform:
    """``tile`` is the platform's two letters on screen.

    ``pages`` are the kinds of records it has screens of; ``streams`` the topics that are read up
    to where they end, each with a budget of how far it may be behind.
    """

    slug: str
    name: str
    tile: str
    dialect: Dialect
    client: Callable[[Http, Mapping[str, str]], Any]
    webhook: Webhook
    contract: Contract
    pages: tuple[str, ...]
    streams: tuple[str, ...]

    @property
    def setting_names(self) -> tuple[str, ...]:
        """What the settings of a connection may hold."""
        return (*self.contract.setting_names, pages.SETTING)

    @property
    def events(self) -> tuple[str, ...]:
        return self.webhook.EVENTS


PLATFORMS: dict[str, Platform] = {
    "scayle": Platform(
        "scayle",
        scayle.CONTRACT.title,
        "SC",
        scayle_dialect.DIALECT,
        scayle_client.Scayle,
        scayle_webhook,
        scayle.CONTRACT,
        ("order", "customer", "product"),
        ("order",),
    ),
    "returngo": Platform(
        "returngo",
        returngo.CONTRACT.title,
        "RG",
        returngo_client.DIALECT,
        returngo_client.ReturnGO,
        returngo_webhook,
        returngo.CONTRACT,
        ("rma",),
        ("rma",),
    ),
}
