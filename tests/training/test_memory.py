"""Freed memory stays with the process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's"
)

#: Prints how many pages a step of 16 MiB in all, in blocks of 2, fetches, after as many to warm up.
_FAULTS = """
import resource, torch
from genaudit.training.memory import keep_freed
told = keep_freed()
def step():
    return sum(float(x[0]) for x in [torch.ones(1 << 19) for _ in range(8)])
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20
faults()
print(told, faults())
"""


def _run(**more: str) -> tuple[bool, int]:
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS], env=os.environ | more, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    told, faults = done.stdout.split()
    return told == "True", int(faults)


def test_a_step_finds_the_pages_of_the_last_one() -> None:
    told, faults = _run()
    assert told
    assert faults < 100


def test_a_number_of_the_user_stays() -> None:
    told, faults = _run(MALLOC_TRIM_THRESHOLD_="131072")
    assert not told
    assert faults > 1000  # so the test above could fail
