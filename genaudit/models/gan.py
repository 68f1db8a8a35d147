"""Generative adversarial networks: a discriminator that sees records, a generator that never does.

The generator of a table is a mixture, so the likelihood of every made record is known, and it
learns by weighing: records that the discriminator takes for real become likelier. Nothing has to be
relaxed for gradients to flow. It starts at the two-way marginals and is held near them, so what is
left for the discriminator to find is what marginals do not show.

Source: Goodfellow et al. 2014; Hjelm et al. 2018 ("boundary-seeking", discrete records); Mescheder,
Geiger, Nowozin 2018 (R1 penalty); Bie, Kamath, Zhang 2023 (only the discriminator need be private;
clip real and made rows alike).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.func import grad
from torch.nn import functional

from genaudit.modalities.table.mixture import Mixture
from genaudit.models import pairs
from genaudit.models.base import Average, Nets, Phase, Reference, Rows, Tuning
from genaudit.models.parts import Parts

#: Learning rates of a mixture on the marginals alone: at the start, and once training has ended.
START_RATE, END_RATE = 0.05, 0.01

#: No made record weighs more than e^this times another: a discriminator may be too sure.
_SUREST = 3.0


class Gan:
    """A GAN; with a condition of width 0 an unconditional one (`cgan` gives it conditions)."""

    def __init__(
        self, nets: Nets, reference: Reference, tuning: Tuning, rng: torch.Generator
    ) -> None:
        self.nets, self.reference, self.tuning, self.rng = nets, reference, tuning, rng
        device = reference.conditions.device
        self.generator = nets.mixture().to(device)
        self.discriminator = nets.discriminator().to(device)
        self.generator.start(reference.flat(), rng)
        self.average = Average(self.generator, tuning.average)
        self.released = self.average.shadow
        self._steps = torch.zeros((), dtype=torch.int64)
        betas = (0.5, 0.9)
        self._optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=tuning.learning_rate, betas=betas
        )
        self._private_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=tuning.private_learning_rate, betas=betas
        )

    def start(self) -> None:
        """Fit the generator to the marginals."""
        pairs.fit(self.generator, self.reference.pairs, steps=self.tuning.fit_steps,
                  learning_rate=START_RATE, rng=self.chance())  # fmt: skip
        self.released.load_state_dict(self.generator.state_dict())

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
                rates=("learning_rate", "private_learning_rate"),
            )
        ]

    def finish(self) -> None:
        """Bring the average of the generator's weights to the marginals again."""
        pairs.fit(self.released, self.reference.pairs, steps=max(1, self.tuning.fit_steps // 4),
                  learning_rate=END_RATE, rng=self.chance())  # fmt: skip

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

    @torch.no_grad()
    def shares(self) -> torch.Tensor:
        """Share of each cell that the average makes."""
        return self.released.marginals()

    def realness(self, records: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """What the discriminator says of records: the logit of being real, shape (n,)."""
        logits: torch.Tensor = self.discriminator(torch.cat([records, conditions], 1))
        return logits.squeeze(1)

    @torch.no_grad()
    def misfit(
        self, records: torch.Tensor, conditions: torch.Tensor, _: torch.Generator
    ) -> torch.Tensor:
        """Least squared distance of each record to what a latent makes, shape (n,).

        The latents of a mixture are its components, and what one makes is a share of each cell, so
        that the least is taken over all of them, exactly.
        """
        wanted = torch.cat([records, conditions], 1)
        made = self.released.filled(self.released.log_shares().exp())
        crossed = made.square().sum(1) - 2 * wanted @ made.T
        return wanted.square().sum(1) + crossed.min(1).values

    def _rows(self, records: torch.Tensor, conditions: torch.Tensor, _: torch.Generator) -> Rows:
        fakes = self._fakes()
        pairs = torch.cat([torch.cat([records, conditions], 1), fakes])
        real = torch.zeros(len(pairs), device=pairs.device)
        real[: len(records)] = 1.0
        return pairs, real

    def _losses(self, pairs: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        logits = self.discriminator(pairs).squeeze(1)
        return functional.binary_cross_entropy_with_logits(logits, real, reduction="none")

    def _public_step(self) -> Mapping[str, float]:
        if not self.stepped():
            return {}
        fakes = self._fakes()
        with torch.no_grad():
            words = self.discriminator(fakes).squeeze(1)
        loss = self.generator_loss(self.generator, fakes, words, self.reference.pairs)
        # Gradients of the generator alone: the discriminator's stay as they are.
        parameters = list(self.generator.parameters())
        for p, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.grad = slope
        self._optimizer.step()
        self.average.update()
        return {"generator_loss": float(loss.detach())}

    def generator_loss(
        self, generator: Mixture, fakes: torch.Tensor, words: torch.Tensor, known: pairs.Pairs
    ) -> torch.Tensor:
        """What a step of the generator lowers, a scalar.

        Args:
            generator: That made the records.
            fakes: Made records, shape (n, width).
            words: What the discriminator says of them, shape (n,); no gradient goes there.
            known: Marginals of its records.
        """
        words = (words - words.max()).clamp(min=-_SUREST)
        weights = functional.softmax(words, dim=0)
        # Less the mean, which changes nothing in expectation and takes most of the chance out.
        weights = weights - weights.mean()
        likelihood = generator.log_likelihood(fakes, self.nets.condition)
        loss = -(weights * likelihood).sum()
        return loss + self.tuning.pull * known.loss(generator, self.chance())

    def stepped(self) -> bool:
        """Count a step of the discriminator; whether one of the generator follows."""
        self._steps += 1
        return int(self._steps) % self.tuning.n_critic == 0

    def _fakes(self) -> torch.Tensor:
        conditions = self.reference.draw(self.tuning.n_fakes, self.rng)
        return self.generator.draw(conditions, self.rng)

    def chance(self) -> np.random.Generator:
        """For the choice of marginals that are looked at; the same after the same steps."""
        return np.random.default_rng([int(self._steps), 0xFA1])

    def _penalty(self, rows: Rows, n_records: int) -> torch.Tensor:
        """R1: half the squared slope of the discriminator at records."""
        # In this form the slopes of several discriminators can be had in one go.
        slope = grad(lambda records: self.discriminator(records).sum())(rows[0][:n_records])
        return 0.5 * self.tuning.r1 * slope.square().sum(1).mean()
