"""How ids, amounts and a platform's own words stand within a sentence: whole, and in their face."""

from __future__ import annotations

import re

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integrator.engine.money import EXPONENTS

# Groups of capitals and digits with hyphens between them: DE-70002-X1, JKT-NVY-M; and amounts:
# EUR 1,089.25. Longer ones may break after all, or they would leave a phone's screen.
_IDS = re.compile(r"\b([A-Z0-9]+(?:-[A-Z0-9]+)+|[A-Z]{3} \N{MINUS SIGN}?\d[\d,]*(?:\.\d+)?)\b")
_WIDEST = 24


def whole_ids(text: object) -> SafeString:
    """A sentence whose order numbers, keys, SKUs and amounts are never cut at a line's end."""
    return _with_ids(str(text), "nw")


def mono_ids(text: object) -> SafeString:
    """The same of a value: its order numbers, keys and SKUs are in the face of ids."""
    return _with_ids(str(text), "id")


def _with_ids(text: str, face: str) -> SafeString:
    parts = _IDS.split(text)  # every second one is an id or an amount
    return format_html_join(
        "",
        "{}",
        ((_whole(part, face) if place % 2 else part,) for place, part in enumerate(parts)),
    )


def _whole(found: str, face: str) -> str:
    if len(found) > _WIDEST:
        return found
    return format_html('<span class="{}">{}</span>', face if "-" in found else "nw", found)


def their_word(text: object) -> SafeString:
    """A platform's own word in plain words: RefundToStoreCredit → Refund to store credit.

    Another code of theirs stands as it is, in the face of codes.
    """
    word = str(text)
    if re.fullmatch(r"[A-Za-z][a-z]+([A-Z][a-z]+)+", word):
        return format_html("{}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word).capitalize())
    is_code = "_" in word and " " not in word
    return format_html("<code>{}</code>", word) if is_code else mono_ids(word)


_AMOUNTS = re.compile(rf"\b({'|'.join(EXPONENTS)}) " r"(\N{MINUS SIGN}?\d[\d,]*(?:\.\d+)?)")


def amounts(text: object) -> SafeString:
    """A text whose amounts and ids stand as they do everywhere else."""
    parts = _AMOUNTS.split(str(text))  # the text between, a currency, a number, and so on
    shown = [mono_ids(parts[0])]
    for currency, number, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        shown.append(format_html("{}{}", amount(currency, number), mono_ids(rest)))
    return format_html_join("", "{}", ((one,) for one in shown))


def amount(currency: str, number: str) -> SafeString:
    return format_html('<span class="amt"><span class="cur">{}</span> {}</span>', currency, number)


_VARIABLES = re.compile(r"\{([^{}]+)\}")


def variables(text: object) -> SafeString:
    """A sentence of a kind of case: what stands in braces is different in every case."""
    parts = _VARIABLES.split(str(text))  # every second one stood in braces
    shown = (format_html("<var>{}</var>" if at % 2 else "{}", one) for at, one in enumerate(parts))
    return format_html_join("", "{}", ((one,) for one in shown))
