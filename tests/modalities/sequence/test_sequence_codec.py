"""Series as codes and back."""

from __future__ import annotations

import numpy as np

from genaudit.data.record import as_column, canonical
from genaudit.modalities.codec import codec_of
from tests.modalities.sequence.made import COLUMN, walks

CODEC = codec_of(COLUMN)


def test_there_and_back() -> None:
    """A series comes back as it was, whatever its length, and its code says where it ends."""
    records = walks(20)
    codes = CODEC.encode(records)

    assert codes.shape == (20, 8, 3)
    assert np.abs(codes).max() <= 1
    assert codes[:, :, 2].sum(1).tolist() == [len(r) for r in records]
    for one, other in zip(records, CODEC.decode(codes), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert CODEC.n_bytes(20) == codes.nbytes


def test_what_is_made_is_canonical() -> None:
    """Codes beyond the bounds, or without a step, decode to series that the column allows."""
    codes = np.full((3, 8, 3), 7.0, dtype=np.float32)
    codes[1] = -7.0
    codes[2, :, 2] = [1, 1, 0, 1, 1, 1, 1, 1]

    made = CODEC.decode(codes)

    assert [len(r) for r in made] == [8, 1, 2]
    assert all(canonical(r, COLUMN) is not None for r in made)


def test_no_series() -> None:
    """None is encoded as none."""
    assert CODEC.encode(as_column([]).to_numpy()).shape == (0, 8, 3)
    assert len(CODEC.decode(np.zeros((0, 8, 3), dtype=np.float32))) == 0
