"""Signing in by the retailer's own provider (OpenID Connect), upon django-allauth's flow.

Stricter than its defaults: the signature of the provider's word is always checked, the word must
answer our own question (nonce), and what it says is not kept. Who it is here: ``sign_in.py``.
"""

from __future__ import annotations

import secrets
from typing import Any, NoReturn, cast

import structlog
from allauth.core import ratelimit
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from integrator.engine import clock
from integrator.sign_in import Claim, UnableToSignIn, Why, person_of

log = structlog.get_logger(__name__)

LONGEST_SUBJECT = 191
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Endpoints(OpenIDConnectOAuth2Adapter):
    """The calls to the provider: its description, its word, and its keys."""

    @property
    def openid_config(self) -> dict[str, Any]:
        config = super().openid_config
        if not isinstance(config, dict) or not isinstance(config.get("issuer"), str):
            raise OAuth2Error("The provider does not describe itself")
        if config["issuer"].rstrip("/") != settings.OIDC_ISSUER.rstrip("/"):
            raise OAuth2Error("The description is another provider's")
        allowed = ("https://", "http://") if settings.DEMO else ("https://",)
        for name in ENDPOINTS:
            if not str(config.get(name, "")).startswith(allowed):
                raise OAuth2Error(f"The provider names no {name} that is protected")
        return config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return request.build_absolute_uri(reverse("provider_answer"))

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any
    ) -> SocialLogin:
        claims = self._decode_id_token(app, kwargs["response"]["id_token"])
        if "email" not in claims and "userinfo_endpoint" in self.openid_config:
            more = self._fetch_user_info(token.token)
            if more.get("sub") != claims["sub"]:
                raise OAuth2Error("The provider speaks of two people")
            claims = {**more, **claims}
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims})

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
        )
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise OAuth2Error("The provider names nobody")
        if "exp" not in claims or "\x00" in subject:
            raise OAuth2Error("The provider's word has no end")
        return claims


class Provider(OpenIDConnectProvider):
    """The one provider of this installation. Its links are kept under its issuer's address."""

    pkce_enabled_default = True
    oauth2_adapter_class = Endpoints

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        return reverse("account_login")

    def get_callback_url(self) -> str:
        return reverse("provider_answer")

    def extract_extra_data(self, data: Any) -> dict[str, Any]:
        return {}  # names and addresses stay where they are

    def sociallogin_from_response(self, request: HttpRequest, response: Any) -> SocialLogin:
        login = super().sociallogin_from_response(request, response)
        login.claims = response["id_token"]
        return login


class ProviderAdapter(DefaultSocialAccountAdapter):
    """From the settings and nowhere else; and what happens when the provider has answered."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        return [_app()] if settings.OIDC_ISSUER else []

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Provider:
        return Provider(request, app=_app())

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let in whoever this is here, and nobody else."""
        claims = sociallogin.claims
        asked = str(sociallogin.state.get("nonce", ""))
        if not asked or not secrets.compare_digest(asked, str(claims.get("nonce", ""))):
            _refuse(request, Why.UNCLEAR, "nonce")
        claim = Claim(
            issuer=settings.OIDC_ISSUER,
            subject=claims["sub"],
            email=str(claims.get("email") or "").strip(),
            is_verified=claims.get("email_verified") in (True, "true"),
        )
        try:
            person = person_of(claim, at=clock.now())
        except UnableToSignIn as refused:
            _refuse(request, refused.why)
        sociallogin.user = person
        sociallogin.account = SocialAccount.objects.get(provider=claim.issuer, uid=claim.subject)
        sociallogin.has_second_factor = has_second_factor(claims)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> NoReturn:
        if error == AuthError.CANCELLED:
            _refuse(request, Why.CANCELLED)
        if exception is None and "error" not in request.GET:
            _refuse(request, Why.TOO_LATE)
        _refuse(request, Why.UNCLEAR, type(exception).__name__)


def has_second_factor(claims: dict[str, Any]) -> bool:
    """Whether the provider says one of the words that the settings name. By default none does."""
    methods = claims.get("amr")
    said = {f"amr:{one}" for one in methods} if isinstance(methods, list) else set()
    said.add(f"acr:{claims.get('acr')}")
    return bool(said & set(settings.OIDC_SECOND_FACTOR))


def _app() -> SocialApp:
    return SocialApp(
        provider=Provider.id,
        provider_id=settings.OIDC_ISSUER,
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={"server_url": settings.OIDC_ISSUER.rstrip("/")},
    )


@require_POST
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """Go to the provider: by a page that leads there, so that our forms lead to us alone."""
    if too_many := ratelimit.consume_or_429(request, action="login"):
        return cast(HttpResponse, too_many)
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    nonce = secrets.token_urlsafe(24)
    try:
        answer = Provider(request, app=_app()).redirect(
            request,
            AuthProcess.LOGIN,
            next_url=wanted if is_ours else None,
            auth_params={"nonce": nonce},
            nonce=nonce,
        )
    except (OAuth2Error, OSError, ValueError) as error:
        return _refusal(request, Why.UNCLEAR, type(error).__name__)
    except ImmediateHttpResponse as refused:
        return refused.response
    if not isinstance(answer, HttpResponseRedirect):
        return answer
    context = {"address": answer.url, "provider": settings.OIDC_NAME}
    return render(request, "account/provider.html", context)


@require_safe
@never_cache
def answer(request: HttpRequest) -> HttpResponse:
    """The provider sent somebody back."""
    try:
        view = OAuth2CallbackView.adapter_view(Endpoints(request, settings.OIDC_ISSUER))
        return view(request)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # What it said is not of the agreed shape: it comes from outside, whatever it is.
        return _refusal(request, Why.UNCLEAR, type(error).__name__)


def _refuse(request: HttpRequest, why: Why, detail: str = "") -> NoReturn:
    raise ImmediateHttpResponse(_refusal(request, why, detail))


def _refusal(request: HttpRequest, why: Why, detail: str = "") -> HttpResponse:
    log.warning("provider_refused", why=why.name, detail=detail)
    said = why.value.format(name=settings.OIDC_NAME)
    return render(request, "account/provider_refused.html", {"said": said}, status=403)


ADDRESSES = (
    path("accounts/provider/", start, name="provider_start"),
    path("accounts/provider/answer/", answer, name="provider_answer"),
)
