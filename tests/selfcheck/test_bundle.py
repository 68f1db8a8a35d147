"""Rows in a released folder are found however they were written, and only real ones."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from genaudit.training.dp.selfcheck.bundle import scan
from genaudit.training.dp.selfcheck.outcome import Status, Stopped

LEVELS = pd.DataFrame({
    f"c{i}": [f"v{j}" for j in np.random.default_rng(i).integers(0, 30, 60)] for i in range(6)
})  # fmt: skip
NUMBERS = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)


def _status(folder: Path, table: pd.DataFrame | np.ndarray) -> Status:
    try:
        scan(folder, [table], np.random.default_rng(0))
    except Stopped as stopped:
        return stopped.status
    return Status.PASSED


def _torch(path: Path) -> None:
    torch.save({"rows": torch.as_tensor(NUMBERS)}, path)


WRITTEN: dict[str, tuple[pd.DataFrame | np.ndarray, Callable[[Path], object]]] = {
    "csv": (LEVELS, lambda p: LEVELS.head(20).to_csv(p, index=False)),
    "json": (LEVELS, lambda p: p.write_text(LEVELS.head(20).to_json(orient="values"))),
    "gzip": (LEVELS, lambda p: p.write_bytes(gzip.compress(LEVELS.to_csv().encode()))),
    "npz": (NUMBERS, lambda p: np.savez_compressed(p.open("wb"), x=NUMBERS[:10])),
    "pickle": (NUMBERS, lambda p: p.write_bytes(pickle.dumps(NUMBERS[:10]))),
    "torch": (NUMBERS, _torch),
    "double": (NUMBERS, lambda p: p.write_bytes(NUMBERS.astype(float).tobytes())),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", WRITTEN)
def test_rows_are_found(name: str, tmp_path: Path) -> None:
    """Text, arrays, archives and what torch writes."""
    table, write = WRITTEN[name]
    write(tmp_path / "state")

    assert _status(tmp_path, table) is Status.FAILED


def test_other_rows_are_not(tmp_path: Path) -> None:
    """Rows of the same levels in other company, and other numbers, are nobody's."""
    other = pd.DataFrame({
        c: LEVELS[c].sample(frac=1, random_state=i).to_numpy() for i, c in enumerate(LEVELS)
    })  # fmt: skip
    other.to_csv(tmp_path / "made.csv", index=False)
    (tmp_path / "made.bin").write_bytes((NUMBERS + 1).tobytes())

    assert _status(tmp_path, LEVELS) is Status.PASSED
    assert _status(tmp_path, NUMBERS) is Status.PASSED


def test_common_rows_are_not_a_leak(tmp_path: Path) -> None:
    """Where rows are so common that anybody's are like them, finding them tells nothing."""
    rng = np.random.default_rng(0)
    common = pd.DataFrame({f"c{i}": [f"v{j}" for j in rng.integers(0, 2, 200)] for i in range(4)})
    made = pd.DataFrame({f"c{i}": [f"v{j}" for j in rng.integers(0, 2, 200)] for i in range(4)})
    made.to_csv(tmp_path / "made.csv", index=False)

    assert _status(tmp_path, common) is Status.PASSED
