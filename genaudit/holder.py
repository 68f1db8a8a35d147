"""Which process holds something, and whether it has provably ended: only on its own machine."""

from __future__ import annotations

import os
import platform
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

_PROC = Path("/proc")


class State(StrEnum):
    """What is known of a process; of one elsewhere, or before a restart, nothing is."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


class Holder(BaseModel):
    """A process, told from every other that had its number before or after.

    host: name of the machine. boot: of its present start. space: within which the number is unique
    (containers have their own). started: ticks from the start of the machine. Empty and 0 where the
    system does not say: such a process is never taken for ended.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    boot: str = ""
    space: str = ""
    pid: int = Field(gt=0)
    started: int = 0

    @classmethod
    def here(cls) -> Holder:
        """This process."""
        pid = os.getpid()
        boot, space = _place()
        return cls(
            host=platform.node(), boot=boot, space=space, pid=pid, started=_started(pid) or 0
        )

    def state(self) -> State:
        """Whether it is at work, has ended, or cannot be judged from here."""
        boot, space = _place()
        here = (self.host, self.boot, self.space) == (platform.node(), boot, space)
        if not (here and self.boot and self.space and self.started):
            return State.UNKNOWN
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return State.GONE
        except OSError:
            pass  # it is another user's, and there
        started = _started(self.pid)
        if started is None:  # /proc may hide the processes of others
            return State.UNKNOWN
        return State.ALIVE if started == self.started else State.GONE

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host!r}"


def _place() -> tuple[str, str]:
    """This start of this machine, and the space of its process numbers; empty where unknown."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return boot, str((_PROC / "self/ns/pid").readlink())
    except (OSError, ValueError):
        return "", ""


def _started(pid: int) -> int | None:
    """When a process started; -1 where it has ended and only its parent has not asked yet."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
        # Its own name comes second, in brackets, and may hold brackets and spaces.
        fields = stat.rpartition(")")[2].split()
        ended = fields[0] in ("Z", "X", "x")
        return -1 if ended else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
