"""The three risks of WP216 and reconstruction: how often they cry wolf, what they find, how long.

Adult is cut into training rows, holdout and fresh rows; the samples are fresh rows of which a share
is replaced by training rows. With no copies nothing leaks, so that a low end above zero is a false
alarm, expected in 2.5% of seeds at the most. Without Adult the bundled arrests stand in.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_risks.py --seeds 200 --rows 1000
    GENAUDIT_ADULT=folder python tests/benchmarks/bench_risks.py --seeds 1 --rows 16000
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from genaudit.audits import find
from genaudit.audits.privacy._game import game
from genaudit.case import AuditCase, Knowledge
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.subject import Subject

RISKS = ("singling_out", "linkability", "inference", "reconstruction")


def table() -> tuple[pd.DataFrame, Schema]:
    """Adult, both files in one, or arrests."""
    folder = os.environ.get("GENAUDIT_ADULT")
    if not folder:
        return bundled.load("arrests")
    parts = [pd.read_csv(Path(folder) / f"{part}.csv", dtype=str, keep_default_na=False)
             for part in ("train", "holdout")]  # fmt: skip
    return pd.concat(parts, ignore_index=True), Schema.read("adult")


def case_of(raw: pd.DataFrame, schema: Schema, n: int, copied: float, seed: int) -> AuditCase:
    """As many rows of train, of the holdout, and of samples."""
    rows = raw.sample(frac=1, random_state=seed)
    train, holdout, fresh = (rows[i * n : (i + 1) * n] for i in range(3))
    copies = round(copied * n)
    made = pd.concat([train[:copies], fresh[copies:]], ignore_index=True)
    subject = Subject("bench", "samples", samples=Dataset.of_samples(made, schema))
    data = {Knowledge.TRAIN: Dataset.of(train, schema),
            Knowledge.HOLDOUT: Dataset.of(holdout, schema)}  # fmt: skip
    return AuditCase(subject, data, seed=seed)


def lines(raw: pd.DataFrame, schema: Schema, n: int, copied: float, seeds: int) -> list[str]:
    """For each metric how often the low end is above zero, its mean, and seconds of its audit."""
    low, values, seconds = defaultdict(int), defaultdict(list), defaultdict(list)
    for seed in range(seeds):
        case = case_of(raw, schema, n, copied, seed)
        game(case)  # shared with the other attacks
        for risk in RISKS:
            clock = time.perf_counter()
            for finding in find(f"privacy.{risk}")(case).findings:
                estimate = finding.estimate
                low[finding.metric] += estimate.low is not None and estimate.low > 0
                if estimate.value is not None:
                    values[finding.metric].append(estimate.value)
                seconds[finding.metric].append(time.perf_counter() - clock)
    return [
        f"| {copied:.0%} | {metric} | {low[metric]} of {seeds} | {np.mean(values[metric]):.4f} | "
        f"{np.median(seconds[metric]):.1f} |"
        for metric in seconds
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--copied", type=float, nargs="*", default=[0.0, 0.02, 0.1, 0.5])
    args = parser.parse_args()
    raw, schema = table()
    n = min(args.rows, len(raw) // 3)
    print(f"{n:,} rows each\n\n| copied | metric | low end above 0 | mean | seconds |")
    print("|---|---|---|---|---|")
    for copied in args.copied:
        print("\n".join(lines(raw, schema, n, copied, args.seeds)), flush=True)


if __name__ == "__main__":
    main()
