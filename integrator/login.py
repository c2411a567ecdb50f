"""How people log in: with accounts made by an administrator. What they may do is in policy.py."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core import context
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from integrator import policy

PROVIDER_FACTOR = "provider_second_factor"


class Backend(AuthenticationBackend):
    """allauth's; but who asks is read with the groups, keys and screens that every page needs."""

    def get_user(self, user_id: int) -> User | None:
        groups = Group.objects.filter(user=OuterRef("pk")).values("name")
        known = User.objects.select_related("key_choice", "screen_choice")
        user = known.filter(pk=user_id).annotate(**{policy.GROUPS: ArraySubquery(groups)}).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class ClosedAccountAdapter(DefaultAccountAdapter):
    """Nobody signs up: the sign-up page answers that it is closed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        """A page of ours. The package's own breaks on half an address, which anyone may send."""
        request = context.request
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: Any, **more: Any
    ) -> HttpResponse:
        """Keep, with this session alone, that the provider saw a second factor."""
        login = (signal_kwargs or {}).get("sociallogin")
        request.session[PROVIDER_FACTOR] = getattr(login, "has_second_factor", False)
        answer: HttpResponse = super().post_login(
            request, user, signal_kwargs=signal_kwargs, **more
        )
        return answer


def lacks_second_factor(request: HttpRequest, roles: frozenset[str]) -> bool:
    """Whether a role of who asks wants a second factor that is not there.

    What the provider saw counts where the settings say so, and only as long as they do.
    """
    if not roles & frozenset(settings.MFA_ROLES):
        return False
    if (
        settings.OIDC_ISSUER
        and settings.OIDC_SECOND_FACTOR
        and request.session.get(PROVIDER_FACTOR)
    ):
        return False
    return not is_mfa_enabled(request.user)
