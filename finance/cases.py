"""Finance's ways to go wrong: money that did not go, may have gone, or went past us."""

from __future__ import annotations

from integrator.engine.cases import (
    FIXED_THERE,
    GIVE_UP,
    NOT_AN_ERROR,
    TRY_AGAIN,
    Action,
    CaseKind,
    Field,
)

PAID_BY_HAND = Action(
    key="paid_by_hand",
    label="I paid it by hand",
    says="Record the refund with the reference as proof.",
    verb="refund.decide",
    fields=(
        Field("reference", "Reference of the payment"),
        Field("amount", "Amount, if another was paid", "money", required=False),
        Field("note", "How it was paid", "note"),
    ),
    approval=True,
    leaves=True,
)
IT_WAS_PAID = Action(
    key="it_happened",
    label="It was sent",
    says="Count the refund as sent, with the reference.",
    verb="refund.decide",
    fields=(
        Field("reference", "Reference you saw in the platform"),
        Field("note", "What you saw", "note"),
    ),
    approval=True,
)
IT_WAS_NOT_PAID = Action(
    key="it_did_not_happen",
    label="It was not sent",
    says="The refund may then be sent again.",
    verb="refund.decide",
    fields=(Field("note", "How you know", "note"),),
    approval=True,
    leaves=True,
    again=True,
)

PAY_ANYWAY = Action(
    key="pay_anyway",
    label="Pay it all the same",
    says="Send the refund: the correction was for something else.",
    verb="refund.decide",
    fields=(Field("note", "What the correction was for", "note"),),
    approval=True,
    leaves=True,
    again=True,
)

