"""Progress bars: what is happening, how good it is, how long it still takes; on terminals alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Progress | None]:
    """A set of bars on standard error, or None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield shown


def training_bar(shown: Progress | None, title: str) -> Callable[[Any], None] | None:
    """A callback for `genaudit.training.fit.fit` that moves one bar and shows live quality.

    Before the first step and after the last, a generator is fitted to marginals: that takes some
    seconds, in which the bar says so and moves no further.
    """
    if shown is None:
        return None
    task = shown.add_task(title, total=None, note="preparing")

    def move(update: Any) -> None:
        note = "" if update.quality is None else f"distance from marginals {update.quality:.3f}"
        if update.step == update.steps:
            note = "finishing"
        shown.update(task, completed=update.step, total=update.steps, note=note)

    return move


def audit_bar(
    shown: Progress | None, title: str = "Auditing"
) -> Callable[[str, int, int], None] | None:
    """A callback for `genaudit.run.run` that moves one bar and names the audit."""
    if shown is None:
        return None
    task = shown.add_task(title, total=None, note="")

    def move(audit: str, done: int, total: int) -> None:
        shown.update(task, completed=done, total=total, note=audit)

    return move
