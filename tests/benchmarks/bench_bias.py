"""Verdicts about bias that hold: false alarms, coverage, power and wrong `preserved`, and speed.

Tables are drawn whose truth is known; findings come from the functions that the audits use and
verdicts from the judge itself, with Holm's correction over all findings of a scenario, at a chance
of 5% (`tests/verdicts.py`). Fairlearn and a permutation test of the largest gap stand beside them.

    python tests/benchmarks/bench_bias.py --out reports/benchmarks/bias.md
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)

sys.path.append(str(Path(__file__).parents[1]))

from verdicts import (
    Scenario,
    Tally,
    against_target,
    apart,
    changes,
    costs,
    disparities,
    fairness,
    gaps,
    learners,
    recipes,
    shares,
    tally,
)

from genaudit.stats.resampling import resamples

#: Ten groups of which two are large: the largest gap of all pairs is that of the small ones.
SKEWED = (9000, 4500, 2000, 900, 400, 200, 100, 60, 40, 30)

_SEED = 20260101

_SHARES = tuple(n / sum(SKEWED) for n in SKEWED)
_EVEN = tuple([0.1] * 10)
_TWO = (0.67, 0.33)
_THREE = (0.5, 0.3, 0.2)


def moved(p: tuple[float, ...], **by: float) -> tuple[float, ...]:
    """Shares or rates with some moved, as `moved(p, g0=0.02, g1=-0.02)`."""
    out = list(p)
    for name, much in by.items():
        out[int(name[1:])] += much
    return tuple(out)


def scenarios() -> Iterator[Scenario]:
    """2, 3 and 10 groups, even, skewed and small; equality, the edge of a limit, and beyond."""
    yield from _of_shares()
    yield from _of_targets()
    yield from _of_recipes()
    yield from _of_gaps()
    yield from _of_changes()
    yield from _of_fairness()
    yield from _of_learners()
    yield from _of_costs()
    yield from _of_any_two()


def _of_any_two() -> Iterator[Scenario]:
    ten = (0.31, 0.11, 0.25, 0.2, 0.3, 0.25, 0.25, 0.25, 0.25, 0.25)
    name = "any two groups, label gap"
    for groups, n, p in (("2 groups", (3000, 1500), (0.31, 0.11)),
                         ("3 groups of 40", (40,) * 3, (0.31, 0.2, 0.25)),
                         ("10 groups, equal rates", (1000,) * 10, (0.25,) * 10),
                         ("10 skewed groups apart", SKEWED, ten)):  # fmt: skip
        sizes = (n, tuple(2 * m for m in n))
        yield apart(f"{name}, {groups}: none", sizes, (p, p))
        edge = (p[0] + 0.025, p[1] - 0.025, *p[2:])
        yield apart(f"{name}, {groups}: at the limit", sizes, (edge, p), 0.05)
        yield apart(f"{name}, {groups}: turned around", sizes, ((p[1], p[0], *p[2:]), p), 0.05)
    hidden, was = (0.5, 0.57, 0.43), (0.5, 0.5, 0.5)
    sizes = ((9000, 4000, 4000), (9000, 4000, 4000))
    yield apart(f"{name}, 3 groups, .50/.50/.50 to .50/.57/.43: 9 pp beyond", sizes, (hidden, was),
                0.05)  # fmt: skip
    name = "any two groups, learners"
    two, four = (3000, 1500), (1500, 1500, 1500, 1500)
    far, mid = (0.5, 0.5, 0.8, 0.2), (0.57, 0.43, 0.8, 0.2)
    yield learners(f"{name}, 2 groups apart: none", two, ((0.3, 0.1),) * 2, any_two=True)
    yield learners(f"{name}, 2 groups, equal rates: none", two, ((0.25, 0.25),) * 2, any_two=True)
    yield learners(f"{name}, 2 groups apart: turned around", two, ((0.1, 0.3), (0.3, 0.1)), 0.05,
                   any_two=True)  # fmt: skip
    yield learners(f"{name}, 4 groups: none", four, (far, far), any_two=True)
    yield learners(f"{name}, 4 groups: the two in the middle at the limit", four,
                   ((0.525, 0.475, 0.8, 0.2), far), 0.05, any_two=True)  # fmt: skip
    yield learners(f"{name}, 4 groups: the two in the middle 9 pp beyond", four, (mid, far), 0.05,
                   any_two=True)  # fmt: skip


def _of_shares() -> Iterator[Scenario]:
    at = 0.02
    for name, p, n in (("2 groups", _TWO, 3000), ("3 groups", _THREE, 3000),
                       ("10 skewed groups", _SHARES, 17230), ("2 groups of 60", (0.5, 0.5), 60),
                       ("3 groups of 40", (1 / 3, 1 / 3, 1 / 3), 120)):  # fmt: skip
        m = 4 * n // 3
        yield shares(f"shares, {name}: equal", p, p, n, m)
        edge = moved(p, g0=at, g1=-at)
        yield shares(f"shares, {name}: at the limit", edge, p, n, m, at)
        yield shares(f"shares, {name}: 4 pp beyond", moved(p, g0=0.06, g1=-0.06), p, n, m, at)
    yield shares("shares, 10 intersections: equal", _EVEN, _EVEN, 3000, 4000, crossed=True)
    edge = tuple(p + at * (-1) ** i for i, p in enumerate(_EVEN))
    yield shares("shares, 10 intersections: all at the limit", edge, _EVEN, 3000, 4000, at,
                 crossed=True)  # fmt: skip


def _of_targets() -> Iterator[Scenario]:
    yield against_target("target, 10 equal shares: met", _EVEN, _EVEN, 3000)
    edge = tuple(p + 0.02 * (-1) ** i for i, p in enumerate(_EVEN))
    yield against_target("target, 10 equal shares: all at the limit", edge, _EVEN, 3000, 0.02)
    yield against_target("target, 2 groups of 60: met", (0.5, 0.5), (0.5, 0.5), 120)
    yield against_target("target, 2 groups: .67 for .50", _TWO, (0.5, 0.5), 3000, 0.02)


def _of_recipes() -> Iterator[Scenario]:
    for k in (3, 5, 10):
        for spread in (0.0, 0.02):
            yield recipes(f"shares, {k} trainings that spread by {spread:g}: equal", _TWO, _TWO, k,
                          spread, 3000, 20000)  # fmt: skip
    edge = moved(_TWO, g0=0.02, g1=-0.02)
    yield recipes("shares, 5 trainings that spread by 0.02: at the limit", edge, _TWO, 5, 0.02,
                  3000, 20000, 0.02)  # fmt: skip
    far = moved(_TWO, g0=0.1, g1=-0.1)
    yield recipes("shares, 5 trainings that spread by 0.02: 8 pp beyond", far, _TWO, 5, 0.02,
                  3000, 20000, 0.02)  # fmt: skip


def _of_gaps() -> Iterator[Scenario]:
    flat = (0.25,) * 10
    for name, n, p in (("2 groups", (3000, 1500), (0.25, 0.25)),
                       ("3 groups of 100", (100, 100, 100), (0.25,) * 3),
                       ("3 groups of 40", (40, 40, 40), (0.25,) * 3),
                       ("10 skewed groups", SKEWED, flat)):  # fmt: skip
        yield gaps(f"label gap, {name}: equal", n, p)
        edge = (p[0], *(q + 0.02 * (-1) ** i for i, q in enumerate(p[1:])))
        yield gaps(f"label gap, {name}: all at the limit", n, edge, 0.02)
    yield anchor(large=True)
    yield anchor(large=False)


def anchor(*, large: bool) -> Scenario:
    """Ten skewed groups where the two large ones, or one of 900, differ."""
    rates = list((0.25,) * 10)
    if large:
        rates[:2] = 0.31, 0.11
        return gaps("label gap, 10 skewed groups: 9,000 at .31, 4,500 at .11", SKEWED, rates)
    rates[3] = 0.20
    return gaps("label gap, 10 skewed groups: 900 at .20, others at .25", SKEWED, rates)


def _of_changes() -> Iterator[Scenario]:
    ten = (0.31, 0.11, 0.25, 0.2, 0.3, 0.25, 0.25, 0.25, 0.25, 0.25)
    for name, n, p in (("2 groups", (3000, 1500), (0.31, 0.11)),
                       ("3 groups of 100", (100, 100, 100), (0.31, 0.2, 0.11)),
                       ("3 groups of 40", (40, 40, 40), (0.31, 0.2, 0.25)),
                       ("10 skewed groups", SKEWED, ten)):  # fmt: skip
        sizes = (n, tuple(2 * m for m in n))
        yield changes(f"change of label gap, {name}: none", sizes, (p, p))
        edge = (p[0], *(q + 0.05 * (-1) ** i for i, q in enumerate(p[1:], 1)))
        yield changes(f"change of label gap, {name}: all at the limit", sizes, (edge, p), 0.05)
        far = (p[0], p[1] - 0.09, *p[2:])
        yield changes(f"change of label gap, {name}: 4 pp beyond", sizes, (far, p), 0.05)


def _of_fairness() -> Iterator[Scenario]:
    flat, ten = (0.25,) * 10, (0.31, 0.11, 0.25, 0.2, 0.3, 0.25, 0.25, 0.25, 0.25, 0.25)
    for name, n, p in (("2 groups, equal rates", (3000, 1500), (0.25, 0.25)),
                       ("2 groups apart", (3000, 1500), (0.31, 0.11)),
                       ("3 groups of 100, equal rates", (100,) * 3, (0.25,) * 3),
                       ("3 groups apart", (3000, 1500, 800), (0.31, 0.25, 0.11)),
                       ("10 skewed groups, equal rates", SKEWED, flat),
                       ("10 skewed groups apart", SKEWED, ten)):  # fmt: skip
        sizes = (n, tuple(2 * m for m in n))
        yield fairness(f"change of differential fairness, {name}: none", sizes, (p, p))
    sizes = ((3000, 1500), (6000, 3000))
    rates = ((0.31, 0.07), (0.31, 0.11))
    yield fairness("change of differential fairness, 2 groups: .31/.11 to .31/.07", sizes, rates)
    rates = ((0.5, 0.4), (0.5, 0.5))
    yield fairness("change of differential fairness, 2 groups: .5/.5 to .5/.4", sizes, rates)
    # A third outcome that is as likely in both groups; the other two are dealt otherwise.
    even, odd = (0.5, 0.3, 0.2), (0.4, 0.4, 0.2)
    yield fairness(
        "change of differential fairness, 3 outcomes: none", sizes, ((even, odd), (even, odd))
    )
    yield fairness(
        "change of differential fairness, 3 outcomes: .5/.3 to .4/.4", sizes,
        ((even, odd), (even, even)),
    )  # fmt: skip


def _of_learners() -> Iterator[Scenario]:
    two, adult = (3000, 1500), (20900, 2300, 750, 240, 200)
    small, many = (5000, 5000, *(300,) * 6), (500,) * 20
    name = "change of the gap of learners"
    yield learners(f"{name}, 2 groups apart: none", two, ((0.3, 0.1),) * 2)
    yield learners(f"{name}, 2 groups, equal rates: none", two, ((0.25, 0.25),) * 2)
    yield learners(f"{name}, 2 groups apart: at the limit", two, ((0.35, 0.1), (0.3, 0.1)), 0.05)
    yield learners(f"{name}, 2 groups apart: 7 pp beyond", two, ((0.42, 0.1), (0.3, 0.1)), 0.05)
    apart = (0.26, 0.13, 0.28, 0.12, 0.10)
    yield learners(f"{name}, 5 skewed groups apart: none", adult, (apart, apart))
    flat, wide = (0.25,) * 5, (0.29, 0.23, 0.25, 0.25, 0.25)
    yield learners(f"{name}, 5 skewed groups, equal rates: 1 pp beyond", adult, (wide, flat), 0.05)
    flat, wide = (0.25,) * 8, (0.28, 0.22, *(0.25,) * 6)
    yield learners(f"{name}, 2 large and 6 small, equal rates: none", small, (flat, flat))
    yield learners(f"{name}, 2 large and 6 small, equal rates: 1 pp beyond", small, (wide, flat),
                   0.05)  # fmt: skip
    yield learners(f"{name}, 2 large and 6 small: a gap of .20 repaired", small,
                   (flat, (0.35, 0.15, *(0.25,) * 6)))  # fmt: skip
    flat, wide = (0.25,) * 20, (0.31, *(0.25,) * 19)
    yield learners(f"{name}, 20 groups, equal rates: 1 pp beyond", many, (wide, flat), 0.05)


def _of_costs() -> Iterator[Scenario]:
    name, sizes, equal = "change of the accuracy gap", (3000, 1500), ((0.85, 0.80),) * 2
    yield costs(f"{name}: none", sizes, equal)
    yield costs(f"{name}, 200 rows of the group: none", (3000, 200), equal)
    yield costs(f"{name}: at the limit", sizes, ((0.84, 0.74), (0.85, 0.80)), 0.05)
    yield costs(f"{name}: 6 pp beyond", sizes, ((0.84, 0.68), (0.85, 0.80)), 0.05)
    name = "how much worse a group is described"
    yield disparities(f"{name}: none", (1500, 500), 0.0, 0.0)
    # The mean of 500 draws of another seed, whose standard error is .0016.
    yield disparities(f"{name}: .06 beyond", (1500, 500), 0.3, 0.114, 0.05)


# Peers -------------------------------------------------------------------------------------------


def spread_of(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Largest minus smallest rate of groups, over the last axis; groups without rows left out."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = k / n
    return np.nanmax(rates, axis=-1) - np.nanmin(rates, axis=-1)


def permuted(sizes: tuple[int, ...], k: np.ndarray, rng: np.random.Generator, times: int) -> float:
    """p-value of the largest gap when labels are dealt anew to the groups."""
    n = np.array(sizes)
    dealt = rng.multivariate_hypergeometric(n, int(k.sum()), size=times)
    return (1 + int(np.sum(spread_of(dealt, n) >= spread_of(k, n) - 1e-12))) / (times + 1)


def permutation_power(rates: tuple[float, ...], draws: int, rng: np.random.Generator) -> float:
    """How often a permutation test of the largest gap says 5% in ten skewed groups."""
    hits = [permuted(SKEWED, rng.binomial(SKEWED, rates), rng, 300) <= 0.05 for _ in range(draws)]
    return float(np.mean(hits))


def percentile_excludes_zero(
    sizes: tuple[int, ...], draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Fairlearn's bootstrap of the largest gap on counts: how often it excludes the true 0.

    Also the mean gap, which is 0 in truth.
    """
    excluded, seen = 0, []
    for _ in range(draws):
        k = rng.binomial(sizes, 0.25)
        cells = np.column_stack([k, np.array(sizes) - k])
        drawn = resamples(cells, 300, rng)
        low = np.quantile(spread_of(drawn[..., 0], drawn.sum(-1)), 0.025)
        excluded += low > 0
        seen.append(spread_of(k, np.array(sizes)))
    return excluded / draws, float(np.mean(seen))


