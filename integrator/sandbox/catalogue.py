"""The demo catalogue: ten styles in four sizes, and two bundles. It does not count stock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

VAT_RATE = 0.19

_SIZES = ("S", "M", "L", "XL")
_STYLES = (
    ("JKT-NVY", "Harbour jacket, navy", 8925),
    ("TEE-BLK", "Quay tee, black", 2490),
    ("TEE-WHT", "Quay tee, white", 2490),
    ("HOD-GRY", "Dockside hoodie, grey", 5990),
    ("JNS-IND", "Speicher jeans, indigo", 7995),
    ("CHN-SND", "Elbe chino, sand", 6450),
    ("SHT-OXF", "Alster shirt, oxford blue", 5490),
    ("SWT-RED", "Michel sweater, red", 6990),
    ("SKT-OLV", "Wharf skirt, olive", 4990),
    ("PRK-BLK", "Storm parka, black", 14900),
)
# Bundle: reference, name, price, components (SKU, units). Prices are below the sum of the parts.
_BUNDLES = (
    ("SET-WEEKEND", "Weekend set", 7490, (("TEE-BLK-M", 1), ("HOD-GRY-M", 1))),
    ("SET-TEES", "Three tees", 6490, (("TEE-WHT-M", 2), ("TEE-BLK-L", 1))),
)


@dataclass
class Variant:
    id: int
    sku: str
    ean: str
    price: int
    size: str
    components: tuple[tuple[str, int], ...] = ()
    deleted: bool = False
    unpriced: bool = False  # sold in sets only: no price of its own in the catalogue

    @property
    def is_composite(self) -> bool:
        return bool(self.components)


@dataclass
class Product:
    id: int
    reference: str
    name: str
    created_at: datetime
    updated_at: datetime
    variants: list[Variant]
    state: str = "live"


@dataclass
class Catalogue:
    products: dict[int, Product] = field(default_factory=dict)

    def by_sku(self, sku: str) -> tuple[Product, Variant] | None:
        return next(
            (pair for pair in self.pairs() if pair[1].sku == sku and not pair[1].deleted), None
        )

    def by_variant_id(self, variant_id: int) -> tuple[Product, Variant] | None:
        return next((pair for pair in self.pairs() if pair[1].id == variant_id), None)

    def pairs(self) -> list[tuple[Product, Variant]]:
        return [(product, each) for product in self.products.values() for each in product.variants]


def _ean(number: int) -> str:
    """A valid EAN-13 of the range for internal use."""
    digits = f"20{number:010d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def demo(*, opened_at: datetime) -> Catalogue:
    catalogue = Catalogue()
    variant_id = 3001
    for number, (reference, name, price) in enumerate(_STYLES):
        variants = []
        for size in _SIZES:
            sku = f"{reference}-{size}"
            variants.append(Variant(variant_id, sku, _ean(variant_id), price, size))
            variant_id += 1
        product_id = 300 + number
        catalogue.products[product_id] = Product(
            product_id, reference, name, opened_at, opened_at, variants
        )
    for number, (reference, name, price, components) in enumerate(_BUNDLES):
        product_id = 390 + number
        variant = Variant(3901 + number, reference, _ean(3901 + number), price, "", components)
        catalogue.products[product_id] = Product(
            product_id, reference, name, opened_at, opened_at, [variant]
        )
    return catalogue
