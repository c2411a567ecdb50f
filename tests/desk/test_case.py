"""One case: its words, its buttons, what has not left yet, and its evidence."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrator.flows import CASE_KINDS, FLOWS
from integrator.models import Connection, Job, JobState
from integrator.roles import Role
from tests.desk import factories
from tests.desk.case_page import decided, text_of, version

OWNERS = {
    Role.CX: "carla",
    Role.OPERATIONS: "omar",
    Role.FINANCE: "fiona",
    Role.CONTROLLER: "clara",
    Role.ADMIN: "ada",
    Role.AUDITOR: "otto",
}


# Words nobody should need to know. Technical details are folded and left out here.
JARGON = re.compile(
    r"\b(exception|payload|sync|null|none type|http|idempoten\w*|timeout|callback token|json|"
    r"traceback|queryset|enum)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_every_kind_tells_its_owner_all_five_lines_in_plain_words(
    code: str, at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    """R018, R091: what happened, what it means, what to do, who owns it, what if nobody acts."""
    case = factories.case(code, at, connection_id=returngo.pk)
    client = as_(OWNERS[Role(CASE_KINDS[code].owner)])

    response = client.get(f"/cases/{case.pk}/")

    text = text_of(response.content.decode())
    assert response.status_code == 200
    for line in ("What happened", "What it means", "What to do next", "Who owns it", "If nobody"):
        assert line in text
    assert "(unknown)" not in text
    assert "{" not in text
    assert JARGON.search(text) is None, JARGON.search(text)


def test_buttons_and_steps_say_what_will_happen_in_one_voice() -> None:
    """They stand in one list: "Close the case", and never "Closes the case" beside "Read it"."""
    said = {action.says for kind in CASE_KINDS.values() for action in kind.actions}
    said |= {flow.says for flow in FLOWS.values()}

    assert [says for says in said if re.match(r"[A-Z]\w*[^s\W]s\b", says)] == []


@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_every_action_of_every_kind_has_a_form_its_owner_or_ladder_can_open(
    code: str, at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    kind = CASE_KINDS[code]
    case = factories.case(code, at, connection_id=returngo.pk)
    roles = [Role(kind.owner), *(Role(role) for role in kind.ladder)]
    for action in kind.actions:
        opened = 0
        for role in roles:
            html = as_(OWNERS[role]).get(f"/cases/{case.pk}/?do={action.key}").content.decode()
            if f'action="/cases/{case.pk}/act/{action.key}/"' in html:
                opened += 1
                for field in action.fields:
                    assert f'name="{field.name}"' in html
        assert opened, f"{code}: nobody can press {action.key}"


def test_alone_on_its_page_the_way_back_is_to_its_queue_or_else_to_ones_own(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("UNIT_NOT_BOUGHT", at, connection_id=returngo.pk)

    for name, queue in (("carla", "Customer service"), ("omar", "Operations")):
        html = as_(name).get(f"/cases/{case.pk}/").content.decode()
        href = f"/queue/{queue.split()[0].lower()}/" if name == "omar" else "/queue/cx/"
        assert f'<a href="{href}">{queue} queue</a> /' in html
        assert re.search(r'<a href="[^"]*"[^>]* data-go="q" aria-current="page">', html)


def test_a_button_and_a_refusal_name_the_platform_once(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    facts = {"platform": "ReturnGO", "rma": "RMA1", "error": "ReturnGO: LOCKED: try later"}
    read = factories.case("RETURN_NOT_READ", at, connection_id=returngo.pk, facts=facts)
    wrong = factories.case("UNIT_NOT_BOUGHT", at, connection_id=returngo.pk, facts=facts)

    said = text_of(as_("carla").get(f"/cases/{read.pk}/").content.decode())
    asked = text_of(as_("carla").get(f"/cases/{wrong.pk}/?do=fixed_there").content.decode())

    assert "but reading it failed: LOCKED: try later" in said
    assert asked.count("I fixed it in ReturnGO") == 2, "the button, and the one of the preview"
    assert "read the record again from ReturnGO" in asked


@pytest.mark.requirement("R091")
def test_a_locked_button_stays_visible_and_says_who_may(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)

    html = as_("carla").get(f"/cases/{case.pk}/").content.decode()

    assert re.search(r"<button[^>]+disabled[^>]*>.*?Nothing is wrong", html, re.DOTALL)
    assert "Only Controller or Finance can do this." in text_of(html)


def test_why_several_buttons_are_locked_is_said_once_for_all_of_them(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("REFUND_REFUSED", at)

    html = as_("carla").get(f"/cases/{case.pk}/").content.decode()

    whys = re.findall(r'id="(why-\d)">Only Finance can do this\.', html)
    assert len(whys) == 1
    assert re.findall(r'disabled aria-describedby="([^"]*)"', html) == whys * 3


def test_a_locked_action_cannot_be_posted_either(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)

    response = as_("carla").post(f"/cases/{case.pk}/act/not_an_error/", {"note": "fine"})

    assert response.status_code == 403
    assert decided(case) == []


def test_pressing_an_action_records_the_decision_with_its_person_and_words(
    at: datetime, people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    case = factories.case("RETURN_ORDER_UNKNOWN", at, record=("return", 5))
    client = as_("carla")

    response = client.post(
        f"/cases/{case.pk}/act/match_return/",
        {"order_number": " 100482913 ", "version": version(client, case)},
    )

    assert response.status_code == 302
    event = decided(case)[0]
    assert (event.action, event.actor) == ("match_return", "user:carla")
    assert event.data == {"order_number": "100482913", "hold_seconds": 30}


def test_an_empty_field_is_named_and_nothing_is_written(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("RETURN_ORDER_UNKNOWN", at)
    client = as_("carla")

    response = client.post(
        f"/cases/{case.pk}/act/match_return/", {"version": version(client, case)}
    )

    html = response.content.decode()
    assert response.status_code == 422
    assert '<a href="#f-order_number">Order number: fill this in</a>' in html
    assert 'aria-invalid="true"' in html
    assert decided(case) == []


def test_a_mapping_offers_our_locations_and_refuses_anything_else(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    """R120: no default, and no place that does not exist."""
    factories.location("altona", "Hamburg Altona")
    case = factories.case(
        "MAPPING_MISSING",
        at,
        record=("return", 1),
        cause=f"mapping:{returngo.pk}:LOCATION:HH-2",
        connection_id=returngo.pk,
    )
    client = as_("omar")
    html = client.get(f"/cases/{case.pk}/?do=save_mapping").content.decode()
    seen = version(client, case)

    assert '<option value="altona">Hamburg Altona (altona)</option>' in html
    assert '<option value="">Choose</option>' in html
    address = f"/cases/{case.pk}/act/save_mapping/"
    assert client.post(address, {"ours": "", "version": seen}).status_code == 422
    assert client.post(address, {"ours": "mars", "version": seen}).status_code == 422
    assert client.post(address, {"ours": "altona", "version": seen}).status_code == 302
    assert decided(case)[0].data == {"ours": "altona", "hold_seconds": 30}


def test_when_our_own_place_has_no_partner_their_word_is_typed(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    factories.location("altona", "Hamburg Altona")
    case = factories.case(
        "MAPPING_MISSING",
        at,
        cause=f"mapping:{returngo.pk}:LOCATION:ours:altona",
        connection_id=returngo.pk,
    )

    html = as_("omar").get(f"/cases/{case.pk}/?do=save_mapping").content.decode()

    assert "Their word for it" in html
    assert "<select" not in html


# --- Thirty seconds -------------------------------------------------------------------------------


def test_what_has_not_left_yet_can_be_cancelled(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    job = factories.job(
        "restock",
        at,
        record=("case", case.pk),
        to=scayle,
        actor="user:fiona",
        not_before=at + timedelta(seconds=30),
    )
    client = as_("fiona")
    assert "Will be sent in" in client.get(f"/cases/{case.pk}/").content.decode()

    client.post(f"/cases/{case.pk}/jobs/{job.pk}/cancel/")

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_what_has_left_cannot_be_cancelled_and_nobody_pretends(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    job = factories.job(
        "restock",
        at - timedelta(minutes=1),
        record=("case", case.pk),
        to=scayle,
        actor="user:fiona",
    )

    response = as_("fiona").post(f"/cases/{case.pk}/jobs/{job.pk}/cancel/", follow=True)

    job.refresh_from_db()
    assert job.state == JobState.DUE
    assert "Too late" in response.content.decode()


def test_a_step_of_another_case_cannot_be_cancelled_from_here(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    other: Job = factories.job(
        "restock",
        at,
        record=("case", case.pk + 1000),
        to=scayle,
        actor="user:fiona",
        not_before=at + timedelta(seconds=30),
    )

    response = as_("fiona").post(f"/cases/{case.pk}/jobs/{other.pk}/cancel/")

    other.refresh_from_db()
    assert response.status_code == 404
    assert other.state == JobState.DUE


def test_a_step_carries_the_sign_of_who_carries_it_out(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    """A mail is ours to send, whatever platform it is about."""
    case = factories.case("SYSTEMS_DIFFER", at)
    for flow, queue in (("restock", "scayle"), ("alert", "mail")):
        job = factories.job(flow, at, record=("case", case.pk), to=scayle)
        Job.objects.filter(pk=job.pk).update(queue=queue)

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    signs = re.findall(r'<abbr class="pf[^"]*"[^>]*>(\w+)</abbr>\s*<span>([^<]+)<', html)
    said = {words.strip(): sign for sign, words in signs}
    assert said["Put the returned unit where its verdict says"] == "SC"
    assert said["Tell the team by e-mail"] == "Us"


def test_a_step_that_had_nothing_to_do_is_not_called_done(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    """A customer who was not paid must not read as paid: no tick stands beside the refund."""
    case = factories.case("REFUND_REFUSED", at, record=("refund", 1))
    why = {"nothing": "no unit has all its evidence yet"}
    for state, more in (
        (JobState.DONE, {"evidence": why}),
        (JobState.PARKED, {"started_at": at - timedelta(days=400)}),
    ):
        factories.job("refund", at, record=("refund", 1), to=scayle, state=state, **more)

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    steps = html[html.index('id="steps-h"') : html.index("What we know")]
    said = re.sub(r"\s+", " ", text_of(steps))
    assert "#i-ok" not in steps
    assert re.search(r"no unit has all its evidence yet, [\w: ]+ nothing to do", said)
    assert re.search(r"last try \d+ \w+ \d{4}: a person must look at it stopped", said)


# --- Evidence -------------------------------------------------------------------------------------


def test_each_system_has_its_own_column_and_what_is_not_known_is_dashed(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    order = factories.order("100482913", at)
    rma = factories.return_of(order, "RMA3271840", at)
    refund = factories.refund_of(rma, at)
    case = factories.case("REFUND_IN_DOUBT", at, record=("refund", refund.pk), order_id=order.pk)

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    table = html[html.index("What each system says") : html.index("What we know")]
    assert table.count('scope="col"') == 4
    assert "Validated" in table
    said = re.sub(r"\s+", " ", text_of(table))
    assert "Payment of the order Paid owns this value – not kept there – not kept there" in said
    assert (
        f"State of the order – not kept there – not kept there {order.get_status_display()}" in said
    )
    assert "Refunded or set aside in doubt counts too" in said
    paid = table[table.index("Refund, paid") :]
    assert '<span class="unknown">not known</span>' in paid  # it may have been paid


def test_technical_details_are_folded_and_hold_no_body(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    job = factories.job("refund", at, record=("refund", 1), to=scayle, attempts=1)
    factories.attempt(job, at, error="the shop said no")
    case = factories.case("REFUND_REFUSED", at, record=("refund", 1), job_id=job.pk)

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    details = re.search(r"<details>\s*<summary>Technical.*?</details>", html, re.DOTALL)
    assert details is not None
    assert "POST /orders/1/return-items" in unescape(re.sub(r"<[^>]+>", "", details[0]))
    assert "/orders/1/return-items" not in html.replace(details[0], "")


def test_an_amount_without_a_currency_is_not_guessed(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("PAID_IN_SHOP", at)
    typed = {"version": "", "amount": "10.00", "note": "seen"}

    response = as_("fiona").post(f"/cases/{case.pk}/act/paid_goods/", typed)

    assert response.status_code == 422
    assert "it is not known in which currency this case is" in response.content.decode()
