"""What two people decide holds for the case as it was when the second was asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from integrator.engine import cases, decisions
from integrator.engine.case_kinds import Action
from integrator.engine.decisions import UnableToDecide
from integrator.engine.states import Trace
from integrator.flows import CASE_KINDS
from integrator.models import Approval, Case, CaseEvent
from tests.desk import factories

ASKED_AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def by(name: str, at: datetime) -> Trace:
    return Trace(at=at, actor=f"user:{name}")


@pytest.fixture
def conrad(db: None) -> User:
    return User.objects.create_user("conrad")


@pytest.fixture
def action() -> Action:
    kind = CASE_KINDS["REFUND_BY_HAND"]
    return next(one for one in kind.actions if one.key == "paid_by_hand")


@pytest.fixture
def case(db: None) -> Case:
    return factories.case("REFUND_BY_HAND", ASKED_AT, money_minor=12995, currency="EUR")


@pytest.fixture
def asked(case: Case, action: Action, fiona: User) -> Approval:
    data = {"reference": "BANK-1", "note": "Mrs Berg called"}
    return decisions.ask(case, action, data=data, trace=by("fiona", ASKED_AT), by=fiona)


# Servers' clocks differ: what was written down later may say that it was earlier.
@pytest.mark.parametrize("seconds", [60, -60])
def test_what_somebody_decided_meanwhile_is_not_decided_again(
    seconds: int, case: Case, action: Action, asked: Approval, conrad: User
) -> None:
    at = ASKED_AT + timedelta(seconds=seconds)
    cases.snooze(case, until=None, awaiting="CHANGE", trace=by("fiona", at), note="waits")

    with pytest.raises(UnableToDecide, match="Somebody decided this meanwhile"):
        decisions.agree(case, action, asked, trace=by("conrad", ASKED_AT), by=conrad)
    assert not CaseEvent.objects.filter(kind=CaseEvent.Kind.DECIDED).exists()


@pytest.mark.parametrize("seconds", [60, -60])
def test_what_was_decided_before_it_was_asked_stands_in_nobodys_way(
    seconds: int, case: Case, action: Action, fiona: User, conrad: User
) -> None:
    at = ASKED_AT + timedelta(seconds=seconds)
    cases.snooze(case, until=None, awaiting="CHANGE", trace=by("fiona", at), note="waits")
    cases.wake(case, trace=by("fiona", at), reason="A person brought it back")
    data: dict[str, Any] = {"reference": "BANK-1"}
    asked = decisions.ask(case, action, data=data, trace=by("fiona", ASKED_AT), by=fiona)

    event = decisions.agree(case, action, asked, trace=by("conrad", ASKED_AT), by=conrad)
    assert (event.actor, event.data["agreed_by"]) == ("user:fiona", "conrad")
