"""The box for scanned numbers: the case that waits is opened, else the record, else it says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape

import pytest
from django.test import Client

from fulfilment.models import Order
from integrator.desk import scanned
from integrator.models import Case
from returns.models import Return, ReturnItem
from tests.desk import factories

As = Callable[[str], Client]
ORDER, RMA, SKU = "100482913", "RMA3271840", "4068-PET-M"


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order(ORDER, at)


@pytest.fixture
def returned(order: Order, at: datetime) -> Return:
    return factories.return_of(order, RMA, at)


@pytest.fixture
def unit_case(returned: Return, at: datetime) -> Case:
    """Operations' case about the unit."""
    unit = ReturnItem.objects.get(return_record=returned)
    return factories.case("RESTOCK_FAILED", at, record=("return_item", unit.pk))


def scan(client: Client, text: str) -> tuple[int, str]:
    """The status, and the address it leads to or the page."""
    answer = client.get("/find/", {"q": text, "scan": "1"})
    return answer.status_code, answer.get("Location") or unescape(answer.content.decode())


@pytest.mark.requirement("R011")
@pytest.mark.parametrize("text", [SKU, RMA, f" {SKU}\t", f"]C1{SKU}", f"*{SKU}*", f"%{RMA}"])
def test_the_open_case_of_a_unit_is_opened_by_what_is_on_its_label(
    text: str, unit_case: Case, as_: As
) -> None:
    assert scan(as_("omar"), text) == (302, f"/cases/{unit_case.pk}/")


@pytest.mark.parametrize("text", [ORDER, "REF-100482913", "JJD100482913", "JJD 1004 8291 3"])
def test_numbers_of_an_order_lead_to_the_case_about_it(
    text: str, order: Order, at: datetime, as_: As
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at, order_id=order.pk)

    assert scan(as_("fiona"), text) == (302, f"/cases/{case.pk}/")
    status, where = scan(as_("omar"), text)
    assert (status, where) == (302, f"/orders/{order.pk}/"), "a case of finance waits for finance"


def test_without_a_case_the_record_is_opened(order: Order, returned: Return, as_: As) -> None:
    omar = as_("omar")

    assert scan(omar, RMA)[1] == f"/returns/{returned.pk}/"
    assert scan(omar, SKU)[1].startswith("/skus/")
    assert scan(omar, "JJD100482913")[1] == f"/orders/{order.pk}/"


def test_a_unit_of_no_article_of_ours_is_found_by_what_the_platform_called_it(
    returned: Return, order: Order, at: datetime, as_: As
) -> None:
    """Its label holds a code that is nowhere in our catalogue: all there is of it is the return."""
    unit = ReturnItem.objects.get(return_record=returned)
    ReturnItem.objects.filter(pk=unit.pk).update(sku=None, sku_code="OUTLET-77")
    omar, carla = as_("omar"), as_("carla")

    assert scan(omar, "*OUTLET-77*") == (302, f"/returns/{returned.pk}/")
    case = factories.case("UNIT_NOT_BOUGHT", at, record=("return_item", unit.pk))
    assert scan(carla, "OUTLET-77") == (302, f"/cases/{case.pk}/")
    assert scan(carla, SKU)[1].startswith("/skus/"), "the article is about its own units alone"


def test_a_case_about_the_whole_return_is_found_by_such_a_unit_too(
    returned: Return, at: datetime, as_: As
) -> None:
    ReturnItem.objects.filter(return_record=returned).update(sku=None, sku_code="OUTLET-77")
    case = factories.case("RETURN_ORDER_UNKNOWN", at, record=("return", returned.pk))

    assert scan(as_("carla"), "OUTLET-77") == (302, f"/cases/{case.pk}/")


def test_a_case_number_opens_the_case_whosever_it_is(at: datetime, as_: As) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)

    assert scan(as_("omar"), f"c-{case.pk}") == (302, f"/cases/{case.pk}/")


def test_several_are_a_short_list_with_the_unit_first_for_operations(
    unit_case: Case, order: Order, at: datetime, as_: As
) -> None:
    whole = factories.case("ORDER_NOT_READ", at, record=("order", order.pk), order_id=order.pk)
    Case.objects.filter(pk=whole.pk).update(due_at=at)  # due before the unit's
    Case.objects.filter(pk=unit_case.pk).update(order_id=order.pk)

    status, page = scan(as_("omar"), ORDER)

    assert status == 200
    found = re.findall(r'<th scope="row"><a class="id" href="([^"]+)"', page)
    assert found[:2] == [f"/cases/{unit_case.pk}/", f"/cases/{whole.pk}/"]
    assert f"/orders/{order.pk}/" in found


def test_where_nothing_fits_it_says_so_and_keeps_what_was_typed(order: Order, as_: As) -> None:
    status, page = scan(as_("omar"), "4068-PET")

    assert status == 200
    assert "Nothing fits “4068-PET”" in page
    assert re.search(r'id="scan" name="q" value="4068-PET"[^>]*autofocus', page)


def test_the_box_is_on_the_queue_and_on_today(as_: As) -> None:
    for path in ("/", "/queue/"):
        assert re.search(
            r"<form class=\"scan\"[^>]*data-scan", as_("omar").get(path).content.decode()
        )


def test_what_was_handed_over_is_found_by_who_has_it(order: Order, at: datetime, as_: As) -> None:
    case = factories.case("SYSTEMS_DIFFER", at, order_id=order.pk)
    Case.objects.filter(pk=case.pk).update(handed_to="OPERATIONS")

    assert scan(as_("omar"), ORDER) == (302, f"/cases/{case.pk}/")


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("]C100340434123456789012", "340434123456789012"),
        ("(00)340434123456789012", "340434123456789012"),
        ("JJD\x1d0003", "JJD0003"),
        ("]E04006381333931", "4006381333931"),
        ("*AB-1*", "AB-1"),
        ("AB-1", "AB-1"),
    ],
)
def test_what_stands_around_a_number_is_left_out(read: str, meant: str) -> None:
    assert meant in scanned.spellings(read)


def test_a_number_is_never_shortened_otherwise() -> None:
    assert scanned.spellings("00-AB*1") == ["00-AB*1"]
    assert scanned.spellings("") == []
