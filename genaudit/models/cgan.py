"""Conditional GAN: both networks get the condition, and made records carry it by construction.

The condition's columns are set, not made, so no record can disobey. Conditions of made records are
drawn from a reference distribution (noisy under differential privacy), never from records.

Source: Mirza & Osindero 2014.
"""

from __future__ import annotations

import torch

from genaudit.errors import OptionError
from genaudit.models.base import Nets, Reference, Tuning
from genaudit.models.gan import Gan

#: What is wrong with a conditional GAN that has no condition, and what to do.
UNCONDITIONAL = (
    "A conditional GAN needs a condition; give a column the role target or sensitive, name one "
    "with --condition, or train the family gan."
)


class Cgan(Gan):
    """A GAN whose networks have a condition."""

    def __init__(
        self, nets: Nets, reference: Reference, tuning: Tuning, rng: torch.Generator
    ) -> None:
        if not nets.condition:
            raise OptionError(UNCONDITIONAL)
        super().__init__(nets, reference, tuning, rng)
