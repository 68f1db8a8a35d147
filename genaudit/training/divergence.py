"""Trainings whose numbers grew beyond all bounds: found at the step, told in one sentence.

Weights and losses under differential privacy are made of what was paid for, so looking at them
tells nothing more of the records.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from genaudit.errors import DivergenceError
from genaudit.models.base import Phase
from genaudit.training import presets
from genaudit.training.recipe import Recipe, Settled


def check_weights(weights: Iterable[torch.Tensor]) -> None:
    """Refuse weights that are not finite; of a few dozen tensors in a tenth of a millisecond.

    Raises:
        DivergenceError: some are not, or so large that their squares are not.
    """
    # What is not finite in a tensor makes its norm so: one look for all of them.
    norms = torch._foreach_norm([w.detach() for w in weights])
    if not bool(torch.isfinite(torch.stack(norms)).all()):
        raise DivergenceError("Weights are no longer finite.")


def check_records(records: torch.Tensor) -> None:
    """Refuse made records of which numbers are not finite.

    Raises:
        DivergenceError: some are not.
    """
    if not bool(torch.isfinite(records).all()):
        raise DivergenceError("Made records are no longer finite.")


def check_numbers(numbers: Mapping[str, float]) -> None:
    """Refuse losses and the like, by name, that are not finite.

    Raises:
        DivergenceError: one is not.
    """
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise DivergenceError(f"{name.replace('_', ' ').capitalize()} is no longer finite.")


@dataclass(frozen=True)
class Watch:
    """Says of a training that diverged where it did, and what to do. kind: `prepared.kind_of`."""

    recipe: Recipe
    settled: Settled
    kind: str

    @contextmanager
    def at(self, step: int, phases: Sequence[Phase]) -> Iterator[None]:
        """Tell of what diverges within.

        Args:
            step: That is taken, from 1.
            phases: Of this step and of those before: what it meets may have been spoilt earlier.

        Raises:
            DivergenceError: it did.
        """
        try:
            yield
        except DivergenceError as error:
            rates = self._blamed([rate for phase in phases for rate in phase.rates])
            blamed = " or ".join(f"{rate} = {getattr(self.settled, rate):g}" for rate in rates)
            charged = " What was charged stays charged." if self.recipe.private else ""
            raise DivergenceError(
                f"Training has diverged at step {step:,} of {self.settled.steps:,}, as its numbers "
                f"are no longer finite: lower {blamed} in the recipe, and train anew.{charged}"
            ) from error

    def _blamed(self, rates: Sequence[str]) -> list[str]:
        """Those of the rates that are the most times what presets take."""
        recipe = self.recipe
        usual = presets.numbers(self.kind, recipe.family, recipe.preset, private=recipe.private)
        times = {rate: getattr(self.settled, rate) / usual[rate] for rate in rates}
        return [rate for rate in rates if times[rate] >= max(times.values())]
