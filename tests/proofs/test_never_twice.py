"""Never twice, never lost: refunds in a storm, judged by the books of those who pay.

Returns of one to four units of shared orders are all in flight at once; each unit that comes back
is one refund. Nothing is mended before the end: the storm is over when nothing is owed any more.
"""

from __future__ import annotations

import pytest

from tests.proofs.storm import Storm
from tests.proofs.verdict import Verdict, judge
from tests.story import Row, Stage

# Of a hundred writes to a platform so many go wrong in this way. The first six came through.
WRITES: tuple[Row, ...] = (
    {"share": 0.40, "fault": "drop_after"},
    {"share": 0.10, "fault": "error_after", "status": 500},
    {"share": 0.10, "fault": "truncated"},
    {"share": 0.05, "fault": "slow", "seconds": 90},  # we hang up after ten seconds
    {"share": 0.02, "fault": "visible_after", "seconds": 90},
    {"share": 0.02, "fault": "refund_failed"},  # taken, but the payment provider could not pay
    {"share": 0.10, "fault": "error", "status": 429, "retry_after": 60},
    {"share": 0.03, "fault": "hang", "seconds": 60},
    {"share": 0.02, "fault": "error", "status": 503},
    {"share": 0.02, "fault": "refused"},
    {"share": 0.02, "fault": "error", "status": 422},
)
READS: tuple[Row, ...] = (
    {"share": 0.02, "fault": "error", "status": 503},
    {"share": 0.02, "fault": "truncated"},
)
CALLBACKS: tuple[Row, ...] = (
    {"share": 0.20, "fault": "callback_duplicate"},
    {"share": 0.10, "fault": "callback_reorder"},
    {"share": 0.10, "fault": "callback_delay", "seconds": 300},
    {"share": 0.05, "fault": "callback_suppress"},
)


def of(platform: str, endpoint: str, *faults: Row) -> list[Row]:
    """At most one of these strikes a call, each with its share of all calls."""
    rules, left = [], 1.0
    for fault in faults:
        rule = {name: value for name, value in fault.items() if name != "share"}
        chance = fault["share"] / left
        rules.append(rule | {"platform": platform, "endpoint": endpoint, "probability": chance})
        left -= fault["share"]
    return rules


# Besides: workers die, freeze and race in the middle of calls, platforms say old approvals again,
# people press the same button twice at once, ReturnGO or the Panel pays past us, shoppers return a
# unit twice, units are missing, returns are cancelled: ``tests/proofs/storm.py``.
THROWN = [
    *of("scayle", "POST /fulfillment/return-items", *WRITES),
    *of("scayle", "POST /variants/{variant}/stocks", *WRITES[:4], *WRITES[6:9]),
    *of("returngo", "PUT /transaction/{transaction}", *WRITES[:4], *WRITES[6:9]),
    *of("returngo", "PUT /rma/{rma}/status", *WRITES[:4], *WRITES[6:9]),
    *of("*", "GET *", *READS),
    *of("*", "*", *CALLBACKS),
]


def weather(stage: Stage, seed: int, units: int) -> Verdict:
    """Let a storm pass over so many units, and judge it."""
    storm = Storm.over(stage, seed, THROWN)
    storm.sell(units)
    storm.run()
    found = judge(storm)

    assert found.twice == []
    assert found.forgotten == set()
    assert found.without_reason == []
    assert found.sent_again == []
    assert found.doubts_open == []
    assert found.owed == []
    assert found.stood_still == []
    assert found.ledger_minor == found.books_minor
    assert found.clearing_minor == 0
    # It was a storm: most units came back and were paid, and much of it had been in doubt.
    assert found.paid >= units * 0.6
    assert found.doubts >= units / 10
    dropped = next(rule for rule in stage.sandbox.world.switchboard.rules)
    assert dropped.struck >= units / 10
    return found


@pytest.mark.requirement("R025", "R058")
@pytest.mark.parametrize("seed", range(8))
def test_in_a_storm_every_refund_is_paid_once(stage: Stage, seed: int) -> None:
    """A thousand refunds; the long form has the rest."""
    assert weather(stage, seed, units=140).paid >= 125


@pytest.mark.prove
@pytest.mark.requirement("R025", "R058")
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_in_many_storms_every_refund_is_paid_once(stage: Stage, seed: int) -> None:
    """Twenty thousand refunds."""
    weather(stage, seed, units=115)
