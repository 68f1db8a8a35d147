"""A second opinion on what hooks have read: an ordinary backward pass over the same losses.

A weight that is used where no hook sees it (outside of its layer, in a module that is called by its
part) would get too little gradient or none, and nothing else would say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from genaudit.training.dp.clipping import local
from genaudit.training.dp.clipping.factor import Factor
from genaudit.training.dp.clipping.unreadable import UnreadableError

#: How far sums may be apart, as a share of what their terms add up to: some hundred times what
#: single precision leaves.
_APART = 2e-5

#: Rounding of a pass, in units in the last place of all its gradients together: so much is left of
#: a gradient that is 0 on paper (a bias before a norm).
_ROUNDING = 100

#: So many first passes are compared, as weights that start at 0 show nothing at once; then the
#: passes whose number is a power of two, and every so manieth, as a module may change.
_FIRST, _EVERY = 8, 128


@dataclass(eq=False)
class Witness:
    """Compares gradients read for each sample with those of an ordinary pass, now and then."""

    module: nn.Module
    passes: int = 0
    due: bool = False
    parameters: Mapping[str, nn.Parameter] = field(default_factory=dict)
    _trained: frozenset[int] = frozenset()

    def begin(self) -> None:
        """Settle whether the next pass is compared; where others are trained counting starts anew.

        Sets `parameters`, those that are trained, and `due`.
        """
        self.parameters = local.trainable(self.module)
        key = frozenset(map(id, self.parameters.values()))
        if key != self._trained:
            self._trained, self.passes = key, 0
        number = self.passes + 1
        self.due = number <= _FIRST or number & (number - 1) == 0 or number % _EVERY == 0

    def gradients(self, losses: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Gradient of the summed losses by parameter name; empty where this pass is not compared.

        Args:
            losses: One for each row, shape (n,); their graph is kept.
        """
        parameters = self.parameters
        if not self.due or not losses.requires_grad or not parameters:
            self.passes += 1
            return {}
        grads = torch.autograd.grad(
            losses.sum(), list(parameters.values()), retain_graph=True, allow_unused=True
        )
        # A sparse embedding has a sparse gradient.
        return {n: g.to_dense() for n, g in zip(parameters, grads, strict=True) if g is not None}

    def half(self, n: int, cap: int) -> torch.Tensor:
        """Half of the rows, units whole; another half in the next pass, so that pairs part.

        Args:
            n: Rows.
            cap: Rows of a unit.
        """
        units = torch.arange(n) // cap
        bits = max(1, (n // cap - 1).bit_length())
        return (units >> (self.passes % bits)) & 1 == 1

    def compare(
        self,
        plain: Mapping[str, torch.Tensor],
        found: Sequence[tuple[nn.Parameter, Factor]],
    ) -> None:
        """Refuse where the two are apart; a pass that is not finite tells nothing, the next may.

        Raises:
            UnreadableError: it names the first parameter that is used where it is not seen.
        """
        if not plain or not all(math.isfinite(float(g.norm())) for g in plain.values()):
            return
        factors = {id(parameter): factor for parameter, factor in found}
        norms = {key: f.squared_norms().sqrt() for key, f in factors.items()}
        terms = {key: float(each.sum()) for key, each in norms.items()}
        for name, parameter in self.module.named_parameters():
            if name not in plain:
                continue
            rounding = _ROUNDING * torch.finfo(parameter.dtype).eps * sum(terms.values())
            key = id(parameter)
            read: torch.Tensor | float = 0.0
            if key in factors:
                read = factors[key].weighted(torch.ones_like(norms[key]))
            apart = float((plain[name] - read).norm())
            if apart > _APART * terms.get(key, 0.0) + rounding:
                raise UnreadableError(
                    f"The gradient of {name!r} cannot be read for one sample: it is used outside "
                    "of its own layer, or its layer is not called by itself. Use a parameter in "
                    "the module that owns it, and call that module."
                )
        self.passes += 1
