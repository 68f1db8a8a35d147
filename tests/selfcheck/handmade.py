"""A private logistic regression in a page of NumPy, as a user would bring it: nothing of ours."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

import genaudit as ga
from genaudit.ledger import Mechanism

SIGMA, RATE, CLIP, STEPS, N = 5.5, 0.2, 0.7, 40, 250


class Logistic:
    """DP-SGD on rows of numbers; the label is the last of them."""

    promise = ga.Promise(
        max_grad_norm=CLIP, noise_multiplier=SIGMA, divisor=RATE * N, sampling_rate=RATE,
        n_units=N, steps=STEPS, epsilon=1.0, delta=1e-5,
    )  # fmt: skip

    def __init__(self, seed: int = 0) -> None:
        self.weights = np.random.default_rng(seed).normal(size=300) / 30
        made = np.random.default_rng(3)
        self._rows = np.hstack([made.normal(size=(N, 300)), made.integers(0, 2, (N, 1))])
        self._rng = np.random.default_rng(secrets.randbits(256))
        self._charged: list[Mechanism] = []

    def units(self) -> np.ndarray:
        """The rows."""
        return self._rows

    def per_sample_grads(self, units: Any) -> np.ndarray:
        """Slope of the logistic loss."""
        (rows,) = units
        x, y = rows[:, :-1], rows[:, -1]
        with np.errstate(all="ignore"):
            return (1 / (1 + np.exp(-x @ self.weights)) - y)[:, None] * x

    def clipped_sum(self, units: Any) -> np.ndarray:
        """Clipped row by row; what is not finite is left out."""
        grads = self.per_sample_grads(units)
        with np.errstate(all="ignore"):
            norms = np.linalg.norm(grads, axis=1)
            kept = np.isfinite(norms)
            factors = np.minimum(1.0, CLIP / np.maximum(norms[kept], 1e-12))
        return factors @ grads[kept]

    def step(self, units: Any = None) -> np.ndarray:
        """One step, charged where it is one of the training."""
        if units is None:
            if len(self._charged) == STEPS:
                raise RuntimeError("nothing is left")
            self._charged.append(Mechanism(
                name="poisson_gaussian", noise_multiplier=SIGMA, sampling_rate=RATE
            ))  # fmt: skip
            units = (self._rows[self.draw()],)
        noise = self._rng.normal(0.0, SIGMA * CLIP, 300)
        gradient = (self.clipped_sum(units) + noise) / (RATE * N)
        self.weights = self.weights - 0.05 * gradient
        return gradient

    def draw(self) -> np.ndarray:
        """A coin for each row."""
        return np.flatnonzero(self._rng.random(N) < RATE)

    def events(self) -> list[Mechanism]:
        """One for each step."""
        return self._charged


class DrawsApart(Logistic):
    """Its training draws in a way of its own."""

    def step(self, units: Any = None) -> np.ndarray:
        """One step, charged where it is one of the training."""
        honest, self.draw = self.draw, super().draw  # type: ignore[method-assign]
        try:
            return super().step(units)
        finally:
            self.draw = honest  # type: ignore[method-assign]


class NoStep(Logistic):
    """No batch can be stepped on, empty or not."""

    def step(self, units: Any = None) -> np.ndarray:
        """It is lost."""
        raise KeyError(f"lost {units is None}")


class NoNoise(Logistic):
    """Nothing is added to sums."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._rng = Silent(np.random.PCG64(secrets.randbits(256)))


class Silent(np.random.Generator):
    """Its normal numbers are 0."""

    def normal(self, *args: Any) -> Any:
        """Zeros."""
        return 0.0 * super().normal(*args)


class Unclipped(Logistic):
    """The same without a bound."""

    def clipped_sum(self, units: Any) -> np.ndarray:
        """The plain sum."""
        return self.per_sample_grads(units).sum(0)


class StepsAlone:
    """It draws and charges, and shows nothing of its gradients."""

    promise = ga.Promise(sampling_rate=RATE, n_units=N, steps=STEPS)

    def __init__(self) -> None:
        self._inner = Logistic()

    def draw(self) -> np.ndarray:
        """A coin for each row."""
        return self._inner.draw()

    def step(self, units: Any = None) -> np.ndarray:
        """One step, charged where it is one of the training."""
        return self._inner.step(units)

    def events(self) -> list[Mechanism]:
        """One for each step."""
        return self._inner.events()


class Nothing:
    """It shows nothing at all."""


class Broken(Logistic):
    """Its gradients cannot be had."""

    def per_sample_grads(self, units: Any) -> np.ndarray:
        """They are lost."""
        raise KeyError(f"lost {len(units)}")


ONE = Logistic()
