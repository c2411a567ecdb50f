"""Every platform is complete: listed, documented, with a contract and a fixture per event."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fulfilment.shapes import Billing, Progress, Sellability, UnitStatus
from integrator.engine.errors import Misconfigured
from integrator.platforms import PLATFORMS, Platform
from integrator.platforms.contract import Source
from returns.shapes import Method, MoneyStatus, ParcelStatus, PlatformStatus, Resolution

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    path.name
    for path in (ROOT / "integrator/platforms").iterdir()
    if path.is_dir() and path.name != "__pycache__"
)
OUTCOMES = {"stored", "known", "quarantined", "malformed", "unauthenticated", "unavailable"}
MEANINGS = {
    ("scayle", "order_code"): Progress,
    ("scayle", "order_status"): Progress,
    ("scayle", "billing_code"): Billing,
    ("scayle", "billing_write"): Billing,
    ("scayle", "unit_status"): UnitStatus,
    ("scayle", "product_state"): Sellability,
    ("scayle", "transaction_status"): MoneyStatus,
    ("scayle", "reservation_error"): {"SOLD_OUT"},
    ("scayle", "invoice"): {"INVOICE", "CORRECTIVE", "BY_HAND", "OTHER"},
    ("returngo", "rma_status"): PlatformStatus,
    ("returngo", "resolution"): Resolution,
    ("returngo", "method"): Method,
    ("returngo", "shipment_status"): ParcelStatus,
    ("returngo", "transaction_type"): Resolution,
    ("returngo", "transaction_status"): MoneyStatus,
}


def test_every_package_is_listed() -> None:
    assert sorted(PLATFORMS) == PACKAGES
    assert all(slug == platform.slug for slug, platform in PLATFORMS.items())


@pytest.mark.parametrize("slug", PACKAGES)
def test_a_platform_has_its_four_files_and_a_page_for_the_admin(slug: str) -> None:
    package = ROOT / "integrator/platforms" / slug
    missing = [
        name
        for name in ("client.py", "wire.py", "webhook.py", "contract.toml")
        if not (package / name).is_file()
    ]
    assert not missing
    page = (ROOT / f"docs/platforms/{slug}.md").read_text("utf-8")
    contract = PLATFORMS[slug].contract
    unnamed = [name for name in [*contract.settings, *contract.writes] if f"`{name}`" not in page]
    assert not unnamed, "the page must name every setting, secret and write"


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))
def test_each_event_has_a_fixture_that_is_understood(platform: Platform) -> None:
    fixtures = ROOT / "tests/platforms" / platform.slug / "fixtures"
    for event in platform.events:
        body = json.loads((fixtures / f"event.{event}.json").read_text("utf-8"))["body"]
        (heard,) = platform.webhook.split(json.dumps(body).encode(), {}, {})
        assert (heard.kind, heard.understood) == (event, True)
        assert heard.topic == platform.webhook.TOPICS[event]
        assert heard.resource_kind and heard.resource_id


@pytest.mark.parametrize("slug", PACKAGES)
def test_each_fixture_says_where_it_comes_from(slug: str) -> None:
    for path in (ROOT / "tests/platforms" / slug / "fixtures").glob("*.json"):
        provenance = json.loads(path.read_text("utf-8"))["provenance"]
        assert provenance.split(":")[0] in list(Source), path.name


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))
def test_the_replies_to_callbacks_are_complete(platform: Platform) -> None:
    replies = platform.webhook.REPLIES
    assert set(replies) == OUTCOMES
    assert {replies[outcome][0] for outcome in ("stored", "known", "quarantined")} == {200}
    refusals = [replies[name][0] for name in ("malformed", "unauthenticated", "unavailable")]
    assert refusals == [400, 401, 503]
    assert all(json.loads(content) for _, _, content in replies.values())
    assert platform.webhook.AUTH in ("basic", "token")


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))
def test_ignored_events_are_not_routed_and_events_are(platform: Platform) -> None:
    webhook = platform.webhook
    assert not webhook.IGNORED & set(webhook.TOPICS)
    assert set(webhook.EVENTS) <= set(webhook.TOPICS)


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))
def test_each_word_of_a_contract_has_a_meaning_of_ours(platform: Platform) -> None:
    for name, words in platform.contract.enums.items():
        assert set(words.values()) <= set(MEANINGS[platform.slug, name]) - {"UNKNOWN"}, name


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))
def test_money_is_never_repeated_on_a_guess(platform: Platform) -> None:
    for write in platform.contract.writes.values():
        assert write.lookups_needed >= 2
        assert write.settle_minutes >= 1
    if platform.slug == "scayle":
        assert not platform.contract.writes["return_items"].repeat_harmless


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))
def test_a_connection_without_its_secret_stops(platform: Platform) -> None:
    settings = {name: "x" for name, entry in platform.contract.settings.items() if not entry.secret}
    with pytest.raises(Misconfigured) as error:
        platform.dialect.headers(settings, {})
    assert error.value.credentials
