"""How fast the nearest rows of mixed types are found: the probes on Adult, peers, and growth.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_nearest.py --peers folder

Adult is cut into 24,000 training and 24,000 holdout rows; samples are training rows drawn with
replacement, with noise on every number. `--peers` names a folder for SDMetrics' environment, which
is installed there on first use. SDMetrics sums absolute differences of numbers and we squares of
ranks, so that the two agree where every column is a level: there all rows are compared, and equal.
Samples write 39 as 39.0, so that no level of a number recurs; a second, smaller comparison writes
numbers alike. Ours is the median of several rounds after one that is not counted, SDMetrics' is one
run; both take one thread, and the ratio is that of CPU time, which other work does not change.
scikit-learn's brute force sees the same one-hot table that our products see, in float32.
Rows of a million are Adult's, with noise on every number and one level in twenty of another row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from peers import PACKAGES, environment
from sklearn.neighbors import NearestNeighbors

from genaudit.audits import find
from genaudit.audits.privacy.distance import DistanceOptions
from genaudit.case import AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space
from genaudit.subject import Subject

ROWS = 24_000
SIZES = (10_000, 30_000, 100_000)
LARGE = 1_000_000
ROUNDS = 9

#: How many times as fast as SDMetrics.
GOAL = 500

#: Run inside SDMetrics' environment: distances of the rows of one file to those of another.
_DCR = """
import json, sys, time
import pandas as pd
from sdmetrics.single_table.privacy.dcr_utils import calculate_dcr
made, train = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in sys.argv[1:3])
metadata = {"columns": {name: {"sdtype": "categorical"} for name in train}}
started, used = time.perf_counter(), time.process_time()
found = calculate_dcr(made, train, metadata)
seconds = time.perf_counter() - started, time.process_time() - used
found.to_csv(sys.argv[3], index=False, header=False)
print(json.dumps(seconds))
"""

Line = tuple[str, str]


def parts() -> tuple[dict[str, pd.DataFrame], Schema]:
    """Training rows, holdout and samples."""
    folder, schema = Path(os.environ["GENAUDIT_ADULT"]), Schema.read("adult")
    raw = {
        name: pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)[:ROWS]
        for name in ("train", "holdout")
    }
    train = Dataset.of(raw["train"], schema).frame
    rng = np.random.default_rng(0)
    made = train.sample(len(train), replace=True, random_state=0).reset_index(drop=True)
    for column in schema.modelled:
        if not column.discrete and column.bounds is not None:
            values = made[column.name].astype(float)
            noisy = values + rng.normal(0, 0.1, len(made)) * values.std()
            made[column.name] = noisy.clip(*column.bounds).round()
    return raw | {"made": made}, schema


def timed(do: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and seconds."""
    started = time.perf_counter()
    return do(), time.perf_counter() - started


def probes() -> Line:
    """Copies and distance on the whole of Adult: every row of both sides is attacked."""
    tables, schema = parts()
    data = {k: Dataset.of(tables[k], schema) for k in (Knowledge.TRAIN, Knowledge.HOLDOUT)}
    made = Dataset.of_samples(tables["made"], schema)
    case = AuditCase(Subject("bench", "samples", samples=made), data)

    copies, distance = find("privacy.copies"), find("privacy.distance")

    def ask() -> None:
        copies(case)
        distance(case, DistanceOptions(max_records=ROWS, max_pool=ROWS))

    seconds = timed(ask)[1]
    return (
        f"privacy.copies and privacy.distance, {ROWS:,} samples, training and holdout rows",
        f"{seconds:.1f} s, {_peak():.2f} GB at the peak",
    )


