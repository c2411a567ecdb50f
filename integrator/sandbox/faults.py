"""The fault switchboard: which call goes wrong, how, and how often. Seeded, so a run repeats."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from integrator.sandbox.calls import Refusal

# The call never reaches the platform's books.
BEFORE = frozenset({"refused", "hang", "error"})
# The books have changed; the caller is left without a proper answer.
AFTER = frozenset({"drop_after", "timeout_after", "error_after", "truncated", "slow"})
# The platform accepts, but readers see the old state for a while.
VISIBILITY = frozenset({"visible_after"})
# The answer itself is odd.
DATA = frozenset({"missing_field", "wrong_type", "new_enum", "rows_repeated", "rows_skipped"})
# The platform behaves as it may, but not as hoped.
BEHAVIOUR = frozenset({"refund_failed", "partial_batch"})
CALLBACK = frozenset(
    {
        "callback_duplicate",
        "callback_reorder",
        "callback_delay",
        "callback_suppress",
        "callback_old_secret",
        "callback_same_id_other_body",
    }
)
_PAGING = frozenset({"rows_repeated", "rows_skipped"})
READ_FAULTS = BEFORE | AFTER | DATA
WRITE_FAULTS = (BEFORE | AFTER | DATA | VISIBILITY | BEHAVIOUR) - _PAGING
PLATFORMS = frozenset({"scayle", "returngo", "*"})

# Setting: whole number, lowest, highest.
_RANGES: dict[str, tuple[bool, int, int]] = {
    "probability": (False, 0, 1),
    "seconds": (False, 0, 30 * 86_400),
    "times": (True, 1, 1_000_000),
    "status": (True, 400, 599),
    "retry_after": (True, 0, 86_400),
}
_NEEDS_FIELD = frozenset({"missing_field", "wrong_type", "new_enum"})


class ConnectionDropped(Exception):
    """The connection broke. Whether the platform had acted is for the caller to find out."""


class Hang(Exception):
    """No answer within ``seconds``. In one process the test adapter turns it into a time-out."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds} s")
        self.seconds = seconds


@dataclass
class Rule:
    """One line of the switchboard.

    ``endpoint`` is a pattern over method and path ("POST /fulfillment/return-items",
    "GET /rma/{id}", "*"); for callback faults it is a pattern over the event name.
    """

    platform: str
    endpoint: str
    fault: str
    probability: float = 1.0
    times: int | None = None
    seconds: float = 0.0
    status: int = 500
    retry_after: int | None = None
    field: str = ""
    value: Any = None
    # How often it struck: the evidence that a test met the fault it asked for.
    struck: int = 0

    def matches(self, platform: str, endpoint: str) -> bool:
        if self.times is not None and self.struck >= self.times:
            return False
        return self.platform in {"*", platform} and bool(
            _pattern(self.endpoint).fullmatch(endpoint)
        )


def _pattern(endpoint: str) -> re.Pattern[str]:
    """``*`` stands for anything, ``{name}`` for one part of a path."""
    parts = re.split(r"(\*|\{[^}]*\})", endpoint)
    regex = "".join(
        ".*" if part == "*" else "[^/]+" if part.startswith("{") else re.escape(part)
        for part in parts
    )
    return re.compile(regex)


@dataclass
class Switchboard:
    seed: int
    rules: list[Rule] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A stream of its own: faults do not shift the ids and baskets of the run.
        self._random = random.Random(f"{self.seed}:faults")

    def add(self, rows: object) -> list[Rule]:
        if not isinstance(rows, list):
            raise Refusal(400, "INVALID_FAULT", "add: must be a list of rules.")
        rules = [_rule(row, number) for number, row in enumerate(rows)]
        self.rules.extend(rules)
        return rules

    def clear(self) -> None:
        self.rules.clear()

    def strike(self, platform: str, endpoint: str, kinds: frozenset[str]) -> Rule | None:
        """The first rule of these kinds that hits this call; it counts as struck."""
        for rule in self.rules:
            if (
                rule.fault in kinds
                and rule.matches(platform, endpoint)
                and self._random.random() < rule.probability
            ):
                rule.struck += 1
                return rule
        return None

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self.rules]


def _rule(row: object, number: int) -> Rule:
    where = f"add[{number}]"
    if not isinstance(row, Mapping):
        raise Refusal(400, "INVALID_FAULT", f"{where}: must be an object.")
    known = {name for name in Rule.__dataclass_fields__ if name != "struck"}
    for name in row:
        if name not in known:
            raise Refusal(400, "INVALID_FAULT", f"{where}.{name}: unknown setting.")
    for name in ("platform", "endpoint", "fault"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise Refusal(400, "INVALID_FAULT", f"{where}.{name}: is required.")
    if row["fault"] not in READ_FAULTS | WRITE_FAULTS | CALLBACK:
        raise Refusal(400, "INVALID_FAULT", f"{where}.fault: no such fault: {row['fault']}")
    if row["platform"] not in PLATFORMS:
        raise Refusal(400, "INVALID_FAULT", f"{where}.platform: no such platform.")
    if not isinstance(row.get("field", ""), str):
        raise Refusal(400, "INVALID_FAULT", f"{where}.field: must be a text.")
    if row["fault"] in _NEEDS_FIELD and not row.get("field"):
        raise Refusal(400, "INVALID_FAULT", f"{where}.field: {row['fault']} needs a field.")
    _check_numbers(row, where)
    return Rule(**{name: value for name, value in row.items() if value is not None})


def _check_numbers(row: Mapping[str, Any], where: str) -> None:
    for name, (whole, lowest, highest) in _RANGES.items():
        value = row.get(name)
        if value is None:
            continue
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise Refusal(400, "INVALID_FAULT", f"{where}.{name}: must be a number.")
        if not lowest <= value <= highest:
            message = f"{where}.{name}: must lie between {lowest} and {highest}."
            raise Refusal(400, "INVALID_FAULT", message)


def spoiled(body: Any, rule: Rule) -> Any:
    """``body`` with the field of ``rule`` missing, of another type, or with a value never seen.

    The field is a dotted path; in a list, a part that is no number means its first row. A body
    without that field stays as it is.
    """
    *parents, leaf = rule.field.split(".")
    holder = body
    for part in parents:
        holder = _step(holder, part)
    if isinstance(holder, list) and not leaf.isdigit():
        holder = holder[0] if holder else None
    if isinstance(holder, dict) and leaf in holder:
        if rule.fault == "missing_field":
            del holder[leaf]
        elif rule.fault == "wrong_type":
            holder[leaf] = _other_type(holder[leaf])
        else:
            holder[leaf] = rule.value if rule.value is not None else "never_seen_before"
    return body


def _step(holder: Any, part: str) -> Any:
    if isinstance(holder, list):
        if part.isdigit():
            return holder[int(part)] if int(part) < len(holder) else None
        holder = holder[0] if holder else None
    return holder.get(part) if isinstance(holder, dict) else None


def _other_type(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return "not what was promised"
    return {"was": value}
