"""Peers of generators and of their audits, each in an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

#: What each peer's environment holds.
PACKAGES = {
    "sdmetrics": ("sdmetrics==0.32.0",),
    # It takes NumPy below 1.27 alone, as an environment of its own may have.
    "anonymeter": ("anonymeter==1.1.0",),
    "syntheval": ("syntheval==1.7.3",),
    "dpmm": ("dpmm==0.1.9",),
    # The CPU build of torch, which it imports and its marginal methods do not use.
    "smartnoise-synth": ("smartnoise-synth==1.0.8", "mbi==1.1.0", "torch==2.13.0"),
}

#: A run that takes more CPU seconds is given up, and the table says so.
LIMIT_S = 3600

#: One thread, as all that it is held against.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def environment(library: str, folder: Path) -> Path:
    """The Python of a peer, installed on first use.

    Raises:
        RuntimeError: it cannot be installed here.
    """
    home = folder / library
    python = home / "bin" / "python"
    if not (home / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        command = [python, "-m", "pip", "install", "--quiet", *PACKAGES[library]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"not installed: {last_line(done.stderr)}")
        (home / ".installed").touch()
    return python


def run(
    method: str, library: str, train: pd.DataFrame, domain: dict[str, Any], epsilon: float,
    delta: float, seed: int, environments: Path,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:  # fmt: skip
    """Samples of a peer by way of sampling ("" is its own), as many as rows, and what it took.

    Args:
        method: mst or aim.
        library: One of `PACKAGES`.
        train: Rows.
        domain: Public levels and bounds of the columns.
        epsilon: All of the peer's budget.
        delta: Of it.
        seed: Where the peer takes one.
        environments: Folder of the environments.

    Raises:
        RuntimeError: the peer failed or took too long, with its last line.
    """
    python = environment(library, environments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train.to_csv(folder / "train.csv", index=False)
        (folder / "domain.json").write_text(json.dumps(domain), "utf-8")
        command = [
            python, Path(__file__).with_name("peer_run.py"),
            "--library", library, "--method", method,
            "--train", folder / "train.csv", "--domain", folder / "domain.json",
            "--out", folder, "--epsilon", str(epsilon), "--delta", str(delta),
            "--seed", str(seed), "--limit", str(LIMIT_S),
        ]  # fmt: skip
        done = subprocess.run(
            command, env=os.environ | _ONE_THREAD, capture_output=True, text=True, check=False
        )
        if done.returncode == -signal.SIGXCPU:
            raise RuntimeError(f"given up after {LIMIT_S} CPU seconds")
        if done.returncode:
            raise RuntimeError(f"failed: {last_line(done.stderr)}")
        levels = dict.fromkeys(domain["levels"], str)
        made = {
            path.stem.removeprefix("made"): pd.read_csv(path, dtype=levels, keep_default_na=False)
            for path in sorted(folder.glob("made*.csv"))
        }
        return made, json.loads(done.stdout.splitlines()[-1])


def last_line(text: str) -> str:
    """What a process said last."""
    return (text.strip().splitlines() or ["no message"])[-1]
