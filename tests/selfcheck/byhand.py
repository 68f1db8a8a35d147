"""Faults in a page of NumPy that is nobody's but a user's, and correct trainers of other habits.

They join the lists of `mutants`, where the faults are those of torch and of our own engine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from handmade import RATE, SIGMA, STEPS, Logistic
from mutants import CORRECT, mutant

from genaudit.ledger import Mechanism


def _charge(steps: int = 1) -> Mechanism:
    return Mechanism(
        name="poisson_gaussian", noise_multiplier=SIGMA, sampling_rate=RATE, steps=steps
    )


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


CORRECT["charges ahead"] = ChargesAhead
