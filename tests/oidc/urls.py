"""The addresses of an installation that has a sign-in provider."""

from integrator.desk import oidc
from integrator.urls import handler403, handler404
from integrator.urls import urlpatterns as without

urlpatterns = [*without, *oidc.ADDRESSES]

__all__ = ["handler403", "handler404", "urlpatterns"]
