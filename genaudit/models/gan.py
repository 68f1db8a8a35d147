"""Generative adversarial networks: a discriminator that sees records, a generator that never does.

Source: Goodfellow et al. 2014 (non-saturating loss); Mescheder, Geiger, Nowozin 2018 (R1 penalty);
Bie, Kamath, Zhang 2023 (only the discriminator need be private; clip real and made rows alike).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from genaudit.models.base import Average, Nets, Phase, Reference, Rows, Tuning, made
from genaudit.models.parts import Parts


class Gan:
    """A GAN; with a condition of width 0 an unconditional one (`cgan` gives it conditions)."""

    def __init__(
        self, nets: Nets, reference: Reference, tuning: Tuning, rng: torch.Generator
    ) -> None:
        self.nets, self.reference, self.tuning, self.rng = nets, reference, tuning, rng
        device = reference.conditions.device
        self.generator: nn.Sequential = nets.generator().to(device)
        self.discriminator: nn.Sequential = nets.discriminator().to(device)
        nets.start_at(self.generator, reference.marginals)
        self.average = Average(self.generator, tuning.average)
        self.released = self.average.shadow
        self._marginals = reference.flat()
        self._steps = torch.zeros((), dtype=torch.int64)
        betas = (0.5, 0.9)
        self._optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=tuning.learning_rate, betas=betas
        )
        self._private_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=tuning.private_learning_rate, betas=betas
        )

    def phases(self) -> list[Phase]:
        """One phase: a step of the discriminator on records, then one of the generator on none."""
        return [
            Phase(
                name="adversarial",
                private=self.discriminator,
                steps=self.tuning.steps,
                rows=self._rows,
                losses=self._losses,
                optimizer=self._private_optimizer,
                public_step=self._public_step,
                n_extra=self.tuning.n_fakes,
                penalty=self._penalty if self.tuning.r1 else None,
            )
        ]

    def finish(self) -> None:
        """Nothing: the average of the generator's weights is what is released."""

    def parts(self) -> Parts:
        """Both networks, the average, and their optimizers."""
        return Parts(
            modules={
                "generator": self.generator,
                "discriminator": self.discriminator,
                "average": self.average.shadow,
            },
            optimizers={"generator": self._optimizer, "discriminator": self._private_optimizer},
            counts={"steps": self._steps, "averaged": self.average.n},
            rng=self.rng,
        )

    def _rows(self, records: torch.Tensor, conditions: torch.Tensor, _: torch.Generator) -> Rows:
        with torch.no_grad():
            fakes, fake_conditions = self._fakes(self.tuning.n_fakes)
        pairs = torch.cat(
            [torch.cat([records, conditions], 1), torch.cat([fakes, fake_conditions], 1)]
        )
        real = torch.zeros(len(pairs), device=pairs.device)
        real[: len(records)] = 1.0
        return pairs, real

    def _losses(self, pairs: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        logits = self.discriminator(pairs).squeeze(1)
        return functional.binary_cross_entropy_with_logits(logits, real, reduction="none")

    def _public_step(self) -> Mapping[str, float]:
        self._steps += 1
        if int(self._steps) % self.tuning.n_critic:
            return {}
        logits, conditions = made(
            self.generator, self.tuning.n_fakes, self.nets, self.reference, self.rng
        )
        fakes = self.nets.relaxed(logits, self.tuning.tau, self.rng)
        scores = self.discriminator(torch.cat([fakes, conditions], 1))
        loss = functional.softplus(-scores).mean()
        if self.tuning.pull:
            distance = self.nets.shares(logits).mean(0) - self._marginals
            loss = loss + self.tuning.pull * distance.square().sum()
        # Gradients of the generator alone: the discriminator's stay as they are.
        parameters = list(self.generator.parameters())
        for p, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.grad = grad
        self._optimizer.step()
        self.average.update()
        return {"generator_loss": float(loss.detach())}

    def _fakes(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        logits, conditions = made(self.generator, n, self.nets, self.reference, self.rng)
        return self.nets.relaxed(logits, self.tuning.tau, self.rng), conditions

    def _penalty(self, rows: Rows, n_records: int) -> torch.Tensor:
        """R1: half the squared slope of the discriminator at records."""
        records = rows[0][:n_records].detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(
            self.discriminator(records).sum(), records, create_graph=True
        )
        return 0.5 * self.tuning.r1 * slope.square().sum(1).mean()
