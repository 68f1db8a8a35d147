"""A second opinion on what hooks have read: an ordinary backward pass over the same losses.

A weight that is used where no hook sees it (outside of its layer, in a module that is called by its
part) would get too little gradient or none, and nothing else would say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
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

#: Share of units whose losses count the other way where gradients are compared. Of each pair some
#: part, so gradients that change places show; and those of all together do not cancel.
_TURNED = 0.25

#: So many first passes are compared, as weights that start at 0 show nothing at once; then the
#: passes whose number is a power of two, and every so manieth, as a module may change.
_FIRST, _EVERY = 8, 128


@dataclass(eq=False)
class Witness:
    """Compares gradients read for each sample with those of an ordinary pass, now and then.

    rng: Which units, in no order that a module could know; from the operating system.
    """

    module: nn.Module
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    passes: int = 0
    due: bool = False
    parameters: Mapping[str, nn.Parameter] = field(default_factory=dict)
    _trained: frozenset[int] = frozenset()
    _signs: torch.Tensor = field(default_factory=lambda: torch.ones(0))

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

    def gradients(self, losses: torch.Tensor, cap: int) -> Mapping[str, torch.Tensor]:
        """Gradient of the losses by parameter name; empty where this pass is not compared.

        They are added up with a sign for each unit, by chance: a sum without would be the same
        where gradients stand at each other's places. What norms a gradient keeps a sign.

        Args:
            losses: One for each row, shape (n,); their graph is kept.
            cap: Rows of a unit.
        """
        parameters = self.parameters
        if not self.due or not losses.requires_grad or not parameters:
            self.passes += 1
            return {}
        units = len(losses) // cap
        # Fewer than half: what equal records have beside their layers must not cancel.
        turned = self._some(min(int(self.rng.binomial(units, _TURNED)), (units - 1) // 2), units)
        self._signs = 1.0 - 2.0 * turned.to(losses)
        grads = torch.autograd.grad(
            losses @ self._signs.repeat_interleave(cap),
            list(parameters.values()),
            retain_graph=True,
            allow_unused=True,
        )
        # A sparse embedding has a sparse gradient.
        return {n: g.to_dense() for n, g in zip(parameters, grads, strict=True) if g is not None}

    def half(self, n: int, cap: int) -> torch.Tensor:
        """About half of the rows, units whole, by chance: so pairs part, wherever they stand.

        Their number is odd where it can be, so that no halves of these are pairs again.

        Args:
            n: Rows.
            cap: Rows of a unit.
        """
        units = n // cap
        size = min(int(self.rng.integers(units // 3, 2 * units // 3 + 1)) | 1, max(units - 1, 0))
        return self._some(size, units).repeat_interleave(cap)

    def _some(self, size: int, units: int) -> torch.Tensor:
        """So many units by chance, boolean, shape (units,)."""
        inside = np.zeros(units, dtype=bool)
        inside[self.rng.permutation(units)[:size]] = True
        return torch.as_tensor(inside)

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
        norms = {key: f.norms() for key, f in factors.items()}
        terms = {key: float(each.sum()) for key, each in norms.items()}
        signs = {dtype: self._signs.to(dtype) for dtype in {n.dtype for n in norms.values()}}
        for name, parameter in self.module.named_parameters():
            if name not in plain:
                continue
            rounding = _ROUNDING * torch.finfo(parameter.dtype).eps * sum(terms.values())
            key = id(parameter)
            read: torch.Tensor | float = 0.0
            if key in factors:
                read = factors[key].weighted(signs[norms[key].dtype])
            apart = float((plain[name] - read).norm())
            if apart > _APART * terms.get(key, 0.0) + rounding:
                raise UnreadableError(
                    f"The gradient of {name!r} cannot be read for one sample: it is used outside "
                    "of its own layer, its layer is not called by itself, or another "
                    "BookKeepingModule watches it since. Use a parameter in the module that owns "
                    "it, call that module, and `cleanup` what watched it before."
                )
        self.passes += 1