def against_scikit(n: int) -> Line:
    """The nearest of n samples for n training rows, one-hot, against brute force."""
    space, train, made, _ = encoded(n)
    ours, our_seconds = timed(lambda: space.nearest(train, made))
    left, right = one_hot(space, train), one_hot(space, made)
    brute = NearestNeighbors(n_neighbors=1, algorithm="brute")
    theirs, seconds = timed(lambda: brute.fit(right).kneighbors(left)[0][:, 0])
    apart = float(np.abs(ours - theirs).max())
    return (
        f"scikit-learn, brute force on the one-hot table, {n:,} x {n:,}",
        f"{seconds:.2f} s against {our_seconds:.2f} s: {seconds / our_seconds:.1f} times, "
        f"largest difference {apart:.0e}",
    )


def against_sdmetrics(n: int, folder: Path, alike: bool) -> Line:
    """All columns as levels, n samples against n training rows; numbers written alike or not."""
    tables, schema = parts()
    train, made = tables["train"][:n].astype(str), tables["made"][:n].copy()
    for column in schema.modelled:
        if alike and not column.discrete:
            made[column.name] = made[column.name].astype(int)
    made = made.astype(str)
    schema = Schema.from_dict({"columns": {c: {"kind": "categorical"} for c in train}})
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{k}.csv" for k in ("made", "train", "found")]
        made.to_csv(paths[0], index=False)
        train.to_csv(paths[1], index=False)
        python = environment("sdmetrics", folder)
        done = subprocess.run(
            [python, "-W", "ignore", "-c", _DCR, *paths], capture_output=True, text=True, check=True
        )
        wall, seconds = json.loads(done.stdout.splitlines()[-1])
        theirs = pd.read_csv(paths[2], header=None)[0].to_numpy()
    one, other = Dataset.of(made, schema), Dataset.of(train, schema)

    def ours() -> np.ndarray:
        space = Space.fit(other, schema.columns, one)
        return space.nearest(space.encode(one), space.encode(other)) ** 2

    found, took = ours(), []
    for _ in range(ROUNDS):
        used = time.process_time()
        our_wall = timed(ours)[1]
        took.append((time.process_time() - used, our_wall))
    our_seconds, our_wall = np.median(took, axis=0)
    apart = float(np.abs(found - theirs).max())
    how = "numbers written alike" if alike else "numbers as the files write them"
    return (
        f"SDMetrics' DCR, 15 columns of levels, {how}, {n:,} x {n:,}",
        f"{seconds:.1f} s of CPU against {our_seconds:.3f} s: {seconds / our_seconds:,.0f} times "
        f"(by the clock {wall:.1f} s against {our_wall:.3f} s: {wall / our_wall:,.0f} times), "
        f"largest difference {apart:.0e}"
        + ("" if alike else f"; goal {'met' if seconds / our_seconds >= GOAL else 'missed'}"),
    )


def growth(sizes: tuple[int, ...]) -> Line:
    """Seconds of n queries in n rows."""
    took = []
    for n in sizes:
        space, queries, pool = grown(n)
        took.append(timed(lambda s=space, q=queries, p=pool: s.nearest(q, p))[1])
    steps = [
        f"{b / a:,.0f} times the pairs: {t / s:.1f} times the seconds"
        for a, b, s, t in zip(
            [n**2 for n in sizes], [n**2 for n in sizes[1:]], took, took[1:], strict=False
        )
    ]
    listed = ", ".join(f"{n:,}: {s:.2f} s" for n, s in zip(sizes, took, strict=True))
    return "growth, n queries in n rows", f"{listed} ({'; '.join(steps)})"


