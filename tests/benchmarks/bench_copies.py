"""How often copied training rows are found, and how often fresh rows are accused.

Real rows stand for a generator whose fault is known. The holdout file is cut in two: fresh rows for
the samples, and the holdout that the auditor holds. A share of the samples is replaced by training
rows drawn without replacement. On arrests, where half of the rows are duplicates, the table is cut
into train, holdout and fresh rows; fresh rows are drawn with replacement, as there are fewer of
them than samples.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_copies.py --seeds 100
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from genaudit.audits import audits
from genaudit.case import AuditCase, Knowledge
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Verdict
from genaudit.run import run
from genaudit.subject import Subject

PRIVACY = tuple(name for name in audits() if name.startswith("privacy."))
N_FRESH = 10_000


@dataclass
class Row:
    """One line of the table: how many of the seeds had a privacy finding outside its limit."""

    data: str
    n_samples: int
    copied: float
    seeds: int
    outside: int = 0
    cannot_tell: int = 0
    by_metric: Counter[str] = field(default_factory=Counter)
    detectable_exact: float | None = None
    seconds_each: float = 0.0


def concat(*parts: Dataset) -> Dataset:
    """Rows of several data sets of one schema."""
    return Dataset(parts[0].schema, pd.concat([p.frame for p in parts], ignore_index=True))


def adult_case(train: Dataset, rest: Dataset, n: int, copied: float, seed: int) -> AuditCase:
    """Samples of n rows, a share of them training rows, the others unseen by train and holdout."""
    rng = np.random.default_rng([seed, n])
    order, k = rng.permutation(len(rest)), round(n * copied)
    copies = train.take(rng.choice(len(train), k, replace=False))
    samples = concat(rest.take(order[: n - k]), copies)
    return case_of(samples, train, rest.take(order[N_FRESH:]), seed)


def arrests_case(table: Dataset, n: int, copied: float, seed: int) -> AuditCase:
    """Half of the table is train, a quarter the holdout, a quarter the fresh rows."""
    rng = np.random.default_rng([seed, n])
    order, k = rng.permutation(len(table)), round(n * copied)
    train, holdout, fresh = np.split(order, [len(table) // 2, 3 * len(table) // 4])
    rows = np.concatenate([rng.choice(fresh, n - k), rng.choice(train, k, replace=False)])
    return case_of(table.take(rows), table.take(train), table.take(holdout), seed)


def case_of(samples: Dataset, train: Dataset, holdout: Dataset, seed: int) -> AuditCase:
    """A case with a file of samples."""
    data = {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout}
    return AuditCase(Subject("planted", "samples", samples), data, seed=seed)


def measure(row: Row, make: object) -> Row:
    """Audit every seed and count verdicts."""
    plan, policy, clock = AuditPlan(audits=PRIVACY), Policy.read(), time.perf_counter()
    for seed in range(row.seeds):
        report = run(make(row.n_samples, row.copied, seed), plan, policy, strict=True)
        outside = [f for _, f in report.findings(Verdict.OUTSIDE)]
        row.outside += bool(outside)
        row.by_metric.update(f.metric for f in outside)
        row.cannot_tell += not outside and report.verdict is Verdict.CANNOT_TELL
        found = next(f for _, f in report.findings() if f.metric == "privacy.copies.exact")
        row.detectable_exact = found.detectable
    row.seconds_each = (time.perf_counter() - clock) / max(row.seeds, 1)
    print(table([row]).splitlines()[-1], flush=True)
    return row


def table(rows: list[Row]) -> str:
    """A Markdown table."""
    head = "| data | samples | copied | outside | cannot tell | by metric | detectable | s each |"
    lines = [head, "|" + "---|" * 8]
    for r in rows:
        metrics = ", ".join(
            f"{m.removeprefix('privacy.')} {k}" for m, k in sorted(r.by_metric.items())
        )
        seen = "" if r.detectable_exact is None else f"{r.detectable_exact:.1%}"
        lines.append(
            f"| {r.data} | {r.n_samples:,} | {r.copied:.0%} | {r.outside} of {r.seeds} "
            f"| {r.cannot_tell} | {metrics or 'none'} | {seen} | {r.seconds_each:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write reports/benchmarks/copies.{md,json}."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 2000, 5000, 10_000])
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks"))
    args = parser.parse_args()
    clock, rows = time.perf_counter(), []
    raw, schema = bundled.load("arrests")
    arrests = Dataset.of(raw, schema)
    for copied in (0.2, 0.0):
        row = Row("arrests", 3600, copied, args.seeds)
        rows.append(measure(row, lambda n, share, seed: arrests_case(arrests, n, share, seed)))
    folder = os.environ.get("GENAUDIT_ADULT")
    if folder:
        train, rest = (_adult(Path(folder) / f"{part}.csv") for part in ("train", "holdout"))
        for n in args.sizes:
            for copied in (0.05, 0.0):
                row = Row("adult", n, copied, args.seeds)
                rows.append(measure(row, lambda n, c, seed: adult_case(train, rest, n, c, seed)))
    else:
        print("GENAUDIT_ADULT names no folder with Adult; only arrests was measured.")
    write(rows, args.out, time.perf_counter() - clock)


def write(rows: list[Row], out: Path, seconds: float) -> None:
    """The table as Markdown for people and JSON for programs."""
    out.mkdir(parents=True, exist_ok=True)
    text = (
        "# Copied training rows: found, and falsely found\n\n"
        f"{__doc__.split(chr(10) * 2)[1]}\n\n"
        "`outside`: seeds with any finding of the privacy chapter outside the default policy's "
        "limit. `detectable`: share of copies that `privacy.copies.exact` says it would flag four "
        "times of five (last seed).\n\n"
        f"{table(rows)}\n\nWall clock: {seconds / 60:.1f} minutes.\n"
    )
    (out / "copies.md").write_text(text, "utf-8")
    data = {"seconds": round(seconds, 1), "rows": [vars(r) for r in rows]}
    (out / "copies.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    print(f"Written to {out}/copies.md and copies.json")


def _adult(path: Path) -> Dataset:
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    return Dataset.of(raw, Schema.read("adult"), path.stem)


if __name__ == "__main__":
    main()
