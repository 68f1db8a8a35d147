"""Raking: marginals reach the reference, and what columns have in common stays."""

from __future__ import annotations

import numpy as np
import torch

from genaudit.modalities.table.nets import TableNets
from genaudit.models.base import Reference, made
from genaudit.models.raking import rake


def test_marginals_reach_the_reference() -> None:
    """Mean shares are the reference's within a hundredth, given each condition's share."""
    torch.manual_seed(0)
    nets = TableNets((3, 4), (2,), hidden=(8,), latent=4)
    reference = Reference(
        conditions=torch.eye(2), weights=torch.tensor([0.9, 0.1]),
        marginals=(np.array([0.7, 0.3, 0.0]), np.array([0.1, 0.2, 0.3, 0.4])),
    )  # fmt: skip
    generator = nets.generator()
    with torch.no_grad():
        generator[-1].weight.mul_(5)
    before = {n: p.clone() for n, p in generator.named_parameters()}

    rake(generator, nets, reference, torch.Generator().manual_seed(1))

    logits, _ = made(generator, 20_000, nets, reference, torch.Generator().manual_seed(2))
    assert torch.allclose(nets.shares(logits).mean(0), reference.flat(), atol=0.01)
    changed = {n for n, p in generator.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"2.bias"}
