"""Four eyes on one exact content: asked by one, agreed by another, carried out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction

from integrator.engine import approvals
from integrator.engine import clock as now_clock
from integrator.engine.approvals import UnableToApprove
from integrator.engine.states import Trace
from integrator.models import Approval, ApprovalState
from tests.engine.test_router import in_threads

Now = Callable[[], Trace]
CONTENT = {"amount_minor": 4999, "order": "A-1"}


def ask(by: User, trace: Trace, content: Any = None) -> Approval:
    return approvals.ask(
        verb="refund.decide",
        record_kind="refund",
        record_id=1,
        content=content or CONTENT,
        by=by,
        trace=trace,
    )


def use(trace: Trace, content: Any = None, **other: Any) -> Approval:
    about = {"verb": "refund.decide", "record_kind": "refund", "record_id": 1, **other}
    return approvals.use(content=content or CONTENT, trace=trace, **about)


def test_asked_agreed_carried_out(omar: User, fiona: User, trace: Now) -> None:
    approval = ask(omar, trace())
    approvals.decide(approval, grant=True, by=fiona, trace=trace())

    assert use(trace()) == approval
    approval.refresh_from_db()
    assert (approval.state, approval.decided_by) == (ApprovalState.USED, fiona)


def test_an_approval_is_used_once(omar: User, fiona: User, trace: Now) -> None:
    approvals.decide(ask(omar, trace()), grant=True, by=fiona, trace=trace())
    use(trace())

    with pytest.raises(UnableToApprove, match="exactly this"):
        use(trace())


@pytest.mark.parametrize(
    "other",
    [
        {"content": {**CONTENT, "amount_minor": 5000}},
        {"content": {**CONTENT, "reason": "more"}},
        {"record_id": 2},
        {"record_kind": "order"},
        {"verb": "loss.accept"},
    ],
    ids=str,
)
def test_other_content_needs_another_approval(
    omar: User, fiona: User, trace: Now, other: dict[str, Any]
) -> None:
    approvals.decide(ask(omar, trace()), grant=True, by=fiona, trace=trace())

    with pytest.raises(UnableToApprove):
        use(trace(), **other)


def test_the_same_content_in_another_order_is_the_same(omar: User, fiona: User, trace: Now) -> None:
    approvals.decide(ask(omar, trace()), grant=True, by=fiona, trace=trace())

    assert use(trace(), content=dict(reversed(CONTENT.items())))


def test_who_asks_cannot_agree_in_python(omar: User, trace: Now) -> None:
    with pytest.raises(UnableToApprove, match="cannot be the one"):
        approvals.decide(ask(omar, trace()), grant=True, by=omar, trace=trace())


def test_who_asks_cannot_agree_in_the_database(omar: User, trace: Now) -> None:
    approval = ask(omar, trace())

    with pytest.raises(DatabaseError, match="maker_is_not_checker"), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(state="GRANTED", decided_by=omar)


@pytest.mark.parametrize("granted", [True, False])
def test_it_is_decided_once(omar: User, fiona: User, trace: Now, granted: bool) -> None:
    approval = ask(omar, trace())
    approvals.decide(approval, grant=granted, by=fiona, trace=trace())

    with pytest.raises(UnableToApprove, match="already"):
        approvals.decide(approval, grant=True, by=fiona, trace=trace())


@pytest.mark.parametrize("granted", [True, False])
def test_of_two_who_answer_at_once_one_is_told(
    omar: User, fiona: User, trace: Now, granted: bool
) -> None:
    """Each has read the question before the other's answer is there."""
    ask(omar, trace())
    mine, theirs = Approval.objects.get(), Approval.objects.get()
    approvals.decide(mine, grant=True, by=fiona, trace=trace())

    with pytest.raises(UnableToApprove, match="already"):
        approvals.decide(theirs, grant=granted, by=fiona, trace=trace())
    assert Approval.objects.get().state == ApprovalState.GRANTED


def test_nobody_agrees_to_what_a_leaver_asked(omar: User, fiona: User, trace: Now) -> None:
    ask(omar, trace())
    User.objects.filter(pk=omar.pk).update(is_active=False)
    approval = Approval.objects.get()

    with pytest.raises(UnableToApprove, match="has left"):
        approvals.decide(approval, grant=True, by=fiona, trace=trace())
    approvals.decide(approval, grant=False, by=fiona, trace=trace())

    assert Approval.objects.get().state == ApprovalState.REFUSED


def test_what_nobody_agreed_to_cannot_be_carried_out(omar: User, fiona: User, trace: Now) -> None:
    approval = ask(omar, trace())
    with pytest.raises(UnableToApprove):
        use(trace())
    approvals.decide(approval, grant=False, by=fiona, trace=trace())
    with pytest.raises(UnableToApprove):
        use(trace())


def test_asking_again_is_the_same_question_until_it_is_answered(
    omar: User, fiona: User, trace: Now
) -> None:
    first = ask(omar, trace())
    assert ask(fiona, trace()) == first
    approvals.decide(first, grant=False, by=fiona, trace=trace())

    assert ask(omar, trace()) != first


def test_of_two_that_carry_it_out_at_once_one_does(committed: None) -> None:
    now = Trace(at=now_clock.now(), actor="x")
    maker, checker = User.objects.create_user("maker"), User.objects.create_user("checker")
    approvals.decide(ask(maker, now), grant=True, by=checker, trace=now)
    used: list[bool] = []

    def carry_out() -> None:
        try:
            used.append(bool(use(now)))
        except UnableToApprove:
            used.append(False)

    in_threads(*[carry_out] * 4)

    assert sorted(used) == [False, False, False, True]
