"""Operations' ways to go wrong: orders and stock."""

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

ONE_PIECE = Action(
    key="one_piece",
    label="It is no set",
    says="The article counts as one piece. Returns of it that were held go on.",
    verb="disposition.record",
    fields=(Field("note", "How you know", "note"),),
    leaves=True,
)
EQUAL_PARTS = Action(
    key="equal_parts",
    label="Split it in equal parts",
    says="Every piece of the set gets the same share of its price. Held returns of it go on.",
    verb="refund.decide",
    fields=(Field("note", "Why that is fair", "note"),),
    leaves=True,
)
QUARANTINE_UNIT = Action(
    key="quarantine_unit",
    label="Set it aside",
    says="Book it as not for sale, and take it off sale if it is on sale.",
    verb="disposition.record",
    fields=(
        Field("location", "Where it lies", "choice", choices="location"),
        Field("note", "Why", "note"),
    ),
    leaves=True,
)
SEND_BACK_UNIT = Action(
    key="send_back_unit",
    label="It goes back to the customer",
    says="Take the unit out of our stock, and off sale if it is on sale.",
    verb="disposition.record",
    fields=(Field("note", "Why", "note"),),
    leaves=True,
)
KEEP_UNIT = Action(
    key="keep_unit",
    label="Keep it as it is",
    says="Nothing is booked differently. Your name stays with it.",
    verb="disposition.record",
    fields=(Field("note", "Why", "note"),),
)
WRITE_OFF_UNIT = Action(
    key="write_off_unit",
    label="Write it off",
    says="Take it out of our stock for good.",
    verb="disposition.record",
    fields=(Field("note", "Why it is worth nothing", "note"),),
    leaves=True,
    approval=True,
)
COUNT_AS = Action(
    key="count_as",
    label="Count it as another article",
    says="Take it out of the old article and put it on sale as the one you name.",
    verb="disposition.record",
    fields=(
        Field("sku", "SKU it is sold as from now on", choices="sku"),
        Field("note", "Why it is the same", "note"),
    ),
    leaves=True,
    approval=True,
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
BUNDLE_UNREADABLE = CaseKind(
    code="BUNDLE_UNREADABLE",
    owner="OPERATIONS",
    severity=2,
    due_hours=8,
    title="We do not know what {sku} in order {order} consists of",
    happened="{platform} could not tell us whether {sku} is a set, and of what: {error}",
    means="What comes back of it is held: a guess could pay or restock the wrong article.",
    todo="Mend the article in {platform} and read it again. If it is no set, say so.",
    otherwise="Returns of it wait, and customers wait for their money.",
    closes_when="the order is read and the article is found",
    actions=(FIXED_THERE, ONE_PIECE),
    evidence=("order", "sku", "error"),
)
BUNDLE_PRICE_FALLBACK = CaseKind(
    code="BUNDLE_PRICE_FALLBACK",
    owner="FINANCE",
    severity=2,
    due_hours=8,
    title="The price of {sku} in order {order} cannot be split by prices",
    happened="Neither the order nor the catalogue of {platform} has a price of {unpriced}. {done}",
    means="A part of the set that comes back could be refunded with too much or too little.",
    todo="Give it a price in {platform} and read it again, or agree to equal parts.",
    otherwise="What was said above stays so: equal parts are paid, or returns of it are held.",
    closes_when="the prices are known, or equal parts were agreed to",
    actions=(FIXED_THERE, EQUAL_PARTS),
    evidence=("order", "sku", "unpriced", "done"),
    ladder=("CONTROLLER",),
)
ORDER_NOT_READ = CaseKind(
    code="ORDER_NOT_READ",
    owner="OPERATIONS",
    severity=2,
    due_hours=4,
    title="Order {order} could not be read from {platform}",
    happened="{platform} announced a change of order {order}, but reading it failed: {error}",
    means="Returns of this order cannot be checked against what was bought.",
    todo="Look at the order in {platform}, then try again.",
    otherwise="Its returns wait, and customers wait for their money.",
    closes_when="the order was read",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("order", "platform", "error"),
)
RESTOCK_FAILED = CaseKind(
    code="RESTOCK_FAILED",
    owner="OPERATIONS",
    severity=2,
    due_hours=2,
    title="{sku} was checked, but the shop's stock does not show it yet",
    happened="Changing how many {sku} the shop may sell was refused: {error}",
    means="The shop counts the unit as it did before it was checked.",
    todo="Mend what {platform} complains about, then try again.",
    otherwise="A good unit stays unsold, or one that is not good stays on sale.",
    closes_when="the unit is booked where its verdict says",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("sku", "error"),
)
RESTOCK_IN_DOUBT = CaseKind(
    code="RESTOCK_IN_DOUBT",
    owner="OPERATIONS",
    severity=3,
    due_hours=2,
    title="We are not sure whether the shop's stock of {sku} was changed",
    happened="The shop did not answer when we changed its figure of {sku} to {target}. "
    "It shows {seen} now.",
    means="Changing it again could put a unit on sale that is not there.",
    todo="Count {sku} in {platform}. If its figure is still the old one, try again.",
    otherwise="The unit stays counted here as it was before.",
    closes_when="the unit is booked where its verdict says",
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
    happened="{quantity} × {sku} was checked and is fine. The shop no longer sells this article.",
    means="It was not added to any stock. The customer's refund is not held up.",
    todo="Count it as another article, set it aside or write it off. "
    "If {platform} sells it again, try again.",
    otherwise="It stays among the units nobody can buy.",
    closes_when="the unit is booked where its verdict says",
    actions=(COUNT_AS, QUARANTINE_UNIT, WRITE_OFF_UNIT, TRY_AGAIN),
    evidence=("sku", "quantity"),
    ladder=("CONTROLLER",),
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
OVERSELL_RISK = CaseKind(
    code="OVERSELL_RISK",
    owner="OPERATIONS",
    severity=3,
    due_hours=2,
    title="More of {sku} is sold than is there: {missing} missing",
    happened="Open orders want more {sku} than are confirmed as sellable. They are {orders}.",
    means="Not every customer can get what they bought. Customer service sees the orders too.",
    todo="Count {sku}. Bring stock, or have the orders that cannot be filled cancelled "
    "in {platform}.",
    otherwise="The warehouse finds out when it packs, and the customer after that.",
    closes_when="what is confirmed is enough for the open orders",
    actions=(FIXED_THERE,),
    evidence=("sku", "missing", "orders"),
    ladder=("CX", "ADMIN"),
    alert=True,
)
ORDER_OVERSOLD = CaseKind(
    code="ORDER_OVERSOLD",
    owner="CX",
    severity=3,
    due_hours=4,
    title="Order {order} may not be filled: {sku} is sold out",
    happened="{sku} was sold to order {order}, and no unit may be left for it.",
    means="Operations is looking for one. The customer does not know yet.",
    todo="Ask operations. If there is none, tell the customer and cancel it in {platform}.",
    otherwise="The customer waits for goods that do not come.",
    closes_when="there are enough units, or the order has left or is cancelled",
    actions=(FIXED_THERE,),
    evidence=("order", "sku"),
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
    BUNDLE_PRICE_FALLBACK,
    BUNDLE_UNREADABLE,
    ORDER_DOES_NOT_ADD_UP,
    ORDER_NOT_READ,
    RESTOCK_FAILED,
    RESTOCK_IN_DOUBT,
    SKU_DISCONTINUED,
    STOCK_AUTHORITY_MISSING,
    STATUS_NOT_POSTED,
    OVERSELL_RISK,
    ORDER_OVERSOLD,
)
