"""How people log in: with accounts made by an administrator. What they may do is in policy.py."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest


class ClosedAccountAdapter(DefaultAccountAdapter):
    """Nobody signs up: the sign-up page answers that it is closed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


def lacks_second_factor(user: User, roles: frozenset[str]) -> bool:
    """Whether one of somebody's roles asks for a second factor that they have not set up."""
    return bool(roles & frozenset(settings.MFA_ROLES)) and not is_mfa_enabled(user)
