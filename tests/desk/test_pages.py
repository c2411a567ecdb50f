"""What holds for every page: no inline code, named parts, one heading, sign-in with its errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client, override_settings

from finance.states import RefundStatus
from integrator.models import Connection
from tests.desk import factories

PAGES = (
    "/",
    "/queue/",
    "/queue/?case={case}&do=fixed_there",
    "/cases/{case}/?do=solve",
    "/cases/{case}/?do=snooze",
    "/cases/{case}/?do=note",
    "/cases/?connection=1",
    "/orders/",
    "/off-sale/",
    "/orders/{order}/",
    "/returns/",
    "/returns/{rma}/",
    "/customers/{customer}/",
    "/skus/{sku}/",
    "/find/?q=4068",
    "/connections/?switch={connection}",
    "/steps/",
    "/accounts/2fa/",
    "/accounts/logout/",
    "/accounts/password/change/",
    "/nothing/here/",
)


class Page(HTMLParser):
    """Collects what the rules below look at."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.headings: list[str] = []
        self.tables = self.captions = 0
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str | None]] = []
        self.heads_without_scope = 0
        self.ids: list[str] = []
        self.foreign: list[str] = []
        self.posts = self.tokens = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "style" in given or any(name.startswith("on") for name in given):
            self.inline.append(f"<{tag} {given}>")
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(f"<{tag}>")
        if tag == "h1":
            self.headings.append(tag)
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.heads_without_scope += tag == "th" and "scope" not in given
        if tag == "label" and given.get("for"):
            self.labelled.add(str(given["for"]))
        if tag in ("input", "select", "textarea") and given.get("type") not in ("hidden", "submit"):
            self.fields.append(given)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        address = given.get("src") or (given.get("href") if tag == "link" else "")
        if address and re.match(r"(https?:)?//", address):
            self.foreign.append(address)
        self.posts += tag == "form" and (given.get("method") or "").lower() == "post"
        self.tokens += given.get("name") == "csrfmiddlewaretoken"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_keeps_the_rules(
    path: str, at: datetime, scayle: Connection, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    order = factories.order("100482913", at)
    rma = factories.return_of(order, "RMA1", at)
    factories.refund_of(rma, at, status=RefundStatus.IN_DOUBT)
    factories.stream(scayle, "order", swept_at=at - timedelta(minutes=1))
    factories.rate(scayle, at)
    factories.heartbeat(at)
    case = factories.case("SYSTEMS_DIFFER", at, order_id=order.pk, connection_id=returngo.pk)
    client = as_("ada" if "switch" in path else "fiona")

    records = {"customer": order.customer_id, "sku": order.items.get().sku_id}
    records["rma"] = rma.pk
    path = path.format(case=case.pk, order=order.pk, connection=scayle.pk, **records)
    response = client.get(path)

    page = Page(response.content.decode())
    assert response.status_code == (404 if "nothing" in path else 200)
    assert page.inline == []
    assert page.foreign == []
    assert page.headings == ["h1"]
    assert page.tables == page.captions
    assert page.heads_without_scope == 0
    unlabelled = [one for one in page.fields if one.get("id") not in page.labelled]
    assert unlabelled == []
    assert len(page.ids) == len(set(page.ids))
    assert page.posts == page.tokens
    assert 'href="#main"' in response.content.decode()
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/customers/{customer}/", "Orders"),
        ("/cases/", "Connections"),
        ("/steps/?show=stopped", "Connections"),
        ("/many/", "Queue"),
    ],
)
def test_a_page_without_an_entry_is_found_under_the_one_its_crumb_names(
    path: str, entry: str, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    order = factories.order("100482913", at)
    path = path.format(customer=order.customer_id)

    html = as_("omar").get(path).content.decode()

    nav = html.split('aria-label="Main"')[1].split("</nav>")[0]
    assert re.findall(r'aria-current="page">.*?</svg>([^<]+)', nav) == [entry]


def test_sign_in_names_what_is_wrong_and_keeps_the_name(client: Client, db: None) -> None:
    factories.person("fiona", "FINANCE")

    wrong = client.post("/accounts/login/", {"login": "fiona", "password": "no"})
    empty = client.post("/accounts/login/", {"login": "", "password": ""})

    html = wrong.content.decode()
    assert 'role="alert"' in html
    assert 'value="fiona"' in html
    assert 'value="no"' not in html
    assert empty.content.decode().count("field-error") == 2
    assert Page(html).inline == []


def test_signing_in_leads_to_the_page_that_was_asked_for(client: Client, db: None) -> None:
    factories.person("fiona", "FINANCE")
    first = client.get("/orders/")

    response = client.post(
        first.url, {"login": "fiona", "password": factories.PASSWORD, "next": "/orders/"}
    )

    assert response.url == "/orders/"


def test_the_choice_of_light_or_dark_stays_and_leads_back(as_: Callable[[str], Client]) -> None:
    client = as_("fiona")
    assert "data-bs-theme" not in client.get("/orders/").content.decode()

    response = client.post("/theme/", {"theme": "dark", "next": "/orders/"})

    assert response.url == "/orders/"
    assert '<html lang="en" data-bs-theme="dark">' in client.get("/orders/").content.decode()
    client.post("/theme/", {"theme": "javascript:alert(1)"})
    assert "data-bs-theme" not in client.get("/orders/").content.decode()


def test_every_write_needs_a_proof_of_origin(at: datetime, as_: Callable[[str], Client]) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    inner = as_("fiona")
    client = Client(enforce_csrf_checks=True)
    client.cookies = inner.cookies

    response = client.post(f"/cases/{case.pk}/note/", {"note": "x"})

    assert response.status_code == 403
    assert not case.events.filter(kind="NOTED").exists()
    html = response.content.decode()
    assert "<h1>This form is too old</h1>" in html
    assert "Go back, load the page again, and press the button once more." in html
    assert ">Back to your work</a>" in html and "Not for you" not in html


def test_a_form_that_is_too_old_is_told_so_to_who_is_not_signed_in(db: None) -> None:
    client = Client(enforce_csrf_checks=True)

    response = client.post("/accounts/login/", {"login": "fiona", "password": "no"})

    html = response.content.decode()
    assert response.status_code == 403
    assert "This form is too old" in html and "You are not signed in now" in html
    assert 'href="/">Sign in</a>' in html and "Sign out" not in html
    assert Page(html).inline == [] and Page(html).headings == ["h1"]
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/cases/1/act/try_again/", "/cases/1/note/", "/theme/", "/my-keys/save/"]
)
def test_reading_an_address_that_writes_is_refused(path: str, as_: Callable[[str], Client]) -> None:
    assert as_("fiona").get(path).status_code == 405


@override_settings(DEBUG=False)
def test_a_fault_of_ours_is_a_page_in_plain_words(
    as_: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_("fiona")
    client.raise_request_exception = False

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("integrator.desk.order.Order.objects.select_related", broken)
    response = client.get("/orders/")

    html = response.content.decode()
    assert response.status_code == 500
    assert "Something broke on our side" in html
    assert "secret detail" not in html


@pytest.mark.parametrize(
    "after",
    ["9999-12-31T23:59:59-12:00_1", "2026-01-01T00:00:00+00:00_99999999999999999999", "x_y", "_"],
)
def test_a_key_that_means_nothing_shows_the_first_page(
    after: str, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.order("DE-70001", at)

    answer = as_("omar").get("/orders/", {"after": after})

    assert answer.status_code == 200
    assert "DE-70001" in answer.content.decode()
