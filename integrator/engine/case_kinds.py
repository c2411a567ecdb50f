"""What kinds of cases there are: the words and buttons of each, and the engine's own kinds.

The kinds of a department live in its app's ``cases.py``. Opening and closing is ``engine.cases``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a person fills in. ``kind`` is text, number, money, choice or note."""

    name: str
    label: str
    kind: str = "text"
    required: bool = True
    choices: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A button on the case. ``key`` is routed as ``decided:<key>``; ``verb`` is the permission.

    ``leaves`` says that it sends something to a platform: it then waits 30 seconds and can be
    cancelled. ``approval`` says that a second person must agree to the exact content. ``again``
    says that it sets the case's step going: what that will do is part of the preview.
    ``by_hand`` says that a person then does, or vouches for, what the systems should have done:
    such decisions are counted (``engine.by_hand``). One that only lets our own work go on is not.
    """

    key: str
    label: str
    says: str
    verb: str
    fields: tuple[Field, ...] = ()
    leaves: bool = False
    approval: bool = False
    again: bool = False
    by_hand: bool = True

    def label_on(self, facts: Mapping[str, Any]) -> str:
        """Its label on one case: with the platform's name, where the case knows it."""
        return _with_platform(self.label, facts)

    def says_on(self, facts: Mapping[str, Any]) -> str:
        return _with_platform(self.says, facts)


def _with_platform(text: str, facts: Mapping[str, Any]) -> str:
    return text.replace("the platform", str(facts.get("platform") or "the platform"))


@dataclass(frozen=True, slots=True)
class CaseKind:
    """One way to go wrong, in words for the person who owns it.

    The sentences may use ``{names}`` from the case's facts. ``closes_when`` says in words which
    later fact closes it by itself. ``ladder`` are the roles told one after another when nobody
    acts. ``alert`` mails the owner at once.
    """

    code: str
    owner: str
    severity: int
    due_hours: float
    title: str
    happened: str
    means: str
    todo: str
    otherwise: str
    closes_when: str
    actions: tuple[Action, ...]
    evidence: tuple[str, ...] = ()
    ladder: tuple[str, ...] = ("ADMIN",)
    alert: bool = False
    shared_cause: bool = False


# --- Actions every department uses ------------------------------------------------------------

TRY_AGAIN = Action(
    key="try_again",
    label="Try again",
    says="Run this step once more. What was already done is not done twice.",
    verb="job.retry",
    leaves=True,
    again=True,
    by_hand=False,
)
GIVE_UP = Action(
    key="give_up",
    label="Stop trying",
    says="The step is not run any more.",
    verb="job.cancel",
    fields=(Field("note", "What was done instead", "note"),),
)
SAVE_MAPPING = Action(
    key="save_mapping",
    label="Map it",
    says="Save what the word means and release everything that waits for it, in order.",
    verb="mapping.change",
    fields=(Field("ours", "This is our", "choice", choices="mapping"),),
    leaves=True,
)
NOT_AN_ERROR = Action(
    key="not_an_error",
    label="Nothing is wrong",
    says="Close the case. It comes back if the same happens again.",
    verb="case.solve",
    fields=(Field("note", "Why nothing is wrong", "note"),),
)
FIXED_THERE = Action(
    key="fixed_there",
    label="I fixed it in the platform",
    says="Close the case and read the record again from the platform.",
    verb="case.solve",
    fields=(Field("note", "What was changed, and where", "note"),),
)

# --- The engine's own kinds --------------------------------------------------------------------

