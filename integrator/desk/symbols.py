"""Which symbol goes with a status: one table per kind of record, for every page that shows it."""

from __future__ import annotations

from finance.states import RefundStatus
from fulfilment.states import OrderStatus
from returns.states import ExchangeStatus

REFUND_SYMBOLS = {
    RefundStatus.AUTHORISED: "wait",
    RefundStatus.SENT: "wait",
    RefundStatus.IN_DOUBT: "doubt",
    RefundStatus.RECORDED: "ok",
    RefundStatus.SETTLED: "ok",
    RefundStatus.REFUSED: "wait",
}
STATUS_SYMBOLS = {
    OrderStatus.CAPTURED: "idle",
    OrderStatus.SHIPPED: "wait",
    OrderStatus.COMPLETED: "ok",
    OrderStatus.CANCELLED: "idle",
}
EXCHANGE_SYMBOLS = {
    ExchangeStatus.REQUESTED: "wait",
    ExchangeStatus.RESERVED: "wait",
    ExchangeStatus.ORDERED: "wait",
    ExchangeStatus.RELEASED: "wait",
    ExchangeStatus.SHIPPED: "ok",
    ExchangeStatus.REFUSED: "bad",
    ExchangeStatus.CANCELLED: "idle",
}
