"""Networks for sounds as frames: courses of loudness by band that are smooth in time.

A flat record is a code of `AudioCodec` laid out frame by frame: bands, then the mask. What makes a
record draws its length first, and then says of each frame, in one pass, how loud its bands are from
where the frame lies in the sound. No noise is added to frames: it would be heard as hiss.

Source: Esteban, Hyland, Rätsch 2017 (RCGAN: noise and condition at every step, every step scored);
Radford, Metz, Chintala 2016 (DCGAN, here its discriminator along time); Sohn, Lee, Yan 2015
(conditional VAE); Vaswani et al. 2017 (waves that tell a step where it is).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from genaudit.modalities.audio.codec import AudioCodec
from genaudit.modalities.nets import Decoder, Generator, LikelihoodGenerator, Maker
from genaudit.modalities.sequence.nets import (
    SequenceNets,
    StepJudge,
    WholeJudge,
    joined,
)
from genaudit.modalities.sequence.steps import Lengths

#: Waves over a sound, by its own length, that tell a frame where it is: fewest, most, and frames
#: to each of them.
_LEAST_WAVES, _MOST_WAVES, _FRAMES_A_WAVE = 6, 24, 6

#: Frames within which an attack or an end is over.
_EDGE = 2.0

#: Frames of half a second: time that has passed, whatever the length.
_SPAN = 32

#: Normal numbers of a sound that a GAN draws, and of each of its frames.
_LATENT, _FRAME_NOISE = 16, 2

#: What the weights of a generator's noise begin with, as a share of those of the rest.
_QUIET = 0.2

#: Spread of a band around its course in codes, 4 dB: declared, since learning it would take a large
#: part of what a clipped gradient can say.
_SPREAD = 0.1


def nets(
    codec: AudioCodec,
    attributes: int,
    *,
    recurrent: bool = False,
    hidden: int | Sequence[int] | None = None,
    latent: int | None = None,
) -> AudioNets:
    """The networks for sounds.

    Args:
        codec: Of the sounds.
        attributes: Width of their one-hot attributes, 0 for none.
        recurrent: Whether generator and discriminator of a GAN go step by step.
        hidden: Width of the networks (the first, of several).
        latent: Of a VAE.
    """
    width = hidden if isinstance(hidden, int) else hidden[0] if hidden else 96
    steps, channels = codec.shape[0], codec.shape[1] - 1
    return AudioNets(steps, channels, attributes, recurrent, width, latent or 16)


@dataclass(frozen=True)
class AudioNets(SequenceNets):
    """Builds the networks of sounds; records and their summary are as those of series."""

    @property
    def likelihood(self) -> bool:
        """A generator may learn the course that attributes alone foretell."""
        return True

    @property
    def waves(self) -> int:
        """Waves that tell a frame where it is."""
        return min(max(self.steps // _FRAMES_A_WAVE, _LEAST_WAVES), _MOST_WAVES)

    def generator(self) -> Generator:
        """(noise, attributes) -> records."""
        return _Generator(self)

    def discriminator(self) -> nn.Module:
        """(records, attributes) -> logits, one for each frame, or for the whole sound."""
        seen = _Sight(self)
        return StepJudge(seen) if self.recurrent else WholeJudge(seen, self.hidden)

    def encoder(self) -> nn.Module:
        """(records, attributes) -> mean and log variance of the latent."""
        return _Encoder(self)

    def decoder(self) -> Decoder:
        """(latent, attributes) -> records."""
        return _Decoder(self)

    def start_at(self, maker: Maker, summary: torch.Tensor) -> None:
        """Let lengths and loudness of a fresh maker begin at the mean summary."""
        assert isinstance(maker, _Generator | _Decoder)
        lengths, course = self.started(summary)
        maker.course.start_at(lengths, course.mean(0).clamp(-1.0, 1.0))

    def started(self, summary: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Shares of all lengths, (steps,), and mean course, (parts, channels), of a summary."""
        n = self._n_cells
        cells = summary[:n].clamp(min=0.0)
        # What noise alone may have put there is nothing.
        cells = torch.where(cells < 0.2 / n, torch.zeros(()), cells)
        cell_of = self._cells(cells.device)
        shares = (cells / torch.bincount(cell_of, minlength=n))[cell_of]
        course = summary[n : -self.channels].reshape(-1, self.channels)
        return shares / shares.sum().clamp(min=1e-6), course * course.numel() ** 0.5

    def n_bytes(self, batch_size: int) -> int:
        """Memory that training takes, at a guess: what frames are on their way, and weights."""
        seen = self.channels + self.attributes + self.latent + self.waves
        each = self.steps * (12 * self.hidden + 6 * seen)
        weights = 8 * self.hidden * (self.hidden + 2 * seen) + self.hidden * self.steps
        return 4 * (2 * batch_size * each + 10 * weights)

    def made_bytes(self, n: int) -> int:
        """Memory that making n sounds takes, at a guess: what each frame says, and its bands."""
        seen = self.channels + self.attributes + self.latent + self.waves
        return 4 * n * self.steps * (4 * self.hidden + 3 * seen)


