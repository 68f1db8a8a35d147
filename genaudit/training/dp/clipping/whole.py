"""Gradients of a whole loss for each sample, by `torch.func`, where layers alone do not tell them.

A gradient penalty uses a weight twice, once on the way to the output and once on the way back, so
no layer's output tells all of its gradient; other modules use weights where no hook sees it. Each
row's loss is differentiated as a function of the parameters instead; exact, and as slow as that
sounds. Chance (dropout) is drawn anew for each row.

Source: Gulrajani et al. 2017 (the penalty).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.func import functional_call

from genaudit.errors import OptionError
from genaudit.training.dp.clipping import local
from genaudit.training.dp.clipping.factor import Direct, Factor


class _Loss(nn.Module):
    """A loss as a module, so that the parameters inside can be given from outside."""

    def __init__(self, inner: nn.Module, losses: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.inner = inner
        # Not as a part, should it be a module: the parameters of one part alone are given.
        self.__dict__["losses"] = losses

    def forward(self, *rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.__dict__["losses"](*rows)
        return found


def factors(
    module: nn.Module,
    losses: Callable[..., torch.Tensor],
    rows: tuple[torch.Tensor, ...],
    cap: int,
) -> tuple[list[tuple[nn.Parameter, Factor]], torch.Tensor]:
    """Every trainable parameter with its gradient for each unit; and each row's loss, shape (n,).

    Both are of the row alone: no other has a part in them.

    Args:
        module: Called inside `losses`.
        losses: rows -> one loss for each, shape (n,); slopes in it are taken by `torch.func`.
        rows: Each of shape (n, ...).
        cap: Rows of a unit.

    Raises:
        UnreadableError: the loss takes a slope by `torch.autograd`, or `torch.func` cannot run it.
    """
    loss, parameters = _Loss(module, losses), local.trainable(module)

    def scalar(values: Mapping[str, torch.Tensor], row: tuple[torch.Tensor, ...]) -> torch.Tensor:
        named = {f"inner.{name}": value for name, value in values.items()}
        return functional_call(loss, named, tuple(r[None] for r in row)).squeeze(0)

    bare = {name: p.detach() for name, p in parameters.items()}
    hint = "A loss that depends on a slope of the module takes it by torch.func (`slope` here)."
    found, values = local.mapped(
        module, scalar, bare, tuple(r.detach() for r in rows), hint=hint, randomness="different"
    )
    return [(parameters[n], Direct(local.by_unit(v, cap))) for n, v in found.items()], values


def check_reached(
    module: nn.Module, losses: Callable[..., torch.Tensor], rows: tuple[torch.Tensor, ...]
) -> None:
    """Refuse losses that use a weight by another way than the module it belongs to.

    Where the parameters are given from outside, what still depends on the module's own is missed.

    Args:
        module: Called inside `losses`.
        losses: As for `factors`.
        rows: Its arguments.

    Raises:
        OptionError: it names the parameter.
    """
    loss, parameters = _Loss(module, losses), local.trainable(module)
    given = {f"inner.{n}": p.detach().clone().requires_grad_() for n, p in parameters.items()}
    device = rows[0].device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        values = functional_call(loss, given, rows)
    if not values.requires_grad:
        return
    own = torch.autograd.grad(values.sum(), list(parameters.values()), allow_unused=True)
    for name, grad in zip(parameters, own, strict=True):
        if grad is not None:
            raise OptionError(
                f"The gradient of {name!r} cannot be read for one record: it is used by a "
                "reference to it, kept in a list or a variable, that does not go through its "
                "module. Use it as an attribute of the module that owns it."
            )


def slope(module: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Gradient of each row's output by that row, shape of x; can be differentiated once more.

    The way to write a gradient penalty that private training clips exactly.

    Args:
        module: (n, ...) -> (n,) or (n, 1); rows do not influence each other.
        x: Shape (n, ...).
    """
    found: torch.Tensor = torch.func.grad(lambda rows: module(rows).sum())(x)
    return found