JOB_FAILED = CaseKind(
    code="JOB_FAILED",
    owner="ADMIN",
    severity=2,
    due_hours=4,
    title="“{step}” stopped",
    happened="“{step}” was refused: {error}",
    means="Other work goes on. What only this step does is not done until it succeeds.",
    todo="Look at what was refused, mend it, then try again.",
    otherwise="Routine readings are made again by themselves. All else waits, and is not done.",
    closes_when="the step succeeds, or a later routine reading has seen everything",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("step", "error"),
)
JOB_CRASHES = CaseKind(
    code="JOB_CRASHES",
    owner="ADMIN",
    severity=3,
    due_hours=2,
    title="“{step}” was set aside",
    happened="“{step}” brought our own program to a stop {crashes} times.",
    means="Everything else goes on. Only this step waits.",
    todo="Ask a developer to look at the record, then try again.",
    otherwise="It stays undone, unless it is a routine reading. This case stays open.",
    closes_when="the step succeeds, or a later routine reading has seen everything",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("step", "crashes"),
)
JOB_LATE = CaseKind(
    code="JOB_LATE",
    owner="ADMIN",
    severity=2,
    due_hours=2,
    title="“{step}” is late",
    happened="“{step}” should have been done by {due}. It keeps being tried: {error}",
    means="Somebody waits for it: a customer, the shop or the books.",
    todo="See whether the platform has a problem. Nothing needs to be sent again by hand.",
    otherwise="It is tried for seven days, then set aside.",
    closes_when="the step succeeds",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("step", "due", "error"),
)
JOB_IN_DOUBT = CaseKind(
    code="JOB_IN_DOUBT",
    owner="OPERATIONS",
    severity=3,
    due_hours=2,
    title="We are not sure whether “{step}” happened",
    happened="The platform did not answer after we sent it, and a look-up gave no clear answer.",
    means="It may have happened. It is not sent again on a guess.",
    todo="Look in the platform. Then say here what you saw.",
    otherwise="Later steps for the same record wait.",
    closes_when="a look-up finds it",
    actions=(
        Action(
            key="it_happened",
            label="It happened",
            says="Count the step as done, with the reference as proof.",
            verb="doubt.decide",
            fields=(
                Field("reference", "Reference you saw in the platform"),
                Field("note", "What you saw", "note"),
            ),
            approval=True,
        ),
        Action(
            key="it_did_not_happen",
            label="It did not happen",
            says="The step may then be run again.",
            verb="doubt.decide",
            fields=(Field("note", "How you know", "note"),),
            approval=True,
            leaves=True,
            again=True,
        ),
    ),
    evidence=("step", "error"),
    alert=True,
)
MAPPING_MISSING = CaseKind(
    code="MAPPING_MISSING",
    owner="OPERATIONS",
    severity=2,
    due_hours=4,
    title="{platform} says “{theirs}”: we do not know this {kind}",
    happened="{platform} sent the {kind} “{theirs}”. Nobody has said what it means here.",
    means="What depends on it was held back. Nothing was booked to another place.",
    todo="Say what it is. Everything that waits for it is then released, in order.",
    otherwise="More records join the pile. None is booked on a guess.",
    closes_when="the word is mapped",
    actions=(SAVE_MAPPING,),
    evidence=("platform", "kind", "theirs"),
    shared_cause=True,
)
CREDENTIALS_REFUSED = CaseKind(
    code="CREDENTIALS_REFUSED",
    owner="ADMIN",
    severity=3,
    due_hours=1,
    title="{platform} does not accept our key any more",
    happened="{platform} refused our credentials: {error}",
    means="All work for {platform} is held, in order. Nothing is lost.",
    todo="Enter a new key for the connection, test it, and switch it on again.",
    otherwise="Orders, returns and refunds for {platform} keep waiting.",
    closes_when="the connection is active again",
    actions=(
        Action(
            key="resume_connection",
            label="Switch it on again",
            says="Held work starts again, oldest first.",
            verb="connection.change",
            leaves=True,
            by_hand=False,
        ),
    ),
    evidence=("platform", "error"),
    alert=True,
    shared_cause=True,
)
WRITE_SWITCHED_OFF = CaseKind(
    code="WRITE_SWITCHED_OFF",
    owner="OPERATIONS",
    severity=2,
    due_hours=8,
    title="This step must be done by hand in {platform}",
    happened="“{step}” was not sent: sending it to {platform} is switched off.",
    means="Everything before it is done. Only this step is open.",
    todo="Do the step in {platform}, then say so here. Or have it switched on, and try again.",
    otherwise="{platform} keeps showing the old state.",
    closes_when="the platform shows the new state",
    actions=(GIVE_UP, TRY_AGAIN),
    evidence=("platform", "setting"),
)
MESSAGE_UNKNOWN = CaseKind(
    code="MESSAGE_UNKNOWN",
    owner="ADMIN",
    severity=1,
    due_hours=24,
    title="{platform} sent something new: {event}",
    happened="{platform} sent “{event}”. It is genuine, but has no meaning here yet.",
    means="It was kept and nothing was changed.",
    todo="See whether it matters. If it does, ask for it to be supported.",
    otherwise="Messages like it keep being kept and not used.",
    closes_when="somebody has looked at it",
    actions=(NOT_AN_ERROR,),
    evidence=("platform", "event"),
    shared_cause=True,
)
MESSAGE_CHANGED = CaseKind(
    code="MESSAGE_CHANGED",
    owner="ADMIN",
    severity=2,
    due_hours=8,
    title="{platform} sent a known message with other content",
    happened="Message {event_id} came again, but it does not say the same any more.",
    means="The second one was kept aside and changed nothing.",
    todo="Ask {platform} which one is right. Our figures come from reading {platform} itself.",
    otherwise="Nothing is wrong with our data, but a sender may be faulty or false.",
    closes_when="somebody has looked at it",
    actions=(NOT_AN_ERROR,),
    evidence=("platform", "event", "event_id"),
)
ROW_NOT_READ = CaseKind(
    code="ROW_NOT_READ",
    owner="ADMIN",
    severity=2,
    due_hours=4,
    title="{platform} lists {what} {row}, and it cannot be read",
    happened="Looking for what we missed, we found {what} {row} at {platform}: {error}",
    means="Everything else there was read. What happened to this one may be missing here.",
    todo="Have it corrected in {platform}, or ask a developer. If nobody needs it, leave it out.",
    otherwise="We look from the same place again and again, and count as behind.",
    closes_when="it can be read",
    actions=(
        Action(
            key="not_an_error",
            label="Leave it out",
            says="Close the case and go on without it, while it stays as it is.",
            verb="case.solve",
            fields=(Field("note", "Why nobody needs it", "note"),),
        ),
    ),
    evidence=("platform", "what", "row", "error"),
)
FACT_NOT_ROUTED = CaseKind(
    code="FACT_NOT_ROUTED",
    owner="ADMIN",
    severity=3,
    due_hours=2,
    title="A change could not be passed on: {fact}",
    happened="Looking up what follows from “{fact}” failed: {error}",
    means="What should follow from it has not begun. Everything else goes on.",
    todo="Ask a developer to look at it. When it is mended, let it be taken again.",
    otherwise="It stays aside, and this case stays open.",
    closes_when="it is taken again",
    actions=(
        Action(
            key="not_an_error",
            label="Take it again",
            says="Close the case and pass the change on. It comes back if that fails again.",
            verb="case.solve",
            fields=(Field("note", "What was mended", "note"),),
        ),
    ),
    evidence=("fact", "error"),
    alert=True,
)

