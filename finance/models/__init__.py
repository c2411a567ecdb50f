"""Finance's records: refunds, the ledger and its periods, and comparisons between systems."""

from finance.models.comparisons import Difference, Reconciliation
from finance.models.ledger import LedgerEntry, Period
from finance.models.refunds import Refund, RefundItem

__all__ = ["Difference", "LedgerEntry", "Period", "Reconciliation", "Refund", "RefundItem"]
