"""How each person likes their screens: light or dark, close rows, and the columns of a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime
from html import unescape
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.test import Client

from integrator.desk import columns
from integrator.desk.columns import TABLES
from integrator.models import Case, Connection, Export, SavedView, ScreenChoice
from returns.states import Custody
from tests.desk import factories
from tests.desk.test_saved_views import current, saves, tabs
from tests.desk.test_table_rules import Tables

Signed = Callable[[str], Client]
MINE = "tab=needs&who=me"


def read(client: Client, path: str) -> str:
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def shows(client: Client, table: str, *keys: str, back: str = "/", **more: str) -> HttpResponse:
    """Tick these columns and no others."""
    return client.post(f"/columns/{table}/", {"show": list(keys), "next": back, **more})


def heads(html: str) -> list[str]:
    (table,) = Tables(html).found
    return [head.text for head in table.heads]


# --- Rows and colours -----------------------------------------------------------------------------


def test_close_rows_stay_with_the_person_wherever_they_sign_in(as_: Signed) -> None:
    here, there = as_("fiona"), as_("fiona")
    page = read(here, "/orders/")
    assert "data-rows" not in page
    assert 'aria-label="Put the rows close together"' in page

    answer = here.post("/density/", {"density": "compact", "next": "/orders/"})

    assert answer["Location"] == "/orders/"
    for path in ("/orders/", "/queue/", "/monitors/", "/accounts/2fa/"):
        assert '<html lang="en" data-rows="compact">' in read(there, path)
    assert 'aria-label="Space the rows out"' in read(there, "/orders/")
    assert "data-rows" not in read(as_("frank"), "/orders/")
    here.post("/density/", {"density": "compact"})
    there.post("/density/", {"density": "normal"})
    assert "data-rows" not in read(here, "/orders/")
    assert ScreenChoice.objects.count() == 1


def test_colours_rows_and_columns_do_not_undo_each_other(as_: Signed) -> None:
    client = as_("fiona")

    client.post("/theme/", {"theme": "dark"})
    client.post("/density/", {"density": "compact"})
    shows(client, "orders", "placed")
    shows(client, "steps", "since")

    assert '<html lang="en" data-bs-theme="dark" data-rows="compact">' in read(client, "/orders/")
    kept = ScreenChoice.objects.get()
    assert kept.hidden == {"orders": ["shop", "country", "status"], "steps": ["state"]}


def test_somebody_without_a_role_is_offered_no_button_that_is_refused(as_: Signed) -> None:
    client = as_("nobody")

    assert "/density/" not in client.get("/").content.decode()
    assert client.post("/density/", {"density": "compact"}).status_code == 403
    assert shows(client, "orders").status_code == 403
    assert not ScreenChoice.objects.exists()


def test_a_stranger_keeps_no_colours(client: Client, db: None) -> None:
    assert client.post("/theme/", {"theme": "dark"}).status_code == 302
    assert not ScreenChoice.objects.exists()


def test_the_database_knows_no_third_colour(people: dict[str, User]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ScreenChoice.objects.create(person=people["fiona"], theme="blue")


# --- Columns --------------------------------------------------------------------------------------


def test_a_column_that_was_taken_away_is_gone_and_comes_back(at: datetime, as_: Signed) -> None:
    factories.order("DE-70001", at)
    client = as_("fiona")
    every = ["Order", "Shop", "Country", "Placed", "Status", "Paid", "Refunded"]
    assert heads(read(client, "/orders/")) == every

    answer = shows(client, "orders", "status", back="/orders/?sku=1")
    html = read(client, "/orders/")

    assert answer["Location"] == "/orders/?sku=1"
    assert heads(html) == ["Order", "Status", "Paid", "Refunded"]
    assert "hidden: shop, country, placed" in html
    assert "Order, Paid, Refunded always stay" in html
    (table,) = Tables(html).found
    assert [len(row) for row in table.rows] == [4]
    assert heads(read(as_("frank"), "/orders/")) == every
    shows(client, "orders", do="all")
    assert heads(read(client, "/orders/")) == every


def test_id_title_and_amount_cannot_be_taken_away(at: datetime, as_: Signed) -> None:
    factories.order("DE-70001", at)
    client = as_("fiona")

    shows(client, "orders")
    ScreenChoice.objects.update(hidden={"orders": ["order", "paid", "placed", "no such column"]})

    assert heads(read(client, "/orders/")) == [
        "Order",
        "Shop",
        "Country",
        "Status",
        "Paid",
        "Refunded",
    ]
    assert 'value="paid"' not in read(client, "/orders/")


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_table_keeps_what_names_the_row(table: columns.Table) -> None:
    assert table.columns[0].stays
    assert table.optional
    assert len({one.key for one in table.columns}) == len(table.columns)
    assert all(
        one.stays for one in table.columns if one.head in ("Paid", "Amount", "Money", "Value")
    )


def test_a_table_nobody_knows_has_no_columns_to_choose(as_: Signed) -> None:
    assert shows(as_("fiona"), "nonsense").status_code == 404


def test_every_wide_table_follows_the_choice(at: datetime, as_: Signed) -> None:
    order = factories.order("DE-70001", at)
    connection = order.connection
    factories.case("SYSTEMS_DIFFER", at, order_id=order.pk, connection_id=connection.pk)
    factories.job("restock", at, record=("order", order.pk), order_id=order.pk, to=connection)
    factories.return_of(order, "RMA1", at, reached=Custody.IN_TRANSIT)
    pages = {
        "orders": "/orders/",
        "returns": "/returns/",
        "cases": "/cases/",
        "steps": "/steps/",
        "owed": "/monitors/?show=differ",
        "figure": "/figures/rows/orders-placed/",
        "inbound": "/figures/inbound/units/?stage=&age=",
        "audit": "/audit/",
    }
    client = as_("clara")
    client.post("/audit/copy/")  # something to list
    for key, path in pages.items():
        before = heads(read(client, path))
        shows(client, key)
        after = heads(read(client, path))
        staying = [one.head for one in TABLES[key].columns if one.stays]
        assert after == [head for head in before if head in staying], key
        assert after != before, key


def test_the_copy_of_the_audit_list_has_the_columns_that_are_shown(as_: Signed) -> None:
    client = as_("otto")
    client.post("/audit/copy/")
    shows(client, "audit", "when", "change")

    answer = client.post("/audit/copy/")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    first = next(csv.reader(StringIO(text)))

    assert first == [
        *("Who", "What", "Two people", "Time", "About", "Address", "Before", "After"),
        *("Amount", "Currency"),
    ]
    assert Export.objects.latest("pk").filters == {"without": "why"}


# --- On paper and to take along -------------------------------------------------------------------


def printed(html: str) -> str:
    (said,) = re.findall(r'<p class="printed">([^<]*·[^<]*)</p>', html)
    return str(said)


def test_a_list_says_on_paper_whose_it_is_and_how_it_was_narrowed(
    at: datetime, as_: Signed, returngo: Connection
) -> None:
    order = factories.order("DE-70001", at)
    client = as_("clara")

    for path, says in (
        ("/orders/", "Orders"),
        (f"/orders/?sku={order.items.get().sku_id}", "Orders · 4068-PET-M"),
        ("/steps/?show=stopped&about=refunds", "Steps, the oldest first · stopped, refund steps"),
        (f"/cases/?connection={returngo.pk}", "Open cases · ReturnGO"),
        ("/queue/?who=me&order=oldest", "Controller queue · Not saved, Taken by me"),
        ("/audit/?who=fiona&money=1", "Audit · person fiona, involved money yes"),
        ("/monitors/?show=stalled&stage=RECEIVED", "Stalled · Received"),
        (f"/orders/{order.pk}/", "Order · DE-70001"),
    ):
        said = printed(read(client, path))
        assert f" · {says} · printed " in said, path
        assert said.endswith(" by Clara")


def test_a_list_that_goes_on_says_so_on_paper(at: datetime, as_: Signed) -> None:
    for number in range(51):
        factories.case("SYSTEMS_DIFFER", at, record=("order", number))
    client = as_("fiona")

    assert "The list goes on" in read(client, "/cases/")
    assert "The list goes on" in read(client, "/queue/")
    assert "The list goes on" not in read(client, "/orders/")


def test_the_numbers_people_carry_elsewhere_can_be_copied(at: datetime, as_: Signed) -> None:
    order = factories.order("DE-70001", at)
    factories.return_of(order, "RMA1", at)
    case = factories.case("SYSTEMS_DIFFER", at, order_id=order.pk)
    client = as_("fiona")
    sku = order.items.get().sku
    parcel = order.shipments.get()

    for path, numbers in (
        (
            f"/orders/{order.pk}/",
            ["DE-70001", "RMA1", sku.code, parcel.tracking],
        ),
        (f"/skus/{sku.pk}/", [sku.code]),
        (f"/cases/{case.pk}/", [f"C-{case.pk}"]),
    ):
        html = read(client, path)
        for number in numbers:
            # Without a script nobody sees a button that does nothing.
            assert re.search(rf'<button [^>]*hidden data-copy="{re.escape(number)}"', html), number


# --- Columns of a queue and its views -------------------------------------------------------------


@pytest.fixture
def case(at: datetime, people: dict[str, User], returngo: Connection) -> Case:
    made = factories.case("SYSTEMS_DIFFER", at, connection_id=returngo.pk)
    Case.objects.filter(pk=made.pk).update(assignee=people["fiona"])
    return made


def row(html: str) -> str:
    (found,) = re.findall(r'<a class="q-row.*?</a>', html, re.DOTALL)
    return re.sub(r"<[^>]*>", " ", str(found))


def test_a_queue_shows_less_of_each_case_for_whoever_wants_it(case: Case, as_: Signed) -> None:
    client = as_("fiona")
    before = row(read(client, "/queue/"))
    assert "RG" in before
    assert "fiona" in before.lower()

    shows(client, "queue", "due")
    after = row(read(client, "/queue/"))

    assert "RG" not in after
    assert "fiona" not in after.lower()
    assert f"C-{case.pk}" in after
    assert current(read(client, "/queue/")) == "Needs us"
    assert "RG" in row(read(as_("frank"), "/queue/"))


def test_a_view_keeps_its_columns_and_says_when_they_were_changed(case: Case, as_: Signed) -> None:
    client = as_("fiona")
    shows(client, "queue", "due", "who")
    saves(client, "My ones", "tab=needs&who=me")
    view = SavedView.objects.get()
    assert view.query == "tab=needs&who=me&hide=platform.seen.age.step"
    link = f"/queue/finance/?{view.query}&view={view.pk}"

    shows(client, "queue", do="all")  # what the person usually has
    assert "RG" not in row(read(client, link))

    answer = shows(client, "queue", "platform", "who", back=link, **{"in": "address"})
    html = read(client, answer["Location"])
    assert "RG" in row(html)
    assert tabs(html)["My ones"] == "1 · changed"
    assert "and have not saved it" in html
    assert ScreenChoice.objects.get().hidden == {"queue": []}

    found = re.search(r'name="query" value="([^"]*)"><button[^>]*value="change"', html)
    assert found is not None
    client.post(f"/queue/views/{view.pk}/", {"do": "change", "query": found[1]})
    view.refresh_from_db()
    assert view.query == "tab=needs&who=me&hide=seen.age.due.step"
    assert current(read(client, answer["Location"])) == "My ones"


def test_filters_leave_the_columns_of_a_view_as_they_are(case: Case, as_: Signed) -> None:
    client = as_("fiona")
    html = read(client, "/queue/finance/?tab=needs&who=me&hide=platform")

    assert '<input type="hidden" name="hide" value="platform">' in html
    assert "hide=platform" in re.findall(r'href="([^"]*)">Remove all filters', html)[0]


def test_two_views_may_differ_in_their_columns_alone(case: Case, as_: Signed) -> None:
    client = as_("fiona")
    saves(client, "All of it", f"{MINE}&hide=none")
    saves(client, "Short", f"{MINE}&hide=due")
    again = saves(client, "Once more", f"{MINE}&hide=due")

    assert current(read(client, f"/queue/finance/?{MINE}&hide=due")) == "Short"
    assert current(read(client, f"/queue/finance/?{MINE}")) == "All of it"
    assert "Your view “Short” shows exactly this already" in unescape(again.content.decode())


def test_an_address_hides_nothing_that_must_stay(case: Case, as_: Signed) -> None:
    html = read(as_("fiona"), "/queue/finance/?hide=case.amount.%00.x&who=me")

    assert f"C-{case.pk}" in row(html)