def fairlearn_excludes_zero(size: int, draws: int, seed: int) -> float:
    """How often Fairlearn's own interval excludes 0: two groups of equal rates."""
    rng, excluded = np.random.default_rng(seed), 0
    groups = np.repeat([0, 1], size)
    for i in range(draws):
        y = (rng.random(2 * size) < 0.25).astype(int)
        frame = MetricFrame(metrics=selection_rate, y_true=y, y_pred=y, sensitive_features=groups,
                            n_boot=100, ci_quantiles=[0.025, 0.975], random_state=i)  # fmt: skip
        excluded += frame.difference_ci()[0] > 0
    return excluded / draws


# Speed -------------------------------------------------------------------------------------------


def table(n: int, groups: int, seed: int) -> pd.DataFrame:
    """Rows with a group, a label and a prediction."""
    rng = np.random.default_rng(seed)
    g = rng.choice(groups, n, p=np.arange(1, groups + 1) / np.arange(1, groups + 1).sum())
    y = (rng.random(n) < 0.2 + 0.02 * g).astype(int)
    said = np.where(rng.random(n) < 0.8, y, 1 - y)
    return pd.DataFrame({"group": g, "y": y, "said": said})


def rates_of(counts: np.ndarray) -> np.ndarray:
    """Selection rate, true and false positive rate of groups, (..., 3, G).

    From counts by group, label and prediction, (..., G, 2, 2).
    """
    selected, n = counts[..., 1], counts.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_label = selected / n
        everyone = selected.sum(-1) / n.sum(-1)
    return np.stack([everyone, by_label[..., 1], by_label[..., 0]], axis=-2)


