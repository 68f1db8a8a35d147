"""Small files that people write: a byte order mark is no error, and reasons are said plainly."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from genaudit import api, marks
from genaudit.data.schema import Schema
from genaudit.errors import GenauditError, OptionError
from genaudit.modalities.table import files
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.reading import read_toml
from genaudit.training.recipe import Recipe

MARK = b"\xef\xbb\xbf"
READERS: list[Callable[[Path], object]] = [
    Schema.read, Policy.read, AuditPlan.read, Recipe.read, api.read_context, api.read_recipe,
    api.read_report,
]  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path) -> None:
    """A file that an editor marked as UTF-8 reads like any other."""
    path = tmp_path / "x.toml"
    path.write_bytes(MARK + b"name = 'house'\nowner = 'DPO'\n")

    assert read_toml(path, "a policy (TOML)") == {"name": "house", "owner": "DPO"}
    assert Policy.read(path).name == "house"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), ("folder", "directory"), (b"\xff\xfe\x00", "no UTF-8 text"),
     (b"[[[[[[", "got")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named_once(
    read: Callable[[Path], object], content: str | bytes | None, says: str, tmp_path: Path
) -> None:
    """Each reader says what it expected, the path once, the reason in words and what to do."""
    path = tmp_path / "x.toml"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)

    with pytest.raises(GenauditError) as refused:
        read(path)

    said = str(refused.value)
    assert said.startswith("Expected ")
    assert says in said
    assert said.count(str(path)) <= 1
    assert "Errno" not in said
    assert ";" in said
    assert said.endswith(".")
    assert not said.endswith("..")


def test_tables_nested_without_end_are_refused(tmp_path: Path) -> None:
    """A file that would exhaust the parser is one sentence too."""
    path = tmp_path / "x.toml"
    path.write_text("a = " + "[" * 20_000)

    with pytest.raises(OptionError, match="nested too deeply"):
        read_toml(path, "a plan (TOML)")


@pytest.mark.parametrize("read", [*READERS, marks.read, files.read])
def test_what_never_ends_is_not_read(read: Callable[[Path], object], tmp_path: Path) -> None:
    """A device, a pipe and a file of forty gigabytes are one sentence each, and at once."""
    path = tmp_path / "x.csv"
    path.symlink_to("/dev/zero")
    with pytest.raises(GenauditError, match="Expected "):
        read(path)

    path.unlink()
    os.mkfifo(path)
    with pytest.raises(GenauditError, match="Expected "):
        read(path)

    path.unlink()
    path.touch()
    if read is not files.read:
        os.truncate(path, 40 * 2**30)
        with pytest.raises(GenauditError, match="Expected "):
            read(path)
