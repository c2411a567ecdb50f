"""The results of many at once as a file: what the list shows, all pages of it, on record."""

from __future__ import annotations

import csv
from datetime import datetime
from io import StringIO
from typing import Any

from django.http import StreamingHttpResponse
from django.test import Client

from integrator.desk import bulk_rows
from integrator.models import Bulk, BulkItem, BulkItemState, Case, Export
from tests.desk.bulks import TRY_AGAIN, Signed, chooses, stopped


def taken(client: Client, address: str) -> list[dict[str, str]]:
    answer: Any = client.get(address)
    assert isinstance(answer, StreamingHttpResponse)
    body = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[arg-type]
    return list(csv.DictReader(StringIO(body)))


def test_the_file_holds_every_case_of_the_list_with_its_result(
    at: datetime, as_: Signed, monkeypatch: Any
) -> None:
    monkeypatch.setattr(bulk_rows, "PAGE", 2)  # the list has several pages, the file has none
    client = as_("fiona")
    found = stopped(at, 5, money_minor=1250, currency="EUR")
    chooses(client, TRY_AGAIN, *found)
    bulk = Bulk.objects.get()
    BulkItem.objects.filter(case=found[0]).update(
        state=BulkItemState.FAILED, why="=1+1", ended_at=at
    )

    rows = taken(client, f"/many/{bulk.pk}/file/")

    assert [row["Case"] for row in rows] == [f"C-{one.pk}" for one in found]
    assert {row["Money at risk"] for row in rows} == {"12.50"}
    assert rows[0]["Result"] == str(BulkItemState.FAILED.label)
    assert rows[0]["Why"] == "'=1+1", "no spreadsheet runs it"
    kept = Export.objects.get()
    assert (kept.filters, kept.row_count) == ({"many at once": f"B-{bulk.pk}"}, 5)


def test_it_is_narrowed_as_the_list_is(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    found = stopped(at, 3)
    chooses(client, TRY_AGAIN, *found)
    bulk = Bulk.objects.get()
    BulkItem.objects.filter(case=found[1]).update(
        state=BulkItemState.FAILED, why="it broke", ended_at=at
    )
    page = client.get(f"/many/{bulk.pk}/rows/?result=failed").content.decode()
    assert f'href="/many/{bulk.pk}/file/?result=failed"' in page

    (row,) = taken(client, f"/many/{bulk.pk}/file/?result=failed")

    assert (row["Case"], row["Why"]) == (f"C-{found[1].pk}", "it broke")
    assert Export.objects.get().filters["result"] == "failed"


def test_of_a_bulk_that_is_not_there_there_is_no_file(db: None, as_: Signed) -> None:
    assert as_("fiona").get("/many/99/file/").status_code == 404
    assert not Export.objects.exists()
    assert not Case.objects.exists()
