"""How many threads small steps take: one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread(device: str = "cpu") -> Iterator[None]:
    """Steps as small as these gain nothing from a second thread, and wait where it is busy.

    On a machine whose cores are taken by others that wait made some fits forty times slower.
    """
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
