"""Where the numbers of mixtures come from: a small grid on tables that no benchmark reports.

Each file is cut into two thirds to fit and one third to test; marginals have the noise of ε = 1 at
δ = 1e-6, and each figure is the median over five seeds. The last column of a file has two levels.

    python tests/benchmarks/tune_utility.py CPS1988.csv yrbss.csv
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import bench_utility as bench
import numpy as np
import pandas as pd
import torch
import utility_protocol as protocol

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.models import pairs
from genaudit.training import marginals

SEEDS = 5

#: Price of information; weights of tables of the target, and of single columns.
THRIFT, FOCUS, SINGLE = (50.0, 100.0, 200.0), (2.0, 3.0, 5.0), (0.7, 1.0, 1.5)


class Table:
    """Rows to fit, rows to test, and what is taken for public."""

    def __init__(self, path: Path) -> None:
        rows = pd.read_csv(path).dropna().sample(frac=1, random_state=0).reset_index(drop=True)
        third = len(rows) // 3
        self.name, self.target = path.stem, str(rows.columns[-1])
        numeric = [c for c in rows if pd.api.types.is_numeric_dtype(rows[c]) and c != self.target]
        rows = rows.astype({c: str for c in rows if c not in numeric})
        self.test, self.fit = rows[:third], rows[third:].reset_index(drop=True)
        self.bounds = {c: (float(rows[c].min()), float(rows[c].max())) for c in numeric}
        self.levels = {c: sorted(rows[c].unique()) for c in rows if c not in numeric}
        columns = {
            c: {"kind": "numeric", "bounds": self.bounds[c]} if c in numeric
            else {"kind": "categorical", "categories": self.levels[c]}
            for c in rows
        }  # fmt: skip
        columns[self.target]["role"] = "target"
        schema = Schema.from_dict({"rows": "public", "columns": columns})
        self.data = Dataset.of(self.fit.astype(str), schema)

    def scores(self, seed: int) -> tuple[float, float]:
        """Area under the curve and two-way distance of what marginals alone make."""
        made = bench.typed(bench.of_marginals(two_way=True)(self.data, seed), self.levels)
        favoured = self.levels[self.target][-1]
        return (
            protocol.auroc(made, self.test, self.target, favoured, self.levels),
            protocol.distance(made, self.fit, self.levels, self.bounds),
        )


def main() -> None:
    """Print the grid, best last: the area less the distance, over all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    tables = [Table(path) for path in parser.parse_args().files]
    torch.set_num_threads(1)
    lines = []
    for thrift, focus, single in product(THRIFT, FOCUS, SINGLE):
        pairs._THRIFT, marginals._FOCUS, marginals._SINGLE = thrift, focus, single
        found = [np.median([t.scores(seed) for seed in range(SEEDS)], axis=0) for t in tables]
        figures = ", ".join(
            f"{t.name} {area:.4f} {gap:.4f}" for t, (area, gap) in zip(tables, found, strict=True)
        )
        total = float(np.sum([area - gap for area, gap in found]))
        lines.append((total, f"thrift {thrift:g}, focus {focus:g}, single {single:g}: {figures}"))
        print(f"{total:.4f} {lines[-1][1]}", flush=True)
    print("Best:", max(lines)[1])


if __name__ == "__main__":
    main()
