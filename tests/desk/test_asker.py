"""What two people agree to is done in the name of who asked: who lost that right asks nothing.

And nobody refuses what they did not press.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from integrator.engine import mapping_plans, mappings
from integrator.models import (
    Approval,
    ApprovalState,
    Connection,
    Mapping,
    MappingKind,
    MappingPlan,
)
from tests.desk import factories
from tests.desk.audits import by
from tests.desk.case_page import decided, text_of, version

As = Callable[[str], Client]
People = dict[str, User]
REFUSED = "Who asked may not ask for this any more: refuse it, and have it asked anew."


def loses(person: User, *, gets: str = "") -> None:
    """Their role is taken away; perhaps they work in another team now."""
    person.groups.clear()
    if gets:
        person.groups.add(Group.objects.get_or_create(name=gets)[0])


def agrees(client: Client, path: str) -> str:
    return text_of(client.post(path, {"answer": "agree"}, follow=True).content.decode())


def means(at: datetime, of: Connection, theirs: str, ours: str) -> Mapping:
    factories.location("berlin", "Berlin")
    factories.location("altona", "Altona")
    trace = factories.trace(at, "configure")
    kind = MappingKind.LOCATION
    return mappings.save(connection=of, kind=kind, theirs=theirs, ours=ours, trace=trace)


@pytest.mark.parametrize("now", ["", "CX"], ids=["no role", "another team"])
def test_a_decision_about_money(at: datetime, people: People, as_: As, now: str) -> None:
    doubt = factories.case("REFUND_IN_DOUBT", at)
    fiona = as_("fiona")
    data = {"reference": "RF-1", "note": "seen", "version": version(fiona, doubt)}
    fiona.post(f"/cases/{doubt.pk}/act/it_happened/", data)
    path = f"/cases/{doubt.pk}/approvals/{Approval.objects.get().pk}/"
    loses(people["fiona"], gets=now)

    assert REFUSED in agrees(as_("clara"), path)
    assert decided(doubt) == []
    as_("clara").post(path, {"answer": "refuse"})
    assert Approval.objects.get().state == ApprovalState.REFUSED


def test_another_meaning_of_a_word(
    at: datetime, people: People, as_: As, scayle: Connection
) -> None:
    current = means(at, scayle, "WH-2", "berlin")
    mappings.ask_to_change(current, ours="altona", trace=by("omar", at), by=people["omar"])
    loses(people["omar"])

    assert REFUSED in agrees(as_("ada"), f"/mappings/approvals/{Approval.objects.get().pk}/")
    assert Mapping.objects.get(theirs="WH-2", ended_at=None).ours == "berlin"


def test_another_meaning_from_later_on(
    at: datetime, people: People, as_: As, scayle: Connection
) -> None:
    means(at, scayle, "WH-2", "berlin")
    plan = mapping_plans.plan(
        connection=scayle,
        kind=MappingKind.LOCATION,
        theirs="WH-2",
        ours="altona",
        starts_at=at + timedelta(days=2),
        trace=by("omar", at),
        by=people["omar"],
    )
    loses(people["omar"])

    assert REFUSED in agrees(as_("ada"), f"/mappings/plans/{plan.pk}/")
    assert MappingPlan.objects.get().state == "ASKED"


def test_a_role(people: People, as_: As) -> None:
    wish = {"do": "give", "role": "FINANCE", "reason": "holiday cover"}
    as_("ada").post(f"/people/{people['nobody'].pk}/ask/", wish)
    loses(people["ada"])

    assert REFUSED in agrees(as_("clara"), f"/people/changes/{Approval.objects.get().pk}/")
    assert not people["nobody"].groups.exists()


@pytest.mark.parametrize("given", ["", "yes", "Agree", "take_back"])
def test_a_word_that_nobody_could_press_is_no_refusal(
    at: datetime, people: People, as_: As, given: str
) -> None:
    doubt = factories.case("REFUND_IN_DOUBT", at)
    fiona = as_("fiona")
    data = {"reference": "RF-1", "note": "seen", "version": version(fiona, doubt)}
    fiona.post(f"/cases/{doubt.pk}/act/it_happened/", data)
    path = f"/cases/{doubt.pk}/approvals/{Approval.objects.get().pk}/"

    assert as_("clara").post(path, {"answer": given}).status_code == 404
    assert Approval.objects.get().state == ApprovalState.ASKED
