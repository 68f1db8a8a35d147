"""Images as one array of bytes and back; nothing is learned, all follows from the size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.data.record import as_column
from genaudit.data.schema import Column, Kind
from genaudit.errors import OptionError

#: Sides of an image that networks are made for; smaller ones leave nothing to halve twice.
MIN_SIDE, MAX_SIDE = 8, 64


@dataclass(frozen=True)
class ImageCodec:
    """Images of one size as codes, uint8, shape (n, height, width, channels).

    column: of images, with its size declared.
    """

    column: Column

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        assert self.column.size is not None, "declared or learned"
        return self.column.size

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Codes of images in canonical form, an array of objects of shape (n,)."""
        if len(records) == 0:
            return np.empty((0, *self.size), dtype=np.uint8)
        return np.stack(list(records)).astype(np.uint8, copy=False)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Images, an array of objects of shape (n,), each with memory of its own."""
        pixels = np.asarray(codes, dtype=np.uint8).reshape(-1, *self.size)
        cells: np.ndarray = as_column([image.copy() for image in pixels]).to_numpy()
        return cells

    def n_bytes(self, n: int) -> int:
        """Memory that the codes of n images take."""
        height, width, channels = self.size
        return n * height * width * channels

    def decoded_bytes(self, n: int) -> int:
        """Memory that decoding n codes takes: codes and images."""
        return 2 * self.n_bytes(n)


def codec(column: Column) -> ImageCodec:
    """The codec of a column of images."""
    assert column.kind is Kind.IMAGE
    return ImageCodec(column)


def check_sides(size: tuple[int, int, int]) -> None:
    """Refuse images that no network here is made for; audits take any size.

    Raises:
        OptionError: a side is below 8 or above 64 pixels.
    """
    height, width, _ = size
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise OptionError(
            f"Expected images of {MIN_SIDE}x{MIN_SIDE} to {MAX_SIDE}x{MAX_SIDE} pixels to train "
            f"on, got {height}x{width}; resize them before."
        )
