"""Places to write: refused before any work is done for them, and nothing is left by the look."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from genaudit.atomic import check_file, check_folder, write_text
from genaudit.errors import OptionError

Cli = Callable[..., tuple[int, str, str]]


def _tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_a_place_that_can_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """Parents that are missing can be made, and are not there afterwards."""
    (tmp_path / "old.json").write_text("old")
    before = _tree(tmp_path)

    for path in ("new.json", "old.json", "a/b/c.json"):
        check_file(tmp_path / path)
    for path in ("new", "a/b/c"):
        check_folder(tmp_path / path)
        check_folder(tmp_path / path, new=False)
    check_folder(tmp_path, new=False)

    assert _tree(tmp_path) == before


@pytest.mark.parametrize("check", [check_file, check_folder])
@pytest.mark.parametrize(
    "place", ["file/x", "file/x/y", "x" * 300, f"a/{'x' * 300}/b", "/proc/x/y"]
)
def test_a_place_that_cannot_be_written_is_refused(
    check: Callable[[Path], None], place: str, tmp_path: Path
) -> None:
    """A file among its parents, a name that no file can have, a folder that takes no files."""
    (tmp_path / "file").write_text("")
    before = _tree(tmp_path)

    with pytest.raises(OptionError, match="name another place"):
        check(tmp_path / place)

    assert _tree(tmp_path) == before


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    """A folder is no file to write, a file no folder, and what holds something is not new."""
    (tmp_path / "file").write_text("")

    for check, path in ((check_file, tmp_path), (check_folder, tmp_path / "file"),
                        (check_folder, tmp_path)):  # fmt: skip
        with pytest.raises(OptionError, match=r"^Expected .*; .* ?ame "):
            check(path)
    with pytest.raises(OptionError, match="got a file"):
        check_folder(tmp_path / "file", new=False)


def test_devices_and_links_stay_what_they_are(tmp_path: Path) -> None:
    """No device or pipe is replaced by a file, and no link by what is written through it."""
    (tmp_path / "runs").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    for name, leads_to in (("old.json", "runs/old.json"), ("new.json", "runs/new.json")):
        (tmp_path / name).symlink_to(leads_to)
    (tmp_path / "runs" / "old.json").write_text("old")

    for path in (Path(os.devnull), tmp_path / "pipe.json"):
        with pytest.raises(OptionError, match="device or pipe"):
            check_file(path)
    with pytest.raises(OptionError, match="device or pipe"):
        write_text(tmp_path / "pipe.json", "x")
    for name in ("old.json", "new.json"):
        check_file(tmp_path / name)
        write_text(tmp_path / name, "new")

    assert all((tmp_path / name).is_symlink() for name in ("old.json", "new.json"))
    assert (tmp_path / "pipe.json").is_fifo()
    assert [p.read_text() for p in sorted((tmp_path / "runs").iterdir())] == ["new", "new"]


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle leaves the file that was there and no other."""

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a.json").write_text("old")
    monkeypatch.setattr(os, "fsync", interrupted)

    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a.json", "new")

    assert _tree(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


def test_no_verb_reads_data_for_a_result_that_has_no_place(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Neither a row is read nor ε spent: the ledger is not even made."""
    (tmp_path / "file").write_text("")
    place, data = tmp_path / "file" / "x", arrests_files / "train.csv"
    for words in (
        ("train", data, "--schema", "arrests", "--epsilon", 3, "--delta", 1e-5, "--out", place),
        ("audit", data, "--train", data, "--schema", "arrests", "--out", place),
        ("schema", data, "--out", place), ("demo", "--out", place),
        ("sample", "model", "-n", 3, "--out", place), ("report", "audit.json", "--out", place),
    ):  # fmt: skip
        code, out, err = run_cli(*words)
        assert (code, out) == (2, ""), words
        assert "name another place" in err, words
        assert err.count("\n") == 1, words

    assert _tree(tmp_path) == ["file"]
