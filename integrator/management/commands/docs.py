"""``manage.py docs``: print the generated pages of ``docs/`` afresh, or say which one is stale."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrator.desk import case_manual
from integrator.engine.flow import LOCAL, Flow
from integrator.flows import ROUTES, SCHEDULE, tasks, view_alerts
from integrator.flows.truth import MATRIX
from integrator.platforms import PLATFORMS
from integrator.policy import SAYS, VERBS
from integrator.roles import Role

MADE = "<!-- Made by `make docs`; do not edit. -->"


class Command(BaseCommand):
    help = "Write the generated pages of docs/ from the code."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail when a page is stale")

    def handle(self, *args: Any, **options: Any) -> None:
        stale = []
        for name, text in {
            "flows.md": flows(),
            "exceptions.md": exceptions(),
            "roles.md": roles(),
            "truth.md": truth(),
        }.items():
            path = Path(settings.BASE_DIR) / "docs" / name
            if path.exists() and path.read_text() == text:
                continue
            stale.append(name)
            if not options["check"]:
                path.write_text(text)
        if options["check"] and stale:
            raise CommandError(
                f"docs/{', docs/'.join(stale)}: stale. Run `make docs` and commit it."
            )
        self.stdout.write(f"{len(stale)} pages written." if stale else "All pages are fresh.")


def flows() -> str:
    """What happens when: one line per fact, from ``ROUTES``."""
    lines = [
        "# What happens when",
        MADE,
        "",
        "Printed from `ROUTES`. A fact on the left starts the steps on the right, in this order.",
        "",
        "| when | what happens | where | promised within |",
        "|---|---|---|---|",
    ]
    for key, row in ROUTES.items():
        for number, flow in enumerate(row):
            when = f"`{key}`" if number == 0 else ""
            lines.append(
                f"| {when} | {flow.says} (`{flow.name}`) | {_where(flow)}"
                f" | {flow.due_minutes} min |"
            )
    lines += ["", "## By the clock", "", "| every | platform | fact |", "|---|---|---|"]
    lines += [
        f"| {one.minutes} min | {one.platform} | `heard:{one.platform}:{one.topic}` |"
        for one in SCHEDULE
    ]
    lines += ["", "Besides, of our own affairs:", "", "| every | what |", "|---|---|"]
    lines += [f"| {minutes} min | {name} |" for minutes, parts in _parts() for name in parts]
    lines += [
        "",
        "## Steps",
        "",
        "| step | looks up what is in doubt | joins later facts | when refused | when in doubt |",
        "|---|---|---|---|---|",
    ]
    seen: dict[str, Flow] = {flow.name: flow for row in ROUTES.values() for flow in row}
    for flow in sorted(seen.values(), key=lambda one: one.name):
        probe = "yes" if flow.probe else ("–" if flow.queue == LOCAL else "a person")
        lines.append(
            f"| `{flow.name}` | {probe} | {'yes' if flow.joins else 'no'}"
            f" | `{flow.on_refused.code}` | `{flow.on_doubt.code}` |"
        )
    return "\n".join(lines) + "\n"


def _parts() -> tuple[tuple[int, Iterable[str]], ...]:
    return (
        (1, tasks.MINUTE),
        (view_alerts.EVERY_MINUTES, tasks.VIEWS),
        (tasks.QUARTER_MINUTES, tasks.QUARTER),
    )


def _where(flow: Flow) -> str:
    return "here" if flow.queue == LOCAL else flow.queue


def exceptions() -> str:
    """The manual of cases: every kind with its lines, for the people who own them."""
    lines = [
        "# Cases: what they mean and what to do",
        MADE,
        "",
        "One page per team. A word in braces stands for the value of the case.",
    ]
    for team in case_manual.teams():
        lines += ["", f"## {team.role.label}"]
        for entry in team.entries:
            lines += ["", f"### {entry.title}", ""]
            lines += [f"- **{name}:** {text}" for name, text in entry.lines]
            buttons = "; ".join(f"{label} ({says})" for label, says in entry.buttons)
            lines.append(f"- **Buttons:** {buttons}")
    return "\n".join(lines) + "\n"


def roles() -> str:
    """Who may do what, from the policy file."""
    lines = [
        "# Who may do what",
        MADE,
        "",
        "| | " + " | ".join(str(role.label) for role in Role) + " |",
    ]
    lines.append("|---" * (len(Role) + 1) + "|")
    for verb, holders in VERBS.items():
        cells = ["yes" if role.value in holders else "" for role in Role]
        lines.append(f"| {SAYS[verb]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def truth() -> str:
    """Which system is right about what."""
    lines = [
        "# Who is right about what",
        MADE,
        "",
        "One system owns each value. What another says about it changes nothing here.",
        "",
        "| value | owner | kept as | what others say of it |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one.field} | {_name(one.owner)} | `{one.column}` | {one.others} |" for one in MATRIX
    ]
    return "\n".join(lines) + "\n"


def _name(owner: str) -> str:
    return PLATFORMS[owner].name if owner in PLATFORMS else owner