REFUND_REFUSED = CaseKind(
    code="REFUND_REFUSED",
    owner="FINANCE",
    severity=3,
    due_hours=4,
    title="Refund of {amount} for order {order} was refused",
    happened="{platform} refused the refund for return {rma}: {error}",
    means="The customer has not been paid. The refund can be sent again.",
    todo="Fix what {platform} complains about and try again, or pay by hand.",
    otherwise="The customer keeps waiting for {amount}.",
    closes_when="the refund is sent, or is not owed any more",
    actions=(TRY_AGAIN, PAID_BY_HAND, GIVE_UP),
    evidence=("order", "rma", "amount", "error"),
    ladder=("CONTROLLER",),
    alert=True,
)
REFUND_IN_DOUBT = CaseKind(
    code="REFUND_IN_DOUBT",
    owner="FINANCE",
    severity=3,
    due_hours=1,
    title="We are not sure whether {amount} went out for order {order}",
    happened="{platform} did not answer after we sent the refund for return {rma}.",
    means="Do not refund again: the customer may have the money already.",
    todo="Look the order up in {platform}. Say what you saw; a second person confirms it.",
    otherwise="Nothing is sent for this order. The customer may be waiting.",
    closes_when="a look-up finds the refund",
    actions=(IT_WAS_PAID, IT_WAS_NOT_PAID),
    evidence=("order", "rma", "amount"),
    ladder=("CONTROLLER",),
    alert=True,
)
REFUND_FAILED = CaseKind(
    code="REFUND_FAILED",
    owner="FINANCE",
    severity=3,
    due_hours=4,
    title="The payment of {amount} for order {order} failed",
    happened="{platform} reports that the payment for return {rma} could not be made.",
    means="The customer has not been paid.",
    todo="Start the payment again in {platform}, or pay by hand and give the reference.",
    otherwise="The customer keeps waiting for {amount}. The return stays open.",
    closes_when="{platform} reports the payment as made",
    actions=(PAID_BY_HAND, FIXED_THERE),
    evidence=("order", "amount", "transaction"),
    ladder=("CONTROLLER",),
    alert=True,
)
REFUND_NOT_RECORDED = CaseKind(
    code="REFUND_NOT_RECORDED",
    owner="FINANCE",
    severity=2,
    due_hours=8,
    title="No proof yet of the refund of {amount} for order {order}",
    happened="{platform} has had the refund since {sent}, and shows no record of a payment.",
    means="The customer may or may not have the money. The return stays open.",
    todo="Look at the order in {platform}. If the money went out, give the reference.",
    otherwise="The return is not completed.",
    closes_when="{platform} shows the refund",
    actions=(FIXED_THERE, PAID_BY_HAND),
    evidence=("order", "amount", "sent"),
    ladder=("CONTROLLER",),
)
REFUND_BY_HAND = CaseKind(
    code="REFUND_BY_HAND",
    owner="FINANCE",
    severity=2,
    due_hours=8,
    title="Refund {amount} for order {order} by hand",
    happened="{amount} is owed for the {what} of return {rma}. A person has to pay it: {error}.",
    means="All evidence is there, and the amount is set aside. The customer waits for the money.",
    todo="Pay {amount} and give the reference. A second person confirms it.",
    otherwise="The customer keeps waiting.",
    closes_when="the payment is recorded",
    actions=(PAID_BY_HAND, GIVE_UP),
    evidence=("order", "rma", "amount", "what", "error"),
    ladder=("CONTROLLER",),
)
REFUND_MORE_THAN_PAID = CaseKind(
    code="REFUND_MORE_THAN_PAID",
    owner="FINANCE",
    severity=3,
    due_hours=4,
    title="A refund would pay back more than order {order} was paid",
    happened="Return {rma} asks for {amount}. Order {order} has only {left} left to pay back.",
    means="Nothing was sent.",
    todo="Compare the refunds of this order. Correct the return, or stop it here.",
    otherwise="The refund stays blocked.",
    closes_when="the refund is sent, or is not owed any more",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("order", "rma", "amount", "left"),
    ladder=("CONTROLLER",),
    alert=True,
)
REFUND_EXECUTOR_MISSING = CaseKind(
    code="REFUND_EXECUTOR_MISSING",
    owner="ADMIN",
    severity=3,
    due_hours=2,
    title="Refunds wait for a setting that nobody has made",
    happened="A refund is due, but the settings do not say enough about it: {error}",
    means="No customer is paid this way until it is set.",
    todo="Make the setting, then try again.",
    otherwise="Every refund of this kind waits.",
    closes_when="the refund is sent",
    actions=(TRY_AGAIN,),
    evidence=("error",),
    shared_cause=True,
)
REFUNDED_PAST_US = CaseKind(
    code="REFUNDED_PAST_US",
    owner="FINANCE",
    severity=3,
    due_hours=4,
    title="Somebody wrote a correction by hand for order {order}",
    happened="{platform} shows a correction no refund of ours explains: {corrections}.",
    means="Return {rma} is worth {amount}. It was not sent: it may have been paid by hand already.",
    todo="Look at the correction in {platform}. Say that it paid this, or pay it all the same.",
    otherwise="The refund stays held, and the customer may be waiting.",
    closes_when="the refund is sent, or is not owed any more",
    actions=(PAID_BY_HAND, PAY_ANYWAY),
    evidence=("order", "rma", "amount", "corrections"),
    ladder=("CONTROLLER",),
    alert=True,
)
SETTLED = Action(
    key="settle_difference",
    label="I settled the difference",
    says="Record it as paid to the customer, or paid back by them.",
    verb="refund.decide",
    fields=(
        Field("reference", "Reference of the payment"),
        Field("note", "How it was settled", "note"),
    ),
    approval=True,
)
LEAVE_AS_PAID = Action(
    key="leave_as_paid",
    label="Leave it as it was paid",
    says="Nothing more is paid. What is too much is booked as a loss.",
    verb="loss.accept",
    fields=(Field("note", "Why it stays", "note"),),
    approval=True,
)
PAID_GOODS = Action(
    key="paid_goods",
    label="It paid for goods",
    says="Count them as paid back, so that no return pays them again.",
    verb="refund.decide",
    fields=(
        Field("amount", "Amount that was paid", "money"),
        Field(
            "skus",
            "Article or line numbers, with commas; empty for the whole order",
            required=False,
        ),
        Field("note", "What you saw", "note"),
    ),
    approval=True,
)
PAID_SOMETHING_ELSE = Action(
    key="paid_something_else",
    label="It was for something else",
    says="Book the amount as goodwill. Returns are paid all the same.",
    verb="refund.decide",
    fields=(
        Field("amount", "Amount that was paid", "money"),
        Field("note", "What it was for", "note"),
    ),
    approval=True,
)
PAID_ALREADY = Action(
    key="paid_already",
    label="It is recorded here already",
    says="Tie it to the payment that was recorded by hand.",
    verb="refund.decide",
    fields=(
        Field("reference", "Reference under which it was recorded"),
        Field("note", "What you saw", "note"),
    ),
    approval=True,
)
PAID_IN_SHOP = CaseKind(
    code="PAID_IN_SHOP",
    owner="FINANCE",
    severity=3,
    due_hours=8,
    title="Somebody paid back money for order {order} in {platform}",
    happened="{platform} shows {signs}, which no refund of ours explains.",
    means="The customer has money that our books do not know of.",
    todo="Look in {platform} what was paid. Say which goods it paid for, or that we know of it.",
    otherwise="The next return of this order is held and asks the same.",
    closes_when="a refund of ours explains it",
    actions=(PAID_GOODS, PAID_ALREADY, PAID_SOMETHING_ELSE),
    evidence=("order", "signs"),
    ladder=("CONTROLLER",),
)
_GOODWILL_FIELDS = (
    Field("reference", "Reference of the payment"),
    Field("note", "How it was paid", "note"),
)
NO_GOODWILL = Action(
    key="not_an_error",
    label="No goodwill",
    says="Close the request. Nothing is paid.",
    verb="case.solve",
    fields=(Field("note", "Why not", "note"),),
)
GOODWILL = CaseKind(
    code="GOODWILL",
    owner="FINANCE",
    severity=1,
    due_hours=24,
    title="Goodwill of {amount} for order {order}",
    happened="{who} asks for {amount} as goodwill. The reason is in the history.",
    means="Of {paid} paid, {back} went back so far. This would be a gift on top.",
    todo="Pay it and give the reference, or say no.",
    otherwise="The customer hears nothing.",
    closes_when="the payment is recorded",
    actions=(
        Action(
            key="goodwill_paid",
            label="I paid it",
            says="Record the goodwill with the reference.",
            verb="refund.decide",
            fields=_GOODWILL_FIELDS,
        ),
        NO_GOODWILL,
    ),
    evidence=("order", "amount", "who", "paid", "back"),
    ladder=("CONTROLLER",),
)
GOODWILL_OVER_LIMIT = CaseKind(
    code="GOODWILL_OVER_LIMIT",
    owner="FINANCE",
    severity=2,
    due_hours=24,
    title="Goodwill of {amount} for order {order} needs two people",
    happened="{who} asks for {amount} as goodwill. The reason is in the history.",
    means=(
        "It is above the limit, or more than the {paid} paid would go back: {back} so far, and "
        "what else is asked for."
    ),
    todo="Pay it and give the reference; a second person confirms it. Or say no.",
    otherwise="The customer hears nothing.",
    closes_when="the payment is recorded",
    actions=(
        Action(
            key="goodwill_paid",
            label="I paid it",
            says="Record the goodwill with the reference.",
            verb="refund.decide",
            fields=_GOODWILL_FIELDS,
            approval=True,
        ),
        NO_GOODWILL,
    ),
    evidence=("order", "amount", "who", "paid", "back"),
    ladder=("CONTROLLER",),
)
CORRECTION_AFTER_REFUND = CaseKind(
    code="CORRECTION_AFTER_REFUND",
    owner="FINANCE",
    severity=3,
    due_hours=8,
    title="Order {order}: {amount} was paid back, {due} would be right",
    happened="{why} The refund for return {rma} had been paid by then.",
    means="The difference is {difference}. Nothing was sent or taken back by itself.",
    todo="Settle the difference with the customer and give the reference, or leave it as paid.",
    otherwise="The customer keeps too much, or waits for the rest.",
    closes_when="what was paid is right again",
    actions=(SETTLED, LEAVE_AS_PAID, NOT_AN_ERROR),
    evidence=("order", "rma", "amount", "due", "difference", "why"),
    ladder=("CONTROLLER",),
)
REFUND_NOT_MIRRORED = CaseKind(
    code="REFUND_NOT_MIRRORED",
    owner="FINANCE",
    severity=1,
    due_hours=24,
    title="{platform} does not show the refund of {amount} for order {order}",
    happened="The refund was paid past {platform}, which would not take note of it: {error}",
    means="The customer has the money. Only {platform} shows the order as not refunded.",
    todo="Mend what {platform} complains about and try again, or set it there by hand.",
    otherwise="Service staff who look into {platform} may pay a second time.",
    closes_when="{platform} shows the refund",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("order", "amount", "error"),
)
SYSTEMS_DIFFER = CaseKind(
    code="SYSTEMS_DIFFER",
    owner="FINANCE",
    severity=2,
    due_hours=24,
    title="{what}: we say {ours}, {platform} says {theirs}",
    happened="The comparison of {at} found it: {says}",
    means="One of the two is wrong, so a customer or the books may be wrong.",
    todo="Read it again. If it stays, correct the side that is wrong.",
    otherwise="It is found again by every comparison.",
    closes_when="both say the same",
    actions=(FIXED_THERE, NOT_AN_ERROR),
    evidence=("what", "ours", "theirs"),
    ladder=("CONTROLLER",),
)

# What is open about one refund and ends with it.
OF_A_REFUND = (
    REFUND_REFUSED,
    REFUND_IN_DOUBT,
    REFUND_FAILED,
    REFUND_NOT_RECORDED,
    REFUND_BY_HAND,
)
KINDS = (
    REFUND_REFUSED,
    REFUND_IN_DOUBT,
    REFUND_FAILED,
    REFUND_NOT_RECORDED,
    REFUND_BY_HAND,
    REFUND_MORE_THAN_PAID,
    REFUND_EXECUTOR_MISSING,
    REFUNDED_PAST_US,
    PAID_IN_SHOP,
    GOODWILL,
    GOODWILL_OVER_LIMIT,
    CORRECTION_AFTER_REFUND,
    REFUND_NOT_MIRRORED,
    SYSTEMS_DIFFER,
)
