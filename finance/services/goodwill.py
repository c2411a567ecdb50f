"""Asking for goodwill. Paying it is finance's, and a second person's above the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finance import cases as kinds
from finance.models import Refund
from finance.states import RefundStatus, Subject
from fulfilment.models import Order
from integrator.engine import cases
from integrator.engine.money import money_text
from integrator.engine.states import Trace
from integrator.models import Case, CaseState


def goodwill_ask(
    order: Order, *, amount_minor: int, limits: Mapping[str, Any], note: str, by: Any, trace: Trace
) -> Case:
    """Put goodwill in front of finance, once per asking. Nothing is paid and nothing is reserved.

    ``limits`` are minor units per currency up to which one person of finance is enough; without one
    there are always two. Together with what went back already, and the goodwill that was asked for
    and waits, it may exceed what was paid, but never on one person's word.
    """
    assert amount_minor > 0, "goodwill of nothing"
    order = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    given = Refund.objects.filter(order=order, subject=Subject.GOODWILL).exclude(
        status=RefundStatus.REFUSED
    )
    asked = Case.objects.filter(
        record_kind="order",
        record_id=order.pk,
        kind__in=[kinds.GOODWILL.code, kinds.GOODWILL_OVER_LIMIT.code],
    )
    waiting = asked.exclude(state=CaseState.SOLVED)
    back = order.refunded_minor + sum(one.calculated_minor for one in given)
    together = back + amount_minor + sum(one.money_minor for one in waiting)
    small = amount_minor <= int(limits.get(order.currency, 0))
    is_for_one = small and together <= order.paid_minor
    kind = kinds.GOODWILL if is_for_one else kinds.GOODWILL_OVER_LIMIT
    case = cases.open_case(
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
        cause=f"goodwill:{order.pk}:{asked.count() + 1}",
        facts={
            "order": order.number,
            "amount": money_text(amount_minor, order.currency),
            "back": money_text(back, order.currency),
            "paid": money_text(order.paid_minor, order.currency),
            "who": trace.actor.removeprefix("user:"),
        },
    )
    cases.note(case, text=note, trace=trace, by=by)
    return case
