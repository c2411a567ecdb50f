"""Which system is right about what (R002, R023, R041), and what becomes of another's word.

It decides nothing: ``docs/truth.md`` is printed from it, and tests hold every flow to it.
"""

from __future__ import annotations

from dataclasses import dataclass

SCAYLE = "scayle"
RETURNGO = "returngo"
AUTHORITY = "the place's stock authority"


@dataclass(frozen=True, slots=True)
class Truth:
    """``column`` is our record of ``field``. ``owner`` alone changes it.

    ``others`` says in words where the value goes that another system states for the same thing.
    """

    field: str
    owner: str
    column: str
    others: str


_ORDER = "stays in the message; SOT_VIOLATION opens"
_NOT_READ = "is not read"

MATRIX: tuple[Truth, ...] = (
    Truth("order number", SCAYLE, "order.number", "finds the order, changes nothing"),
    Truth("order status", SCAYLE, "order.status", _NOT_READ),
    Truth("billing", SCAYLE, "order.billing", _NOT_READ),
    Truth("amount paid", SCAYLE, "order.paid_minor", _NOT_READ),
    Truth("fees", SCAYLE, "order.fees", _NOT_READ),
    Truth("unit price", SCAYLE, "order_item.paid_minor", f"return_item.claimed_minor; {_ORDER}"),
    Truth("unit status", SCAYLE, "order_item.platform_status", _NOT_READ),
    Truth("buyer", SCAYLE, "customer.email", _ORDER),
    Truth("delivery address", SCAYLE, "address.postcode", _ORDER),
    Truth("return status", RETURNGO, "return.platform_status", _NOT_READ),
    Truth("way of the unit", RETURNGO, "return_item.custody", _NOT_READ),
    Truth("what the customer gets", RETURNGO, "return_item.resolution", _NOT_READ),
    Truth("return method", RETURNGO, "return_item.method", _NOT_READ),
    Truth("reason", RETURNGO, "return_item.reason", _NOT_READ),
    Truth("claimed value", RETURNGO, "return_item.claimed_minor", _NOT_READ),
    Truth("disposition", RETURNGO, "inspection.disposition", _NOT_READ),
    Truth("sellable figure", AUTHORITY, "stock_level.confirmed", "is not sent anywhere else"),
)
