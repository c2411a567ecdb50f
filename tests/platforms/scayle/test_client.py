"""What leaves for SCAYLE, byte for byte, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from fulfilment.shapes import Billing
from integrator.engine.errors import Malformed, Misconfigured, Refused, Unknown
from integrator.engine.shapes import Limit
from integrator.platforms.scayle.client import ReturnedUnit, Scayle
from integrator.platforms.scayle.dialect import DIALECT

Body = Callable[[str, str], Any]
ORDERS = "/shops/nb/countries/DE/orders"
SETTINGS = {"shop_key": "nb", "country_code": "DE"}
CEST = timezone(timedelta(hours=2))
AT = datetime(2026, 10, 20, 11, 5, 0, 7_999, tzinfo=CEST)


def scayle(http: Any, **more: str) -> Scayle:
    return Scayle(http, SETTINGS | more)


def page(rows: list[Any], cursor: str | None = None) -> dict[str, Any]:
    return {"entities": rows, "cursor": {"next": cursor}}


def test_an_order_is_read_with_its_custom_data(http: Any, body: Body) -> None:
    order = scayle(http.answer(body("scayle", "order"))).order("70412")
    assert order.external_id == "70412"
    assert http.sent == [("GET", f"{ORDERS}/70412", {"with": "legacyCustomData"})]
    assert http.scopes == ["ordersRead"]


def test_another_order_than_the_one_asked_for_is_refused(http: Any, body: Body) -> None:
    with pytest.raises(Malformed, match="not the order asked for"):
        scayle(http.answer(body("scayle", "order"))).order("1")


@pytest.mark.requirement("R010")
def test_a_sweep_reads_every_page_and_keeps_what_a_bad_row_would_hide(
    http: Any, body: Body
) -> None:
    good, bad = body("scayle", "order"), body("scayle", "order")
    del bad["items"][0]["price"]
    later = {**good, "id": 70413}
    http.answer(page([good, bad], "Mgo="), page([later]))

    read = list(scayle(http).orders_updated_since(AT))

    assert [[seen.external_id for seen in one.rows] for one in read] == [["70412"], ["70413"]]
    assert read[0].unreadable == {"70412": "entities[1].items[0].price is missing"}
    assert [one.following for one in read] == ["Mgo=", ""]
    first, second = (params for _, _, params in http.sent)
    assert first == {
        "limit": "100",
        "filters[minUpdatedAt]": "2026-10-20T09:05:00+00:00",
        "with": "legacyCustomData",
    }
    assert second == {**first, "cursor": "Mgo="}


def test_a_list_is_read_on_from_where_it_was_left(http: Any, body: Body) -> None:
    http.answer(page([body("scayle", "order")]))
    (read,) = scayle(http).orders_updated_since(AT, after="Mgo=")
    assert len(read.rows) == 1
    assert http.sent[0][2]["cursor"] == "Mgo="


@pytest.mark.requirement("R098")
def test_an_order_is_found_by_our_reference_and_only_by_that(http: Any, body: Body) -> None:
    other = {**body("scayle", "order"), "id": 1, "referenceKey": "SO-20441"}
    http.answer(page([other, body("scayle", "order")]), page([other]), page([]))
    client = scayle(http)

    found = client.find_order("SO-2044")
    assert found is not None
    assert found.external_id == "70412"
    assert client.find_order("SO-2044") is None
    assert client.find_order("SO-2044") is None
    assert http.sent[0][2]["filters[referenceKey]"] == "SO-2044"


def test_two_orders_with_one_reference_are_for_a_person(http: Any, body: Body) -> None:
    twin = {**body("scayle", "order"), "id": 70499}
    with pytest.raises(Refused, match="2 orders with the reference") as error:
        scayle(http.answer(page([body("scayle", "order"), twin]))).find_order("SO-2044")
    assert error.value.facts["orders"] == ["70412", "70499"]


@pytest.mark.requirement("R074")
def test_a_parcel_is_reported_with_the_units_own_ids_as_return_keys(http: Any) -> None:
    scayle(http.answer(None)).ship(
        order_id="70412",
        shipment_key="SCEND-55120-1",
        carrier="DHL",
        left_at=AT,
        unit_ids=["880001", "880002"],
        return_ident_code="RT-55120",
    )
    assert http.sent == [
        (
            "POST",
            "/fulfillment/shipments",
            {
                "shopKey": "nb",
                "countryCode": "DE",
                "orderId": 70412,
                "carrier": "DHL",
                "deliveryDate": "2026-10-20T09:05:00+00:00",
                "shipmentKey": "SCEND-55120-1",
                "returnIdentCode": "RT-55120",
                "items": [
                    {"orderItemId": 880001, "returnKey": "880001"},
                    {"orderItemId": 880002, "returnKey": "880002"},
                ],
            },
        )
    ]
    assert http.scopes == ["fulfillmentWrite"]


def test_returned_units_leave_as_one_bare_list_without_amounts(http: Any) -> None:
    units = [ReturnedUnit("880001", AT, "RG-812"), ReturnedUnit("880002", AT, "RG-812")]
    scayle(http.answer(None), merchant_reference_key="main").return_items(units)
    assert http.sent == [
        (
            "POST",
            "/fulfillment/return-items",
            [
                {
                    "returnKey": key,
                    "received": "2026-10-20 09:05:00",
                    "returnReason": "RG-812",
                    "merchantReferenceKey": "main",
                }
                for key in ("880001", "880002")
            ],
        )
    ]


@pytest.mark.requirement("R058")
@pytest.mark.parametrize("keys", [[], ["880001", "880001"]])
def test_the_same_unit_twice_in_one_call_never_leaves(http: Any, keys: list[str]) -> None:
    with pytest.raises(AssertionError):
        scayle(http).return_items([ReturnedUnit(key, AT, "x") for key in keys])
    assert http.sent == []


def test_a_billing_status_names_the_order_and_its_units(http: Any, body: Body) -> None:
    scayle(http.answer(body("scayle", "order"))).set_billing_status(
        "70412", Billing.PARTLY_REFUNDED, "RF-3391 EUR 89.25", {"880001": Billing.REFUNDED}
    )
    assert http.sent == [
        (
            "PATCH",
            f"{ORDERS}/70412/billing-status",
            {
                "code": "billing_partially_refunded",
                "reason": "RF-3391 EUR 89.25",
                "items": [{"id": 880001, "code": "billing_refunded"}],
            },
        )
    ]


@pytest.mark.parametrize("status", [Billing.OPEN, Billing.UNKNOWN])
def test_a_billing_status_scayle_does_not_take_never_leaves(http: Any, status: Billing) -> None:
    with pytest.raises(AssertionError):
        scayle(http).set_billing_status("70412", status, "x", {})
    assert http.sent == []


def test_custom_data_is_put_whole(http: Any) -> None:
    scayle(http.answer(None)).set_order_custom_data("70412", {"a": 1})
    assert http.sent == [("PUT", f"{ORDERS}/70412/legacy-custom-data", {"a": 1})]


def test_stock_rows_of_another_merchant_are_not_ours(http: Any, body: Body) -> None:
    http.answer(body("scayle", "stocks"), body("scayle", "stocks"))
    ours = scayle(http, merchant_reference_key="main").stock("3001")
    everyones = scayle(http).stock("3001")
    assert [row.quantity for row in ours] == [41]
    assert [row.quantity for row in everyones] == [41, 7]
    assert http.sent[0][1] == "/variants/3001/stocks"


def test_a_stock_post_answers_the_row_that_holds_now(http: Any) -> None:
    newer = {
        "quantity": 40,
        "warehouseReferenceKey": "SCEND-HAM",
        "changedAt": "2026-10-20T09:30:00+00:00",
    }
    row = scayle(http.answer(newer)).post_stock("3001", "SCEND-HAM", 41, AT)
    assert http.sent == [
        (
            "POST",
            "/variants/3001/stocks",
            {
                "quantity": 41,
                "warehouseReferenceKey": "SCEND-HAM",
                "changedAt": "2026-10-20T09:05:00.007+00:00",
            },
        )
    ]
    assert (row.quantity, row.changed_at) == (40, datetime(2026, 10, 20, 9, 30, tzinfo=UTC))


def test_a_stock_post_with_an_unreadable_answer_is_in_doubt(http: Any) -> None:
    with pytest.raises(Unknown, match="warehouseReferenceKey is missing"):
        scayle(http.answer({"quantity": 41})).post_stock("3001", "SCEND-HAM", 41, AT)


def test_the_catalogue_is_read_with_or_without_variants_inside(http: Any, body: Body) -> None:
    bare = body("scayle", "product")
    inside = bare.pop("variants")
    http.answer(body("scayle", "products"), page([bare]), page(inside))

    assert [seen.sku for seen in scayle(http).variants()] == ["JKT-NVY-M", "SET-1"]
    assert [seen.is_composite for seen in scayle(http).variants()] == [False, True]
    assert [path for _, path, _ in http.sent] == [
        "/products",
        "/products",
        "/products/300/variants",
    ]


def test_a_variant_is_read_with_its_product(http: Any, body: Body) -> None:
    http.answer(body("scayle", "product"), body("scayle", "variant"))
    variant = scayle(http).variant("300", "3001")
    assert variant is not None
    assert (variant.external_id, variant.product_id) == ("3001", "300")
    assert [path for _, path, _ in http.sent] == ["/products/300", "/products/300/variants/3001"]


@pytest.mark.parametrize("gone", [0, 1])
def test_a_variant_that_is_gone_is_none(http: Any, body: Body, gone: int) -> None:
    answers = [body("scayle", "product"), body("scayle", "variant")]
    answers[gone] = Refused("no such thing", status=404)
    assert scayle(http.answer(*answers)).variant("300", "3001") is None


@pytest.mark.parametrize("error", [Refused("no", status=400), Malformed("odd", status=404)])
def test_only_a_404_means_gone(http: Any, error: Refused) -> None:
    with pytest.raises(Refused) as raised:
        scayle(http.answer(error)).variant("300", "3001")
    assert raised.value is error


def test_a_subscription_takes_the_spelling_and_the_newest_version_scayle_offers(
    http: Any, body: Body
) -> None:
    row = body("scayle", "subscriptions")["entities"][0]
    url = "https://u:p@desk.example.test/callbacks/abc"
    made = scayle(http.answer(body("scayle", "events"), row)).subscribe("order-cancelled", url)
    assert http.sent[1] == (
        "POST",
        "/webhooks/subscriptions",
        {"event": "order-canceled", "version": 2, "url": url},
    )
    assert made.external_id == "9"


def test_a_deprecated_version_is_not_subscribed_to(http: Any, body: Body) -> None:
    http.answer(body("scayle", "events"), body("scayle", "subscriptions")["entities"][0])
    scayle(http).subscribe("order-confirmed", "https://desk.example.test/")
    assert http.sent[1][2]["version"] == 1


def test_an_event_scayle_does_not_offer_is_refused(http: Any, body: Body) -> None:
    with pytest.raises(Refused, match="does not offer the event order-teleported"):
        scayle(http.answer(body("scayle", "events"))).subscribe("order-teleported", "https://x/")
    assert len(http.sent) == 1


def test_invoices_and_subscriptions_are_lists(http: Any, body: Body) -> None:
    http.answer(body("scayle", "invoices"), body("scayle", "subscriptions"))
    client = scayle(http)
    assert [row.is_corrective for row in client.invoices("70412")] == [False, True, False]
    assert [row.event for row in client.subscriptions()] == ["order-canceled"]


def test_the_check_reads_one_order_of_the_shop(http: Any) -> None:
    scayle(http.answer(page([]))).check()
    assert http.sent == [("GET", ORDERS, {"limit": "1"})]
    with pytest.raises(Malformed, match=r"^entities is missing"):
        scayle(http.answer({"html": "a login page"})).check()


@pytest.mark.parametrize("missing", ["shop_key", "country_code"])
def test_a_missing_setting_is_named_before_anything_leaves(http: Any, missing: str) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != missing}
    with pytest.raises(Misconfigured) as error:
        Scayle(http, settings).check()
    assert error.value.facts["setting"] == missing
    assert http.sent == []


def test_a_write_that_is_switched_off_never_leaves(http: Any) -> None:
    with pytest.raises(Misconfigured) as error:
        scayle(http, write_return_items="off").return_items([ReturnedUnit("1", AT, "x")])
    assert error.value.case == "WRITE_SWITCHED_OFF"
    assert http.sent == []


def test_an_id_that_is_not_scayles_never_leaves(http: Any) -> None:
    with pytest.raises(Refused, match="not an id of SCAYLE"):
        scayle(http).set_billing_status("70412", Billing.REFUNDED, "x", {"L1": Billing.REFUNDED})
    assert http.sent == []


def test_the_token_travels_in_its_header() -> None:
    assert DIALECT.headers({"company_id": " 7 "}, {"access_token": "secret"}) == {
        "X-Access-Token": "secret",
        "X-Company-Id": "7",
        "Accept": "application/json",
    }
    assert "X-Company-Id" not in DIALECT.headers({}, {"access_token": "secret"})


def test_the_limit_is_read_from_the_headers() -> None:
    headers = {
        "x-ratelimit-scope": "ordersRead",
        "x-ratelimit-limit": "1000",
        "x-ratelimit-remaining": "12",
        "x-ratelimit-reset": "41",
    }
    assert DIALECT.limit(headers, "guess") == Limit("ordersRead", 1000, 12, 41.0)
    assert DIALECT.limit({}, "ordersRead") is None
    assert DIALECT.limit({**headers, "x-ratelimit-limit": "many"}, "ordersRead") is None


@pytest.mark.parametrize(
    ("status", "body_", "is_limit"),
    [
        (429, None, True),
        (403, {"errors": [{"errorKey": "RATE_LIMIT_EXCEED"}]}, True),
        (403, {"errors": [{"errorKey": "FORBIDDEN"}]}, False),
        (400, {"errors": "odd"}, False),
        (400, [], False),
    ],
)
def test_a_rate_limit_is_known_by_status_or_key(status: int, body_: Any, is_limit: bool) -> None:
    assert DIALECT.is_rate_limit(status, body_) is is_limit


@pytest.mark.parametrize(
    ("body_", "text"),
    [
        (
            {"errors": [{"errorKey": "X", "message": "bad a@b.test", "context": []}]},
            "X: bad <e-mail>",
        ),
        ({"errors": [{"message": "only words"}, {"errorKey": "K"}]}, "only words; K"),
        ({"errors": ["odd"]}, ""),
        ("<html>", ""),
        (None, ""),
    ],
)
def test_an_error_is_said_in_words_without_personal_data(body_: Any, text: str) -> None:
    assert DIALECT.error_text(body_) == text


def test_only_the_limit_proves_that_a_write_did_not_happen() -> None:
    assert DIALECT.not_executed == {429}
