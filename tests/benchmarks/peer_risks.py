"""Privacy measures of a peer, inside its own environment, where genaudit is not; see `peers`.

Each folder holds train.csv, holdout.csv and made.csv. For each a line of JSON is printed: seconds,
peak memory so far, and what the peer says. A measure that fails stands there with its message.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: A measure's name, its value, and its interval of 95% where the peer has one.
Said = tuple[str, float | str, float | None, float | None]
Tables = dict[str, pd.DataFrame]


def anonymeter(tables: Tables, secrets: list[str], attacks: int) -> Iterator[Said]:
    """Singling out as by default, linkability of every other column, inference of each secret."""
    from anonymeter.evaluators import (
        InferenceEvaluator,
        LinkabilityEvaluator,
        SinglingOutEvaluator,
    )

    three = {"ori": tables["train"], "syn": tables["made"], "control": tables["holdout"]}
    columns = list(tables["train"])
    attacks = min(attacks, len(tables["train"]), len(tables["holdout"]))
    halves = (columns[::2], columns[1::2])
    for mode in ("univariate", "multivariate"):
        alone = SinglingOutEvaluator(**three, seed=0)
        yield _tried(f"singling out, {mode}", lambda e=alone, m=mode: e.evaluate(mode=m).risk())
    linked = LinkabilityEvaluator(**three, aux_cols=halves, n_attacks=attacks)
    yield _tried("linkability", lambda: linked.evaluate().risk())
    for secret in secrets:
        known = [c for c in columns if c != secret]
        told = InferenceEvaluator(**three, aux_cols=known, secret=secret, n_attacks=attacks)
        yield _tried(f"inference, {secret}", lambda e=told: e.evaluate().risk())


def _tried(name: str, risk: Callable[[], Any]) -> Said:
    try:
        found = risk()
    except Exception as error:  # the table says what the peer said
        return name, f"{type(error).__name__}: {error}", None, None
    return name, float(found.value), float(found.ci[0]), float(found.ci[1])


def syntheval(tables: Tables, secrets: list[str], attacks: int) -> Iterator[Said]:
    """Its preset for privacy; the last secret is the target, the others are sensitive."""
    from syntheval import AnalysisConfig, SynthEval

    del attacks  # it attacks all rows
    train = tables["train"]
    levels = [c for c in train if not pd.api.types.is_numeric_dtype(train[c])]
    target = AnalysisConfig(train, secrets[-1], sensitive_vars=secrets[:-1])
    audit = SynthEval(
        train, tables["holdout"], cat_cols=levels, verbose=False, console="ascii",
        enable_plots=False, show_warnings=False,
    )  # fmt: skip
    found = audit.evaluate(tables["made"], analysis_target=target, presets_file="privacy")
    for row in found.to_dict("records"):
        value, error = float(row["val"]), row.get("err")
        wide = np.nan if error is None else 1.96 * float(error)
        ends = (None, None) if not wide > 0 else (value - wide, value + wide)
        yield row["metric"], value, *ends


PEERS = {"anonymeter": anonymeter, "syntheval": syntheval}


def _resources() -> list[resource.struct_rusage]:
    """Of this process and of workers that ended."""
    return [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def _used() -> float:
    return sum(r.ru_utime + r.ru_stime for r in _resources())


def main() -> None:
    """Print a line for each folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--library", required=True, choices=PEERS)
    parser.add_argument("--secrets", nargs="+", required=True)
    parser.add_argument("--attacks", type=int, required=True)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for seed, folder in enumerate(args.folders):
        tables = {
            name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
            for name in ("train", "holdout", "made")
        }
        np.random.seed(seed)  # noqa: NPY002  # peers draw from that stream
        started, used = time.perf_counter(), _used()
        said = list(PEERS[args.library](tables, args.secrets, args.attacks))
        facts = {
            "seconds": time.perf_counter() - started,
            "cpu": _used() - used,
            "gigabytes": max(r.ru_maxrss for r in _resources()) / 2**20,
            "said": said,
            "versions": f"{args.library} {version(args.library)}, NumPy {np.__version__}, "
            f"Python {platform.python_version()}",
        }
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
