"""Networks for series of several channels and free lengths, recurrent or not.

A flat record is a code of `SequenceCodec` laid out step by step: channels, then the mask. Whatever
reads a record also sees it relative to its own middle and range, a function of the row alone, so
that series of very different levels are told by their shapes.

Source: Esteban, Hyland, Rätsch 2017 (RCGAN: noise and condition at every step, every step scored);
Mogren 2016 (a generator fed with its own steps); Radford, Metz, Chintala 2016 (DCGAN, here along
time); Lin et al. 2020 (DoppelGANger: attributes, then the range of a series, then its shape);
Fabius, van Amersfoort 2015 (VAE of two recurrent networks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from genaudit.modalities.gru import beside, states_of
from genaudit.modalities.nets import Decoder, Generator, LikelihoodGenerator, Maker
from genaudit.modalities.sequence.codec import SequenceCodec
from genaudit.modalities.sequence.steps import Lengths, Series, relative

#: Parts of a series, by its own length, of which the summary has the mean of each channel.
_PARTS = 4

#: Most cells of the summary's histogram of lengths.
_LENGTH_CELLS = 16

#: Normal numbers of a series that networks which are not recurrent draw.
_LATENT = 32

#: Channels of noise of each step of these.
_STEP_NOISE = 8


def nets(
    codec: SequenceCodec,
    attributes: int,
    *,
    recurrent: bool = False,
    hidden: int | Sequence[int] | None = None,
    latent: int | None = None,
    scaled: bool = True,
) -> SequenceNets:
    """The networks for series.

    Args:
        codec: Of the series.
        attributes: Width of their one-hot attributes, 0 for none.
        recurrent: Whether generator and discriminator go step by step.
        hidden: Width of the recurrent states and of the convolutions (the first, of several).
        latent: Of a VAE.
        scaled: Whether a recurrent maker draws the range of a series first: sharper where levels
            differ widely, and more to learn; under much noise it is better left out.
    """
    width = hidden if isinstance(hidden, int) else hidden[0] if hidden else 64
    steps, channels = codec.shape[0], codec.shape[1] - 1
    return SequenceNets(steps, channels, attributes, recurrent, width, latent or 16, scaled)


@dataclass(frozen=True)
class SequenceNets:
    """Builds the networks of series.

    steps, channels: of a code. attributes: their width. hidden: width of the networks.
    scaled: whether recurrent makers draw the range of a series first.
    """

    steps: int
    channels: int
    attributes: int
    recurrent: bool = False
    hidden: int = 64
    latent: int = 16
    scaled: bool = True

    @property
    def width(self) -> int:
        """Numbers of a flat record."""
        return self.steps * (self.channels + 1)

    @property
    def likelihood(self) -> bool:
        """A recurrent generator knows its likelihood."""
        return self.recurrent

    @property
    def summary_bound(self) -> float:
        """Each of the three parts of a summary has an L2 norm of at most 1."""
        return 3**0.5

    def records(self, codes: torch.Tensor) -> torch.Tensor:
        """Flat records, shape (n, width), from codes, shape (n, steps, channels + 1)."""
        return codes.reshape(len(codes), self.width)

    def codes(self, records: torch.Tensor) -> torch.Tensor:
        """Codes, shape (n, steps, channels + 1), from flat records."""
        return records.reshape(len(records), self.steps, self.channels + 1)

    def whole(self, made: torch.Tensor) -> torch.Tensor:
        """Made records with masks of 0 and 1: going straight through leaves a rounding error."""
        codes = self.codes(made)
        return _join(codes[:, :, :-1], codes[:, :, -1].round())

    def generator(self) -> Generator:
        """(noise, attributes) -> records."""
        return _StepGenerator(self) if self.recurrent else _WholeGenerator(self)

    def discriminator(self) -> nn.Module:
        """(records, attributes) -> logits, one for each step, or for the whole series."""
        seen = _Sight(self)
        return StepJudge(seen) if self.recurrent else WholeJudge(seen, 2 * self.hidden)

    def scored(self, records: torch.Tensor) -> torch.Tensor:
        """Weights of the logits, shape (n, k): the steps that are there weigh the same."""
        if not self.recurrent:
            return records.new_ones(len(records), 1)
        mask = self.codes(records)[:, :, -1]
        return mask / mask.sum(1, keepdim=True).clamp(min=1.0)

    def encoder(self) -> nn.Module:
        """(records, attributes) -> mean and log variance of the latent."""
        return _Encoder(self)

    def decoder(self) -> Decoder:
        """(latent, attributes) -> records."""
        return _Decoder(self)

    def summary(self, records: torch.Tensor) -> torch.Tensor:
        """Length, course and squares of each record, shape (n, d).

        One of up to 16 cells for its length; the mean of each channel over each of four parts of
        the series; the mean square of each channel.
        """
        codes = self.codes(records)
        x, mask = codes[:, :, :-1], codes[:, :, -1]
        length = mask.sum(1)
        cells = self._cells(records.device)[(length.long() - 1).clamp(0, self.steps - 1)]
        one_hot = functional.one_hot(cells, self._n_cells).to(x.dtype)
        place = torch.arange(self.steps, device=x.device) / length.clamp(min=1.0)[:, None]
        part = (place * _PARTS).long().clamp(max=_PARTS - 1)
        share = functional.one_hot(part, _PARTS).to(x.dtype) * mask[:, :, None]
        share = share / share.sum(1, keepdim=True).clamp(min=1.0)
        course = torch.einsum("ntp,ntc->npc", share, x) / (_PARTS * self.channels) ** 0.5
        squares = (x.square() * mask[:, :, None]).sum(1) / length.clamp(min=1.0)[:, None]
        return torch.cat([one_hot, course.flatten(1), squares / self.channels**0.5], 1)

    def start_at(self, maker: Maker, summary: torch.Tensor) -> None:
        """Let lengths, levels and spreads of a fresh maker begin at the mean summary."""
        assert isinstance(maker, _StepGenerator | _WholeGenerator | _Decoder)
        n, c = self._n_cells, self.channels
        cells = summary[:n].clamp(min=0.0)
        # What noise alone may have put there is nothing.
        cells = torch.where(cells < 0.2 / n, torch.zeros(()), cells)
        cell_of = self._cells(cells.device)
        shares = (cells / torch.bincount(cell_of, minlength=n))[cell_of]
        course = summary[n : n + _PARTS * c].reshape(_PARTS, c) * (_PARTS * c) ** 0.5
        centre = course.mean(0).clamp(-1.0, 1.0)
        square = summary[n + _PARTS * c :] * c**0.5
        spread = (square - centre.square()).clamp(min=0.02**2, max=1.0).sqrt()
        maker.start_at(shares / shares.sum().clamp(min=1e-6), centre, spread)

    def n_bytes(self, batch_size: int) -> int:
        """Memory that training takes, at a guess: states of all steps, and weights five times."""
        c, h = self.channels, self.hidden
        each = self.steps * (12 * h + 40 * c) + 2 * c * c
        weights = 8 * h * (h + 3 * c + self.attributes + self.latent) + self.width * h
        return 4 * (2 * batch_size * each + 10 * weights)

    def made_bytes(self, n: int) -> int:
        """Memory that making n series takes, at a guess: noise, states and values of all steps."""
        return 4 * n * self.steps * (6 * self.hidden + 36 * self.channels)

    @property
    def _n_cells(self) -> int:
        return min(self.steps, _LENGTH_CELLS)

    def _cells(self, device: torch.device) -> torch.Tensor:
        """Cell of each length from 1 on, shape (steps,); the longest has one for itself."""
        n = self._n_cells
        cells = torch.arange(self.steps, device=device) * (n - 1) // max(self.steps - 1, 1)
        cells[-1] = n - 1
        return cells


def joined(*parts: torch.Tensor) -> torch.Tensor:
    """Parts side by side and a column of ones, so that it is never empty."""
    return torch.cat([*parts, parts[0].new_ones(len(parts[0]), 1)], 1)


def _join(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A flat record; nothing stands beyond the end of a series."""
    return torch.cat([x * mask[:, :, None], mask[:, :, None]], 2).flatten(1)


