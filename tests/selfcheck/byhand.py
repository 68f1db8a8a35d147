"""Faults in a page of NumPy that is nobody's but a user's, and correct trainers of other habits.

They join the lists of `mutants`, where the faults are those of torch and of our own engine.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from handmade import RATE, SIGMA, STEPS, Logistic, N
from mutants import CORRECT, mutant

from genaudit.ledger import Mechanism


def _charge(steps: int = 1) -> Mechanism:
    return Mechanism(
        name="poisson_gaussian", noise_multiplier=SIGMA, sampling_rate=RATE, steps=steps
    )


# Clipping


@mutant("clipping", "clipping.bound")
class RareLevelUnclipped(Logistic):
    """Three of all rows are of a level that the clipping forgets."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._rows = self._rows.copy()
        self._rows[[3, 77, 200], 0] = 7.0

    def clipped_sum(self, units: Any) -> np.ndarray:
        """Clipped, but for the rows of that level."""
        (rows,) = units
        rare = rows[:, 0] == 7.0
        return super().clipped_sum((rows[~rare],)) + self.per_sample_grads((rows[rare],)).sum(0)


@mutant("module", "clipping.influence")
class MissingBecomesTheMean(Logistic):
    """A missing number becomes the mean of its column in the batch."""

    def per_sample_grads(self, units: Any) -> np.ndarray:
        """Slope of the logistic loss, on rows that are filled up."""
        (rows,) = units
        known = np.isfinite(rows)
        sums = np.where(known, rows, 0.0).sum(0)
        return super().per_sample_grads(
            (np.where(known, rows, sums / np.maximum(known.sum(0), 1)),)
        )


# Noise


