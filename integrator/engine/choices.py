"""A retailer's policy: the choices on which businesses differ, as versioned rows.

No hidden defaults.

The values and their meaning are listed in ``CHOICES``; a job keeps the version it was created
under.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.db import connection as database
from django.db import transaction

from integrator.engine import batches
from integrator.engine.money import EXPONENTS
from integrator.models import PolicyVersion, Retailer

CLOCK_TIME = r"([01]\d|2[0-3]):[0-5]\d"
EVIDENCE = ("approved", "received", "goods_in", "inspected")
HOURS_MAX = 8_784  # a year
LIMIT_MAX = 2_147_483_647  # the most an amount may be
CHOICES: Mapping[str, Any] = {
    # What must all be true before a refund may be sent, per return method.
    "refund_evidence": {
        "SHIPPED": ["approved", "inspected"],
        "KEPT": ["approved"],
    },
    # Who pays. None until chosen: nothing is paid, and going live fails.
    "refund_executor": None,
    # Who pays what the executor cannot express: a part of a unit, a deducted fee, goodwill.
    "refund_executor_otherwise": None,
    # A bundle none of whose components has a price: hold its returns, or split it in equal parts.
    "bundle_price_fallback": "hold",
    # Is shipping paid back when everything came back: "never" or "full_returns". None until chosen:
    # the first full return then waits for the choice.
    "shipping_refund": None,
    # Goodwill up to this, per currency in minor units, is one person's decision. Else two decide.
    "goodwill_limit_minor": {},
    # Whose figure counts when they differ.
    "refund_amount_owner": "payer",
    # What makes a unit sellable again.
    "stock_evidence": "inspected",
    "in_transit_location": None,
    "exchange_trigger": "approved",
    # Our location that sends replacements. None until chosen: no piece can be reserved.
    "exchange_location": None,
    # When a return with a replacement is done for the returns platform: ordered or shipped.
    "exchange_done": "shipped",
    # After how many hours somebody is told: the warehouse was not told, the customer has not paid,
    # the returns platform's own draft became no order. And after how many working days without a
    # parcel.
    "exchange_hours": {"dispatch": 0.5, "unpaid": 72, "draft": 24},
    "exchange_ship_working_days": 2,
    # When the shop is told what became of returned units: "at once", "every 15 minutes",
    # "daily at 18:00" (the retailer's clock).
    "status_posting": "every 15 minutes",
    # Age in hours after which a return without a change stands still and its team is told, per
    # stage.
    "stage_hours": {
        "REQUESTED": 48,
        "AUTHORISED": 336,
        "IN_TRANSIT": 168,
        "RECEIVED": 48,
        "INSPECTED": 24,
    },
    # How often a week one kind of step may be done by hand before operations are told.
    "by_hand_per_week": 20,
    # When people get their daily summary, on working days by the retailer's clock. None for never.
    "digest_at": "08:00",
    # From when to when people work, Monday to Friday by the retailer's clock. What they do outside
    # is a list of its own for the auditor; nothing is forbidden by it.
    "working_hours": ["07:00", "19:00"],
    # Differences younger than this are still on their way and are not reported.
    "settling_minutes": 10,
}


class UnableToSetPolicy(Exception):
    """A choice is unknown or its value is not one of those allowed. Names the choice."""


def check(values: Mapping[str, Any]) -> dict[str, Any]:
    """The full set of choices from a partial one; UnableToSetPolicy names what is wrong."""
    unknown = sorted(set(values) - set(CHOICES))
    if unknown:
        raise UnableToSetPolicy(f"policy.{unknown[0]} is not a choice")
    full = {**CHOICES, **values}
    _check_evidence(full["refund_evidence"])
    allowed = {
        "refund_executor": ("scayle", "returns_platform", "manual", None),
        "refund_executor_otherwise": ("returns_platform", "manual", None),
        "bundle_price_fallback": ("hold", "equal"),
        "shipping_refund": ("never", "full_returns", None),
        "refund_amount_owner": ("payer", "returns_platform", "erp"),
        "stock_evidence": ("inspected", "goods_in"),
        "exchange_trigger": ("approved", "received", "inspected"),
        "exchange_done": ("ordered", "shipped"),
    }
    for name, options in allowed.items():
        if full[name] not in options:
            words = ", ".join(str(option) for option in options if option)
            raise UnableToSetPolicy(f"policy.{name} must be one of {words}")
    _check_limits(full["goodwill_limit_minor"])
    if not batches.is_rule(full["status_posting"]):
        raise UnableToSetPolicy(
            'policy.status_posting must be "at once", "every n minutes" or "daily at hh:mm"'
        )
    _check_number("by_hand_per_week", full["by_hand_per_week"], most=1_000_000)
    _check_number("settling_minutes", full["settling_minutes"], least=0, most=1_440)
    _check_hours(full)
    return full


def _check_number(name: str, value: Any, *, least: int = 1, most: int = HOURS_MAX) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UnableToSetPolicy(f"policy.{name} must be a whole number from {least} to {most:,}")


def _check_evidence(evidence: Any) -> None:
    methods = CHOICES["refund_evidence"]
    if not isinstance(evidence, Mapping):
        raise UnableToSetPolicy(f"policy.refund_evidence must state {', '.join(methods)}")
    missing = sorted(set(methods) ^ set(evidence))
    if missing:
        raise UnableToSetPolicy(
            f"policy.refund_evidence.{missing[0]}: name each of "
            f"{', '.join(methods)}, and nothing else"
        )
    for method, needed in evidence.items():
        if not isinstance(needed, list) or not needed or any(one not in EVIDENCE for one in needed):
            raise UnableToSetPolicy(
                f"policy.refund_evidence.{method} must list some of {', '.join(EVIDENCE)}"
            )


def _check_limits(limits: Any) -> None:
    if not isinstance(limits, Mapping) or not all(
        isinstance(limit, int) and not isinstance(limit, bool) and 0 <= limit <= LIMIT_MAX
        for limit in limits.values()
    ):
        raise UnableToSetPolicy("policy.goodwill_limit_minor must be whole minor units by currency")
    unknown = sorted(set(limits) - set(EXPONENTS))
    if unknown:
        raise UnableToSetPolicy(
            f"policy.goodwill_limit_minor.{unknown[0]} is no currency of ISO 4217"
        )


def _check_hours(full: Mapping[str, Any]) -> None:
    """A time nobody waits for, or one that is not named, would never tell anybody."""
    if full["digest_at"] is not None and not re.fullmatch(CLOCK_TIME, str(full["digest_at"])):
        raise UnableToSetPolicy('policy.digest_at must be a time as "08:00"')
    working = full["working_hours"]
    if not (
        isinstance(working, list)
        and len(working) == 2
        and all(re.fullmatch(CLOCK_TIME, str(one)) for one in working)
        and working[0] < working[1]
    ):
        raise UnableToSetPolicy('policy.working_hours must be two times as ["07:00", "19:00"]')
    stages = full["stage_hours"]
    known = CHOICES["stage_hours"].keys()
    if not isinstance(stages, Mapping) or set(stages) - set(known):
        raise UnableToSetPolicy(f"policy.stage_hours may state {', '.join(known)}")
    for name, value in stages.items():
        _check_number(f"stage_hours.{name}", value)
    hours = full["exchange_hours"]
    named = CHOICES["exchange_hours"].keys()
    if not isinstance(hours, Mapping) or set(hours) != set(named):
        raise UnableToSetPolicy(f"policy.exchange_hours must state {', '.join(named)}")
    for name, value in hours.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value <= HOURS_MAX:
            raise UnableToSetPolicy(
                f"policy.exchange_hours.{name} must be more than nothing, at most {HOURS_MAX:,}"
            )
    _check_number("exchange_ship_working_days", full["exchange_ship_working_days"], most=250)


def current(retailer: Retailer) -> PolicyVersion:
    """The policy in force. UnableToSetPolicy when the retailer has none yet."""
    policy = retailer.policies.order_by("-version").first()
    if policy is None:
        raise UnableToSetPolicy(f"{retailer} has no policy: run manage.py configure")
    return policy


@lru_cache(maxsize=256)
def version(retailer_id: int, number: int) -> PolicyVersion:
    """The version a job was created under. It never changes, so a process reads it once."""
    return PolicyVersion.objects.get(retailer_id=retailer_id, version=number)


def choice(policy: PolicyVersion, name: str) -> Any:
    """One choice. A version saved before the choice existed says what it is when nobody sets it."""
    return policy.values.get(name, CHOICES[name])


def save(*, retailer: Retailer, values: Mapping[str, Any], made_by: str) -> PolicyVersion:
    """Add a version if something differs; otherwise return the one in force."""
    full = check(values)
    with transaction.atomic():
        Retailer.objects.select_for_update(no_key=True).get(pk=retailer.pk)
        last = retailer.policies.order_by("-version").first()
        if last is not None and last.values == full:
            return last
        number = 1 if last is None else last.version + 1
        return PolicyVersion.objects.create(
            retailer=retailer, version=number, values=full, made_by=made_by
        )


def current_versions() -> dict[int | None, int]:
    """The policy version in force per connection id, in one query."""
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT c.id, max(p.version) FROM integrator_connection c
                 JOIN integrator_policyversion p ON p.retailer_id = c.retailer_id GROUP BY c.id"""
        )
        return dict(cursor.fetchall())
