"""What each system says about a case's record, side by side, and how fresh it is. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from finance.models import Refund
from finance.states import Executor, RefundStatus
from fulfilment.models import Order, StockMovement
from fulfilment.shapes import Billing
from fulfilment.states import Bucket
from integrator.desk import catalogue, directory, words
from integrator.desk.known_facts import Fact, facts_of
from integrator.engine.case_facts import fact_text
from integrator.engine.case_kinds import CaseKind
from integrator.models import Attempt, Case, Job
from returns.models import Exchange, Return, ReturnItem
from returns.states import Custody

# What is said of a payment that has no amount, where anything is known of it.
_UNPAID: Mapping[str, str] = {RefundStatus.AUTHORISED: "not yet", RefundStatus.REFUSED: "not paid"}
# In whose column the payment of a refund stands.
_PAYERS = {
    Executor.SCAYLE: "shop",
    Executor.RETURNS_PLATFORM: "returns",
    Executor.MANUAL: "ours",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One system. ``key`` is shop, returns or ours."""

    key: str
    tile: catalogue.Tile
    name: str
    fresh: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One system's value. Empty text is shown as not known; ``owns`` marks whose value counts."""

    column: str
    text: str = ""
    owns: bool = False
    differs: bool = False
    amount: tuple[int, str] | None = None
    label: str = ""
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    sub: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Evidence:
    columns: list[Column] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    order: Order | None = None
    rma: Return | None = None
    refund: Refund | None = None

    @property
    def differs(self) -> bool:
        return any(cell.differs for line in self.lines for cell in line.cells)


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt of a job with its calls, for the folded technical details."""

    attempt: Attempt
    calls: list[Mapping[str, Any]]


def of(case: Case, kind: CaseKind, known: directory.Directory, *, at: datetime) -> Evidence:
    """The values of the case's order, return and refund as each side last gave them."""
    unit, rma, refund = _records(case)
    order = _order_of(case, unit, rma, refund)
    columns, lines = _columns(order, rma, known, at=at), list[Line]()
    if columns:
        lines = [*_order_lines(order), *_return_lines(rma, unit, lies=_lies(unit))]
        lines += _refund_lines(refund, rma)
    if (differing := _differing(case)) is not None:
        theirs = {rma.connection_id: "returns"} if rma is not None else {}
        theirs |= {order.connection_id: "shop"} if order is not None else {}
        if not columns:
            tile, name = known.tile(case.connection_id), known.name(case.connection_id)
            columns = [
                Column("shop", tile, name, "as it said"),
                Column("ours", catalogue.OURS, "Ours", "now"),
            ]
        lines.insert(0, differing(theirs.get(case.connection_id or 0, columns[0].key)))
    aligned = [replace(line, cells=_aligned(line, columns)) for line in lines]
    return Evidence(columns, aligned, facts_of(case, kind, rma, order), order, rma, refund)


def of_return(
    rma: Return,
    units: Iterable[ReturnItem],
    refunds: Iterable[Refund],
    known: directory.Directory,
    *,
    at: datetime,
) -> Evidence:
    """The same of a whole return, from rows that are already read."""
    columns = _columns(rma.order, rma, known, at=at)
    lines = [*_order_lines(rma.order), *_return_lines(rma, None)]
    for unit in units:
        lines += _unit_lines(unit)
    for refund in refunds:
        lines += [
            replace(one, sub=one.sub or f"number {refund.number}")
            for one in _refund_lines(refund, rma)
        ]
    aligned = [replace(line, cells=_aligned(line, columns)) for line in lines]
    return Evidence(columns, aligned, [], rma.order, rma)


def _columns(
    order: Order | None, rma: Return | None, known: directory.Directory, *, at: datetime
) -> list[Column]:
    """The systems that say something, ours last; none where there is no record of theirs."""
    columns = []
    for key, record in (("shop", order), ("returns", rma)):
        if record is not None:
            tile, name = known.tile(record.connection_id), known.name(record.connection_id)
            fresh = f"read {words.ago_text(record.read_at, at=at)}"
            columns.append(Column(key, tile, name, fresh))
    return [*columns, Column("ours", catalogue.OURS, "Ours", "now")] if columns else []


def _aligned(line: Line, columns: list[Column]) -> list[Cell]:
    """One cell per column, in their order; what a system does not keep is said so."""
    given = {cell.column: cell for cell in line.cells}
    return [
        replace(given[one.key], label=one.name)
        if one.key in given
        else Cell(one.key, is_kept=False, label=one.name)
        for one in columns
    ]


def _records(case: Case) -> tuple[ReturnItem | None, Return | None, Refund | None]:
    unit, rma, refund = None, None, None
    match case.record_kind:
        case "return_item":
            unit = (
                ReturnItem.objects.select_related("return_record__order", "sku", "order_item")
                .filter(pk=case.record_id)
                .first()
            )
            rma = unit.return_record if unit else None
        case "return":
            rma = Return.objects.select_related("order").filter(pk=case.record_id).first()
            mine = Refund.objects.select_related("order").filter(return_record=case.record_id)
            refund = mine.order_by("-id").first()
        case "exchange":
            exchange = (
                Exchange.objects.select_related("return_record__order")
                .filter(pk=case.record_id)
                .first()
            )
            rma = exchange.return_record if exchange else None
        case "refund":
            refund = (
                Refund.objects.select_related("order", "return_record")
                .filter(pk=case.record_id)
                .first()
            )
            rma = refund.return_record if refund else None
    return unit, rma, refund


