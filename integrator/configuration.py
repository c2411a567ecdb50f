"""``retailer.toml`` → rows: what a retailer's file says, what differs from now, and making it so.

Idempotent: the second time nothing changes. Secrets are named in the file and read from the
environment. Not for people's daily work: that is the screens'.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import transaction

from fulfilment.models import Location
from integrator import retailer_file
from integrator.engine import choices, limits, mappings, secrets
from integrator.engine.errors import Misconfigured
from integrator.engine.money import EXPONENTS
from integrator.engine.states import Trace
from integrator.flows.kinds import CASE_KINDS
from integrator.flows.tell_receiver import key_of
from integrator.models import AlertReceiver, Connection, Cursor, MappingKind, Retailer
from integrator.models import Mapping as MappingRow
from integrator.platforms import PLATFORMS, base_url, pages
from integrator.platforms.contract import NUMBERS, WrongSetting
from integrator.retailer_file import UnableToConfigure
from integrator.roles import Role
from returns.shapes import Method, Resolution

# Choices that name a location of ours.
_PLACES = ("in_transit_location", "exchange_location")
# What a platform's word may mean, where that is not a name of the retailer's own.
_MEANINGS = {
    MappingKind.RESOLUTION: [one for one in Resolution.values if one != Resolution.UNKNOWN],
    MappingKind.METHOD: [one for one in Method.values if one != Method.UNKNOWN],
}


def apply(content: Mapping[str, Any], *, trace: Trace, dry_run: bool = False) -> list[str]:
    """Make the database say what the file says. Returns every difference in words.

    A dry run does the same work and rolls it back, so what it prints is what would happen.
    """
    retailer_file.check(content)
    said: list[str] = []
    with transaction.atomic():
        retailer = _retailer(content, said)
        _locations(retailer, content, said)
        connections = _connections(retailer, content, said)
        _policy(retailer, content, trace, said)
        _mappings(connections, content, trace, said)
        _receivers(retailer, content, said)
        if dry_run:
            transaction.set_rollback(True)
    limits.forget()
    return said


def _take(table: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in table or table[name] in ("", None):
        raise UnableToConfigure(f"{where}.{name} is missing")
    return table[name]


def _retailer(content: Mapping[str, Any], said: list[str]) -> Retailer:
    table = content.get("retailer")
    if table is None:
        raise UnableToConfigure("[retailer] is missing")
    slug = _take(table, "slug", "retailer")
    wanted = {name: _take(table, name, "retailer") for name in ("name", "timezone", "currency")}
    if wanted["currency"] not in EXPONENTS:
        raise UnableToConfigure(
            f"retailer.currency {wanted['currency']!r} is no currency of ISO 4217"
        )
    try:
        ZoneInfo(wanted["timezone"])
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise UnableToConfigure(
            f"retailer.timezone {wanted['timezone']!r} is no time zone: write one as Europe/Berlin"
        ) from error
    retailer, created = Retailer.objects.get_or_create(slug=slug, defaults=wanted)
    if retailer.currency != wanted["currency"]:
        # Amounts are kept in it: the same figures would suddenly mean something else.
        raise UnableToConfigure(
            f"retailer.currency is {retailer.currency} and cannot be changed any more"
        )
    if created:
        said.append(f"retailer {slug}: added")
    _update(retailer, wanted, f"retailer {slug}", said)
    return retailer


def _update(row: Any, wanted: Mapping[str, Any], what: str, said: list[str]) -> bool:
    different = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    for name, value in different.items():
        said.append(f"{what}: {name} {getattr(row, name)!r} → {value!r}")
        setattr(row, name, value)
    if different:
        row.save(update_fields=list(different))
    return bool(different)


def _locations(retailer: Retailer, content: Mapping[str, Any], said: list[str]) -> None:
    for number, table in enumerate(content.get("location", [])):
        where = f"location[{number}]"
        code = _take(table, "code", where)
        wanted = {
            "name": _take(table, "name", where),
            "authority": _take(table, "authority", where),
        }
        if wanted["authority"] not in Location.Authority.values:
            allowed = ", ".join(Location.Authority.values)
            raise UnableToConfigure(f"{where}.authority must be one of {allowed}")
        location, created = Location.objects.get_or_create(
            retailer=retailer, code=code, defaults=wanted
        )
        if created:
            said.append(f"location {code}: added, counted by {wanted['authority']}")
        _update(location, wanted, f"location {code}", said)


def _connections(
    retailer: Retailer, content: Mapping[str, Any], said: list[str]
) -> dict[str, Connection]:
    connections = {}
    for number, table in enumerate(content.get("connection", [])):
        where = f"connection[{number}]"
        slug = _take(table, "slug", where)
        platform = _take(table, "platform", where)
        if platform not in PLATFORMS:
            raise UnableToConfigure(f"{where}.platform must be one of {', '.join(PLATFORMS)}")
        wanted = {
            "name": _take(table, "name", where),
            "base_url": _base_url(_take(table, "base_url", where), where),
            "settings": _settings(table, platform, where),
        }
        row, created = Connection.objects.get_or_create(
            slug=slug,
            defaults={
                **wanted,
                "retailer": retailer,
                "platform": platform,
                "callback_token_hash": secrets.hashed(secrets.new_token()),
            },
        )
        if created:
            said.append(f"connection {slug}: added")
        changed = _update(row, wanted, f"connection {slug}", said)
        changed |= _secrets(row, table, where, said)
        _budgets(row, table, where, said)
        if changed:
            Connection.objects.filter(pk=row.pk).update(version=row.version + 1)
        connections[slug] = row
    return connections


def _settings(table: Mapping[str, Any], platform: str, where: str) -> dict[str, Any]:
    """The settings as they are kept, with the addresses of the platform's own screens."""
    wanted = dict(table.get("settings", {}))
    try:
        PLATFORMS[platform].contract.check_settings(wanted, where=f"{where}.settings.")
    except WrongSetting as error:
        raise UnableToConfigure(str(error)) from error
    named = table.get(pages.SETTING, wanted.get(pages.SETTING))
    if named is None:
        return wanted
    if isinstance(named, Mapping):
        named = {name: _with_port(pattern) for name, pattern in named.items()}
    kinds, field = PLATFORMS[platform].pages, f"{where}.{pages.SETTING}"
    try:
        checked = pages.check(named, kinds, demo=settings.DEMO, where=field)
    except pages.UnableToOpen as error:
        raise UnableToConfigure(str(error)) from error
    return {**wanted, pages.SETTING: checked}


