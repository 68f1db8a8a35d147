"""Samples in files: pooled where they are of one kind, known by what is in each of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from genaudit.data.schema import Schema
from genaudit.errors import DataError
from genaudit.subjects.files import _digest, from_files

SCHEMA = Schema.from_dict({"columns": {
    "a": {"kind": "integer", "bounds": [0, 9]},
    "b": {"kind": "categorical", "categories": ["x", "y"]},
}})  # fmt: skip


def _write(path: Path, **columns: list[object]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_files_of_the_same_columns_are_pooled(tmp_path: Path) -> None:
    """Columns may stand in any order; no cell becomes invalid by pooling."""
    one = _write(tmp_path / "1.csv", a=[1, 2], b=["x", "y"])
    two = _write(tmp_path / "2.csv", b=["y"], a=[3])

    samples = from_files([one, two], SCHEMA).samples

    assert samples is not None
    assert samples.frame["a"].tolist() == [1, 2, 3]
    assert (samples.invalid, samples.absent) == ({}, ())


@pytest.mark.parametrize("other", [{"a": [3]}, {"a": [3], "b": ["x"], "c": [1]}])
def test_files_of_other_columns_are_refused(tmp_path: Path, other: dict[str, list[object]]) -> None:
    """A column that one file lacks is named, not counted as invalid cells."""
    one = _write(tmp_path / "1.csv", a=[1, 2], b=["x", "y"])
    two = _write(tmp_path / "2.csv", **other)

    with pytest.raises(DataError, match=r"same columns.*1\.csv and 2\.csv has '[bc]'"):
        from_files([one, two], SCHEMA)


def test_a_digest_knows_where_a_file_ends(tmp_path: Path) -> None:
    """A line that moves from one file to the next gives another digest; one file has its own."""
    paths = [tmp_path / "1.csv", tmp_path / "2.csv"]
    digests = []
    for parts in (("a,b\n1,x\n", "a,b\n2,y\n"), ("a,b\n1,x\na,b\n", "2,y\n")):
        for path, text in zip(paths, parts, strict=True):
            path.write_text(text)
        digests.append(_digest(paths))

    assert digests[0] != digests[1]
    assert _digest(paths[:1]) == hashlib.sha256(paths[0].read_bytes()).hexdigest()
