"""Set-up screens: configuration and people, nothing else.

No record of the business can be edited here.

A site of its own, so that what other packages register never appears; guarded by ``policy``, not by
staff flags: a superuser without the role is refused like anyone.
"""

from __future__ import annotations

from functools import update_wrapper
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, ValidationError
from django.forms import EmailField, ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from fulfilment.models import Location
from integrator import policy, sign_in, staff
from integrator.engine import clock
from integrator.engine.states import Trace
from integrator.login import lacks_second_factor
from integrator.models import Connection, Mapping, PolicyVersion, Retailer, SignInEvent
from integrator.platforms import PLATFORMS, base_url, known_settings, pages
from integrator.roles import Role

# Whatever somebody does is kept under "user:" and their name, in columns of 100 characters.
USER_NAME_MAX = 90


class ConfigurationSite(AdminSite):
    """The plain Django admin behind our own door and login page."""

    site_header = "Set-up"
    site_title = "Set-up"
    index_title = "What this installation is told"
    site_url = "/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        roles = policy.roles_of(request.user)
        holds = roles & (policy.VERBS["configuration.change"] | policy.VERBS["people.change"])
        return bool(holds) and not lacks_second_factor(request, roles)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Refuse what no page of Django's own admin sends, and what its views would break on."""

        def readable(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            # Its lists hand to the database whatever an address asks for.
            if any("\x00" in text for _, texts in request.GET.lists() for text in texts):
                raise BadRequest("NUL stands in no word of ours")
            if "" in (request.GET.get(TO_FIELD_VAR), request.POST.get(TO_FIELD_VAR)):
                raise BadRequest("No record is found by a field without a name")
            answer: HttpResponse = view(request, *args, **kwargs)
            return answer

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


class Guarded(ModelAdmin):
    """Rights by business verb. Nothing here can be deleted: it is history somebody relies on."""

    verb: ClassVar[str] = "configuration.change"
    can_add: ClassVar[bool] = False
    can_change: ClassVar[bool] = True

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
    list_display = ("name", "slug", "timezone", "currency")
    fields = ("name", "timezone", "slug", "currency")
    # Amounts are kept in the currency and identifiers in the slug: neither may change underneath.
    readonly_fields = ("slug", "currency")


class ConnectionForm(ModelForm):
    """Refuses a setting that nothing reads, and an address that no key, or nobody, may be sent to.

    As a retailer's file is read: what it refuses cannot be typed here.
    """

    def clean_base_url(self) -> str:
        """An address at the host its key was given for: one person alone sends no key elsewhere."""
        wanted: str = self.cleaned_data["base_url"]
        try:
            base_url.check(wanted, demo=settings.DEMO, where="The address")
        except base_url.UnableToCall as error:
            raise ValidationError(str(error)) from error
        host = urlsplit(self.initial["base_url"]).hostname
        if urlsplit(wanted).hostname != host:
            raise ValidationError(
                f"The key that is kept was given for {host}. "
                "Name another host in the retailer's file, together with its key"
            )
        return wanted

    def clean_settings(self) -> Any:
        wanted = self.cleaned_data["settings"] or {}
        platform = PLATFORMS[self.instance.platform]
        try:
            known_settings.check(wanted, platform.setting_names, where="")
            named = wanted.get(pages.SETTING, {})
            pages.check(named, platform.pages, demo=settings.DEMO, where=pages.SETTING)
        except (known_settings.UnknownSetting, pages.UnableToOpen) as error:
            raise ValidationError(str(error)) from error
        return wanted


class ConnectionAdmin(Guarded):
    """Address and settings. Secrets are never shown, and the state is switched on its own page."""

    form = ConnectionForm
    list_display = ("name", "platform", "base_url", "state")
    fields = ("name", "base_url", "settings", "retailer", "platform", "slug", "state", "version")
    readonly_fields = ("retailer", "platform", "slug", "state", "version")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("secrets")

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "base_url":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        """Only what the form shows is written, and the version grows so that caches notice."""
        obj.version += 1
        obj.save(update_fields=["name", "base_url", "settings", "version"])


class LocationAdmin(Guarded):
    list_display = ("name", "code", "authority", "retailer")
    fields = ("retailer", "code", "name", "authority")
    can_add = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Mappings name a location by its code.
        return ("retailer", "code") if obj is not None else ()


class PolicyVersionAdmin(ReadOnly):
    list_display = ("retailer", "version", "made_by", "made_at")
    fields = ("retailer", "version", "values", "made_by", "made_at")
    ordering = ("-retailer_id", "-version")


class MappingAdmin(ReadOnly):
    list_display = ("connection", "kind", "theirs", "ours", "version", "made_by", "ended_at")
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
        "made_at",
        "ended_at",
    )


class NewPersonForm(ModelForm):
    """A new account, without a password: its holder sets one by e-mail, and nobody else knows it.

    Its roles are asked for on the page *People*.
    """

    email = EmailField(max_length=254)

    class Meta:
        model = User
        fields = ("username", "email")

    def save(self, commit: bool = True) -> User:
        self.instance.set_unusable_password()
        person: User = super().save(commit)
        return person

    def clean_username(self) -> str:
        """A name that fits wherever we keep who did something, and that nobody mixes up."""
        name: str = self.cleaned_data["username"]
        if len(name) > USER_NAME_MAX:
            raise ValidationError(f"The user name may have at most {USER_NAME_MAX} characters")
        if User.objects.filter(username__iexact=name).exists():
            raise ValidationError("Somebody has this user name, perhaps in other letters")
        return name


class PersonAdmin(Guarded, UserAdmin):
    """Accounts. Their roles, and leaving, are on *People*: there it takes a second person.

    A password is its holder's alone, and who holds a role keeps name and address in their own
    hands: whoever could set these could sign in as somebody else, and agree with themselves.
    """

    verb = "people.change"
    can_add = True
    add_form = NewPersonForm
    add_fieldsets = ((None, {"fields": ("username", "email")}),)
    list_display = ("username", "first_name", "last_name", "role_names", "is_active")
    list_filter = ("is_active",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("On the page People", {"fields": ("role_names", "is_active")}),
    )
    readonly_fields = ("role_names", "is_active")

    def role_names(self, user: User) -> str:
        names = {group.name for group in user.groups.all()}
        return ", ".join(str(Role(role).label) for role in Role.values if role in names)

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
