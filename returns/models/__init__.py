"""CX's records: what came back, where it is, and what was decided about it."""

from returns.models.inspections import Inspection
from returns.models.returns import Return, ReturnItem

__all__ = ["Inspection", "Return", "ReturnItem"]
