"""Run a peer on a table, inside the peer's own environment, where genaudit is not; see `peers`.

Numeric columns are cut into intervals of equal width over public bounds before the peer sees them,
so its whole ε goes into the marginals; made intervals become values by a uniform draw.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

BINS = 20


def coded(table: pd.DataFrame, domain: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Every column as whole numbers, and how many there are in each."""
    codes, sizes = {}, {}
    for column in table.columns:
        if column in domain["levels"]:
            levels = domain["levels"][column]
            codes[column] = pd.Categorical(table[column].astype(str), categories=levels).codes
            sizes[column] = len(levels)
        else:
            low, high = domain["bounds"][column]
            share = (table[column].to_numpy(dtype=float) - low) / (high - low)
            codes[column] = np.clip((share * BINS).astype(int), 0, BINS - 1)
            sizes[column] = BINS
    return pd.DataFrame(codes).astype(int), sizes


def decoded(codes: pd.DataFrame, domain: dict[str, Any], seed: int) -> pd.DataFrame:
    """Levels, and values drawn inside each interval."""
    rng, made = np.random.default_rng(seed), {}
    for column in codes.columns:
        if column in domain["levels"]:
            made[column] = np.asarray(domain["levels"][column])[codes[column].to_numpy(dtype=int)]
        else:
            low, high = domain["bounds"][column]
            share = (codes[column].to_numpy(dtype=float) + rng.random(len(codes))) / BINS
            made[column] = low + share * (high - low)
    return pd.DataFrame(made)


def dpmm(
    method: str, codes: pd.DataFrame, sizes: dict[str, int], epsilon: float, delta: float, seed: int
) -> dict[str, pd.DataFrame]:
    """MST or AIM of dpmm."""
    from dpmm.models.aim import AIMGM
    from dpmm.models.mst import MSTGM

    model = {"mst": MSTGM, "aim": AIMGM}[method](epsilon=epsilon, delta=delta, n_jobs=1)
    model.set_random_state(np.random.RandomState(seed))
    model.set_domain(domain=sizes)
    model.fit(codes)
    return {"": model.generate(n_records=len(codes))[list(codes.columns)]}


def smartnoise(
    method: str, codes: pd.DataFrame, sizes: dict[str, int], epsilon: float, delta: float, seed: int
) -> dict[str, pd.DataFrame]:
    """MST or AIM of smartnoise-synth: by its own sampler, and rows drawn i.i.d. from its model.

    The two differ: its sampler rounds counts column by column, which mixes up rare combinations.
    """
    from snsynth.aim import AIMSynthesizer
    from snsynth.mst import MSTSynthesizer
    from snsynth.transform import LabelTransformer
    from snsynth.transform.table import TableTransformer

    np.random.seed(seed)  # noqa: NPY002  # it draws from that stream
    columns = [LabelTransformer(nullable=False) for _ in sizes]
    for column, size in zip(columns, sizes.values(), strict=True):
        column.fit(list(range(size)))  # the public domain, which rows need not fill
    model = {"mst": MSTSynthesizer, "aim": AIMSynthesizer}[method](epsilon=epsilon, delta=delta)
    model.fit(codes, transformer=TableTransformer(columns))
    made = {"": model.sample(len(codes))}
    model.synthesizer = SimpleNamespace(
        synthetic_data=partial(model.synthesizer.synthetic_data, method="sample")
    )
    made["i.i.d."] = model.sample(len(codes))
    return {
        name: pd.DataFrame(rows, columns=codes.columns).astype(int) for name, rows in made.items()
    }


LIBRARIES = {"dpmm": dpmm, "smartnoise-synth": smartnoise}


def main() -> None:
    """Fit, sample, write, and print what it took as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True, choices=LIBRARIES)
    for name in ("method", "train", "domain", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--delta", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True, help="CPU seconds")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CPU, (args.limit, args.limit + 60))
    domain = json.loads(Path(args.domain).read_text("utf-8"))
    levels = dict.fromkeys(domain["levels"], str)
    table = pd.read_csv(args.train, dtype=levels, keep_default_na=False)
    codes, sizes = coded(table, domain)
    started = time.process_time()
    fit = LIBRARIES[args.library]
    made = fit(args.method, codes, sizes, args.epsilon, args.delta, args.seed)
    seconds = time.process_time() - started
    for name, rows in made.items():
        decoded(rows, domain, args.seed).to_csv(Path(args.out) / f"made{name}.csv", index=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    facts = {
        "seconds": seconds,
        "gigabytes": round(peak, 1),
        "versions": f"{args.library} {version(args.library)}, Python {platform.python_version()}",
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
