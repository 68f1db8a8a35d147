"""Clipping as the definition says: one row (or unit) at a time. Slow, and plainly right."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Losses = Callable[..., torch.Tensor]


def gradients(
    module: nn.Module, losses: Losses, rows: tuple[torch.Tensor, ...], cap: int = 1
) -> list[dict[str, torch.Tensor]]:
    """Gradient of each unit's summed loss, by parameter name."""
    named = {n: p for n, p in module.named_parameters() if p.requires_grad}
    found = []
    for start in range(0, len(rows[0]), cap):
        loss = losses(*(r[start : start + cap] for r in rows)).sum()
        grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        found.append({
            name: torch.zeros_like(p) if g is None else g
            for (name, p), g in zip(named.items(), grads, strict=True)
        })  # fmt: skip
    return found


def norm(gradient: dict[str, torch.Tensor]) -> float:
    """L2 norm over all parameters."""
    return float(sum(g.double().square().sum() for g in gradient.values()) ** 0.5)


def clipped_sum(
    module: nn.Module, losses: Losses, rows: tuple[torch.Tensor, ...], bound: float, cap: int = 1
) -> dict[str, torch.Tensor]:
    """Sum over units of gradients scaled down to the bound, by parameter name."""
    total = {n: torch.zeros_like(p) for n, p in module.named_parameters() if p.requires_grad}
    for gradient in gradients(module, losses, rows, cap):
        factor = min(1.0, bound / (norm(gradient) + 1e-6))
        for name, g in gradient.items():
            total[name] += factor * g
    return total


def far(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    """Relative L2 distance over all parameters together; absolute where all is rounding."""
    apart = {name: found[name] - w for name, w in wanted.items()}
    return norm(apart) / max(norm(wanted), 1e-3)
