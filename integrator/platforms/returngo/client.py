"""ReturnGO's API, endpoint by endpoint: what leaves, and what comes back as our shapes.

It decides nothing and repeats nothing. ReturnGO counts calls by the day: lists are read in the
largest pages, and no call is made that another one already answers.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrator.engine.errors import Misconfigured
from integrator.engine.http import Dialect, Http
from integrator.engine.shapes import Limit
from integrator.platforms.accepted import accepted
from integrator.platforms.paging import Page, paged, pages, readable
from integrator.platforms.returngo import CONTRACT, wire
from integrator.platforms.subscriptions import Subscription
from integrator.platforms.tame import Field, plain
from returns.shapes import (
    MoneySeen,
    MoneyStatus,
    ParcelStatus,
    PlatformStatus,
    ReturnSeen,
    ReturnSummary,
)

_DAY_SECONDS = 86_400


class ReturnGO:
    """One connection to ReturnGO: one store."""

    def __init__(self, http: Http, settings: Mapping[str, str]) -> None:
        self._http = http
        self._settings = settings

    def check(self) -> None:
        """A cheap read that fails when the key or the shop's name is wrong."""
        reply = self._http.get(CONTRACT.read("rmas"), params={"pagesize": "1"})
        wire.rows(Field(reply.data))

    # Returns

    def rma(self, rma_id: str) -> ReturnSeen:
        seen = wire.rma(self._http.get(CONTRACT.read("rma", rma=rma_id)).data)
        if seen.external_id != rma_id:
            Field(None, "rmaSummary.rmaId").fail(f"is not the return asked for, {rma_id}")
        return seen

    def rmas(
        self,
        updated_since: datetime | None = None,
        statuses: Collection[PlatformStatus] = (),
        *,
        after: str = "",
    ) -> Iterator[Page[ReturnSummary]]:
        """The matching returns, oldest change first, page by page, from the cursor ``after`` on.

        ``rma_updated_at`` may not move on receipt or inspection: a sweep by date alone misses them.
        """
        params = {"sort_by": "+rma_updated_at"}
        if updated_since is not None:
            params["rma_updated_at"] = f"gte:{_moment(updated_since)}"
        if statuses:
            words = sorted(CONTRACT.raw("rma_status", status) for status in statuses)
            params["status"] = ",".join(words)
        bodies = self._pages("rmas", params, after)
        return paged(bodies, wire.next_cursor, wire.rows, wire.summary, wire.row_name)

    def transactions(self, rma_ids: Sequence[str]) -> Iterator[MoneySeen]:
        """The money ReturnGO lists for these returns. It names units, not the return."""
        step = CONTRACT.number("ids_per_call")
        for start in range(0, len(rma_ids), step):
            params = {"rma_ids": ",".join(rma_ids[start : start + step])}
            yield from readable(self._rows("transactions", params), wire.money)

    def set_rma_status(self, rma_id: str, status: PlatformStatus) -> None:
        """Move the whole return. Read it first: a move that is already made need not be sent."""
        self._write("set_rma_status", {"status": CONTRACT.raw("rma_status", status)}, rma=rma_id)

    def set_transaction(self, transaction_id: str, status: MoneyStatus, reference: str) -> None:
        """Report how a refund that we carried out has ended. It moves no money."""
        body = {"status": CONTRACT.raw("transaction_status", status)}
        if reference:
            body["externalReferenceId"] = reference
            body["externalReferenceType"] = CONTRACT.assumption("reference_type")
        self._write("set_transaction", body, transaction=transaction_id)

    def comment(self, rma_id: str, text: str) -> None:
        """A note on the timeline. ``text`` is plain: markup in it is shown, not obeyed."""
        self._write("comment", {"htmlText": comment_html(text)}, rma=rma_id)

    def set_shipment(
        self,
        shipment_id: str,
        status: ParcelStatus,
        *,
        carrier: str = "",
        tracking: str = "",
        tracking_url: str = "",
    ) -> None:
        """Move a parcel; what is empty stays as it is. ReturnGO answers 400 to a move back."""
        optional = {"carrierName": carrier, "trackingNumber": tracking, "trackingURL": tracking_url}
        body = {"status": CONTRACT.raw("shipment_status", status)}
        body.update({key: value for key, value in optional.items() if value})
        self._write("set_shipment", body, shipment=shipment_id)

    def validate_item(
        self,
        rma_id: str,
        unit_id: str,
        *,
        is_returned: bool,
        is_restockable: bool,
        reason: str,
        location: str,
    ) -> None:
        """Report our inspection of one unit. An assumed call: off until ReturnGO confirms it."""
        body = {
            "isReturned": is_returned,
            "isRestockable": is_restockable,
            "nonReturnedReason": None if is_returned else reason,
            "nonRestockableReason": reason if is_returned and not is_restockable else None,
            "storeLocationId": location,
        }
        self._write("validate_item", body, rma=rma_id, item=unit_id)

    # Webhooks

    def subscriptions(self) -> tuple[Subscription, ...]:
        reply = self._http.get(CONTRACT.read("webhooks"))
        return tuple(readable(wire.rows(Field(reply.data)), wire.subscription))

    def subscribe(self, event: str, url: str) -> Subscription:
        """Subscribe ``url`` to ``event``. The id may be empty: then it is in the list."""
        write = CONTRACT.write("subscribe", self._settings)
        reply = self._http.send(write.method, write.path(), json={"url": url, "eventName": event})
        return (
            Subscription("", event, url)
            if reply.data is None
            else accepted(reply, wire.subscription)
        )

    def unsubscribe(self, subscription_id: str) -> None:
        """End a subscription. One that is gone already is refused as unknown."""
        self._write("unsubscribe", {}, subscription=subscription_id)

    # Inside

    def _write(self, name: str, body: Mapping[str, Any], **parts: str) -> None:
        write = CONTRACT.write(name, self._settings)
        self._http.send(write.method, write.path(**parts), json=dict(body))

    def _rows(self, name: str, params: Mapping[str, str]) -> Iterator[Field]:
        for page in self._pages(name, params):
            yield from wire.rows(page)

    def _pages(self, name: str, params: Mapping[str, str], after: str = "") -> Iterator[Field]:
        path = CONTRACT.read(name)
        asked = {"pagesize": str(CONTRACT.number("page_size")), **params}

        def fetch(cursor: str) -> Field:
            at_cursor = {**asked, "cursor": cursor} if cursor else asked
            return Field(self._http.get(path, params=at_cursor).data)

        cap = CONTRACT.number("page_cap")
        return pages(fetch, wire.next_cursor, cap=cap, what=name, after=after)


