"""What happens to returns. One module per noun: taking a return over, checking it, its header."""

from returns.services.header import return_complete, return_header
from returns.services.taking import return_take, unit_accept
from returns.services.verdicts import (
    last_disposition,
    last_verdict,
    unit_overrule,
    verdict_is_news,
)

__all__ = [
    "last_disposition",
    "last_verdict",
    "return_complete",
    "return_header",
    "return_take",
    "unit_accept",
    "unit_overrule",
    "verdict_is_news",
]
