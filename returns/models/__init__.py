"""CX's records: what came back, where it is, what was decided, and what goes out for it."""

from returns.models.exchanges import Exchange, ExchangeItem
from returns.models.inspections import Inspection
from returns.models.returns import Return, ReturnItem

__all__ = ["Exchange", "ExchangeItem", "Inspection", "Return", "ReturnItem"]
