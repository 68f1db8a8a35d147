"""Whoever reads what a command prints, in whatever encoding: its exit code is its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from test_check_codes import _outside, _wide, _within

BRANCHES = [(0, _within), (1, _outside), (3, _wide)]


def _unheard(*words: object, both: bool = False) -> int:
    """The exit code of a command whose standard output, or that of errors too, nobody reads."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "genaudit", *map(str, words)]
    try:
        errors = write if both else subprocess.DEVNULL
        return subprocess.run(command, stdout=write, stderr=errors, check=False).returncode
    finally:
        os.close(write)


def _told(encoding: str, *words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "genaudit", *map(str, words)]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, env=env, check=False)


@pytest.mark.parametrize(("code", "make"), BRANCHES, ids=["within", "outside", "cannot_tell"])
def test_a_verdict_that_nobody_reads_is_the_same(
    code: int, make: Callable[[Path], list[Path]], tmp_path: Path
) -> None:
    """A closed pipe takes the output and changes no exit code."""
    assert _unheard("check", *make(tmp_path)) == code


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ["policy", "show"]),
        (0, ["list", "regulations", "--json"]),
        (0, ["context"]),
        (2, []),
    ],
)
def test_no_command_ends_otherwise_without_a_reader(code: int, words: list[str]) -> None:
    """Tables, JSON, files and help, where nobody reads the errors either."""
    assert _unheard(*words, both=True) == code


@pytest.mark.slow
def test_characters_that_an_encoding_lacks_are_escaped(tmp_path: Path) -> None:
    """Texts say what they can, JSON stays JSON, and the verdict is the same."""
    [place] = _outside(tmp_path)
    told = place.read_text("utf-8").replace("nowhere", "Ω")
    told = told.replace('"group": {}', '"group": {"region": "Ω"}')
    place.write_text(told, "utf-8")
    text, listed = (_told("cp1252", "check", place, *form) for form in ((), ("--json",)))
    same = _told("ascii", "diff", place, place)

    assert (text.returncode, listed.returncode, same.returncode) == (1, 1, 0)
    assert b"region=\\u03a9" in text.stdout
    assert {"region": "Ω"} in [row.get("group") for row in json.loads(listed.stdout)]
    assert b"Traceback" not in text.stderr + listed.stderr + same.stderr


def test_a_file_on_standard_output_is_utf_8() -> None:
    """TOML knows no other encoding."""
    printed = _told("ascii", "context", "--lang", "zh")

    assert printed.returncode == 0
    assert "只有您知道的内容" in printed.stdout.decode("utf-8")
    tomllib.loads(printed.stdout.decode("utf-8"))
