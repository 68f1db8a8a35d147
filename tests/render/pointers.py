"""Where in audit.json a number of the page comes from."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from genaudit.render.text import Text, catalogue, visible

#: A number as a page writes it: with its sign, its thousands, its per cent, its power of ten.
_POWER = "10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"
_PLAIN = r"(?<![A-Za-z])[+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
NUMBER = re.compile(f"{_PLAIN}(?: × {_POWER})?%?|{_POWER}")

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
        return [n for t in templates for n in NUMBER.findall(t)]
