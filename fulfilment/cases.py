"""Operations' ways to go wrong: orders and stock."""

from __future__ import annotations

from integrator.engine.cases import (
    FIXED_THERE,
    GIVE_UP,
    NOT_AN_ERROR,
    TRY_AGAIN,
    CaseKind,
)

ORDER_DOES_NOT_ADD_UP = CaseKind(
    code="ORDER_DOES_NOT_ADD_UP",
    owner="FINANCE",
    severity=2,
    due_hours=8,
    title="Order {order} does not add up",
    happened="Units and fees of order {order} sum to {items}, but the payments sum to {paid}.",
    means="A refund could be worked out from a wrong price.",
    todo="Look at the order in {platform}. Say that it is fine, or have it corrected there.",
    otherwise="Refunds of this order use the unit prices as the shop states them.",
    closes_when="the order adds up when it is read again",
    actions=(FIXED_THERE, NOT_AN_ERROR),
    evidence=("order", "items", "paid"),
    ladder=("CONTROLLER",),
)
ORDER_NOT_READ = CaseKind(
    code="ORDER_NOT_READ",
    owner="OPERATIONS",
    severity=2,
    due_hours=4,
    title="An order could not be read from {platform}",
    happened="{platform} announced a change of an order, but reading it failed: {error}",
    means="Returns of this order cannot be checked against what was bought.",
    todo="Look at the order in {platform}, then try again.",
    otherwise="Its returns wait, and customers wait for their money.",
    closes_when="the order was read",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("platform", "error"),
)
RESTOCK_FAILED = CaseKind(
    code="RESTOCK_FAILED",
    owner="OPERATIONS",
    severity=2,
    due_hours=2,
    title="{sku} was checked and is fine, but is not back on sale",
    happened="Putting 1 × {sku} back on sale was refused: {error}",
    means="The unit lies in the warehouse and cannot be bought.",
    todo="Mend what {platform} complains about, then try again.",
    otherwise="The unit stays unsold and counts as received.",
    closes_when="the unit is back on sale",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("sku", "error"),
)
RESTOCK_IN_DOUBT = CaseKind(
    code="RESTOCK_IN_DOUBT",
    owner="OPERATIONS",
    severity=3,
    due_hours=2,
    title="We are not sure whether {sku} was put back on sale",
    happened="The shop did not answer when 1 × {sku} was added, and its figure has changed since.",
    means="Adding it again could put a unit on sale that is not there.",
    todo="Count {sku} in {platform}. If the unit is missing there, try again.",
    otherwise="The unit stays counted as received, not as sellable.",
    closes_when="the unit is back on sale",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("sku", "target", "seen"),
    alert=True,
)
SKU_DISCONTINUED = CaseKind(
    code="SKU_DISCONTINUED",
    owner="OPERATIONS",
    severity=1,
    due_hours=8,
    title="{sku} came back, but is no longer sold",
    happened="1 × {sku} was checked and is fine. The shop no longer sells this article.",
    means="The unit was not added to any stock. The customer's refund is not held up.",
    todo="Put the article on sale again in {platform} and try again, or take the unit out by hand.",
    otherwise="It stays as one unit nobody can buy.",
    closes_when="the unit is back on sale",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("sku",),
)
STOCK_AUTHORITY_MISSING = CaseKind(
    code="STOCK_AUTHORITY_MISSING",
    owner="ADMIN",
    severity=2,
    due_hours=8,
    title="Nobody here can change the stock of {location}",
    happened="{location} is counted by {authority}, which is not connected.",
    means="Checked units of this place are not put back on sale.",
    todo="Connect {authority}, or name another system that counts {location}. Then try again.",
    otherwise="Units pile up as received.",
    closes_when="the unit is back on sale",
    actions=(TRY_AGAIN,),
    evidence=("location", "authority"),
    shared_cause=True,
)
STATUS_NOT_POSTED = CaseKind(
    code="STATUS_NOT_POSTED",
    owner="ADMIN",
    severity=1,
    due_hours=24,
    title="{platform} was not told what became of the returns of order {order}",
    happened="Writing it into the order was refused: {error}",
    means="Money and stock are not touched. {platform} shows an older state of the returns.",
    todo="Mend what {platform} complains about, then try again.",
    otherwise="It is tried again with every next batch. Until then the order there is out of date.",
    closes_when="{platform} shows it",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("order", "platform", "batch", "error"),
)

KINDS = (
    ORDER_DOES_NOT_ADD_UP,
    ORDER_NOT_READ,
    RESTOCK_FAILED,
    RESTOCK_IN_DOUBT,
    SKU_DISCONTINUED,
    STOCK_AUTHORITY_MISSING,
    STATUS_NOT_POSTED,
)
