"""Several processes at one training: forked children with the environment that torchrun gives."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path

from torch import distributed


def play(size: int, job: Callable[[int], None], errors: Path) -> list[int]:
    """Run `job(rank)` in `size` processes; their ids, by rank. A child's error goes into a file."""
    port = _free_port()
    return [_child(rank, size, port, job, errors) for rank in range(size)]


def codes(pids: list[int]) -> list[int]:
    """How they ended: 0, 2 after an error, or minus the signal."""
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def _child(rank: int, size: int, port: int, job: Callable[[int], None], errors: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 2
    try:
        os.environ |= {
            "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        job(rank)
        if distributed.is_initialized():
            distributed.destroy_process_group()
        code = 0
    except BaseException:
        (errors / f"error-{rank}").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
