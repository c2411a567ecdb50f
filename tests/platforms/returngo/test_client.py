"""What leaves for ReturnGO, byte for byte, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from integrator.engine.errors import Malformed, Misconfigured
from integrator.engine.shapes import Limit
from integrator.platforms.paging import Page
from integrator.platforms.returngo.client import DIALECT, ReturnGO
from returns.shapes import MoneyStatus, ParcelStatus, PlatformStatus

Body = Callable[[str, str], Any]
AT = datetime(2026, 3, 8, 12, 0, tzinfo=timezone(timedelta(hours=1)))


def returngo(http: Any, **settings: str) -> ReturnGO:
    return ReturnGO(http, settings)


def test_a_return_costs_one_call(http: Any, body: Body) -> None:
    seen = returngo(http.answer(body("returngo", "rma.inspected"))).rma("20000001")
    assert seen.external_id == "20000001"
    assert http.sent == [("GET", "/rma/20000001", {})]


def test_another_return_than_the_one_asked_for_is_refused(http: Any, body: Body) -> None:
    with pytest.raises(Malformed, match="not the return asked for"):
        returngo(http.answer(body("returngo", "rma.inspected"))).rma("1")


def test_a_sweep_asks_in_utc_and_in_the_largest_pages(http: Any, body: Body) -> None:
    page = body("returngo", "rmas")
    http.answer({**page, "next_cursor": "b64=="}, page)

    read = list(returngo(http).rmas(AT, {PlatformStatus.AUTHORISED, PlatformStatus.CANCELLED}))

    assert [[seen.external_id for seen in one.rows] for one in read] == [
        ["20000001", "20000002"]
    ] * 2
    assert [one.following for one in read] == ["b64==", ""]
    first, second = (params for _, _, params in http.sent)
    assert first == {
        "pagesize": "500",
        "sort_by": "+rma_updated_at",
        "rma_updated_at": "gte:2026-03-08T11:00:00",
        "status": "Approved,Canceled",
    }
    assert second == {**first, "cursor": "b64=="}


def test_an_empty_page_ends_the_list_even_with_a_cursor(http: Any) -> None:
    read = list(returngo(http.answer({"rmas": [], "next_cursor": "more"})).rmas())
    assert read == [Page((), {}, "")]
    assert http.sent[0][2] == {"pagesize": "500", "sort_by": "+rma_updated_at"}


def test_one_bad_row_hides_no_good_one(http: Any, body: Body) -> None:
    page = body("returngo", "rmas")
    del page["rmas"][0]["status"]
    (read,) = returngo(http.answer(page)).rmas()
    assert [seen.external_id for seen in read.rows] == ["20000002"]
    assert read.unreadable == {"20000001": "rmas[0].status is missing"}


def test_a_list_is_read_on_from_where_it_was_left(http: Any, body: Body) -> None:
    (read,) = returngo(http.answer(body("returngo", "rmas"))).rmas(after="b64==")
    assert len(read.rows) == 2
    assert http.sent[0][2]["cursor"] == "b64=="


def test_transactions_are_asked_for_by_return_in_portions(http: Any, body: Body) -> None:
    http.answer(body("returngo", "transactions"), {"transactions": []})
    ids = [str(number) for number in range(60)]
    (money,) = returngo(http).transactions(ids)
    assert money.amount_minor == 4650
    assert [params["rma_ids"] for _, _, params in http.sent] == [
        ",".join(ids[:50]),
        ",".join(ids[50:]),
    ]


def test_no_returns_ask_for_no_transactions(http: Any) -> None:
    assert list(returngo(http).transactions([])) == []
    assert http.sent == []


def test_statuses_and_outcomes_leave_in_returngos_words(http: Any) -> None:
    client = returngo(http.answer(None, None, None, None))
    client.set_rma_status("20000001", PlatformStatus.DONE)
    client.set_transaction("61", MoneyStatus.SUCCEEDED, "RF-3391")
    client.set_transaction("61", MoneyStatus.FAILED, "")
    client.set_shipment("7001", ParcelStatus.RECEIVED, carrier="DHL")
    assert http.sent == [
        ("PUT", "/rma/20000001/status", {"status": "Done"}),
        (
            "PUT",
            "/transaction/61",
            {
                "status": "Success",
                "externalReferenceId": "RF-3391",
                "externalReferenceType": "PlatformRefundId",
            },
        ),
        ("PUT", "/transaction/61", {"status": "Failed"}),
        ("PUT", "/shipment/7001", {"status": "Received", "carrierName": "DHL"}),
    ]


def test_a_status_we_do_not_know_never_leaves(http: Any) -> None:
    with pytest.raises(AssertionError):
        returngo(http).set_rma_status("20000001", PlatformStatus.UNKNOWN)
    assert http.sent == []


def test_markup_in_a_comment_is_shown_not_obeyed(http: Any) -> None:
    returngo(http.answer(None)).comment("20000001", "Refund <b>17</b> & 'more'\nop 17")
    assert http.sent == [
        (
            "POST",
            "/rma/20000001/comment",
            {"htmlText": "Refund &lt;b&gt;17&lt;/b&gt; &amp; &#x27;more&#x27;<br>op 17"},
        )
    ]


def test_reporting_an_inspection_is_off_until_the_retailer_turns_it_on(http: Any) -> None:
    stained = {"is_returned": True, "is_restockable": False, "reason": "Stained"}
    with pytest.raises(Misconfigured) as error:
        returngo(http).validate_item("1", "9001", location="WH-1", **stained)
    assert error.value.case == "WRITE_SWITCHED_OFF"
    assert http.sent == []

    allowed = returngo(http.answer(None), write_validate_item="on")
    allowed.validate_item("1", "9001", location="WH-1", **stained)
    assert http.sent == [
        (
            "PUT",
            "/rma/1/items/9001/validation",
            {
                "isReturned": True,
                "isRestockable": False,
                "nonReturnedReason": None,
                "nonRestockableReason": "Stained",
                "storeLocationId": "WH-1",
            },
        )
    ]


@pytest.mark.parametrize(("answer", "external_id"), [({"id": 31}, "31"), ({}, ""), (None, "")])
def test_a_webhook_is_registered_whatever_the_answer_tells(
    http: Any, answer: Any, external_id: str
) -> None:
    made = returngo(http.answer(answer)).subscribe("RMA_CREATED", "https://desk.test/x")
    assert made.external_id == external_id
    assert http.sent == [
        ("POST", "/webhook", {"url": "https://desk.test/x", "eventName": "RMA_CREATED"})
    ]


def test_webhooks_are_listed(http: Any, body: Body) -> None:
    (row,) = returngo(http.answer(body("returngo", "webhooks"))).subscriptions()
    assert (row.external_id, row.event) == ("31", "RMA_CREATED")


def test_the_check_costs_one_short_call(http: Any) -> None:
    returngo(http.answer({"rmas": []})).check()
    assert http.sent == [("GET", "/rmas", {"pagesize": "1"})]


def test_key_and_shop_travel_in_their_headers() -> None:
    assert DIALECT.headers({"shop_name": "nb.example.test"}, {"api_key": "secret"}) == {
        "x-api-key": "secret",
        "x-shop-name": "nb.example.test",
        "Accept": "application/json",
    }
    with pytest.raises(Misconfigured) as error:
        DIALECT.headers({}, {"api_key": "secret"})
    assert error.value.facts["setting"] == "shop_name"
    assert not error.value.credentials


@pytest.mark.parametrize(
    ("reset", "limit"),
    [
        ("30", Limit("rmas", 2000, 5, 30.0)),
        ("1773000000", None),
        ("-1", None),
        ("soon", None),
        ("nan", None),
    ],
)
def test_a_limit_is_believed_only_when_its_reset_is_a_wait(reset: str, limit: Limit | None) -> None:
    headers = {
        "x-ratelimit-limit": "2000",
        "x-ratelimit-remaining": "5",
        "x-ratelimit-reset": reset,
    }
    assert DIALECT.limit(headers, "rmas") == limit
    assert DIALECT.limit({}, "rmas") is None


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"message": "Illegal transition"}, "Illegal transition"),
        ({"error": "no shop for pat@example.test"}, "no shop for <e-mail>"),
        ({"message": None}, ""),
        ("<html>", ""),
    ],
)
def test_an_error_is_said_in_words_without_personal_data(said: Any, text: str) -> None:
    assert DIALECT.error_text(said) == text


def test_only_the_limit_proves_that_a_write_did_not_happen() -> None:
    assert DIALECT.not_executed == {429}
    assert DIALECT.is_rate_limit(429, None)
    assert not DIALECT.is_rate_limit(403, {"message": "Forbidden"})
    assert DIALECT.daily_limit_setting == "daily_call_limit"
