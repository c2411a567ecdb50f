"""Operations' word on one returned unit. It is a verdict like the warehouse's: restocking obeys it.

What stopped on the way to the earlier verdict is not owed any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fulfilment.models import Location, Sku
from fulfilment.states import Bucket
from integrator.engine import cases, jobs
from integrator.engine.errors import Refused
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.shapes import Call, Change
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.flows.restock_rules import (
    Part,
    article_decided,
    bucket_of,
    counted,
    parts_now,
)
from integrator.models import Case, CaseEvent, CaseState
from returns.models import Return, ReturnItem
from returns.services import unit_overrule
from returns.states import Disposition

Record = Callable[[Work, Any], Evidence]


def _while_open(record: Record) -> Record:
    """A decision is held for a moment. One whose case has closed meanwhile books nothing.

    The history says so: the return was opened again, or a later verdict was carried out.
    """

    def checked(work: Work, reply: Any) -> Evidence:
        case, decision = the_case(work), _decision(work)
        closed = case.events.filter(kind=CaseEvent.Kind.SOLVED, id__gt=decision.pk)
        if case.state != CaseState.SOLVED and not closed.exists():
            return record(work, reply)
        text = "Nothing was booked: the exception had closed before the decision was carried out"
        cases.note(case, text=text, trace=work.trace.by(work.job.actor), by=None)
        return {"nothing": "the exception had closed before"}

    return checked


def record_keep(work: Work, _: None) -> Evidence:
    case = the_case(work)
    _solve(case, work, "Kept as it is booked")
    return {"kept": case.record_id}


def record_quarantine(work: Work, _: None) -> Evidence:
    code = str(_decision(work).data["location"])
    connection = the_case(work).connection
    assert connection is not None
    place = Location.objects.get(retailer_id=connection.retailer_id, code=code)
    return _overrule(work, Disposition.QUARANTINE, location=place)


def record_send_back(work: Work, _: None) -> Evidence:
    return _overrule(work, Disposition.SENT_BACK)


def record_write_off(work: Work, _: None) -> Evidence:
    return _overrule(work, Disposition.WRITTEN_OFF)


def record_count_as(work: Work, _: None) -> Evidence:
    """The article must be one the shop has sold before: only then do we know it there.

    What else the unit consists of is no other article: two pieces would be counted as one.
    """
    item = ReturnItem.objects.select_related("order_item__order__connection").get(
        pk=the_case(work).record_id
    )
    assert item.order_item is not None
    code = str(_decision(work).data["sku"]).strip()
    connection = item.order_item.order.connection
    sku = Sku.objects.filter(
        retailer_id=connection.retailer_id, code=code, orderitem__order__connection=connection
    ).first()
    if sku is None or sku in _meant(the_case(work)).taken:
        raise Refused(f"“{code}” is no other article that {connection.name} has sold")
    return _overrule(work, Disposition.RESTOCK, sku=sku)


@dataclass(frozen=True, slots=True)
class Meant:
    """What a decision is about, and the rest of the unit: nothing where it is all of it."""

    parts: list[Part]
    rest: list[Part]

    @property
    def taken(self) -> set[Sku]:
        """What it was sold as, and everything the rest was ever counted as."""
        of_rest = {sku for part in self.rest for sku in part.ever_counted_as}
        return of_rest | {part.piece.sku for part in self.parts}

    @property
    def piece(self) -> Sku | None:
        """The piece of a set that is decided about alone."""
        if not self.rest:
            return None
        if len(self.parts) != 1:
            raise Refused("the piece is counted as another article now")
        return self.parts[0].piece.sku


def _meant(case: Case) -> Meant:
    """A case of a discontinued article is about the piece that is counted as it."""
    article, meant = article_decided(case), Meant([], [])
    for part in parts_now(case.record_id):
        is_it = article in (None, part.counted_as.pk)
        (meant.parts if is_it else meant.rest).append(part)
    return meant


def _overrule(
    work: Work,
    disposition: Disposition,
    *,
    location: Location | None = None,
    sku: Sku | None = None,
) -> Evidence:
    case, decision = the_case(work), _decision(work)
    item = ReturnItem.objects.select_related("return_record__connection").get(pk=case.record_id)
    Return.objects.select_for_update(no_key=True).get(pk=item.return_record_id)
    trace = work.trace.by(work.job.actor)
    piece = _meant(case).piece
    _solve(case, work, f"Decided: {disposition.label.lower()}")
    verdict = unit_overrule(
        item,
        disposition=disposition,
        reason=f"Decided by {work.job.actor.removeprefix('user:')}",
        trace=trace,
        location=location,
        sku=sku,
        piece=piece,
        approval_id=decision.data.get("approval_id"),
    )
    if case.job is not None:
        jobs.cancel(case.job, at=work.at, reason=f"decided otherwise by {work.job.actor}")
    said: Evidence = {"verdict": verdict.pk, "disposition": disposition}
    return said | {"piece": piece.code} if piece is not None else said


def _decision(work: Work) -> CaseEvent:
    return CaseEvent.objects.get(pk=work.job.fact)


def _solve(case: Case, work: Work, reason: str) -> None:
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=work.trace.by(work.job.actor),
        reason=reason,
    )


def _plan(disposition: Disposition) -> Callable[[Case, Mapping[str, Any]], list[Call]]:
    def plan(case: Case, _: Mapping[str, Any]) -> list[Call]:
        meant = _meant(case)
        only = _only(case, meant)
        says = f"Note the verdict “{disposition.label.lower()}”{only} under your name"
        return [Call("", "", "", says, changes=_counted(case, meant, bucket_of(disposition)))]

    return plan


def _counted(
    case: Case, meant: Meant, bucket: Bucket, *, outside: str = Bucket.OUTSIDE.label
) -> tuple[Change, ...]:
    """Where that is counted which is meant, and where it then would be."""
    then: dict[Sku, Bucket] = {}
    for part in meant.parts:
        # A verdict that names no other article is on what was sold.
        then |= dict.fromkeys(part.ever_counted_as, Bucket.OUTSIDE) | {part.piece.sku: bucket}
    return counted(case.record_id, then, outside=outside)


def _only(case: Case, meant: Meant) -> str:
    """Which part of a set a decision is about, in words; nothing for a whole unit."""
    if not meant.rest:
        return ""
    return f" on {case.facts['quantity']} × {case.facts['sku']}, not on the rest of the set,"


KEEP = Flow(
    name="keep_unit",
    says="Keep the unit as it is booked",
    aim=each(aim_case),
    record=_while_open(record_keep),
    priority=15,
)
QUARANTINE = Flow(
    name="quarantine_unit",
    says="Set the unit aside",
    aim=each(aim_case),
    record=_while_open(record_quarantine),
    plan=_plan(Disposition.QUARANTINE),
    priority=15,
)
SEND_BACK = Flow(
    name="send_back_unit",
    says="Book the unit as going back to the customer",
    aim=each(aim_case),
    record=_while_open(record_send_back),
    plan=_plan(Disposition.SENT_BACK),
    priority=15,
)
WRITE_OFF = Flow(
    name="write_off_unit",
    says="Write the unit off",
    aim=each(aim_case),
    record=_while_open(record_write_off),
    plan=_plan(Disposition.WRITTEN_OFF),
    priority=15,
)


def _as_another(case: Case, meant: Meant) -> tuple[Change, ...]:
    return _counted(case, meant, Bucket.OUTSIDE, outside="Another article")


def _plan_count_as(case: Case, _: Mapping[str, Any]) -> list[Call]:
    """The verdict, and what the shop is asked and told because of it."""
    meant, units = _meant(case), case.facts.get("quantity", 1)
    says = f"Note{_only(case, meant)} that it is another article, under your name"
    what = f"{units} units" if units != 1 else "the unit"
    return [
        Call("", "", "", says, changes=_as_another(case, meant)),
        Call("scayle", "GET", "/variants/…/stocks", "Read how many of that article are on sale"),
        Call("scayle", "POST", "/variants/…/stocks", f"Add {what} to that number"),
    ]


COUNT_AS = Flow(
    name="count_as",
    says="Count the unit as another article",
    aim=each(aim_case),
    record=_while_open(record_count_as),
    plan=_plan_count_as,
    priority=15,
)
