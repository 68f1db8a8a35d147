"""What one run shows of the ε of our own private training: canaries with a gradient of their own.

For each ε and seed a whole training is watched, and both bounds are held against the claim and
against what the assumption-free bound yields on ideal Gaussian scores (shift mu of that ε, as many
canaries). Faulty trainings (half of the noise, no clipping) show that there is something to find.
How often a bound exceeds the claim is also counted over many more trainings whose steps are those
numbers alone: a coin, a Poisson draw and noise for each canary.

    python tests/benchmarks/bench_canaries.py --seeds 5 --canaries 40000 --simulated 400
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import brentq

from genaudit.stats.epsilon import one_run_bound
from genaudit.stats.modelled import gaussian_epsilon
from genaudit.stats.sampled import Watched, step_scores
from genaudit.training.dp.selfcheck import planted
from genaudit.training.dp.selfcheck.ours import OurTrainer

ALPHA = 0.05
EPSILONS = (1.0, 4.0)


def honest(_: OurTrainer) -> None:
    """As it is."""


def half_noise(trained: OurTrainer) -> None:
    """Noise of half the deviation that was paid for."""
    trained.stepper.step.optimizer.noise_multiplier /= 2


def no_clipping(trained: OurTrainer) -> None:
    """Gradients are summed as they are."""
    step = trained.stepper.step
    step.optimizer.watched = None  # the noise keeps the bound that it was made for
    step._watched.max_grad_norm = 1e9


MUTANTS: tuple[Callable[[OurTrainer], None], ...] = (honest, half_noise, no_clipping)


@dataclass(frozen=True)
class Row:
    """One training. ideal: assumption-free bound on Gaussian scores of the same mu."""

    kind: str
    epsilon: float
    found: planted.Bounds
    ideal: float
    seconds: float


def ideal(epsilon: float, delta: float, m: int, seed: int) -> float:
    """Mean over some draws of the assumption-free bound on ideal scores."""
    mu = brentq(lambda shift: gaussian_epsilon(shift, delta) - epsilon, 1e-3, 50)
    rng, found = np.random.default_rng([seed, m]), []
    for _ in range(10):
        members = rng.random(m) < 0.5
        found.append(one_run_bound(rng.normal(size=m) + mu * members, members, delta, ALPHA)[0])
    return float(np.mean(found))


def trainings(args: argparse.Namespace) -> Iterator[Row]:
    """Whole trainings, correct and faulty."""
    for epsilon in EPSILONS:
        best = ideal(epsilon, args.delta, args.canaries, 0)
        for mutant in MUTANTS:
            for seed in range(args.seeds if mutant is honest else args.faulty):
                start = time.perf_counter()
                trained, plant = planted.trainer(
                    args.family, canaries=args.canaries, seed=seed, epsilon=epsilon,
                    delta=args.delta, steps=args.steps, sampling_rate=args.rate,
                )  # fmt: skip
                mutant(trained)
                found = planted.bounds(trained, plant, delta=args.delta, alpha=ALPHA)
                yield Row(mutant.__name__, epsilon, found, best, time.perf_counter() - start)


def simulated(
    noise: float, rate: float, steps: int, m: int, rng: np.random.Generator
) -> Watched:  # fmt: skip
    """What is seen of canaries in an honest training of these numbers."""
    members = rng.random(m) < 0.5
    scores, squares = np.zeros(m), 0.0
    for _ in range(steps):
        seen = (members & (rng.random(m) < rate)) + noise * rng.standard_normal(m)
        scores += step_scores(seen, noise, rate)
        squares += float(np.square(seen[~members]).sum())
    n = steps * int((~members).sum())
    return Watched(scores, members, squares / n, n, noise, rate, steps)


def exceeding(args: argparse.Namespace, epsilon: float) -> list[str]:
    """How often each bound is above the claim, over simulated trainings."""
    trained, _ = planted.trainer(
        args.family, canaries=100, epsilon=epsilon, delta=args.delta, steps=args.steps,
        sampling_rate=args.rate,
    )  # fmt: skip
    noise, rng = trained.promise.noise_multiplier, np.random.default_rng(int(epsilon))
    assert noise is not None
    runs = [
        planted.told(simulated(noise, args.rate, args.steps, args.simulated_canaries, rng),
                     delta=args.delta, alpha=ALPHA)
        for _ in range(args.simulated)
    ]  # fmt: skip
    most = ALPHA + 2 * (ALPHA * (1 - ALPHA) / args.simulated) ** 0.5
    rates = [
        np.mean([getattr(b, kind) > b.claimed for b in runs])
        for kind in ("free", "gaussian", "sampled")
    ]
    shown = " | ".join(f"{rate:.3f}" for rate in rates)
    return [f"| {epsilon:g} | {args.simulated} | {shown} | {most:.3f} |"]


def lines(rows: list[Row], args: argparse.Namespace) -> Iterator[str]:
    """A table of trainings."""
    yield (
        f"Family {args.family}, {args.canaries:,} canaries, {args.steps} steps at rate "
        f"{args.rate:g}, δ = {args.delta:g}, α = {ALPHA:g}. Means over trainings, least in "
        "brackets."
    )
    yield ""
    yield ("| training | ε declared | n | sampled Gaussian / ε | Gaussian / ε | assumption-free | "
           "/ ideal | above the claim (sampled, Gaussian, free) | seconds |")  # fmt: skip
    yield "|---|---|---|---|---|---|---|---|---|"
    for kind in (m.__name__ for m in MUTANTS):
        for epsilon in EPSILONS:
            chosen = [r for r in rows if r.kind == kind and r.epsilon == epsilon]
            if chosen:
                yield _line(kind, epsilon, chosen)


def _line(kind: str, epsilon: float, rows: list[Row]) -> str:
    sampled, gaussian, free = (
        np.array([getattr(r.found, name) for r in rows]) for name in ("sampled", "gaussian", "free")
    )
    claimed = np.array([r.found.claimed for r in rows])
    seconds = np.mean([r.seconds for r in rows])
    above = ", ".join(str(int((x > claimed).sum())) for x in (sampled, gaussian, free))
    return (
        f"| {kind.replace('_', ' ')} | {epsilon:g} | {len(rows)} "
        f"| {sampled.mean() / epsilon:.2f} ({sampled.min() / epsilon:.2f}) "
        f"| {gaussian.mean() / epsilon:.2f} ({gaussian.min() / epsilon:.2f}) "
        f"| {free.mean():.2f} | {free.mean() / rows[0].ideal:.2f} | {above} | {seconds:.0f} |"
    )


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", default="vae")
    parser.add_argument("--canaries", type=int, default=40_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--delta", type=float, default=1e-6)
    parser.add_argument("--seeds", type=int, default=5, help="correct trainings of each ε")
    parser.add_argument("--faulty", type=int, default=2, help="faulty ones of each kind and ε")
    parser.add_argument("--simulated", type=int, default=400)
    parser.add_argument("--simulated-canaries", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="also write the tables here")
    args = parser.parse_args()
    text = ["# ε of private training, seen by canaries in one run", ""]
    text += lines(list(trainings(args)), args)
    text += ["", f"Simulated trainings with {args.simulated_canaries:,} canaries: share above the "
             "claim", "", "| ε | runs | assumption-free | Gaussian | sampled Gaussian | "
             "most (α + 2 s.e.) |", "|---|---|---|---|---|---|"]  # fmt: skip
    for epsilon in EPSILONS:
        text += exceeding(args, epsilon)
    print("\n".join(text))
    if args.out is not None:
        args.out.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
