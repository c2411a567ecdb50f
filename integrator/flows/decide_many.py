"""One decision about many cases is carried on: each case in a step of its own, as if on its page.

Everything that protects a single decision protects each of these, and the person's right is asked
again when its turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from django.db import OperationalError, transaction
from django.db.models import Exists, OuterRef

from integrator import policy
from integrator.engine import bulks, cases, decisions
from integrator.engine.decisions import UnableToDecide
from integrator.engine.errors import Transient
from integrator.engine.flow import Aim, Evidence, Fact, Flow
from integrator.engine.states import Raced, Trace, UnableToMove
from integrator.engine.work import Work
from integrator.flows import many_rules
from integrator.models import Bulk, BulkItem, BulkItemState, BulkState, Case, CaseEvent, Job

log = structlog.get_logger(__name__)

WRITTEN_ON_SECONDS = 2.0  # somebody holds the case at this very moment


def aim_items(facts: Sequence[Fact]) -> Mapping[int, Sequence[Aim]]:
    """Each case that is ready is a job: it waits for no other, and dies alone.

    A bulk that goes on has them already.
    """
    steps = Job.objects.filter(record_kind=BulkItem.RECORD_KIND, record_id=OuterRef("pk"))
    bulk_ids = [fact.record_id for fact in facts]
    items = BulkItem.objects.filter(~Exists(steps), bulk_id__in=bulk_ids, state=BulkItemState.READY)
    by_bulk: dict[int, list[Aim]] = {}
    for item_id, bulk_id in items.order_by("id").values_list("pk", "bulk_id"):
        aim = Aim(BulkItem.RECORD_KIND, item_id, f"bulk_item:{item_id}")
        by_bulk.setdefault(bulk_id, []).append(aim)
    return {fact.id: by_bulk.get(fact.record_id, []) for fact in facts}


def record(work: Work, _: None) -> Evidence:
    """Decide about one case, once. The bulk is held, so that cancelling it waits for this case."""
    bulk = bulks.lock(BulkItem.objects.values_list("bulk_id", flat=True).get(pk=work.job.record_id))
    item = BulkItem.objects.get(pk=work.job.record_id)
    if item.state != BulkItemState.READY:
        return {"nothing": "it was done before"}
    if bulk.state != BulkState.RUNNING:
        return {"nothing": "the bulk was cancelled"}
    state, why, event = _result(bulk, item, work)
    bulks.end_item(item, state, trace=work.trace, why=why, event=event)
    return {"result": str(state.label).lower(), "why": why}


def _result(bulk: Bulk, item: BulkItem, work: Work) -> tuple[BulkItemState, str, CaseEvent | None]:
    decisions.lock_step(item.case_id)
    whole = Case.objects.select_related("job", "assignee", "connection")
    case = (
        whole.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .filter(pk=item.case_id)
        .first()
    )
    if case is None:
        raise Transient("somebody writes on the case just now", retry_after=WRITTEN_ON_SECONDS)
    if said := _why_skip(bulk, item, case):
        return BulkItemState.SKIPPED, said, None
    trace = work.trace.by(f"user:{bulk.person.get_username()}")
    try:
        with transaction.atomic():
            return BulkItemState.DONE, "", _decide(bulk, case, trace)
    except (UnableToDecide, UnableToMove, Raced) as changed:
        said = str(changed) if isinstance(changed, UnableToDecide) else "Somebody was faster."
        return BulkItemState.SKIPPED, said, None
    except OperationalError:
        raise  # the database itself: it is tried again
    except Exception:
        log.exception("bulk_item_broke", item=item.pk, case=case.pk)
        return BulkItemState.FAILED, "A fault of ours: nothing was done. Decide it by itself.", None


def _why_skip(bulk: Bulk, item: BulkItem, case: Case) -> str:
    """Why it is not as it was shown any more; empty when it is."""
    if decisions.newest([case.pk]).get(case.pk, 0) != item.seen:
        return "Somebody decided about it after it was chosen."
    roles = policy.roles_of(bulk.person)
    resolution = bulk.data.get("resolution")
    if resolution == Case.Resolution.ACCEPTED_LOSS and not policy.may(
        bulk.person, "loss.accept", roles=roles
    ):
        return "Who started it may not accept a loss any more."
    deciding = decisions.being_decided([case.job_id]) if case.job_id is not None else set()
    return many_rules.why_not(
        case,
        bulk.do,
        bulk.label,
        user=bulk.person,
        roles=roles,
        deciding=deciding,
        asked=decisions.waiting_for_second([case]),
    )


def _decide(bulk: Bulk, case: Case, trace: Trace) -> CaseEvent | None:
    """The same call that the case's own page makes. Returns the decision where a flow follows."""
    note, data, by = bulk.note.text if bulk.note is not None else "", bulk.data, bulk.person
    match bulk.do:
        case many_rules.TAKE.key | many_rules.GIVE_BACK.key:
            to = by if bulk.do == many_rules.TAKE.key else None
            if not cases.assign(case, to=to, trace=trace):
                raise UnableToDecide("Somebody was faster.")
            return None
        case many_rules.SNOOZE.key:
            until = datetime.fromisoformat(data["at"]) if data.get("at") else None
            cases.snooze(case, until=until, awaiting=data["awaiting"], trace=trace, note=note)
            return None
        case many_rules.SOLVE.key:
            decisions.close(case, resolution=data["resolution"], note=note, trace=trace, by=by)
            return None
    action = many_rules.action_for(case, bulk.do, bulk.label)
    assert action is not None, "asked just before"
    filled = {"bulk": bulk.pk} | ({"note": note} if note else {})
    return decisions.take(case, action, data=filled, trace=trace, by=by)


FLOW = Flow(
    name="decide_many",
    says="Decide about one of many cases",
    aim=aim_items,
    record=record,
    priority=60,  # after everything that people decided one by one
    due_minutes=120,
)
