"""Whatever is sent to an address, by whomever, is answered: with a page, a refusal, never a fault.

Two parts of a request are the sender's alone: the numbers in its address, and what it says by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from integrator import policy, staff
from integrator.engine import (
    cases,
    choices,
    connections,
    decisions,
    maintenance,
    mapping_plans,
    mappings,
)
from integrator.engine.case_kinds import Action, Field
from integrator.flows import CASE_KINDS
from integrator.models import (
    Case,
    CaseEvent,
    Connection,
    MappingKind,
    ReviewItem,
    SavedView,
    Transition,
)
from integrator.models import Mapping as Rule
from integrator.roles import Role
from tests.desk import factories, hostile
from tests.desk.test_access import EXPECTED, OWN, POSTS, PREFIXES, PUBLIC, _addresses, arguments

__all__ = ["arguments"]  # one of everything

Arguments = dict[str, list[object]]
As = Callable[[str], Client]
Sent = Iterable[tuple[str, str | bytes]]
Faults = dict[tuple[str, str, str], int | str]
OURS = sorted(name for name, verb in EXPECTED.items() if verb != PUBLIC)
PEOPLE = ("fiona", "ada", "omar", "carla", "clara", "otto", "nobody")
NUMBERS = (0, 2**31, 2**63 - 1, 2**63, 10**30, 10**400)
WORDS = ("0", "_", "-", "x" * 300, "cx-")
PERSON_OF = {
    Role.CX: "carla",
    Role.OPERATIONS: "omar",
    Role.FINANCE: "fiona",
    Role.CONTROLLER: "clara",
    Role.ADMIN: "ada",
}
ANSWERED = (200, 204, 302, 409, 422)
# With these a request gets to the end of its view, so that each of its parameters is looked at.
PLAUSIBLE = {
    "amount": "1.00",
    "answer": "agree",
    "ends": "2099-01-01T11:00",
    "for": "team",
    "kind": "LOCATION",
    "more_than": "3",
    "name": "mine",
    "note": "because",
    "query": "tab=needs&who=nobody",
    "reason": "because",
    "resolution": "FIXED",
    "role": "CX",
    "starts": "2099-01-01T10:00",
    "theirs": "HH-2",
    "to": "OPERATIONS",
    "until": "tomorrow",
    "why": "OTHER",
}
# Addresses where one of them means something else.
HERE: Mapping[str, Mapping[str, str]] = {
    "by_hand_rows": {"by": "type"},
    "case_assign": {"to": "me"},
    "case_solve": {"resolution": "FIXED_HERE"},
    "connection_switch": {"to": "pause", "ends": ""},
    "figure": {"from": "2026-11-01", "to": "2026-11-03"},
    "figures": {"from": "2026-11-01", "to": "2026-11-03"},
    "figures_file": {"from": "2026-11-01", "to": "2026-11-03"},
    "mapping_save": {"from": "2099-01-01T10:00", "ours": "hamburg"},
    "mapping_take": {"tab": "all"},
    "mappings": {"from": "2099-01-01T10:00", "ours": "hamburg", "tab": "all"},
    "person_ask": {"do": "give", "role": "OPERATIONS"},
    "person_leave": {"do": "back"},
    "review_decide": {"do": "keep"},
    "skips_rows": {"by": "code", "of": "SYSTEMS_DIFFER"},
    "view_change": {"do": "tell"},
}
NOT_THERE = {"person_unlink"}  # without a provider of accounts nobody is linked to one
SHARES = 3  # the addresses in as many tests: each by itself would be set up anew


@pytest.fixture
def at_hand(arguments: Arguments, people: dict[str, User], at: datetime) -> Arguments:
    """The numbers that each address takes, of something that can be answered."""
    shop = factories.connection()
    choices.save(retailer=shop.retailer, values={}, made_by="test")
    factories.location("berlin", "Berlin store")
    factories.location()
    trace = factories.trace(at, "user:omar")
    rule = Rule.objects.create(
        connection=shop,
        kind=MappingKind.LOCATION,
        theirs="HH-2",
        ours="hamburg",
        version=1,
        made_by="user:omar",
        made_at=at,
    )
    other = mappings.ask_to_change(rule, ours="berlin", trace=trace, by=people["omar"])
    later = mapping_plans.plan(
        connection=shop,
        kind=MappingKind.LOCATION,
        theirs="HH-3",
        ours="berlin",
        starts_at=at + timedelta(days=1),
        trace=trace,
        by=people["omar"],
    )
    other_shop = factories.connection("returngo", "ReturnGO")
    connections.pause(other_shop, trace=trace, reason="an update")
    incident = Transition.objects.filter(record_kind=Connection.RECORD_KIND).latest("id")
    doubt = factories.case("REFUND_IN_DOUBT", at)
    button, other_button = (one for one in CASE_KINDS[doubt.kind].actions[:2] if one.approval)
    by = factories.trace(at, "user:frank")
    second = decisions.ask(doubt, button, data={}, trace=by, by=people["frank"])
    by = factories.trace(at, "user:fiona")
    other_doubt = factories.case("REFUND_IN_DOUBT", at, record=("refund", 2))
    own = decisions.ask(other_doubt, other_button, data={}, trace=by, by=people["fiona"])
    window = maintenance.announce(
        shop,
        starts_at=at + timedelta(days=2),
        ends_at=at + timedelta(days=3),
        reason="an update",
        trace=trace,
    )
    asked = staff.role_ask(
        person=people["nobody"],
        role=Role.CX,
        gives=True,
        reason="she starts today",
        last_day=None,
        today=timezone.localtime(at).date(),
        trace=trace,
        by=people["omar"],
    )
    view = SavedView.objects.create(
        person=people["fiona"], role="FINANCE", name="theirs", query="who=nobody", place=1
    )
    (case_id,) = arguments["case_note"]
    case = Case.objects.get(pk=case_id)
    cases.assign(case, to=people["fiona"], trace=factories.trace(at, "user:fiona"))
    taken = CaseEvent.objects.filter(case=case).latest("id")
    item = ReviewItem.objects.exclude(person=people["ada"]).first()
    assert item is not None
    return arguments | {
        "bulk_prepare": ["finance"],
        "case_agree": [doubt.pk, second.pk],
        "case_take_back": [other_doubt.pk, own.pk],
        "case_undo": [case_id, taken.pk],
        "incident_note": [incident.pk],
        "mapping_agree": [other.pk],
        "mapping_plan_answer": [later.pk],
        "mapping_plan_withdraw": [later.pk],
        "person_answer": [asked.pk],
        "play": ["finance"],
        "queue": ["finance"],
        "review_decide": [item.pk],
        "view_change": [view.pk],
        "view_save": ["finance"],
        "window_cancel": [window.pk],
    }


def send(
    client: Client, name: str, address: str, sent: Sent, *, posts: bool | None = None
) -> int | str:
    """The status of the answer, or what broke. Whatever it changed is undone."""
    said = urlencode(list(sent))
    with transaction.atomic():
        try:
            if (name in POSTS or name == "theme") if posts is None else posts:
                kind = "application/x-www-form-urlencoded"
                answer = client.post(address, said, content_type=kind)
            else:
                answer = client.get(f"{address}?{said}")
            b"".join(answer)
        except Exception as fault:
            return f"{type(fault).__name__}: {fault}"[:200]
        finally:
            transaction.set_rollback(True)
    return answer.status_code


def is_answered(status: int | str) -> bool:
    return isinstance(status, int) and status < 500


def plausible(name: str, names: Iterable[str]) -> dict[str, str]:
    word = f"{Rule.objects.get().connection_id}:LOCATION:HH-2"
    known = {**PLAUSIBLE, "word": word, **HERE.get(name, {})}
    return {one: known[one] for one in sorted(names) if one in known}


def names_of(
    client: Client,
    name: str,
    address: str,
    patch: pytest.MonkeyPatch,
    *,
    posts: bool | None = None,
) -> tuple[list[str], int | str]:
    """What the address looks for, the further a request gets the more; and its answer to that."""
    names: set[str] = set()
    while True:
        with hostile.listening(patch) as asked:
            status = send(client, name, address, plausible(name, names).items(), posts=posts)
        asked -= {"csrfmiddlewaretoken"}
        if asked <= names:
            return sorted(names), status
        names |= asked


def faults_of(
    name: str, address: str, names: Sequence[str], client: Client, *, thorough: bool
) -> Faults:
    """What breaks when every parameter is hostile, and when one is and the others are not.

    ``thorough``: each of the sharpest values in each parameter, and not one of them in turn.
    """
    tried = [
        ("all of them", what, [(one, value) for one in names])
        for what, value in hostile.VALUES.items()
    ]
    for place, one in enumerate(names):
        others = [pair for pair in plausible(name, names).items() if pair[0] != one]
        in_turn = hostile.SHARPEST[place % len(hostile.SHARPEST)]
        for what in hostile.SHARPEST if thorough else (in_turn,):
            tried.append((one, what, [*others, (one, hostile.VALUES[what])]))
    answers = {(name, one, what): send(client, name, address, sent) for one, what, sent in tried}
    return {sent: said for sent, said in answers.items() if not is_answered(said)}


@pytest.mark.requirement("R140")
@pytest.mark.parametrize("share", range(SHARES))
def test_no_parameter_of_any_address_makes_it_fail(
    share: int, at_hand: Arguments, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert faults_in(share, at_hand, as_, monkeypatch, thorough=False) == {}


@pytest.mark.prove
@pytest.mark.requirement("R140")
@pytest.mark.parametrize("share", range(SHARES))
def test_no_value_in_any_parameter_of_any_address_makes_it_fail(
    share: int, at_hand: Arguments, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert faults_in(share, at_hand, as_, monkeypatch, thorough=True) == {}


def faults_in(
    share: int, at_hand: Arguments, as_: As, patch: pytest.MonkeyPatch, *, thorough: bool
) -> Faults:
    clients = {person: as_(person) for person in PEOPLE}
    faults: Faults = {}
    for name in OURS[share::SHARES]:
        address = reverse(name, args=at_hand.get(name, []))
        for client in clients.values():
            names, status = names_of(client, name, address, patch)
            if status in ANSWERED:
                break
        assert status in ANSWERED or name in NOT_THERE, f"nobody gets to the end of {name}"
        faults |= faults_of(name, address, names, client, thorough=thorough)
    return faults


@pytest.mark.requirement("R140")
def test_no_number_in_an_address_makes_it_fail(at_hand: Arguments, as_: As) -> None:
    """Also where the number is of somebody else's, and whoever asks."""
    clients = {person: as_(person) for person in PEOPLE} | {"a stranger": Client()}
    faults: Faults = {}
    for name, numbers in at_hand.items():
        for place, one in enumerate(numbers):
            for hostile_one in NUMBERS if isinstance(one, int) else WORDS:
                args = [*numbers[:place], hostile_one, *numbers[place + 1 :]]
                address = reverse(name, args=args)
                for person, client in clients.items():
                    status = send(client, name, address, ())
                    if not is_answered(status) or status in (200, 204):
                        faults[person, name, str(hostile_one)[:40]] = status

    assert faults == {}


