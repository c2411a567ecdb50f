"""A house in which much has gone wrong, and all its screens, as everybody sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from fulfilment.models import StockLevel
from integrator import access_reviews
from integrator.admin import site
from integrator.desk import directory
from integrator.engine import connections, maintenance, mappings, router, seal_checks, seals
from integrator.engine.states import Trace
from integrator.flows import CASE_KINDS, ROUTES
from integrator.models import (
    AccessReview,
    Bulk,
    Case,
    CasePresence,
    CaseState,
    Heartbeat,
    Job,
    MaintenanceWindow,
    MappingFile,
    MappingKind,
    SavedView,
    Transition,
)
from returns.models import Return
from returns.queries import units_off_sale
from tests.browser.addresses import AUDIT, LISTS, OWN
from tests.browser.dates import BEGINS, SET_UP, dated_by_the_stage
from tests.journeys.causes import CAUSES
from tests.story import Stage

TROUBLES = (
    "MAPPING_MISSING",
    "REFUND_REFUSED",
    "REFUND_BY_HAND",
    "UNIT_RETURNED_TWICE",
    "RETURN_ORDER_UNKNOWN",
    "EXCHANGE_RELEASE_BY_HAND",
    "SKU_DISCONTINUED",
    "GOODWILL",
    "JOB_FAILED",
)


def troubled(stage: Stage) -> None:
    """Something for everybody, and one payment that waits for its second person."""
    now = stage.now()
    dated_by_the_stage(now, SET_UP)
    stage.clock.move_to(now - timedelta(days=3))
    wish = {"do": "give", "role": "CX", "reason": "Cover in the summer", "last_day": "2026-08-31"}
    stage.posts(stage.ada, "person_ask", stage.nobody.pk, **wish)
    stage.clock.move_to(now)
    stage.browsers.clear()  # nobody is signed in for so long
    for kind in TROUBLES:
        CAUSES[kind](stage)
    waits_for_two = stage.case("REFUND_BY_HAND")
    stage.presses(waits_for_two, "paid_by_hand", by=stage.fiona, reference="BANK-1")
    assert seals.seal_due(at=stage.now())
    seal_checks.check(trace=stage.trace(seal_checks.CLOCK))
    review = access_reviews.begin_due(today=BEGINS.date(), at=BEGINS)
    assert review is not None
    User.objects.filter(is_active=True).update(last_login=stage.now() - timedelta(hours=2))
    User.objects.filter(username="nobody").update(first_name="Nele", last_login=None)
    for name in ("local", "returngo", "scayle"):
        beat = {"at": stage.now(), "worker": "w1"}
        Heartbeat.objects.update_or_create(name=name, defaults=beat)


def cases_of(role: str) -> Iterator[str]:
    """The page of each open case of a team with its first form open; the first with every form."""
    found = Case.objects.filter(owner=role).exclude(state=CaseState.SOLVED).order_by("id")
    for case in found:
        actions = CASE_KINDS[case.kind].actions
        yield f"/cases/{case.pk}/?do={actions[0].key}"
    if found:
        yield f"/queue/?case={found[0].pk}"
        yield f"/queue/?case={found[0].pk}&play=1"
        yield f"/queue/?case={found[0].pk}&play=1&do=skip"
        for form in ("solve", "snooze", "note", "hand_over"):
            yield f"/cases/{found[0].pk}/?do={form}"


def records(stage: Stage) -> list[str]:
    """A customer, an article with a figure of ours, and one of which units are off sale."""
    customer = f"/customers/{stage.order({'id': '70001'}).customer_id}/"
    told = StockLevel.objects.order_by("id")[:1]
    stuck = units_off_sale()[:1]
    articles = {one.sku_id for one in (*told, *stuck)}
    return [customer, *(f"/skus/{one}/" for one in sorted(articles))]


def returns_of_each_stage(stage: Stage) -> Iterator[str]:
    """Returns done, held, swapped, of no known order; and a part of a set, graded anew."""
    order = stage.sold("SET-TEES")
    part = {"item_id": order["items"][0]["id"], "component": "TEE-BLK-L"}
    rma = stage.comes_back(order, units=[part])
    stage.warehouse_checks(rma)
    unit = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"]}
    stage.act("returngo", "correct_validation", **unit, restockable=False)
    stage.passes(minutes=6, step=3)
    rows = Return.objects.order_by("id").values_list("status", "order", "pk")
    of_each = {(status, order is None): pk for status, order, pk in rows}
    for pk in of_each.values():
        yield f"/returns/{pk}/"
    yield f"/returns/{stage.returned(rma).pk}/?show=money"


def views_of(stage: Stage) -> Iterator[str]:
    """A view of finance's own: as it was saved, and changed since; and one of the team's that tells
    when it lists more than was said.
    """
    query = "tab=needs&who=nobody&order=oldest"
    stage.posts(stage.fiona, "view_save", "finance", name="Nobody has taken these", query=query)
    view = SavedView.objects.get(person=stage.fiona)
    yield f"/queue/finance/?{query}&view={view.pk}"
    yield f"/queue/finance/?{query}&who=me&view={view.pk}"
    yield f"/queue/finance/?{query}&hide=platform.due&view={view.pk}"
    yield "/queue/finance/?tab=not-reconciled&order=customers"
    ours = "tab=needs&order=money"
    sent = {"name": "Most money first", "query": ours, "for": "team"}
    stage.posts(stage.fred, "view_save", "finance", **sent)
    view = SavedView.objects.get(person__isnull=True)
    tells = {"do": "tell", "more_than": 1, "query": view.query, "version": view.version}
    stage.posts(stage.fred, "view_change", view.pk, **tells)
    yield f"/queue/finance/?{ours}&view={view.pk}"
    yield f"/queue/finance/?{ours}&who=nobody&view={view.pk}"
    yield "/my-alerts/"


def meanings(stage: Stage) -> Iterator[str]:
    """Meanings that start later, and meanings from files: looked at, asked, saved."""
    waits = f"{stage.connection('returngo').pk}:LOCATION:WH-9"
    later = {"ours": "hamburg", "from": "2027-01-04T06:00"}
    stage.posts(stage.omar, "mapping_save", word=waits, **later)
    yield f"/mappings/?word={waits}"
    yield f"/mappings/?word={waits}&ours=hamburg&from=2026-12-01T06:00"
    yield f"/mappings/?word={waits}&ours=hamburg&from=soon"
    yield from _files(stage)
    later = {"ours": "KEPT", "from": "2027-01-04T06:00"}
    shop = f"{stage.connection('returngo').pk}:METHOD:Shop"
    stage.posts(stage.omar, "mapping_save", word=shop, **later)
    yield f"/mappings/?word={shop}"
    yield "/mappings/"
    yield "/mappings/files/"


def _files(stage: Stage) -> Iterator[str]:
    """A file that was looked at, with a row of each verdict, and one that waits for two."""
    table = "Connection,Kind,Word,Meaning\nreturngo,Location,HH-1,hamburg\n"
    table += "returngo,Method,Locker,SHIPPED\nreturngo,Location,WH-1,\n"
    for more, verdicts in (
        ("returngo,Method,Locker,KEPT\n", ("wrong",)),
        ("returngo,Location,HH-2,nowhere\n", ("wrong", "changed", "new", "same")),
    ):
        content = SimpleUploadedFile("words.csv", (table + more).encode())
        stage.posts(stage.omar, "mapping_bring", file=content)
        file = MappingFile.objects.latest("id")
        for verdict in verdicts:
            yield f"/mappings/files/{file.pk}/?rows={verdict}"
    mappings.save(
        connection=stage.connection("returngo"),
        kind=MappingKind.METHOD,
        theirs="Shop",
        ours="SHIPPED",
        trace=stage.trace("test"),
    )
    content = SimpleUploadedFile(
        "shops.csv", b"Connection,Kind,Word,Meaning\nreturngo,Method,Shop,KEPT\n"
    )
    stage.posts(stage.omar, "mapping_bring", file=content)
    file = MappingFile.objects.latest("id")
    stage.posts(stage.omar, "mapping_confirm", file.pk)
    yield f"/mappings/files/{file.pk}/"


def of_everybody(stage: Stage) -> list[str]:
    """The lists, an order with all that happened to it, a word with a meaning and one without."""
    words = f"/mappings/?word={stage.connection('returngo').pk}:LOCATION:"
    tried = f"connection={stage.connection('returngo').pk}&kind=LOCATION"
    order = f"/orders/{stage.order({'id': '70001'}).pk}/"
    return [
        *LISTS,
        order,
        f"{order}?as_of={stage.now():%Y-%m-%dT%H:%M:%S}Z",
        f"{order}?as_of=soon",
        *records(stage),
        *returns_of_each_stage(stage),
        f"{words}WH-9&ours=hamburg",
        f"{words}WH-1&tab=location",
        f"/mappings/try/?{tried}&theirs=wh-1",
        f"/mappings/try/?{tried}&theirs=WH-1",
    ]


def reviews(stage: Stage) -> Iterator[str]:
    """The review of roles: some decided, one wrong, and the page of who is looked at."""
    review = AccessReview.objects.get()
    carla = review.items.get(person=stage.carla)
    stage.posts(stage.ada, "review_decide", carla.pk, do="keep", reason="Works in returns")
    yield f"/people/reviews/{review.pk}/"
    yield f"/people/{stage.carla.pk}/"
    yield f"/people/{stage.carla.pk}/?do=leave"


def no_worker(stage: Stage) -> Iterator[str]:
    """What nobody looks after: every worker died a quarter of an hour ago."""
    Heartbeat.workers.update(worker=DEAD)
    stage.clock.move_to(stage.now() + timedelta(minutes=15))
    yield "/connections/"
    Heartbeat.workers.update(worker="w1")


def audits(stage: Stage) -> Iterator[str]:
    """The audit page, after somebody in customer service looked at an order and its customer."""
    carla = Client()
    carla.force_login(stage.carla)
    for path in (f"/orders/{stage.order({'id': '70001'}).pk}/", *records(stage)[:1]):
        carla.get(path)
    dated_by_the_stage(stage.now(), stage.now())
    yield from AUDIT


def many_at_once(stage: Stage) -> Iterator[str]:
    """What operations chose and did not start, what they started, its cases, and all of them; and
    one of which every step has stopped.
    """
    for do in ("take", "try_again:Try again", "snooze"):
        stage.posts(stage.omar, "bulk_prepare", "operations", do=do, which="all", query="")
    started, tries, snoozes = Bulk.objects.filter(person=stage.omar).order_by("id")
    yield f"/many/{tries.pk}/"
    yield f"/many/{snoozes.pk}/"
    yield f"/many/{snoozes.pk}/rows/?result=to-do"
    stage.posts(stage.omar, "bulk_start", started.pk)
    yield f"/many/{started.pk}/"
    stage.work()
    yield f"/many/{started.pk}/"
    yield f"/many/{started.pk}/rows/"
    yield f"/queue/operations/?bulk={started.pk}"
    stage.posts(stage.omar, "bulk_prepare", "operations", do="give_back", which="all", query="")
    stops = Bulk.objects.latest("id")
    stage.posts(stage.omar, "bulk_start", stops.pk)
    router.route(ROUTES, at=stage.now())
    Job.objects.filter(record_kind="bulk_item", state="DUE").update(state="PARKED")
    yield f"/many/{stops.pk}/"
    yield f"/many/{stops.pk}/rows/?result=stopped"
    yield "/many/"


def read_again(stage: Stage) -> Iterator[str]:
    """An order that left without a word of the shop: read again, it shows what changed."""
    order = stage.shop_sells()
    stage.settle()
    stage.ships(order)
    pk = stage.order(order).pk
    stage.posts(stage.omar, "order_read", pk)
    stage.work()
    yield f"/orders/{pk}/"


def as_liked(stage: Stage) -> Iterator[str]:
    """Close rows and fewer columns, as one person likes them: the lists, and an order."""
    stage.posts(stage.omar, "density", density="compact")
    stage.posts(stage.omar, "columns", "orders", show=["status"])
    yield "/orders/"
    stage.posts(stage.omar, "columns", "orders", do="all")
    yield from ("/queue/?tab=not-on-sale", "/monitors/", "/figures/")
    yield f"/orders/{stage.order({'id': '70001'}).pk}/"


def one_connection(stage: Stage) -> Iterator[str]:
    """A shop with a past: an outage, a key, a maintenance; one to come, and a pause with an end."""
    shop = stage.connection("scayle")
    start = stage.now() - timedelta(days=60)
    for days, act, reason in (
        (0, connections.refused_credentials, "401 Unauthorised: the key has run out"),
        (0.2, connections.resume, "A new key"),
        (30, connections.pause, "Stock-taking in Hamburg"),
        (32, connections.resume, "Counted"),
    ):
        how = "error" if act is connections.refused_credentials else "reason"
        trace = Trace(at=start + timedelta(days=days), actor="user:ada")
        act(stage.connection("scayle"), trace=trace, **{how: reason})
    fact = Transition.objects.filter(record_kind="connection").earliest("id")
    stage.posts(stage.omar, "incident_note", fact.pk, note="Their portal let ours expire.")
    begun = maintenance.announce(
        stage.connection("scayle"),
        starts_at=start + timedelta(days=45),
        ends_at=start + timedelta(days=45, hours=3),
        reason="A new release of the shop",
        trace=Trace(at=start, actor="user:ada"),
    )
    maintenance.turn(at=begun.starts_at)
    maintenance.turn(at=begun.ends_at)
    soon = {"starts": "2026-03-03T02:00", "ends": "2026-03-03T04:00", "reason": "A new release"}
    stage.posts(stage.ada, "connection_plan", shop.pk, **soon)
    ends = stage.now() + timedelta(hours=4)
    typed = f"{ends.astimezone(ZoneInfo(stage.retailer.timezone)):%Y-%m-%dT%H:%M}"
    stage.posts(
        stage.ada, "connection_switch", shop.pk, to="pause", reason="They move house", ends=typed
    )
    directory.forget()
    day = (start + timedelta(days=30)).date()
    planned = MaintenanceWindow.objects.get(state="PLANNED")
    for path in ("", "?do=on", "?do=pause", "?do=plan", f"?do=cancel&window={planned.pk}"):
        yield f"/connections/{shop.pk}/{path}"
    for path in ("history/", f"history/?note={fact.pk}"):
        yield f"/connections/{shop.pk}/{path}"
    yield f"/connections/{shop.pk}/history/?day={day}"
    yield f"/connections/{stage.connection('returngo').pk}/history/"


def together(stage: Stage) -> Iterator[str]:
    """A case of finance that customer service was handed, has skipped and undone, with Fred on it;
    and what the lead sees.
    """
    case = stage.some_case("REFUND_REFUSED")
    seen = str(case.events.latest("id").pk)
    note = "The customer wrote to you: which account is it?"
    over = {"to": "CX", "note": note, "version": seen}
    stage.posts(stage.fiona, "case_hand_over", case.pk, **over)
    stage.posts(stage.carla, "case_skip", case.pk, why="NEEDS_ANSWER", note="She calls back")
    stage.posts(stage.carla, "case_note", case.pk, note="Wrong customer")
    written = case.events.get(kind="NOTED")
    CasePresence.objects.create(
        case=case,
        person=stage.fred,
        since=stage.now() - timedelta(minutes=4),
        until=stage.now() + timedelta(hours=4),
    )
    yield f"/queue/?case={case.pk}"
    stage.posts(stage.carla, "case_undo", case.pk, written.pk)
    yield f"/cases/{case.pk}/"
    yield "/figures/skips/"
    yield "/figures/skips/rows/"


def set_up(stage: Stage) -> Iterator[str]:
    """The lists of Set-up, its forms, and what is only read there."""
    yield "/admin/"
    for model in site._registry:
        its = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield from (its, f"{its}{model._default_manager.latest('id').pk}/change/")
    yield "/admin/integrator/mapping/?q=nothing"
    yield from ("/admin/auth/user/add/", "/admin/fulfilment/location/add/")
    yield f"/admin/integrator/connection/{stage.connection('scayle').pk}/history/"


DEAD = "dead"


def seen_by(name: str, stage: Stage) -> Iterator[str]:
    """The pages of a person in turn, with workers alive unless the tour lets them die."""
    for path in SCREENS[name](stage):
        Heartbeat.workers.exclude(worker=DEAD).update(at=stage.now())
        yield path


# Chained, and not listed: each page is opened before the next thing happens.
SCREENS: dict[str, Callable[[Stage], Iterable[str]]] = {
    "carla": lambda stage: chain(OWN, cases_of("CX"), together(stage)),
    "omar": lambda stage: chain(
        of_everybody(stage),
        read_again(stage),
        cases_of("OPERATIONS"),
        many_at_once(stage),
        meanings(stage),
        as_liked(stage),
    ),
    "fiona": lambda stage: chain(OWN, views_of(stage), cases_of("FINANCE")),
    "conrad": lambda stage: [*OWN, "/people/", f"/cases/{stage.some_case('REFUND_BY_HAND').pk}/"],
    "ada": lambda stage: chain(
        OWN,
        records(stage)[:1],
        ["/connections/"],
        no_worker(stage),
        [f"/people/{stage.nobody.pk}/"],
        reviews(stage),
        audits(stage),
        cases_of("ADMIN"),
        set_up(stage),
        one_connection(stage),
    ),
    "nobody": lambda stage: OWN,
}
