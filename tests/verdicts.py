"""Draws of tables whose truth is known, judged as an audit judges them: how often it errs.

Every draw makes counts, findings of them by the functions that the audits use, and verdicts by
`genaudit.run.judge` under a policy of one limit; nothing here is a copy of what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from genaudit.audits import find
from genaudit.audits.bias._gaps import (
    UNIT,
    Gap,
    Table,
    apart_change,
    extremes_change,
    gap_change,
    parity_gap,
)
from genaudit.audits.bias._groups import Grouping, Rate
from genaudit.audits.bias._labels import CHANGE, LABEL_GAP, change_finding, gap_finding
from genaudit.audits.bias._pairs import of_rates
from genaudit.audits.bias._shares import INTERSECTION, SHARE, share_finding
from genaudit.audits.bias._targets import TARGET, target_finding
from genaudit.audits.bias.conditional import DISPARITY
from genaudit.audits.bias.cost import GAP as COST
from genaudit.audits.bias.cost import gap_between
from genaudit.audits.bias.differential_fairness import CHANGE as FAIRNESS
from genaudit.audits.bias.differential_fairness import epsilon_change
from genaudit.audits.bias.downstream import GAP as LEARNED
from genaudit.case import AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.policy import Policy
from genaudit.result import Direction, Finding, Limit, Section, Status, Verdict, message
from genaudit.run import judge
from genaudit.subject import Subject

_SAID = message("bench.bias", "bench")

Draw = Callable[[np.random.Generator], Sequence[Finding]]


@dataclass(frozen=True)
class Scenario:
    """What is drawn, and the truth of each finding, shape (findings,); `limit` on its size."""

    name: str
    draw: Draw = field(repr=False)
    truth: np.ndarray = field(repr=False)
    metric: str
    limit: float = 0.0
    alpha: float = 0.05

    @property
    def null(self) -> bool:
        """Whether nothing lies beyond the limit, so that any `outside` is a false alarm."""
        return bool((np.abs(self.truth) <= self.limit + 1e-12).all())

    @property
    def beyond(self) -> np.ndarray:
        """Findings of which `within` is wrong, bools; at the limit itself it is wrong too."""
        return np.abs(self.truth) >= self.limit - 1e-12


@dataclass(frozen=True)
class Tally:
    """Draws of one scenario.

    outside: draws with any finding outside. held: draws whose interval held the truth, and draws
    that had an interval, of each finding, shape (findings, 2). wrong: draws in which a finding that
    lies at or beyond its limit was within, and findings that could have been.
    """

    scenario: Scenario
    n: int
    outside: int
    held: np.ndarray
    wrong: int
    n_wrong: int

    @property
    def coverage(self) -> tuple[float, float, float]:
        """Of all findings, and of the finding that is held least and most."""
        kept = self.held[self.held[:, 1] > 0]
        each = kept[:, 0] / kept[:, 1]
        return float(kept[:, 0].sum() / kept[:, 1].sum()), float(each.min()), float(each.max())


def tally(scenario: Scenario, n: int, rng: np.random.Generator) -> Tally:
    """Draw a scenario n times."""
    limit = Limit(metric=scenario.metric, value=scenario.limit, direction=Direction.ABS,
                  owner="bench", rationale="bench")  # fmt: skip
    policy = Policy(name="bench", owner="bench", alpha=scenario.alpha, limits=(limit,))
    held = np.zeros((len(scenario.truth), 2), dtype=int)
    outside = wrong = 0
    for _ in range(n):
        found = judged(scenario.draw(rng), policy)
        outside += any(f.verdict is Verdict.OUTSIDE for f in found)
        for i, f in enumerate(found):
            wrong += bool(scenario.beyond[i]) and f.verdict is Verdict.WITHIN
            e = f.estimate
            if e.value is not None and e.low is not None and e.high is not None:
                held[i] += (e.low - 1e-9 <= scenario.truth[i] <= e.high + 1e-9, 1)
    return Tally(scenario, n, outside, held, wrong, n * int(scenario.beyond.sum()))


def judged(findings: Sequence[Finding], policy: Policy) -> tuple[Finding, ...]:
    """Findings with verdicts, as those of one audit."""
    section = Section(audit="bias.bench", title=_SAID, status=Status.RAN, findings=tuple(findings))
    return judge([section], policy)[0].findings


# Shares ------------------------------------------------------------------------------------------


def shares(
    name: str, made: Sequence[float], real: Sequence[float], n_made: int, n_real: int,
    limit: float = 0.0, *, crossed: bool = False,
) -> Scenario:  # fmt: skip
    """Shares of groups, or of cells of two columns, in two tables of n rows."""

    def draw(rng: np.random.Generator) -> list[Finding]:
        k_made, k_real = rng.multinomial(n_made, made), rng.multinomial(n_real, real)
        return [
            share_finding(_group(i, crossed=crossed), Rate(int(a), n_made), Rate(int(b), n_real))
            for i, (a, b) in enumerate(zip(k_made, k_real, strict=True))
        ]

    metric = INTERSECTION if crossed else SHARE
    return Scenario(name, draw, np.subtract(made, real), metric, limit)


def against_target(
    name: str, made: Sequence[float], target: Sequence[float], n: int, limit: float = 0.0
) -> Scenario:
    """Shares of groups in one table of n rows against shares that were set."""

    def draw(rng: np.random.Generator) -> list[Finding]:
        k = rng.multinomial(n, made)
        return [target_finding(_group(i, crossed=False), Rate(int(a), n), t)
                for i, (a, t) in enumerate(zip(k, target, strict=True))]  # fmt: skip

    return Scenario(name, draw, np.subtract(made, target), TARGET, limit)


def recipes(
    name: str, made: Sequence[float], real: Sequence[float], k: int, spread: float, n: int,
    n_real: int, limit: float = 0.0,
) -> Scenario:  # fmt: skip
    """Shares of two groups in samples of k trainings, whose own shares spread normally."""

    def draw(rng: np.random.Generator) -> list[Finding]:
        p = np.clip(made[0] + spread * rng.standard_normal(k), 0.001, 0.999)
        each = rng.binomial(n, p)
        k_real = int(rng.binomial(n_real, real[0]))
        return [
            share_finding(
                _group(i, crossed=False), Rate(int(counts.sum()), k * n), Rate(of_real, n_real),
                each=[Rate(int(c), n) for c in counts],
            )
            for i, (counts, of_real) in enumerate(((each, k_real), (n - each, n_real - k_real)))
        ]  # fmt: skip

    return Scenario(name, draw, np.subtract(made, real), SHARE, limit)


def _group(i: int, *, crossed: bool) -> dict[str, str]:
    return {"one": str(i // 2), "other": str(i % 2)} if crossed else {"one": str(i)}


# Labels ------------------------------------------------------------------------------------------


def gaps(
    name: str, sizes: Sequence[int], rates: Sequence[float], limit: float = 0.0
) -> Scenario:  # fmt: skip
    """Label bias of one table: rates of groups minus that of the first."""

    def draw(rng: np.random.Generator) -> list[Finding]:
        found = _rates(sizes, rates, rng)
        return [gap_finding(_SAID, {"one": str(i)}, (found[i], found[0]))
                for i in range(1, len(sizes))]  # fmt: skip

    return Scenario(name, draw, np.subtract(rates[1:], rates[0]), LABEL_GAP, limit)


def changes(
    name: str, sizes: tuple[Sequence[int], Sequence[int]],
    rates: tuple[Sequence[float], Sequence[float]], limit: float = 0.0,
) -> Scenario:  # fmt: skip
    """Change of the label gap, from sizes and rates of groups among generated and real rows."""

    def draw(rng: np.random.Generator) -> list[Finding]:
        made, real = (_rates(n, p, rng) for n, p in zip(sizes, rates, strict=True))
        return [
            change_finding(
                _SAID, {"one": str(i)}, [(made[i], made[0]), (real[i], real[0]), None]
            )
            for i in range(1, len(made))
        ]  # fmt: skip

    made, real = (np.subtract(p[1:], p[0]) for p in rates)
    return Scenario(name, draw, made - real, CHANGE, limit)


def apart(
    name: str, sizes: tuple[Sequence[int], Sequence[int]],
    rates: tuple[Sequence[float], Sequence[float]], limit: float = 0.0,
) -> Scenario:  # fmt: skip
    """How far any two of some groups have come apart in a rate, one number of all of them."""

    def draw(rng: np.random.Generator) -> list[Finding]:
        made, real = (_rates(n, p, rng) for n, p in zip(sizes, rates, strict=True))
        found = of_rates(made, real).estimate(n=len(made), method="bench", unit=UNIT)
        return [Finding(metric=CHANGE, label=_SAID, estimate=found)]

    return Scenario(name, draw, np.array([_apart(*rates)]), CHANGE, limit)


def _apart(made: Sequence[float], real: Sequence[float]) -> float:
    """What the pair shows that has come apart most, by a loop: nothing where it came closer."""
    pairs = permutations(range(len(made)), 2)
    return max(0.0, *(min(made[a] - made[b], made[a] - made[b] - real[a] + real[b])
                      for a, b in pairs))  # fmt: skip


def learners(
    name: str, sizes: Sequence[int], rates: tuple[Sequence[float], Sequence[float]],
    limit: float = 0.0, *, k: int = 8, alike: float = 0.95, spread: float = 0.05,
    any_two: bool = False,
) -> Scenario:  # fmt: skip
    """Change of the gap in what k learners a side decide, from rates of samples and real rows.

    any_two: how far any two groups have come apart, in its place. alike: correlation of what both
    sides' learners go by about a row. spread: how far the learners of a side lie apart about a
    group, in standard deviations of that.
    """
    group = np.repeat(np.arange(len(sizes)), sizes)
    grouping = Grouping("one", tuple(str(i) for i in range(len(sizes))))
    edges = [norm.ppf(p) * np.sqrt(1 + spread**2) for p in rates]

    def draw(rng: np.random.Generator) -> list[Finding]:
        real, own = rng.standard_normal((2, len(group)))
        said = alike * real + np.sqrt(1 - alike**2) * own, real
        made, real = (
            score < (edge + spread * rng.standard_normal((k, len(sizes))))[:, group]
            for score, edge in zip(said, edges, strict=True)
        )
        y = (rng.random(len(group)) < 0.25).astype(int)
        table = Table(grouping, group, y, real, made)
        change = (apart_change if any_two else extremes_change)(table, parity_gap, rng, 300)
        return [Finding(metric=LEARNED, label=_SAID, estimate=change)]

    truth = _apart(*rates) if any_two else np.ptp(rates[0]) - np.ptp(rates[1])
    return Scenario(name, draw, np.array([truth]), LEARNED, limit)


def costs(
    name: str, sizes: Sequence[int], right: tuple[Sequence[float], Sequence[float]],
    limit: float = 0.0, *, k: int = 8, alike: float = 0.95, spread: float = 0.05,
) -> Scenario:  # fmt: skip
    """How much further accuracy about the second of two groups falls behind that about the first.

    right: accuracies of learners on samples, and on real rows. k, alike, spread: as of `learners`.
    """
    group = np.repeat(np.arange(2), sizes)
    edges = [norm.ppf(p) * np.sqrt(1 + spread**2) for p in right]

    def draw(rng: np.random.Generator) -> list[Finding]:
        real, own = rng.standard_normal((2, len(group)))
        said = alike * real + np.sqrt(1 - alike**2) * own, real
        made, base = (
            score < (edge + spread * rng.standard_normal((k, 2)))[:, group]
            for score, edge in zip(said, edges, strict=True)
        )
        y = (rng.random(len(group)) < 0.25).astype(int)
        table = Table(Grouping("one", ("0", "1")), group, y, base, made, own=True)
        change = gap_between(table, 1, made) - gap_between(table, 1, base)
        found = gap_change(table, Gap(pair=(0, 1)), change, rng, 300)
        return [Finding(metric=COST, label=_SAID, estimate=found)]

    (made, other), (base, of_base) = right
    return Scenario(name, draw, np.array([(made - other) - (base - of_base)]), COST, limit)


#: A group, a number and a level that go by it.
_DESCRIBED = Schema.from_dict(
    {
        "columns": {
            "one": {"kind": "categorical", "role": "sensitive", "categories": ["0", "1"]},
            "number": {"kind": "numeric", "bounds": [-50, 50]},
            "level": {"kind": "categorical", "categories": ["a", "b", "c"]},
        }
    }
)


def disparities(
    name: str, sizes: Sequence[int], apart: float, truth: float, limit: float = 0.0
) -> Scenario:  # fmt: skip
    """How much worse the second of two groups is described: its numbers lie `apart` deviations off.

    sizes: of both groups, in train, holdout and samples. truth: what the estimate is on average at
    these sizes; distances of as many real rows are taken off, so it is less than half of `apart`,
    to which it grows with the rows.
    """

    def rows(rng: np.random.Generator, off: float) -> pd.DataFrame:
        group = np.repeat(np.arange(2), sizes)
        number = rng.standard_normal(len(group)) * 5 + 5 * off * group
        level = np.array(["a", "b", "c"])[rng.choice(3, len(group), p=(0.5, 0.3, 0.2))]
        return pd.DataFrame({"one": group.astype(str), "number": number, "level": level})

    def draw(rng: np.random.Generator) -> list[Finding]:
        data = {k: Dataset.of(rows(rng, 0.0), _DESCRIBED, k.value)
                for k in (Knowledge.TRAIN, Knowledge.HOLDOUT)}  # fmt: skip
        made = Dataset.of_samples(rows(rng, apart), _DESCRIBED)
        case = AuditCase(Subject("drawn", "samples", made), data, seed=int(rng.integers(2**31)))
        return [f for f in find("bias.conditional")(case).findings if f.metric == DISPARITY]

    return Scenario(name, draw, np.array([truth]), DISPARITY, limit)


def fairness(
    name: str, sizes: tuple[Sequence[int], Sequence[int]],
    rates: tuple[Sequence[Any], Sequence[Any]], limit: float = 0.0,
) -> Scenario:  # fmt: skip
    """Change of differential fairness, one number of all groups.

    rates: of each group, of the outcome, or of all of three and more outcomes.
    """

    def draw(rng: np.random.Generator) -> list[Finding]:
        made, real = (_outcomes(n, p, rng) for n, p in zip(sizes, rates, strict=True))
        return [Finding(metric=FAIRNESS, label=_SAID, estimate=epsilon_change(made, real, rng))]

    made, real = (_epsilon(p) for p in rates)
    return Scenario(name, draw, np.array([made - real]), FAIRNESS, limit)


def _epsilon(rates: Sequence[Any]) -> float:
    p = np.array(rates, dtype=float).T
    p = np.array([p, 1 - p]) if p.ndim == 1 else p
    return float(np.ptp(np.log(p), axis=1).max())


def _outcomes(
    sizes: Sequence[int], rates: Sequence[Any], rng: np.random.Generator
) -> list[list[Rate]]:
    """Rates of each outcome in each group; of two outcomes, of the first."""
    if np.ndim(rates) == 1:
        return [_rates(sizes, rates, rng)]
    drawn = np.array([rng.multinomial(n, p) for n, p in zip(sizes, rates, strict=True)]).T
    return [[Rate(int(k), int(n)) for k, n in zip(y, sizes, strict=True)] for y in drawn]


def _rates(sizes: Sequence[int], rates: Sequence[float], rng: np.random.Generator) -> list[Rate]:
    drawn = rng.binomial(sizes, rates)
    return [Rate(int(k), int(n)) for k, n in zip(drawn, sizes, strict=True)]
