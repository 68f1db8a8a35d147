"""Training on images, series, sounds and texts, with attributes beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from genaudit.modalities.nets import MediaNets, chunk_of
from genaudit.modalities.table.nets import one_hot
from genaudit.models.base import Family, Tuning
from genaudit.models.media.base import MediaReference, Whole
from genaudit.models.media.gan import MediaGan
from genaudit.models.media.sampler import MediaSampler
from genaudit.models.media.vae import MediaVae
from genaudit.training import divergence
from genaudit.training.marginals import distance
from genaudit.training.prepared import (
    Basis,
    Batch,
    Numbers,
    codec_of,
    media_nets_of,
    net_options,
)
from genaudit.training.recipe import Recipe, Settled, warm_steps

_FAMILIES: Mapping[str, type[MediaGan | MediaVae]] = {
    "gan": MediaGan, "cgan": MediaGan, "vae": MediaVae,
}  # fmt: skip

#: Records that live quality looks at.
_LOOK_AT = 256


class MediaFamily(Family, Protocol):
    """A family of networks that make records."""

    @property
    def released(self) -> Whole:
        """What makes the records."""


@dataclass(frozen=True, eq=False)
class RecordWork:
    """A family on records that have attributes (`kinds.Work`)."""

    recipe: Recipe
    basis: Basis
    nets: MediaNets
    reference: MediaReference
    family: MediaFamily

    @classmethod
    def of(cls, recipe: Recipe, basis: Basis) -> RecordWork:
        """The work of a recipe."""
        rng = torch.Generator(recipe.device).manual_seed(recipe.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            nets = media_nets_of(recipe, basis.schema, basis.layout, basis.settled)
            reference = _reference(basis, recipe.device)
            family = _FAMILIES[recipe.family](
                nets, basis.layout.blocks, reference, _tuning(recipe, basis.settled), rng
            )
        return cls(recipe, basis, nets, reference, family)

    def batches(self, numbers: Numbers) -> Batch:
        """Records at some positions with their made attributes, and their conditions."""
        layout, device = self.basis.layout, self.recipe.device
        digits = torch.as_tensor(numbers.digits, device=device)
        cells = torch.as_tensor(layout.cells[numbers.joint], device=device)
        codes = torch.as_tensor(numbers.codes)

        def batch(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
            chosen = torch.as_tensor(rows)
            records = self.nets.records(codes[chosen].to(device))
            made = one_hot(digits[chosen.to(device)], layout.blocks)
            given = one_hot(cells[chosen.to(device)], layout.given_sizes)
            return torch.cat([records, made], 1), given

        return batch

    @torch.no_grad()
    def quality(self) -> float:
        """Mean distance of the mean summaries and the attributes from what is known of them.

        Raises:
            DivergenceError: what would be made is not finite.
        """
        rng = torch.Generator(self.recipe.device).manual_seed(0)
        given = self.reference.draw(_LOOK_AT, rng)
        parts = list(self._looked_at(given, rng))
        mean = torch.cat([summary for summary, _ in parts]).mean(0)
        made = torch.cat([attributes for _, attributes in parts])
        gap = float((mean - self.reference.summary).abs().mean())
        blocks = self.basis.layout.blocks
        if not blocks:
            return gap
        shares = np.split(made.mean(0).cpu().numpy(), np.cumsum(blocks)[:-1])
        return (gap + distance(shares, self.basis.marginals)) / 2

    def _looked_at(
        self, given: torch.Tensor, rng: torch.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Summaries and attributes of made records, as many at a time as memory is meant for."""
        whole = self.family.released
        head = torch.randn(len(given), whole.head.noise_width, generator=rng, device=rng.device)
        chunk = chunk_of(self.nets)
        pairs = zip(torch.split(head, chunk), torch.split(given, chunk), strict=True)
        for some, condition in pairs:
            noise = some, whole.maker.noise(len(condition), rng)
            records, made = whole.make(noise, condition)
            divergence.check_records(records)
            yield self.nets.summary(records), made

    def sampler(self) -> MediaSampler:
        """The networks with what turns their output into records."""
        basis, codec = self.basis, codec_of(self.basis.schema)
        assert codec is not None, "a table has none"
        return MediaSampler(
            basis.schema, basis.layout, codec, self.nets, self.family.released.cpu(),
            basis.marginals.joint, decodes=self.recipe.family == "vae",
            options=net_options(self.recipe, basis.schema, basis.settled),
        )  # fmt: skip


def _reference(basis: Basis, device: str) -> MediaReference:
    layout, known = basis.layout, basis.marginals
    assert basis.summary is not None
    return MediaReference(
        conditions=one_hot(torch.as_tensor(layout.cells), layout.given_sizes).to(device),
        weights=torch.as_tensor(known.joint, dtype=torch.float32, device=device),
        marginals=known.blocks,
        summary=torch.as_tensor(basis.summary, dtype=torch.float32, device=device),
    )


def _tuning(recipe: Recipe, settled: Settled) -> Tuning:
    return Tuning(
        steps=settled.steps,
        # Made rows are clipped in units like those of records.
        n_fakes=math.ceil(settled.batch_size / recipe.cap) * recipe.cap,
        learning_rate=settled.learning_rate,
        private_learning_rate=settled.private_learning_rate,
        n_critic=recipe.n_critic,
        average=settled.average,
        r1=0.0 if recipe.private else settled.r1,
        kl=settled.kl,
        kl_rise=settled.kl_rise,
        free_bits=settled.free_bits,
        warm_steps=warm_steps(settled.warm, settled.steps),
        warm_learning_rate=settled.warm_learning_rate,
        warm_end=settled.warm_end,
    )
