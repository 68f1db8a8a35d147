"""Bars say what is happening, before the first step and after the last one too."""

from __future__ import annotations

import io

from rich.console import Console
from rich.progress import Progress

from genaudit import progress
from genaudit.training.fit import Update


def _bars() -> Progress:
    return Progress(console=Console(file=io.StringIO()))


def test_a_training_bar_names_what_takes_time_without_steps() -> None:
    """Fits before the first step and after the last are not silent."""
    shown = _bars()
    move = progress.training_bar(shown, "Training")
    assert move is not None
    (task,) = shown.tasks
    assert task.fields["note"] == "preparing"
    assert task.total is None

    move(Update(step=1, steps=2, seconds_left=1.0, quality=0.25))
    assert task.fields["note"] == "distance from marginals 0.250"
    assert (task.completed, task.total) == (1, 2)

    move(Update(step=2, steps=2, seconds_left=0.0, quality=0.125))
    assert task.fields["note"] == "finishing"


def test_an_audit_bar_names_the_audit() -> None:
    """Which of how many is at work."""
    shown = _bars()
    move = progress.audit_bar(shown)
    assert move is not None
    move("privacy.copies", 2, 9)
    (task,) = shown.tasks
    assert (task.fields["note"], task.completed, task.total) == ("privacy.copies", 2, 9)


def test_nobody_watches_nothing_is_drawn() -> None:
    """Where there are no bars there are no callbacks."""
    assert progress.training_bar(None, "Training") is None
    assert progress.audit_bar(None) is None
