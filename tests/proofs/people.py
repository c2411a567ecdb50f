"""What people do about cases: they look into the payers' books first, and only then decide.

Nobody here reads our own figures to find out whether a customer was paid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from finance.models import Refund, RefundItem
from fulfilment.models import Order
from integrator.engine import decisions
from integrator.flows import CASE_KINDS
from integrator.models import Approval, ApprovalState, Case, CaseState
from integrator.roles import Role
from integrator.sandbox.scayle.books import Refund as ShopRefund
from returns.models import ReturnItem
from returns.stage_cases import STANDS_STILL
from tests.story import Stage

STANDING = {kind.code for kind in STANDS_STILL.values()}
Answer = tuple[str, dict[str, Any]] | None
TEAMS = {
    Role.CX: ("carla",),
    Role.OPERATIONS: ("omar",),
    Role.FINANCE: ("fiona", "fred"),
    Role.CONTROLLER: ("conrad",),
    Role.ADMIN: ("ada",),
}


@dataclass(frozen=True)
class Payment:
    """What one payer paid the customer for one unit of an order, in minor units."""

    unit: int
    amount: int
    by: str
    reference: str


@dataclass
class People:
    """Everybody at work. ``bank`` is the bank's own book of what they paid by hand."""

    stage: Stage
    dice: Random
    bank: list[Payment] = field(default_factory=list)
    # The transactions ReturnGO paid itself. What we reported to it as paid was paid by others.
    paid_there: set[int] = field(default_factory=set)
    pressed: int = 0
    pressed_twice: int = 0

    def work_off(self) -> None:
        """Every open case gets an answer, some of them from two people in the same second."""
        for case in Case.objects.exclude(state=CaseState.SOLVED).order_by("id"):
            if self.dice.random() < 0.2:
                continue  # nobody has time for it now
            answer = self.answer(case) if self._is_offered(case) else None
            if answer is not None:
                self._press(case, *answer)

    @staticmethod
    def _is_offered(case: Case) -> bool:
        """Nobody pays before the page offers to say so: its step may be at work just now."""
        deciding = case.job_id is not None and bool(decisions.being_decided([case.job_id]))
        actions = CASE_KINDS[case.kind].actions
        return not any(decisions.why_not(one, case.job, deciding=deciding) for one in actions)

    def _press(self, case: Case, key: str, data: dict[str, Any]) -> None:
        """On the case's page; half of the time two people have the page open and both press."""
        team = TEAMS[Role(CASE_KINDS[case.kind].owner)]
        both = self.dice.random() < 0.5
        self.pressed += 1
        self.pressed_twice += both
        seen = case.events.filter(kind__in=decisions.TO_BE_SEEN).order_by("-id").first()
        form = {"version": "" if seen is None else seen.pk, "note": "seen", **data}
        for name in (team[0], team[-1]) if both else team[:1]:
            self.stage.posts(self.stage.people[name], "case_act", case.pk, key, **form)
            self.stage.clock.shift(1)
        # The second person answers whatever was asked.
        for asked in Approval.objects.filter(record_id=case.pk, state=ApprovalState.ASKED):
            self.stage.posts(self.stage.conrad, "case_agree", case.pk, asked.pk, answer="agree")
            self.stage.clock.shift(1)

    # --- what they see, and what they make of it -------------------------------------------------

    def answer(self, case: Case) -> Answer:
        """The button, and what is typed beside it. None: it waits for something to happen."""
        known = {
            "REFUND_IN_DOUBT": self._doubt,
            "REFUND_REFUSED": self._refused,
            "REFUND_FAILED": self._pay,
            "REFUND_BY_HAND": self._pay,
            "REFUND_NOT_RECORDED": self._pay,
            "REFUNDED_PAST_US": self._past_us,
            "REFUND_MORE_THAN_PAID": lambda case: ("give_up", {}),
            "UNIT_RETURNED_TWICE": self._twice,
            "RETURN_WENT_BACK": self._went_back,
            "NOT_IN_PARCEL": lambda case: ("not_an_error", {}),
            "SOT_VIOLATION": lambda case: ("not_an_error", {}),
            "MANY_BY_HAND": lambda case: ("not_an_error", {}),
            "CANCELLED_WITH_GOODS": self._stranded,
            "PAID_IN_SHOP": self._paid_in_shop,
            "CORRECTION_AFTER_REFUND": self._after_the_money,
        }
        if case.kind in known:
            return known[case.kind](case)
        if case.kind in STANDING:
            return "not_an_error", {}  # whoever looks sees that it waits for one of the others
        keys = {action.key for action in CASE_KINDS[case.kind].actions}
        return ("try_again", {}) if "try_again" in keys else None

    def _doubt(self, case: Case) -> Answer:
        units = self.units(case)
        taken = {row.item_id for row in self.stage.sandbox.world.scayle.returns}
        if units and units <= taken:
            return "it_happened", {"reference": "seen in the Panel"}
        return "it_did_not_happen", {}

    def _refused(self, case: Case) -> Answer:
        if self.dice.random() < 0.5 and not self.units(case) & set(self.paid()):
            return "try_again", {}
        return self._pay(case)

    def _past_us(self, case: Case) -> Answer:
        """Did the correction in the Panel pay these units, or something else?"""
        if self.units(case) <= set(self.paid()):
            return self._pay(case)
        return "pay_anyway", {}

    def _stranded(self, case: Case) -> Answer:
        return self.dice.choice(("keep_unit", "quarantine_unit", "send_back_unit")), {}

    def _paid_in_shop(self, case: Case) -> Answer:
        """Which goods the correction paid for, by their lines, as the Panel shows them."""
        order = self.stage.sandbox.world.scayle.orders[self._order(case)]
        asked = [one for one in order.invoices if str(one.id) in case.facts["corrections"]]
        paid = [
            refund
            for refund in self.stage.sandbox.world.scayle.refunds
            if refund.by == "hand"
            and (refund.order_id, refund.at) in {(order.id, one.created_at) for one in asked}
        ]
        if not paid:
            return None
        # What was typed as proof of another refund is recorded already.
        known = [one for one in paid if self._recorded(order.id, one) is not None]
        if len(known) == len(paid):
            return "paid_already", {"reference": self._recorded(order.id, known[0])}
        lines = ", ".join(str(unit) for one in paid if one not in known for unit in one.item_ids)
        amount = sum(one.amount for one in paid if one not in known)
        return "paid_goods", {"amount": f"{amount / 100:.2f}", "skus": lines}

    @staticmethod
    def _recorded(order: int, paid: ShopRefund) -> str | None:
        rows = Refund.objects.filter(order__external_id=str(order))
        told = rows.values_list("reference", flat=True)
        return next((one for one in told if f"SCAYLE-{paid.id}" in one.split()), None)

    @staticmethod
    def _order(case: Case) -> int:
        return int(Order.objects.values_list("external_id", flat=True).get(pk=case.order_id))

    def _after_the_money(self, case: Case) -> Answer:
        """What was paid for nothing stays paid. Was it paid twice? The books say so, or not."""
        often = Counter(payment.unit for payment in self.payments())
        is_once = all(often[unit] == 1 for unit in self.units(case))
        if case.cause.startswith("twice:") and is_once:
            return "not_an_error", {}
        return "leave_as_paid", {}

    def _twice(self, case: Case) -> Answer:
        """The unit is taken out of the return that did not bring it, there where that was made."""
        rmas = self.stage.sandbox.world.returngo.rmas
        unit = ReturnItem.objects.get(pk=case.record_id)
        second = rmas[int(case.facts["rma"])]
        asked = next(item for item in second.items if str(item.id) == unit.external_id)
        others = [
            (rma, item)
            for rma in rmas.values()
            for item in rma.items
            if rma is not second
            and rma.status not in ("Canceled", "Rejected")
            and item.shop_line_item_id == asked.shop_line_item_id
        ]
        missing = [
            (rma, item)
            for rma, item in others
            if item.validation.at is not None and not item.validation.returned
        ]
        if not others:
            return "fixed_there", {}  # it was taken out already; the other return is read soon
        for rma, item in missing or [(second, asked)]:
            if len(rma.items) > 1:
                self.stage.act("returngo", "drop_item", rma_id=rma.id, item_id=item.id)
            elif rma.status in ("Pending", "Approved", "Received", "Validated"):
                self.stage.act("returngo", "cancel", rma_id=rma.id)
        return "fixed_there", {}

    def _went_back(self, case: Case) -> Answer:
        """What was paid there is done, whatever somebody made of it since."""
        self.stage.act("returngo", "done", rma_id=int(case.facts["rma"]))
        return "fixed_there", {}

    def _pay(self, case: Case) -> Answer:
        """Give the reference of the payment; where nobody has paid yet, pay from the bank."""
        paid = [
            self.paid().get(unit) or self._pay_from_bank(unit) for unit in sorted(self.units(case))
        ]
        amount = sum(one.amount for one in paid)
        told = {"reference": " ".join(one.reference for one in paid)[:100]}
        if amount != case.money_minor:
            told["amount"] = f"{amount / 100:.2f}"
        return "paid_by_hand", told

    def _pay_from_bank(self, unit: int) -> Payment:
        payment = Payment(unit, self._worth(unit), "bank", f"BANK-{len(self.bank) + 1}")
        self.bank.append(payment)
        return payment

    # --- the books they look into ----------------------------------------------------------------

    def units(self, case: Case) -> set[int]:
        """The units of the order a case is about, as the shop numbers them."""
        kept = case.job.kept if case.job is not None else {}
        refund = case.record_id if case.record_kind == "refund" else kept.get("refund")
        parts = RefundItem.objects.filter(refund=refund) if refund else RefundItem.objects.none()
        found = set(parts.values_list("order_item__external_id", flat=True))
        if not found:
            items = ReturnItem.objects.filter(pk__in=kept.get("units", []))
            found = set(items.values_list("order_item__external_id", flat=True))
        return {int(one) for one in found}

    def paid(self) -> dict[int, Payment]:
        """Every unit that somebody has paid, and by which payment."""
        return {payment.unit: payment for payment in self.payments()}

    def payments(self) -> Iterator[Payment]:
        """Every payment of every payer, by unit: a unit that is here twice was paid twice."""
        sold = self.stage.sandbox.world.scayle.orders
        for refund in self.stage.sandbox.world.scayle.refunds:
            if refund.executed:
                amounts = {item.id: item.paid for item in sold[refund.order_id].items}
                for unit in refund.item_ids:
                    yield Payment(unit, amounts[unit], refund.by, f"SCAYLE-{refund.id}")
        yield from self.bank
        for row in self.stage.sandbox.world.returngo.transactions.values():
            if row.id in self.paid_there and row.status == "Success":
                (unit,) = row.item_ids
                line = self.stage.sandbox.world.returngo.rmas[row.rma_id].item(unit)
                assert line is not None
                yield Payment(int(line.shop_line_item_id), row.amount, "returngo", f"RG-{row.id}")

    def _worth(self, unit: int) -> int:
        """What the unit cost, less the fees its return was agreed with."""
        world = self.stage.sandbox.world
        (paid,) = (
            item.paid
            for order in world.scayle.orders.values()
            for item in order.items
            if item.id == unit
        )
        returned = (
            item
            for rma in world.returngo.rmas.values()
            for item in rma.items
            if item.shop_line_item_id == str(unit)
        )
        first = next(returned)
        return paid - first.restocking_fee - first.return_fee - first.shipment_fee