class _Twice(np.random.Generator):
    """Half of its normal numbers are the other half again, in another order."""

    # Only as the trainers here call it.
    def normal(self, loc: float, scale: float, size: int) -> Any:  # type: ignore[override]
        """Numbers of the first half, then the same again."""
        half = super().normal(loc, scale, size // 2)
        return np.concatenate([half, half[self.order(len(half))]])

    def order(self, n: int) -> np.ndarray:
        """Where each number of the first half comes again."""
        return np.random.default_rng(5).permutation(n)


class _TwiceAnew(_Twice):
    """In another order each time."""

    def order(self, n: int) -> np.ndarray:
        """A new one."""
        return self.permutation(n)


@mutant("noise", "noise.independence")
class NoiseInAnotherOrder(Logistic):
    """Noise of one layer is that of another, its entries always in the same other order."""

    noise: type[np.random.Generator] = _Twice

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._rng = self.noise(np.random.PCG64(secrets.randbits(256)))


@mutant("noise", "noise.independence")
class NoiseShuffled(NoiseInAnotherOrder):
    """Noise of one layer is that of another, shuffled in each step."""

    noise = _TwiceAnew


# Draws


@mutant("sampler", "sampler.poisson")
class LargeBatchesCut(Logistic):
    """Of more than sixty drawn units the rest is left out, for memory's sake."""

    def draw(self) -> np.ndarray:
        """A coin for each row, but sixty at most."""
        return super().draw()[:60]


# Charges


class ChargesAhead(Logistic):
    """Charges the whole training before data are read, and refuses a step beyond it."""

    paid = STEPS

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._taken, self._ahead = 0, [_charge(self.paid)]

    def events(self) -> list[Mechanism]:
        """One for all steps."""
        return self._ahead

    def step(self, units: Any = None) -> np.ndarray:
        """A step that was paid for when the trainer was made."""
        if units is None:
            if self._taken == STEPS:
                raise RuntimeError("nothing is left")
            self._taken += 1
        return super().step(units)


@mutant("charges", "accounting.charged")
class ChargesAheadTooLittle(ChargesAhead):
    """Charges half of the training ahead, and takes all of it."""

    paid = STEPS // 2


class ChargesDraws(Logistic):
    """Charges where units are drawn, before they are read, and draws no more than it can pay."""

    def draw(self) -> np.ndarray:
        """A coin for each row, charged."""
        if len(self._charged) == STEPS:
            raise RuntimeError("nothing is left")
        self._charged.append(_charge())
        return super().draw()

    def step(self, units: Any = None) -> np.ndarray:
        """One step; its draw charges."""
        return super().step((self._rows[self.draw()],) if units is None else units)


# What is released


class Releases(Logistic):
    """Its weights are released, beside edges that are public and rows that it makes."""

    def released(self) -> Any:
        """In a dictionary."""
        made = self._rng.standard_normal((50, 301))
        return {"weights": self.weights, "edges": np.linspace(-4, 4, 801), "made": made}

    def save(self, folder: Path) -> None:
        """The same in a file."""
        folder.mkdir()
        np.savez(folder / "model.npz", **self.released())


@mutant("generator", "release.noise")
class NoiseHandedBackAlone(Releases):
    """The step hands back a noisy gradient, and its weights follow the clean one."""

    def step(self, units: Any = None) -> np.ndarray:
        """Noise is added to a copy."""
        if units is None:
            return super().step()
        clean, before = self.clipped_sum(units) / (RATE * N), self.weights
        gradient = super().step(units)
        self.weights = before - 0.05 * clean
        return gradient


@mutant("generator", "release.noise")
class LastSumReleased(Releases):
    """The clean sum of the last batch is kept in what is released, as a moment of an optimizer."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._moment = np.zeros_like(self.weights)

    def step(self, units: Any = None) -> np.ndarray:
        """One step, and the sum is kept."""
        if units is not None:
            self._moment = self.clipped_sum(units)
        return super().step(units)

    def released(self) -> Any:
        """With the moment."""
        return {**super().released(), "moment": self._moment}


class _Pulled(Releases):
    """A generator is pulled to the mean of real rows, without noise, and none is kept."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.generator = np.zeros(300)

    def pull(self, rows: np.ndarray) -> None:
        """Ten percent of the way."""
        if len(rows):
            self.generator = self.generator + 0.1 * (rows[:, :-1].mean(0) - self.generator)

    def released(self) -> Any:
        """With the generator."""
        return {**super().released(), "generator": self.generator}


@mutant("generator", "release.gradients")
class PulledToTheBatch(_Pulled):
    """The generator is pulled to the batch that is trained on."""

    def draw(self) -> np.ndarray:
        """A coin for each row; the batch is remembered until it is read."""
        self._drawn = super().draw()
        return self._drawn

    def step(self, units: Any = None) -> np.ndarray:
        """One step, and the pull."""
        gradient = super().step(units)
        self.pull(self._rows[self._drawn] if units is None else units[0])
        return gradient


@mutant("generator", "release.gradients")
class PulledToItsOwnBatch(_Pulled):
    """The generator is pulled to a second batch, which is neither drawn by `draw` nor charged."""

    def step(self, units: Any = None) -> np.ndarray:
        """One step, and the pull where it is one of the training."""
        gradient = super().step(units)
        if units is None:
            self.pull(self._rows[self._rng.random(N) < RATE])
        return gradient


@mutant("generator", "release.gradients")
class SharesOfLabels(Releases):
    """Shares of the labels are released as they are."""

    def released(self) -> Any:
        """With the shares."""
        share = self._rows[:, -1].mean()
        return {**super().released(), "shares": np.array([share, 1 - share])}

    save = None  # type: ignore[assignment]  # it offers no folder to search


@mutant("bundle", "release.bundle")
class CountsInTheFile(Releases):
    """How many rows have each label is written as it is."""

    def save(self, folder: Path) -> None:
        """With the counts."""
        super().save(folder)
        np.save(folder / "counts.npy", np.bincount(self._rows[:, -1].astype(int)))


class _Standardises(Releases):
    """Rows were brought to one scale when the trainer was made, and the scale is kept."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.mean, self.deviation = self._rows.mean(0), self._rows.std(0)


@mutant("generator", "release.handle")
class ScaleWithinReach(_Standardises):
    """What generates takes its rows back to means and deviations of the real ones."""

    def released(self) -> Any:
        """With the scale."""
        return {**super().released(), "mean": self.mean, "deviation": self.deviation}

    save = None  # type: ignore[assignment]  # it offers no folder to search


@mutant("bundle", "release.bundle")
class ScaleInTheFile(_Standardises):
    """The scale is written beside the model."""

    def save(self, folder: Path) -> None:
        """With the scale."""
        super().save(folder)
        scale = {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}
        (folder / "scale.json").write_text(json.dumps(scale))


class _Coarse(np.random.Generator):
    """Its normal numbers lie on a grid of a twentieth of their deviation."""

    # Only as the trainers here call it.
    def normal(self, loc: float, scale: float, size: int) -> Any:  # type: ignore[override]
        """Rounded ones."""
        step = scale / 20
        return np.round(super().normal(loc, scale, size) / step) * step


class CoarseNoise(NoiseInAnotherOrder):
    """Discrete noise, so that numbers come again by chance."""

    noise = _Coarse


CORRECT |= {
    "charges ahead": ChargesAhead, "charges draws": ChargesDraws, "discrete noise": CoarseNoise,
    "releases": Releases,
}  # fmt: skip
