"""The table of contents of the product: what happens when something is heard, changes or is
decided.

``ROUTES`` maps a fact's key to the flows it starts, in order. Where the words of a key are from:

``heard:<platform>:<topic>``   a message: ``TOPICS`` of the platform's ``webhook``, or ``SCHEDULE``
``<record>.<field>:<status>``  a change: the record's ``states``
``decided:<action>``           a person's decision: the buttons of ``CASE_KINDS``
``case:<event>``               a case: ``CaseEvent.Kind``

What time alone brings about is ``SCHEDULE`` where a platform is looked at, and ``tasks.MINUTE``
where it is our own affair. What the end of a step means is ``engine.errors``. ``docs/flows.md`` is
printed from all of it.
"""

from __future__ import annotations

from integrator.engine.flow import LOCAL, Routes, flows_of
from integrator.engine.timer import Every
from integrator.flows import (
    alert,
    book_past_us,
    capture_order,
    check_oversell,
    collect_statuses,
    compare_scayle_returngo,
    complete_return,
    decide_bundle,
    decide_doubt,
    decide_exchange,
    decide_job,
    decide_many,
    decide_return,
    decide_setting,
    decide_unit,
    erase_customer,
    free_exchange,
    mirror_refund,
    pay_by_hand,
    pay_goodwill,
    place_exchange,
    post_statuses,
    refund,
    refund_replacement,
    refund_shipping,
    release_exchange,
    restock,
    retake_returns,
    review_message,
    send_digest,
    settle_difference,
    show_in_transit,
    start_meaning,
    sweep_returngo,
    sweep_scayle,
    take_return,
    tell_exchange,
    tell_failed_refund,
    tell_receiver,
    tell_teams,
    tell_view,
    tell_view_receiver,
    try_connection,
    watch_exchanges,
    watch_returns,
)
from integrator.flows.kinds import CASE_KINDS
from integrator.platforms import PLATFORMS

