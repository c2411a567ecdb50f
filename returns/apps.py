"""CX's app: its records, rules, case kinds."""

from django.apps import AppConfig


class ReturnsConfig(AppConfig):
    name = "returns"
    verbose_name = "CX"
