"""Images in files: a folder of pictures with `attributes.csv`, or an NPZ; written as such a folder.

Pictures become 8 bits in grey or colour. What is converted on the way: palettes to colour, black
and white to grey, 16 bits of grey to their upper 8, an alpha channel that hides nothing is left
out, a photograph is turned as its camera says, and grey ones beside coloured ones get three equal
channels. Sizes are left as they are, and must be the same.
"""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from genaudit.atomic import new_folder
from genaudit.data.frame import decoded
from genaudit.data.record import as_column
from genaudit.data.schema import MAX_SIDE
from genaudit.encoded import png_bytes
from genaudit.errors import DataError, OptionError, reason
from genaudit.modalities.table import files as tables
from genaudit.reading import size_of

#: Column of a frame that holds the images.
RECORD = "image"

#: The table beside pictures, and its column of their names.
ATTRIBUTES, FILE = "attributes.csv", "file"

_SUFFIXES = (".png", ".jpg", ".jpeg")

#: Pictures that are not read; to pass over them in silence would lose records.
_FOREIGN = (".bmp", ".gif", ".heic", ".tif", ".tiff", ".webp", ".avif", ".jp2")

#: Largest picture that is read; a hostile one must not fill the memory.
_MOST_PICTURE = 32 * 2**20

#: What readers raise on a file that is not what its suffix says.
_UNREADABLE = (
    ValueError, OSError, KeyError, EOFError, RuntimeError, SyntaxError, MemoryError, struct.error,
    zipfile.BadZipFile, zlib.error, Warning,
)  # fmt: skip


def read(path: str | Path, what: str = "data") -> pd.DataFrame:
    """Images and their attributes: column `image` (uint8, (h, w, c)), then the others.

    Args:
        path: A folder of PNG or JPEG (folders in it too), ordered by name, with `attributes.csv`
            where there are attributes, whose column `file` names each picture; or an NPZ with an
            array `images` of shape (n, h, w) or (n, h, w, c), in 8 bits or from 0 to 1, and
            attributes of shape (n,).
        what: What the images are for, used in messages ("train", "holdout", "samples").

    Raises:
        DataError: there is none, a picture cannot be read or is of another size, names and pictures
            do not match, or an array is none that is expected.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path, what)
    _check_file(path, what)
    try:
        return _read_arrays(path)
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(
            f"Expected arrays in the {what} file {str(path)!r}, got something else or a file cut "
            f"short: {reason(error)[:200]}; write the file anew."
        ) from error


def write(frame: pd.DataFrame, folder: str | Path, record: str = RECORD) -> Path:
    """Write a new folder of 000001.png and so on with `attributes.csv`, whole or not at all.

    Args:
        frame: A column of images, uint8 (h, w, c), and attributes.
        folder: New or empty.
        record: Name of the column of images.

    Raises:
        OptionError: the folder holds something or cannot be written, or an attribute is called
            `file`.
    """
    if FILE in frame.columns and record != FILE:
        raise OptionError(
            f"Expected no attribute called {FILE!r}, which names pictures in {ATTRIBUTES}; rename "
            "the column."
        )
    names = [f"{i:06d}.png" for i in range(1, len(frame) + 1)]
    attributes = frame.drop(columns=record)
    attributes.insert(0, FILE, names)
    with new_folder(folder) as beside:
        for name, image in zip(names, frame[record], strict=True):
            (beside / name).write_bytes(png_bytes(image))
        tables.write(attributes, beside / ATTRIBUTES)
    return Path(folder)


def _read_folder(folder: Path, what: str) -> pd.DataFrame:
    names = _pictures(folder, what)
    attributes = _attributes(folder, names, what)
    images = _alike([_picture(folder / name, name) for name in names], names)
    return pd.concat([as_column(images).rename(RECORD), attributes], axis=1)


def _pictures(folder: Path, what: str) -> list[str]:
    """Names of all pictures below a folder, in order; hidden files and others are passed over."""
    found, foreign = [], []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            relative = (Path(place) / name).relative_to(folder).as_posix()
            suffix = "" if name.startswith(".") else Path(name).suffix.lower()
            found += [relative] if suffix in _SUFFIXES else []
            foreign += [relative] if suffix in _FOREIGN else []
    if foreign:
        raise DataError(
            f"Expected PNG or JPEG in the {what} folder {str(folder)!r}, got {min(foreign)!r}; "
            "convert it, or take it out."
        )
    if not found:
        raise DataError(
            f"Expected pictures (.png, .jpg) in the {what} folder {str(folder)!r}, found none; "
            "check the path."
        )
    return sorted(found)


def _attributes(folder: Path, names: Sequence[str], what: str) -> pd.DataFrame:
    """The other columns of the table beside the pictures, in their order."""
    path = folder / ATTRIBUTES
    if not path.exists():
        return pd.DataFrame(index=range(len(names)))
    table = tables.read(path, what)
    if FILE not in table.columns:
        raise DataError(
            f"Expected a column {FILE!r} in {str(path)!r} that names each picture, got "
            f"{', '.join(map(repr, table.columns))}; add it."
        )
    if RECORD in table.columns:
        raise DataError(
            f"Expected no column {RECORD!r} in {str(path)!r}, as the pictures are called so; "
            "rename it."
        )
    named = [_inside(str(name), path) for name in table[FILE]]
    _check_match(named, names, path)
    table = table.drop(columns=FILE).set_index(pd.Index(named))
    return table.loc[list(names)].reset_index(drop=True)


def _inside(name: str, path: Path) -> str:
    """A name as `_pictures` gives it; refused where it leads out of the folder."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in name or not pure.parts:
        raise DataError(
            f"Expected names of pictures within the folder in {str(path)!r}, got {name[:100]!r}; "
            "name them by their place below it."
        )
    return pure.as_posix()


