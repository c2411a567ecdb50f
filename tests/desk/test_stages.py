"""Who has it when: the map follows what is connected and the policy in force."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape

import pytest
from django.test import Client

from integrator.desk import directory
from integrator.engine import choices
from integrator.models import Connection
from returns.states import Custody, ReturnStatus
from tests.desk import factories


def lines(client: Client) -> dict[str, str]:
    html = client.get("/figures/stages/").content.decode()
    found = {}
    for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", html, re.S):
        text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", row))).strip()
        label = re.search(r'<th scope="row">([^<]+)<', row)
        assert label is not None
        found[label[1]] = text
    return found


def policy(**values: object) -> None:
    choices.save(retailer=factories.retailer(), values=values, made_by="test")
    directory.forget()


@pytest.mark.requirement("R019", "R091")
def test_every_stage_names_its_system_its_team_and_where_to_look(
    scayle: Connection, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    factories.location()
    policy(refund_executor="scayle")

    found = lines(as_("carla"))

    assert set(found) == {*(str(one.label) for one in ReturnStatus), "Back on sale", "Replacement"}
    assert "ReturnGO Customer service the customer On the way back" in found["Agreed"]
    assert "ReturnGO Operations Operations On the way back" in found["Received"]
    assert "SCAYLE Finance" in found["Checked"]
    assert "SCAYLE for Hamburg warehouse Operations" in found["Back on sale"]
    for ended in ("COMPLETED", "CLOSED"):
        assert "nothing, unless a case is open" in found[str(ReturnStatus(ended).label)]


@pytest.mark.requirement("R019")
@pytest.mark.parametrize(
    ("executor", "says"),
    [
        ("returns_platform", "ReturnGO Finance"),
        ("manual", "nowhere: Finance pays by hand Finance"),
        (None, "Nobody was chosen to pay refunds Finance"),
    ],
)
def test_who_pays_is_what_the_policy_says(
    executor: str | None,
    says: str,
    scayle: Connection,
    returngo: Connection,
    as_: Callable[[str], Client],
) -> None:
    policy(refund_executor=executor)

    assert says in lines(as_("carla"))["Checked"]


def test_what_is_not_set_up_is_said(as_: Callable[[str], Client]) -> None:
    found = lines(as_("carla"))

    assert "No returns platform is set up" in found["Received"]
    assert "No location is set up" in found["Back on sale"]


@pytest.mark.requirement("R019", "R091")
def test_a_return_shows_the_system_and_team_of_its_stage_with_a_way_in(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    address = "https://app.example/returns/{id}"
    Connection.objects.filter(pk=returngo.pk).update(settings={"pages": {"rma": address}})
    order = factories.order("1", at)
    factories.return_of(order, "RMA/1", at, reached=Custody.RECEIVED)

    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()

    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "Stage Received Look in ReturnGO , in a new tab Answers for it Operations" in text
    assert 'href="https://app.example/returns/RMA%2F1"' in html


def test_an_address_that_is_no_web_page_is_no_link(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    Connection.objects.filter(pk=returngo.pk).update(
        settings={"pages": {"start": "javascript:alert(1)", "rma": "javascript:alert('{id}')"}}
    )
    order = factories.order("1", at)
    factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)
    client = as_("carla")

    assert "javascript:" not in client.get("/figures/stages/").content.decode()
    assert "javascript:" not in client.get(f"/orders/{order.pk}/").content.decode()


def test_the_file_has_every_stage(returngo: Connection, as_: Callable[[str], Client]) -> None:
    answer = as_("otto").get("/figures/stages/file/")

    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert "Received,ReturnGO,Operations,Operations" in text