def _with_port(address: Any) -> Any:
    """The port of the sandbox is the installation's, so the file may leave it to the settings."""
    if not isinstance(address, str):
        return address
    return address.replace("{SANDBOX_PORT}", str(settings.SANDBOX_PORT))


def _base_url(url: str, where: str) -> str:
    try:
        return base_url.check(_with_port(url), demo=settings.DEMO, where=f"{where}.base_url")
    except base_url.UnableToCall as error:
        raise UnableToConfigure(str(error)) from error


def _secrets(row: Connection, table: Mapping[str, Any], where: str, said: list[str]) -> bool:
    """Secrets are named ``{api_key = "NAME_OF_A_VARIABLE"}`` and read from the environment."""
    wanted = {
        name: _variable(variable, f"{where}.secrets.{name}")
        for name, variable in table.get("secrets", {}).items()
    }
    if not wanted or _known_secrets(row) == wanted:
        return False
    row.secrets = secrets.seal(wanted)
    row.save(update_fields=["secrets"])
    said.append(f"connection {row.slug}: credentials {', '.join(sorted(wanted))} set")
    return True


def _variable(name: Any, where: str) -> str:
    retailer_file.check_text(name, where)
    if name not in os.environ:
        raise UnableToConfigure(f"{where}: the environment has no variable {name}")
    return os.environ[name]


def _known_secrets(row: Connection | AlertReceiver) -> dict[str, str] | None:
    """None when no key of ours opens them: they are then set anew, which is what mends it."""
    try:
        return secrets.read(row)
    except Misconfigured:
        return None


def _budgets(row: Connection, table: Mapping[str, Any], where: str, said: list[str]) -> None:
    """How far each stream may be behind before it counts as behind."""
    for stream, minutes in table.get("lag_budget_minutes", {}).items():
        if type(minutes) is not int or not 1 <= minutes <= NUMBERS["minutes"]:
            raise UnableToConfigure(
                f"{where}.lag_budget_minutes.{stream} must be whole minutes, at most a year's"
            )
        cursor, _ = Cursor.objects.get_or_create(connection=row, stream=stream)
        _update(
            cursor, {"lag_budget_seconds": minutes * 60}, f"connection {row.slug} {stream}", said
        )


def _policy(retailer: Retailer, content: Mapping[str, Any], trace: Trace, said: list[str]) -> None:
    last = retailer.policies.order_by("-version").first()
    values = content.get("policy", {})
    for name in _PLACES:
        _check_place(values.get(name), retailer, f"policy.{name}")
    try:
        now = choices.save(retailer=retailer, values=values, made_by=trace.actor)
    except choices.UnableToSetPolicy as error:
        raise UnableToConfigure(str(error)) from error
    if last is not None and last.pk == now.pk:
        return
    before = last.values if last is not None else {}
    for name in sorted(now.values):
        if before.get(name) != now.values[name]:
            said.append(f"policy {name}: {before.get(name)!r} → {now.values[name]!r}")


def _check_place(code: Any, retailer: Retailer, where: str) -> None:
    """A slip in the name of a place would hold everything that goes there."""
    known = retailer.location_set.order_by("code").values_list("code", flat=True)
    if code is not None and code not in known:
        raise UnableToConfigure(f"{where}: no location is called {code}, but {', '.join(known)}")


