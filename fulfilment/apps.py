"""Operations's app: its records, rules, case kinds."""

from django.apps import AppConfig


class FulfilmentConfig(AppConfig):
    name = "fulfilment"
    verbose_name = "Operations"
