"""``manage.py give_role NAME ROLE``: the first people of an installation; later ones ask."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrator import policy, staff
from integrator.roles import Role


class Command(BaseCommand):
    help = "Give the first people their roles. Later ones are asked for on the page People."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name they sign in with")
        parser.add_argument("role", choices=[role.lower() for role in Role.values])

    def handle(self, *args: Any, **options: Any) -> None:
        role = Role(options["role"].upper())
        people = User.objects.filter(is_active=True)
        asks = people.filter(groups__name__in=policy.VERBS["people.change"]).distinct()
        agrees = people.filter(groups__name__in=policy.VERBS["people.agree"]).distinct()
        if asks.exists() and agrees.count() > 1:
            raise CommandError("Two people can give roles now: ask for it on the page People.")
        person = people.filter(username=options["name"]).first()
        if person is None:
            raise CommandError(f"Nobody here signs in as {options['name']}.")
        held = frozenset(person.groups.values_list("name", flat=True))
        if clash := staff.clash_of(held, role):
            raise CommandError(f"{clash}.")
        person.groups.add(Group.objects.get_or_create(name=role.value)[0])
        self.stdout.write(f"{person} is {role.label}.")
