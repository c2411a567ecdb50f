"""Set-up screens: configuration and people, nothing else.

No record of the business can be edited here.

A site of its own, so that what other packages register never appears; guarded by ``policy``, not by
staff flags: a superuser without the role is refused like anyone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import update_wrapper
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin, display
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.utils import display_for_field, lookup_field
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.forms import URLInput
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join

from fulfilment.models import Location
from integrator import policy, sign_in, staff
from integrator.admin_forms import ConnectionForm, NewPersonForm, RetailerForm, Typed
from integrator.desk import directory, words
from integrator.engine import clock
from integrator.engine.states import Trace
from integrator.login import lacks_second_factor
from integrator.models import Connection, Mapping, PolicyVersion, Retailer, SignInEvent
from integrator.roles import Role


class ConfigurationSite(AdminSite):
    """Django's admin behind our own door, in the frame of the desk (``templates/admin``)."""

    enable_nav_sidebar = False
    empty_value_display = "–"

    def has_permission(self, request: HttpRequest) -> bool:
        roles = policy.roles_of(request.user)
        holds = roles & (policy.VERBS["configuration.change"] | policy.VERBS["people.change"])
        return bool(holds) and not lacks_second_factor(request, roles)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Refuse what no page of Django's own admin sends, and what its views would break on.

        Times are the retailer's, as on every page of the desk.
        """

        def readable(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            # Its lists hand to the database whatever an address asks for.
            if any("\x00" in text for _, texts in request.GET.lists() for text in texts):
                raise BadRequest("NUL stands in no word of ours")
            if "" in (request.GET.get(TO_FIELD_VAR), request.POST.get(TO_FIELD_VAR)):
                raise BadRequest("No record is found by a field without a name")
            request.roles = policy.roles_of(request.user)  # type: ignore[attr-defined]
            zone = directory.current(at=clock.now()).timezone
            with timezone.override(ZoneInfo(zone)):
                answer: HttpResponse = view(request, *args, **kwargs)
                return answer.render() if isinstance(answer, TemplateResponse) else answer

        return super().admin_view(update_wrapper(readable, view), cacheable)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Strangers sign in where everybody does; people without the role are told so."""
        if request.user.is_authenticated:
            if lacks_second_factor(request, policy.roles_of(request.user)):
                return redirect("mfa_activate_totp")
            return TemplateResponse(
                request, "403.html", {"said": "Set-up is for integration admins."}, status=403
            )
        return redirect_to_login(request.get_full_path())

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        mine = [one for one in self._registry.values() if one.has_module_permission(request)]
        places = [one.place(request) for one in mine if isinstance(one, Guarded)]
        return TemplateResponse(request, "admin/index.html", {"places": places})

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> Any:
        """How Django sorts its models is nothing to whoever sets something up."""
        return redirect("admin:index")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return redirect("account_change_password")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return redirect("account_logout")


