"""Small parts that every page repeats: status, amount, platform tile, times, side bar.

No decisions.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integrator.desk import (
    case_writes,
    catalogue,
    directory,
    keys,
    screens,
    shell,
    stopped,
    texts,
    words,
)
from integrator.desk.catalogue import Tile, tile_of
from integrator.desk.columns import Shown
from integrator.engine import clock, limits

register = template.Library()
register.filter(texts.whole_ids)
register.filter(texts.mono_ids)
register.filter(texts.their_word)
register.filter(texts.amounts)
register.filter(texts.variables)

SYMBOLS = frozenset({"ok", "wait", "bad", "doubt", "idle", "pause"})


@register.filter
def fee_name(key: str) -> str:
    return words.fee_words(key)


@register.filter
def kind_name(kind: str) -> str:
    """What a platform calls a kind of record, in the words used here: rma → return."""
    return catalogue.kind_says(kind)


@register.filter
def calls_name(scope: str, platform: str) -> str:
    """The calls a limit counts: ordersRead → orders, reading. Of all calls it says who counts."""
    if not scope:
        return f"as {platform} says"
    if scope == limits.DAY:
        return "today, as we count"
    if scope == limits.OF_US:
        return f"questions {platform} asks us, a minute"
    parts = re.fullmatch(r"(.+)(Read|Write)", scope)
    if parts is None:
        return fee_name(scope)
    about = "everything" if parts[1] == "global" else fee_name(parts[1])
    return f"{about}, {'reading' if parts[2] == 'Read' else 'writing'}"


@register.filter
def thousands(count: int) -> str:
    return f"{count:,}"


@register.filter
def times(count: int) -> str:
    return words.times(count)


@register.simple_tag
def status(symbol: str, text: object, pill: bool = False) -> SafeString:
    """A status said three times: its own shape, words and colour."""
    assert symbol in SYMBOLS, f"no symbol for {symbol}"
    return format_html(
        '<span class="st st-{0}{1}"><svg class="ic ic-st" aria-hidden="true">'
        '<use href="#i-{0}"/></svg>{2}</span>',
        symbol,
        " st-pill" if pill else "",
        text,
    )


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    return format_html(
        '<svg class="ic {}" aria-hidden="true"><use href="#i-{}"/></svg>', extra, name
    )


@register.simple_tag
def amount(minor: int | None, currency: str, sign: bool = False) -> SafeString:
    """An amount with its currency in front; a missing one is dashed, never zero."""
    if minor is None:
        return unknown("not known")
    return texts.amount(currency, words.number_of(-minor if sign else minor, currency))


@register.simple_tag
def unknown(text: str = "not known") -> SafeString:
    return format_html('<span class="unknown">{}</span>', text)


@register.simple_tag
def platform(tile: Tile | str, lane: bool = False) -> SafeString:
    """The two letters of a platform with its name behind them."""
    shown = tile_of(tile) if isinstance(tile, str) else tile
    css = "pf pf-us" if shown.lane == 6 else "pf"
    if lane:
        css += f" l{shown.lane}"
    return format_html('<abbr class="{}" title="{}">{}</abbr>', css, shown.name, shown.letters)


@register.simple_tag
def there(
    href: str, name: str, kind: str = "", number: str = "", says: str = "Open in "
) -> SafeString:
    """A link into the platform itself: it says where it goes, and opens beside this page."""
    return format_html(
        '<a class="there" href="{}" target="_blank" rel="noopener noreferrer">{}{}'
        '<span class="visually-hidden">{}, in a new tab</span>'
        '<svg class="ic" aria-hidden="true"><use href="#i-out"/></svg></a>',
        href,
        says,
        name,
        f": {kind} {number}" if number else "",
    )


@register.simple_tag
def copy_text(text: str) -> SafeString:
    """A button that copies a sentence; shown where the browser lets it."""
    return format_html(
        '<button class="btn btn-quiet btn-icon copy" type="button" hidden data-copy="{0}"'
        ' aria-label="Copy: {0}"><svg class="ic" aria-hidden="true"><use href="#i-copy"/></svg>'
        "</button>",
        text,
    )


@register.simple_tag
def copy(kind: str, number: str) -> SafeString:
    """A button that copies an id. It stays away where no script could do it."""
    return format_html(
        '<button class="btn btn-quiet btn-icon copy" type="button" hidden data-copy="{1}"'
        ' aria-label="Copy {0} {1}"><svg class="ic" aria-hidden="true"><use href="#i-copy"/></svg>'
        "</button>",
        kind,
        number,
    )


@register.simple_tag(takes_context=True)
def moment(context: dict[str, Any], value: datetime | None) -> SafeString:
    """A time as people say it; the full time with its zone on hover."""
    if value is None:
        return unknown("not known")
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S %Z}",
        words.moment_text(value, at=_at(context)),
    )


@register.simple_tag(takes_context=True)
def starts(context: dict[str, Any], value: datetime) -> SafeString:
    """A moment to come, always with its time of day."""
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S %Z}",
        words.start_text(value, at=_at(context)),
    )


@register.simple_tag(takes_context=True)
def clock_of(context: dict[str, Any], value: datetime) -> SafeString:
    """Only the time of day, where the day stands above."""
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S %Z}",
        words.clock_time(value),
    )


@register.simple_tag(takes_context=True)
def ago(context: dict[str, Any], value: datetime | None) -> str:
    """An age: 3 min ago."""
    return words.ago_text(value, at=_at(context))


@register.simple_tag(takes_context=True)
def key(context: dict[str, Any], name: object, before: str = "") -> SafeString:
    """The hint of a command, with this person's own key, or of a button's number.

    Nothing where they have switched single keys off. Other names are keys that always work: Esc.
    """
    if not _is_single(name):
        return format_html("<kbd>{}</kbd>", name)
    found = _own(context, name)
    return format_html("<kbd>{}{}</kbd>", before, found) if found else SafeString("")


@register.simple_tag(takes_context=True)
def keyed(context: dict[str, Any], name: object) -> SafeString:
    """What makes a button or link answer to a key, and says so to screen readers.

    Without a key it is still among what Control+K offers to do.
    """
    found = _own(context, name)
    if not found:
        return SafeString("data-act")
    return format_html('data-act data-key="{0}" aria-keyshortcuts="{0}"', found)


@register.simple_tag(takes_context=True)
def keys_of_page(context: dict[str, Any]) -> str:
    """All of a person's keys for the script: by command, or the word off."""
    request: HttpRequest | None = context.get("request")
    own = keys.USUAL if request is None else keys.keys_of(request)
    return json.dumps(dict(own.of)) if own.is_on else "off"


