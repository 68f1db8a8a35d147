"""Numbers as a caller may give them: of Python or of NumPy, and never a truth value."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


def is_whole(given: Any) -> bool:
    """Whether it is a whole number.

    >>> is_whole(3), is_whole(3.0), is_whole(True)
    (True, False, False)
    """
    return isinstance(given, Integral) and not isinstance(given, bool)


def is_share(given: Any) -> bool:
    """Whether it is a number from 0 to 1.

    >>> is_share(0.5), is_share(1), is_share(2), is_share(True), is_share("0.5")
    (True, True, False, False, False)
    """
    return isinstance(given, Real) and not isinstance(given, bool) and 0 <= float(given) <= 1