def _order_of(
    case: Case, unit: ReturnItem | None, rma: Return | None, refund: Refund | None
) -> Order | None:
    if refund is not None:
        return refund.order
    if rma is not None and rma.order is not None:
        return rma.order
    wanted = case.record_id if case.record_kind == "order" else case.order_id
    return Order.objects.filter(pk=wanted).first() if wanted else None


def _order_lines(order: Order | None) -> list[Line]:
    if order is None:
        return []
    money = (order.paid_minor, order.currency)
    refunded = (order.refunded_minor, order.currency)
    return [
        Line(
            "Payment of the order",
            "",
            [Cell("shop", str(Billing(order.billing).label), owns=True)],
        ),
        Line("State of the order", "", [Cell("ours", order.get_status_display())]),
        Line("Paid", "", [Cell("shop", amount=money, owns=True), Cell("ours", amount=money)]),
        Line("Refunded or set aside", "in doubt counts too", [Cell("ours", amount=refunded)]),
    ]


def _return_lines(rma: Return | None, unit: ReturnItem | None, *, lies: str = "") -> list[Line]:
    if rma is None:
        return []
    lines = [
        Line(
            "Return",
            "",
            [
                Cell("returns", rma.platform_word or rma.get_platform_status_display(), owns=True),
                Cell("ours", rma.get_status_display()),
            ],
        ),
        Line(
            "Order of the return",
            "" if rma.order_id else "no order of ours fits",
            [
                Cell("returns", rma.order_number),
                Cell("ours", rma.order.number if rma.order else ""),
            ],
        ),
    ]
    return [*lines, *(_unit_lines(unit, lies) if unit is not None else ())]


def _lies(unit: ReturnItem | None) -> str:
    """Where a unit is whose return has ended, by our movements: its custody says no more."""
    if unit is None or unit.custody != Custody.CLOSED:
        return ""
    moved = StockMovement.objects.filter(return_item_id=unit.pk).select_related("location")
    last = moved.order_by("-id").first()
    if last is None:
        return ""
    place = f" at {last.location.name}" if last.location is not None else ""
    return f"{Bucket(last.to_bucket).label}{place}"


def _unit_lines(unit: ReturnItem, lies: str = "") -> list[Line]:
    claimed = (unit.claimed_minor, unit.currency)
    paid = None
    if unit.order_item is not None:
        paid = (unit.order_item.paid_minor, unit.currency)
    return [
        Line("Unit", unit.sku_code, [Cell("ours", lies or unit.get_custody_display())]),
        Line(
            "Value of the unit",
            "the shop's price counts",
            [
                Cell("shop", amount=paid, owns=True),
                Cell("returns", amount=claimed, differs=paid is not None and paid != claimed),
            ],
        ),
        Line(
            "What the customer gets",
            "",
            [
                Cell("returns", unit.resolution_word, owns=True),
                Cell("ours", unit.get_resolution_display()),
            ],
        ),
        Line("Money for the unit", "", [Cell("ours", unit.get_money_display())]),
    ]


def _refund_lines(refund: Refund | None, rma: Return | None) -> list[Line]:
    if refund is None:
        return []
    executed = None
    if refund.executed_minor is not None:
        executed = (refund.executed_minor, refund.currency)
    claimed = (refund.claimed_minor, refund.currency)
    calculated = (refund.calculated_minor, refund.currency)
    derived = "the amount is worked out by us" if refund.executed_is_derived else ""
    return [
        Line(
            "Refund, claimed",
            "",
            [Cell("returns", amount=claimed, differs=claimed != calculated)] if rma else [],
        ),
        Line("Refund, calculated", "our policy", [Cell("ours", amount=calculated)]),
        Line(
            "Refund, paid",
            derived if executed else "",
            [
                Cell(
                    _PAYERS[Executor(refund.executor)],
                    _UNPAID.get(refund.status, ""),
                    amount=executed,
                    owns=True,
                )
            ],
        ),
        Line("State of the refund", "", [Cell("ours", RefundStatus(refund.status).label)]),
    ]


def _differing(case: Case) -> Callable[[str], Line] | None:
    """What a case that carries both values says itself, by the column of the other side.

    It comes first: what was compared may be younger than what was last read.
    """
    if "ours" not in case.facts or "theirs" not in case.facts or not case.connection_id:
        return None
    label = str(case.facts.get("what") or case.facts.get("fields") or "Value")
    when = f"compared {fact_text(case.facts['at'])}" if "at" in case.facts else ""

    def line(column: str) -> Line:
        cells = [
            Cell(column, str(case.facts["theirs"]), differs=True),
            Cell("ours", str(case.facts["ours"]), differs=True),
        ]
        return Line(label[:1].upper() + label[1:], when, cells)

    return line


def tries_of(job: Job | None) -> list[Try]:
    """The job's last tries. Calls carry method, path, status and time; never a body."""
    if job is None:
        return []
    return [Try(one, list(one.calls)) for one in job.tries.order_by("-id")[:10]]
