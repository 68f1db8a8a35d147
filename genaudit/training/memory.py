"""Freed memory stays with the process, so that the next step need not ask for it again."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

#: Bytes that may stay: a step frees less, and its next one finds all of it.
_KEPT = 1 << 29

#: Blocks from here on are still given back at once; glibc takes no larger number.
_LARGE = 1 << 25

# Names of malloc.h, which Python does not have.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


@cache
def keep_freed() -> bool:
    """Tell glibc's allocator to keep up to 512 MiB of what is freed; once for a process.

    By default it gives memory back as soon as the top of the heap is free, and a private step,
    which holds the gradients of all layers at a time, then spends a third of its time on fetching
    the same pages anew.

    Returns:
        Whether it was told: other allocators have no such number, and one that the user has set by
        `MALLOC_TRIM_THRESHOLD_` or `MALLOC_MMAP_THRESHOLD_` stays.
    """
    theirs = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys()
    if theirs or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, _LARGE) and libc.mallopt(_M_TRIM_THRESHOLD, _KEPT))