def speed(n: int = 30_000, groups: int = 10, times: int = 2000) -> tuple[float, float, float]:
    """CPU seconds of our resamples, of one of Fairlearn's, and how far the numbers are apart."""
    rows = table(n, groups, 1)
    clock = time.process_time()
    code = (rows["group"] * 2 + rows["y"]) * 2 + rows["said"]
    counts = np.bincount(code, minlength=4 * groups).reshape(groups, 2, 2)
    drawn = rates_of(resamples(counts, times, np.random.default_rng(2)))
    gaps_drawn = drawn.max(-1) - drawn.min(-1)
    assert gaps_drawn.shape == (times, 3)
    ours = time.process_time() - clock
    metrics = {"rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    clock = time.process_time()
    frame = MetricFrame(metrics=metrics, y_true=rows["y"], y_pred=rows["said"],
                        sensitive_features=rows["group"], n_boot=5, ci_quantiles=[0.5],
                        random_state=3)  # fmt: skip
    theirs = (time.process_time() - clock) / 6  # five resamples and the table itself
    apart = np.abs(rates_of(counts) - frame.by_group[list(metrics)].to_numpy().T).max()
    return ours, theirs, float(apart)


# Report ------------------------------------------------------------------------------------------


def allowed(rate: float, n: int) -> float:
    """A rate and two standard errors of its simulation."""
    return rate + 2 * math.sqrt(rate * (1 - rate) / n)


def line(found: Tally) -> tuple[str, list[str]]:
    """One line of the table, and what it misses."""
    scenario, n = found.scenario, found.n
    low, high = 0.935 - 2 * math.sqrt(0.935 * 0.065 / n), allowed(0.965, n)
    held, least, most = found.coverage
    outside = found.outside / n
    wrong = found.wrong / found.n_wrong if found.n_wrong and scenario.limit else None
    misses = []
    if scenario.null and outside > allowed(0.055, n):
        misses.append(f"{scenario.name}: false alarms {outside:.3f}")
    if least < low:
        misses.append(f"{scenario.name}: an interval holds the truth in {least:.3f} only")
    if most > high:
        misses.append(
            f"{scenario.name}: an interval holds the truth in {most:.3f}, wider than need be"
        )
    if wrong is not None and wrong > allowed(0.05, n):
        misses.append(f"{scenario.name}: wrongly preserved {wrong:.3f}")
    cells = [
        scenario.name, f"{n:,}", f"{scenario.limit:g}",
        f"{outside:.4f}" if scenario.null else "", "" if scenario.null else f"{outside:.3f}",
        f"{held:.3f}", f"{least:.3f} to {most:.3f}", "" if wrong is None else f"{wrong:.4f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |", misses


HEAD = (
    "| scenario | draws | limit | any false alarm | power | coverage | of each group | "
    "wrongly within |\n|---|---|---|---|---|---|---|---|"
)


def report(draws: int, only: str, say: Callable[[str], None]) -> None:
    """All tables, line by line."""
    rng = np.random.default_rng(_SEED)
    misses: list[str] = []
    say(HEAD)
    for scenario in scenarios():
        if only in scenario.name:
            # A stream of its own: a scenario drawn alone has the same draws as among all.
            own = np.random.default_rng([_SEED, *scenario.name.encode()])
            text, missed = line(tally(scenario, draws, own))
            misses += missed
            say(text)
    say("\n## Misses\n")
    say("\n".join(f"- {miss}" for miss in misses) or "None.")
    if only:
        return
    say("\n## Peers on the same tables\n")
    flat, large, one = (0.25,) * 10, (0.31, 0.11, *(0.25,) * 8), (*(0.25,) * 3, 0.2, *(0.25,) * 6)
    say("| permutation test of the largest gap, 10 skewed groups | says 5% |\n|---|---|")
    for name, rates in (
        ("equal", flat),
        ("9,000 at .31, 4,500 at .11", large),
        ("900 at .20", one),
    ):
        say(f"| {name} | {permutation_power(rates, draws, rng):.3f} |")
    say("\n| Fairlearn's `difference_ci` at equality | excludes 0 | mean gap |\n|---|---|---|")
    for name, sizes in (("2 x 500", (500, 500)), ("3 x 100", (100,) * 3), ("10 skewed", SKEWED)):
        share, mean = percentile_excludes_zero(sizes, draws, rng)
        say(f"| {name}, the same bootstrap on counts, {draws:,} draws | {share:.3f} | {mean:.3f} |")
    say(f"| 2 x 500, Fairlearn itself, 20 draws | {fairlearn_excludes_zero(500, 20, 5):.3f} | |")
    ours, theirs, apart = speed()
    say("\n## Speed\n")
    say(f"30,000 rows, 10 groups, 3 metrics (selection rate, TPR, FPR), one core: 2,000 resamples "
        f"of cell counts take {ours:.3f} s; one resample of Fairlearn's MetricFrame takes "
        f"{theirs:.3f} s, so that 2,000 take {2000 * theirs:,.0f} s. Largest difference of the "
        f"point estimates: {apart:.1e}.")  # fmt: skip


def main() -> None:
    """Print the tables, and write them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--only", default="", help="Scenarios whose name holds this.")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    lines: list[str] = []

    def say(text: str) -> None:
        print(text, flush=True)
        lines.append(text)

    report(args.draws, args.only, say)
    if args.out:
        args.out.write_text(HEADING + "\n".join(lines) + "\n", "utf-8")


HEADING = """# Verdicts about bias: how often they err

`python tests/benchmarks/bench_bias.py --out reports/benchmarks/bias.md`. Counts are drawn from
tables whose truth is known, findings come from the code of the audits and verdicts from the
judge, with Holm's correction over the findings of a scenario at a chance of 5% (the bundled
policy uses 1%). "Any false alarm": draws with any finding `outside` where nothing lies beyond the
limit. "Coverage": 95% intervals that hold the truth, over all groups, and of the group that is
held least and most often. "Wrongly within": findings at or beyond their limit that are `within`.
A number is a miss where it lies beyond 5.5% false alarms, 93.5 to 96.5% coverage or 5% wrongly
within by more than two standard errors.

"""


if __name__ == "__main__":
    main()
