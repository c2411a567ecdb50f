"""The set-up site: configuration and people only, and no pair of roles that acts alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils.html import escape

from integrator import policy
from integrator.admin import site
from integrator.models import Connection, Mapping, Retailer
from tests.desk import factories

SHOP = '{"shop_key": "nb", "country_code": "DE"}'
REGISTERED = {
    "integrator.Retailer",
    "integrator.Connection",
    "integrator.PolicyVersion",
    "integrator.Mapping",
    "fulfilment.Location",
    "auth.User",
}


def fills_in(client: Client, connection: Connection, **answers: str) -> Any:
    """Send a connection's form, with what stood in it where nothing else is answered."""
    stood = {"name": connection.name, "base_url": connection.base_url, "settings": SHOP}
    return client.post(f"/admin/integrator/connection/{connection.pk}/change/", stood | answers)


def test_only_configuration_and_people_can_be_set_up() -> None:
    """No business record, no task queue, no second way around the desk."""
    assert {model._meta.label for model in site._registry} == REGISTERED


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    return {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": "",
        "email": "",
        "is_active": "on",
        **changes,
    }


def test_set_up_gives_and_takes_no_role(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    """A role takes two people, on the page People: this is no way around it."""
    nobody, fiona = people["nobody"], people["fiona"]
    group = Group.objects.get(name="CX")
    roles = {"roles": ["CX"], "groups": [group.pk]}

    as_("ada").post(f"/admin/auth/user/{nobody.pk}/change/", form_of(nobody, **roles))
    as_("ada").post(f"/admin/auth/user/{fiona.pk}/change/", form_of(fiona, **roles))

    assert policy.roles_of(User.objects.get(pk=nobody.pk)) == frozenset()
    assert policy.roles_of(User.objects.get(pk=fiona.pk)) == {"FINANCE"}


def test_nobody_is_let_in_or_out_by_set_up(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    carla = people["carla"]
    form = form_of(carla)
    del form["is_active"]

    as_("ada").post(f"/admin/auth/user/{carla.pk}/change/", form)

    assert User.objects.get(pk=carla.pk).is_active


def test_who_holds_a_role_cannot_be_taken_over(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    """With another's password, name or address an admin could agree with themselves."""
    clara = people["clara"]
    password = {"password1": "a long new password", "password2": "a long new password"}

    as_("ada").post(
        f"/admin/auth/user/{clara.pk}/change/",
        form_of(clara, username="mine", email="ada@example.com"),
    )
    answer = as_("ada").post(f"/admin/auth/user/{clara.pk}/password/", password)

    after = User.objects.get(pk=clara.pk)
    assert answer.status_code == 403
    assert "by e-mail" in answer.content.decode()
    assert (after.username, after.email, after.password) == ("clara", "", clara.password)


def test_a_leavers_name_is_not_free_for_another(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    """What Fiona decided stands under her name: whoever got it next would have decided it."""
    fiona = people["fiona"]
    fiona.groups.clear()
    User.objects.filter(pk=fiona.pk).update(is_active=False)

    as_("ada").post(
        f"/admin/auth/user/{fiona.pk}/change/", form_of(fiona, username="old", last_name="Berg")
    )

    after = User.objects.get(pk=fiona.pk)
    assert (after.username, after.last_name) == ("fiona", "Berg")


def test_nobody_types_the_password_of_somebody_else(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    """Also not before they hold a role: it would still be known once they do."""
    nobody = people["nobody"]
    password = {"password1": "a long new password", "password2": "a long new password"}
    new = {"username": "newcomer", "email": "new@shop.test", "usable_password": "true"}

    as_("ada").post(f"/admin/auth/user/{nobody.pk}/password/", password)
    as_("ada").post("/admin/auth/user/add/", {**new, **password})

    assert not User.objects.get(pk=nobody.pk).check_password("a long new password")
    assert not User.objects.get(username="newcomer").has_usable_password()


def test_no_name_is_taken_for_another_in_other_letters(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    as_("ada").post("/admin/auth/user/add/", {"username": "Fiona", "email": "f@shop.test"})
    assert not User.objects.filter(username="Fiona").exists()


@pytest.mark.parametrize("email", ["", "no address"])
def test_an_account_needs_an_address_to_set_its_password_by(
    people: dict[str, User], as_: Callable[[str], Client], email: str
) -> None:
    as_("ada").post("/admin/auth/user/add/", {"username": "newcomer", "email": email})
    assert not User.objects.filter(username="newcomer").exists()


def test_flags_that_grant_nothing_cannot_be_set(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    nobody = people["nobody"]

    as_("ada").post(
        f"/admin/auth/user/{nobody.pk}/change/",
        form_of(nobody, is_superuser="on", is_staff="on"),
    )

    nobody.refresh_from_db()
    assert not nobody.is_superuser
    assert not nobody.is_staff


def test_a_password_is_never_shown_not_even_as_its_hash(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    fiona = people["fiona"]

    html = as_("ada").get(f"/admin/auth/user/{fiona.pk}/change/").content.decode()

    assert fiona.password not in html


@pytest.mark.parametrize(("length", "made"), [(90, True), (91, False)])
def test_a_user_name_fits_wherever_we_keep_who_did_something(
    length: int, made: bool, at: datetime, as_: Callable[[str], Client]
) -> None:
    name = "x" * length

    answer = as_("ada").post("/admin/auth/user/add/", {"username": name, "email": "x@shop.test"})

    user = User.objects.filter(username=name).first()
    assert (user is not None) is made
    if user is None:
        assert "The user name may have at most 90 characters" in answer.content.decode()
        return
    user.groups.add(Group.objects.get(name="CX"))
    client = Client()
    client.force_login(user)
    assert client.get(f"/orders/{factories.order('DE-70009', at).pk}/").status_code == 200


def test_its_first_page_says_what_each_thing_is_for(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    html = as_("ada").get("/admin/").content.decode()

    for admin in site._registry.values():
        assert str(escape(admin.says)) in html, admin  # type: ignore[attr-defined]
    for made in ("/admin/auth/user/add/", "/admin/fulfilment/location/add/"):
        assert f'href="{made}"' in html
    assert "/admin/integrator/connection/add/" not in html
    assert as_("ada").get("/admin/auth/").headers["Location"] == "/admin/"


def test_passwords_and_leaving_have_one_way_only(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    """Django's admin brings its own pages for both, past what ours keep and ask."""
    ada = as_("ada")

    assert ada.get("/admin/password_change/").headers["Location"] == "/accounts/password/change/"
    assert ada.post("/admin/logout/").headers["Location"] == "/accounts/logout/"
    assert ada.get("/admin/").status_code == 200


def test_what_was_done_is_said_in_words_and_times_are_the_retailers(
    scayle: Connection, at: datetime, as_: Callable[[str], Client]
) -> None:
    ada = as_("ada")
    new = {"username": "karl<b>", "email": "karl@shop.test"}
    assert "karl" not in ada.post("/admin/auth/user/add/", new).headers.get("Location", "")
    new["username"] = "karl"

    made = ada.post("/admin/auth/user/add/", new, follow=True).content.decode()
    assert "karl can set a password now. A role is asked for on People." in made
    Mapping.objects.create(
        connection=scayle,
        kind="LOCATION",
        theirs="HH-2",
        ours="altona",
        version=1,
        made_by="omar",
        made_at=datetime(2025, 7, 3, 14, 30, tzinfo=UTC),
    )
    shown = ada.get("/admin/integrator/mapping/").content.decode()
    assert "3 Jul 2025 16:30" in shown
    assert ">now<" in shown


@pytest.mark.parametrize("name", ["carla", "omar", "fiona", "clara", "otto"])
def test_other_roles_are_told_that_this_is_not_theirs(
    name: str, as_: Callable[[str], Client], scayle: Connection
) -> None:
    client = as_(name)

    for path in ("/admin/", "/admin/auth/user/", "/admin/integrator/connection/"):
        assert client.get(path, follow=True).status_code == 403, path


def test_a_changed_address_raises_the_version_that_caches_watch(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    Connection.objects.filter(pk=scayle.pk).update(secrets=b"kept")

    fills_in(as_("ada"), scayle, name="SCAYLE EU", base_url="http://127.0.0.1:8101/", settings=SHOP)

    scayle.refresh_from_db()
    assert (scayle.name, scayle.version) == ("SCAYLE EU", 2)
    assert bytes(scayle.secrets) == b"kept"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://scayle.example/", "The address must start with https://"),
        ("ftp://scayle.example/", "The address must be an https address"),
        ("https://key:word@scayle.example/", "must be an address without a password"),
        ("https://scayle.example/?a=", "must be an address without a password, ? and #"),
    ],
)
def test_no_key_is_sent_to_an_address_that_a_file_could_not_name(
    address: str,
    said: str,
    scayle: Connection,
    settings: Any,
    as_: Callable[[str], Client],
) -> None:
    settings.DEMO = False

    answer = fills_in(as_("ada"), scayle, base_url=address)

    assert said in answer.content.decode()
    scayle.refresh_from_db()
    assert scayle.base_url == "http://127.0.0.1:8100/"


def test_nobody_alone_sends_a_key_to_another_host(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    answer = fills_in(as_("ada"), scayle, base_url="http://localhost:8100/")

    assert "The key that is kept was given for 127.0.0.1" in answer.content.decode()
    scayle.refresh_from_db()
    assert scayle.base_url == "http://127.0.0.1:8100/"


def test_a_filter_that_no_word_can_have_is_refused(db: None, as_: Callable[[str], Client]) -> None:
    ada = as_("ada")

    for query in ("kind__exact=%00", "q=a%00b", "o=1&kind__exact=LOCATION&kind__exact=%00"):
        assert ada.get(f"/admin/integrator/mapping/?{query}").status_code == 400, query


def test_a_setting_that_nothing_reads_is_refused_here_too(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    answer = fills_in(
        as_("ada"), scayle, base_url="http://127.0.0.1:8101/", settings='{"shopkey": "nb"}'
    )

    assert "shopkey is not known here: did you mean shop_key?" in answer.content.decode()
    scayle.refresh_from_db()
    assert scayle.settings == {}


def test_what_a_platform_cannot_do_without_cannot_be_taken_away(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    answer = fills_in(as_("ada"), scayle, settings='{"shop_key": "nb"}')

    html = answer.content.decode()
    assert "country_code is missing: Country of the shop, two letters." in html
    assert "&quot;shop_key&quot;: &quot;nb&quot;" in html, "what was typed stays"
    scayle.refresh_from_db()
    assert scayle.settings == {}


@pytest.mark.parametrize("zone", ["Mars/Phobos", "../etc", "Europe/berlin", ""])
def test_a_clock_there_is_not_is_refused(
    scayle: Connection, as_: Callable[[str], Client], zone: str
) -> None:
    """By it no page could be opened any more, nor this one to mend it."""
    page = f"/admin/integrator/retailer/{scayle.retailer_id}/change/"
    before = Retailer.objects.get().timezone

    assert as_("ada").post(page, {"name": "Demo", "timezone": zone}).status_code == 200
    assert Retailer.objects.get().timezone == before
    assert as_("ada").post(page, {"name": "Demo", "timezone": "Asia/Tokyo"}).status_code == 302
    assert Retailer.objects.get().timezone == "Asia/Tokyo"


@pytest.mark.parametrize("typed", ["[1]", '"text"', "7", "{"])
def test_settings_that_are_no_names_and_values_are_refused(
    scayle: Connection, as_: Callable[[str], Client], typed: str
) -> None:
    answer = fills_in(as_("ada"), scayle, settings=typed)

    assert (answer.status_code, "Nothing was saved" in answer.content.decode()) == (200, True)
    scayle.refresh_from_db()
    assert scayle.settings == {}


def test_a_wrong_address_of_the_platforms_pages_is_refused_and_kept_as_typed(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    typed = SHOP[:-1] + ', "pages": {"order": "https://panel.example/orders"}}'

    answer = fills_in(as_("ada"), scayle, base_url="http://127.0.0.1:8101/", settings=typed)

    html = answer.content.decode()
    assert answer.status_code == 200
    assert "pages.order must hold {id} once" in html
    assert "https://panel.example/orders" in html
    scayle.refresh_from_db()
    assert scayle.settings == {}


def test_history_cannot_be_edited_or_deleted_here(
    scayle: Connection, at: Any, as_: Callable[[str], Client]
) -> None:
    mapping = Mapping.objects.create(
        connection=scayle,
        kind="LOCATION",
        theirs="HH-2",
        ours="altona",
        version=1,
        made_by="omar",
        made_at=at,
    )
    ada = as_("ada")
    factories.location()

    assert ada.get("/admin/integrator/mapping/").status_code == 200
    assert ada.get("/admin/integrator/mapping/add/").status_code == 403
    assert ada.post(f"/admin/integrator/mapping/{mapping.pk}/delete/").status_code == 403
    ada.post(f"/admin/integrator/mapping/{mapping.pk}/change/", {"ours": "mars"})
    mapping.refresh_from_db()
    assert mapping.ours == "altona"
    assert ada.post(f"/admin/integrator/connection/{scayle.pk}/delete/").status_code == 403
