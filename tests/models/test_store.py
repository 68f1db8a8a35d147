"""Model folders: whole or not there; damage and foreign files told apart, byte by byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genaudit.data.schema import Schema
from genaudit.errors import DataError, IntegrityError, OptionError
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models import folder as folders
from genaudit.models.sampler import Sampler
from genaudit.models.store import Trained, load

FILES = ("model.json", "model.safetensors")


def _model() -> Trained:
    schema = Schema.from_dict(
        {"columns": {"a": {"kind": "boolean"}, "b": {"kind": "integer", "bounds": [0, 9]}}}
    )
    layout = Layout(Grid.public(schema), ("a",))
    rng = np.random.default_rng(0)
    shares = np.concatenate([rng.dirichlet(np.ones(k), 3) for k in layout.sizes], axis=1)
    weights = np.log(rng.dirichlet(np.ones(3)))
    return Trained("cgan", Sampler(schema, layout, np.log(shares), weights, np.array([0.4, 0.6])))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model."""
    return _model().save(tmp_path / "model")


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_found(name: str, folder: Path) -> None:
    """Whichever byte differs, first and last included, the digest says so."""
    path = folder / name
    content = path.read_bytes()
    places = {*range(110), *range(110, len(content), 41), len(content) - 1}
    for place in sorted(places):
        for mask in (0x01, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= mask
            path.write_bytes(damaged)

            with pytest.raises(IntegrityError):
                load(folder)

    path.write_bytes(content)
    assert load(folder).sample(3).frame.equals(_model().sample(3).frame)


@pytest.mark.parametrize("name", FILES)
def test_every_cut_is_found(name: str, folder: Path) -> None:
    """A file that is cut short, wherever, is bad input and says so."""
    path = folder / name
    content = path.read_bytes()
    for length in (1, 5, 50, 100, 110, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="cut short"):
            load(folder)

    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        load(folder)
    path.unlink()
    with pytest.raises(DataError, match=name):
        load(folder)


@pytest.mark.parametrize("name", FILES)
def test_appended_bytes_are_found(name: str, folder: Path) -> None:
    """A file that is longer than it says differs from its digest."""
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(IntegrityError):
        load(folder)


@pytest.mark.parametrize("content", [b"\x80\x04K\x01.", b"{}", b"a,b\n1,2\n" * 100, b"[1]" * 99])
def test_foreign_files(content: bytes, folder: Path) -> None:
    """A file of another format is bad input, not damage; a pickle is not opened."""
    (folder / "model.json").write_bytes(content)

    with pytest.raises(DataError, match="not part of a genaudit model"):
        load(folder)


def test_wrong_content_under_a_right_digest(folder: Path, tmp_path: Path) -> None:
    """A version, a shape or a weight that cannot be is refused even where digests fit."""
    info, tensors = folders.read(folder)
    nan = {k: np.full_like(v, np.nan) for k, v in tensors.items()}
    short = {k: v[:1] for k, v in tensors.items()}
    cases = [
        ({**info, "version": 99}, tensors), (info, {**tensors, "condition.weights": -np.ones(2)}),
        ({**info, "condition": ["zzz"]}, tensors), ({**info, "grid": [{}]}, tensors),
        ({**info, "table_schema": {"columns": []}}, tensors), (info, nan), (info, short),
        (info, {}),
    ]  # fmt: skip
    for i, (changed, weights) in enumerate(cases):
        with pytest.raises(DataError):
            load(folders.write(tmp_path / str(i), changed, weights))


@pytest.mark.parametrize(("change", "says"), [
    ({"family": 3}, "at family: expected a string, got 3;"),
    ({"grid": []}, "expected the cells of at least one column, got none;"),
    ({"grid": [{}]}, "at grid.0.name: it is required;"),
    ({"grid": 3}, "at grid: expected a list, got 3;"),
    ({"table_schema": {"columns": [{"name": "a", "kind": "q"}]}},
     "at table_schema.columns.0.kind: expected 'numeric',"),
    ({"condition": ["zzz"]}, "there are 'a', 'b';"),
    ({"history": [{"loss": "x"}]}, "at history.0.loss: expected a number, got 'x';"),
    ({"tensors": {}}, ": condition.weights is required, got none;"),
    ({"tensors": {"condition.weights": np.ones(3)}},
     ": expected condition.weights of shape (2,), got (3,);"),
    ({"tensors": {"mixture.log_weights": np.array(1.0)}}, ": expected mixture.log_"),
])  # fmt: skip
def test_doctored_content_is_named(
    change: dict[str, Any], says: str, folder: Path, tmp_path: Path
) -> None:
    """Where a digest is right and a field is not, the sentence names it in nobody's jargon."""
    info, tensors = folders.read(folder)
    given = change.pop("tensors", tensors)
    tensors = {**tensors, **given} if given else {}

    with pytest.raises(DataError) as refused:
        load(folders.write(tmp_path / "doctored", {**info, **change}, tensors))

    said = str(refused.value)
    assert f"is not usable{' ' if says.startswith('at') else ''}" in said
    assert says in said
    assert said.endswith("; restore it from a copy.")
    assert "validation error" not in said


def test_nothing_is_overwritten_or_left_over(folder: Path, tmp_path: Path) -> None:
    """A folder that holds something is refused; an empty one is filled; no neighbour stays."""
    with pytest.raises(OptionError, match="holds something"):
        _model().save(folder)
    (tmp_path / "empty").mkdir()
    _model().save(tmp_path / "empty")
    with pytest.raises(OptionError):
        _model().save(folder / "model.json" / "below")

    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "model"]
    assert sorted(p.name for p in (tmp_path / "empty").iterdir()) == list(FILES)


def test_model_json_is_readable(folder: Path) -> None:
    """It is JSON that begins with its own size."""
    content = (folder / "model.json").read_text("utf-8")

    assert int(json.loads(content)["size"]) == len(content.encode())


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_not_read(name: str, folder: Path) -> None:
    """A device would fill the memory and a pipe would hang: neither is opened."""
    path = folder / name
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"cannot be read: a device or pipe.*; check the path\.$"):
        load(folder)

    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"cannot be read: a device or pipe.*; check the path\.$"):
        load(folder)


def test_no_more_is_read_than_is_declared(folder: Path, tmp_path: Path) -> None:
    """A file that says it is endless, by its size or by what is declared of it, is not read."""
    os.truncate(folder / "model.safetensors", 40 * 2**30)
    with pytest.raises(IntegrityError, match="differs from its own digest"):
        load(folder)

    info, _ = folders.read(_model().save(tmp_path / "other"))
    for size in (40 * 2**30, "9", -1):
        weights = {"size": size, "sha256": "0" * 64}
        (folder / "model.json").write_bytes(folders._info_bytes({**info, "weights": weights}))
        with pytest.raises((DataError, IntegrityError), match=r"model\.(json|safetensors)"):
            load(folder)

    os.truncate(folder / "model.json", 40 * 2**30)
    with pytest.raises(DataError, match="not part of a genaudit model"):
        load(folder)
