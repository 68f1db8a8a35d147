"""Training on tables: networks and mixtures over one-hot cells, and marginals of pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from genaudit.modalities.table.layout import Layout
from genaudit.modalities.table.nets import TableNets
from genaudit.models.base import Reference, TableFamily, Tuning
from genaudit.models.cgan import Cgan
from genaudit.models.gan import Gan
from genaudit.models.pairs import Pairs, Table
from genaudit.models.sampler import Sampler
from genaudit.models.vae import Vae
from genaudit.training import marginals
from genaudit.training.prepared import Basis, Batch, Numbers, nets_of
from genaudit.training.recipe import Recipe, Settled

_FAMILIES: Mapping[str, type[Gan | Vae]] = {"gan": Gan, "cgan": Cgan, "vae": Vae}


@dataclass(frozen=True, eq=False)
class TableWork:
    """A family on the cells of a table (`kinds.Work`)."""

    recipe: Recipe
    basis: Basis
    nets: TableNets
    family: TableFamily

    @classmethod
    def of(cls, recipe: Recipe, basis: Basis) -> TableWork:
        """The work of a recipe."""
        nets = nets_of(basis.layout, basis.settled)
        family = _family(recipe, basis.settled, nets, _reference(basis, nets, recipe.device))
        return cls(recipe, basis, nets, family)

    def batches(self, numbers: Numbers) -> Batch:
        """Records at some positions as networks take them."""
        return _batches(self.basis.layout, numbers, self.nets, self.recipe.device)

    def quality(self) -> float:
        """Mean total variation distance between made and reference marginals."""
        blocks = self.basis.layout.blocks
        shares = self.family.shares().cpu().numpy()[: sum(blocks)]
        made = np.split(shares, np.cumsum(blocks)[:-1])
        return marginals.distance(made, self.basis.marginals)

    def sampler(self) -> Sampler:
        """The mixture with what turns its components into records."""
        basis = self.basis
        return Sampler.of(basis.schema, basis.layout, self.family.released, basis.marginals.joint)


def _reference(basis: Basis, nets: TableNets, device: str) -> Reference:
    layout, known = basis.layout, basis.marginals
    given = [
        np.bincount(layout.cells[:, k], weights=known.joint, minlength=size)
        for k, size in enumerate(layout.given_sizes)
    ]
    two_way = zip(layout.pairs, known.two_way, known.deviations[len(layout.sizes) :], strict=True)
    pairs = Pairs.of(
        nets.mixture(), known.one_way, known.deviations[: len(layout.sizes)],
        [Table(i, j, shares, float(deviation)) for (i, j), shares, deviation in two_way],
    )  # fmt: skip
    return Reference(
        conditions=nets.one_hot_condition(torch.as_tensor(layout.cells)).to(device),
        weights=torch.as_tensor(known.joint, dtype=torch.float32, device=device),
        marginals=(*known.blocks, *given),
        pairs=pairs.to(device),
    )


def _family(recipe: Recipe, settled: Settled, nets: TableNets, reference: Reference) -> TableFamily:
    tuning = Tuning(
        steps=settled.steps,
        # Made rows are clipped in units like those of records.
        n_fakes=math.ceil(settled.batch_size / recipe.cap) * recipe.cap,
        learning_rate=settled.learning_rate,
        private_learning_rate=settled.private_learning_rate,
        n_critic=recipe.n_critic,
        average=settled.average,
        pull=settled.pull,
        fit_steps=settled.fit_steps,
        r1=0.0 if recipe.private else settled.r1,
        kl=settled.kl,
    )
    rng = torch.Generator(recipe.device).manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return _FAMILIES[recipe.family](nets, reference, tuning, rng)


def _batches(layout: Layout, numbers: Numbers, nets: TableNets, device: str) -> Batch:
    """Records at some positions as one-hot codes; codes exist for one batch at a time."""
    digits = torch.as_tensor(numbers.digits, device=device)
    cells = torch.as_tensor(layout.cells[numbers.joint], device=device)

    def batch(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.as_tensor(rows, device=device)
        return nets.one_hot(digits[chosen]), nets.one_hot_condition(cells[chosen])

    return batch
