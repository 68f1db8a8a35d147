"""Texts in files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from genaudit.errors import DataError, OptionError
from genaudit.modalities.text import files


def test_lines_are_read(tmp_path: Path) -> None:
    """A byte order mark and ends of other systems are no part of a text; empty lines hold none."""
    path = tmp_path / "names.txt"
    path.write_bytes("\ufeffann\r\n\r\n 王芳 \nbo\u2028b".encode())

    assert files.read(path)["text"].tolist() == ["ann", " 王芳 ", "bo\u2028b"]


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    """Texts come back as they were, in every format."""
    frame = pd.DataFrame({"text": ["ann", "王芳", "=1+1", " x ", 'a"b,c']})
    path = files.write(frame, tmp_path / f"texts{suffix}")

    assert files.read(path)["text"].tolist() == frame["text"].tolist()


def test_tables_keep_their_columns(tmp_path: Path) -> None:
    """The schema says which column is the text."""
    frame = pd.DataFrame({"name": ["ann\nlee", "bo"], "gender": ["female", "male"]})
    path = files.write(frame, tmp_path / "texts.jsonl")

    assert files.read(path).to_dict("list") == frame.to_dict("list")


@pytest.mark.parametrize("text", ["two\nlines", "", None, "end\r"])
def test_lines_hold_texts_of_one_line(tmp_path: Path, text: str | None) -> None:
    """What would come back as something else is refused."""
    frame = pd.DataFrame({"text": pd.Series(["ann", text], dtype=object)})
    with pytest.raises(OptionError, match=r"in record 2; write a file that ends in \.jsonl"):
        files.write(frame, tmp_path / "texts.txt")


def test_attributes_need_a_table(tmp_path: Path) -> None:
    """A file of lines has one column."""
    frame = pd.DataFrame({"name": ["ann"], "gender": ["female"]})
    with pytest.raises(OptionError, match="Expected one column"):
        files.write(frame, tmp_path / "texts.txt")


def test_a_file_without_texts_is_refused(tmp_path: Path) -> None:
    """Empty, absent, and in another encoding."""
    path = tmp_path / "texts.txt"
    with pytest.raises(DataError, match="Expected the train file at"):
        files.read(path, "train")
    path.write_bytes(b"\n\r\n")
    with pytest.raises(DataError, match="Expected a text on each line of the train file"):
        files.read(path, "train")
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(DataError, match="save it as UTF-8"):
        files.read(path, "train")
