"""What a case knows: its facts by the names people read, each with the way to what it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fulfilment.models import Order
from integrator.engine.case_facts import fact_text
from integrator.engine.case_kinds import CaseKind
from integrator.models import Case
from returns.models import Return

# Names of facts as people read them. A fact that is not listed is shown by its own name.
FACT_WORDS = {
    "at": "Compared",
    "rma": "Return",
    "sku": "SKU",
    "order": "Order",
    "amount": "Amount",
    "error": "Reason",
    "step": "Step",
    "due": "Due",
    "theirs": "Their value",
    "ours": "Our value",
    "platform": "Platform",
    "kind": "Kind of word",
    "event": "Message",
    "event_id": "Message number",
    "crashes": "Times stopped",
    "paid": "Paid",
    "back": "Went back so far",
    "exchange": "Replacement",
    "exchange_order": "Replacement order",
    "items": "Units and fees",
    "what": "About",
    "other_rmas": "The other return",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a case knows. ``returns`` and ``order`` are what it names: with a way there."""

    label: str
    text: str
    returns: Sequence[Return] = ()
    order: Order | None = None


def facts_of(case: Case, kind: CaseKind, rma: Return | None, order: Order | None) -> list[Fact]:
    """What the case was opened with, and of a return without an order what comes back."""
    facts = [
        Fact(
            FACT_WORDS.get(name, name.replace("_", " ").capitalize()),
            fact_text(case.facts[name]),
            _returns_of(name, case, rma),
            _order_named(name, case, order),
        )
        for name in kind.evidence
        if case.facts.get(name) not in (None, "")
    ]
    if rma is not None and rma.order_id is None:  # by what comes back its order can be found
        units = rma.items.order_by("id")
        said = (one.sku_code + (f" ({one.reason})" if one.reason else "") for one in units)
        facts.append(Fact("Comes back", ", ".join(said)))
    return facts


def _order_named(name: str, case: Case, order: Order | None) -> Order | None:
    """The order of ours that a fact names."""
    if order is None:
        return None
    if name == "order" and case.facts[name] == order.number:
        return order
    if name == "exchange_order":
        named = Order.objects.filter(connection=order.connection_id, number=case.facts[name])
        return named.first()
    return None


def _returns_of(name: str, case: Case, rma: Return | None) -> Sequence[Return]:
    if name == "rma" and rma is not None and case.facts[name] == rma.external_id:
        return [rma]
    if name == "other_rmas" and rma is not None:
        named = Return.objects.filter(order=rma.order_id, external_id__in=case.facts[name])
        return list(named.order_by("external_id"))
    return ()
