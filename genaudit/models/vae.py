"""Variational autoencoder with the condition in both halves; records are drawn from its likelihood.

Under differential privacy encoder and decoder are one private module. What is released is a mixture
of what the decoder makes of a few hundred draws of the latent, brought to the marginals: clipping
gives records with large gradients less weight, and marginals, which are paid for, set that right.

Source: Kingma & Welling 2014; Sohn, Lee, Yan 2015 (conditions).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from genaudit.models import pairs
from genaudit.models.base import Average, Nets, Phase, Reference, Rows, Tuning
from genaudit.models.parts import Parts

#: Learning rate of the mixture on the marginals.
FIT_RATE = 0.02

#: Draws of the latent that live quality looks at.
_LOOK_AT = 1024


class Vae:
    """A VAE; with a condition of width 0 an unconditional one."""

    def __init__(
        self, nets: Nets, reference: Reference, tuning: Tuning, rng: torch.Generator
    ) -> None:
        self.nets, self.reference, self.tuning, self.rng = nets, reference, tuning, rng
        decoder = nets.decoder()
        nets.start_at(decoder, reference.marginals[: len(nets.blocks)])
        self.module = _Halves(nets.encoder(), decoder).to(reference.conditions.device)
        self.average = Average(self.module.decoder, tuning.average)
        self.released = nets.mixture().to(reference.conditions.device)
        self._optimizer = torch.optim.Adam(
            self.module.parameters(), lr=tuning.private_learning_rate
        )

    def start(self) -> None:
        """Nothing: the decoder starts at the marginals of single columns."""

    def phases(self) -> list[Phase]:
        """One phase: the evidence lower bound on records, all of it private."""
        return [
            Phase(
                name="likelihood",
                private=self.module,
                steps=self.tuning.steps,
                rows=self._rows,
                losses=self._losses,
                optimizer=self._optimizer,
                public_step=self._public_step,
            )
        ]

    def finish(self) -> None:
        """Take what the decoder makes of a few hundred latents, and bring it to the marginals."""
        self.gather()
        pairs.fit(self.released, self.reference.pairs, steps=self.tuning.fit_steps,
                  learning_rate=FIT_RATE, rng=self.chance())  # fmt: skip

    def gather(self) -> None:
        """Let the mixture be what the decoder makes of a few hundred latents."""
        logits, conditions = self._made(len(self.released.weight), self.rng)
        self.released.start_at(logits, conditions, self.reference.flat())

    def chance(self) -> np.random.Generator:
        """For the choice of marginals that are looked at."""
        return np.random.default_rng(0xFA1)

    def parts(self) -> Parts:
        """Encoder, decoder and its average."""
        return Parts(
            modules={"halves": self.module, "average": self.average.shadow},
            optimizers={"halves": self._optimizer},
            counts={"averaged": self.average.n},
            rng=self.rng,
        )

    def shares(self) -> torch.Tensor:
        """Share of each cell that the decoder makes."""
        rng = torch.Generator(self.reference.conditions.device).manual_seed(0)
        logits, conditions = self._made(_LOOK_AT, rng)
        return torch.cat([self.nets.shares(logits), conditions], dim=1).mean(0)

    def log_weight(
        self, records: torch.Tensor, conditions: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Log p(x, z) - log q(z | x) in nats, shape (n,), of one draw of each record's latent.

        Its mean over draws is the evidence lower bound; the log of the mean of its exponential is
        that of Burda, Grosse, Salakhutdinov 2016, a tighter one.
        """
        logits, mean, log_variance = self.module(records, conditions, noise)
        latent = mean + noise * (0.5 * log_variance).exp()
        gain = 0.5 * (noise.square() + log_variance - latent.square()).sum(1)
        return gain - self.nets.surprise(logits, records)

    @torch.no_grad()
    def _made(self, n: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of n records and their conditions."""
        conditions = self.reference.draw(n, rng)
        noise = torch.randn(n, self.nets.latent, generator=rng, device=conditions.device)
        return self.average.shadow(torch.cat([noise, conditions], dim=1)), conditions

    def _rows(self, records: torch.Tensor, conditions: torch.Tensor, rng: torch.Generator) -> Rows:
        noise = torch.randn(len(records), self.nets.latent, generator=rng, device=records.device)
        return records, conditions, noise

    def _losses(
        self, records: torch.Tensor, conditions: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        logits, mean, log_variance = self.module(records, conditions, noise)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return self.nets.surprise(logits, records) + self.tuning.kl * divergence

    def _public_step(self) -> Mapping[str, float]:
        self.average.update()
        return {}


class _Halves(nn.Module):
    """Encoder and decoder as one module, so that one regime wraps both."""

    def __init__(self, encoder: nn.Sequential, decoder: nn.Sequential) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(
        self, records: torch.Tensor, conditions: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean, log_variance = self.encoder(torch.cat([records, conditions], 1)).chunk(2, dim=1)
        # Beyond these a standard deviation is 0.01 or 20: no latent means more than that.
        log_variance = log_variance.clamp(-9.0, 6.0)
        latent = mean + noise * (0.5 * log_variance).exp()
        return self.decoder(torch.cat([latent, conditions], 1)), mean, log_variance