ROUTES: Routes = {
    # What platforms tell us
    "heard:scayle:order": [capture_order.FLOW],
    "heard:scayle:customer": [erase_customer.FLOW],
    "heard:returngo:rma": [take_return.FLOW],
    "heard:returngo:money": [refund.FLOW],
    "heard:unknown": [review_message.FLOW],
    "heard:quarantined": [review_message.FLOW],
    # What the clock tells us
    "heard:scayle:sweep-due": [sweep_scayle.FLOW, check_oversell.FLOW],
    "heard:returngo:sweep-due": [sweep_returngo.FLOW],
    "heard:returngo:compare-due": [compare_scayle_returngo.FLOW],
    "heard:returngo:exchanges-due": [watch_exchanges.FLOW],
    "heard:returngo:returns-due": [watch_returns.FLOW],
    # What people want to know
    "heard:scayle:try-asked": [try_connection.FLOW],
    "heard:returngo:try-asked": [try_connection.FLOW],
    # What changed
    "order.status:CAPTURED": [retake_returns.FLOW, check_oversell.FLOW],
    "order.status:SHIPPED": [retake_returns.FLOW],
    "order.status:COMPLETED": [retake_returns.FLOW],
    "return.status:REQUESTED": [collect_statuses.FLOW],
    "return.status:AUTHORISED": [place_exchange.FLOW, collect_statuses.FLOW],
    "return.status:IN_TRANSIT": [collect_statuses.FLOW],
    "return.status:RECEIVED": [place_exchange.FLOW, collect_statuses.FLOW],
    "return.status:INSPECTED": [place_exchange.FLOW, collect_statuses.FLOW],
    "return.status:COMPLETED": [collect_statuses.FLOW],
    "return.status:CLOSED": [collect_statuses.FLOW],
    "return_item.custody:REQUESTED": [collect_statuses.FLOW],
    "return_item.custody:AUTHORISED": [
        refund.FLOW,
        refund_replacement.FLOW,
        place_exchange.FLOW,
        collect_statuses.FLOW,
    ],
    "return_item.custody:IN_TRANSIT": [show_in_transit.FLOW, collect_statuses.FLOW],
    "return_item.custody:RECEIVED": [
        refund.FLOW,
        refund_replacement.FLOW,
        place_exchange.FLOW,
        complete_return.FLOW,
        show_in_transit.FLOW,
        collect_statuses.FLOW,
    ],
    "return_item.custody:INSPECTED": [
        refund_replacement.FLOW,
        place_exchange.FLOW,
        complete_return.FLOW,
        collect_statuses.FLOW,
    ],
    "return_item.custody:CLOSED": [show_in_transit.FLOW, collect_statuses.FLOW],
    "inspection.disposition:RESTOCK": [restock.FLOW, refund.FLOW],
    "inspection.disposition:QUARANTINE": [restock.FLOW, refund.FLOW],
    "inspection.disposition:NOT_RETURNED": [restock.FLOW, complete_return.FLOW],
    "inspection.disposition:SENT_BACK": [restock.FLOW],
    "inspection.disposition:WRITTEN_OFF": [restock.FLOW],
    "return_item.money:REFUSED": [collect_statuses.FLOW],
    "return_item.money:WAIVED": [collect_statuses.FLOW],
    "refund.status:IN_DOUBT": [tell_failed_refund.FLOW, collect_statuses.FLOW],
    "refund.status:REFUSED": [tell_failed_refund.FLOW],
    "refund.status:RECORDED": [
        complete_return.FLOW,
        mirror_refund.FLOW,
        refund_shipping.FLOW,
        collect_statuses.FLOW,
    ],
    "return_item.money:RECORDED": [complete_return.FLOW, refund_shipping.FLOW],
    "refund.status:SETTLED": [collect_statuses.FLOW],
    "batch_item.state:DUE": [post_statuses.FLOW],
    "exchange.status:REQUESTED": [place_exchange.FLOW],
    "exchange.status:ORDERED": [
        release_exchange.FLOW,
        tell_exchange.FLOW,
        complete_return.FLOW,
    ],
    "exchange.status:SHIPPED": [complete_return.FLOW],
    "exchange.status:CANCELLED": [free_exchange.FLOW, refund.FLOW],
    "exchange.status:REFUSED": [free_exchange.FLOW, refund.FLOW],
    "exchange.difference:OPEN": [release_exchange.FLOW],
    "exchange.difference:PAID": [release_exchange.FLOW],
    "exchange.difference:WAIVED": [release_exchange.FLOW],
    "exchange.difference:SETTLED": [complete_return.FLOW],
    "mapping_plan.state:DUE": [start_meaning.FLOW],
    # What people decided
    "bulk.state:RUNNING": [decide_many.FLOW],
    "decided:try_again": [decide_job.TRY_AGAIN],
    "decided:give_up": [decide_job.GIVE_UP],
    "decided:it_happened": [decide_doubt.IT_HAPPENED],
    "decided:it_did_not_happen": [decide_doubt.IT_DID_NOT_HAPPEN],
    "decided:save_mapping": [decide_setting.SAVE_MAPPING],
    "decided:resume_connection": [decide_setting.RESUME_CONNECTION],
    "decided:allow_calls": [decide_setting.ALLOW_CALLS],
    "decided:match_return": [decide_return.MATCH_RETURN],
    "decided:accept_unit": [decide_return.ACCEPT_UNIT],
    "decided:fixed_there": [decide_return.FIXED_THERE, check_oversell.FLOW],
    "decided:not_an_error": [decide_return.NOT_AN_ERROR],
    "decided:exchange_released": [decide_exchange.RELEASED],
    "decided:exchange_waive": [decide_exchange.WAIVED],
    "decided:exchange_refuse": [decide_exchange.REFUSED],
    "decided:difference_paid": [decide_exchange.DIFFERENCE_PAID],
    "decided:one_piece": [decide_bundle.ONE_PIECE],
    "decided:equal_parts": [decide_bundle.EQUAL_PARTS],
    "decided:replacement_paid": [refund_replacement.PAID],
    "decided:keep_unit": [decide_unit.KEEP],
    "decided:quarantine_unit": [decide_unit.QUARANTINE],
    "decided:send_back_unit": [decide_unit.SEND_BACK],
    "decided:write_off_unit": [decide_unit.WRITE_OFF],
    "decided:count_as": [decide_unit.COUNT_AS],
    "decided:paid_by_hand": [pay_by_hand.FLOW],
    "decided:pay_anyway": [pay_by_hand.PAY_ANYWAY],
    "decided:paid_goods": [book_past_us.FLOW],
    "decided:paid_already": [book_past_us.ALREADY],
    "decided:paid_something_else": [book_past_us.ELSE],
    "decided:goodwill_paid": [pay_goodwill.FLOW],
    "decided:settle_difference": [settle_difference.FLOW],
    "decided:leave_as_paid": [settle_difference.LEAVE],
    # What must be told at once
    "case:OPENED": [alert.FLOW, tell_receiver.FLOW],
    "case:REOPENED": [alert.FLOW, tell_receiver.FLOW],
    "case:ESCALATED": [alert.FLOW, tell_receiver.FLOW],
    "connection.state:DEGRADED": [tell_teams.FLOW],
    "connection.state:NEEDS_CREDENTIALS": [tell_teams.FLOW],
    "connection.state:PAUSED": [tell_teams.FLOW],
    "connection.state:ACTIVE": [tell_teams.FLOW],
    "digest.state:DUE": [send_digest.FLOW],
    "view_alert.state:ABOVE": [tell_view.FLOW, tell_view_receiver.FLOW],
}

# Facts of our own: a flow or a person says that something is to be looked at, no platform and no
# clock does.
OWN_TOPICS = frozenset(
    {
        "heard:returngo:money",
        *(f"heard:{slug}:{try_connection.TOPIC}" for slug in PLATFORMS),
    }
)
SCHEDULE = (
    Every("sweep-due", "scayle", minutes=5),
    Every("sweep-due", "returngo", minutes=sweep_returngo.EVERY_MINUTES),
    Every("compare-due", "returngo", minutes=60),
    Every("exchanges-due", "returngo", minutes=5),
    Every("returns-due", "returngo", minutes=15),
)

FLOWS = flows_of(ROUTES)
QUEUES = (LOCAL, *sorted({flow.queue for flow in FLOWS.values()} - {LOCAL}))

__all__ = ["CASE_KINDS", "FLOWS", "OWN_TOPICS", "QUEUES", "ROUTES", "SCHEDULE"]
