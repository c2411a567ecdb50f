"""Every address by every method, every button of every case by every role in every state.

What may happen is what the policy says, and nothing else: whoever is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, reverse

from integrator import policy
from integrator.engine import cases
from integrator.engine.states import Trace
from integrator.flows import CASE_KINDS
from integrator.models import Case, CaseEvent, CaseState, JobState
from integrator.roles import Role
from tests.desk import factories
from tests.desk.test_access import EXPECTED, OWN, POSTS, PUBLIC

PERSON_OF = {
    "carla": Role.CX,
    "omar": Role.OPERATIONS,
    "fiona": Role.FINANCE,
    "clara": Role.CONTROLLER,
    "ada": Role.ADMIN,
    "otto": Role.AUDITOR,
    "nobody": None,
}
STATES = ("open", "snoozed", "solved", "at work")
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def clients(as_: Callable[[str], Client], boss: Client) -> dict[str, Client]:
    """Everybody signed in; ``boss`` is a superuser with no role."""
    return {name: as_(name) for name in PERSON_OF} | {"boss": boss}


@pytest.fixture
def boss(db: None) -> Client:
    client = Client()
    client.force_login(factories.person("boss", is_superuser=True, is_staff=True))
    return client


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(EXPECTED)))
def test_an_address_answers_no_other_method_than_its_own(
    name: str, clients: dict[str, Client], at: datetime
) -> None:
    if EXPECTED[name] in (PUBLIC, OWN):
        return
    address = _address(name, factories.case("SYSTEMS_DIFFER", at))
    before = _written()
    for person, client in clients.items():
        for method in METHODS:
            if method == ("post" if name in POSTS else "get"):
                continue
            answer = getattr(client, method)(address)
            assert answer.status_code in (403, 405), (name, person, method)
    assert _written() == before


def _address(name: str, case: Case) -> str:
    """The address about this case, whatever numbers it takes."""
    for numbers in ([], [case.pk], [case.pk, 1], [case.pk, "not_an_error"], ["cx"]):
        try:
            return reverse(name, args=numbers)
        except NoReverseMatch:
            continue
    raise AssertionError(f"{name} takes something else")


def _written() -> tuple[int, int]:
    return CaseEvent.objects.count(), Case.objects.exclude(state=CaseState.SOLVED).count()


# --- buttons -------------------------------------------------------------------------------------


def _cases_of(code: str, at: datetime) -> Iterator[tuple[str, Case]]:
    """One case of the kind in each state it can be found in."""
    trace = Trace(at=at, actor="test")
    for number, state in enumerate(STATES):
        job = None
        if state == "at work":
            job = factories.job("restock", at, record=("return", number), state=JobState.RUNNING)
        case = factories.case(code, at, record=("order", number + 1), job_id=job and job.pk)
        if state == "snoozed":
            tomorrow = at + timedelta(days=1)
            cases.snooze(case, until=tomorrow, awaiting="", trace=trace, note="later")
        elif state == "solved":
            cases.solve(case, resolution=Case.Resolution.BY_ITSELF, trace=trace, reason="gone")
        yield state, Case.objects.get(pk=case.pk)


@pytest.mark.requirement("R140")
@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_only_the_roles_of_the_policy_press_a_button_whatever_the_case_is_in(
    code: str, clients: dict[str, Client], people: dict[str, User], at: datetime
) -> None:
    kind = CASE_KINDS[code]
    for state, case in _cases_of(code, at):
        for action in kind.actions:
            address = reverse("case_act", args=[case.pk, action.key])
            for person, client in clients.items():
                role = PERSON_OF.get(person)
                may = role is not None and policy.may_act(kind, action, frozenset({role}))
                before = case.events.count()
                answer = client.post(address)
                where = (code, action.key, state, person)
                if not may:
                    assert answer.status_code == 403, where
                elif state == "solved":
                    assert answer.status_code in (409, 422), where
                else:  # taken; or somebody else was first; or its fields are missing
                    assert answer.status_code in (302, 409, 422), where
                if answer.status_code != 302:
                    assert case.events.count() == before, where