class Guarded(ModelAdmin):
    """Rights by business verb. Nothing here can be deleted: it is history somebody relies on.

    ``one`` and ``many`` are what its records are called here, ``says`` what they are for, and
    ``fields_said`` what to call a field, and how to show it, where its own name would not do.
    """

    verb: ClassVar[str] = "configuration.change"
    can_add: ClassVar[bool] = False
    can_change: ClassVar[bool] = True
    one: ClassVar[str]
    many: ClassVar[str]
    says: ClassVar[str]
    fields_said: ClassVar[dict[str, dict[str, Any]]] = {}
    figures: ClassVar[tuple[str, ...]] = ("version",)

    def place(self, request: HttpRequest) -> dict[str, str]:
        """Its line on the first page."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        add = reverse(f"{name}_add") if self.has_add_permission(request) else ""
        return {**self._words(), "href": reverse(f"{name}_changelist"), "add": add}

    def _words(self) -> dict[str, str]:
        return {"one": self.one, "many": self.many, "says": self.says}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        answer = super().changelist_view(request, {**self._words(), **(extra_context or {})})
        if isinstance(answer, TemplateResponse) and answer.context_data:
            answer.context_data |= self._table(answer.context_data["cl"])
        return answer

    def _table(self, cl: ChangeList) -> dict[str, Any]:
        """The list's heads and rows; figures line up under their head."""
        wide = ["num" if name in self.figures else "" for name in self.list_display]
        heads = list(zip(result_headers(cl), wide, strict=True))
        rows = [
            (cl.url_for_result(one), list(zip(self._cells(one), heads, strict=True)))
            for one in cl.result_list
        ]
        return {"heads": heads, "rows": rows}

    def _cells(self, record: Any) -> Iterator[Any]:
        for name in self.list_display:
            field, _, value = lookup_field(name, record, self)
            if field is None:
                yield value
            elif field.is_relation:
                yield getattr(record, field.name)
            else:
                yield display_for_field(value, field, site.empty_value_display)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        about = {**self._words(), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, about)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        return super().history_view(request, object_id, {**self._words(), **(extra_context or {})})

    def made_of(self, record: Any) -> str:
        """What is said when one was made."""
        return f"{record} is there now."

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        return self._goes_on(request, self.made_of(obj))

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._goes_on(request, f"{obj} was saved.")

    def _goes_on(self, request: HttpRequest, said: str) -> Any:
        """In the words of the desk: Django's own are made of markup."""
        messages.success(request, said)
        page = "add" if "_addanother" in request.POST else "changelist"
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}")

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Plain fields: Django puts signs beside a choice that lead to windows of their own."""
        kwargs |= self.fields_said.get(db_field.name, {})
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def _may(self, request: HttpRequest) -> bool:
        return policy.may(request.user, self.verb)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.can_add and self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_change and self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnly(Guarded):
    can_change = False


class RetailerAdmin(Guarded):
    one, many = "retailer", "Retailers"
    says = "Its name, and the clock by which its days begin."
    form = RetailerForm
    list_display = ("name", "slug", "timezone", "currency")
    fields = ("name", "timezone", "slug", "currency")
    # Amounts are kept in the currency and identifiers in the slug: neither may change underneath.
    readonly_fields = ("slug", "currency")


class ConnectionAdmin(Guarded):
    """Address and settings. Secrets are never shown, and the state is switched on its own page."""

    one, many = "connection", "Connections"
    says = (
        "Where each platform answers, and how it is asked. Pausing is on its own page, Connections."
    )
    form = ConnectionForm
    fields_said: ClassVar = {
        "base_url": {"label": "Address", "assume_scheme": "https", "widget": URLInput},
        "settings": {"form_class": Typed},
    }
    list_display = ("name", "platform", "base_url", "state")
    fields = ("name", "base_url", "settings", "retailer", "platform", "slug", "state", "version")
    readonly_fields = ("retailer", "platform", "slug", "state", "version")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("secrets")

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        """Only what the form shows is written, and the version grows so that caches notice."""
        obj.version += 1
        obj.save(update_fields=["name", "base_url", "settings", "version"])


class LocationAdmin(Guarded):
    one, many = "location", "Locations"
    says = "Where goods lie, and which system counts them."
    fields_said: ClassVar = {
        "authority": {"label": "Counted by"},
        "code": {"help_text": "As the retailer’s file and mappings name it. It stays for ever."},
    }
    list_display = ("name", "code", "authority", "retailer")
    fields = ("retailer", "code", "name", "authority")
    can_add = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Mappings name a location by its code.
        return ("retailer", "code") if obj is not None else ()


class PolicyVersionAdmin(ReadOnly):
    one, many = "policy version", "Policy"
    says = "What the retailer chose, as it was at each time. The retailer’s file changes it."
    list_display = ("retailer", "version", "made_by", "made")
    fields = ("retailer", "version", "chosen", "made_by", "made")
    ordering = ("-retailer_id", "-version")

    @display(description="Chosen, as in the file")
    def chosen(self, version: PolicyVersion) -> str:
        rows = ((name, json.dumps(value)) for name, value in sorted(version.values.items()))
        return format_html_join("\n", "<code>{} = {}</code>", rows)

    @display(description="Since", ordering="made_at")
    def made(self, version: PolicyVersion) -> str:
        return words.then_text(version.made_at, at=clock.now())


class MappingAdmin(ReadOnly):
    one, many = "meaning", "Meanings of words"
    says = "What each platform’s words were said to mean, and by whom. Mappings changes them."
    list_display = ("connection", "kind", "theirs", "ours", "version", "made_by", "made", "ended")
    list_filter = ("kind", "connection")
    search_fields = ("theirs", "ours")
    ordering = ("connection_id", "kind", "theirs", "-version")
    fields = (
        "connection",
        "kind",
        "theirs",
        "ours",
        "version",
        "made_by",
        "made",
        "ended",
    )

    @display(description="Since", ordering="made_at")
    def made(self, mapping: Mapping) -> str:
        return words.then_text(mapping.made_at, at=clock.now())

    @display(description="Until", ordering="ended_at")
    def ended(self, mapping: Mapping) -> str:
        at = mapping.ended_at
        return words.then_text(at, at=clock.now()) if at is not None else "now"


class PersonAdmin(Guarded, UserAdmin):
    """Accounts. Their roles, and leaving, are on *People*: there it takes a second person.

    A password is its holder's alone, and who holds a role keeps name and address in their own
    hands: whoever could set these could sign in as somebody else, and agree with themselves.
    """

    verb = "people.change"
    one, many = "account", "Accounts"
    says = "Who may sign in. Roles, and leaving, are on People."
    can_add = True
    add_form = NewPersonForm
    add_fieldsets = ((None, {"fields": ("username", "email")}),)
    list_display = ("username", "first_name", "last_name", "role_names", "state")
    list_filter = ()
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        ("On the page People", {"fields": ("role_names", "state")}),
    )
    readonly_fields = ("role_names", "state")

    def made_of(self, record: User) -> str:
        return f"{record} can set a password now. A role is asked for on People."

    @display(description="Roles")
    def role_names(self, user: User) -> str:
        names = {group.name for group in user.groups.all()}
        held = [str(Role(role).label) for role in Role.values if role in names]
        return ", ".join(held) or "none"

    @display(description="State", ordering="is_active")
    def state(self, user: User) -> str:
        return "Works here" if user.is_active else "Has left"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        if obj is None:
            return fields
        # Whatever somebody did is kept under their name, for ever: nobody else may be given it.
        return (*fields, "username", "email") if staff.has_role(obj) else (*fields, "username")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        trace = Trace(at=clock.now(), actor=f"user:{request.user.get_username()}")
        if not change:
            sign_in.note(obj, SignInEvent.What.MADE, trace=trace)
        elif "email" in form.changed_data:
            sign_in.note(obj, SignInEvent.What.ADDRESS, trace=trace)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        said = "Everybody sets their own password, by e-mail."
        return TemplateResponse(request, "403.html", {"said": said}, status=403)


site = ConfigurationSite(name="admin")
site.register(Retailer, RetailerAdmin)
site.register(Connection, ConnectionAdmin)
site.register(Location, LocationAdmin)
site.register(PolicyVersion, PolicyVersionAdmin)
site.register(Mapping, MappingAdmin)
site.register(User, PersonAdmin)
