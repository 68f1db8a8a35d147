"""Tests that are long: `make test-slow` runs those of minutes, `make soak` all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import Any

import pytest

SLOW = (pytest.mark.slow,)

#: Longer than the slow ones may be together.
LONG = (
    *SLOW,
    pytest.mark.skipif(not os.environ.get("GENAUDIT_SOAK"), reason="takes long: make soak"),
)


def all_but(kept: Collection[Any], params: Iterable[Any], marks: Any = SLOW) -> list[Any]:
    """Parameters of a test, marked as long but for those that `make test` keeps.

    >>> [p if isinstance(p, str) else p.values for p in all_but({"a"}, "ab")]
    ['a', ('b',)]
    """
    return [
        one
        if one in kept
        else pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=marks)
        for one in params
    ]
