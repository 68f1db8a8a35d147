"""Numbers in the order in which a text has them, whatever stands between: names, braces, words.

Rows that are printed, logged or written with the name of each value have no separator that could be
known beforehand; their numbers still follow each other.
"""

from __future__ import annotations

import re

import numpy as np

#: A number that is no part of a word or of another number.
_NUMBER = re.compile(rb"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")

#: Bytes of a text that are read so.
_MOST = 32 * 2**20


def numbers_in(content: bytes) -> np.ndarray:
    """Numbers of a text, shape (n,), in double precision; none of what is no text."""
    if b"\0" in content[:4096]:
        return np.zeros(0)
    return np.array([float(m) for m in _NUMBER.findall(content[:_MOST])], dtype="<f8")
