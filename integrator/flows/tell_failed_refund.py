"""A refund of ours was not paid: tell the returns platform, so that nobody there believes it was.

A payment it had asked us for is set to failed, and a comment says why; the return stays as it is.
That it was paid in the end is told by ``complete_return``. Both are looked for before they are
written, so a repeat is harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finance.models import Refund, RefundItem
from finance.services import facts_of
from finance.states import Executor, RefundStatus
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.refund_listed import PAYS
from integrator.flows.settling import settling
from integrator.flows.take_return import return_lane
from integrator.platforms.returngo.client import ReturnGO, comment_html
from returns.models import ReturnItem
from returns.shapes import MoneySeen, MoneyStatus, ReturnSeen
from returns.states import Money


@dataclass(frozen=True, slots=True)
class Told:
    """What was written there: payments that were set to failed, and whether a comment was left."""

    transactions: tuple[str, ...]
    commented: bool


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """Refunds of a return that the shop refused or could not pay."""
    rows = Refund.objects.filter(
        pk__in={fact.record_id for fact in facts},
        executor=Executor.SCAYLE,
        return_record__isnull=False,
    ).select_related("return_record")
    found = {
        row.pk: Aim(
            "refund",
            row.pk,
            return_lane(row.return_record.connection_id, row.return_record.external_id),
            order_id=row.order_id,
            connection_id=row.return_record.connection_id,
        )
        for row in rows
        if row.return_record is not None and has_failed(row)
    }
    return {fact.id: found[fact.record_id] for fact in facts if fact.record_id in found}


def has_failed(refund: Refund) -> bool:
    """It was not paid, for all we know, and the payer has said so."""
    is_doubted = refund.status == RefundStatus.IN_DOUBT and refund.failed_at is not None
    is_refused = refund.status == RefundStatus.REFUSED and "withdrawn" not in refund.evidence
    return is_doubted or is_refused


def call(work: Work) -> Told | Nothing:
    refund = _refund(work)
    units = _unpaid(refund)
    if not units:
        return Nothing("it was paid meanwhile, or is on its way again")
    assert refund.return_record is not None
    client = platforms.returngo(work, refund.return_record.connection)
    seen = client.rma(refund.return_record.external_id)
    told = _tell_transactions(client, seen, units)
    is_said = is_signed(seen, sign_of(refund))
    if not is_said:
        client.comment(seen.external_id, _words(refund))
    return Told(told, commented=not is_said)


def _refund(work: Work) -> Refund:
    return Refund.objects.select_related(
        "order__connection", "return_record__connection__retailer"
    ).get(pk=work.job.record_id)


def _unpaid(refund: Refund) -> set[str]:
    """Its units that nobody has paid and nobody is paying: by the returns platform's ids."""
    if not has_failed(refund):
        return set()
    items = ReturnItem.objects.filter(
        pk__in=RefundItem.objects.filter(refund=refund).values("return_item"),
        money__in=[Money.IN_DOUBT, Money.REFUSED],  # not settled in another way
    )
    elsewhere = RefundItem.objects.filter(return_item__in=items, is_live=True).exclude(
        refund=refund
    )
    return set(
        items.exclude(pk__in=elsewhere.values("return_item")).values_list("external_id", flat=True)
    )


def _tell_transactions(
    client: ReturnGO, seen: ReturnSeen, units: Collection[str]
) -> tuple[str, ...]:
    """One that shows as paid there stays so, for ReturnGO takes none back: the comment says it."""
    told = []
    for money in _asked(seen, units):
        client.set_transaction(money.external_id, MoneyStatus.FAILED, "")
        told.append(money.external_id)
    return tuple(told)


def _asked(seen: ReturnSeen, units: Collection[str]) -> list[MoneySeen]:
    return [
        money
        for money in seen.money
        if money.resolution in PAYS
        and money.status == MoneyStatus.REQUESTED
        and money.unit_ids
        and set(money.unit_ids) <= set(units)
    ]


def _words(refund: Refund) -> str:
    facts = facts_of(refund)
    return (
        f"The refund of {facts['amount']} for order {facts['order']} could not be paid. "
        f"Finance takes care of it. {sign_of(refund)}"
    )


def sign_of(refund: Refund) -> str:
    """What the comment about a failure is known by: another one each time the refund fails."""
    when = f"{refund.failed_at:%Y-%m-%d %H:%M:%S}" if refund.failed_at else "refused"
    return f"[refund {refund.key} failed: {when}]"


def is_signed(seen: ReturnSeen, sign: str) -> bool:
    """Whether a comment with this sign is there, as the returns platform keeps it."""
    return any(comment_html(sign) in one for one in seen.comments)


def record(work: Work, told: Told) -> Evidence:
    return {"transactions": list(told.transactions), "comment": told.commented}


def probe(work: Work) -> Found | NotFound:
    refund = _refund(work)
    units = _unpaid(refund)
    if not units:
        return Found(Told((), commented=False))
    assert refund.return_record is not None
    seen = platforms.returngo(work, refund.return_record.connection).rma(
        refund.return_record.external_id
    )
    if is_signed(seen, sign_of(refund)) and not _asked(seen, units):
        return Found(Told((), commented=True))
    return NotFound(may_repeat=True)


def plan(refund: Refund, _: Mapping[str, Any]) -> list[Call]:
    return [
        Call("returngo", "PUT", "/transaction/…", "Report the payment as failed"),
        Call("returngo", "POST", "/rma/…/comment", "Say that the refund could not be paid"),
    ]


def about(refund: Refund) -> Mapping[str, Any]:
    return {
        "money_minor": refund.calculated_minor,
        "currency": refund.currency,
        "facts": {
            **facts_of(refund),
            "platform": refund.return_record.connection.name if refund.return_record else "",
        },
    }


FLOW = settling(
    Flow(
        name="tell_failed_refund",
        says="Tell the returns platform that the refund was not paid",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="returngo",
        priority=40,
        due_minutes=60,
    ),
    "returngo:set_transaction",
    "returngo:comment",
)
