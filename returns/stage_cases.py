"""Returns that stand still: one kind for each stage, owned by the team of ``returns.stages``."""

from __future__ import annotations

from collections.abc import Mapping

from integrator.engine.cases import FIXED_THERE, NOT_AN_ERROR, CaseKind
from returns.stages import OWNER
from returns.states import ReturnStatus

_EVIDENCE = ("rma", "order", "since", "stood")

STANDS_STILL: Mapping[str, CaseKind] = {
    ReturnStatus.REQUESTED: CaseKind(
        code="RETURN_NOT_ANSWERED",
        owner=OWNER[ReturnStatus.REQUESTED],
        severity=2,
        due_hours=8,
        title="Return {rma}: nobody has answered the customer",
        happened="The customer asked to return something {stood} ago, on {since}.",
        means="They do not know whether they may send it.",
        todo="Agree to it or turn it down in {platform}.",
        otherwise="The customer asks again, or sends it without a label.",
        closes_when="it is agreed to or turned down",
        actions=(FIXED_THERE, NOT_AN_ERROR),
        evidence=_EVIDENCE,
        ladder=("OPERATIONS",),
    ),
    ReturnStatus.AUTHORISED: CaseKind(
        code="RETURN_NOT_SENT",
        owner=OWNER[ReturnStatus.AUTHORISED],
        severity=1,
        due_hours=48,
        title="Return {rma}: the customer has not sent it",
        happened="It may come back since {since}. {stood} later no carrier has it.",
        means="Nothing is owed yet. What they keep stays sold.",
        todo="Ask the customer, or cancel the return in {platform}.",
        otherwise="It stays open, and the goods may come back too late to be sold.",
        closes_when="a carrier has it, it arrives or it is cancelled",
        actions=(FIXED_THERE, NOT_AN_ERROR),
        evidence=_EVIDENCE,
    ),
    ReturnStatus.IN_TRANSIT: CaseKind(
        code="RETURN_NOT_ARRIVED",
        owner=OWNER[ReturnStatus.IN_TRANSIT],
        severity=2,
        due_hours=24,
        title="Return {rma} is on its way for too long",
        happened="A carrier has it since {since}, for {stood}. No warehouse has received it.",
        means="The customer waits for their money. The goods may be lost.",
        todo="Ask the carrier and the warehouse, and tell the customer.",
        otherwise="The customer loses patience, and the carrier pays for lost goods only in time.",
        closes_when="it arrives or is cancelled",
        actions=(FIXED_THERE, NOT_AN_ERROR),
        evidence=_EVIDENCE,
        ladder=("OPERATIONS",),
    ),
    ReturnStatus.RECEIVED: CaseKind(
        code="RETURN_NOT_CHECKED",
        owner=OWNER[ReturnStatus.RECEIVED],
        severity=2,
        due_hours=8,
        title="Return {rma} arrived and was not checked",
        happened="It arrived on {since}. {stood} later not all of it is checked.",
        means="Nobody can buy it, and the customer gets no money.",
        todo="Find it in the warehouse and have it checked.",
        otherwise="The customer waits, and the goods lose value on the floor.",
        closes_when="it is checked or cancelled",
        actions=(FIXED_THERE, NOT_AN_ERROR),
        evidence=_EVIDENCE,
        ladder=("CX",),
    ),
    ReturnStatus.INSPECTED: CaseKind(
        code="RETURN_NOT_FINISHED",
        owner=OWNER[ReturnStatus.INSPECTED],
        severity=2,
        due_hours=8,
        title="Return {rma} was checked and is not finished",
        happened="It was checked on {since}. {stood} later not every promise is kept.",
        means="Money, stock or a replacement is still owed, and nobody was asked about it.",
        todo="Look at what is still owed on the order's page, and who has the next step.",
        otherwise="The customer waits for what we promised.",
        closes_when="the return is complete, or somebody is asked what is wrong",
        actions=(FIXED_THERE, NOT_AN_ERROR),
        evidence=_EVIDENCE,
        ladder=("CONTROLLER",),
    ),
}
KINDS = tuple(STANDS_STILL.values())
