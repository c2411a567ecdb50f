"""The app that holds the engine, the platforms, the flows and the desk."""

from django.apps import AppConfig


class IntegratorConfig(AppConfig):
    name = "integrator"
    verbose_name = "Integrator"

    def ready(self) -> None:
        from integrator import checks  # noqa: F401  (importing registers the checks)
