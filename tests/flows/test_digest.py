"""The daily summary: at its hour, on working days, to who wants it, with something to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail

from integrator.engine import cases, choices
from integrator.engine.cases import About
from integrator.flows import alert, send_digest
from integrator.flows.kinds import CASE_KINDS
from integrator.models import AlertChoice, Case, Digest
from tests.story import Stage

BY_HAND = "REFUND_BY_HAND"  # finance's, and not one that cannot wait


def opens(stage: Stage, code: str = BY_HAND, number: int = 1, money: int = 1250) -> Case:
    kind = CASE_KINDS[code]
    return cases.open_case(
        kind,
        About("order", number, money_minor=money, currency="EUR"),
        trace=stage.trace("test"),
        facts=dict.fromkeys(kind.evidence, "X-1"),
    )


def until(stage: Stage, day: int, hour: int, minute: int = 0, month: int = 3) -> None:
    """The clock comes to a time in UTC, and the minutes on the way are not waited for."""
    stage.clock.move_to(datetime(2026, month, day, hour, minute, tzinfo=UTC))
    stage.tick_and_work()


def letters(stage: Stage, to: str) -> list[str]:
    return [one.subject for one in mail.outbox if f"{to}@demo-sport.test" in one.recipients()]


@pytest.mark.requirement("R112")
def test_finance_gets_one_summary_in_the_morning(stage: Stage) -> None:
    opens(stage, number=1)
    opens(stage, number=2, money=100_000)
    mail.outbox.clear()

    until(stage, 3, 6, 59)  # 07:59 in Berlin
    assert letters(stage, "fiona") == []
    until(stage, 3, 7)
    until(stage, 3, 7, 1)
    until(stage, 3, 8, 30)

    assert letters(stage, "fiona") == ["[Finance] 2 cases need you, 2 overdue"]
    letter = next(one for one in mail.outbox if "[Finance] 2" in one.subject)
    assert sorted(letter.recipients()) == ["fiona@demo-sport.test", "fred@demo-sport.test"]
    first = Case.objects.order_by("id")[0]
    for said in (
        "http://127.0.0.1:8000/queue/finance/",
        "Money at risk: EUR 1,012.50.",
        f"http://127.0.0.1:8000/cases/{first.pk}/",
        "since 2 Mar 10:00, overdue",
        "/my-alerts/",
    ):
        assert said in letter.body
    assert Digest.objects.get(role="FINANCE").state == "SENT"


def test_who_has_nothing_to_do_is_left_in_peace(stage: Stage) -> None:
    opens(stage)
    mail.outbox.clear()

    until(stage, 3, 7)

    assert letters(stage, "carla") == []
    assert Digest.objects.get(role="CX").state == "EMPTY"


def test_what_was_solved_by_itself_is_said_once(stage: Stage) -> None:
    case = opens(stage)
    cases.close_by_fact(trace=stage.trace("test"), reason="paid", record_kind="order", record_id=1)
    mail.outbox.clear()

    until(stage, 3, 7)
    until(stage, 4, 7)

    assert letters(stage, "fiona") == ["[Finance] Nothing needs you"]
    assert "1 was solved by a later fact" in mail.outbox[-1].body
    assert Case.objects.get(pk=case.pk).state == "SOLVED"


def test_nobody_is_written_to_on_a_weekend_or_hours_late(stage: Stage) -> None:
    until(stage, 6, 7, 30)
    opens(stage)
    mail.outbox.clear()
    until(stage, 7, 7)  # Saturday
    until(stage, 8, 7)
    until(stage, 9, 9)  # Monday, 10:00: everybody has begun
    assert not Digest.objects.filter(day__gte="2026-03-07").exists()

    until(stage, 10, 7, 45)

    assert len(letters(stage, "fiona")) == 1


def test_summer_time_does_not_move_the_hour(stage: Stage) -> None:
    until(stage, 30, 5, 59)  # 07:59 in Berlin, in summer
    assert not Digest.objects.exists()
    until(stage, 30, 6)
    assert Digest.objects.exists()


def test_the_retailer_sets_the_hour_or_wants_none(stage: Stage) -> None:
    stage.configure(digest_at="09:30")
    opens(stage)
    until(stage, 3, 8)
    assert not Digest.objects.exists()
    until(stage, 3, 8, 30)
    assert Digest.objects.exists()


@pytest.mark.parametrize("value", ["8:00", "24:00", "08:60", "", 8, "08:00\n"])
def test_an_hour_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(choices.UnableToSetPolicy, match="digest_at"):
        choices.check({"digest_at": value})


def test_without_an_hour_there_is_no_summary() -> None:
    assert choices.check({"digest_at": None})["digest_at"] is None


def test_a_mail_server_that_is_down_delays_the_summary_until_the_day_is_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens(stage)
    mail.outbox.clear()

    def down(*_: object, **__: object) -> int:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(alert.EmailMessage, "send", down)
        until(stage, 3, 7)
        assert Digest.objects.get(role="FINANCE").state == "DUE"
    until(stage, 3, 8)
    assert len(letters(stage, "fiona")) == 1

    with monkeypatch.context() as patch:
        patch.setattr(alert.EmailMessage, "send", down)
        until(stage, 4, 7)
    mail.outbox.clear()
    until(stage, 5, 6)
    assert letters(stage, "fiona") == []
    assert Digest.objects.get(role="FINANCE", day="2026-03-04").state == "EMPTY"


@pytest.mark.requirement("R012")
def test_before_the_month_ends_it_says_what_came_up_in_it(stage: Stage) -> None:
    old = opens(stage)
    Case.objects.filter(pk=old.pk).update(opened_at=stage.now() - timedelta(days=3))
    opens(stage, number=2)
    line = "The month ends on 31 March: 1 of these came up in it."

    until(stage, 26, 7)
    assert line not in mail.outbox[-1].body
    for day, hour in ((27, 7), (30, 6), (31, 6)):  # Friday, and in summer time Monday, Tuesday
        mail.outbox.clear()
        until(stage, day, hour)
        assert any(line in one.body for one in mail.outbox if "[Finance]" in one.subject)


def chooses(stage: Stage, name: str, when: str) -> None:
    AlertChoice.objects.create(person=stage.people[name], when=when)


def test_people_are_told_as_they_chose(stage: Stage) -> None:
    """It cannot wait, but is not of the most urgent: who chose nothing reads it in the morning."""
    kind = CASE_KINDS["ALERT_NOT_TAKEN"]
    assert kind.alert
    assert kind.severity < alert.MOST_URGENT
    opens(stage, kind.code, number=1)
    stage.work()
    assert letters(stage, "ada") == []

    chooses(stage, "ada", "AT_ONCE")
    opens(stage, kind.code, number=2)
    stage.work()
    assert letters(stage, "ada") == ["[Integration admin] X-1 does not take our alerts"]

    until(stage, 3, 7)
    assert "cases need you" in letters(stage, "ada")[-1]
    AlertChoice.objects.update(when="NEVER")
    mail.outbox.clear()
    opens(stage, kind.code, number=3)
    until(stage, 4, 7)
    assert letters(stage, "ada") == []


@pytest.mark.requirement("R028")
def test_what_is_most_urgent_comes_at_once_to_who_wants_a_summary(stage: Stage) -> None:
    chooses(stage, "fred", "NEVER")
    kind = next(
        one
        for one in CASE_KINDS.values()
        if one.owner == "FINANCE" and one.alert and one.severity >= alert.MOST_URGENT
    )
    mail.outbox.clear()
    opens(stage, kind.code)
    stage.work()

    (letter,) = mail.outbox
    # The house's own address is seen, people's are not.
    assert letter.to == ["alerts@demo-sport.test"]
    assert letter.bcc == ["fiona@demo-sport.test"]


def test_who_has_left_or_lost_the_role_hears_nothing(stage: Stage) -> None:
    stage.fiona.is_active = False
    stage.fiona.save()
    stage.fred.groups.clear()

    assert alert.readers("FINANCE", "AT_ONCE", "DIGEST") == []
    until(stage, 3, 7)
    assert not Digest.objects.filter(role="FINANCE").exists()


def test_two_clocks_owe_one_summary(stage: Stage) -> None:
    at = datetime(2026, 3, 3, 7, tzinfo=UTC)

    assert send_digest.due(at=at) == len(send_digest.ROLES)
    assert send_digest.due(at=at + timedelta(minutes=1)) == 0
    assert not send_digest._owe(send_digest.Role.FINANCE, at.date(), at)