@register.simple_tag(takes_context=True)
def keys_on(context: dict[str, Any]) -> bool:
    request: HttpRequest | None = context.get("request")
    return request is None or keys.keys_of(request).is_on


def _is_single(name: object) -> bool:
    return str(name) in keys.USUAL.of or str(name).isdigit()


def _own(context: dict[str, Any], name: object) -> str:
    """A person's key for a command; empty when they have none, or switched them all off."""
    request: HttpRequest | None = context.get("request")
    own = keys.USUAL if request is None else keys.keys_of(request)
    if not own.is_on:
        return ""
    return str(name) if str(name).isdigit() else own.of.get(str(name), "")


@register.simple_tag
def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 return, 143 returns."""
    return words.plural(count, one, many)


@register.simple_tag
def sign_in_provider() -> str:
    """What people call the retailer's own sign-in; empty where there is none."""
    return str(settings.OIDC_NAME) if settings.OIDC_ISSUER else ""


@register.simple_tag(takes_context=True)
def look(context: dict[str, Any]) -> SafeString:
    """How this person likes their screens, on the element that holds the page."""
    choice = screens.choice_of(context.get("request"))
    wanted = {"bs-theme": choice.theme, "rows": "compact" if choice.is_compact else ""}
    said = ((name, value) for name, value in wanted.items() if value)
    return format_html_join("", ' data-{}="{}"', said)


@register.simple_tag(takes_context=True)
def heads(context: dict[str, Any]) -> SafeString:
    """The head of the page's table: the columns that are shown."""
    table: Shown = context["table"]
    cells = format_html_join(
        "",
        '<th scope="col"{}>{}</th>',
        ((_class("num") if one.wide == "num" else "", one.head) for one in table.columns),
    )
    return format_html("<thead><tr>{}</tr></thead>", cells)


@register.simple_block_tag(takes_context=True)
def cell(context: dict[str, Any], content: str, key: str) -> str:
    """One cell of a row of the page's table; nothing where its column is not shown."""
    table: Shown = context["table"]
    if not table.shows(key):
        return ""
    column = next(one for one in table.columns if one.key == key)
    if column is table.table.columns[0]:
        return format_html('<th scope="row">{}</th>', content)
    return format_html('<td data-l="{}"{}>{}</td>', column.head, _class(column.wide), content)


def _class(name: str) -> SafeString:
    return format_html(' class="{}"', name) if name else SafeString("")


@register.inclusion_tag("desk/_columns.html", takes_context=True)
def chooser(context: dict[str, Any], back: str = "", in_address: bool = False) -> dict[str, Any]:
    """The columns to choose from. ``in_address``: for ``back`` alone, and not for the person."""
    return {
        "table": context["table"],
        "back": back or screens.here(context["request"]),
        "in_address": in_address,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("desk/_printed.html", takes_context=True)
def printed(context: dict[str, Any], about: str, only: str = "") -> dict[str, Any]:
    """What stands above a list on paper: whose, what, narrowed how, and printed when by whom."""
    name = shell.name_of(context["request"])
    return {
        "retailer": directory.current(at=_at(context)).retailer,
        "about": about,
        "only": only,
        "at": _at(context),
        "by": name,
    }


@register.simple_tag
def undo_of(message: Message) -> str:
    """Where what a message tells is undone; empty where there is no way back."""
    mark, _, rest = (message.extra_tags or "").partition(" ")
    if mark != case_writes.UNDO:
        return ""
    case_id, event_id = rest.split()
    return reverse("case_undo", args=[int(case_id), int(event_id)])


@register.inclusion_tag("desk/_side.html", takes_context=True)
def side(context: dict[str, Any]) -> dict[str, Any]:
    request: HttpRequest = context["request"]
    return {**shell.side_of(request), "request": request, "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("desk/_stopped.html", takes_context=True)
def stopped_ones(context: dict[str, Any]) -> dict[str, Any]:
    """What stands above every page while a connection is stopped, and shortly before."""
    request: HttpRequest = context["request"]
    return {"banners": stopped.banners(request), "request": request}


def _at(context: dict[str, Any]) -> datetime:
    """The clock of the page; a page outside the desk's door asks anew."""
    found = getattr(context.get("request"), "at", None)
    return found if found is not None else clock.now()