def _clock(mask: torch.Tensor, waves: int) -> torch.Tensor:
    """Where each frame of a sound is, shape (n, steps, waves + 4)."""
    steps = mask.shape[1]
    at = torch.arange(steps, device=mask.device, dtype=mask.dtype).expand_as(mask)
    length = mask.sum(1, keepdim=True).clamp(min=1.0)
    place = ((at + 0.5) / length).clamp(max=1.0)
    number = torch.arange(1, waves + 1, device=mask.device, dtype=mask.dtype)
    left = (length - 1 - at).clamp(min=0.0)
    edges = [torch.exp(-at / _EDGE), torch.exp(-left / _EDGE)]
    plain = torch.stack([at / _SPAN, (length / steps).expand_as(at), *edges], 2)
    return torch.cat([torch.cos(math.pi * number * place[:, :, None]), plain], 2)


class _Course(nn.Module):
    """Length and loudness of a sound, given a context that is the same for all of its frames.

    noise: numbers that each frame has for itself. recurrent: whether frames follow from those
    before.
    """

    centre: torch.Tensor

    def __init__(
        self, of: SequenceNets, context: int, waves: int, noise: int = 0, *, recurrent: bool
    ) -> None:
        super().__init__()
        h = of.hidden
        self.waves, self.frame_noise = waves, of.steps * noise
        self.lengths = Lengths(of.steps, context)
        self.first = nn.Sequential(nn.Linear(context + noise + waves + 4, h), nn.SiLU())
        self.states = nn.GRU(h, h, batch_first=True) if recurrent else None
        self.last = nn.Sequential(nn.Linear(h, h), nn.SiLU(), nn.Linear(h, of.channels))
        self.register_buffer("centre", torch.zeros(of.channels))

    def start_at(self, lengths: torch.Tensor, centre: torch.Tensor) -> None:
        """Begin at these shares of lengths, and around this loudness, shape (channels,)."""
        self.lengths.start_at(lengths)
        self.centre.copy_(centre)

    def forward(
        self, context: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Loudness of all bands of all frames, shape (n, steps, channels)."""
        n, steps = mask.shape
        seen = [context[:, None].expand(-1, steps, -1)]
        if noise is not None:
            seen.append(noise.reshape(n, steps, self.frame_noise // steps))
        seen.append(_clock(mask, self.waves))
        inner = self.first(torch.cat(seen, 2))
        if self.states is not None:
            # Added to what a frame says alone, they need not carry what all frames have in common.
            inner = inner + self.states(inner)[0]
        return self.last(inner) + self.centre

    def drawn(
        self, context: torch.Tensor, ends: torch.Tensor, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Flat records out of noise of the length, shape (n, steps), and of the frames."""
        mask = self.lengths.draw(context, ends)
        bands = self(context, mask, noise).clamp(-1.0, 1.0)
        return torch.cat([bands * mask[:, :, None], mask[:, :, None]], 2).flatten(1)

    def surprise(
        self, context: torch.Tensor, codes: torch.Tensor, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Negative log-likelihood of codes around their course, in nats, shape (n,)."""
        bands, mask = codes[:, :, :-1], codes[:, :, -1]
        far = (bands - self(context, mask, noise)) / _SPREAD
        each = (0.5 * far.square() + math.log(_SPREAD)).sum(2)
        return (each * mask).sum(1) + self.lengths.surprise(context, mask)


class _Generator(LikelihoodGenerator):
    """A course out of noise of the sound, noise of each frame, and attributes."""

    def __init__(self, of: AudioNets) -> None:
        super().__init__()
        self.of = of
        context = _LATENT + of.attributes + 1
        self.course = _Course(of, context, of.waves, _FRAME_NOISE, recurrent=of.recurrent)
        self.noise_width = _LATENT + of.steps * (1 + _FRAME_NOISE)
        first = self.course.first[0]
        assert isinstance(first, nn.Linear)
        with torch.no_grad():  # a warm start knows no noise: what it then adds must be little
            first.weight[:, :_LATENT] *= _QUIET
            first.weight[:, context : context + _FRAME_NOISE] *= _QUIET

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        widths = [_LATENT, self.of.steps, self.of.steps * _FRAME_NOISE]
        latent, ends, frames = torch.split(noise, widths, 1)
        return self.course.drawn(joined(latent, attributes), ends, frames)

    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        del temperature
        return self.of.whole(self(noise, attributes))

    def surprise(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        none = records.new_zeros(len(records), _LATENT)
        frames = records.new_zeros(len(records), self.of.steps * _FRAME_NOISE)
        return self.course.surprise(joined(none, attributes), self.of.codes(records), frames)


class _Decoder(Decoder):
    """A course out of a latent and attributes; noise beyond the latent is of its length alone."""

    def __init__(self, of: AudioNets) -> None:
        super().__init__()
        self.of = of
        context = of.latent + of.attributes + 1
        self.course = _Course(of, context, of.waves, recurrent=False)
        self.noise_width = of.latent + of.steps

    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        del temperature
        context = joined(noise[:, : self.of.latent], attributes)
        return self.of.whole(self.course.drawn(context, noise[:, self.of.latent :]))

    def surprise(
        self, latent: torch.Tensor, attributes: torch.Tensor, records: torch.Tensor
    ) -> torch.Tensor:
        return self.course.surprise(joined(latent, attributes), self.of.codes(records))


class _Sight:
    """What is seen of a sound: frames, where they are, and the attributes."""

    def __init__(self, of: AudioNets) -> None:
        self.of = of
        self.width = of.channels + 1 + of.waves + 4 + of.attributes

    def __call__(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """What there is to see of each frame, shape (n, steps, width)."""
        codes = self.of.codes(records)
        wide = attributes[:, None].expand(-1, self.of.steps, -1)
        return torch.cat([codes, _clock(codes[:, :, -1], self.of.waves), wide], 2)


class _Encoder(nn.Module):
    """Mean and log variance of the latent: a mean over what each frame says."""

    def __init__(self, of: AudioNets) -> None:
        super().__init__()
        self.of, self.see, h = of, _Sight(of), of.hidden
        width = self.see.width
        self.layers = nn.Sequential(nn.Linear(width, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU())
        self.head = nn.Linear(h, 2 * of.latent)

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        mask = self.of.codes(records)[:, :, -1:]
        said = self.layers(self.see(records, attributes)) * mask
        moments: torch.Tensor = self.head(said.sum(1) / mask.sum(1).clamp(min=1.0))
        return moments
