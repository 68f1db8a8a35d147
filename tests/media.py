"""Planted subjects whose records are images, series, sounds or texts.

honest: fresh records. copycat: training records. near_copy: training records a little changed.
noise: records that look like none of the population. Attributes: `label` is what a record shows,
`group` how it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scores

from genaudit.case import AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.data.record import as_column
from genaudit.data.schema import Schema
from genaudit.subject import Subject

KINDS = ("image", "sequence", "audio", "text")

COLUMNS: dict[str, dict[str, Any]] = {
    "image": {"kind": "image", "size": [8, 8, 1]},
    "sequence": {"kind": "sequence", "channels": ["up", "down"], "max_length": 24,
                 "channel_bounds": [[-9, 9], [-9, 9]]},
    "audio": {"kind": "audio", "rate": 4000, "max_length": 800},
    "text": {"kind": "text", "alphabet": "abcdefghijklmnopqrstuvwxyz @.", "max_length": 40},
}  # fmt: skip


def schema_of(kind: str) -> Schema:
    """A record with a target and a sensitive attribute."""
    return Schema.from_dict({"rows": "public", "id": f"planted {kind}", "columns": {
        "record": COLUMNS[kind],
        "label": {"kind": "categorical", "role": "target", "categories": ["low", "high"]},
        "group": {"kind": "categorical", "role": "sensitive", "categories": ["thin", "thick"]},
    }})  # fmt: skip


def population(kind: str, n: int, seed: int) -> pd.DataFrame:
    """Fresh records with their attributes, shape (n, 3)."""
    rng = np.random.default_rng([seed, 0xD161])
    high, thick = rng.random(n) < 0.5, rng.random(n) < 0.4
    made = [_MAKE[kind](rng, a, b) for a, b in zip(high, thick, strict=True)]
    return pd.DataFrame({
        "record": as_column(made),
        "label": np.where(high, "high", "low"),
        "group": np.where(thick, "thick", "thin"),
    })  # fmt: skip


def case_of(
    kind: str, subject: str = "honest", seed: int = 0, *, n: int = 400, samples: Any = None
) -> AuditCase:
    """A case with one planted subject, or with raw samples; all records are new for every seed."""
    train, holdout = (population(kind, n, 3 * seed + i) for i in (0, 1))
    made = SUBJECTS[subject](kind, train, n, 3 * seed + 2) if samples is None else samples
    schema = schema_of(kind)
    who = Subject("planted", "samples", Dataset.of_samples(made.reset_index(drop=True), schema),
                  scores=dict.fromkeys(scores.NAMES, scores.honest))  # fmt: skip
    raws = {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout}
    return AuditCase(who, {k: Dataset.of(r, schema, k.value) for k, r in raws.items()}, seed=seed)


def _image(rng: np.random.Generator, high: bool, thick: bool) -> np.ndarray:
    """A bar across, in the upper or the lower half, with some noise."""
    pixels = rng.integers(0, 60, (8, 8, 1))
    row = rng.integers(0, 3) + (0 if high else 4)
    start = rng.integers(0, 3)
    pixels[row : row + 1 + thick, start : start + 5] = rng.integers(150, 256)
    return pixels.astype(np.uint8)


def _sequence(rng: np.random.Generator, high: bool, thick: bool) -> np.ndarray:
    """A wave with its mirror image, of 12 to 24 steps."""
    t = np.arange(rng.integers(12, 25))
    wave = (1 + thick) * np.sin(t * (0.9 if high else 0.4) + rng.uniform(0, 6))
    noise = rng.normal(0, 0.2, (len(t), 2))
    return (np.column_stack([wave, -wave]) + noise).clip(-9, 9).astype(np.float32)


def _audio(rng: np.random.Generator, high: bool, thick: bool) -> np.ndarray:
    """A tone with a little hiss, of 400 to 800 samples."""
    t = np.arange(rng.integers(400, 801)) / 4000
    tone = np.sin(2 * np.pi * t * (rng.normal(800, 30) if high else rng.normal(300, 30)))
    return ((0.8 if thick else 0.3) * tone + rng.normal(0, 0.02, len(t))).clip(-1, 1)


def _text(rng: np.random.Generator, high: bool, thick: bool) -> str:
    """Two or three words of random letters of one kind."""
    letters = list("abcdefgh" if high else "mnopqrst")
    words = ["".join(rng.choice(letters, 6)) for _ in range(3 if thick else 2)]
    return " ".join(words)


_MAKE: dict[str, Callable[[np.random.Generator, bool, bool], Any]] = {
    "image": _image, "sequence": _sequence, "audio": _audio, "text": _text,
}  # fmt: skip


def _honest(kind: str, _train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    return population(kind, n, seed + 1_000_003)


def _copycat(_kind: str, train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    return train.sample(n, replace=n > len(train), random_state=seed)


def _near_copy(kind: str, train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    rng, rows = np.random.default_rng(seed), _copycat(kind, train, n, seed)
    return rows.assign(record=as_column([_changed(r, kind, rng) for r in rows["record"]]).values)


def _changed(record: Any, kind: str, rng: np.random.Generator) -> Any:
    """The record with a little noise, or with one letter of another kind."""
    if kind == "text":
        at = rng.integers(len(record))
        return record[:at] + "z" + record[at + 1 :]
    if kind == "image":
        return (record + rng.integers(-2, 3, record.shape)).clip(0, 255).astype(np.uint8)
    most, noise = (1, 0.001) if kind == "audio" else (9, 0.01)
    return (record + rng.normal(0, noise, record.shape)).clip(-most, most)


def _noise(kind: str, _train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 0x0157])
    rows = population(kind, n, seed + 1_000_003)
    return rows.assign(record=as_column([_no_record(kind, rng) for _ in range(n)]))


def _no_record(kind: str, rng: np.random.Generator) -> Any:
    match kind:
        case "image":
            return rng.integers(0, 256, (8, 8, 1)).astype(np.uint8)
        case "sequence":
            return rng.uniform(-9, 9, (24, 2))
        case "audio":
            return rng.uniform(-1, 1, 800)
        case _:
            return "".join(rng.choice(list("uvwxyz. "), 30))


SUBJECTS: dict[str, Callable[[str, pd.DataFrame, int, int], pd.DataFrame]] = {
    "honest": _honest, "copycat": _copycat, "near_copy": _near_copy, "noise": _noise,
}  # fmt: skip
