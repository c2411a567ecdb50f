"""Changing the shop's sellable figure of one article in one place. Restocking decides by how many.

SCAYLE takes absolute figures guarded by ``changedAt``, and a younger post releases what it holds
back for sales. So the figure is read twice and ``changedAt`` lies between both looks: sales before
it are in what was read, sales after it stay held back. (read, target, changedAt) is kept before it
is sent, and a retry sends that triple again, never a new sum. The caller holds the article's lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fulfilment.cases import RESTOCK_IN_DOUBT
from fulfilment.models import StockLevel
from fulfilment.shapes import StockSeen
from integrator.engine.clock import now
from integrator.engine.errors import Refused, Transient
from integrator.engine.work import Work
from integrator.platforms.scayle.client import Scayle

_TICK = timedelta(milliseconds=1)  # as fine as SCAYLE is sent it


@dataclass(frozen=True, slots=True)
class Posted:
    """What the shop confirmed. ``short``: units sold there that are not there any more."""

    read: int
    target: int
    short: int
    counted_at: datetime
    seen: StockSeen


def change_figure(
    work: Work,
    client: Scayle,
    *,
    variant_id: str,
    warehouse: str,
    by: int,
    level: StockLevel | None,
    about: Mapping[str, Any],
) -> Posted:
    """Raise or lower the figure by that many, once. Repeat it until it returns; then ``forget``.

    ``about`` is kept with the triple, for whoever has to end what is under way: see
    ``under_way``. No figure goes below zero: units that were sold and cannot be taken off sale any
    more are ``short``, and the next ones that come in make up for them first.
    """
    if under_way(work) is None:
        figure = _decide(client, variant_id, warehouse, by, level)
        with work.step():
            work.keep(figure={**figure, "variant": variant_id, "warehouse": warehouse, **about})
    kept = work.kept["figure"]
    target, changed_at = int(kept["target"]), _date_of(kept)
    reply = client.post_stock(str(kept["variant"]), str(kept["warehouse"]), target, changed_at)
    if took(reply, target, changed_at):
        return _posted(kept, reply)
    doubted = bool(work.kept.get("doubted"))
    with work.step():
        # Whoever says "try again" has counted: that attempt reads and adds afresh.
        forget(work)
    if doubted:
        raise Refused(
            "the shop's figure changed while we were not sure",
            case=RESTOCK_IN_DOUBT,
            facts={"target": target, "seen": reply.quantity},
        )
    # The shop ignored it: the figure changed after our look. Nothing was added, so start afresh.
    raise Transient("the stock changed while we changed it", retry_after=2)


def to_the_tick(moment: datetime) -> datetime:
    """The moment as SCAYLE is sent it and shows it again."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def took(reply: StockSeen, target: int, changed_at: datetime) -> bool:
    """Whether the shop took what it was sent, by the row it answered with.

    Our date on the row means that it took ours, whatever it sold since; another date means that
    ours was ignored. Without a date only the figure speaks.
    """
    if reply.changed_at is None:
        return reply.quantity == target
    return reply.changed_at == changed_at


def found_there(work: Work, client: Scayle) -> Posted | None:
    """Whether the shop took what is under way: only our date on its row proves it.

    An article the shop has no more shows nothing: sent again it is refused, and its case says why.
    """
    kept = under_way(work)
    if kept is None:
        return None
    try:
        seen = _look(client, str(kept["variant"]), str(kept["warehouse"]))
    except Refused as error:
        if error.status != 404:
            raise
        return None
    if seen is None or seen.changed_at != _date_of(kept):
        return None
    return _posted(kept, seen)


def under_way(work: Work) -> Mapping[str, Any] | None:
    """What was decided and may have been sent: it must be ended before anything else is begun."""
    figure: Mapping[str, Any] | None = work.kept.get("figure")
    return figure


def forget(work: Work) -> None:
    """This change is over, one way or the other. Call it inside ``step()``."""
    work.keep(figure=None, doubted=False)


def _date_of(kept: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(kept["changed_at"]))


def _posted(kept: Mapping[str, Any], seen: StockSeen) -> Posted:
    return Posted(int(kept["read"]), int(kept["target"]), int(kept["short"]), _date_of(kept), seen)


def _decide(
    client: Scayle, variant_id: str, warehouse: str, by: int, level: StockLevel | None
) -> dict[str, Any]:
    """The figure to send, from two looks that show the same."""
    first = _look(client, variant_id, warehouse)
    # One tick later than now: younger than every sale the first look saw.
    changed_at = to_the_tick(now()) + _TICK
    if first is not None and first.changed_at is not None:
        if level is not None and level.counted_at and first.changed_at < level.counted_at:
            raise Transient("the shop shows an older figure than it confirmed", retry_after=5)
        if first.changed_at >= changed_at:
            raise Transient("the shop's figure is younger than our clock", retry_after=1)
    if _look(client, variant_id, warehouse) != first:
        raise Transient("the stock changed while we looked", retry_after=1)
    if first is None and level is not None and level.confirmed is not None:
        # Not none is there: nobody knows how many, and our post would say that it is only ours.
        raise Refused(
            f"the shop shows no figure of {warehouse} any more; it had confirmed {level.confirmed}"
        )
    read = first.quantity if first is not None else 0
    account = read + by - _short(level, first)
    return {
        "read": read,
        "target": max(account, 0),
        "short": max(-account, 0),
        "changed_at": changed_at.isoformat(),
    }


def _short(level: StockLevel | None, seen: StockSeen | None) -> int:
    """What is still missing: whoever wrote a newer figure has counted, and it is not any more."""
    if level is None or level.counted_at is None or seen is None:
        return 0
    is_ours = seen.changed_at is None or seen.changed_at <= level.counted_at
    return level.short if is_ours else 0


def _look(client: Scayle, variant_id: str, warehouse: str) -> StockSeen | None:
    rows = client.stock(variant_id)
    return next((row for row in rows if row.warehouse == warehouse), None)
