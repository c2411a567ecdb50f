"""Platform ids ⇄ our records.

The same table is written and read, so a duplicate cannot slip between.
"""

from __future__ import annotations

from integrator.models import Connection, Link


class UnableToBind(Exception):
    """The platform's id already belongs to another record of ours."""


def bind(
    *,
    connection: Connection,
    external_kind: str,
    external_id: str,
    record_kind: str,
    record_id: int,
    order_id: int | None,
) -> Link:
    """Say once that a platform's id is our record.

    The same again is fine; another record is not.
    """
    link, created = Link.objects.get_or_create(
        connection=connection,
        external_kind=external_kind,
        external_id=external_id,
        defaults={"record_kind": record_kind, "record_id": record_id, "order_id": order_id},
    )
    if not created and (link.record_kind, link.record_id) != (record_kind, record_id):
        raise UnableToBind(
            f"{external_kind} {external_id} already is {link.record_kind} {link.record_id}"
        )
    if link.order_id is None and order_id is not None:
        Link.objects.filter(pk=link.pk).update(order_id=order_id)
    return link


def find(*, connection: Connection, external_kind: str, external_id: str) -> int | None:
    """Our record's id for a platform's id, or None."""
    return (
        Link.objects.filter(
            connection=connection, external_kind=external_kind, external_id=external_id
        )
        .values_list("record_id", flat=True)
        .first()
    )
