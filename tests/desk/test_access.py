"""A closed world: every address is listed here with who may open it. An unlisted one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from integrator import policy
from integrator.engine import bulks, mapping_files
from integrator.engine.states import Trace, move
from integrator.models import JobState
from integrator.roles import Role
from tests.desk import factories

PUBLIC = "public"
OWN = "own session"
SETUP = "configuration.change"

# Address name → verb, or PUBLIC. Prefixes end with a colon or an underscore.
EXPECTED = {
    "home": "queue.see",
    "own_queue": "queue.see",
    "queue": "queue.see",
    "play": "case.work",  # whose queue, the view itself decides
    "view_save": "queue.see",  # one's own; a team's takes team_view.keep, and one of the team
    "view_change": "queue.see",  # the same
    "my_alerts": "queue.see",  # one's own
    "my_alerts_save": "queue.see",
    "my_keys": "queue.see",  # one's own
    "my_keys_save": "queue.see",
    "shortcuts": "queue.see",
    "case": "case.see",
    "cases": "case.see",
    "case_act": "case.see",
    "case_assign": "case.work",
    "case_hand_over": "case.work",
    "case_here": "case.work",
    "case_note": "case.work",
    "case_skip": "case.work",
    "case_snooze": "case.work",
    "case_solve": "case.work",
    "case_undo": "case.work",
    "case_wake": "case.work",
    "case_agree": "approval.decide",
    "case_take_back": "case.work",  # who asked, the view itself decides
    "case_cancel": "case.work",
    "bulk_prepare": "case.work",
    "bulks": "case.see",
    "bulk": "case.see",
    "bulk_rows": "case.see",
    "bulk_file": "case.see",
    "bulk_start": "case.work",
    "bulk_go_on": "case.work",
    "bulk_cancel": "case.work",
    "bulk_take_back": "case.work",
    "orders": "order.see",
    "order": "order.see",
    "order_goodwill": "goodwill.ask",
    "order_read": "record.read_again",
    "returns": "order.see",
    "return": "order.see",
    "return_read": "record.read_again",
    "customer": "order.see",
    "sku": "order.see",
    "off_sale": "order.see",
    "find": "order.see",
    "monitors": "order.see",
    "connections": "connection.see",
    "figures": "figures.see",
    "figure": "figures.see",
    "figures_file": "figures.see",
    "inbound": "figures.see",
    "inbound_file": "figures.see",
    "inbound_units": "figures.see",
    "manual": "case.see",
    "manual_cases": "case.see",
    "manual_owners": "case.see",
    "stages": "figures.see",
    "stages_file": "figures.see",
    "by_hand": "figures.see",
    "by_hand_rows": "figures.see",
    "by_hand_file": "figures.see",
    "skips": "figures.see",
    "skips_rows": "figures.see",
    "mappings": "mapping.see",
    "people": "people.see",
    "person": "people.see",
    "person_ask": "people.change",
    "person_leave": "people.change",
    "person_unlink": "people.change",
    "person_answer": "people.agree",
    "review": "people.see",
    "review_decide": "people.review",
    "audit": "audit.see",
    "audit_copy": "audit.see",
    "mapping_save": "mapping.see",  # who may answer which word, its own view decides
    "mapping_agree": "mapping.change",
    "mapping_try": "mapping.see",
    "mapping_files": "mapping.see",
    "mapping_take": "mapping.see",
    "mapping_bring": "mapping.change",
    "mapping_file": "mapping.see",
    "mapping_confirm": "mapping.change",
    "mapping_cancel": "mapping.change",
    "mapping_answer": "mapping.change",
    "mapping_plan_answer": "mapping.change",
    "mapping_plan_withdraw": "mapping.see",  # who made it, or who may change meanings
    "connection": "connection.see",
    "connection_history": "connection.see",
    "connection_switch": "connection.change",
    "connection_plan": "connection.change",
    "window_cancel": "connection.change",
    "incident_note": "connection.note",
    "connection_try": "connection.try",
    "steps": "connection.see",
    "theme": OWN,
    "density": "queue.see",  # one's own
    "columns": "queue.see",  # one's own
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "metrics": PUBLIC,
    # No person's page: it asks for the platform's own key (tests/journeys/test_partner.py).
    "partner_returngo_order": PUBLIC,
}
PREFIXES = {"account_": PUBLIC, "mfa_": PUBLIC, "admin:": SETUP}
POSTS = {name for name in EXPECTED if name.startswith("case_")} | {
    "audit_copy",
    "bulk_cancel",
    "bulk_go_on",
    "bulk_prepare",
    "bulk_start",
    "bulk_take_back",
    "columns",
    "connection_plan",
    "connection_switch",
    "connection_try",
    "density",
    "incident_note",
    "mapping_agree",
    "mapping_answer",
    "mapping_bring",
    "mapping_cancel",
    "mapping_confirm",
    "mapping_plan_answer",
    "mapping_plan_withdraw",
    "mapping_save",
    "my_alerts_save",
    "my_keys_save",
    "order_goodwill",
    "order_read",
    "person_answer",
    "person_ask",
    "person_leave",
    "return_read",
    "person_unlink",
    "review_decide",
    "view_change",
    "view_save",
    "window_cancel",
}


def _addresses() -> Iterator[tuple[str, URLPattern]]:
    """Every address of the product by its full name."""

    def walk(
        patterns: list[URLPattern | URLResolver], space: str
    ) -> Iterator[tuple[str, URLPattern]]:
        for one in patterns:
            if isinstance(one, URLResolver):
                inner = f"{space}{one.namespace}:" if one.namespace else space
                yield from walk(one.url_patterns, inner)
            else:
                yield f"{space}{one.name or one.pattern}", one

    yield from walk(get_resolver().url_patterns, "")


def _listed(name: str) -> str | None:
    if name in EXPECTED:
        return EXPECTED[name]
    return next((verb for prefix, verb in PREFIXES.items() if name.startswith(prefix)), None)


def test_every_address_is_listed_here() -> None:
    unlisted = [name for name, _ in _addresses() if _listed(name) is None]

    assert unlisted == []


def test_every_listed_address_exists() -> None:
    names = {name for name, _ in _addresses()}

    assert set(EXPECTED) <= names


def test_every_view_of_the_desk_asks_for_the_listed_verb() -> None:
    """The door is on the view itself, not on the link that leads to it."""
    for name, pattern in _addresses():
        verb = _listed(name)
        if verb in (PUBLIC, OWN) or name.startswith("admin:"):
            continue
        assert getattr(pattern.callback, "verb", None) == verb, name


@pytest.fixture
def arguments(at: datetime, people: dict[str, User]) -> dict[str, list[object]]:
    connection = factories.connection()
    order = factories.order("100482913", at)
    rma = factories.return_of(order, "RMA1", at)
    case = factories.case("SYSTEMS_DIFFER", at, order_id=order.pk)
    job = factories.job("restock", at, record=("case", case.pk), state=JobState.DUE)
    file = mapping_files.prepare([], name="words.csv", by=people["omar"], trace=factories.trace(at))
    move(file, "state", "DONE", reason="", trace=factories.trace(at), confirmed_at=at)
    many = factories.bulk(people["fiona"], at, [case])
    bulks.start(many, data={}, note="", trace=Trace(at=at, actor="user:fiona"))
    return {
        "bulk": [many.pk],
        "bulk_cancel": [many.pk],
        "bulk_go_on": [many.pk],
        "bulk_prepare": ["cx"],
        "bulk_rows": [many.pk],
        "bulk_file": [many.pk],
        "bulk_start": [many.pk],
        "bulk_take_back": [many.pk],
        "queue": [],
        "columns": ["orders"],
        "case": [case.pk],
        "case_act": [case.pk, "not_an_error"],
        "case_agree": [case.pk, 1],
        "case_take_back": [case.pk, 1],
        "case_cancel": [case.pk, job.pk],
        "case_undo": [case.pk, 1],
        "order": [order.pk],
        "customer": [order.customer_id],
        "sku": [order.items.get().sku_id],
        "order_goodwill": [order.pk],
        "order_read": [order.pk],
        "return": [rma.pk],
        "return_read": [rma.pk],
        "connection": [connection.pk],
        "connection_history": [connection.pk],
        "connection_switch": [connection.pk],
        "connection_plan": [connection.pk],
        "window_cancel": [1],
        "incident_note": [1],
        "connection_try": [connection.pk],
        "figure": ["orders-placed"],
        "figures_file": ["orders"],
        "mapping_agree": [1],
        "mapping_answer": [file.pk],
        "mapping_cancel": [file.pk],
        "mapping_confirm": [file.pk],
        "mapping_file": [file.pk],
        "mapping_plan_answer": [1],
        "mapping_plan_withdraw": [1],
        "person": [User.objects.get(username="carla").pk],
        "person_answer": [1],
        "review": [factories.review(at).pk],
        "review_decide": [1],
        "person_ask": [User.objects.get(username="carla").pk],
        "person_leave": [User.objects.get(username="carla").pk],
        "person_unlink": [User.objects.get(username="carla").pk],
        "mapping_save": [],
        "view_change": [1],
        "view_save": ["cx"],
    } | {
        name: [case.pk]
        for name in POSTS - {"case_act", "case_agree", "case_take_back", "case_cancel", "case_undo"}
        if name.startswith("case_")
    }


@pytest.mark.parametrize("name", sorted(set(EXPECTED)))
def test_each_role_gets_what_the_policy_says(
    name: str, arguments: dict[str, list[object]], as_: Callable[[str], Client]
) -> None:
    verb = EXPECTED[name]
    if verb in (PUBLIC, OWN):
        return
    if name in ("queue", "play"):  # its own role's: the cross looks are tested with the queue
        address = reverse("own_queue")
    else:
        address = reverse(name, args=arguments.get(name, []))
    for person, role in (
        ("carla", Role.CX),
        ("omar", Role.OPERATIONS),
        ("fiona", Role.FINANCE),
        ("clara", Role.CONTROLLER),
        ("ada", Role.ADMIN),
        ("otto", Role.AUDITOR),
    ):
        client = as_(person)
        if name == "play":  # each in their own queue
            address = reverse(name, args=[role.value.lower()])
        response = client.post(address) if name in POSTS else client.get(address)
        refused_by_verb = role not in policy.VERBS[verb]
        if refused_by_verb:
            assert response.status_code == 403, (name, role)
        elif name not in POSTS:
            assert response.status_code in (200, 302), (name, role)


@pytest.mark.parametrize("name", sorted(set(EXPECTED)))
def test_strangers_are_sent_to_the_sign_in_page(
    name: str, arguments: dict[str, list[object]]
) -> None:
    if EXPECTED[name] in (PUBLIC, OWN):
        return
    args = ["cx"] if name in ("queue", "play") else arguments.get(name, [])
    address = reverse(name, args=args)
    client = Client()

    response = client.post(address) if name in POSTS else client.get(address)

    assert response.status_code == 302
    assert response.url.startswith("/accounts/login/?next=")


def test_a_superuser_without_a_role_is_refused_like_anyone(db: None) -> None:
    """`has_perm` is never asked (R: verbs)."""
    boss = factories.person("boss", is_superuser=True, is_staff=True)
    client = Client()
    client.force_login(boss)

    assert client.get("/").status_code == 403
    assert client.get("/orders/").status_code == 403
    assert client.get("/admin/", follow=True).status_code == 403


def test_somebody_without_a_role_is_told_whom_to_ask(as_: Callable[[str], Client]) -> None:
    response = as_("nobody").get("/")

    assert response.status_code == 403
    html = response.content.decode()
    assert "Ask an integration admin" in html
    assert "Sign out" in html
    # That way leads here again; for others it does not.
    assert "Back to your work" not in html
    assert "Back to your work" in as_("carla").get("/audit/").content.decode()


def test_a_person_who_left_loses_every_page(
    people: dict[str, object], as_: Callable[[str], Client]
) -> None:
    client = as_("fiona")
    fiona = people["fiona"]
    fiona.is_active = False  # type: ignore[attr-defined]
    fiona.save()  # type: ignore[attr-defined]

    assert client.get("/").status_code == 302
