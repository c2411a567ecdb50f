"""Every kind of case the platforms can cause: it opens, and each of its buttons ends it.

The end is judged by the platforms' own books and by a comparison that finds no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from integrator import policy
from integrator.desk import directory
from integrator.flows import CASE_KINDS
from integrator.models import Case, CaseState
from integrator.roles import Role
from tests.desk.test_budgets import PREVIEW_MAX, STATEMENTS_MAX
from tests.journeys.causes import CAUSES
from tests.journeys.causing import SKU
from tests.journeys.ending import TEAM
from tests.journeys.ends import ENDS
from tests.story import Stage

# No platform can cause these: a doubt has a kind of its own for every call that writes, and a fact
# that breaks the router is a fault of ours. A broken seal is somebody's work in our own database,
# and what people do by hand is told in test_by_hand.
NOT_FROM_PLATFORMS = {"JOB_IN_DOUBT", "FACT_NOT_ROUTED", "MANY_BY_HAND", "SEAL_BROKEN"}


# Nor a receiver of alerts that does not answer: it is no platform (test_tell_receiver).
NOT_FROM_PLATFORMS |= {"ALERT_NOT_TAKEN"}


# Nor a review of roles that people do not finish (tests/desk/test_reviews).
NOT_FROM_PLATFORMS |= {"ACCESS_REVIEW_OVERDUE"}


def test_the_table_above_knows_every_kind_and_every_button() -> None:
    buttons = {
        (code, action.key)
        for code, kind in CASE_KINDS.items()
        if code not in NOT_FROM_PLATFORMS
        for action in kind.actions
    }
    assert set(ENDS) == buttons
    assert set(CAUSES) == set(CASE_KINDS) - NOT_FROM_PLATFORMS


# In every check: the gravest kinds, by the button that is pressed most. All of them and all their
# buttons take many minutes: the long form, in ``make prove``.
SHORT = [
    (code, CASE_KINDS[code].actions[0].key)
    for code in sorted(CAUSES)
    if CASE_KINDS[code].severity >= 3
]


@pytest.mark.requirement("R081")
@pytest.mark.parametrize(("code", "key"), SHORT)
def test_a_grave_case_is_ended_by_its_first_button_and_both_sides_agree(
    stage: Stage, code: str, key: str
) -> None:
    walk(stage, code, key)


@pytest.mark.prove
@pytest.mark.requirement("R081")
@pytest.mark.parametrize(("code", "key"), sorted(set(ENDS) - set(SHORT)))
def test_a_case_is_ended_by_any_button_and_both_sides_agree(
    stage: Stage, code: str, key: str
) -> None:
    walk(stage, code, key)


def walk(stage: Stage, code: str, key: str) -> None:
    story = CAUSES[code](stage)
    case = stage.case(code)
    assert list(complaints(stage, case)) == []
    with pytest.raises(PermissionDenied):
        stage.decide(case, key, by=stage.nobody, second=stage.conrad)

    ENDS[code, key](stage, story, case, key)

    assert not Case.objects.filter(kind=code).exclude(state=CaseState.SOLVED).exists()
    assert "\n0 differences" in stage.compare()


# Our own names for things, a word said twice, one of several: nothing a person should have to read.
JARGON = re.compile(r"\b(?:returngo|scayle|policy\.\w+|(\w+) \1|1 (?:hour|day|unit)s)\b")


def complaints(stage: Stage, case: Case) -> Iterator[str]:
    """What a case's page, with what each button would do, costs too much or should not say."""
    directory.forget()  # the names of connections are those of this stage
    client = Client()
    client.force_login(getattr(stage, TEAM[Role(case.owner)]))
    client.get("/")
    for key in ["", *(action.key for action in CASE_KINDS[case.kind].actions)]:
        with CaptureQueriesContext(database) as asked:
            page = client.get(f"/cases/{case.pk}/", {"do": key})
        if len(asked) > STATEMENTS_MAX + PREVIEW_MAX * bool(key):
            yield f"{case.kind} {key}: {len(asked)} statements"
        said = re.sub(r"\s+", " ", strip_tags(page.content.decode().partition("<main")[2]))
        for found in JARGON.finditer(said):
            around = said[max(0, found.start() - 30) : found.end() + 30]
            yield f"{case.kind} {key}: “{around}”"


@pytest.mark.requirement("R015")
@pytest.mark.parametrize("code", ["REFUND_REFUSED", "REFUND_EXECUTOR_MISSING", "REFUNDED_PAST_US"])
def test_what_the_dearest_buttons_would_do_costs_no_more_than_it_may(
    stage: Stage, code: str
) -> None:
    """The others are looked at on their way to their end, in ``walk``."""
    CAUSES[code](stage)
    assert list(complaints(stage, stage.case(code))) == []


@pytest.mark.requirement("R015")
@pytest.mark.parametrize("is_whole", [True, False])
def test_nor_do_they_where_sets_and_several_units_come_back(stage: Stage, is_whole: bool) -> None:
    stage.configure(refund_executor=None)
    order = stage.sold("SET-TEES", "SET-WEEKEND", SKU)
    tees, _, jacket = order["items"]
    parts = [{"item_id": tees["id"], "component": sku} for sku in ("TEE-BLK-L", "TEE-WHT-M")]
    wish = {} if is_whole else {"units": [*parts, {"item_id": jacket["id"]}]}
    stage.warehouse_checks(stage.comes_back(order, **wish))

    assert list(complaints(stage, stage.case("REFUND_EXECUTOR_MISSING"))) == []


@pytest.mark.requirement("R015")
@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_a_case_has_one_owner_who_can_press_every_button(code: str) -> None:
    kind = CASE_KINDS[code]

    assert kind.owner in Role.values
    for action in kind.actions:
        assert policy.may_act(kind, action, frozenset({kind.owner})), action.key


@pytest.mark.requirement("R015")
def test_who_decides_about_goods_does_not_confirm_money_and_the_other_way_round() -> None:
    assert policy.VERBS["disposition.record"] == {Role.OPERATIONS}
    assert policy.VERBS["refund.decide"] == {Role.FINANCE}
    assert Role.FINANCE not in policy.VERBS["mapping.change"]
    assert Role.CX not in policy.VERBS["mapping.change"] | policy.VERBS["refund.decide"]
