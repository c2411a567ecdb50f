"""Who saw personal data: each page that shows who a customer is leaves a row, and no other does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fulfilment.erasing import customer_erase
from fulfilment.models import Customer, Order
from integrator.desk import personal
from integrator.engine import cases
from integrator.engine.states import Trace
from integrator.models import Case, Note, Sighting
from tests.desk import factories
from tests.desk.audits import Reader
from tests.desk.test_access import EXPECTED, OWN, POSTS, PUBLIC, arguments
from tests.engine import rows

pytestmark = pytest.mark.requirement("R040")

__all__ = ["arguments"]  # the walk's addresses: one of everything

ADDRESS = "buyer-100482913@example.com"
SIGNS = ("Lena", "Berg", ADDRESS)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Page = Sighting.Page


def seen() -> list[tuple[str, str, int]]:
    rows = Sighting.objects.order_by("id").values_list("actor", "page", "customer_id")
    return [(actor.removeprefix("user:"), page, customer) for actor, page, customer in rows]


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at)


@pytest.fixture
def case(order: Order, at: datetime) -> Case:
    return factories.case("SYSTEMS_DIFFER", at, order_id=order.pk)


def write_down(case: Case, text: str, at: datetime) -> None:
    cases.note(case, text=text, trace=Trace(at=at, actor="user:carla"), by=None)


def addresses(known: dict[str, list[Any]], case: Case) -> Iterator[tuple[str, str]]:
    """Every page of the desk, and the ways of asking for more of it: (name, address)."""
    for name, verb in sorted(EXPECTED.items()):
        if name in POSTS or verb in (PUBLIC, OWN) or name == "case":
            continue
        yield name, reverse(name, args=["cx"] if name in ("queue", "play") else known.get(name, []))
    yield "case", reverse("case", args=[case.pk])
    yield "queue", f"/queue/finance/?case={case.pk}"
    yield "find", f"/find/?q={ADDRESS}"
    yield "find", "/find/?q=nobody@example.com"
    yield "audit", "/audit/?kind=setting"
    yield "audit", "/audit/?kind=personal"
    yield "order", f"/orders/{case.order_id}/?show=money"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("carla", {"order", "return", "customer", "find", "case"}),
        ("omar", {"order", "return", "customer", "find", "case"}),
        ("fiona", {"order", "return", "customer", "find", "case", "queue"}),
        ("clara", {"order", "return", "customer", "find", "case", "audit"}),
        ("ada", set()),  # their roles see no names, and no notes of cases that are not theirs
        ("otto", set()),
    ],
)
def test_every_page_that_shows_who_a_customer_is_leaves_a_row_and_no_other_does(
    name: str,
    expected: set[str],
    arguments: dict[str, list[Any]],
    at: datetime,
    as_: Callable[[str], Client],
) -> None:
    """Walks all pages of the desk. A note may hold a name as a field does."""
    case = Case.objects.get(pk=arguments["case"][0])
    write_down(case, "Lena Berg called", at)
    customer, client = Order.objects.get(pk=case.order_id).customer_id, as_(name)
    showing = set()

    for page, address in addresses(arguments, case):
        forget_what_was_seen()
        answer = client.get(address)
        shows = names_somebody(answer, address)
        assert bool(seen()) is shows, (page, address)
        assert {(who, of) for who, _, of in seen()} <= {(name, customer)}
        if shows:
            showing.add(page)

    assert showing == expected


@pytest.mark.parametrize(
    ("name", "kind", "shows"),
    [
        ("otto", "SYSTEMS_DIFFER", False),
        ("ada", "SYSTEMS_DIFFER", False),
        ("ada", "EXCHANGE_NO_STOCK", False),
        ("ada", "EXCHANGE_LOCATION_MISSING", True),  # hers to work on
        ("clara", "SYSTEMS_DIFFER", True),
    ],
)
def test_a_note_is_for_who_may_see_customers_and_for_who_works_on_its_case(
    name: str, kind: str, shows: bool, order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    case = factories.case(kind, at, record=("return", rma.pk), order_id=order.pk)
    write_down(case, "Lena Berg called", at)

    for page in (f"/cases/{case.pk}/", f"/orders/{order.pk}/", f"/returns/{rma.pk}/"):
        told = as_(name).get(page).content.decode()
        assert ("Lena Berg called" in told) is shows
        assert (personal.NOTE_COVERED in told) is not shows


def test_everybody_reads_what_they_wrote(
    case: Case, at: datetime, as_: Callable[[str], Client], people: dict[str, User]
) -> None:
    trace = Trace(at=at, actor="user:ada")
    cases.note(case, text="Lena Berg called", trace=trace, by=people["ada"])

    assert "Lena Berg called" in as_("ada").get(f"/cases/{case.pk}/").content.decode()
    assert "Lena Berg called" not in as_("otto").get(f"/cases/{case.pk}/").content.decode()


def names_somebody(answer: Any, address: str) -> bool:
    """Whether an answer says who the customer is. What was typed into the search is not news, but
    whose address it is.
    """
    told = b"".join(answer).decode(errors="replace")
    if address.startswith("/find/"):
        return "/customers/" in told + answer.headers.get("Location", "")
    return any(sign in told for sign in SIGNS)


def forget_what_was_seen() -> None:
    """So that each page of the walk is looked at for the first time."""
    with rows.triggers_asleep():
        Sighting.objects.all()._raw_delete("default")


def test_the_copy_of_the_audit_list_is_kept_too(
    case: Case, order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    write_down(case, "Lena Berg called", at)

    rows_of_clara = Reader(as_("clara")).copy(kind="note")
    rows_of_otto = Reader(as_("otto")).copy(kind="note")

    assert "Lena Berg called" in rows_of_clara[0]["Why"]
    assert "Lena" not in rows_of_otto[0]["Why"]
    assert seen() == [("clara", Page.AUDIT_COPY, order.customer_id)]


def test_an_order_that_comes_back_with_a_mistake_shows_its_customer_again(
    order: Order, as_: Callable[[str], Client]
) -> None:
    answer = as_("carla").post(f"/orders/{order.pk}/goodwill/", {"amount": "x"})

    assert "Lena Berg" in answer.content.decode()
    assert seen() == [("carla", Page.ORDER, order.customer_id)]


# --- One row for a look ---------------------------------------------------------------------------


def test_looking_again_within_a_minute_is_one_look(
    order: Order, as_: Callable[[str], Client], people: dict[str, User]
) -> None:
    """Also by several windows at once: the database keeps it."""
    with time_machine.travel(NOON, tick=False) as clock:
        carla, fiona = as_("carla"), as_("fiona")
        for client in (carla, carla, fiona):
            client.get(f"/orders/{order.pk}/")
        carla.get(f"/customers/{order.customer_id}/")
        clock.move_to(NOON + timedelta(seconds=59))
        carla.get(f"/orders/{order.pk}/")
        clock.move_to(NOON + timedelta(seconds=60))
        carla.get(f"/orders/{order.pk}/")

    assert [row[:2] for row in seen()] == [
        ("carla", Page.ORDER),
        ("fiona", Page.ORDER),
        ("carla", Page.CUSTOMER),
        ("carla", Page.ORDER),
    ]
    with pytest.raises(IntegrityError, match="sighting_once_a_minute"), transaction.atomic():
        Sighting.objects.create(
            customer_id=order.customer_id,
            page=Page.ORDER,
            actor="user:carla",
            at=NOON + timedelta(seconds=30),
        )


@pytest.mark.parametrize("broken", [{"actor": "worker"}, {"page": "ELSEWHERE"}])
def test_only_people_see_and_only_on_pages(broken: dict[str, str], db: None) -> None:
    given = {"customer_id": 1, "page": Page.ORDER, "actor": "user:carla", "at": NOON}

    with pytest.raises(IntegrityError, match="sighting_"), transaction.atomic():
        Sighting.objects.create(**{**given, **broken})


def test_many_customers_at_once_are_one_statement(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(30):
        made = factories.order(f"DE-{number}", at)
        Customer.objects.filter(pk=made.customer_id).update(email=ADDRESS)
        about = factories.case("SYSTEMS_DIFFER", at, record=("order", number), order_id=made.pk)
        write_down(about, "Hello", at)
    client = as_("clara")
    client.get("/audit/")

    for address, page in ((f"/find/?q={ADDRESS}", Page.SEARCH), ("/audit/", Page.AUDIT)):
        forget_what_was_seen()
        with CaptureQueriesContext(database) as asked:
            client.get(address)
        assert [one for _, one, _ in seen()] == [page] * 30
        assert sum('INTO "integrator_sighting"' in one["sql"] for one in asked) == 1
        assert len(asked) <= 15


def test_nothing_of_a_customer_who_is_blank_was_seen(
    order: Order, as_: Callable[[str], Client]
) -> None:
    Customer.objects.update(first_name="", last_name="", email="", reference="")

    as_("carla").get(f"/orders/{order.pk}/")
    as_("carla").get(f"/customers/{order.customer_id}/")

    assert seen() == []


# --- The audit page -------------------------------------------------------------------------------


def test_the_audit_page_lists_who_saw_whom_by_person_and_by_customer(
    order: Order, case: Case, at: datetime, as_: Callable[[str], Client]
) -> None:
    other = factories.order("200", at)
    otto = Reader(as_("otto"))
    as_("carla").get(f"/orders/{order.pk}/")
    as_("carla").get(f"/customers/{other.customer_id}/")
    as_("fiona").get(f"/find/?q={ADDRESS}")

    fiona, customer, first = otto.rows(kind="personal")
    assert "carla saw personal data" in first and "Customer c-100482913" in first
    assert "on an order" in first
    assert "Customer c-200" in customer and "on their own page" in customer
    assert "fiona saw personal data" in fiona and "on a search by e-mail" in fiona
    assert otto.rows(kind="personal", who="carla") == [customer, first]
    mine = [fiona, first]
    assert otto.rows(kind="personal", record="c-100482913") == mine
    assert otto.rows(kind="personal", record="Customer c-100482913") == mine
    assert otto.rows(kind="personal", record="100482913") == mine  # the customer of an order
    assert otto.rows(kind="personal", record=f"C-{case.pk}") == mine  # and of a case
    assert f'href="/customers/{order.customer_id}/"' in otto.html(kind="personal")
    assert len(otto.copy(kind="personal")) == 3


def test_looking_is_no_change(order: Order, as_: Callable[[str], Client]) -> None:
    as_("carla").get(f"/orders/{order.pk}/")

    assert seen()
    assert not any("personal" in row for row in Reader(as_("otto")).rows())


def test_what_was_done_for_a_customer_is_found_by_their_number(
    order: Order, case: Case, at: datetime, as_: Callable[[str], Client]
) -> None:
    write_down(case, "Hello", at)

    [row] = Reader(as_("otto")).rows(record="c-100482913")

    assert f"C-{case.pk}" in row


def test_erasing_a_customer_leaves_nothing_of_them_among_what_was_seen(
    order: Order, case: Case, at: datetime, as_: Callable[[str], Client]
) -> None:
    write_down(case, "Lena Berg called", at)
    as_("clara").get(f"/orders/{order.pk}/")
    as_("clara").get("/audit/")
    assert order.customer is not None

    customer_erase(connection_id=order.connection_id, external_id=str(order.customer.external_id))
    Note.objects.update(text=Note.ERASED)

    kept = list(Sighting.objects.values_list())
    assert len(kept) == 2 and not any(sign in str(kept) for sign in SIGNS)
    html = Reader(as_("clara")).html(kind="personal")
    assert "Customer c-100482913" in html and not any(sign in html for sign in SIGNS)
    as_("clara").get(f"/orders/{order.pk}/?show=people")
    as_("clara").get(f"/cases/{case.pk}/")
    as_("clara").get("/audit/")
    assert Sighting.objects.count() == 2


# --- One home -------------------------------------------------------------------------------------


def test_the_right_to_see_people_is_asked_for_in_one_place() -> None:
    asking = [
        path.name
        for path in (Path(settings.BASE_DIR) / "integrator").rglob("*.py")
        if '"personal.see"' in path.read_text() and path.name != "policy.py"
    ]

    assert asking == [Path(personal.__file__).name]


def test_no_template_reads_a_customer_past_the_place_that_keeps_it() -> None:
    """What reaches a template under this name is ``personal.Shown`` and never the row itself."""
    for path in (Path(settings.BASE_DIR) / "templates").rglob("*.html"):
        for told in re.findall(r"customer\.(\w+)", path.read_text()):
            assert told in personal.Shown.__slots__, (path.name, told)
