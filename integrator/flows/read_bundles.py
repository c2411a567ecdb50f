"""What the lines of an order consist of, read from the shop before the order is taken over.

The order itself says it where the shop fills that in; else the catalogue does. A plain article is
looked up once, when it is first sold; a bundle at every sale, because its share of the price is a
snapshot of that day. What cannot be read is said so: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fulfilment.bundles import open_lines, variants_note
from fulfilment.models import Variant
from fulfilment.shapes import (
    BundleSeen,
    ComponentSeen,
    OrderSeen,
    PartSeen,
    Progress,
    ShareBasis,
    UnitSeen,
    VariantSeen,
)
from integrator.engine.errors import Malformed
from integrator.engine.work import Work
from integrator.models import Connection
from integrator.platforms.scayle.client import Scayle


class Unreadable(Exception):
    """A line's article, or a component of it, cannot be found in the shop. Says which."""


def read_bundles(
    work: Work, client: Scayle, connection: Connection, seen: OrderSeen
) -> dict[str, BundleSeen]:
    """The order's lines that are bundles, or that nobody can tell, by their id."""
    if seen.progress in (Progress.OPEN, Progress.UNKNOWN):
        return {}
    known = open_lines(connection=connection, order_id=seen.external_id)
    lines = [unit for unit in seen.units if known is None or known.get(unit.external_id, False)]
    catalogue = _Catalogue(work, client, connection, seen)
    found = {}
    for unit in lines:
        try:
            bundle = catalogue.bundle(unit, may_be_plain=known is None)
        except Unreadable as why:
            bundle = BundleSeen((), unreadable=str(why))
        if bundle is not None:
            found[unit.external_id] = bundle
    return found


class _Catalogue:
    """The shop's catalogue while one order is read: every article is asked for at most once."""

    def __init__(
        self, work: Work, client: Scayle, connection: Connection, order: OrderSeen
    ) -> None:
        self._work = work
        self._client = client
        self._connection = connection
        self._order = order
        self._read: dict[str, VariantSeen | None] = {}
        self._all_read = False

    def bundle(self, unit: UnitSeen, *, may_be_plain: bool) -> BundleSeen | None:
        """What a line consists of; None for a plain article."""
        parts: Sequence[PartSeen] = unit.parts
        if not parts:
            entry = self._known([unit.variant_id]).get(unit.variant_id)
            if may_be_plain and entry is not None and not entry.is_composite:
                return None
            variant = self._variant(unit.product_id, unit.variant_id)
            if variant is None:
                raise Unreadable(f"the shop no longer has {unit.sku}")
            if not variant.is_composite:
                return None if may_be_plain else BundleSeen(())  # it turned out to be plain
            parts = variant.parts
        if not parts:
            raise Unreadable(f"{unit.sku} is a set without components")
        return self._components(parts)

    def _components(self, parts: Sequence[PartSeen]) -> BundleSeen:
        in_order = all(part.price_minor is not None for part in parts)
        merged: dict[str, ComponentSeen] = {}
        for part in parts:
            entry = self._entry(part)
            price = part.price_minor if in_order else self._price(entry)
            before = merged.get(entry.external_id)
            merged[entry.external_id] = ComponentSeen(
                sku=entry.sku.code,
                variant_id=entry.external_id,
                product_id=entry.product_id,
                count=part.count + (before.count if before is not None else 0),
                price_minor=price,
            )
        basis = ShareBasis.ORDER if in_order else ShareBasis.CATALOGUE
        return BundleSeen(tuple(merged.values()), basis)

    def _price(self, entry: Variant) -> int | None:
        variant = self._variant(entry.product_id, entry.external_id)
        if variant is None:
            return None
        return variant.price_at(self._order.currency, self._order.created_at)

    def _entry(self, part: PartSeen) -> Variant:
        """Where the shop keeps a component. One we do not know is looked for in all of it."""
        found = self._find(part)
        if found is None and not self._all_read:
            self._read_all()
            found = self._find(part)
        if found is None:
            raise Unreadable(f"the shop does not have its component {part.sku or part.variant_id}")
        return found

    def _find(self, part: PartSeen) -> Variant | None:
        if part.variant_id:
            return self._known([part.variant_id]).get(part.variant_id)
        return (
            Variant.objects.filter(connection=self._connection, sku__code=part.sku)
            .select_related("sku")
            .order_by("-read_at", "-id")
            .first()
        )

    def _known(self, ids: Iterable[str]) -> dict[str, Variant]:
        rows = Variant.objects.filter(connection=self._connection, external_id__in=list(ids))
        return {row.external_id: row for row in rows.select_related("sku")}

    def _variant(self, product_id: str, variant_id: str) -> VariantSeen | None:
        if variant_id not in self._read:
            try:
                found = self._client.variant(product_id, variant_id)
            except Malformed as odd:
                raise Unreadable(f"the shop's answer is odd: {odd}") from odd
            self._read[variant_id] = found
            if found is not None:
                self._note([found])
        return self._read[variant_id]

    def _read_all(self) -> None:
        """The shop has no look-up by SKU. Rows that are odd end the list: the rest is unknown."""
        self._all_read = True
        found: list[VariantSeen] = []
        try:
            found.extend(self._client.variants())
        except Malformed as odd:
            if not found:
                raise Unreadable(f"the shop's catalogue is odd: {odd}") from odd
        self._read |= {one.external_id: one for one in found}
        self._note(found)

    def _note(self, found: Sequence[VariantSeen]) -> None:
        with self._work.step():
            variants_note(connection=self._connection, seen=found, trace=self._work.trace)
