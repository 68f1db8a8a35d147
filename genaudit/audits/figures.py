"""Figures that several audits draw: a forest of estimates, and bars of shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genaudit.result import Figure, Finding, Message, message


def forest(
    id: str,
    findings: Sequence[Finding],
    name: Callable[[Finding], str],
    title: Message,
    description: Message,
) -> tuple[Figure, ...]:
    """Estimates of one metric with their 95% intervals; none where nothing is estimable.

    The limits are left open here: they come with the verdicts.
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
        unit="difference of shares", metric=findings[0].metric,
    )  # fmt: skip
    return (figure,)


def bars(
    id: str,
    rows: Sequence[tuple[str, str, float | None]],
    title: Message,
    description: Message,
    value: Message,
) -> tuple[Figure, ...]:
    """Groups with one bar for each series; none where there is nothing to draw."""
    if not any(v is not None for _, _, v in rows):
        return ()
    headers = (message("figure.group", "Group"), message("figure.series", "Rows"), value)
    figure = Figure(
        id=id, kind="bars", title=title, description=description, headers=headers,
        rows=tuple(rows), unit="share",
    )  # fmt: skip
    return (figure,)
