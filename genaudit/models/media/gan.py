"""GAN and CGAN of images, series, sounds and texts: the discriminator alone sees records.

A generator that knows its own likelihood may first learn from records directly (a warm start); that
is a phase of its own, whose private module is the generator.

Source: Goodfellow et al. 2014 (non-saturating loss); Esteban, Hyland, Rätsch 2017 (every step of a
series is scored); Mescheder, Geiger, Nowozin 2018 (R1); Bie, Kamath, Zhang 2023 (only the
discriminator need be private; clip real and made rows alike).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from genaudit.modalities.nets import Generator, LikelihoodGenerator, MediaNets
from genaudit.models.base import Average, Phase, Rows, Tuning, falling
from genaudit.models.media import invert
from genaudit.models.media.base import Head, MediaReference, Whole
from genaudit.models.parts import Parts

#: Divergence in nats up to which shares of attributes are the discriminator's affair alone, and the
#: weight of what is beyond: enough to keep a value from being lost, and nothing else.
_FREE, _MARGINALS = 0.02, 10.0


class MediaGan:
    """A GAN of records with attributes; what is no condition is made by the generator's head."""

    def __init__(
        self, nets: MediaNets, blocks: tuple[int, ...], reference: MediaReference, tuning: Tuning,
        rng: torch.Generator,
    ) -> None:  # fmt: skip
        self.nets, self.reference, self.tuning, self.rng = nets, reference, tuning, rng
        device = reference.conditions.device
        generator = nets.generator()
        nets.start_at(generator, reference.summary.cpu())
        head = Head(blocks, reference.conditions.shape[1], chained=nets.likelihood)
        head.start_at(reference.marginals)
        self.generator = Whole(head, generator).to(device)
        self.discriminator = nets.discriminator().to(device)
        self.average = Average(self.generator, tuning.average)
        self.released = self.average.shadow
        self._steps = torch.zeros((), dtype=torch.int64)
        self._warm = _Likelihood(self.generator)
        betas = (0.5, 0.9)
        self._optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=tuning.learning_rate, betas=betas
        )
        self._private_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=tuning.private_learning_rate, betas=betas
        )
        self._warm_optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=tuning.warm_learning_rate
        )
        falling(self._warm_optimizer, tuning.warm_learning_rate, tuning.warm_end, tuning.warm_steps)

    def start(self) -> None:
        """Nothing: the generator starts at the mean summary."""

    def phases(self) -> list[Phase]:
        """A warm start where there is one, then records and made records by turns."""
        warm = self.tuning.warm_steps if self.nets.likelihood else 0
        first = Phase(
            name="likelihood", private=self._warm, steps=warm, rows=_as_they_are,
            losses=self._warm,
            optimizer=self._warm_optimizer, public_step=self._warm_step,
            rates=("warm_learning_rate",),
        )  # fmt: skip
        second = Phase(
            name="adversarial", private=self.discriminator, steps=self.tuning.steps - warm,
            rows=self._rows, losses=self._losses, optimizer=self._private_optimizer,
            public_step=self._public_step, n_extra=self.tuning.n_fakes,
            penalty=self._penalty if self.tuning.r1 else None,
            rates=("learning_rate", "private_learning_rate"),
        )  # fmt: skip
        return [phase for phase in (first, second) if phase.steps]

    def finish(self) -> None:
        """Nothing: the average is what is released."""

    def parts(self) -> Parts:
        """Both networks, the average, and their optimizers."""
        return Parts(
            modules={
                "generator": self.generator,
                "discriminator": self.discriminator,
                "average": self.average.shadow,
            },
            optimizers={
                "generator": self._optimizer,
                "discriminator": self._private_optimizer,
                "warm": self._warm_optimizer,
            },
            counts={"steps": self._steps, "averaged": self.average.n},
            rng=self.rng,
        )

    def realness(self, records: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """What the discriminator says of records: the mean logit of being real, shape (n,)."""
        logits, weights = self._judged(torch.cat([records, conditions], 1))
        return (logits * weights).sum(1)

    def misfit(
        self, records: torch.Tensor, conditions: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Least mean squared distance found to what a latent makes, shape (n,).

        Latents make records with the same attributes; a limited search, so no less than the least.
        """
        attributes = torch.cat([records[:, self.nets.width :], conditions], 1)
        maker = self.released.maker
        assert isinstance(maker, Generator)
        return invert.misfit(maker, records[:, : self.nets.width], attributes, rng)

    def surprise(self, records: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of records and attributes in nats, shape (n,), teacher-forced.

        Only where its networks say that they know it (`MediaNets.likelihood`).
        """
        found: torch.Tensor = self._warm(records, conditions)
        return found

    def _rows(self, records: torch.Tensor, conditions: torch.Tensor, _: torch.Generator) -> Rows:
        with torch.no_grad():
            fakes = self._fakes()
        pairs = torch.cat([torch.cat([records, conditions], 1), fakes])
        real = torch.zeros(len(pairs), device=pairs.device)
        real[: len(records)] = 1.0
        return pairs, real

    def _losses(self, pairs: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        logits, weights = self._judged(pairs)
        wanted = real[:, None].expand_as(logits)
        each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return (each * weights).sum(1)

    def _judged(self, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of records with attributes, and what each of them weighs."""
        records, attributes = pairs[:, : self.nets.width], pairs[:, self.nets.width :]
        return self.discriminator(records, attributes), self.nets.scored(records)

    def _warm_step(self) -> Mapping[str, float]:
        self.average.update()
        return {}

    def _public_step(self) -> Mapping[str, float]:
        self._steps += 1
        if int(self._steps) % self.tuning.n_critic:
            return {}
        logits, weights = self._judged(self._fakes())
        loss = (functional.softplus(-logits) * weights.detach()).sum(1).mean() + self._apart()
        # Gradients of the generator alone: the discriminator's stay as they are.
        parameters = list(self.generator.parameters())
        grads = torch.autograd.grad(loss, parameters, allow_unused=True)
        for p, grad in zip(parameters, grads, strict=True):
            p.grad = grad
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.average.update()
        return {"generator_loss": float(loss.detach())}

    def _apart(self) -> torch.Tensor | float:
        """What keeps rare attributes: a discriminator forgives a generator that makes none."""
        head = self.generator.head
        if not head.blocks:
            return 0.0
        given = self.reference.draw(self.tuning.n_fakes, self.rng)
        noise, _ = self.generator.noise(len(given), self.rng)
        apart = head.apart(noise, given, self.reference.marginals)
        return _MARGINALS * torch.relu(apart - _FREE)

    def _fakes(self) -> torch.Tensor:
        """Made records with attributes, shape (n_fakes, width + attributes)."""
        given = self.reference.draw(self.tuning.n_fakes, self.rng)
        head, noise = self.generator.noise(len(given), self.rng)
        attributes = torch.cat([self.generator.head(head, given), given], 1)
        generator = self.generator.maker
        assert isinstance(generator, Generator)
        return torch.cat([generator(noise, attributes), attributes], 1)

    def _penalty(self, rows: Rows, n_records: int) -> torch.Tensor:
        """R1: half the squared slope of the discriminator at records."""
        pairs = rows[0][:n_records].detach().requires_grad_(True)
        logits, weights = self._judged(pairs)
        (slope,) = torch.autograd.grad((logits * weights).sum(), pairs, create_graph=True)
        return 0.5 * self.tuning.r1 * slope.square().sum(1).mean()


class _Likelihood(nn.Module):
    """Surprise of records and attributes under the generator: the module of a warm start."""

    def __init__(self, generator: Whole) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, records: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        head, maker = self.generator.head, self.generator.maker
        assert isinstance(maker, LikelihoodGenerator), "its networks say that it has one"
        width = records.shape[1] - head.width
        made = records[:, width:]
        surprise = maker.surprise(records[:, :width], torch.cat([made, conditions], 1))
        return surprise + head.surprise(made, conditions)


def _as_they_are(records: torch.Tensor, conditions: torch.Tensor, _: torch.Generator) -> Rows:
    return records, conditions