def _check_match(named: Sequence[str], names: Sequence[str], path: Path) -> None:
    """Refuse a table that does not name each picture once."""
    known, seen = set(names), set(named)
    if absent := [name for name in named if name not in known]:
        raise DataError(
            f"Expected every picture that {str(path)!r} names, {len(absent):,} of them are not "
            f"there, such as {absent[0][:100]!r}; add them, or take their rows out."
        )
    if left := [name for name in names if name not in seen]:
        raise DataError(
            f"Expected a row for every picture in {str(path)!r}, {len(left):,} of them have none, "
            f"such as {left[0][:100]!r}; add rows, or take the pictures out."
        )
    if len(seen) < len(named):
        twice = next(name for i, name in enumerate(named) if name in named[:i])
        raise DataError(
            f"Expected one row for each picture in {str(path)!r}, got several for "
            f"{twice[:100]!r}; keep one."
        )


def _picture(path: Path, name: str) -> np.ndarray:
    """Pixels of one file, uint8, shape (h, w, 1) or (h, w, 3)."""
    try:
        if path.is_symlink():
            raise ValueError("a link, which may lead out of the folder")
        if (size := size_of(path)) > _MOST_PICTURE:
            raise ValueError(f"{size:,} bytes, more than any such picture has")
        return _opened(path)
    except ImportError as error:
        raise DataError(
            "Pictures are read by Pillow, which is not installed. Run: pip install pillow"
        ) from error
    except _UNREADABLE as error:
        raise DataError(
            f"Expected a picture in {name[:100]!r}, got: {reason(error)[:200]}; write the file "
            "anew, or take it out."
        ) from error


