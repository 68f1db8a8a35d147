"""Texts as symbols and back."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.data.schema import Column
from genaudit.errors import DataError
from genaudit.modalities.codec import codec_of
from genaudit.modalities.text.codec import TextCodec, learn_subwords


def column(alphabet: str = "abn", most: int = 4, **fields: object) -> Column:
    return Column.model_validate(
        {"name": "t", "kind": "text", "alphabet": alphabet, "max_length": most, **fields}
    )


def texts(*found: str) -> np.ndarray:
    return np.array(found, dtype=object)


def test_codes_are_symbols_and_ends() -> None:
    """A symbol for each character, then ends up to the longest text and one more."""
    codec = codec_of(column())

    codes = codec.encode(texts("ab", "nnan"))

    assert codes.tolist() == [[0, 1, 3, 3, 3], [2, 2, 0, 2, 3]]
    assert codes.dtype == np.int16
    assert codec.n_bytes(2) == codes.nbytes
    assert codec.decode(codes).tolist() == ["ab", "nnan"]


def test_chinese_takes_a_symbol_for_each_character() -> None:
    """Characters count, not bytes, beyond the basic plane too."""
    alphabet = "王李张伟芳𠮷"
    codec = codec_of(column(alphabet, 3))

    codes = codec.encode(texts("王芳", "李𠮷伟"))

    assert codes.tolist() == [[0, 4, 6, 6], [1, 5, 3, 6]]
    assert codec.decode(codes).tolist() == ["王芳", "李𠮷伟"]


def test_the_longest_piece_is_taken() -> None:
    """Declared subwords are symbols, and every text still has one spelling that gives it back."""
    codec = codec_of(column(subwords=("an", "ann")))

    codes = codec.encode(texts("anna", "bana", "nab"))

    assert codes.tolist() == [[4, 0, 5, 5, 5], [1, 3, 0, 5, 5], [2, 0, 1, 5, 5]]
    assert codec.decode(codes).tolist() == ["anna", "bana", "nab"]


def test_made_pieces_beyond_the_longest_text_are_left_out() -> None:
    """What follows the first end, or would make a text too long, is no part of it."""
    codec = codec_of(column(subwords=("ann",)))
    made = np.array([[3, 3, 0, 4, 4], [0, 4, 1, 1, 4], [0, 1, 2, 0, 4]])

    assert codec.decode(made).tolist() == ["ann", "a", "abna"]
    assert codec_of(column(subwords=("annab",))).pieces == ("a", "b", "n")


@pytest.mark.parametrize(
    ("text", "message"),
    [("ax", "got 'x'; declare it"), ("aaaaa", "1 to 4 characters"), ("", "got one of 0")],
)
def test_what_is_not_declared_is_refused(text: str, message: str) -> None:
    """The message says what to do."""
    with pytest.raises(DataError, match=message):
        codec_of(column()).encode(texts(text))


def test_a_large_vocabulary_takes_wider_codes() -> None:
    """Two bytes hold as many symbols as they can, and no more."""
    small, large = (
        TextCodec(column("".join(map(chr, range(0x4E00, 0x4E00 + n))), 2)) for n in (4000, 20_000)
    )

    assert small.dtype == large.dtype == np.int16
    assert TextCodec(column("ab", subwords=tuple(_pieces(15_000)))).dtype == np.int16


def test_subwords_are_frequent_pieces() -> None:
    """What stands in one text alone is no piece, and the same texts give the same pieces."""
    names = ["maria", "mario", "marta", "anna", "hanna"]

    found = learn_subwords(names, 4)

    assert found == learn_subwords(names, 4)
    assert found[:2] == ("ar", "mar")
    assert learn_subwords(["xyz"], 5) == ()


@pytest.mark.parametrize("piece", ["a", "xy"])
def test_a_subword_is_made_of_the_alphabet(piece: str) -> None:
    """A piece of one character, or of undeclared ones, is refused."""
    with pytest.raises(ValueError, match="expected subwords of at least 2 characters"):
        column(subwords=(piece,))


def _pieces(n: int) -> list[str]:
    return [f"{i:014b}".replace("0", "a").replace("1", "b") for i in range(n)]
