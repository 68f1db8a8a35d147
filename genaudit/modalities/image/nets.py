"""Networks of images: strided convolutions that halve and double the sides, with attributes.

Records are pixels from 0 to 1, channels first, flat. No layer looks across rows. Attributes enter
the generator and the decoder beside the noise, and the discriminator and the encoder where the
picture has become a vector.

Source: Radford, Metz, Chintala 2015 (DCGAN; here without batch normalisation, which mixes rows);
Miyato & Koyama 2018 (projection discriminator); Kingma & Welling 2014 (Bernoulli decoder).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from genaudit.modalities.image.codec import ImageCodec, check_sides
from genaudit.modalities.nets import Decoder, Generator, Maker

#: Cells of a summary along each side, at most.
_COARSE = 7

#: Keeps the logit of a pixel that is black or white in all records finite.
_FLOOR = 0.01


@dataclass(frozen=True)
class Plan:
    """Sizes of the networks of one size of images.

    channels: of the image. hidden: of the layer nearest to it; each halving doubles them.
    halvings: how often sides are halved, so that the smallest is 2 to 8.
    """

    height: int
    width: int
    channels: int
    hidden: int
    halvings: int

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width where a maker begins: doubled so often they cover the image."""
        part = 2**self.halvings
        return math.ceil(self.height / part), math.ceil(self.width / part)

    @property
    def n_pixels(self) -> int:
        """Numbers of a flat record."""
        return self.height * self.width * self.channels

    def widths(self) -> list[int]:
        """Channels from the image inwards."""
        return [self.channels, *(self.hidden * 2**i for i in range(self.halvings))]


class _Down(nn.Module):
    """Flat record -> features, shape (n, n_features)."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        widths = plan.widths()
        self.layers = nn.Sequential(
            *(
                layer
                for before, after in pairwise(widths)
                for layer in (nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2))
            )
        )
        low = (plan.height >> plan.halvings) * (plan.width >> plan.halvings)
        self.n_features = widths[-1] * low

    def forward(self, records: torch.Tensor) -> torch.Tensor:
        """Features of pixels, which are centred first."""
        plan = self.plan
        pixels = (2 * records - 1).reshape(len(records), plan.channels, plan.height, plan.width)
        found: torch.Tensor = self.layers(pixels).reshape(len(records), self.n_features)
        return found


class _Up(nn.Module):
    """Noise and attributes -> logits of pixels, flat."""

    def __init__(self, plan: Plan, latent: int, attributes: int) -> None:
        super().__init__()
        self.plan = plan
        widths = plan.widths()[::-1]
        height, width = plan.sides
        self.first = nn.Linear(latent + attributes, widths[0] * height * width)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.GroupNorm(_groups(before), before), nn.ReLU()]
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, n_pixels)."""
        plan = self.plan
        height, width = plan.sides
        begun = self.first(torch.cat([noise, attributes], 1))
        grown = self.layers(begun.reshape(len(noise), plan.widths()[-1], height, width))
        seen: torch.Tensor = grown[:, :, : plan.height, : plan.width]
        return seen.reshape(len(noise), plan.n_pixels)


