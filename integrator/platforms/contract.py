"""One platform's contract, read from its contract.toml: what we rely on and how sure we are of it.

Nothing here knows a platform. A wrong contract file stops the start-up, never a running Job.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from integrator.engine.errors import Misconfigured

UNKNOWN = "UNKNOWN"
TEXT = "text"
TEXT_MAX = 500
# What a setting may be a number of, and the most that makes sense: no moment lies outside the
# calendar, and no count outside its column.
NUMBERS: Mapping[str, int] = {
    "calls": 100_000_000,
    "seconds": 86_400,
    "minutes": 525_600,
    "days": 3_650,
}


class WrongSetting(Exception):
    """A setting is missing or holds what it cannot. The message names it and says what to write."""


class Source(StrEnum):
    """How we know a line of a contract."""

    DOCUMENTED = "documented"  # the vendor says so, or its own software shows it
    INFERRED = "inferred"  # follows from what the vendor shows, but is nowhere said
    ASSUMED = "assumed"  # nothing public says so: to be confirmed with the vendor


@dataclass(frozen=True, slots=True)
class Line:
    """One statement of a contract. ``says`` explains it to the integration admin."""

    name: str
    value: Any
    source: Source
    says: str = ""
    kind: str = TEXT


@dataclass(frozen=True, slots=True)
class Setting:
    """A value the integration admin enters for a connection: text, or a number of ``kind``."""

    name: str
    required: bool
    secret: bool
    says: str
    kind: str = TEXT

    def fault(self, value: Any) -> str:
        """Why this cannot be kept, to follow its name; empty when it can."""
        if value in (None, ""):
            return f"is missing: {self.says}" if self.required else ""
        if self.kind == TEXT:
            is_text = isinstance(value, str) and len(value) <= TEXT_MAX and "\x00" not in value
            return "" if is_text else f"must be text, at most {TEXT_MAX} characters"
        most = NUMBERS[self.kind]
        if re.fullmatch(r"[0-9]{1,9}", str(value)) and int(value) <= most:
            return ""
        return f"must be a whole number of {self.kind}, at most {most:,}"


@dataclass(frozen=True, slots=True)
class Write:
    """A call that changes something there, and what may be done when its outcome is unknown.

    ``repeat_harmless``: sending it again does no harm, so "not there" after ``settle_minutes`` and
    ``lookups_needed`` reads lets the Job send it again by itself.
    """

    name: str
    method: str
    template: str
    source: Source
    enabled: bool
    repeat_harmless: bool
    settle_minutes: int
    lookups_needed: int

    def path(self, **parts: str) -> str:
        return fill(self.template, parts)


@dataclass(frozen=True)
class Contract:
    """Everything we rely on about one platform. ``lines`` is every statement, for the screens."""

    platform: str
    title: str  # as people call it
    transport: Mapping[str, Line]
    settings: Mapping[str, Setting]
    reads: Mapping[str, Line]
    writes: Mapping[str, Write]
    enums: Mapping[str, Mapping[str, str]]
    assumptions: Mapping[str, Line]
    lines: tuple[Line, ...]

    @property
    def setting_names(self) -> tuple[str, ...]:
        """What may be set for a connection: no secrets, but the switches of its writes."""
        own = (name for name, one in self.settings.items() if not one.secret)
        return (*own, *(f"write_{name}" for name in self.writes))

    def check_settings(self, values: Mapping[str, Any], *, where: str) -> None:
        """WrongSetting for the first setting that is missing or holds what it cannot; ``where`` is
        what they stand in.
        """
        for one in self.settings.values():
            if not one.secret and (fault := one.fault(values.get(one.name))):
                raise WrongSetting(f"{where}{one.name} {fault}")
        for name in self.writes:
            switch = str(values.get(f"write_{name}", "")).strip().lower()
            if switch not in ("", "on", "off"):
                raise WrongSetting(f"{where}write_{name} must be on or off")

    @property
    def secret_names(self) -> tuple[str, ...]:
        return tuple(name for name, one in self.settings.items() if one.secret)

    def read(self, name: str, **parts: str) -> str:
        """The path of a read, its parts escaped."""
        return fill(self.reads[name].value, parts)

    def write(self, name: str, settings: Mapping[str, str]) -> Write:
        """The write ``name``, if this connection may use it.

        The contract's ``enabled`` holds unless the connection's setting ``write_<name>`` says "on"
        or "off".
        """
        if self.may_write(name, settings):
            return self.writes[name]
        setting = f"write_{name}"
        raise Misconfigured(
            f"The write {name} of {self.title} is switched off.",
            case="WRITE_SWITCHED_OFF",
            facts={"platform": self.title, "write": name, "setting": setting},
        )

    def may_write(self, name: str, settings: Mapping[str, str]) -> bool:
        """Whether this connection may use the write ``name``; Misconfigured for another word."""
        setting = f"write_{name}"
        switch = str(settings.get(setting, "")).strip().lower()
        if switch not in ("", "on", "off"):
            raise Misconfigured(
                f"The setting {setting} must be on or off.",
                cause=f"{self.platform}:{setting}",
                facts={"platform": self.title, "setting": setting},
            )
        return switch == "on" or (not switch and self.writes[name].enabled)

    def word(self, enum: str, raw: str) -> str:
        """Our word for the platform's ``raw`` word; UNKNOWN when the contract does not list it."""
        return self.enums[enum].get(raw, UNKNOWN)

    def raw(self, enum: str, word: str) -> str:
        """The platform's word for ours: the first the contract lists."""
        for raw, ours in self.enums[enum].items():
            if ours == word:
                return raw
        raise AssertionError(f"{self.platform} has no word for {enum} {word}")

    def number(self, name: str) -> int:
        return int(self.transport[name].value)

    def assumption(self, name: str) -> Any:
        return self.assumptions[name].value