def comment_html(text: str) -> str:
    """``text`` as the comment holds it: what to look for when a comment's outcome is unknown."""
    return html.escape(text).replace("\n", "<br>")


def _moment(at: datetime) -> str:
    """ReturnGO's filters take UTC without an offset."""
    assert at.tzinfo is not None, "a moment without a zone"
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _required(values: Mapping[str, str], name: str, *, credentials: bool = False) -> str:
    if not (value := str(values.get(name, "")).strip()):
        raise Misconfigured(
            f"The ReturnGO connection has no {name}.",
            credentials=credentials,
            cause=f"returngo:{name}",
            facts={"platform": CONTRACT.title, "setting": name},
        )
    return value


def _headers(settings: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    return {
        CONTRACT.transport["key_header"].value: _required(secrets, "api_key", credentials=True),
        CONTRACT.transport["shop_header"].value: _required(settings, "shop_name"),
        "Accept": "application/json",
    }


def _limit(headers: Mapping[str, str], scope: str) -> Limit | None:
    """The limit, where ReturnGO states one. A reset beyond a day is a date, not a wait."""
    try:
        reset_seconds = float(headers["x-ratelimit-reset"])
        if not 0 <= reset_seconds <= _DAY_SECONDS:
            return None
        return Limit(
            scope=scope,
            limit=int(headers["x-ratelimit-limit"]),
            remaining=int(headers["x-ratelimit-remaining"]),
            reset_seconds=reset_seconds,
        )
    except (KeyError, ValueError):
        return None  # it is not confirmed that they are sent


def _error_text(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    return plain(str(body.get("message") or body.get("error") or ""))


def _is_rate_limit(status: int, body: Any) -> bool:
    return status == CONTRACT.number("rate_limit_status")


DIALECT = Dialect(
    name="returngo",
    headers=_headers,
    limit=_limit,
    # Only the limit proves that nothing happened: a gateway's 503 may come after the fact.
    not_executed=frozenset({CONTRACT.number("rate_limit_status")}),
    error_text=_error_text,
    is_rate_limit=_is_rate_limit,
    daily_limit_setting="daily_call_limit",
    request_id_headers=("x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"),
)
