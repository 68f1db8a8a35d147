"""Two processes at once on one ledger."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any


def exit_codes(
    target: Callable[..., None], both: tuple[tuple[Any, ...], tuple[Any, ...]], seconds: float
) -> list[int | None]:
    """Run `target` in two processes, each with its own arguments; their exit codes."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=target, args=arguments) for arguments in both]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(seconds)
    return [worker.exitcode for worker in workers]
