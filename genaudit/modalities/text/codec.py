"""Texts as symbols of one vocabulary and back: characters, or pieces that are declared beside them.

A text is cut into the longest pieces that the vocabulary has, from left to right; an end symbol
follows, and fills up what is left of the steps.

Source: Sennrich, Haddow, Birch 2016 (subwords by merging frequent pairs).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from genaudit.data.schema import Column
from genaudit.errors import DataError


@dataclass(frozen=True, eq=False)
class TextCodec:
    """Codes of texts, shape (n, steps): a symbol for each piece, then the end symbol to the end.

    column: declares alphabet and max_length, in characters.
    """

    column: Column

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """What symbols stand for, the end symbol left out: characters, then subwords."""
        assert self.column.alphabet is not None, "declared, or learned before"
        # Longer ones are in no text; made first, they would leave it empty.
        subwords = [s for s in self.column.subwords or () if len(s) < self.steps]
        return tuple(dict.fromkeys((*self.column.alphabet, *subwords)))

    @property
    def end(self) -> int:
        """The symbol that ends a text."""
        return len(self.pieces)

    @property
    def n_symbols(self) -> int:
        """Size of the vocabulary, the end symbol included."""
        return len(self.pieces) + 1

    @property
    def steps(self) -> int:
        """Symbols of a code: most characters of a text, and its end."""
        assert self.column.max_length is not None, "declared, or learned before"
        return self.column.max_length + 1

    @cached_property
    def dtype(self) -> np.dtype:
        """Type of a symbol in codes: the smallest that holds all of them."""
        return np.dtype(np.int16 if self.n_symbols <= np.iinfo(np.int16).max else np.int32)

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Codes, shape (n, steps), of texts, an array of objects of shape (n,).

        Raises:
            DataError: a text has a character that is not declared, or too many.
        """
        codes = np.full((len(records), self.steps), self.end, dtype=self.dtype)
        for i, text in enumerate(records):
            symbols = self._symbols(text)
            if not 0 < len(text) < self.steps:
                raise DataError(
                    f"Expected texts of 1 to {self.steps - 1:,} characters in column "
                    f"{self.column.name!r}, got one of {len(text):,}; declare a larger max_length."
                )
            codes[i, : len(symbols)] = symbols
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Texts, an array of objects of shape (n,), from codes of shape (n, steps).

        What follows the first end symbol does not count; whole pieces beyond max_length are left
        out.
        """
        texts = np.empty(len(codes), dtype=object)
        for i, row in enumerate(codes):
            text = ""
            for symbol in row:
                if symbol == self.end or len(text) + len(self.pieces[symbol]) >= self.steps:
                    break
                text += self.pieces[symbol]
            texts[i] = text
        return texts

    def n_bytes(self, n: int) -> int:
        """Memory that the codes of n texts take."""
        return n * self.steps * self.dtype.itemsize

    def decoded_bytes(self, n: int) -> int:
        """Memory that decoding n codes takes: symbols, which networks make in int64, and texts."""
        return n * self.steps * (8 + 4)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {piece: i for i, piece in enumerate(self.pieces)}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.pieces))

    def _symbols(self, text: str) -> list[int]:
        """Symbols of the longest pieces from left to right."""
        found, at = [], 0
        while at < len(text):
            for length in range(min(self._longest, len(text) - at), 0, -1):
                symbol = self._numbers.get(text[at : at + length])
                if symbol is not None:
                    break
            else:
                raise DataError(
                    f"Expected characters of the alphabet in column {self.column.name!r}, got "
                    f"{text[at]!r}; declare it, or correct the text."
                )
            found.append(symbol)
            at += length
        return found


def codec(column: Column) -> TextCodec:
    """The codec of a column of texts whose alphabet and max_length are declared."""
    return TextCodec(column)


def learn_subwords(texts: Iterable[str], n: int) -> tuple[str, ...]:
    """At most n pieces of several characters that are frequent in texts: this looks at the data.

    The most frequent pair of neighbours is merged, again and again; ties go to the lesser pair in
    the order of Unicode. Pairs that stand in fewer than two texts are never merged.

    >>> learn_subwords(["anna", "hanna", "anne"], 2)
    ('an', 'ann')
    """
    words = [list(text) for text in texts]
    found: list[str] = []
    while len(found) < n:
        counts = Counter(pair for word in words for pair in dict.fromkeys(pairwise(word)))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        words = [_merged(word, best) for word in words]
        if (piece := "".join(best)) not in found:
            found.append(piece)
    return tuple(found)


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    """The word with each such pair of neighbours as one piece."""
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out
