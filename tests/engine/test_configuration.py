"""What was decided beforehand: mappings without a default, policy in versions, links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from integrator.engine import choices, links, mappings, secrets
from integrator.engine.choices import UnableToSetPolicy
from integrator.engine.errors import Misconfigured
from integrator.engine.links import UnableToBind
from integrator.engine.states import Trace
from integrator.models import Connection, Mapping, MappingKind, PolicyVersion
from tests.engine import toys
from tests.engine.conftest import Clock

Now = Callable[[], Trace]
LOCATION = MappingKind.LOCATION


def save(toy: Connection, theirs: str, ours: str, trace: Trace) -> Mapping:
    return mappings.save(connection=toy, kind=LOCATION, theirs=theirs, ours=ours, trace=trace)


# --- mappings ------------------------------------------------------------------------------------


def test_an_unmapped_word_stops_and_names_itself(connection: Connection) -> None:
    with pytest.raises(Misconfigured) as error:
        mappings.find(connection=connection, kind=LOCATION, theirs="HH-2")

    assert error.value.cause == f"mapping:{connection.pk}:LOCATION:HH-2"
    assert error.value.facts["theirs"] == "HH-2"
    assert error.value.facts["platform"] == "Toy-1"


def test_a_word_means_what_was_said_last(connection: Connection, trace: Now, clock: Clock) -> None:
    save(connection, "HH-2", "hamburg", trace())
    clock.forward(days=1)
    save(connection, "HH-2", "berlin", trace())

    assert mappings.find(connection=connection, kind=LOCATION, theirs="HH-2") == "berlin"
    old, new = Mapping.objects.order_by("version")
    assert (old.ours, old.ended_at, old.version) == ("hamburg", clock.at, 1)
    assert (new.ours, new.ended_at, new.version, new.made_by) == ("berlin", None, 2, "omar")


def test_saying_the_same_again_changes_nothing(connection: Connection, trace: Now) -> None:
    first = save(connection, "HH-2", "hamburg", trace())

    assert save(connection, "HH-2", "hamburg", trace()) == first
    assert Mapping.objects.count() == 1


def test_a_word_belongs_to_its_connection_and_kind(connection: Connection, trace: Now) -> None:
    save(connection, "X", "hamburg", trace())
    for other, kind in [(toys.connect(slug="toy-2"), LOCATION), (connection, MappingKind.SKU)]:
        with pytest.raises(Misconfigured):
            mappings.find(connection=other, kind=kind, theirs="X")


def test_their_word_for_ours_must_be_exactly_one(connection: Connection, trace: Now) -> None:
    def theirs() -> str:
        return mappings.find_theirs(connection=connection, kind=LOCATION, ours="hamburg")

    with pytest.raises(Misconfigured, match="has no partner"):
        theirs()
    save(connection, "HH-1", "hamburg", trace())
    assert theirs() == "HH-1"
    save(connection, "HH-2", "hamburg", trace())
    with pytest.raises(Misconfigured, match="more than one"):
        theirs()


def test_the_database_keeps_one_meaning_at_a_time(connection: Connection, trace: Now) -> None:
    first = save(connection, "HH-2", "hamburg", trace())
    with pytest.raises(IntegrityError, match="mapping_current_once"), transaction.atomic():
        Mapping.objects.create(
            connection=connection,
            kind=LOCATION,
            theirs="HH-2",
            ours="berlin",
            version=2,
            made_by="x",
            made_at=first.made_at,
        )


# --- policy --------------------------------------------------------------------------------------


def test_a_change_of_policy_is_a_new_version(connection: Connection) -> None:
    retailer = connection.retailer
    first = choices.save(retailer=retailer, values={}, made_by="ada")
    same = choices.save(retailer=retailer, values={}, made_by="ada")
    second = choices.save(retailer=retailer, values={"settling_minutes": 20}, made_by="ada")

    assert (first.version, same, second.version) == (1, first, 2)
    assert choices.current(retailer) == second
    assert choices.version(retailer.pk, 1).values["settling_minutes"] == 10
    assert choices.current_versions() == {connection.pk: 2}


def test_a_version_cannot_be_edited(connection: Connection) -> None:
    choices.save(retailer=connection.retailer, values={}, made_by="ada")

    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        PolicyVersion.objects.update(values={})


def test_without_a_policy_nothing_is_assumed(connection: Connection) -> None:
    with pytest.raises(UnableToSetPolicy, match="no policy"):
        choices.current(connection.retailer)


def test_nobody_pays_until_somebody_said_who() -> None:
    assert choices.check({})["refund_executor"] is None


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"refund_executer": "scayle"}, "policy.refund_executer"),
        ({"stage_hours": {"ARRIVED": 4}}, "policy.stage_hours"),
        ({"stage_hours": {"RECEIVED": 0}}, "policy.stage_hours.RECEIVED"),
        ({"stage_hours": {"RECEIVED": "4"}}, "policy.stage_hours.RECEIVED"),
        ({"refund_executor": "anybody"}, "policy.refund_executor"),
        ({"refund_amount_owner": None}, "policy.refund_amount_owner"),
        ({"stock_evidence": "hope"}, "policy.stock_evidence"),
        ({"exchange_trigger": ""}, "policy.exchange_trigger"),
        (
            {"refund_evidence": {"SHIPPED": ["inspectd"], "KEPT": ["approved"]}},
            "policy.refund_evidence.SHIPPED",
        ),
        (
            {"refund_evidence": {"SHIPPED": ["approved"], "KEPT": []}},
            "policy.refund_evidence.KEPT",
        ),
        ({"refund_evidence": {"SHIPPED": ["approved"]}}, "policy.refund_evidence.KEPT"),
        (
            {"refund_evidence": {"SHIPPED": ["approved"], "KEPT": ["approved"], "SENT": ["x"]}},
            "policy.refund_evidence.SENT",
        ),
        ({"tolerance_minor": {"EUR": 1}}, "policy.tolerance_minor"),
    ],
)
def test_a_wrong_choice_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(UnableToSetPolicy, match=named):
        choices.check(values)


# --- links ---------------------------------------------------------------------------------------


def bind(connection: Connection, record_id: int = 7, order_id: int | None = None) -> Any:
    return links.bind(
        connection=connection,
        external_kind="order",
        external_id="A-1",
        record_kind="order",
        record_id=record_id,
        order_id=order_id,
    )


def find(connection: Connection) -> int | None:
    return links.find(connection=connection, external_kind="order", external_id="A-1")


def test_an_id_is_bound_once_and_found(connection: Connection) -> None:
    assert find(connection) is None
    assert bind(connection) == bind(connection)
    assert find(connection) == 7
    assert find(toys.connect(slug="toy-2")) is None


def test_an_id_cannot_be_two_records(connection: Connection) -> None:
    bind(connection)

    with pytest.raises(UnableToBind, match="already is order 7"):
        bind(connection, record_id=8)


def test_the_order_of_a_link_may_be_known_later(connection: Connection) -> None:
    bind(connection)
    bind(connection, order_id=3)

    assert links.Link.objects.get().order_id == 3


def test_no_id_is_no_id(connection: Connection) -> None:
    with pytest.raises(IntegrityError, match="link_external_id_given"), transaction.atomic():
        links.bind(
            connection=connection,
            external_kind="order",
            external_id="",
            record_kind="order",
            record_id=1,
            order_id=None,
        )


# --- credentials ---------------------------------------------------------------------------------


def test_credentials_are_sealed_and_read_back(connection: Connection) -> None:
    sealed = secrets.seal({"key": "s3cret"})
    connection.secrets = sealed

    assert b"s3cret" not in sealed
    assert secrets.read(connection) == {"key": "s3cret"}


def test_credentials_no_key_opens_are_the_owners_business(connection: Connection) -> None:
    connection.secrets = b"gAAAA-not-ours"

    with pytest.raises(Misconfigured) as error:
        secrets.read(connection)
    assert error.value.credentials
