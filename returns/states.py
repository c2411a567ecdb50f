"""The statuses of returns. Custody (where the unit is) and money are two axes, never collapsed."""

from __future__ import annotations

from django.db.models import TextChoices

from integrator.models.states import BORN, Moves


class Custody(TextChoices):
    """Where the physical unit is. Its words are those of a stage on every screen."""

    REQUESTED = "REQUESTED", "Asked for"  # the customer asked; nobody agreed yet
    AUTHORISED = "AUTHORISED", "Agreed"  # may come back
    IN_TRANSIT = "IN_TRANSIT", "On its way"  # a carrier has it
    RECEIVED = "RECEIVED", "Received"  # arrived, not checked: never sellable
    INSPECTED = "INSPECTED", "Checked"  # checked, with a disposition
    CLOSED = "CLOSED", "Closed"  # nothing more will come of it


CUSTODY_MOVES: Moves = {
    BORN: (Custody.REQUESTED,),
    Custody.REQUESTED: (Custody.AUTHORISED, Custody.CLOSED),
    Custody.AUTHORISED: (Custody.IN_TRANSIT, Custody.RECEIVED, Custody.CLOSED),
    Custody.IN_TRANSIT: (Custody.RECEIVED, Custody.CLOSED),
    Custody.RECEIVED: (Custody.INSPECTED, Custody.CLOSED),
    # Back to received: the verdict was corrected to "not in the parcel", or was taken back.
    Custody.INSPECTED: (Custody.RECEIVED, Custody.CLOSED),
    Custody.CLOSED: (Custody.REQUESTED,),  # the returns platform reopened it
}


class Money(TextChoices):
    """Where the money for the unit is."""

    NONE = "NONE", "Nothing owed yet"
    PROPOSED = "PROPOSED", "Proposed"  # a refund exists, not all evidence is there
    AUTHORISED = "AUTHORISED", "Authorised"  # all evidence is there: it may be sent
    SENT = "SENT", "Sent"  # the payer was told; not proved yet
    IN_DOUBT = "IN_DOUBT", "In doubt"  # it may have been paid: never sent again on a guess
    RECORDED = "RECORDED", "Recorded"  # the payer's own record of it was seen
    SETTLED = "SETTLED", "Settled"  # a payout line confirmed the amount
    REFUSED = "REFUSED", "Refused"  # proved not to have been paid
    WAIVED = "WAIVED", "Settled in another way"  # a person said so: never paid by us


MONEY_MOVES: Moves = {
    BORN: (Money.NONE,),
    Money.NONE: (Money.PROPOSED, Money.AUTHORISED, Money.RECORDED, Money.WAIVED),
    Money.PROPOSED: (Money.AUTHORISED, Money.NONE, Money.RECORDED, Money.WAIVED),
    Money.AUTHORISED: (Money.SENT, Money.IN_DOUBT, Money.NONE, Money.RECORDED, Money.REFUSED),
    Money.SENT: (Money.RECORDED, Money.IN_DOUBT, Money.REFUSED),
    Money.IN_DOUBT: (Money.SENT, Money.RECORDED, Money.REFUSED),
    Money.RECORDED: (Money.SETTLED, Money.IN_DOUBT),  # in doubt: it failed after all
    Money.SETTLED: (),
    Money.REFUSED: (Money.AUTHORISED, Money.RECORDED, Money.WAIVED),
    Money.WAIVED: (Money.RECORDED,),  # the payer's own record of it turned up later
}


class ReturnStatus(TextChoices):
    """The header of a return: a stored column, derived from its units in the same transaction."""

    REQUESTED = "REQUESTED", str(Custody.REQUESTED.label)
    AUTHORISED = "AUTHORISED", str(Custody.AUTHORISED.label)
    IN_TRANSIT = "IN_TRANSIT", str(Custody.IN_TRANSIT.label)
    RECEIVED = "RECEIVED", str(Custody.RECEIVED.label)
    INSPECTED = "INSPECTED", str(Custody.INSPECTED.label)
    COMPLETED = "COMPLETED", "Completed"  # the returns platform shows it as done, after the money
    CLOSED = "CLOSED", "Closed without return"  # rejected or cancelled


RETURN_MOVES: Moves = {
    BORN: (ReturnStatus.REQUESTED,),
    **{old: tuple(new for new in ReturnStatus if new != old) for old in ReturnStatus},
}


