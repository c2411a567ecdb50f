"""What was set: meanings of words, rules, connections and places, roles. Reads only.

The last three are kept by triggers (django-pghistory), whatever made the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import (
    Case,
    CharField,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Concat, JSONObject

from integrator.desk.audit_sources import PERSON, Wanted, by_actor, one_of
from integrator.models import Connection, Mapping, PolicyVersion, RoleGrant, SavedView


def _by_context(rows: QuerySet[Any], wanted: Wanted) -> QuerySet[Any]:
    """The same for the history of settings: who was signed in is kept beside it.

    Without anybody it was a command on the server.
    """
    who = User.objects.annotate(key=Cast("pk", CharField())).filter(key=OuterRef("row_user"))
    name = Coalesce(Subquery(who.values("username")[:1]), Value("somebody who is gone"))
    person = Concat(Value(PERSON), name, output_field=CharField())
    rows = rows.annotate(row_user=KeyTextTransform("user", "pgh_context__metadata"))
    rows = rows.annotate(
        # What the clock ended says so itself.
        row_actor=Case(
            When(row_user__isnull=False, then=person),
            default=Coalesce(
                Cast(KeyTextTransform("actor", "pgh_context__metadata"), CharField()),
                Value("configure"),
            ),
            output_field=CharField(),
        )
    )
    if wanted.person is not None:
        rows = rows.filter(pgh_context__metadata__user=wanted.person.pk)
    if wanted.hand:
        rows = rows.filter(row_user__isnull=False)
    return rows


def mapped(wanted: Wanted) -> QuerySet[Any] | None:
    if wanted.two or wanted.money:
        return None
    rows = by_actor(Mapping.objects.all(), wanted, "made_by")
    if wanted.target is not None:
        if wanted.target.connection_id is None:
            return None
        rows = rows.filter(connection_id=wanted.target.connection_id)
    before = Mapping.objects.filter(
        connection=OuterRef("connection"),
        kind=OuterRef("kind"),
        theirs=OuterRef("theirs"),
        version=OuterRef("version") - 1,
    )
    return rows.annotate(
        row_data=JSONObject(
            connection_id="connection_id",
            kind="kind",
            theirs="theirs",
            old=Subquery(before.values("ours")[:1]),
            new="ours",
        )
    )


def ruled(wanted: Wanted) -> QuerySet[Any] | None:
    if wanted.two or wanted.money or wanted.target is not None:
        return None
    before = PolicyVersion.objects.filter(
        retailer=OuterRef("retailer"), version=OuterRef("version") - 1
    )
    return by_actor(PolicyVersion.objects.all(), wanted, "made_by").annotate(
        row_data=JSONObject(
            name="retailer__name",
            version="version",
            old=Subquery(before.values("values")[:1]),
            new="values",
        )
    )


def history_of(model: type[Model], *fields: str) -> Callable[[Wanted], QuerySet[Any] | None]:
    """A table of settings, by the history that its triggers keep: only what these fields say."""
    history: Any = model.pgh_event_model  # type: ignore[attr-defined]
    said = {field: field for field in fields}

    def rows(wanted: Wanted) -> QuerySet[Any] | None:
        target = wanted.target
        if wanted.two or wanted.money:
            return None
        found = _by_context(history.objects.all(), wanted)
        if target is not None:
            if model is not Connection or target.connection_id is None:
                return None
            found = found.filter(pgh_obj_id=target.connection_id)
        before = history.objects.filter(
            pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__lt=OuterRef("pgh_id")
        ).order_by("-pgh_id")
        found = found.annotate(before=one_of(before, **said), now=JSONObject(**said))
        found = found.filter(Q(before__isnull=True) | ~Q(before=F("now")))
        return found.annotate(
            row_data=JSONObject(
                record_kind=Value(model.RECORD_KIND if hasattr(model, "RECORD_KIND") else ""),
                record_id="id",
                name="name",
                old="before",
                new="now",
            )
        )

    return rows


def viewed(wanted: Wanted) -> QuerySet[Any] | None:
    """Views of a team: kept, changed, given to it by a person, deleted."""
    if wanted.two or wanted.money or wanted.target is not None:
        return None
    history: Any = SavedView.pgh_event_model  # type: ignore[attr-defined]
    said = {field: field for field in ("name", "query", "more_than")}
    before = history.objects.filter(
        pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__lt=OuterRef("pgh_id")
    ).order_by("-pgh_id")
    return _by_context(history.objects.all(), wanted).annotate(
        row_data=JSONObject(
            what="pgh_label",
            view_id="pgh_obj_id",
            role="role",
            old=one_of(before, **said),
            new=JSONObject(**said),
        )
    )


def granted(wanted: Wanted) -> QuerySet[Any] | None:
    if wanted.two or wanted.money or wanted.target is not None:
        return None
    history: Any = RoleGrant.pgh_event_model
    return _by_context(history.objects.all(), wanted).annotate(
        row_data=JSONObject(what="pgh_label", person="user__username", role="group__name")
    )
