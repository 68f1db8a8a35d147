"""Bring a trained generator's one-way marginals to the reference ones, by its last biases alone.

Clipping gives records with large gradients less weight, so a private likelihood model leans towards
records that are easy to learn. Reference marginals are already paid for, so this is free; what
columns have in common stays, as every record is shifted alike.

Source: iterative proportional fitting (Deming & Stephan 1940), on logits.
"""

from __future__ import annotations

import torch
from torch import nn

from genaudit.models.base import Nets, Reference, made

#: Rounds of correction, and records that each looks at.
_ROUNDS, _RECORDS = 30, 4096

#: A share below this is noise of the sample, not a target.
_FLOOR = 1e-5


def rake(generator: nn.Sequential, nets: Nets, reference: Reference, rng: torch.Generator) -> None:
    """Shift the last layer's biases until mean shares are the reference's; reads no record."""
    last = generator[-1]
    assert isinstance(last, nn.Linear)
    target = reference.flat()
    with torch.no_grad():
        for _ in range(_ROUNDS):
            logits, _ = made(generator, _RECORDS, nets, reference, rng)
            shares = nets.shares(logits).mean(0)
            # Half a step: a condition's columns pull on each other.
            last.bias.add_(0.5 * ((target + _FLOOR).log() - (shares + _FLOOR).log()))
