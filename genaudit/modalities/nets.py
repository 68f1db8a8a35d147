"""What a modality brings to a family: networks for records that have attributes beside them.

Records are flat here, shape (n, width), whatever they are; the networks give them their shape.
Attributes are one-hot blocks side by side, shape (n, attributes): first those that the model makes
itself, then those that are its condition. Everything that a maker draws comes out of one tensor of
normal noise, so the same noise gives the same records.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

#: Records that are made, or summed up, at a time, and memory that they may take meanwhile: of wide
#: records fewer are taken. Both are part of the promise that a seed gives the same samples.
CHUNK, CHUNK_BYTES = 256, 2 * 2**30

#: Numbers that PyTorch draws in one go: chunks of so many records get the noise of larger ones.
_DRAWN = 16


class Maker(nn.Module, ABC):
    """Makes records from noise and attributes. noise_width: normal numbers for each record."""

    noise_width: int

    def noise(self, n: int, rng: torch.Generator) -> torch.Tensor:
        """Noise of n records, shape (n, noise_width)."""
        return torch.randn(n, self.noise_width, generator=rng, device=rng.device)

    @abstractmethod
    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """Records, shape (n, width), as data has them: whole pixels, one-hot characters.

        temperature: below 1 the likelier is made more often, above 1 less; of text alone.
        """


class Generator(Maker):
    """A maker that learns from what a discriminator says of its records."""

    @abstractmethod
    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Records that gradients flow through, shape (n, width)."""


class LikelihoodGenerator(Generator):
    """A generator that may first learn from records directly (`MediaNets.likelihood`)."""

    @abstractmethod
    def surprise(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of each record in nats, shape (n,)."""


class Decoder(Maker):
    """The second half of a VAE. The latent is the first part of its noise."""

    @abstractmethod
    def surprise(
        self, latent: torch.Tensor, attributes: torch.Tensor, records: torch.Tensor
    ) -> torch.Tensor:
        """Negative log-likelihood of each record given its latent, in nats, shape (n,)."""


class MediaNets(Protocol):
    """Networks of one modality (`modalities.*.nets`), none of which mixes the rows of a batch.

    width: of a flat record. latent: of a VAE. likelihood: whether the generator has one.
    summary_bound: most L2 norm that the summary of a record has.
    """

    width: int
    latent: int
    likelihood: bool
    summary_bound: float

    def records(self, codes: torch.Tensor) -> torch.Tensor:
        """Flat records, shape (n, width), from the codes of a `Codec`, shape (n, ...)."""

    def codes(self, records: torch.Tensor) -> torch.Tensor:
        """Codes of made records; what `Codec.decode` reads."""

    def generator(self) -> Generator:
        """(noise, attributes) -> records."""

    def discriminator(self) -> nn.Module:
        """(records, attributes) -> logits of being real, shape (n, k)."""

    def scored(self, records: torch.Tensor) -> torch.Tensor:
        """What each of the k logits of a record weighs, shape (n, k), summing to 1."""

    def encoder(self) -> nn.Module:
        """(records, attributes) -> mean and log variance of the latent, shape (n, 2 * latent)."""

    def decoder(self) -> Decoder:
        """(latent, attributes) -> records."""

    def summary(self, records: torch.Tensor) -> torch.Tensor:
        """A few numbers of each record whose means tell how far samples are, shape (n, d)."""

    def start_at(self, maker: Maker, summary: torch.Tensor) -> None:
        """Let a fresh maker begin at the mean summary, where it can."""

    def n_bytes(self, batch_size: int) -> int:
        """Memory that training takes, at a guess."""

    def made_bytes(self, n: int) -> int:
        """Memory that making n records takes, noise and records included, at a guess."""


def chunk_of(nets: MediaNets) -> int:
    """Records to make, or to sum up, at a time: `CHUNK`, or what fits into `CHUNK_BYTES`."""
    fit = min(CHUNK, CHUNK_BYTES // nets.made_bytes(1))
    return fit // _DRAWN * _DRAWN or max(1, fit)


def gumbel(normal: torch.Tensor) -> torch.Tensor:
    """Gumbel noise out of normal noise: a level plus it is largest with the level's share."""
    share = torch.special.ndtr(normal.double()).clamp(1e-12, 1 - 1e-12)
    return -torch.log(-torch.log(share)).to(normal.dtype)


def hard(logits: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """One-hot rows of the largest logit, with the gradient of the softmax (straight through)."""
    soft = functional.softmax(logits / temperature, dim=-1)
    whole = functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
    return whole + soft - soft.detach()
