"""Images as codes and back."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.data.record import as_column
from genaudit.data.schema import Column
from genaudit.errors import OptionError
from genaudit.modalities.codec import codec_of
from genaudit.modalities.image.codec import check_sides


def test_codes_are_the_pixels_and_come_back() -> None:
    """What is encoded is decoded as it was, in memory of its own."""
    column = Column(name="x", kind="image", size=(8, 9, 3))
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), dtype=np.uint8)
    codec = codec_of(column)

    codes = codec.encode(as_column(images).to_numpy())
    back = codec.decode(codes)

    assert codes.dtype == np.uint8
    assert (codes == images).all()
    assert all((one == other).all() for one, other in zip(back, images, strict=True))
    assert not np.shares_memory(back[0], codes)
    assert codec.n_bytes(5) == codes.nbytes


def test_no_image_is_an_empty_array() -> None:
    """An empty column has codes of the right shape."""
    codec = codec_of(Column(name="x", kind="image", size=(8, 8, 1)))

    assert codec.encode(np.empty(0, dtype=object)).shape == (0, 8, 8, 1)
    assert codec.decode(np.empty((0, 8, 8, 1), dtype=np.uint8)).shape == (0,)


@pytest.mark.parametrize("size", [(7, 28, 1), (28, 65, 3)])
def test_sides_out_of_range_are_refused(size: tuple[int, int, int]) -> None:
    """The message names the size and what to do."""
    with pytest.raises(OptionError, match=f"got {size[0]}x{size[1]}; resize"):
        check_sides(size)
