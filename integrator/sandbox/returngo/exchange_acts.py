"""What shoppers and agents do about exchanges in ReturnGO's portal and dashboard."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from integrator.sandbox.acting import Act, Wish
from integrator.sandbox.returngo import process, wished
from integrator.sandbox.returngo.acts import find_item, find_rma, rma_row
from integrator.sandbox.returngo.books import EXCHANGE, REFUND, Parcel
from integrator.sandbox.world import World


def change_wish(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The shopper wants another piece for a unit, or with ``resolution`` something else."""
    rma = find_rma(world, wish)
    item = find_item(rma, wish) if wish.has("item_id") else rma.items[0]
    item.exchange_items = wished.items(world, wish) if wish.has("exchange_sku") else []
    item.resolution = wish.text("resolution", EXCHANGE if item.exchange_items else REFUND)
    return rma_row(world, rma)


def pay_difference(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The shopper pays what the exchange costs more; no callback tells of it."""
    rma = find_rma(world, wish)
    open_ones = [
        row
        for row in world.returngo.transactions_of(rma)
        if row.type == "InvoicePayment" and row.status != "Success"
    ]
    if not open_ones:
        raise wish.refuse("rma_id", "nothing is billed")
    for row in open_ones:
        process.set_transaction(
            world, row, at, status="Success", reference=f"INV-{row.id}", kind="InvoicePaymentId"
        )
    return rma_row(world, rma)


def send_elsewhere(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """An agent enters where the exchange is to be sent, as a parcel to the shopper (assumed)."""
    rma = find_rma(world, wish)
    address = replace(
        rma.address,
        name=wish.text("name", rma.address.name),
        street1=wish.text("street1", "Neue Straße 7"),
        zip=wish.text("zip", "10115"),
        city=wish.text("city", "Berlin"),
        country=wish.text("country", "DE"),
    )
    blank = set(wish.rows("without"))
    address = replace(address, **dict.fromkeys(sorted(blank), ""))
    rma.parcels.append(Parcel(world.next_id("shipment"), is_outbound=True, address=address))
    return rma_row(world, rma)


def draft_only(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """An agent starts an exchange order in the dashboard and never finishes it."""
    rma = find_rma(world, wish)
    process.draft_exchange(world, rma, at)
    return rma_row(world, rma)


ACTS: dict[str, Act] = {
    "change_wish": change_wish,
    "pay_difference": pay_difference,
    "send_elsewhere": send_elsewhere,
    "draft_only": draft_only,
}
