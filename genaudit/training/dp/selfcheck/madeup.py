"""Records that are nobody's: a few of every kind, small enough to train on in a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.record import as_column
from genaudit.data.schema import Schema

#: Kinds of records that are made up here; a table is one too.
KINDS = ("table", "image", "sequence", "audio", "text")

_ATTRIBUTES: dict[str, Any] = {
    "label": {"kind": "categorical", "role": "target", "categories": ["no", "yes"]},
    "group": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b"]},
}

_RECORDS: dict[str, dict[str, Any]] = {
    "table": {"x": {"kind": "integer", "bounds": [0, 20]}},
    "image": {"image": {"kind": "image", "size": [8, 8, 1]}},
    "sequence": {"series": {
        "kind": "sequence", "channels": ["u", "v"], "channel_bounds": [[-2, 2], [0, 10]],
        "max_length": 6, "entity": "who", "time": "step"}},
    "audio": {"audio": {"kind": "audio", "rate": 4000, "max_length": 1200}},
    "text": {"text": {"kind": "text", "alphabet": "abcde", "max_length": 5}},
}  # fmt: skip


def schema_of(kind: str) -> Schema:
    """What is public about the records of a kind."""
    columns = {**_RECORDS[kind], **_ATTRIBUTES}
    if kind == "sequence":
        columns["who"] = {"kind": "integer", "role": "person"}
    return Schema.from_dict({"rows": "public", "id": f"made-up {kind}", "columns": columns})


def frame_of(kind: str, n: int = 90, seed: int = 0) -> pd.DataFrame:
    """Records that tell their label, and a group that goes with it now and then."""
    rng = np.random.default_rng([seed, n])
    label = rng.random(n) < 0.5
    group = rng.random(n) < np.where(label, 0.7, 0.3)
    frame = pd.DataFrame(
        {"label": np.where(label, "yes", "no"), "group": np.where(group, "b", "a")}
    )
    if kind == "table":
        return frame.assign(x=np.clip(rng.poisson(4 + 6 * label), 0, 20))
    cells = as_column([_MADE[kind](bool(y), rng) for y in label])
    name = next(iter(_RECORDS[kind]))
    more = {"who": np.arange(n) + 1000 * seed} if kind == "sequence" else {}
    return pd.DataFrame({name: cells, **frame, **more})


def data_of(kind: str, n: int = 90, seed: int = 0) -> Dataset:
    """The same, checked."""
    return Dataset.of(frame_of(kind, n, seed), schema_of(kind), "made-up")


def _image(label: bool, rng: np.random.Generator) -> np.ndarray:
    pixels = rng.integers(0, 60, (8, 8, 1))
    pixels[:, :4] += 150 * label
    return pixels.astype(np.uint8)


def _series(label: bool, rng: np.random.Generator) -> np.ndarray:
    steps = np.cumsum(rng.normal(0, 0.2, (rng.integers(3, 7), 1)), axis=0)
    return np.hstack([steps, 5 + 3 * label + steps]).clip([-2, 0], [2, 10]).astype(np.float32)


def _sound(label: bool, rng: np.random.Generator) -> np.ndarray:
    t = np.arange(rng.integers(800, 1200)) / 4000
    tone = np.sin(2 * np.pi * (300 + 400 * label) * t + rng.uniform(0, 6))
    return (0.4 * tone + rng.normal(0, 0.01, len(t))).clip(-1, 1).astype(np.float32)


def _text(label: bool, rng: np.random.Generator) -> str:
    letters = list("abc") if label else list("cde")
    return "".join(rng.choice(letters, rng.integers(2, 6)))


_MADE = {"image": _image, "sequence": _series, "audio": _sound, "text": _text}
