"""The gradients of one module for each sample where no rule knows it, by `torch.func`.

The module is run again on each sample alone, under `vmap`, with the gradient that reached its
output; so nothing but its inputs and outputs need be seen. Samples go through in micro-batches, as
gradients of every sample are held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, vmap

from genaudit.training.dp.clipping.factor import Direct
from genaudit.training.dp.clipping.unreadable import UnreadableError

#: What to do where `torch.func` cannot run a layer.
_HINT = (
    "Use Linear, Conv, Embedding, LayerNorm, GroupNorm, GRU or LSTM, and keep dropout in a layer "
    "of its own."
)

#: Bytes of per-sample gradients that may be held beside those that are returned.
_CHUNK_BYTES = 2**28


def trainable(module: nn.Module, *, deep: bool = True) -> dict[str, nn.Parameter]:
    """Parameters that are trained, by name; without `deep` the module's own alone, and faster."""
    named = module.named_parameters() if deep else module._parameters.items()
    return {n: p for n, p in named if p is not None and p.requires_grad}


def chunk_size(parameters: Mapping[str, torch.Tensor]) -> int:
    """How many samples' gradients fit into a micro-batch."""
    size = sum(p.numel() * p.element_size() for p in parameters.values())
    return max(1, _CHUNK_BYTES // max(1, size))


def factors(
    module: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    grads: tuple[torch.Tensor | None, ...],
    cap: int,
) -> dict[str, Direct]:
    """Parameter name -> its gradient for each unit.

    Args:
        module: Called once with `inputs`, each with samples first.
        inputs: Positional arguments, tensors of shape (n, ...).
        grads: Gradients at its outputs, in order; None where an output was not used.
        cap: Rows of a unit.

    Raises:
        UnreadableError: `torch.func` cannot run the module on one sample (randomness,
            data-dependent control flow, a layer that it does not know).
    """
    parameters = {n: p.detach() for n, p in trainable(module).items()}
    used = [i for i, g in enumerate(grads) if g is not None]

    def dot(
        values: Mapping[str, torch.Tensor], sample: tuple[torch.Tensor, ...],
        at_output: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:  # fmt: skip
        out = functional_call(module, dict(values), tuple(x[None] for x in sample))
        outs = out if isinstance(out, tuple) else (out,)
        return torch.stack(
            [(outs[i][0] * g).sum() for i, g in zip(used, at_output, strict=True)]
        ).sum()

    found, _ = mapped(
        module, dot, parameters, tuple(x.detach() for x in inputs),
        tuple(g for g in grads if g is not None),
    )  # fmt: skip
    return {name: Direct(by_unit(value, cap)) for name, value in found.items()}


def mapped(
    module: nn.Module,
    scalar: Callable[..., torch.Tensor],
    parameters: Mapping[str, torch.Tensor],
    *rows: tuple[torch.Tensor, ...],
    hint: str = _HINT,
    randomness: str = "error",
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Gradient of `scalar(parameters, *row)` by the parameters for every row, in micro-batches.

    Args:
        module: Named where it fails.
        scalar: (parameters by name, *one row of each of `rows`) -> a scalar.
        parameters: By name, without gradients.
        rows: Tuples of tensors, each of shape (n, ...).
        hint: What to do where `torch.func` cannot run it.
        randomness: "different" where each row may draw its own chance anew, else "error".

    Returns:
        Parameter name -> gradients, shape (n, *parameter); and the scalars, shape (n,).

    Raises:
        UnreadableError: `torch.func` cannot run it.
    """
    n = len(rows[0][0]) if rows and rows[0] else 0
    if n == 0:
        none = {name: p.new_zeros(0, *p.shape) for name, p in parameters.items()}
        return none, torch.zeros(0)
    run = vmap(
        grad_and_value(scalar),
        in_dims=(None, *(0 for _ in rows)),
        chunk_size=chunk_size(parameters),
        randomness=randomness,
    )
    try:
        found, values = run(dict(parameters), *rows)
    except (RuntimeError, ValueError, TypeError) as error:  # torch.func has no error of its own
        first = str(error).strip().splitlines()[0]
        raise UnreadableError(
            f"Private training cannot get the gradient of one sample through "
            f"{type(module).__name__}: {first} {hint}"
        ) from error
    return {name: each.detach() for name, each in found.items()}, values.detach()


def by_unit(values: torch.Tensor, cap: int) -> torch.Tensor:
    """Gradients of the rows of a unit added up, shape (units, ...)."""
    return values if cap == 1 else values.reshape(-1, cap, *values.shape[1:]).sum(1)
