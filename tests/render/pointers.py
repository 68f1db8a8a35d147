"""Where in audit.json a number of the page comes from."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from genaudit.render.text import Text, catalogue, visible

#: A number as a page writes it: with its sign, its thousands, its per cent, its power of ten.
_POWER = "10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"
_PLAIN = r"(?<![A-Za-z])[+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"

#: A day by CLDR, with its minute where it has one: one thing to look up, not three numbers.
DAY = r"\d{1,2} [A-Z][a-z]{2,3} \d{4}(?:, \d\d:\d\d)?|\d{4}年\d{1,2}月\d{1,2}日(?: \d\d:\d\d)?"
NUMBER = re.compile(f"{DAY}|{_PLAIN}(?: × {_POWER})?%?|{_POWER}")

#: Language -> how it writes a day, and the time behind it.
_FORMS = {
    "en": ("{d.day} {month} {d.year}", ", %H:%M"),
    "zh": ("{d.year}年{d.month}月{d.day}日", " %H:%M"),
}
_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec",
)  # fmt: skip

Leaf = tuple[str, Any]


def walk(value: Any, at: str = "") -> Iterator[Leaf]:
    """Each leaf of a tree with its JSON pointer; a list also stands for its length."""
    if isinstance(value, dict):
        yield from _derived(value, at)
        for key, inner in value.items():
            yield f"{at}/{key}", key
            yield from walk(inner, f"{at}/{key}")
    elif isinstance(value, list):
        yield at, len(value)
        states = Counter(x.get("state") for x in value if isinstance(x, dict))
        yield from ((at, n) for n in states.values())
        for i, inner in enumerate(value):
            yield from walk(inner, f"{at}/{i}")
    else:
        yield at, value


def _derived(value: Mapping[str, Any], at: str) -> Iterator[Leaf]:
    """What a page works out of one object: hits of a rate, odds and reach of a claim."""
    if rate := value.get("false_alarm_rate"):
        yield f"{at}/false_alarm_rate", round(rate["value"] * rate["n"])
    if "metric" in value and "estimate" in value:
        yield f"{at}/metric", f"about.{value['metric']}"
    if (epsilon := value.get("epsilon")) and (delta := value.get("delta")):
        yield f"{at}/epsilon", math.exp(epsilon)
        yield f"{at}/delta", 1 / delta
        # Kairouz, Oh, Viswanath 2015, theorem 2.1, at 1% false positives.
        either = math.exp(epsilon) * 0.01 + delta, 1 - math.exp(-epsilon) * (0.99 - delta)
        yield f"{at}/epsilon", min(either)


def written(x: float, text: Text) -> set[str]:
    """The ways to write a number: plain, as a share, in points, with no or more decimals."""
    said = {text.number(x), str(x)}
    for d in range(7):
        said |= {text.percent(x, d), text.decimal(x, d), text.decimal(x * 100, d)}
    return said | {f"+{s}" for s in said if x > 0}


def dated(leaf: str, lang: str) -> list[str]:
    """How a page in a language writes the day, or the time in UTC, that a leaf of the tree is."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00))?", leaf):
        return []
    at = dt.datetime.fromisoformat(leaf)
    day, time = _FORMS[lang]
    said = day.format(d=at, month=_MONTHS[at.month - 1])
    return [said + at.strftime(time)] if "T" in leaf else [said]


class Index:
    """Number as written -> pointers, for the leaves of some parts of a tree."""

    def __init__(self, parts: Iterable[Leaf], text: Text) -> None:
        self._found: dict[str, set[str]] = {}
        for at, leaf in (pair for root, part in parts for pair in walk(part, root)):
            for said in self._said(leaf, text):
                self._found.setdefault(said, set()).add(at)

    def pointers(self, number: str) -> set[str]:
        """Where the number may come from; nowhere is an empty set."""
        return self._found.get(number, set())

    @staticmethod
    def _said(leaf: Any, text: Text) -> Iterable[str]:
        if isinstance(leaf, bool) or leaf is None:
            return ()
        if isinstance(leaf, int | float):
            return written(leaf, text) if math.isfinite(leaf) else ()
        # A name, or the id of a sentence of the catalogue.
        templates = (visible(leaf), catalogue(text.lang).get(leaf, ""))
        return [*dated(leaf, text.lang), *(n for t in templates for n in NUMBER.findall(t))]