class Sight(Protocol):
    """What a judge or an encoder sees of a record at each step; it has no weights.

    width: numbers at each step.
    """

    width: int

    @property
    def of(self) -> SequenceNets:
        """The networks that it belongs to."""

    def __call__(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Shape (n, steps, width)."""


class _Sight:
    """What is seen of a series."""

    def __init__(self, of: SequenceNets) -> None:
        self.of = of
        self.width = 4 * of.channels + 1 + of.attributes

    def __call__(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Values, values relative to the series, its range, mask, attributes: (n, steps, seen)."""
        return beside(*self.parts(records, attributes))

    def parts(
        self, records: torch.Tensor, attributes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of these: codes and shape at each step, and what is the same at all, shape (n, d)."""
        codes = self.of.codes(records)
        x, mask = codes[:, :, :-1], codes[:, :, -1]
        shape, middle, half = relative(x, mask)
        # The logarithm of a range: as much to see where ranges are small as where they are large.
        fixed = torch.cat([middle, half.log() / 4, attributes], 1)
        return codes, shape, fixed


class StepJudge(nn.Module):
    """A logit of each step, of all steps up to it."""

    def __init__(self, see: Sight) -> None:
        super().__init__()
        self.see = see
        self.recurrent = nn.GRU(see.width, see.of.hidden, batch_first=True)
        self.head = nn.Linear(see.of.hidden, 1)

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, steps)."""
        states, _ = self.recurrent(self.see(records, attributes))
        logits: torch.Tensor = self.head(states).squeeze(2)
        return logits


class WholeJudge(nn.Module):
    """One logit of a record. inner: channels of its second layer."""

    def __init__(self, see: Sight, inner: int) -> None:
        super().__init__()
        self.see = see
        h = see.of.hidden
        self.layers = nn.Sequential(
            nn.Conv1d(see.width, h, 5, stride=2, padding=2), nn.LeakyReLU(0.2),
            nn.Conv1d(h, inner, 5, stride=2, padding=2), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(inner * _quarter(see.of.steps), 1),
        )  # fmt: skip

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 1)."""
        logit: torch.Tensor = self.layers(self.see(records, attributes).transpose(1, 2))
        return logit


class _Encoder(nn.Module):
    """Mean and log variance of the latent, from all steps that are there."""

    def __init__(self, of: SequenceNets) -> None:
        super().__init__()
        self.of, self.see = of, _Sight(of)
        self.recurrent = nn.GRU(self.see.width, of.hidden, batch_first=True)
        self.head = nn.Linear(2 * of.hidden, 2 * of.latent)

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        states = states_of(self.recurrent, *self.see.parts(records, attributes))
        mask = self.of.codes(records)[:, :, -1:]
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        moments: torch.Tensor = self.head(torch.cat([mean, states[:, -1]], 1))
        return moments


class _StepGenerator(LikelihoodGenerator):
    """Steps one after the other, each out of noise, attributes and the steps before."""

    def __init__(self, of: SequenceNets) -> None:
        super().__init__()
        self.of = of
        self.series = Series(of.steps, of.channels, of.attributes + 1, of.hidden, scaled=of.scaled)
        self.noise_width = self.series.noise_width

    def start_at(self, lengths: torch.Tensor, centre: torch.Tensor, spread: torch.Tensor) -> None:
        self.series.lengths.start_at(lengths)
        self.series.start_at(centre, spread)

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        return _join(*self.series.draw(joined(attributes), noise))

    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        del temperature
        return self.of.whole(self(noise, attributes))

    def surprise(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        codes = self.of.codes(records)
        return self.series.surprise(joined(attributes), codes[:, :, :-1], codes[:, :, -1])


class _Decoder(Decoder):
    """The same with a latent beside the attributes at every step."""

    def __init__(self, of: SequenceNets) -> None:
        super().__init__()
        self.of = of
        context = of.latent + of.attributes + 1
        self.series = Series(of.steps, of.channels, context, of.hidden, scaled=of.scaled)
        self.noise_width = of.latent + self.series.noise_width

    def start_at(self, lengths: torch.Tensor, centre: torch.Tensor, spread: torch.Tensor) -> None:
        self.series.lengths.start_at(lengths)
        self.series.start_at(centre, spread)

    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        del temperature
        context = joined(noise[:, : self.of.latent], attributes)
        return self.of.whole(_join(*self.series.draw(context, noise[:, self.of.latent :])))

    def surprise(
        self, latent: torch.Tensor, attributes: torch.Tensor, records: torch.Tensor
    ) -> torch.Tensor:
        codes = self.of.codes(records)
        context = joined(latent, attributes)
        return self.series.surprise(context, codes[:, :, :-1], codes[:, :, -1])


class _WholeGenerator(Generator):
    """All steps at once: range and length of a series first, then its shape."""

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, of: SequenceNets) -> None:
        super().__init__()
        self.of = of
        h, context = of.hidden, _LATENT + of.attributes + 1
        self.noise_width = _LATENT + of.steps * (1 + _STEP_NOISE)
        self.lengths = Lengths(of.steps, context)
        self.range = nn.Sequential(nn.Linear(context, h), nn.ReLU(), nn.Linear(h, 2 * of.channels))
        self.first = nn.Linear(context + 2 * of.channels, 2 * h * _quarter(of.steps))
        self.rise = nn.Sequential(
            nn.GroupNorm(1, 2 * h), nn.ReLU(), nn.ConvTranspose1d(2 * h, h, 4, stride=2, padding=1),
            nn.GroupNorm(1, h), nn.ReLU(), nn.ConvTranspose1d(h, h, 4, stride=2, padding=1),
        )  # fmt: skip
        self.shape = nn.Sequential(
            nn.Conv1d(h + _STEP_NOISE + 1, h, 5, padding=2), nn.ReLU(),
            nn.Conv1d(h, of.channels, 5, padding=2),
        )  # fmt: skip
        self.register_buffer("centre", torch.zeros(of.channels))
        self.register_buffer("spread", torch.full((of.channels,), 0.5))

    def start_at(self, lengths: torch.Tensor, centre: torch.Tensor, spread: torch.Tensor) -> None:
        self.lengths.start_at(lengths)
        self.centre.copy_(centre)
        self.spread.copy_(spread)

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        n, steps = len(noise), self.of.steps
        widths = [_LATENT, steps, steps * _STEP_NOISE]
        latent, ends, step_noise = torch.split(noise, widths, 1)
        context = joined(latent, attributes)
        mask = self.lengths.draw(context, ends)
        middle, width = self.range(context).chunk(2, 1)
        inner = self.first(torch.cat([context, middle, width], 1))
        inner = self.rise(inner.reshape(n, 2 * self.of.hidden, _quarter(steps)))[:, :, :steps]
        each = step_noise.reshape(n, _STEP_NOISE, steps)
        inner = self.shape(torch.cat([inner, each, mask[:, None]], 1)).transpose(1, 2)
        shape, _, _ = relative(inner, mask)
        middle = self.centre + self.spread * middle
        half = self.spread * functional.softplus(width)
        x = middle[:, None] + half[:, None] * shape
        return _join(x.clamp(-1.0, 1.0), mask)

    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        del temperature
        return self.of.whole(self(noise, attributes))


def _quarter(steps: int) -> int:
    """Steps after two halvings that round up."""
    return (steps + 3) // 4
