"""Numbers with their interval and limit, as shares, percentage points or plain numbers by unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from genaudit.data.disclosure import is_hidden
from genaudit.render.text import Text
from genaudit.result import Estimate, Finding, Limit

Scale = Literal["percent", "points", "count", "number"]

#: What a unit begins with -> how its numbers are shown; anything else is a plain number.
_SCALES: tuple[tuple[str, Scale], ...] = (
    ("difference in share", "points"),
    ("difference in rate", "points"),
    ("difference of share", "points"),
    ("difference of rate", "points"),
    ("difference in probabilit", "points"),
    ("change in share", "points"),
    ("change in rate", "points"),
    ("share", "percent"),
    ("rate", "percent"),
    ("probability", "percent"),
    ("proportion", "percent"),
    ("touches", "count"),
    ("records", "count"),
    ("rows", "count"),
)


def scale(unit: str) -> Scale:
    """How numbers of a unit are shown.

    >>> scale("share of generated rows"), scale("difference in shares"), scale("touches")
    ('percent', 'points', 'count')
    """
    lowered = unit.lower()
    return next((kind for start, kind in _SCALES if lowered.startswith(start)), "number")


#: How the name of a metric ends -> the unit of its numbers, where no finding states one.
_ENDINGS = {
    "rate": "share", "share": "share", "_fpr": "share", "_gap_change": "difference in shares",
    "_difference": "difference in shares",
}  # fmt: skip


def unit_of(metric: str) -> str:
    """The unit of a metric that nothing was measured of, by its name; nothing where that is open.

    >>> unit_of("privacy.ensemble.tpr_at_1pct_fpr"), unit_of("privacy.ensemble.auc")
    ('share', '')
    """
    return next((unit for end, unit in _ENDINGS.items() if metric.endswith(end)), "")


@dataclass(frozen=True)
class Numbers:
    """Formats estimates and limits in one language.

    short: percentage points as `pp` in any language, for charts and their tables.
    """

    text: Text
    short: bool = False

    def estimate(
        self, estimate: Estimate, limit: Limit | None = None, beside: Sequence[Finding] = ()
    ) -> str:
        """`1.3% (95% CI 0.9% to 1.8%)`, or "not estimable" with the reason.

        beside: findings of whose table it is a cell, as `interval` has it.
        """
        if estimate.value is None:
            return self.undefined(estimate)
        value = self.lead(estimate, limit, beside) if beside else self.value(estimate, limit)
        interval = self.interval(estimate, limit, beside)
        return value + (self.text.say("page.brackets", x=interval) if interval else "")

    def value(self, estimate: Estimate, limit: Limit | None = None) -> str:
        """The number alone; a dash where there is none."""
        if estimate.value is None:
            return "–"
        return self._show(estimate.value, scale(estimate.unit), _decimals(estimate, limit))

    def lead(
        self, estimate: Estimate, limit: Limit | None = None, beside: Sequence[Finding] = ()
    ) -> str:
        """The number before its interval in a table; points without a unit that stands elsewhere.

        It stands behind the interval, or over the numbers of all findings beside it.
        """
        if estimate.value is None or scale(estimate.unit) != "points":
            return self.value(estimate, limit)
        low, high = estimate.low, estimate.high
        if not _all_points(beside) and (low is None or high is None or low == high):
            return self.value(estimate, limit)
        return self._signed(estimate.value, _decimals(estimate, limit))

    def interval(
        self,
        estimate: Estimate,
        limit: Limit | None = None,
        beside: Sequence[Finding] = (),
    ) -> str:
        """`95% CI 0.9% to 1.8%`; nothing where there is no number.

        Without its level, and the unit of points, where these stand over the findings beside it.
        """
        low, high = estimate.low, estimate.high
        if estimate.value is None or (low is None and high is None):
            return ""
        if low == high == estimate.value:
            return self.text.say("page.exact")
        ends = self._ends(estimate, limit, bare=_all_points(beside))
        if beside and _level(beside) is not None:
            return self.text.say("page.range", low=ends[0], high=ends[1])
        level = self._percent(estimate.confidence)
        return self.text.say("page.interval", level=level, low=ends[0], high=ends[1])

    def between(self, estimate: Estimate, limit: Limit | None = None) -> str:
        """`0.9% to 1.8%`, where the level of confidence stands elsewhere."""
        if not self.interval(estimate, limit):
            return ""
        if estimate.low == estimate.high == estimate.value:
            return self.text.say("page.exact")
        low, high = self._ends(estimate, limit)
        return self.text.say("page.range", low=low, high=high)

    def _ends(
        self, estimate: Estimate, limit: Limit | None, *, bare: bool = False
    ) -> tuple[str, str]:
        low, high = estimate.low, estimate.high
        kind, decimals = scale(estimate.unit), _decimals(estimate, limit)
        shown = [self._bound(x, kind, decimals) for x in (low, high)]
        if bare and kind == "points":
            shown = [s if x is None else self._signed(x, decimals)
                     for x, s in zip((low, high), shown, strict=True)]  # fmt: skip
        if kind == "points" and low is not None and high is not None:
            shown[0] = self._signed(low, decimals)  # the unit stands behind the other end
        return shown[0], shown[1]

    def heading(self, findings: Sequence[Finding]) -> str:
        """What stands over values: with the level of their intervals, where they have one.

        And with the unit of numbers that are all percentage points.
        """
        level, points = _level(findings), ".points" if _all_points(findings) else ""
        if level is None:
            return self.text.say(f"page.value{points}")
        return self.text.say(f"page.value{points}.interval", level=self._percent(level))

    def _percent(self, level: float) -> str:
        return self.text.percent(level, 0 if level < 0.99 else 1)

    def undefined(self, estimate: Estimate, *, clause: bool = False) -> str:
        """Why there is no number; as a clause without the stop at its end."""
        reason = self.text(estimate.reason) if estimate.reason else self.text.say("page.no_reason")
        if clause:
            reason = reason.removesuffix(self.text.say("page.stop"))
        if is_hidden(estimate.reason):
            return reason  # it can be estimated, and says itself that it is not shown
        prefix = self.text.say("page.not_estimable", reason="").strip()
        if reason.casefold().startswith(prefix.casefold()):
            return reason
        return self.text.say("page.not_estimable", reason=reason)

    def limit(self, finding: Finding) -> str:
        """The limit of a finding in the scale of its estimate."""
        assert finding.limit is not None, "asked of limited findings only"
        estimate = finding.estimate
        return self.bound(finding.limit, estimate.unit)

    def bound(self, limit: Limit, unit: str = "") -> str:
        """`limit 2%`, `limit at least 80%` or `limit ±3 pp`."""
        kind = scale(unit)
        shown = self._show(limit.value, kind, _needed(limit.value * _factor(kind)))
        return self.text.say(f"page.limit.{limit.direction.value}", value=shown.lstrip("+"))

    def allowed(self, limit: Limit, unit: str = "") -> str:
        """`at most 2%`, `at least 80%` or `±3 pp`, where the word "limit" stands beside it."""
        kind = scale(unit)
        shown = self._show(limit.value, kind, _needed(limit.value * _factor(kind)))
        return self.text.say(f"page.allowed.{limit.direction.value}", value=shown.lstrip("+"))

    def plain(self, x: float | None, unit: str = "") -> str:
        """A number of a unit without an interval."""
        return "–" if x is None else self.alike([x], unit)(x)

    def alike(
        self, numbers: Sequence[float], unit: str = "", edges: Sequence[float] = ()
    ) -> Callable[[float], str]:
        """How all of these numbers are written: with the same decimals, as a column is.

        edges: limits on them, from which none may seem to be no different.
        """
        kind, sizes = scale(unit), [abs(x) for x in numbers if x]
        if kind in ("percent", "points"):
            decimals = _least_telling([x * 100 for x in sizes], range(1, 4))
        elif all(float(x).is_integer() for x in sizes):
            decimals = 0
        elif not 1e-3 <= max(sizes) < 1e9:
            return self.text.number
        elif max(sizes) < 1:
            decimals = _least_telling(sizes, range(3, 7))
        else:
            decimals = max(0, 2 - math.floor(math.log10(max(sizes))))
        factor = _factor(kind)
        while decimals < 6 and any(
            _confused(x * factor, edge * factor, decimals) for x in numbers for edge in edges
        ):
            decimals += 1
        return lambda x: self._show(x, kind, decimals)

    def as_estimated(
        self, interval: Sequence[float | None], unit: str = "", edges: Sequence[float] = ()
    ) -> Callable[[float], str]:
        """How a value with its interval is written: as the estimate is that it comes from."""
        kind = scale(unit)
        decimals = _digits(kind, [x for x in interval if x is not None], edges)
        return lambda x: self._show(x, kind, decimals)

    def ticks(self, numbers: Sequence[float], unit: str = "") -> list[str]:
        """Numbers of an axis, with the decimals that tell them apart and no more."""
        kind = scale(unit)
        decimals = max((_needed(x * _factor(kind)) for x in numbers), default=0)
        return [self._show(x, kind, decimals) for x in numbers]

    def _bound(self, x: float | None, kind: Scale, decimals: int) -> str:
        return self._show(x, kind, decimals) if x is not None else self.text.say("page.unbounded")

    def _show(self, x: float, kind: Scale, decimals: int) -> str:
        if kind == "percent":
            return self.text.percent(x, decimals)
        if kind == "points":
            form = "page.points.short" if self.short else "page.points"
            return self.text.say(form, x=self._signed(x, decimals))
        return self.text.decimal(x, decimals)

    def _signed(self, x: float, decimals: int) -> str:
        """A difference of shares in percentage points without their name."""
        sign = "+" if round(x * 100, decimals) > 0 else ""
        return sign + self.text.decimal(x * 100, decimals)


def _factor(kind: Scale) -> int:
    return 100 if kind in ("percent", "points") else 1


def _decimals(estimate: Estimate, limit: Limit | None) -> int:
    """Decimals that a reader can use: by the interval's width, and enough to tell the limit."""
    shown = [x for x in (estimate.value, estimate.low, estimate.high) if x is not None]
    edges = [] if limit is None else [limit.value, -limit.value]
    return _digits(scale(estimate.unit), shown, edges)


