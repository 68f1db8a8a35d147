"""Parameters that take long: `make test` asks some of a test's, `make test-slow` all others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def all_but(kept: Collection[Any], params: Iterable[Any]) -> list[Any]:
    """Parameters of a test, marked as slow but for those that `make test` keeps.

    >>> [p if isinstance(p, str) else p.values for p in all_but({"a"}, "ab")]
    ['a', ('b',)]
    """
    return [
        one
        if one in kept
        else pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=pytest.mark.slow)
        for one in params
    ]
