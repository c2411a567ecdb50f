"""Somebody leaves: said beforehand, then at once, by one person, and never by themselves."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session

from integrator.engine import cases
from integrator.models import Case
from tests.desk import factories
from tests.desk.test_person import As, People, answers, asks, roles, said


def test_a_leaver_is_out_at_once_and_gives_back_their_cases(
    people: People, as_: As, at: datetime
) -> None:
    carla, client = people["carla"], as_("carla")
    other = as_("omar")
    mine = factories.case("SYSTEMS_DIFFER", at)
    cases.assign(mine, to=carla, trace=factories.trace(at))
    asks(as_("ada"), carla, "OPERATIONS")
    assert client.get("/queue/").status_code in (200, 302)

    answer = as_("ada").post(f"/people/{carla.pk}/leave/", {"do": "leave"}, follow=True)

    assert "1 case given back" in said(answer)
    assert "/accounts/login/" in client.get("/queue/")["Location"]
    assert not any(
        one.get_decoded().get("_auth_user_id") == str(carla.pk) for one in Session.objects.all()
    )
    assert other.get("/").status_code == 200
    assert Case.objects.get(pk=mine.pk).assignee is None
    assert roles(carla) == set()
    assert answers(as_("clara")).status_code == 200
    assert roles(carla) == set()

    as_("ada").post(f"/people/{carla.pk}/leave/", {"do": "back"})
    carla.refresh_from_db()
    assert carla.is_active
    assert roles(carla) == set()


def test_before_somebody_leaves_the_page_says_what_will_happen(
    people: People, as_: As, at: datetime
) -> None:
    carla, ada = people["carla"], as_("ada")
    mine = factories.case("SYSTEMS_DIFFER", at)
    cases.assign(mine, to=carla, trace=factories.trace(at))
    button = 'name="do" value="leave"'

    closed = ada.get(f"/people/{carla.pk}/")
    assert "Let Carla leave…" in said(closed)
    assert button not in closed.content.decode(), "one press does not do it"

    opened = ada.get(f"/people/{carla.pk}/?do=leave")
    assert button in opened.content.decode()
    told = said(opened)
    assert "Carla is signed out everywhere at once" in told
    assert "1 role is taken away: none is left." in told
    assert "1 open case is given back to its team." in told
    assert "a second person must agree to each" in told
    assert roles(carla) == {"CX"}, "nothing has happened yet"

    for name, whose in (("otto", "carla"), ("ada", "ada")):
        page = as_(name).get(f"/people/{people[whose].pk}/?do=leave")
        assert button not in page.content.decode()


def test_nobody_lets_themselves_leave(people: People, as_: As) -> None:
    as_("ada").post(f"/people/{people['ada'].pk}/leave/", {"do": "leave"})

    assert roles(people["ada"]) == {"ADMIN"}