def _opened(path: Path) -> np.ndarray:
    """Pixels of a file that may be hostile: its header is looked at before its content.

    Raises:
        ValueError: it is no picture of the kind that is read here.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of too many pixels, and of what is broken
        try:
            image = Image.open(path, formats=("PNG", "JPEG"))
        except (UnidentifiedImageError, Image.DecompressionBombError) as error:
            large = isinstance(error, Image.DecompressionBombError)
            raise ValueError("far too many pixels" if large else "no PNG or JPEG") from error
        with image:
            if max(image.size) > MAX_SIDE:
                raise ValueError(
                    f"{image.size[1]:,}x{image.size[0]:,} pixels, where {MAX_SIDE}x{MAX_SIDE} are "
                    "the most; resize it"
                )
            if getattr(image, "n_frames", 1) > 1:
                raise ValueError("several frames")
            image.load()
            return _pixels(ImageOps.exif_transpose(image))


def _pixels(image: Any) -> np.ndarray:
    """Pixels in 8 bits of a picture in any of Pillow's modes."""
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema()[0] < 255:
            raise ValueError("transparent pixels; lay it on a ground of one colour")
        image = image.convert(image.mode[:-1])
    if image.mode.startswith("I"):  # 16 bits of grey
        image_16 = np.asarray(image).astype(np.int64)
        return (image_16 >> 8).clip(0, 255).astype(np.uint8)[..., None]
    if image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"colours as {image.mode}; convert it to RGB")
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _alike(images: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """Images with the same number of channels; refused where sizes differ."""
    first = images[0].shape[:2]
    for image, name in zip(images, names, strict=True):
        if image.shape[:2] != first:
            raise DataError(
                f"Expected pictures of one size, got {first[0]}x{first[1]} pixels in "
                f"{names[0][:100]!r} and {image.shape[0]}x{image.shape[1]} in {name[:100]!r}; "
                "resize them to one size."
            )
    if len({image.shape[2] for image in images}) == 1:
        return list(images)
    return [np.repeat(i, 3, axis=2) if i.shape[2] == 1 else i for i in images]


def _check_file(path: Path, what: str) -> None:
    try:
        size = size_of(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"Expected a {what} folder of pictures, or an NPZ, at {str(path)!r}, got: "
            f"{reason(error)}; check the path."
        ) from error
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"Expected a {what} folder of pictures, or a file that ends in .npz, got "
            f"{path.name!r}; name the folder."
        )
    if size == 0:
        raise DataError(f"Expected images in the {what} file {str(path)!r}, but it is empty.")


def _read_arrays(path: Path) -> pd.DataFrame:
    if not zipfile.is_zipfile(path):
        raise ValueError("no archive of arrays")
    found = tables.arrays_of(path)
    if "images" not in found:
        raise ValueError(
            f"no array 'images' (there are {', '.join(map(repr, found)) or 'none'}); expected one "
            "of shape (n, height, width) or (n, height, width, channels)"
        )
    images = _stacked(found.pop("images"))
    frame = _columns(found, len(images))
    whole = pd.concat([as_column(list(images)).rename(RECORD), frame], axis=1)
    return decoded(whole, path.name)


def _stacked(images: np.ndarray) -> np.ndarray:
    """Images in 8 bits, shape (n, h, w, c)."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or min(images.shape) == 0:
        first = images.ndim == 4 and images.shape[1] in (1, 3)
        hint = "; channels stand last" if first else ""
        raise ValueError(
            f"images of shape {images.shape}; expected (n, height, width) or (n, height, width, "
            f"1 or 3){hint}"
        )
    if max(images.shape[1:3]) > MAX_SIDE:
        raise ValueError(f"images of {images.shape[1]}x{images.shape[2]}; at most {MAX_SIDE} fit")
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind == "f" and bool(((images >= 0) & (images <= 1)).all()):
        return np.rint(images * 255).astype(np.uint8)
    if images.dtype.kind in "iu" and images.min() >= 0 and images.max() <= 255:
        return images.astype(np.uint8)
    raise ValueError(
        f"images of {images.dtype} out of range; expected whole numbers from 0 to 255, or from 0.0 "
        "to 1.0"
    )


def _columns(arrays: Mapping[str, np.ndarray], n: int) -> pd.DataFrame:
    for name, array in arrays.items():
        if array.shape != (n,):
            raise ValueError(
                f"array {name!r} of shape {array.shape} beside {n:,} images; expected ({n},)"
            )
    if RECORD in arrays:
        raise ValueError(f"an attribute called {RECORD!r}, as the pictures are; rename it")
    return pd.DataFrame(dict(arrays), index=range(n))
