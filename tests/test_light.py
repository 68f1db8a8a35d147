"""What must stay light: the help text and an audit of two files load no torch."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from long import all_but


def _imported(*words: str, cwd: Path) -> tuple[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "genaudit", *words],
        capture_output=True, text=True, check=True, cwd=cwd, env=dict(os.environ),
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done.stderr, {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("plan", all_but({"quick"}, ["quick", "standard"]))
def test_audit_of_two_files_loads_no_torch(plan: str, arrests_files: Path, tmp_path: Path) -> None:
    """Samples against train and holdout: not one module of torch or Opacus is imported."""
    _, modules = _imported(
        "audit", str(arrests_files / "samples.csv"), "--train", str(arrests_files / "train.csv"),
        "--holdout", str(arrests_files / "holdout.csv"), "--schema", "arrests",
        "--plan", plan, "--out", str(tmp_path / "audit.json"), cwd=tmp_path,
    )  # fmt: skip

    assert "genaudit.run" in modules
    assert not {m for m in modules if m.split(".")[0] in ("torch", "opacus")}


def test_help_is_quick(tmp_path: Path) -> None:
    """`genaudit --help` takes under half a second (the best of five) and loads no pandas."""
    times = []
    for _ in range(5):
        # Seconds of the processor: waiting for other programs is none of ours.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "genaudit", "--help"], check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    _, modules = _imported("--help", cwd=tmp_path)

    assert min(times) < 0.5
    assert not {"pandas", "torch", "numpy", "sklearn"} & modules
