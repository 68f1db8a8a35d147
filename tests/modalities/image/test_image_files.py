"""Images in files: what is written reads back, and what is no picture is refused in a sentence."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genaudit.data.record import as_column
from genaudit.encoded import png_bytes
from genaudit.errors import DataError, OptionError
from genaudit.modalities.image import files

Image = pytest.importorskip("PIL.Image")


def _images(n: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 8, 9, channels), dtype=np.uint8)


def _folder(folder: Path, n: int = 3, csv: str | None = None) -> Path:
    folder.mkdir()
    for i, image in enumerate(_images(n)):
        (folder / f"{i}.png").write_bytes(png_bytes(image))
    if csv is not None:
        (folder / "attributes.csv").write_text(csv, encoding="utf-8")
    return folder


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_reads_back(tmp_path: Path, channels: int) -> None:
    """Pixels, attributes and order, with cells that no spreadsheet runs."""
    images = _images(11, channels)
    frame = pd.DataFrame({"image": as_column(images), "name": ["=1+1", *"abcdefghij"]})

    files.write(frame, tmp_path / "made")
    back = files.read(tmp_path / "made")

    assert list(back) == ["image", "name"]
    assert (np.stack(list(back["image"])) == images).all()
    assert list(back["name"]) == list(frame["name"])
    assert (tmp_path / "made" / "000011.png").exists()
    assert "'=1+1" in (tmp_path / "made" / "attributes.csv").read_text()


def test_a_folder_that_holds_something_is_not_written(tmp_path: Path) -> None:
    """Nothing is replaced, and nothing is left beside it."""
    folder = _folder(tmp_path / "there")

    with pytest.raises(OptionError, match="new or empty"):
        files.write(pd.DataFrame({"image": as_column(_images(2))}), folder)

    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_a_folder_half_written_is_taken_away(tmp_path: Path) -> None:
    """Where a picture cannot be written, neither folder nor neighbour is left."""
    cells = as_column([_images(1)[0], np.zeros((8, 9, 7), dtype=np.uint8)])

    with pytest.raises(TypeError):
        files.write(pd.DataFrame({"image": cells}), tmp_path / "made")

    assert not list(tmp_path.iterdir())


def test_attributes_follow_their_pictures_by_name(tmp_path: Path) -> None:
    """The order is that of the names, whatever that of the table."""
    folder = _folder(tmp_path / "x", csv="file,who\n2.png,c\n0.png,a\n1.png,b\n")

    back = files.read(folder)

    assert list(back["who"]) == ["a", "b", "c"]
    assert (back["image"][0] == _images(3)[0]).all()


def test_without_a_table_there_are_no_attributes(tmp_path: Path) -> None:
    """Pictures alone are a data set; hidden files and others are passed over."""
    folder = _folder(tmp_path / "x")
    (folder / "README.txt").write_text("about")
    (folder / ".hidden.png").write_bytes(b"")

    assert list(files.read(folder)) == ["image"]
    assert len(files.read(folder)) == 3


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        ("file,a\n0.png,1\n1.png,1\n2.png,1\n3.png,1\n", r"1 of them are not there, such as '3"),
        ("file,a\n0.png,1\n1.png,1\n", r"1 of them have none, such as '2.png'"),
        ("file,a\n0.png,1\n1.png,1\n2.png,1\n2.png,2\n", "several for '2.png'"),
        ("file,a\n../0.png,1\n", "within the folder"),
        ("file,a\n/etc/x.png,1\n", "within the folder"),
        ("file,a\nC:\\x.png,1\n", "within the folder"),
        ("name,a\n0.png,1\n", "column 'file'"),
        ("file,image\n0.png,1\n", "no column 'image'"),
    ],
)
def test_a_table_that_does_not_go_with_the_pictures_is_refused(
    tmp_path: Path, csv: str, said: str
) -> None:
    """Each way in which names and pictures differ has its sentence."""
    with pytest.raises(DataError, match=said):
        files.read(_folder(tmp_path / "x", csv=csv))


def _png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its content has not."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no PNG or JPEG"),
        (b"GIF89a not a picture", "no PNG or JPEG"),
        (_png(8, 9)[:45], "'bad.png', got"),
        (_png(1000, 9), "9x1,000 pixels"),
        (_png(60_000, 60_000), "far too many pixels"),
        (_png(12_000, 12_000), "'bad.png', got"),
        (png_bytes(_images(1)[0])[:-30], "'bad.png', got"),
    ],
)
def test_what_is_no_whole_picture_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """Foreign, cut short, or claiming more pixels than there may be: the file is named."""
    folder = _folder(tmp_path / "x")
    (folder / "bad.png").write_bytes(content)

    with pytest.raises(DataError, match=said):
        files.read(folder)


def test_sizes_that_differ_are_refused(tmp_path: Path) -> None:
    """Both pictures are named."""
    folder = _folder(tmp_path / "x")
    (folder / "z.png").write_bytes(png_bytes(np.zeros((9, 8, 1), dtype=np.uint8)))

    with pytest.raises(DataError, match=r"8x9 pixels in '0.png' and 9x8 in 'z.png'; resize"):
        files.read(folder)


def test_links_and_foreign_pictures_are_refused(tmp_path: Path) -> None:
    """A link may lead anywhere; pictures that are not read are not passed over."""
    folder = _folder(tmp_path / "x")
    (tmp_path / "secret.png").write_bytes(png_bytes(_images(1)[0]))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="a link"):
        files.read(folder)
    (folder / "link.png").rename(folder / "a.gif")
    with pytest.raises(DataError, match=r"got 'a.gif'; convert"):
        files.read(folder)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("LA", 1), ("I;16", 1)],
)
def test_modes_become_8_bits(tmp_path: Path, mode: str, channels: int) -> None:
    """Palettes, an alpha channel that hides nothing, and 16 bits are converted."""
    (tmp_path / "x").mkdir()
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 9), 0x7F33, dtype=np.uint16))
    else:
        image = Image.new("L", (9, 8), 255).convert("RGB").convert(mode)
    image.save(tmp_path / "x" / "a.png")

    found = files.read(tmp_path / "x")["image"][0]

    assert found.shape == (8, 9, channels)
    assert found.dtype == np.uint8
    assert (found == (0x7F if mode == "I;16" else 255)).all()


def test_transparency_is_refused_and_grey_beside_colour_is_colour(tmp_path: Path) -> None:
    """What lies behind a transparent pixel is not guessed."""
    folder = _folder(tmp_path / "x")
    (folder / "c.png").write_bytes(png_bytes(_images(1, 3)[0]))
    assert {image.shape for image in files.read(folder)["image"]} == {(8, 9, 3)}

    Image.new("RGBA", (9, 8), (1, 2, 3, 4)).save(folder / "d.png")
    with pytest.raises(DataError, match="transparent pixels"):
        files.read(folder)


def test_jpeg_is_read(tmp_path: Path) -> None:
    """A photograph is three channels, turned as its camera says."""
    (tmp_path / "x").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (9, 8), (200, 0, 0)).save(tmp_path / "x" / "a.jpg", exif=exif)

    assert files.read(tmp_path / "x")["image"][0].shape == (9, 8, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_arrays_are_read(tmp_path: Path, dtype: type) -> None:
    """Grey or colour, whole numbers or from 0 to 1, with attributes of the same length."""
    images = _images(4, 3)
    given = images / 255 if dtype is np.float32 else images
    path = tmp_path / "x.npz"
    np.savez(path, images=given.astype(dtype), who=np.array(["a", "b", "c", "d"]))

    back = files.read(path)

    assert (np.stack(list(back["image"])) == images).all()
    assert list(back["who"]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros(3)}, "no array 'images'"),
        ({"images": np.zeros((2, 3, 8, 8), np.uint8)}, "channels stand last"),
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "shape"),
        ({"images": np.full((2, 8, 8), 1.5)}, "out of range"),
        ({"images": np.full((2, 8, 8), np.nan)}, "out of range"),
        ({"images": np.zeros((2, 8, 600), np.uint8)}, "at most 512"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "a": np.zeros(3)}, r"beside 2 images"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "image": np.zeros(2)}, "called 'image'"),
        ({"images": np.array([{"x": 1}], dtype=object)}, "Python objects"),
    ],
)
def test_arrays_that_are_no_images_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    """Each with its sentence; nothing is unpickled."""
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]

    with pytest.raises(DataError, match=said):
        files.read(tmp_path / "x.npz")


def test_what_is_no_folder_and_no_archive_is_refused(tmp_path: Path) -> None:
    """An absent path, another suffix, an empty file, a file that is no archive."""
    (tmp_path / "a.npz").write_bytes(b"")
    (tmp_path / "b.npz").write_bytes(b"PK nothing")
    (tmp_path / "c.txt").write_text("x")
    (tmp_path / "d").mkdir()
    for name, said in (
        ("absent", "check the path"), ("a.npz", "it is empty"), ("b.npz", "no archive"),
        ("c.txt", "ends in .npz"), ("d", "found none"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            files.read(tmp_path / name)
