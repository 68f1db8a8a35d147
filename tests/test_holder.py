"""Holders: an ended process is told from one at work, and nothing is said of one elsewhere."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from genaudit import holder
from genaudit.holder import Holder, State


def test_this_process_is_at_work() -> None:
    """It reads back as itself."""
    mine = Holder.here()

    assert mine.state() is State.ALIVE
    assert Holder.model_validate_json(mine.model_dump_json()) == mine
    assert str(mine.pid) in str(mine)


def test_an_ended_process_is_gone() -> None:
    """At work it is alive; killed it is gone, whether its parent has asked for it or not."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    child = Holder.here().model_copy(update={"pid": pid, "started": holder._started(pid)})
    assert child.state() is State.ALIVE

    os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        if child.state() is State.GONE:
            break
        time.sleep(0.05)
    assert child.state() is State.GONE
    os.waitpid(pid, 0)
    assert child.state() is State.GONE


def test_a_number_that_is_used_again_is_another_process() -> None:
    """Its start differs."""
    before = Holder.here().model_copy(update={"started": 1})

    assert before.state() is State.GONE


@pytest.mark.parametrize("field", ["host", "boot", "space"])
def test_nothing_is_known_of_a_process_elsewhere(field: str) -> None:
    """Another machine, another start of it, another container: it may be at work."""
    elsewhere = Holder.here().model_copy(update={field: "another", "started": 1})

    assert elsewhere.state() is State.UNKNOWN


def test_where_the_system_says_nothing_nobody_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without /proc every process may be at work; hidden ones of other users too."""
    mine = Holder.here()
    monkeypatch.setattr(holder, "_PROC", tmp_path)
    assert Holder.here().state() is State.UNKNOWN

    monkeypatch.setattr(holder, "_place", lambda: (mine.boot, mine.space))
    assert mine.state() is State.UNKNOWN
