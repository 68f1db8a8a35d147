"""Tables in files: what is written reads back, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genaudit import api
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, OptionError
from genaudit.modalities.table import files
from genaudit.plan import AuditPlan

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "<script>",
    "\u202eevil",
    "x" * 300,
]


def _hostile() -> Dataset:
    columns = {
        "=name": {"kind": "categorical", "categories": HOSTILE},
        "<script>alert(1)</script>": {"kind": "integer", "bounds": [0, 9], "nullable": True},
        "when": {"kind": "datetime", "bounds": ["2020-01-01", "2021-01-01"], "step": 86400},
        "flag": {"kind": "boolean"},
    }
    schema = Schema.from_dict({"columns": columns})
    n = len(HOSTILE)
    raw = pd.DataFrame(
        {
            "=name": HOSTILE,
            "<script>alert(1)</script>": [1, None, *range(n - 2)],
            "when": pd.date_range("2020-03-01", periods=n),
            "flag": [True, False] * (n // 2),
        }
    )
    return Dataset.of(raw, schema, "train")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_round_trip(suffix: str, tmp_path: Path) -> None:
    """Every kind of column survives writing and reading, hostile text and missing values too."""
    data = _hostile()

    path = files.write(data.to_frame(), tmp_path / f"t{suffix}")
    back = Dataset.of(files.read(path), data.schema, "train")

    pd.testing.assert_frame_equal(back.frame, data.frame)


def test_no_cell_of_a_csv_starts_a_formula(tmp_path: Path) -> None:
    """In CSV, no header and no cell begins as a spreadsheet formula would."""
    path = files.write(_hostile().to_frame(), tmp_path / "t.csv")

    cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy().ravel()

    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t"))]


BREAKS = ["x\r=1+1", "x\n=1", "\r\n=1", "\n", "'=1", "=1", "''=1", " =1", "\uff1d1", 'a"\r', "-3.5"]


@pytest.mark.parametrize("missing", ["", "=NA"])
def test_line_breaks_stay_in_their_cell(missing: str, tmp_path: Path) -> None:
    """No part of a cell begins a row, for us and for others, and every value reads back."""
    frame = pd.DataFrame({"=\rname": [*BREAKS, None], "n": range(len(BREAKS) + 1)}, dtype=object)

    path = files.write(frame, tmp_path / "t.csv", missing)
    back = files.read(path)

    assert back.columns.tolist() == ["=\rname", "n"]
    assert back["=\rname"].tolist() == [*BREAKS, missing]
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [len(row) for row in rows] == [2] * (len(BREAKS) + 2)
    assert not [row for row in rows if row[0].lstrip().startswith(("=", "\uff1d"))]


def test_names_and_cells_of_typed_files_are_what_they_are(tmp_path: Path) -> None:
    """Only CSV is written with apostrophes, so only there are they taken back."""
    frame = pd.DataFrame({"'=a": ["'=1", "x"]})

    for name in ("t.parquet", "t.jsonl"):
        back = files.read(files.write(frame, tmp_path / name))
        assert back.columns.tolist() == ["'=a"]
        assert back["'=a"].tolist() == ["'=1", "x"]


def test_writing_needs_a_known_suffix(tmp_path: Path) -> None:
    """An unknown output format is refused, and nothing is written."""
    with pytest.raises(OptionError, match=r"\.csv"):
        files.write(_hostile().to_frame(), tmp_path / "t.xlsx")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t", "t.txt", "t.v2"])
def test_a_path_without_a_format_is_a_csv(name: str, tmp_path: Path) -> None:
    """A suffix that names no format leaves the choice to us."""
    frame = pd.DataFrame({"a": [1, 2]})

    path = files.write(frame, tmp_path / name)

    assert path == tmp_path / name
    assert path.read_text() == "a\n1\n2\n"


@pytest.mark.parametrize("suffix", [".npz", ".json", ".XLSX", ".gz"])
def test_csv_hides_under_no_foreign_suffix(suffix: str, tmp_path: Path) -> None:
    """A suffix of a format that is not written is refused before anything is."""
    with pytest.raises(OptionError, match="ends in"):
        files.written_as(tmp_path / f"t{suffix}")


def test_all_formats_give_the_same_findings(tmp_path: Path) -> None:
    """Copies of continuous rows are found in CSV, Parquet, JSON lines and NPZ alike."""
    rng = np.random.default_rng(1)
    train, holdout, samples = (
        pd.DataFrame(
            {"x": rng.normal(size=n), "y": rng.normal(size=n), "g": rng.choice(["a", "b"], n)}
        )
        for n in (400, 300, 300)
    )
    samples.iloc[:60] = train.iloc[:60]
    schema = Schema.from_dict({
        "rows": "public",
        "columns": {
            "x": {"kind": "numeric", "bounds": [-10, 10]},
            "y": {"kind": "numeric", "bounds": [-10, 10]},
            "g": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b"]},
        },
    })  # fmt: skip
    paths = [files.write(samples, tmp_path / f"s.{end}") for end in ("csv", "parquet", "jsonl")]
    (tmp_path / "foreign.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in samples.to_dict("records"))
    )
    arrays = {"x": samples["x"], "y": samples["y"], "g": samples["g"].to_numpy().astype(str)}
    np.savez(tmp_path / "s.npz", **arrays)
    found = [
        {
            f.metric: f.estimate
            for _, f in api.audit(
                path, train=train, holdout=holdout, schema=schema,
                plan=AuditPlan("one", ("privacy.copies", "quality.validity")), strict=True,
            ).findings()
        }
        for path in (*paths, tmp_path / "foreign.jsonl", tmp_path / "s.npz")
    ]  # fmt: skip

    assert found[0]["privacy.copies.exact"].value == 0.2
    assert all(f == found[0] for f in found)


@pytest.mark.parametrize(("content", "columns"), [
    ("a,,b\n1,2,3\n", ["a", "", "b"]),
    (",a\n0,1\n", ["", "a"]),
    (" a ,b.1\n0,1\n", [" a ", "b.1"]),
])  # fmt: skip
def test_names_are_those_of_the_file(content: str, columns: list[str], tmp_path: Path) -> None:
    """A column without a name has none, and no other name is made up."""
    path = tmp_path / "t.csv"
    path.write_text(content)

    assert files.read(path).columns.tolist() == columns


@pytest.mark.parametrize(
    "text", ["a;b\n1;2\n", "a\tb\n1\t2\n", '"a";"b"\n1,5;2\n', "a;b;c\n1,5;2,5;3\n"]
)
def test_another_separator_is_named(text: str, tmp_path: Path) -> None:
    """Columns cut by semicolons or tabs are no single column, with decimal commas or without."""
    path = tmp_path / "t.csv"
    path.write_text(text)

    with pytest.raises(DataError, match=r"commas between the columns of t\.csv, got (semi|tabs)"):
        files.read(path)


def test_one_column_may_hold_semicolons(tmp_path: Path) -> None:
    """Text with semicolons under a plain name is text."""
    path = tmp_path / "t.csv"
    path.write_text("tags\na;b\nc\n")

    assert files.read(path)["tags"].tolist() == ["a;b", "c"]


def test_a_single_array_is_no_table(tmp_path: Path) -> None:
    """A .npy file by the name of .npz is refused, and so is a damaged archive."""
    np.save(tmp_path / "a.npy", np.arange(3))
    path = (tmp_path / "a.npy").rename(tmp_path / "a.npz")

    with pytest.raises(DataError, match="a single array"):
        files.read(path)

    np.savez_compressed(path, a=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz"):
        files.read(path)


def test_bytes_in_parquet_are_text_or_refused(tmp_path: Path) -> None:
    """Binary cells are read as UTF-8; what is none is named."""
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": ["é".encode(), None], "n": [2**53 + 1, None]}, dtype=object).to_parquet(path)

    frame = files.read(path)

    assert frame["a"].tolist()[0] == "é"
    assert frame["n"].tolist()[0] == 2**53 + 1
    pd.DataFrame({"a": [b"\xff", b"x"]}).to_parquet(path)
    with pytest.raises(DataError, match=r"'a' of t\.parquet holds bytes"):
        files.read(path)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".csv", "x" * 300 + "/t.csv"])
def test_a_name_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    """What the system refuses to look for is refused in one sentence, in and out."""
    with pytest.raises(DataError, match="File name too long"):
        files.read(tmp_path / name)
    with pytest.raises(OptionError, match="File name too long"):
        files.write(pd.DataFrame({"a": [1]}), tmp_path / name)


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}], ids=["list", "record"])
def test_cells_of_many_values_in_parquet_are_refused(tmp_path: Path, cell: object) -> None:
    """A cell is one value in every format."""
    path = tmp_path / "t.parquet"
    pd.DataFrame({"n": [1, 2], "c": [cell, cell]}).to_parquet(path)

    with pytest.raises(DataError, match="'c' holds lists or records"):
        files.read(path, "train")


def test_words_of_numpy_and_arrow_do_not_leak(tmp_path: Path) -> None:
    """No advice to unpickle a stranger's file, no doubled full stop, and what to do."""
    (tmp_path / "noise.npz").write_bytes(bytes(range(256)) * 9)
    np.savez(tmp_path / "objects.npz", a=np.array([{}, None], dtype=object))
    (tmp_path / "noise.parquet").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "noise.csv").write_bytes(b"a,b\n\xff,1\n")

    for name, says in (("noise.npz", "no archive"), ("objects.npz", "'a' holds Python objects"),
                       ("noise.parquet", "Parquet"), ("noise.csv", "no UTF-8 text")):  # fmt: skip
        with pytest.raises(DataError, match=says) as refused:
            files.read(tmp_path / name)
        said = str(refused.value)
        assert "pickle" not in said
        assert ".." not in said
        assert said.endswith("; write the file anew.")


def test_a_level_may_begin_with_an_apostrophe(tmp_path: Path) -> None:
    """A CSV of another program, whose apostrophe belongs to the level, fits its schema."""
    path = tmp_path / "a.csv"
    path.write_text("a\n'+44 1\nb\n'+44 1\n", "utf-8")
    schema = Schema.from_dict(
        {"columns": {"a": {"kind": "categorical", "categories": ["'+44 1", "b"]}}}
    )
    assert list(Dataset.of(files.read(path), schema).frame["a"]) == ["'+44 1", "b", "'+44 1"]
