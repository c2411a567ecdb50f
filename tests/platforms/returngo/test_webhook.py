"""Which return a callback of ReturnGO is about, wherever it keeps the id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrator.engine.errors import Malformed
from integrator.platforms.returngo import webhook


def split(data: Any) -> list[Any]:
    return webhook.split(json.dumps(data).encode(), {}, {"shop_key": "nb", "country_code": "DE"})


@pytest.mark.parametrize(
    "where",
    [
        {"rmaId": "123"},
        {"rmaId": 123},
        {"rmaSummary": {"rmaId": "RMA123"}},
        {"data": {"rmaId": "123", "id": "9"}},
        {"rmaId": None, "data": {"rmaId": 123}},
        {"rmaSummary": "Received", "data": {"rmaId": "123"}},
    ],
)
def test_the_return_is_found_at_any_of_the_assumed_places(where: dict[str, Any]) -> None:
    (heard,) = split({"eventName": "RMA_STATUS_UPDATED", **where})
    assert (heard.topic, heard.resource_kind, heard.resource_id) == ("rma", "rma", "123")
    assert (heard.kind, heard.event_id, heard.understood) == ("RMA_STATUS_UPDATED", "", True)


@pytest.mark.parametrize(
    ("where", "resource_kind"),
    [
        ({"shipmentId": 7001}, "shipment"),
        ({"data": {"shipmentId": "7001"}}, "shipment"),
        ({"transactionId": "7001"}, "transaction"),
        ({"id": "7001"}, "transaction"),
    ],
)
def test_a_callback_without_its_return_is_kept_for_a_person(
    where: dict[str, Any], resource_kind: str
) -> None:
    (heard,) = split({"eventName": "SHIPMENT_STATUS_UPDATED", **where})
    assert not heard.understood
    assert (heard.resource_kind, heard.resource_id) == (resource_kind, "7001")


@pytest.mark.parametrize(("where", "kind"), [({"rmaId": "1"}, "rma"), ({}, "")])
def test_an_unknown_event_is_kept_for_a_person(where: dict[str, Any], kind: str) -> None:
    (heard,) = split({"eventName": "RMA_TELEPORTED", **where})
    assert (heard.understood, heard.topic, heard.kind) == (False, "", "RMA_TELEPORTED")
    assert heard.resource_kind == kind


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b"{}", "eventName"),
        (b'{"eventName":5.5}', "eventName"),
        (b'{"eventName":"RMA_CREATED"}', "rmaId"),
        (b'{"eventName":"RMA_CREATED","rmaId":{},"data":[]}', "rmaId"),
    ],
)
def test_a_callback_that_names_nothing_is_malformed(content: bytes, field: str) -> None:
    with pytest.raises(Malformed) as error:
        webhook.split(content, {}, {})
    assert error.value.facts["field"] == field
