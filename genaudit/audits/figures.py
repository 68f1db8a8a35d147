"""Figures that several audits draw: a forest of estimates, and bars of shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genaudit.data.dataset import Dataset
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.intervals import wilson

#: A bar: group, series, value, and its 95% interval where it has one.
Bar = tuple[str, str, float | None, float | None, float | None]


def forest(
    id: str,
    findings: Sequence[Finding],
    name: Callable[[Finding], str],
    title: Message,
    description: Message,
    unit: str = "difference of shares",
) -> tuple[Figure, ...]:
    """Estimates of one metric with their 95% intervals, one line each; none where none has a value.

    The limits of the metric are set with its verdicts.
    """
    rows = tuple(
        (name(f), f.estimate.value, f.estimate.low, f.estimate.high, None, None)
        for f in findings
        if f.estimate.value is not None
    )
    headers = (
        message("figure.group", "Group"),
        message("figure.difference", "Difference"),
        message("figure.low", "95% interval from"),
        message("figure.high", "to"),
        message("figure.limit_low", "Limit from"),
        message("figure.limit_high", "to"),
    )
    if not rows:
        return ()
    figure = Figure(
        id=id, kind="forest", title=title, description=description, headers=headers, rows=rows,
        unit=unit, metric=findings[0].metric,
    )  # fmt: skip
    return (figure,)


def bar(label: str, series: Message, estimate: Estimate | None) -> Bar:
    """An estimate as a bar; no estimate is a bar without a number."""
    if estimate is None:
        return label, series.text_en, None, None, None
    return label, series.text_en, estimate.value, estimate.low, estimate.high


def rate_bar(label: str, series: Message, k: int, n: int, *, rows: Dataset) -> Bar:
    """The share k / n among rows of a table as a bar with Wilson's interval.

    Without one where several rows are of one person: they are not independent.
    """
    independent = rows.n_units() == len(rows)
    low, high = wilson(k, n, 0.95) if independent else (None, None)
    return label, series.text_en, k / n, low, high


def bars(
    id: str,
    rows: Sequence[Bar],
    title: Message,
    description: Message,
    value: Message,
    *,
    series: Sequence[Message] = (),
    unit: str = "share",
    metric: str = "",
) -> tuple[Figure, ...]:
    """Groups with one bar for each series; none where there is nothing to draw.

    series: names in `rows` that are words of ours. metric: of which the values are findings.
    """
    if not any(row[2] is not None for row in rows):
        return ()
    headers = (
        message("figure.group", "Group"),
        message("figure.series", "Rows"),
        value,
        message("figure.low", "95% interval from"),
        message("figure.high", "to"),
    )
    figure = Figure(
        id=id, kind="bars", title=title, description=description, headers=headers,
        rows=tuple(rows), unit=unit, words=words_of(*series), metric=metric,
    )  # fmt: skip
    return (figure,)
