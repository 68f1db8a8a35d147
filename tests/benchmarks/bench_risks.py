"""The three risks of WP216 and reconstruction: how often they cry wolf, what they find, how long.

Adult is cut into training rows, holdout and fresh rows; the samples are fresh rows of which a share
is replaced by training rows. With no copies nothing leaks, so that a low end above zero is a false
alarm, expected in 2.5% of seeds at the most. Without Adult the bundled arrests stand in.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_risks.py --seeds 200 --rows 1000
    GENAUDIT_ADULT=folder python tests/benchmarks/bench_risks.py --peers folder

`--peers` names a folder for the environments of Anonymeter and SynthEval, which are installed there
on first use. They see the same files, one process for each, with as many threads as they take.
Anonymeter singles out as by default, links every other column to the rest, and infers what we
infer, on as many rows as we attack. SynthEval computes its preset for privacy. It has no verdict:
one of its measures finds something where its interval leaves out what it is without a leak.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from peers import environment, last_line

from genaudit.audits import find
from genaudit.audits.privacy._residual import MAX_ATTACKS
from genaudit.case import AuditCase, Knowledge
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Role, Schema
from genaudit.subject import Subject

RISKS = ("singling_out", "linkability", "inference", "reconstruction")
PEERS = ("anonymeter", "syntheval")

#: Rows of each part and share of copies, side by side; who is asked may follow, all if not.
CASES = ("5000:0", "5000:0.1", "15000:0", "15000:0.02")

#: What SynthEval's measures with an interval are without a leak; of the others it is not known.
_CALM = {"priv_loss_nndr": 0.0, "mia_precision": 0.5}

_COSTS = "| rows | copied | who | seconds | CPU s | GB | version |\n|---|---|---|---|---|---|---|"
_TOLD = "| rows | copied | who | measure | estimate, 95% | found |\n|---|---|---|---|---|---|"

Facts = dict[str, Any]


def table() -> tuple[pd.DataFrame, Schema]:
    """Adult, both files in one, or arrests."""
    folder = os.environ.get("GENAUDIT_ADULT")
    if not folder:
        return bundled.load("arrests")
    parts = [pd.read_csv(Path(folder) / f"{part}.csv", dtype=str, keep_default_na=False)
             for part in ("train", "holdout")]  # fmt: skip
    return pd.concat(parts, ignore_index=True), Schema.read("adult")


def write(raw: pd.DataFrame, n: int, copied: float, seed: int, folder: Path) -> Path:
    """As many rows of train, of the holdout, and of samples, as files of a folder."""
    rows = raw.sample(frac=1, random_state=seed)
    train, holdout, fresh = (rows[i * n : (i + 1) * n] for i in range(3))
    copies = round(copied * n)
    parts = {
        "train": train,
        "holdout": holdout,
        "made": pd.concat([train[:copies], fresh[copies:]]),
    }
    folder.mkdir()
    for name, part in parts.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    return folder


def ours(folder: Path, schema: Schema, seed: int) -> Facts:
    """What our audits say, as `peer_risks` prints it."""
    tables = {
        name: pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("train", "holdout", "made")
    }
    started, used = time.perf_counter(), time.process_time()
    data = {k: Dataset.of(tables[k], schema) for k in (Knowledge.TRAIN, Knowledge.HOLDOUT)}
    samples = Dataset.of_samples(tables["made"], schema)
    case = AuditCase(Subject("bench", "samples", samples=samples), data, seed=seed)
    said = []
    for risk in RISKS:
        for finding in find(f"privacy.{risk}")(case).findings:
            e = finding.estimate
            said.append((finding.metric.removeprefix("privacy."), e.value, e.low, e.high))
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - used,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "said": said,
        "versions": f"genaudit, NumPy {np.__version__}",
    }


def asked(who: str, folders: Sequence[Path], schema: Schema, peers: Path | None) -> list[Facts]:
    """What one of `PEERS` or "genaudit" says of each folder, in a process of its own."""
    if who == "genaudit":
        command = [sys.executable, __file__, "--ours", *folders]
    else:
        assert peers is not None, "peers have a folder"
        secrets = [c.name for role in (Role.SENSITIVE, Role.TARGET) for c in schema.by_role(role)]
        script = Path(__file__).with_name("peer_risks.py")
        command = [
            environment(who, peers), script, *folders, "--library", who,
            "--attacks", str(MAX_ATTACKS), "--secrets", *secrets,
        ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{who} failed: {last_line(done.stderr)}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"seconds"')]


def rate(who: str, copied: float, facts: Sequence[Facts]) -> list[str]:
    """For each measure how often the low end is above zero, its mean, and seconds of all."""
    seconds = np.median([f["cpu"] for f in facts])
    lines = []
    for i, (name, *_) in enumerate(facts[0]["said"]):
        of_it = [f["said"][i] for f in facts]
        values = [value for _, value, _, _ in of_it if isinstance(value, float)]
        low = sum(found(who, said) == "yes" for said in of_it)
        lines.append(
            f"| {copied:.0%} | {who} | {name} | {low} of {len(facts)} | "
            f"{np.mean(values) if values else np.nan:.4f} | {seconds:.1f} |"
        )
    return lines


def found(who: str, said: Sequence[Any]) -> str:
    """Whether a measure finds a leak: yes, no, or that it cannot tell."""
    name, value, low, _ = said
    calm = _CALM.get(name) if who == "syntheval" else 0.0
    if isinstance(value, str):
        return "failed"
    if low is None or calm is None:
        return "no interval" if low is None else "no null"
    return "yes" if low > calm else "no"


def estimate(said: Sequence[Any]) -> str:
    """A value with its interval."""
    _, value, low, high = said
    if value is None or isinstance(value, str):
        return value or "undefined"
    if low is None:
        return f"{value:.4f}"
    ends = [f"{end:.4f}" if end is not None else "…" for end in (low, high)]
    return f"{value:.4f} ({' to '.join(ends)})"


def missed(where: str, facts: dict[str, Facts]) -> list[str]:
    """False alarms of ours, what we do not find, and what a peer finds and we do not."""
    here = {name.split(".")[0] for name, *rest in facts.get("genaudit", {}).get("said", ())
            if found("genaudit", (name, *rest)) == "yes"}  # fmt: skip
    ours = facts.get("genaudit", {}).get("said", ())
    none = where.endswith(" 0% copied")
    wrong = [name for name, *rest in ours if (found("genaudit", (name, *rest)) == "yes") == none]
    what = "false alarm of ours" if none else "not found by us"
    lines = [f"- {where}: {what}: {', '.join(wrong)}"] if wrong else []
    for who in PEERS if not none else ():
        for said in facts.get(who, {}).get("said", ()):
            risk = said[0].split(",")[0].replace(" ", "_")
            if found(who, said) == "yes" and not (risk in here if risk in RISKS else here):
                lines.append(f"- {where}: {who} finds {said[0]}, we do not")
    return lines


def beside(raw: pd.DataFrame, schema: Schema, cases: Sequence[str], peers: Path) -> list[str]:
    """Seconds and memory of each, what each says, and what we miss."""
    costs, told, misses = [_COSTS], [_TOLD], ["Misses:", ""]
    for text in cases:
        size, share, *some = text.split(":")
        n, copied, facts = min(int(size), len(raw) // 3), float(share), {}
        at = f"| {n:,} | {copied:.0%}"
        with tempfile.TemporaryDirectory() as name:
            folder = write(raw, n, copied, 0, Path(name) / "0")
            for who in some or ("genaudit", *PEERS):
                try:
                    [facts[who]] = asked(who, [folder], schema, peers)
                except RuntimeError as error:
                    costs.append(f"{at} | {who} | | | | {error} |")
                    continue
                costs.append(f"{at} | {who} | {cost(facts[who])} |")
                told += [
                    f"{at} | {who} | {said[0]} | {estimate(said)} | {found(who, said)} |"
                    for said in facts[who]["said"]
                ]
                print("\n".join([costs[-1], *told[-len(facts[who]["said"]) :]]), flush=True)
        if copied:
            misses += missed(f"{n:,} rows, {copied:.0%} copied", facts)
    return [*costs, "", *told, "", *(misses if len(misses) > 2 else ["Misses: none."])]


def cost(facts: Facts) -> str:
    """Seconds, memory and version, as cells of a table."""
    seconds, cpu = (f"{facts[key]:.0f}" for key in ("seconds", "cpu"))
    return f"{seconds} | {cpu} | {facts['gigabytes']:.1f} | {facts['versions']}"


def rates(
    raw: pd.DataFrame, schema: Schema, n: int, copied: Sequence[float], seeds: int,
    peers: Path | None,
) -> list[str]:  # fmt: skip
    """How often each finds something, over seeds."""
    lines = [f"{n:,} rows each, {seeds} seeds", "",
             "| copied | who | measure | found | mean | CPU s |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    print("\n".join(lines), flush=True)
    for share in copied:
        with tempfile.TemporaryDirectory() as name:
            folders = [write(raw, n, share, seed, Path(name) / str(seed)) for seed in range(seeds)]
            for who in ("genaudit", *(["anonymeter"] if peers else [])):
                try:
                    done = rate(who, share, asked(who, folders, schema, peers))
                except RuntimeError as error:
                    done = [f"| {share:.0%} | {who} | {error} | | | |"]
                print("\n".join(done), flush=True)
                lines += done
    return lines


def _heading() -> str:
    """What the page is, and under which conditions it was measured."""
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return f"""# Singling out, linkability, inference and reconstruction, beside peers