def fill(template: str, parts: Mapping[str, str]) -> str:
    return template.format_map({name: quote(part, safe="") for name, part in parts.items()})


def load(platform: str, title: str, path: Path) -> Contract:
    """Read and check a contract file; ValueError names the line that is wrong."""
    document = tomllib.loads(path.read_text("utf-8"))
    known = {"transport", "settings", "secrets", "reads", "writes", "enums", "assumptions"}
    if stray := document.keys() - known:
        raise ValueError(f"{platform}: unknown tables {sorted(stray)}")
    lines: list[Line] = []

    def table(name: str, rows: Mapping[str, Any]) -> Mapping[str, Line]:
        found = {key: _line(platform, f"{name}.{key}", row) for key, row in rows.items()}
        lines.extend(found.values())
        return MappingProxyType(found)

    settings: dict[str, Setting] = {}
    for kind in ("settings", "secrets"):
        for name, line in table(kind, document.get(kind, {})).items():
            if line.value not in ("required", "optional"):
                raise ValueError(f"{platform}: {line.name} must be required or optional")
            if line.kind not in (TEXT, *NUMBERS):
                raise ValueError(f"{platform}: {line.name} is of an unknown kind")
            settings[name] = Setting(
                name, line.value == "required", kind == "secrets", line.says, line.kind
            )
    enums: dict[str, Mapping[str, str]] = {}
    for name, rows in document.get("enums", {}).items():
        words = table(f"enums.{name}", rows)
        enums[name] = MappingProxyType({key: str(line.value) for key, line in words.items()})
    return Contract(
        platform=platform,
        title=title,
        transport=table("transport", document.get("transport", {})),
        settings=MappingProxyType(settings),
        reads=table("reads", document.get("reads", {})),
        writes=MappingProxyType(
            {
                name: _write(platform, name, table(f"writes.{name}", rows))
                for name, rows in document.get("writes", {}).items()
            }
        ),
        enums=MappingProxyType(enums),
        assumptions=table("assumptions", document.get("assumptions", {})),
        lines=tuple(lines),
    )


def _line(platform: str, name: str, row: Any) -> Line:
    if not isinstance(row, dict) or "value" not in row or "source" not in row:
        raise ValueError(f"{platform}: {name} needs a value and a source")
    known = {"value", "source", "says", *(["kind"] if name.startswith("settings.") else [])}
    if stray := row.keys() - known:
        raise ValueError(f"{platform}: {name} has unknown keys {sorted(stray)}")
    return Line(
        name, row["value"], Source(row["source"]), row.get("says", ""), row.get("kind", TEXT)
    )


def _write(platform: str, name: str, lines: Mapping[str, Line]) -> Write:
    wanted = {"call", "body", "enabled", "repeat_harmless", "settle_minutes", "lookups_needed"}
    if lines.keys() != wanted:
        raise ValueError(f"{platform}: writes.{name} must state {sorted(wanted)}")
    match = re.fullmatch(r"(POST|PUT|PATCH|DELETE) (/\S+)", str(lines["call"].value))
    if match is None:
        raise ValueError(f"{platform}: writes.{name}.call must be a method and a path")
    for key, kind in (
        ("enabled", bool),
        ("repeat_harmless", bool),
        ("settle_minutes", int),
        ("lookups_needed", int),
    ):
        if type(lines[key].value) is not kind:
            raise ValueError(f"{platform}: writes.{name}.{key} must be {kind.__name__}")
    for _, part, _, _ in string.Formatter().parse(match[2]):
        if part is not None and not part.isidentifier():
            raise ValueError(f"{platform}: writes.{name}.call has the bad part {part!r}")
    weakest = max((lines["call"].source, lines["body"].source), key=list(Source).index)
    return Write(
        name=name,
        method=match[1],
        template=match[2],
        source=weakest,
        enabled=lines["enabled"].value,
        repeat_harmless=lines["repeat_harmless"].value,
        settle_minutes=lines["settle_minutes"].value,
        lookups_needed=lines["lookups_needed"].value,
    )