def _mappings(
    connections: Mapping[str, Connection],
    content: Mapping[str, Any],
    trace: Trace,
    said: list[str],
) -> None:
    for number, table in enumerate(content.get("mapping", [])):
        where = f"mapping[{number}]"
        slug = _take(table, "connection", where)
        if slug not in connections:
            raise UnableToConfigure(f"{where}.connection: there is no connection {slug}")
        kind = str(_take(table, "kind", where)).upper()
        if kind not in MappingKind.values:
            allowed = ", ".join(MappingKind.values).lower()
            raise UnableToConfigure(f"{where}.kind must be one of {allowed}")
        theirs, ours = str(_take(table, "theirs", where)), str(_take(table, "ours", where))
        _check_meaning(MappingKind(kind), ours, connections[slug].retailer, where)
        known = MappingRow.objects.filter(
            connection=connections[slug], kind=kind, theirs=theirs, ended_at__isnull=True
        ).first()
        if known is not None and known.ours == ours:
            continue
        mappings.answer(
            connection=connections[slug],
            kind=MappingKind(kind),
            theirs=theirs,
            ours=ours,
            trace=trace,
        )
        before = known.ours if known is not None else None
        said.append(f"mapping {slug} {kind.lower()} {theirs!r}: {before!r} → {ours!r}")


def _check_meaning(kind: MappingKind, ours: str, retailer: Retailer, where: str) -> None:
    if kind == MappingKind.LOCATION:
        _check_place(ours, retailer, f"{where}.ours")
    allowed = _MEANINGS.get(kind)
    if allowed is not None and ours not in allowed:
        raise UnableToConfigure(f"{where}.ours must be one of {', '.join(allowed)}")


def _receivers(retailer: Retailer, content: Mapping[str, Any], said: list[str]) -> None:
    """Systems of the retailer's that are told of cases. Who is not named any more is off."""
    named = []
    for number, table in enumerate(content.get("alert_receiver", [])):
        where = f"alert_receiver[{number}]"
        slug = str(_take(table, "slug", where))
        if slug in named:
            raise UnableToConfigure(f"{where}.slug: there are two receivers called {slug}")
        named.append(slug)
        wanted = _receiver(table, where)
        row, created = AlertReceiver.objects.get_or_create(
            retailer=retailer, slug=slug, defaults=wanted
        )
        if created:
            said.append(f"alert receiver {slug}: added")
        _update(row, wanted, f"alert receiver {slug}", said)
        secret = {"secret": _signing_secret(table, where)}
        if _known_secrets(row) != secret:
            row.secrets = secrets.seal(secret)
            row.save(update_fields=["secrets"])
            said.append(f"alert receiver {slug}: secret set")
    for row in AlertReceiver.objects.filter(retailer=retailer, is_on=True).exclude(slug__in=named):
        _update(row, {"is_on": False}, f"alert receiver {row.slug}", said)


def _receiver(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    role = str(_take(table, "role", where)).upper()
    if role not in Role.values:
        raise UnableToConfigure(f"{where}.role must be one of {', '.join(Role.values).lower()}")
    kinds = _take(table, "kinds", where)
    if kinds == "all":
        kinds = []
    elif not isinstance(kinds, list) or not kinds:
        raise UnableToConfigure(f'{where}.kinds must be "all" or a list of kinds of cases')
    for kind in kinds:
        if not isinstance(kind, str) or kind not in CASE_KINDS:
            raise UnableToConfigure(f"{where}.kinds: no kind of case is called {kind}")
    private = table.get("private_network", False)
    if not isinstance(private, bool):
        raise UnableToConfigure(f"{where}.private_network must be true or false")
    return {
        "name": str(_take(table, "name", where)),
        "role": role,
        "kinds": sorted(set(kinds)),
        "address": _address(str(_take(table, "address", where)), where),
        "private_network": private,
        "is_on": True,
    }


def _address(address: str, where: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in (("https", "http") if settings.DEMO else ("https",)):
        raise UnableToConfigure(f"{where}.address must start with https://")
    if not parts.hostname or parts.username is not None:
        raise UnableToConfigure(f"{where}.address must be an https address without a password")
    return address


def _signing_secret(table: Mapping[str, Any], where: str) -> str:
    """As Standard Webhooks wants it: ``whsec_`` and 24 to 64 bytes in base64."""
    secret = _variable(str(_take(table, "secret", where)), f"{where}.secret")
    try:
        is_long_enough = 24 <= len(key_of(secret)) <= 64
    except ValueError:
        is_long_enough = False
    if not is_long_enough:
        raise UnableToConfigure(f"{where}.secret must be whsec_ and 24 to 64 bytes in base64")
    return secret
