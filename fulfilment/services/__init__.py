"""What happens to orders and stock. Every function is one step, safe to repeat."""

from fulfilment.services.orders import order_capture, order_find
from fulfilment.services.oversell import at_risk, oversell_look_again, oversell_report, worth_a_look
from fulfilment.services.stock import (
    SHELVES,
    Piece,
    Place,
    pieces_of,
    stock_confirmed,
    unit_move,
    unit_place,
    unit_places,
    units_on_shelf,
)

__all__ = [
    "SHELVES",
    "Piece",
    "Place",
    "at_risk",
    "order_capture",
    "order_find",
    "oversell_look_again",
    "oversell_report",
    "pieces_of",
    "stock_confirmed",
    "unit_move",
    "unit_place",
    "unit_places",
    "units_on_shelf",
    "worth_a_look",
]