class Disposition(TextChoices):
    """What was decided for a unit: by an inspection, or by a person here."""

    RESTOCK = "RESTOCK", "May be sold again"  # the only one that raises what is sellable
    QUARANTINE = "QUARANTINE", "Not for sale"  # it is here, and is not sold
    NOT_RETURNED = "NOT_RETURNED", "Not in the parcel"  # it never came
    SENT_BACK = "SENT_BACK", "Back to the customer"  # it came and leaves again: a person said so
    WRITTEN_OFF = "WRITTEN_OFF", "Written off"  # two people agreed that it is worth nothing


NOT_KEPT = (Disposition.NOT_RETURNED, Disposition.SENT_BACK)  # nothing of it stays with us

# A verdict is never changed: a correction is another one.
VERDICT_MOVES: Moves = {
    BORN: (
        Disposition.RESTOCK,
        Disposition.QUARANTINE,
        Disposition.NOT_RETURNED,
        Disposition.SENT_BACK,
        Disposition.WRITTEN_OFF,
    ),
}


class ExchangeStatus(TextChoices):
    """How far the replacement for a returned unit is."""

    REQUESTED = "REQUESTED", "Wanted"  # the customer wants it; nothing was sent anywhere
    RESERVED = "RESERVED", "Reserved"  # the shop holds every piece of it back
    ORDERED = "ORDERED", "Ordered"  # its order was read in the shop; the warehouse knows nothing
    RELEASED = "RELEASED", "With the warehouse"  # the warehouse was told to send it
    SHIPPED = "SHIPPED", "Shipped"  # the shop shows every piece as sent
    REFUSED = "REFUSED", "Not possible"  # a person decided that it will not be sent
    CANCELLED = "CANCELLED", "Withdrawn"  # no longer wanted, or wanted differently: see the next


EXCHANGE_MOVES: Moves = {
    BORN: (ExchangeStatus.REQUESTED,),
    ExchangeStatus.REQUESTED: (
        ExchangeStatus.RESERVED,
        ExchangeStatus.ORDERED,  # a look-up found its order
        ExchangeStatus.REFUSED,
        ExchangeStatus.CANCELLED,
    ),
    ExchangeStatus.RESERVED: (
        ExchangeStatus.REQUESTED,  # the order was refused: the pieces are given back
        ExchangeStatus.ORDERED,
        ExchangeStatus.REFUSED,
        ExchangeStatus.CANCELLED,
    ),
    ExchangeStatus.ORDERED: (
        ExchangeStatus.RELEASED,
        ExchangeStatus.SHIPPED,
        ExchangeStatus.REFUSED,
    ),
    ExchangeStatus.RELEASED: (ExchangeStatus.SHIPPED, ExchangeStatus.REFUSED),
    ExchangeStatus.SHIPPED: (),
    ExchangeStatus.REFUSED: (),
    ExchangeStatus.CANCELLED: (),
}
EXCHANGE_WANTED = (ExchangeStatus.REQUESTED, ExchangeStatus.RESERVED)
EXCHANGE_PLACED = (ExchangeStatus.ORDERED, ExchangeStatus.RELEASED, ExchangeStatus.SHIPPED)
EXCHANGE_ENDED = (ExchangeStatus.REFUSED, ExchangeStatus.CANCELLED)


class DifferenceStatus(TextChoices):
    """What became of the price difference between the returned unit and its replacement."""

    NONE = "NONE", "None"
    OPEN = "OPEN", "Not paid yet"  # the customer has to pay it: nothing leaves before
    PAID = "PAID", "Paid"  # the returns platform shows the payment as successful
    WAIVED = "WAIVED", "Waived"  # a person let it pass without payment
    OWED = "OWED", "Owed to the customer"  # the replacement costs less, or it was paid and ended
    SETTLED = "SETTLED", "Paid back"  # what was owed was paid, with a reference


DIFFERENCE_MOVES: Moves = {
    BORN: (DifferenceStatus.NONE,),
    DifferenceStatus.NONE: (DifferenceStatus.OPEN, DifferenceStatus.OWED),
    DifferenceStatus.OPEN: (DifferenceStatus.PAID, DifferenceStatus.WAIVED),
    DifferenceStatus.PAID: (
        DifferenceStatus.OPEN,  # the returns platform took it back
        DifferenceStatus.OWED,  # nothing is sent for it
    ),
    DifferenceStatus.WAIVED: (DifferenceStatus.PAID,),
    DifferenceStatus.OWED: (DifferenceStatus.SETTLED,),
    DifferenceStatus.SETTLED: (),
}
