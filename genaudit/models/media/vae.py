"""VAE of images, series, sounds and texts: attributes first, in both halves; all of it is private.

Source: Kingma & Welling 2014; Sohn, Lee, Yan 2015 (conditions); Bowman et al. 2016 (the weight of
the divergence rises); Kingma et al. 2016 (free bits, here of each record).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from genaudit.modalities.nets import Decoder, MediaNets
from genaudit.models.base import Average, Phase, Rows, Tuning, falling
from genaudit.models.media.base import Head, MediaReference, Whole
from genaudit.models.parts import Parts


class MediaVae:
    """A VAE of records with attributes."""

    def __init__(
        self, nets: MediaNets, blocks: tuple[int, ...], reference: MediaReference, tuning: Tuning,
        rng: torch.Generator,
    ) -> None:  # fmt: skip
        self.nets, self.reference, self.tuning, self.rng = nets, reference, tuning, rng
        device = reference.conditions.device
        decoder = nets.decoder()
        nets.start_at(decoder, reference.summary.cpu())
        head = Head(blocks, reference.conditions.shape[1])
        head.start_at(reference.marginals)
        self.module = _Halves(nets.encoder(), Whole(head, decoder)).to(device)
        self.average = Average(self.module.whole, tuning.average)
        self.released = self.average.shadow
        self._steps = torch.zeros((), dtype=torch.int64)
        self._optimizer = torch.optim.Adam(
            self.module.parameters(), lr=tuning.private_learning_rate
        )
        falling(self._optimizer, tuning.private_learning_rate, tuning.warm_end, tuning.steps)

    def start(self) -> None:
        """Nothing: the decoder starts at the mean summary."""

    def phases(self) -> list[Phase]:
        """One phase: the evidence lower bound on records."""
        return [
            Phase(
                name="likelihood", private=self.module, steps=self.tuning.steps, rows=self._rows,
                losses=self._losses, optimizer=self._optimizer, public_step=self._public_step,
            )
        ]  # fmt: skip

    def finish(self) -> None:
        """Nothing: the average is what is released."""

    def parts(self) -> Parts:
        """Both halves and the average."""
        return Parts(
            modules={"halves": self.module, "average": self.average.shadow},
            optimizers={"halves": self._optimizer},
            counts={"steps": self._steps, "averaged": self.average.n},
            rng=self.rng,
        )

    def log_weight(
        self, records: torch.Tensor, conditions: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Log p(x, z) - log q(z | x) in nats, shape (n,), as that of a table (`models.vae`)."""
        surprise, mean, log_variance = self.module.seen(records, conditions, noise)
        latent = mean + noise * (0.5 * log_variance).exp()
        gain = 0.5 * (noise.square() + log_variance - latent.square()).sum(1)
        return gain - surprise

    def _rows(self, records: torch.Tensor, conditions: torch.Tensor, rng: torch.Generator) -> Rows:
        noise = torch.randn(len(records), self.nets.latent, generator=rng, device=records.device)
        return records, conditions, noise

    def _losses(
        self, records: torch.Tensor, conditions: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        surprise, divergence = self.module(records, conditions, noise)
        risen = (int(self._steps) + 1) / max(1.0, self.tuning.kl_rise * self.tuning.steps)
        # Free bits are of each record: a mean over the batch would tie records to each other.
        kept = divergence.clamp(min=self.tuning.free_bits)
        return surprise + self.tuning.kl * min(1.0, risen) * kept

    def _public_step(self) -> Mapping[str, float]:
        self._steps += 1
        self.average.update()
        return {}


class _Halves(nn.Module):
    """Encoder, and the decoder behind the head of attributes, as one module."""

    def __init__(self, encoder: nn.Module, whole: Whole) -> None:
        super().__init__()
        self.encoder, self.whole = encoder, whole

    def forward(
        self, records: torch.Tensor, conditions: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Surprise of each record and its attributes, and divergence of its latent, in nats."""
        surprise, mean, log_variance = self.seen(records, conditions, noise)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return surprise, divergence

    def seen(
        self, records: torch.Tensor, conditions: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Surprise of each record and its attributes; mean and log variance of its latent."""
        head, decoder = self.whole.head, self.whole.maker
        assert isinstance(decoder, Decoder)
        width = records.shape[1] - head.width
        made = records[:, width:]
        records, attributes = records[:, :width], torch.cat([made, conditions], 1)
        mean, log_variance = self.encoder(records, attributes).chunk(2, dim=1)
        # Beyond these a standard deviation is 0.01 or 20: no latent means more than that.
        log_variance = log_variance.clamp(-9.0, 6.0)
        latent = mean + noise * (0.5 * log_variance).exp()
        surprise = decoder.surprise(latent, attributes, records) + head.surprise(made, conditions)
        return surprise, mean, log_variance
