"""A person's word on a step: what cannot be stopped is not called stopped."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from finance.cases import IT_WAS_NOT_PAID
from integrator.engine import cases, clock, decisions
from integrator.engine.cases import GIVE_UP, TRY_AGAIN
from integrator.engine.worker import Worker
from integrator.flows import ROUTES
from integrator.models import Case, CaseEvent, CaseState, Job, JobState
from tests.desk import factories


@pytest.fixture
def at() -> datetime:
    return clock.now() - timedelta(minutes=1)


@pytest.mark.django_db
@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.IN_DOUBT])
def test_what_is_at_work_or_in_doubt_is_not_given_up(at: datetime, state: JobState) -> None:
    """It may have happened: the case stays open and says why, and the step goes its own way."""
    job = factories.job("restock", at, record=("return_item", 1), state=state)
    case = factories.case("RESTOCK_IN_DOUBT", at, record=("return_item", 1), job_id=job.pk)

    decisions.take(case, GIVE_UP, data={"note": "counted"}, trace=factories.trace(at), by=None)
    Worker(ROUTES, threads=0).round(["local"])

    job.refresh_from_db()
    case.refresh_from_db()
    assert (job.state, case.state) == (state, CaseState.OPEN)
    [said] = case.events.filter(kind=CaseEvent.Kind.NOTED)
    assert said.note is not None
    assert said.note.text.startswith("Not stopped")


@pytest.mark.django_db
def test_what_only_waits_is_given_up_and_its_case_closes(at: datetime) -> None:
    job = factories.job("restock", at, record=("return_item", 1), state=JobState.PARKED)
    case = factories.case("RESTOCK_FAILED", at, record=("return_item", 1), job_id=job.pk)

    decisions.take(case, GIVE_UP, data={"note": "counted"}, trace=factories.trace(at), by=None)
    Worker(ROUTES, threads=0).round(["local"])

    job.refresh_from_db()
    case.refresh_from_db()
    assert (job.state, case.state) == (JobState.CANCELLED, CaseState.SOLVED)


@pytest.mark.django_db
def test_giving_up_leaves_no_earlier_step_that_stopped_for_the_same_thing(at: datetime) -> None:
    """Two verdicts, one after the other, stopped alike: the one case spoke for both."""
    unit = {"record": ("return_item", 1), "state": JobState.PARKED}
    earlier, later = (factories.job("restock", at, **unit) for _ in range(2))
    other = factories.job("restock", at, **unit)
    case = factories.case("RESTOCK_FAILED", at, record=("return_item", 1), job_id=later.pk)
    Job.objects.exclude(pk=other.pk).update(cause=case.cause, lane="sku:1")
    Job.objects.filter(pk=other.pk).update(cause=case.cause, lane="sku:2")

    decisions.take(case, GIVE_UP, data={"note": "counted"}, trace=factories.trace(at), by=None)
    Worker(ROUTES, threads=0).round(["local"])

    states = dict(Job.objects.filter(flow="restock").values_list("pk", "state"))
    assert states[earlier.pk] == states[later.pk] == JobState.CANCELLED
    assert states[other.pk] == JobState.PARKED


@pytest.mark.django_db
def test_a_word_about_the_call_before_frees_no_later_doubt(at: datetime) -> None:
    """Two people said that it was not sent. Then it was sent again, and that answer was lost."""
    job = factories.job(
        "refund",
        at,
        record=("return", 1),
        state=JobState.IN_DOUBT,
        sent_at=at + timedelta(seconds=20),
    )
    case = factories.case("REFUND_IN_DOUBT", at, record=("return", 1), job_id=job.pk)

    cases.decided(case, IT_WAS_NOT_PAID, data={}, trace=factories.trace(at), by=None)
    Worker(ROUTES, threads=0).round(["local"])

    job.refresh_from_db()
    case.refresh_from_db()
    assert (job.state, case.state) == (JobState.IN_DOUBT, CaseState.OPEN)


def late_and_stopped(at: datetime, kind: str) -> tuple[Job, Case]:
    """A step that was late, and then stopped for a reason that has a case of its own."""
    job = factories.job("refund", at, record=("return", 1), state=JobState.PARKED)
    Job.objects.filter(pk=job.pk).update(cause=f"refund:{job.pk}")
    late = factories.case(
        "JOB_LATE", at, record=("return", 1), job_id=job.pk, cause=f"late:refund:{job.pk}"
    )
    factories.case(kind, at, record=("return", 1), job_id=job.pk, cause=f"refund:{job.pk}")
    cases.decided(late, TRY_AGAIN, data={}, trace=factories.trace(at), by=None)
    Worker(ROUTES, threads=0).round(["local"])
    job.refresh_from_db()
    late.refresh_from_db()
    return job, late


@pytest.mark.django_db
def test_a_late_step_that_has_stopped_since_is_tried_again_from_either_case(at: datetime) -> None:
    job, late = late_and_stopped(at, "REFUND_REFUSED")

    assert job.state == JobState.DUE
    assert late.state == CaseState.OPEN  # until the step has succeeded


@pytest.mark.django_db
def test_a_late_step_that_waits_for_two_people_is_not_let_past_them(at: datetime) -> None:
    job, late = late_and_stopped(at, "REFUNDED_PAST_US")

    assert (job.state, late.state) == (JobState.PARKED, CaseState.OPEN)
    [said] = late.events.filter(kind=CaseEvent.Kind.NOTED)
    asked = Case.objects.get(kind="REFUNDED_PAST_US")
    assert said.note is not None
    assert said.note.text == f"Not tried again: the step waits for a decision on C-{asked.pk}"


@pytest.mark.django_db
def test_a_mail_that_does_not_leave_holds_no_decision_up(at: datetime) -> None:
    """The mail server is down for hours: finance decides about its cases all the same."""
    job = factories.job("refund", at, record=("return", 1), state=JobState.PARKED)
    case = factories.case("REFUND_REFUSED", at, record=("return", 1), job_id=job.pk)
    Worker(ROUTES, threads=0).round(["local"])
    [mail] = Job.objects.filter(flow="alert", record_kind="case", record_id=case.pk)
    assert mail.state == JobState.DUE

    decisions.take(case, TRY_AGAIN, data={}, trace=factories.trace(at), by=None)

    with pytest.raises(decisions.UnableToDecide):
        decisions.take(case, TRY_AGAIN, data={}, trace=factories.trace(at), by=None)
