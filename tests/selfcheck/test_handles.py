"""Whatever holds real records within reach of what is released is found, and nothing else."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from long import all_but

from genaudit.training.dp.selfcheck.bench import Bench
from genaudit.training.dp.selfcheck.handles import generator
from genaudit.training.dp.selfcheck.outcome import Status, Stopped

ROWS = np.random.default_rng(0).normal(size=(120, 9))
CODES = np.hstack([np.eye(12)[np.random.default_rng(i).integers(0, 12, 120)] for i in range(5)])

KEPT: dict[str, np.ndarray] = {}


def _from_the_module(n: int) -> Any:
    return _another(n)


def _another(n: int) -> Any:
    return KEPT["rows"][:n]


class _Trainer:
    """It does nothing but release."""

    def __init__(self, rows: np.ndarray, released: Any) -> None:
        self._rows, self._released = rows, released

    def units(self) -> np.ndarray:
        return self._rows

    def step(self) -> np.ndarray:
        return np.zeros(1)

    def released(self) -> Any:
        return self._released


def _status(rows: np.ndarray, released: Any) -> Status:
    try:
        generator(Bench(_Trainer(rows, released)))
    except Stopped as stopped:
        return stopped.status
    return Status.PASSED


def _buffer(rows: np.ndarray) -> torch.nn.Module:
    module = torch.nn.Linear(3, 1)
    module.register_buffer("reference", torch.as_tensor(rows).half())
    return module


def _global(rows: np.ndarray) -> Any:
    KEPT["rows"] = rows.copy()
    return _from_the_module


HOLDS: dict[str, Callable[[np.ndarray], Any]] = {
    "itself": lambda rows: rows[3:],
    "rows": lambda rows: rows[:40] * 1.0,
    "two rows": lambda rows: rows[:2].copy(),
    "a row in others": lambda rows: np.vstack([ROWS[:30] + 1, rows[5]]),
    "a row": lambda rows: rows[5].copy(),
    "frame": lambda rows: {"reference": pd.DataFrame(rows.copy())},
    "mixed frame": lambda rows: pd.DataFrame(rows.copy()).assign(kind="a"),
    "lists": lambda rows: {"reference": rows[:50].tolist()},
    "tuples": lambda rows: tuple(map(tuple, rows[:50].tolist())),
    "records": lambda rows: [dict(enumerate(r)) for r in rows.tolist()],
    "turned": lambda rows: rows.T.copy(),
    "single": lambda rows: torch.as_tensor(rows).float(),
    "half": _buffer,
    "bfloat16": lambda rows: torch.as_tensor(rows).bfloat16(),
    "objects": lambda rows: rows.astype(object),
    "one after the other": lambda rows: rows.ravel().copy(),
    "columns": lambda rows: rows[:, 2:5].copy(),
    "columns in another order": lambda rows: rows[:, ::-1].copy(),
    "columns turned": lambda rows: rows[:, 2:5].T.astype(np.float32),
    "a list of a column": lambda rows: {"amount": rows[:, 1].tolist()},
    "single numbers": lambda rows: {f"m{i}": float(v) for i, v in enumerate(rows[3])},
    "numbers of NumPy": lambda rows: {f"m{i}": np.float32(v) for i, v in enumerate(rows[3])},
    "attributes": lambda rows: SimpleNamespace(**{f"m{i}": v for i, v in enumerate(rows[3])}),
    "written numbers": lambda rows: {f"m{i}": str(v) for i, v in enumerate(rows[3])},
    "text": lambda rows: {"kept": json.dumps(rows[3].tolist())},
    "text of few digits": lambda rows: {"kept": json.dumps(rows[3].round(4).tolist())},
    "means one by one": lambda rows: {f"m{i}": float(v) for i, v in enumerate(rows.mean(0))},
    "written means": lambda rows: json.dumps(rows.mean(0).tolist()),
    "pickled": pickle.dumps,
    "bytes": lambda rows: bytearray(rows.astype(np.float32).tobytes()),
    "partial": lambda rows: functools.partial(np.dot, rows.copy()),
    "global": _global,
    "loader": lambda rows: torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(rows))
    ),
}  # fmt: skip

#: Where rows are zeros and ones there are no columns of numbers of their own.
WHOLE = ("itself", "rows", "frame", "lists", "turned", "half", "bfloat16", "objects", "global")


@pytest.mark.parametrize("name", HOLDS)
def test_records_are_found(name: str) -> None:
    """In any holder, precision and orientation; one row is enough where it is telling."""
    assert _status(ROWS, HOLDS[name](ROWS)) is Status.FAILED


@pytest.mark.parametrize("name", WHOLE)
def test_coded_records_are_found(name: str) -> None:
    """Rows of zeros and ones, some of them."""
    assert _status(CODES, HOLDS[name](CODES)) is Status.FAILED


@pytest.mark.parametrize("seed", all_but(range(4), range(20)))
def test_what_is_honest_passes(seed: int) -> None:
    """Weights, noise, made rows, small whole numbers, levels and edges are nobody's."""
    rng = np.random.default_rng(seed + 1)
    made = rng.normal(size=(300, 9))
    coded = np.hstack([np.eye(12)[rng.integers(0, 12, 300)] for _ in range(5)])
    levels = np.arange(40).reshape(10, 4)
    released = SimpleNamespace(
        weights=[rng.normal(size=(64, 9)), rng.normal(size=(9, 64)).astype(np.float32)],
        half=torch.tensor(made).half(), brain=torch.tensor(made).bfloat16(),
        noise=torch.randn(500, 9), made=made, frame=pd.DataFrame(made), coded=coded,
        packed=pickle.dumps(made), levels=levels.tolist(), edges=np.linspace(-4, 4, 81),
        scale=np.array(2.0), make=lambda: made, text=json.dumps(made.round(3).tolist()),
        single={f"m{i}": float(v) for i, v in enumerate(made[0])}, written=str(made[1].tolist()),
        settings={"layers": 3, "rate": 0.001, "betas": "0.9", "steps": 1200, "seed": 123456789},
    )  # fmt: skip
    whole = np.random.default_rng(3).integers(0, 40, size=(200, 4))

    assert _status(ROWS, released) is Status.PASSED
    assert _status(ROWS.astype(np.float32), released) is Status.PASSED
    assert _status(CODES, released) is Status.PASSED
    assert _status(whole, released) is Status.PASSED