`GENAUDIT_ADULT=... python tests/benchmarks/bench_risks.py {" ".join(_arguments())}`; what is
compared says the module. {cores} cores, load {load:.1f} at the end, this among it:
seconds by the clock are those of a busy machine, and those of CPU time are to be compared. `found`:
the low end is above what the measure is without a leak; where nothing was copied that is a false
alarm. `no interval`, `no null`: the peer says a number that alone tells nothing.
"""


def _arguments() -> list[str]:
    """As given, without the machine's folders."""
    given = dict(zip(sys.argv, sys.argv[1:], strict=False))
    folders = {given.get("--peers"): "FOLDER", given.get("--out"): "FILE"}
    return [folders.get(word, word) for word in sys.argv[1:]]


def main() -> None:
    """Print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--copied", type=float, nargs="*", default=[0.0, 0.02, 0.1, 0.5])
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments")
    parser.add_argument(
        "--cases", nargs="*", default=list(CASES), help="rows:share[:who...], with peers"
    )
    parser.add_argument("--out", type=Path, help="Markdown file")
    parser.add_argument("--ours", type=Path, nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    raw, schema = table()
    if args.ours:
        for seed, folder in enumerate(args.ours):
            print(json.dumps(ours(folder, schema, seed)), flush=True)
        return
    lines = []
    if args.peers:
        lines += [*beside(raw, schema, args.cases, args.peers), ""]
    n = min(args.rows, len(raw) // 3)
    lines += rates(raw, schema, n, args.copied, args.seeds, args.peers)
    if args.out:
        args.out.write_text("\n".join([_heading(), *lines]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
