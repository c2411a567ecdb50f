"""What happens to returns. One module per noun: taking a return over, checking it, its header."""

from returns.services.header import return_complete, return_header
from returns.services.taking import return_take, unit_accept

__all__ = ["return_complete", "return_header", "return_take", "unit_accept"]