def large(n: int) -> Line:
    """Many queries in as many rows, as an audit seeks them."""
    space, queries, pool = grown(n)
    found, seconds = timed(lambda: space.search(pool).sought(queries))
    peak = _peak()
    few = queries.take(np.arange(0, n, max(1, n // 200)))
    true = np.concatenate([s.min(axis=1) for _, s in space.squared(few, pool)])
    equal = np.isclose(found.distance[:: max(1, n // 200)] ** 2, true, atol=1e-6).mean()
    said = f"recall {found.recall:.3f} measured on {found.measured_on:,}"
    return (
        f"{n:,} queries in {n:,} rows",
        f"{seconds:.0f} s, {peak:.2f} GB at the peak; "
        f"{said if found.measured_on else 'exact'}; {equal:.1%} of {len(few)} equal all pairs",
    )


def encoded(n: int) -> tuple[Space, Encoded, Encoded, Encoded]:
    """Training rows, samples and holdout in one space."""
    tables, schema = parts()
    train, hold = (Dataset.of(tables[k][:n], schema) for k in ("train", "holdout"))
    made = Dataset.of_samples(tables["made"][:n], schema)
    space = Space.fit(hold, schema.modelled, train, made)
    return space, space.encode(train), space.encode(made), space.encode(hold)


def grown(n: int) -> tuple[Space, Encoded, Encoded]:
    """Queries from training rows and a pool from the holdout, each with noise."""
    space, train, _, hold = encoded(ROWS)
    return space, _noisy(space, train, n, 1), _noisy(space, hold, n, 2)


def _noisy(space: Space, rows: Encoded, n: int, seed: int) -> Encoded:
    rng = np.random.default_rng(seed)
    drawn, other = rows.take(rng.integers(0, len(rows), n)), rng.integers(0, len(rows), n)
    noise = np.round(rng.normal(0, 0.03 * space.unit, drawn.numbers.shape))
    swapped = rng.random(drawn.codes.shape) < 0.05
    codes = np.where(swapped, rows.codes[other], drawn.codes)
    return Encoded(np.clip(drawn.numbers + noise, 0, space.unit), codes)


def one_hot(space: Space, rows: Encoded) -> np.ndarray:
    """Coordinates whose Euclidean distance is ours, where nothing is missing; float32."""
    length = np.sqrt(len(space.columns))
    levels = [
        (rows.codes[:, [j]] == np.arange(n)) / np.sqrt(2)
        for j, n in enumerate(space.scale.n_levels)
    ]
    return np.hstack([rows.numbers / space.unit, *levels]).astype(np.float32) / length


def _heading() -> str:
    """What the page is, and under which conditions it was measured."""
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return f"""# Nearest rows of mixed types: speed and scale

`GENAUDIT_ADULT=... python tests/benchmarks/bench_nearest.py --peers FOLDER`; what is compared says
the module. Python {platform.python_version()}, NumPy {np.__version__}, scikit-learn
{sklearn.__version__}; {PACKAGES["sdmetrics"][0]} in an environment of its own. {cores} cores, load
{load:.1f} at the end, this among it. Goals: the distance probes on Adult in at most 6 s and 1 GB;
no slower than scikit-learn; {GOAL} times as fast as SDMetrics' DCR; a million in a million in at
most ten minutes.
"""


def _peak() -> float:
    """GB of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Measure each in a process of its own, print, and write reports/benchmarks/nearest.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments")
    parser.add_argument("--peer-rows", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=ROWS, help="against scikit-learn")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--large", type=int, default=LARGE, help="rows; 0 leaves it out")
    parser.add_argument("--out", type=Path, help="Markdown file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    what: dict[str, Callable[[], Line]] = {
        "probes": probes,
        "scikit": lambda: against_scikit(options.rows),
        "growth": lambda: growth(tuple(options.sizes)),
    }
    if options.peers:
        rows, folder = options.peer_rows, options.peers
        what["sdmetrics"] = lambda: against_sdmetrics(rows, folder, alike=False)
        what["alike"] = lambda: against_sdmetrics(2 * rows // 5, folder, alike=True)
    if options.large:
        what["large"] = lambda: large(options.large)
    if options.one:
        print(json.dumps(what[options.one]()))
        return
    lines = ["| what | measured |", "|---|---|"]
    for name in what:
        # Peaks of memory are those of one measurement.
        command = [sys.executable, *sys.argv, "--one", name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        lines.append("| {} | {} |".format(*json.loads(done.stdout.splitlines()[-1])))
        print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join([_heading(), *lines]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