class ImageGenerator(Generator):
    """DCGAN's generator; its records are pixels with gradients.

    start: logits of pixels that it begins at, which stay: what is learned pixel by pixel from a
    discriminator is speckle.
    """

    start: torch.Tensor

    def __init__(self, plan: Plan, latent: int, attributes: int) -> None:
        super().__init__()
        self.noise_width = latent
        self.up = _Up(plan, latent, attributes)
        self.register_buffer("start", torch.zeros(plan.n_pixels))

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Pixels from 0 to 1, shape (n, n_pixels)."""
        return torch.sigmoid(self.start + self.up(noise, attributes))

    def start_at(self, logits: torch.Tensor) -> None:
        """Begin at logits of a mean record, shape (n_pixels,)."""
        self.start.copy_(logits)

    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """The same; there is no temperature in a picture."""
        del temperature
        return self(noise, attributes)


class ImageDecoder(Decoder):
    """Latent and attributes to the mean of each pixel.

    Made pictures are these means: a draw of each pixel for itself would be salt and pepper, since
    neighbours are independent given the latent.
    """

    def __init__(self, plan: Plan, latent: int, attributes: int) -> None:
        super().__init__()
        self.noise_width = latent
        self.up = _Up(plan, latent, attributes)
        # Of each attribute and of all records, pixel by pixel: few noisy steps learn that first.
        self.shift = nn.Linear(attributes + 1, plan.n_pixels, bias=False)
        nn.init.zeros_(self.shift.weight)

    def forward(self, noise: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Logits of pixels, shape (n, n_pixels)."""
        one = torch.ones_like(noise[:, :1])
        shift: torch.Tensor = self.shift(torch.cat([attributes, one], 1))
        return shift + self.up(noise, attributes)

    def make(
        self, noise: torch.Tensor, attributes: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """Means of pixels, shape (n, n_pixels); there is no temperature in a picture."""
        del temperature
        return torch.sigmoid(self(noise, attributes))

    def surprise(
        self, latent: torch.Tensor, attributes: torch.Tensor, records: torch.Tensor
    ) -> torch.Tensor:
        """Cross entropy of grey values as chances of a white pixel, in nats, shape (n,)."""
        logits = self(latent, attributes)
        each = functional.binary_cross_entropy_with_logits(logits, records, reduction="none")
        return each.sum(1)

    def start_at(self, logits: torch.Tensor) -> None:
        """Begin at logits of a mean record, shape (n_pixels,)."""
        with torch.no_grad():
            self.shift.weight[:, -1] = logits


class _Discriminator(nn.Module):
    """One logit: how real the picture is, and how well its attributes go with it."""

    def __init__(self, plan: Plan, attributes: int) -> None:
        super().__init__()
        self.down = _Down(plan)
        self.real = nn.Linear(self.down.n_features, 1)
        self.fits = nn.Linear(attributes, self.down.n_features, bias=False) if attributes else None
        if self.fits is not None:
            # As those of the logit itself, which begin at the scale of their number.
            nn.init.normal_(self.fits.weight, std=self.down.n_features**-0.5)

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 1)."""
        features = self.down(records)
        logits: torch.Tensor = self.real(features)
        if self.fits is None:
            return logits
        return logits + (self.fits(attributes) * features).sum(1, keepdim=True)


class _Encoder(nn.Module):
    """Mean and log variance of the latent."""

    def __init__(self, plan: Plan, latent: int, attributes: int) -> None:
        super().__init__()
        self.down = _Down(plan)
        self.last = nn.Linear(self.down.n_features + attributes, 2 * latent)

    def forward(self, records: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        """Shape (n, 2 * latent)."""
        found: torch.Tensor = self.last(torch.cat([self.down(records), attributes], 1))
        return found


@dataclass(frozen=True)
class ImageNets:
    """Networks of images of one size (`modalities.nets.MediaNets`)."""

    plan: Plan
    attributes: int
    latent: int
    likelihood: bool = False

    @property
    def width(self) -> int:
        """Numbers of a flat record."""
        return self.plan.n_pixels

    @property
    def summary_bound(self) -> float:
        """Means of pixels from 0 to 1: at most the root of how many there are."""
        return math.sqrt(self.plan.channels * math.prod(self._coarse))

    @property
    def _coarse(self) -> tuple[int, int]:
        return min(_COARSE, self.plan.height), min(_COARSE, self.plan.width)

    def records(self, codes: torch.Tensor) -> torch.Tensor:
        """Pixels from 0 to 1, channels first and flat, of codes, uint8, shape (n, h, w, c)."""
        return codes.permute(0, 3, 1, 2).reshape(len(codes), self.width).to(torch.float32) / 255

    def codes(self, records: torch.Tensor) -> torch.Tensor:
        """Codes, uint8, shape (n, h, w, c), of made records."""
        plan = self.plan
        pixels = (records.clamp(0, 1) * 255).round().to(torch.uint8)
        whole = pixels.reshape(len(records), plan.channels, plan.height, plan.width)
        return whole.permute(0, 2, 3, 1).contiguous()

    def generator(self) -> ImageGenerator:
        """Noise and attributes to pixels."""
        return ImageGenerator(self.plan, self.latent, self.attributes)

    def discriminator(self) -> nn.Module:
        """One logit a picture."""
        return _Discriminator(self.plan, self.attributes)

    def scored(self, records: torch.Tensor) -> torch.Tensor:
        """All of the weight on the one logit."""
        return torch.ones_like(records[:, :1])

    def encoder(self) -> nn.Module:
        """Pixels and attributes to the latent's mean and log variance."""
        return _Encoder(self.plan, self.latent, self.attributes)

    def decoder(self) -> ImageDecoder:
        """Latent and attributes to means of pixels."""
        return ImageDecoder(self.plan, self.latent, self.attributes)

    def summary(self, records: torch.Tensor) -> torch.Tensor:
        """Means of pixels on a coarse grid, shape (n, channels * cells)."""
        plan = self.plan
        pixels = records.reshape(len(records), plan.channels, plan.height, plan.width)
        return functional.adaptive_avg_pool2d(pixels, self._coarse).flatten(1)

    def start_at(self, maker: Maker, summary: torch.Tensor) -> None:
        """Let the pixels of a fresh maker begin at the coarse mean."""
        assert isinstance(maker, ImageGenerator | ImageDecoder)
        plan = self.plan
        coarse = summary.reshape(1, plan.channels, *self._coarse).to(torch.float32)
        whole = functional.interpolate(coarse, (plan.height, plan.width), mode="bilinear")
        maker.start_at(torch.logit(whole.reshape(-1).clamp(_FLOOR, 1 - _FLOOR)))

    def n_bytes(self, batch_size: int) -> int:
        """Weights with gradients, two moments and an average, and what a batch leaves behind."""
        with torch.device("meta"):
            halves = (self.generator(), self.discriminator(), self.encoder(), self.decoder())
        weights = sum(p.numel() for half in halves for p in half.parameters())
        # Each layer keeps its input and its output, forwards and backwards, of two networks.
        return 4 * (5 * weights + 8 * batch_size * self._kept)

    def made_bytes(self, n: int) -> int:
        """What the layers of a generator hold of n images, at a guess."""
        return 4 * 4 * n * self._kept

    @property
    def _kept(self) -> int:
        """Numbers that the layers of one network make of an image."""
        plan = self.plan
        return sum(c * plan.height * plan.width >> 2 * i for i, c in enumerate(plan.widths()))


def nets(
    codec: ImageCodec,
    attributes: int,
    *,
    recurrent: bool = False,
    hidden: int | None = None,
    latent: int | None = None,
) -> ImageNets:
    """The networks for a codec.

    Args:
        codec: Of images of 8x8 to 64x64 pixels.
        attributes: Width of their one-hot attributes, 0 without any.
        recurrent: Of no use to images.
        hidden: Channels of the layer nearest to the image (default 32).
        latent: Normal numbers behind each image (default 32).

    Raises:
        OptionError: the images are too small or too large.
    """
    del recurrent
    check_sides(codec.size)
    height, width, channels = codec.size
    halvings = 2 if max(height, width) <= 32 else 3
    return ImageNets(
        Plan(height, width, channels, hidden or 32, halvings), attributes, latent or 32
    )


def _groups(channels: int) -> int:
    """Groups of a normalisation: 8, or fewer where these do not part the channels."""
    return math.gcd(8, channels)
