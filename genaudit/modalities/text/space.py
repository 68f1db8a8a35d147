"""Texts as a few numbers each: hashed n-grams of characters, in the directions that vary most.

Features follow from the texts that they are fitted on and from no random draw.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from genaudit.data.schema import Column

#: Cells that n-grams are hashed into.
_CELLS = 1024

#: Longest n-gram.
_LONGEST = 3

#: Texts that directions are found on.
_MOST = 2_000

#: Most features, the length among them.
_WIDTH = 64

#: Texts whose n-grams are held at a time.
_BLOCK = 10_000


@dataclass(frozen=True, eq=False)
class Features:
    """Where texts lie: the closer two are, the more n-grams they share.

    centre: mean of the hashed n-grams, shape (cells,). directions: shape (cells, d - 1).
    longest: characters of the longest declared text.
    """

    centre: np.ndarray
    directions: np.ndarray
    longest: int

    @classmethod
    def fit(cls, column: Column, records: np.ndarray) -> Features:
        """Directions in which some of the texts differ most, the same for the same texts.

        Args:
            column: Declares max_length; without one the longest text stands for it.
            records: Texts, an array of objects of shape (n,).
        """
        some = records[np.linspace(0, len(records) - 1, min(len(records), _MOST)).astype(int)]
        hashed = _hashed(some)
        centre = hashed.mean(0)
        values, vectors = np.linalg.eigh((hashed - centre).T @ (hashed - centre))
        order = np.argsort(-values, kind="stable")[: min(_WIDTH - 1, len(some))]
        directions = vectors[:, order]
        # Eigenvectors have no sign of their own; the largest entry is made positive.
        largest = np.abs(directions).argmax(0)
        signs = np.sign(directions[largest, np.arange(len(largest))])
        return cls(centre, directions * signs, column.max_length or max(map(len, records)))

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Numbers of each text, shape (n, d), d <= 64, the share of the longest length last."""
        parts = [np.empty((0, self.directions.shape[1] + 1))]
        for start in range(0, len(records), _BLOCK):
            some = records[start : start + _BLOCK]
            lengths = np.array([[len(text) / self.longest] for text in some])
            parts.append(np.hstack([(_hashed(some) - self.centre) @ self.directions, lengths]))
        return np.concatenate(parts)


def hashed_counts(records: np.ndarray, longest: int, cells: int) -> np.ndarray:
    """Counts of n-grams up to `longest` characters, bounds of the text among them, (n, cells)."""
    counts = np.zeros((len(records), cells), dtype=np.float32)
    for i, text in enumerate(records):
        for gram, count in Counter(grams(text, longest)).items():
            counts[i, zlib.crc32(gram.encode("utf-8", "surrogatepass")) % cells] += count
    return counts


def grams(text: str, longest: int) -> list[str]:
    r"""All n-grams of a text with 1 to `longest` characters; a bound counts as one character.

    >>> grams("ab", 2)
    ['\x02', 'a', 'b', '\x03', '\x02a', 'ab', 'b\x03']
    """
    whole = f"\x02{text}\x03"
    return [whole[i : i + n] for n in range(1, longest + 1) for i in range(len(whole) - n + 1)]


def _hashed(records: np.ndarray) -> np.ndarray:
    """Logarithms of counts, each text of norm 1."""
    logs = np.log1p(hashed_counts(records, _LONGEST, _CELLS))
    return logs / np.linalg.norm(logs, axis=1, keepdims=True)