def _digits(kind: Scale, numbers: Sequence[float], edges: Sequence[float]) -> int:
    factor = _factor(kind)
    shown = [x * factor for x in numbers]
    if all(float(x).is_integer() for x in shown) and (kind == "count" or len(set(shown)) == 1):
        return 0
    decimals = _by_width(shown, least=1 if factor == 100 else 3)
    while decimals < 6 and any(
        _confused(x, edge * factor, decimals) for x in shown for edge in edges
    ):
        decimals += 1
    return decimals


def _all_points(findings: Sequence[Finding]) -> bool:
    """Whether there are findings, and the numbers of all of them are percentage points."""
    return bool(findings) and all(scale(f.estimate.unit) == "points" for f in findings)


def _level(findings: Sequence[Finding]) -> float | None:
    """The level of all intervals of these findings; None where they differ, or there are none."""
    estimates = [f.estimate for f in findings if f.estimate.value is not None]
    levels = {e.confidence for e in estimates if not e.low == e.high == e.value}
    return levels.pop() if len(levels) == 1 else None


def _by_width(shown: Iterable[float], least: int) -> int:
    shown = list(shown)
    width = max(shown) - min(shown)
    largest = max(map(abs, shown))
    if least > 1 and largest >= 10:
        return 0 if all(float(x).is_integer() for x in shown) or largest >= 1000 else 1
    if width == 0:
        return max(least, min(_needed(largest), 6)) if largest and largest < 1 else least
    return min(6, max(least, -math.floor(math.log10(width))))


def _needed(x: float) -> int:
    """Decimals until nothing is cut off, at most 6."""
    return next((d for d in range(7) if abs(round(x, d) - x) < 1e-9), 6)


def _least_telling(sizes: Sequence[float], decimals: range) -> int:
    """Fewest decimals with which no number is written as zero, or the most that there may be."""
    return next((d for d in decimals if all(round(x, d) for x in sizes)), decimals[-1])


def _confused(x: float, edge: float, decimals: int) -> bool:
    """Whether two different numbers would be printed as the same."""
    return abs(x - edge) > 1e-9 and round(x, decimals) == round(edge, decimals)
