"""Verdicts through to the sentence that a reader of page one sees, in both languages.

Real rows of Adult stand for a generator: fresh ones, of which nothing leaks, or training rows
themselves. Every privacy audit with a limit in the bundled policy runs, the pages are rendered, and
the sentence of the verdict is read from their HTML. It accuses where it says that a finding lies
outside. Goals: of 200 runs without a leak at most 16 accuse, of 200 copies of training rows all.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_sentence.py --runs 200
"""

from __future__ import annotations

import argparse
import os
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd

from genaudit.audits import audits
from genaudit.case import AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.render.html import to_html
from genaudit.render.text import Text
from genaudit.run import run
from genaudit.subject import Subject

#: Rows of training, holdout and samples.
SIZES = (1000, 2000, 1000)

GOALS = {"fresh rows": "at most 16 of 200", "copies": "all"}

_SENTENCE = re.compile(r'<h2 id="?verdict"?[^>]*>(.*?)</h2>', re.DOTALL)


def case(rows: Dataset, leak: bool, seed: int) -> AuditCase:
    """One draw; samples are the training rows, or rows that neither side has."""
    order = np.random.default_rng([seed, leak]).permutation(len(rows))
    ends = np.cumsum(SIZES)
    train, holdout = rows.take(order[: ends[0]]), rows.take(order[ends[0] : ends[1]])
    samples = train if leak else rows.take(order[ends[1] : ends[2]])
    data = {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout}
    return AuditCase(Subject("planted", "samples", samples), data, seed=seed)


def accuses(page: str, lang: str) -> bool:
    """Whether the sentence of the verdict says that something lies outside."""
    said = unescape(re.sub(r"<[^>]+>", "", _SENTENCE.findall(page)[0]))
    # The sentence with any two numbers in it, in the singular or the plural.
    text = Text(lang)
    wanted = [
        re.escape(text.say("page.verdict.outside", count=n, outside=n, limited=9))
        .replace(str(n), r"\d+").replace("9", r"\d+")
        for n in (1, 2)
    ]  # fmt: skip
    return any(re.fullmatch(pattern, said.strip()) for pattern in wanted)


def main() -> None:
    """Count, print, and write reports/benchmarks/sentence.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks/sentence.md"))
    options = parser.parse_args()
    policy, folder = Policy.read(), Path(os.environ["GENAUDIT_ADULT"])
    raw = pd.read_csv(folder / "holdout.csv", dtype=str, keep_default_na=False)
    rows = Dataset.of(raw, Schema.read("adult"), "adult")
    limited = {limit.metric for limit in policy.limits}
    names = tuple(
        n for n, a in audits().items() if n.startswith("privacy.") and a.metrics & limited
    )
    lines = ["| samples | runs | accused in English | in Chinese | goal |", "|---|---|---|---|---|"]
    for leak, name in ((False, "fresh rows"), (True, "copies")):
        accused = {"en": 0, "zh": 0}
        for seed in range(options.runs):
            report = run(case(rows, leak, seed), AuditPlan("sentence", names), policy, strict=True)
            for lang in accused:
                accused[lang] += accuses(to_html(report, lang=lang), lang)
        lines.append(
            f"| {name} | {options.runs} | {accused['en']} | {accused['zh']} | {GOALS[name]} |"
        )
        print(lines[-1], flush=True)
    about = "\n\n".join(__doc__.split("\n\n")[1:2])
    options.out.write_text(
        f"# Verdicts through to the sentence\n\n{about}\n\n`python tests/benchmarks/"
        f"bench_sentence.py --runs {options.runs}`; audits: {', '.join(names)}.\n\n"
        + "\n".join(lines) + "\n", "utf-8")  # fmt: skip


if __name__ == "__main__":
    main()
