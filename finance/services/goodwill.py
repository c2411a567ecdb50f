"""Asking for goodwill. Paying it is finance's, and a second person's above the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from finance import cases as kinds
from finance.models import Refund
from finance.states import RefundStatus, Subject
from fulfilment.models import Order
from integrator.engine import cases
from integrator.engine.case_kinds import CaseKind
from integrator.engine.money import money_text
from integrator.engine.states import Trace
from integrator.models import Case, CaseEvent, CaseState


def goodwill_ask(
    order: Order, *, amount_minor: int, limits: Mapping[str, Any], note: str, by: Any, trace: Trace
) -> Case:
    """Put goodwill in front of finance, once per asking. Nothing is paid and nothing is reserved.

    ``limits`` are minor units per currency up to which one person of finance is enough; without one
    there are always two. Together with what went back already, and the goodwill that was asked for
    and waits, it may exceed what was paid, but never on one person's word.

    Pressed twice it is asked once: the same amount for the same reason by the same person, while
    the first waits, is the first.
    """
    assert amount_minor > 0, "goodwill of nothing"
    order = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    asked = Case.objects.filter(
        record_kind="order",
        record_id=order.pk,
        kind__in=[kinds.GOODWILL.code, kinds.GOODWILL_OVER_LIMIT.code],
    )
    waiting = asked.exclude(state=CaseState.SOLVED)
    said = Exists(_reasons(OuterRef("pk")).filter(note__text=note, actor=trace.actor))
    if same := waiting.filter(said, money_minor=amount_minor).first():
        return same
    back = _gone_back(order)
    together = back + amount_minor + sum(one.money_minor for one in waiting)
    small = amount_minor <= int(limits.get(order.currency, 0))
    is_for_one = small and together <= order.paid_minor
    kind = kinds.GOODWILL if is_for_one else kinds.GOODWILL_OVER_LIMIT
    who = trace.actor.removeprefix("user:")
    number = asked.count() + 1
    case = _open(kind, order, amount_minor, back, who=who, number=number, trace=trace)
    cases.note(case, text=note, trace=trace, by=by)
    return case


def goodwill_fits(case: Case, order: Order) -> bool:
    """Whether it may still be given: by two people always, by one as long as no more goes back
    than was paid. The caller holds the order.
    """
    if case.kind == kinds.GOODWILL_OVER_LIMIT.code:
        return True
    return _gone_back(order) + case.money_minor <= order.paid_minor


def goodwill_needs_two(case: Case, order: Order, *, said: str, trace: Trace) -> Case:
    """So much went back since it was asked that one person's word is not enough any more: the
    question goes on as one for two, with its reason and what was ``said`` about it.
    """
    with transaction.atomic():
        cases.solve(
            case,
            resolution=Case.Resolution.BY_ITSELF,
            trace=trace,
            reason="More went back meanwhile: it takes two people now",
        )
        asked = _open(
            kinds.GOODWILL_OVER_LIMIT,
            order,
            case.money_minor,
            _gone_back(order),
            who=str(case.facts["who"]),
            number=int(case.cause.rsplit(":", 1)[1]),
            trace=trace,
        )
        for reason in _reasons(case.pk).select_related("note__author").order_by("id"):
            assert reason.note is not None, "a reason is a note"
            own = Trace(at=trace.at, actor=reason.actor)
            cases.note(asked, text=reason.note.text, trace=own, by=reason.note.author)
        cases.note(asked, text=said, trace=trace, by=None)
    return asked


def _open(
    kind: CaseKind,
    order: Order,
    amount_minor: int,
    back: int,
    *,
    who: str,
    number: int,
    trace: Trace,
) -> Case:
    return cases.open_case(
        kind,
        cases.About(
            "order",
            order.pk,
            order.pk,
            order.connection_id,
            money_minor=amount_minor,
            currency=order.currency,
            customers_waiting=1,
        ),
        trace=trace,
        cause=f"goodwill:{order.pk}:{number}",
        facts={
            "order": order.number,
            "amount": money_text(amount_minor, order.currency),
            "back": money_text(back, order.currency),
            "paid": money_text(order.paid_minor, order.currency),
            "who": who,
        },
    )


def _gone_back(order: Order) -> int:
    """Minor units that went back: for goods and shipping, and as goodwill."""
    given = Refund.objects.filter(order=order, subject=Subject.GOODWILL).exclude(
        status=RefundStatus.REFUSED
    )
    return order.refunded_minor + sum(one.calculated_minor for one in given)


def _reasons(case_id: Any) -> QuerySet[CaseEvent]:
    return CaseEvent.objects.filter(case=case_id, kind=CaseEvent.Kind.NOTED, note__isnull=False)
