"""One person says what a word means that means nothing yet: no way leads to another meaning."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from integrator.engine import mappings
from integrator.models import Case, CaseState, Connection, Job, Mapping, MappingKind
from tests.desk import factories
from tests.desk.audits import by
from tests.desk.bulks import work
from tests.desk.case_page import text_of, version

As = Callable[[str], Client]


@pytest.fixture(autouse=True)
def places(db: None) -> None:
    factories.location("berlin", "Berlin")
    factories.location("altona", "Altona")


def asks_for(at: datetime, of: Connection, word: str, shown: str) -> Case:
    return factories.case(
        "MAPPING_MISSING",
        at,
        record=("connection", of.pk),
        cause=f"mapping:{of.pk}:LOCATION:{word}",
        connection_id=of.pk,
        facts={"kind_code": "LOCATION", "theirs": shown},
    )


def answers(client: Client, case: Case, word: str) -> str:
    path = f"/cases/{case.pk}/act/save_mapping/"
    data = {"ours": word, "version": version(client, case)}
    return text_of(client.post(path, data, follow=True).content.decode())


def half_a_minute_passes(at: datetime) -> None:
    work()
    Job.objects.filter(flow="save_mapping").update(not_before=at)
    work()


def meaning(word: str) -> str:
    return Mapping.objects.get(theirs=word, ended_at=None).ours


def test_a_place_without_partner_takes_no_word_that_means_another_one(
    at: datetime, as_: As, scayle: Connection
) -> None:
    kind = MappingKind.LOCATION
    mappings.save(connection=scayle, kind=kind, theirs="WH-2", ours="berlin", trace=by("omar", at))
    case = asks_for(at, scayle, "ours:altona", "our altona")

    said = answers(as_("omar"), case, "WH-2")

    assert "“WH-2” means berlin already. Another meaning takes two people" in said
    half_a_minute_passes(at)
    assert meaning("WH-2") == "berlin"
    answers(as_("omar"), case, "WH-3")
    half_a_minute_passes(at)
    assert (meaning("WH-2"), meaning("WH-3")) == ("berlin", "altona")


def test_an_answer_that_was_held_replaces_no_meaning_the_word_got_meanwhile(
    at: datetime, as_: As, scayle: Connection
) -> None:
    case = asks_for(at, scayle, "ours:altona", "our altona")
    answers(as_("omar"), case, "WH-9")
    work()
    kind = MappingKind.LOCATION
    mappings.answer(connection=scayle, kind=kind, theirs="WH-9", ours="berlin", trace=by("ada", at))

    half_a_minute_passes(at)

    assert meaning("WH-9") == "berlin"
    case.refresh_from_db()
    assert case.state == CaseState.OPEN, "altona has no partner still"
    page = text_of(as_("omar").get(f"/cases/{case.pk}/").content.decode())
    assert "Not saved. “WH-9” means berlin already: another meaning takes two people" in page


def test_two_first_meanings_at_one_moment_do_not_end_each_other(
    at: datetime, as_: As, scayle: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mappings.save

    def just_before(**said: Any) -> Mapping:
        """Somebody else's word is written between our look and our own."""
        real(**{**said, "ours": "berlin", "trace": by("ada", at)})
        return real(**said)

    monkeypatch.setattr(mappings, "save", just_before)
    word = {"word": f"{scayle.pk}:LOCATION:WH-7", "ours": "altona"}
    said = text_of(as_("omar").post("/mappings/save/", word, follow=True).content.decode())

    assert "“WH-7” means berlin already: another meaning takes two people" in said
