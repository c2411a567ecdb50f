"""What can be typed in Set-up, and what is refused there."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.forms import ChoiceField, EmailField, JSONField, ModelForm
from django.forms.fields import InvalidJSONInput

from integrator.platforms import PLATFORMS, base_url, known_settings, pages
from integrator.platforms.contract import WrongSetting

# Whatever somebody does is kept under "user:" and their name, in columns of 100 characters.
USER_NAME_MAX = 90


def _zones() -> list[tuple[str, str]]:
    """The clocks of places, as people know them: Europe/Berlin, not EST5EDT."""
    odd = ("Etc/", "SystemV/", "posix/", "right/")
    known = sorted(one for one in available_timezones() if "/" in one and not one.startswith(odd))
    return [(one, one.replace("_", " ")) for one in ("UTC", *known)]


class RetailerForm(ModelForm):
    """A clock there is: by another no page could say what time it is, nor this one be opened."""

    timezone = ChoiceField(
        choices=_zones,
        label="Clock",
        help_text="Its days, its working hours and the daily summary go by it.",
    )


class Typed(JSONField):
    """Settings as somebody would type them, each on a line of its own."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, InvalidJSONInput):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


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
        if not isinstance(wanted, dict):
            raise ValidationError('Write names and values: {"name": "value"}')
        platform = PLATFORMS[self.instance.platform]
        try:
            known_settings.check(wanted, platform.setting_names, where="")
            platform.contract.check_settings(wanted, where="")
            named = wanted.get(pages.SETTING, {})
            pages.check(named, platform.pages, demo=settings.DEMO, where=pages.SETTING)
        except (known_settings.UnknownSetting, WrongSetting, pages.UnableToOpen) as error:
            raise ValidationError(str(error)) from error
        return wanted


class NewPersonForm(ModelForm):
    """A new account, without a password: its holder sets one by e-mail, and nobody else knows it.

    Its roles are asked for on the page *People*.
    """

    email = EmailField(label="E-mail address", max_length=254)

    class Meta:
        model = User
        fields = ("username", "email")
        labels: ClassVar = {"username": "User name", "email": "E-mail address"}
        help_texts: ClassVar = {
            "username": f"At most {USER_NAME_MAX} letters, digits and @ . + - _. It stays for ever."
        }

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
