"""What causes have in common: the calls they break, and what they leave behind."""

from __future__ import annotations

from dataclasses import dataclass

from tests.story import Row, Stage

SKU, OTHER = "JKT-NVY-M", "JKT-NVY-L"
RETURN_ITEMS = "POST /fulfillment/return-items"
STOCKS = "POST /variants/{variant}/stocks"
BILLING = "PATCH /shops/nb/countries/DE/orders/{order}/billing-status"
RMA = "GET /rma/{rma}"
RMA_DONE = "PUT /rma/{rma}/status"
ORDER = "GET /shops/nb/countries/DE/orders/{order}"
STATUSES = "PUT /shops/nb/countries/DE/orders/{order}/legacy-custom-data"
ORDERS = "GET /shops/nb/countries/DE/orders"


@dataclass
class Story:
    """What a cause leaves behind for the end of the story."""

    order: Row
    rma: Row


def inspected(stage: Stage, order: Row, *units: int, **wish: object) -> Story:
    outcome = wish.pop("outcome", {})
    rma = stage.comes_back(order, *units, **wish)
    stage.warehouse_checks(rma, **outcome)  # type: ignore[arg-type]
    return Story(order, rma)