CALLS_RUN_LOW = CaseKind(
    code="CALLS_RUN_LOW",
    owner="ADMIN",
    severity=2,
    due_hours=4,
    title="{platform}: {used} of today's {allowed} calls are used",
    happened="At {at} {used} of the {allowed} calls that {platform} allows a day were used.",
    means="Readings stop when {reserve} are left; those are kept for writes. Nothing is lost.",
    todo="A day like this needs {needed} calls. Ask {platform} for more, and enter what it allows.",
    otherwise="What is left to read waits, in order, for the new day.",
    closes_when="the new day begins, or more calls are allowed",
    actions=(
        Action(
            key="allow_calls",
            label="More are allowed",
            says="Save how many calls a day the platform allows. What waits goes on at once.",
            verb="connection.change",
            fields=(Field("calls", "Calls a day it allows now", "number"),),
            leaves=True,
            by_hand=False,
        ),
        NOT_AN_ERROR,
    ),
    evidence=("platform", "used", "allowed", "needed"),
)

KINDS: tuple[CaseKind, ...] = (
    JOB_FAILED,
    JOB_CRASHES,
    JOB_LATE,
    JOB_IN_DOUBT,
    MAPPING_MISSING,
    CREDENTIALS_REFUSED,
    WRITE_SWITCHED_OFF,
    MESSAGE_UNKNOWN,
    MESSAGE_CHANGED,
    ROW_NOT_READ,
    FACT_NOT_ROUTED,
    CALLS_RUN_LOW,
)


def by_code(kinds: Sequence[CaseKind]) -> dict[str, CaseKind]:
    """A catalogue by code; two kinds with one code are a programmer's mistake."""
    catalogue = {kind.code: kind for kind in kinds}
    assert len(catalogue) == len(kinds), "two case kinds share a code"
    return catalogue


ENGINE_KINDS = by_code(KINDS)