@pytest.mark.requirement("R140")
def test_nobody_makes_a_page_fail_that_is_not_theirs(
    at_hand: Arguments, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers, who hold no role, and a superuser without one: refused before anything is read."""
    boss = Client()
    boss.force_login(factories.person("boss", is_superuser=True, is_staff=True))
    clients = {"a stranger": Client(), "nobody": as_("nobody"), "boss": boss}
    read: dict[tuple[str, str], set[str]] = {}
    for name in OURS:
        if EXPECTED[name] == OWN:
            continue
        address = reverse(name, args=at_hand.get(name, []))
        for person, client in clients.items():
            with hostile.listening(monkeypatch) as asked:
                status = send(client, name, address, [("q", hostile.VALUES["NUL"])])
            assert status == (302 if person == "a stranger" else 403), (name, person)
            if asked:
                read[name, person] = asked

    assert read == {}


def fields() -> Iterator[tuple[str, Action, Field]]:
    """One field of each sort that any button of any case has."""
    met = set()
    for kind in CASE_KINDS.values():
        for action in kind.actions:
            for one in action.fields:
                sort = (one.kind, one.choices, one.required)
                if sort not in met:
                    met.add(sort)
                    yield kind.code, action, one


@pytest.mark.requirement("R140")
def test_no_field_of_a_case_makes_it_fail(at_hand: Arguments, as_: As, at: datetime) -> None:
    faults: Faults = {}
    for number, (code, action, field) in enumerate(fields()):
        shop = factories.connection()
        about = {"money_minor": 4999, "currency": "EUR", "connection_id": shop.pk}
        case = factories.case(code, at, record=("order", number + 10), **about)
        kind = CASE_KINDS[code]
        role = next(one for one in PERSON_OF if policy.may_act(kind, action, frozenset({one})))
        client = as_(PERSON_OF[role])
        address = reverse("case_act", args=[case.pk, action.key])
        others = {one.name: PLAUSIBLE.get(one.name, "1") for one in action.fields}
        for what, value in hostile.VALUES.items():
            status = send(client, "case_act", address, {**others, field.name: value}.items())
            if not is_answered(status):
                faults[code, field.name, what] = status

    assert faults == {}


@pytest.mark.requirement("R140")
def test_no_parameter_of_signing_in_and_setting_up_makes_it_fail(
    at_hand: Arguments, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses of packages: what they do with what is sent is not ours, that they answer is."""
    ada, faults = as_("ada"), {}
    for name, address in theirs(at_hand):
        for client, person in ((ada, "ada"), (Client(), "a stranger")):
            for posts in (False, True):
                names, status = names_of(client, name, address, monkeypatch, posts=posts)
                for what, value in hostile.VALUES.items():
                    for sent in (names, [one for one in names if one in ("next", TO_FIELD_VAR)]):
                        pairs = [(one, value) for one in sent]
                        status = send(client, name, address, pairs, posts=posts)
                        if not is_answered(status):
                            faults[person, f"{name}, {posts=}", what] = status

    assert faults == {}


def theirs(at_hand: Arguments) -> Iterator[tuple[str, str]]:
    """The addresses of packages, each about something that is there where it takes a number."""
    for name, _ in _addresses():
        if not name.startswith(tuple(PREFIXES)):
            continue
        for args in ([], at_hand["connection"], ["1-abc-def"], ["1", "abc-def"], ["auth"]):
            with suppress(NoReverseMatch):
                yield name, reverse(name, args=args)
                break
