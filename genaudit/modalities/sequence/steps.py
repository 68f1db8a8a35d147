"""Series one step after the other: a density of each step given those before it, and lengths.

A length comes first, then steps that know how far they are. The density of a step is a mixture of
normals around the step before; its draws are smooth functions of normal noise, and its likelihood
is exact, so that one module serves a VAE, a generator, and the warm start of one.

Source: Graves 2013 (a recurrent network whose outputs are mixtures, fed with its own draws);
Esteban, Hyland, Rätsch 2017 (noise and condition at every step); Pourahmadi 1999 (a covariance as
regressions of each channel on those before it).
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from genaudit.modalities.gru import states_of
from genaudit.modalities.nets import gumbel, hard

#: A length that no series has starts with this share.
_FLOOR = 1e-5

#: A range less than this is no range: relative to it, rounding would look like movement.
_LEAST_RANGE = 2e-3

#: Half ranges that channels lie apart at most, as far as steps can tell.
_APART = 2.0

#: Numbers that tell a step where it is: the first, its place, its place in its own series.
_CLOCK = 3


class Lengths(nn.Module):
    """Lengths from 1 to `steps` given a context, shape (n, context)."""

    def __init__(self, steps: int, context: int, hidden: int = 32) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.Sequential(nn.Linear(context, hidden), nn.ReLU(), nn.Linear(hidden, steps))

    def start_at(self, shares: torch.Tensor) -> None:
        """Begin at these shares of all lengths, shape (steps,), whatever the context."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.copy_(torch.log(shares + _FLOOR))
            last.weight.mul_(0.1)

    def surprise(self, context: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of the lengths of masks, in nats, shape (n,)."""
        logs = functional.log_softmax(self.layers(context), 1)
        ends = mask - functional.pad(mask[:, 1:], (0, 1))
        return -(logs * ends).sum(1)

    def draw(self, context: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        """Masks, shape (n, steps), out of normal noise of that shape (straight through)."""
        picked = hard(self.layers(context) + gumbel(normal))
        return picked.flip(1).cumsum(1).flip(1)


class Ties(nn.Module):
    """How noise of several numbers goes together, given a context: a unit triangular matrix."""

    def __init__(self, numbers: int, context: int) -> None:
        super().__init__()
        self.numbers = numbers
        self.below = nn.Linear(context, numbers * (numbers - 1) // 2) if numbers > 1 else None
        if self.below is not None:
            with torch.no_grad():
                self.below.weight.mul_(0.1)
                self.below.bias.zero_()

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        """Lower triangular matrices with ones on the diagonal, shape (n, numbers, numbers)."""
        k = self.numbers
        lower = torch.eye(k, device=context.device).repeat(len(context), 1, 1)
        if self.below is not None:
            row, column = torch.tril_indices(k, k, -1, device=context.device)
            lower[:, row, column] = self.below(context)
        return lower


class Scale(nn.Module):
    """The range of a series given a context: middle and log half range of each channel.

    One number after the other, each a mixture of normals given those before it: how far channels
    lie apart depends on where they lie, as with the prices of a day. Likelihood and draws as of
    `Steps`.

    Source: Uria, Murray, Larochelle 2013 (RNADE: each number a mixture given those before it).
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, channels: int, context: int, hidden: int = 64, components: int = 16) -> None:
        super().__init__()
        self.numbers, self.components, self.hidden = 2 * channels, components, hidden
        self.noise_width = self.numbers * (1 + components)
        self.layers = nn.Sequential(
            nn.Linear(context + 2 * self.numbers, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
        )  # fmt: skip
        each = 3 * components
        # A head of its own for each number.
        self.heads = _Heads(self.numbers, hidden, each)
        self.along = nn.Linear(self.numbers, self.numbers, bias=False)
        self.register_buffer("centre", torch.zeros(self.numbers))
        self.register_buffer("spread", torch.ones(self.numbers))
        with torch.no_grad():
            # Channels are often alike: each begins as the one before.
            self.along.weight.copy_(torch.diag(torch.ones(self.numbers - 1), -1))
            self.along.weight[channels].zero_()
            assert self.heads.bias is not None
            bias = self.heads.bias.zero_().reshape(self.numbers, 3, components)
            # Components that start alike would stay alike.
            bias[:, 1] = torch.linspace(-2, 2, components)
            bias[:, 2] = -1.0

    def start_at(self, centre: torch.Tensor, spread: torch.Tensor) -> None:
        """Begin at these middles and half ranges of channels, shape (channels,) each."""
        c = len(centre)
        self.centre[:c], self.spread[:c] = centre, spread
        self.centre[c:], self.spread[c:] = spread.log(), 1.0

    def surprise(self, context: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of ranges, shape (n, 2 * channels), in nats, shape (n,)."""
        y, k = (scale - self.centre) / self.spread, self.numbers
        before = y[:, None] * torch.tril(y.new_ones(k, k), -1)
        hidden = self._hidden(context, before, torch.eye(k, device=y.device))
        out = self.heads(hidden.flatten(1)[:, :, None]).reshape(len(y), k, 3, self.components)
        along = torch.diagonal(self.along(before), dim1=1, dim2=2)
        logits, means, logs = _split(out, along)
        far = (y[:, :, None] - means) * torch.exp(-logs)
        each = -0.5 * far.square() - logs - 0.5 * math.log(2 * math.pi)
        return -torch.logsumexp(functional.log_softmax(logits, -1) + each, 2).sum(1)

    def draw(self, context: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Ranges, shape (n, 2 * channels), out of normal noise, shape (n, noise_width)."""
        n, k = len(noise), self.numbers
        normal, chance = noise[:, :k], gumbel(noise[:, k:].reshape(n, k, self.components))
        which = torch.eye(k, device=noise.device)
        weights = self.heads.weight.reshape(k, -1, self.hidden)
        assert self.heads.bias is not None
        biases = self.heads.bias.reshape(k, -1)
        y = noise.new_zeros(n, k)
        for j in range(k):
            hidden = self._hidden(context, y[:, None], which[j : j + 1])[:, 0]
            out = functional.linear(hidden, weights[j], biases[j]).reshape(n, 3, self.components)
            logits, means, logs = _split(out, y @ self.along.weight[j])
            made = _draw(logits + chance[:, j], means[..., None], logs[..., None], normal[:, [j]])
            y = y + made * which[j]
        return y * self.spread + self.centre

    def _hidden(
        self, context: torch.Tensor, before: torch.Tensor, which: torch.Tensor
    ) -> torch.Tensor:
        """What some numbers are told from, shape (n, numbers, hidden)."""
        n, rows = before.shape[:2]
        wide = context[:, None].expand(-1, rows, -1)
        made: torch.Tensor = self.layers(torch.cat([wide, before, which.expand(n, -1, -1)], 2))
        return made


class _Heads(nn.Conv1d):
    """A linear layer for each of some numbers: a grouped convolution, as one batched product.

    Convolutions of many groups are ten times as slow.
    """

    def __init__(self, numbers: int, hidden: int, each: int) -> None:
        super().__init__(numbers * hidden, numbers * each, 1, groups=numbers)

    def _conv_forward(
        self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """Shape (n, numbers * each, 1) from (n, numbers * hidden, 1)."""
        assert bias is not None
        n, numbers = len(input), self.groups
        hidden, each = self.in_channels // numbers, self.out_channels // numbers
        x = input.reshape(n, numbers, hidden).transpose(0, 1)
        grouped = weight.reshape(numbers, each, hidden).transpose(1, 2)
        made = torch.baddbmm(bias.reshape(numbers, 1, each), x, grouped)
        return made.transpose(0, 1).reshape(n, numbers * each, 1)


def _split(
    out: torch.Tensor, along: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, means and log spreads, (..., components), out of (..., 3, components)."""
    logits, shift, logs = out.unbind(-2)
    return logits, shift + along[..., None], logs.clamp(-6.0, 1.5)


class Steps(nn.Module):
    """Steps of `channels` numbers about 1 in size, given a context and which steps there are."""

    def __init__(
        self, steps: int, channels: int, context: int, hidden: int, components: int = 3
    ) -> None:
        super().__init__()
        self.steps, self.channels, self.components = steps, channels, components
        self.noise_width = steps * (channels + components)
        self.recurrent = nn.GRU(channels + context + _CLOCK, hidden, batch_first=True)
        self.head = nn.Linear(hidden, channels + components * (1 + 2 * channels))
        self.along = nn.Linear(channels, channels, bias=False)
        self.given = nn.Linear(context, channels, bias=False)
        self.ties = Ties(channels, context)
        with torch.no_grad():
            self.along.weight.zero_()
            self.given.weight.zero_()
            self.head.bias.zero_()
            self.head.bias[:channels] = 2.0  # a step begins as mostly the step before
            logs = self.head.bias[-components * channels :]
            # Components that start alike would stay alike.
            logs -= torch.linspace(0.5, 2.0, components).repeat_interleave(channels)

    def surprise(self, context: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of series in nats, shape (n,).

        Args:
            context: Shape (n, context).
            y: Series, shape (n, steps, channels).
            mask: Which steps there are, shape (n, steps).
        """
        before = functional.pad(y[:, :-1], (0, 0, 1, 0))
        states = states_of(self.recurrent, before, context, _clock(mask))
        density = self._density(self.head(states), before, self.given(context)[:, None])
        each = _surprise(y, *density, self.ties(context))
        return (each * mask).sum(1)

    def draw(
        self, context: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor,
        lowest: torch.Tensor, highest: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Series, shape (n, steps, channels), out of normal noise, shape (n, noise_width).

        lowest, highest: what no step goes beyond, shape (n, channels) each.
        """
        n, k, c = len(context), self.components, self.channels
        normal, pick = torch.split(noise, [self.steps * c, self.steps * k], 1)
        normal = normal.reshape(n, self.steps, c) @ self.ties(context).transpose(1, 2)
        chance = gumbel(pick.reshape(n, self.steps, k))
        net = self.recurrent
        weights = list(net.parameters())  # in the order that a cell takes them
        state, y = context.new_zeros(n, net.hidden_size), context.new_zeros(n, c)
        fixed = torch.cat([context[:, None].expand(-1, self.steps, -1), _clock(mask)], 2)
        given, made = self.given(context), []
        for t in range(self.steps):
            state = torch.gru_cell(torch.cat([y, fixed[:, t]], 1), state, *weights)
            logits, means, logs = self._density(self.head(state), y, given)
            y = _draw(logits + chance[:, t], means, logs, normal[:, t])
            y = torch.minimum(torch.maximum(y, lowest), highest)
            made.append(y)
        return torch.stack(made, 1)

    def _density(
        self, out: torch.Tensor, before: torch.Tensor, given: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits of components, (..., k), and their means and log spreads, (..., k, channels)."""
        gate, rest = out[..., : self.channels], out[..., self.channels :]
        logits, shift, logs = _mixture(rest, self.components, self.channels)
        mean = torch.sigmoid(gate) * before + self.along(before) + given
        return logits, mean.unsqueeze(-2) + shift, logs


def _mixture(
    out: torch.Tensor, components: int, numbers: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, (..., k), means and log spreads, (..., k, numbers), out of (..., k + 2 k numbers)."""
    each = components * numbers
    logits, means, logs = torch.split(out, [components, each, each], -1)
    shape = (*out.shape[:-1], components, numbers)
    return logits, means.reshape(shape), logs.reshape(shape).clamp(-6.0, 1.5)


def _surprise(
    y: torch.Tensor, logits: torch.Tensor, means: torch.Tensor, logs: torch.Tensor,
    ties: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Negative log-likelihood of steps, shape (n, steps), in nats.

    Args:
        y: Shape (n, steps, numbers).
        logits: Shape (n, [steps,] k).
        means: Shape (n, [steps,] k, numbers).
        logs: Likewise.
        ties: Shape (n, numbers, numbers).
    """
    shape = (*y.shape[:2], means.shape[-2], y.shape[2])
    far = (y.unsqueeze(-2) - means.reshape(shape)) * torch.exp(-logs.reshape(shape))
    flat = far.flatten(1, 2).transpose(1, 2)  # (n, numbers, steps * k)
    if y.shape[2] > 1:
        flat = torch.linalg.solve_triangular(ties, flat, upper=False, unitriangular=True)
    far = flat.transpose(1, 2).reshape(shape)
    each = -0.5 * far.square() - logs.reshape(shape) - 0.5 * math.log(2 * math.pi)
    weights = functional.log_softmax(logits, -1).reshape(shape[:3])
    return -torch.logsumexp(weights + each.sum(3), 2)


def _draw(
    chances: torch.Tensor, means: torch.Tensor, logs: torch.Tensor, normal: torch.Tensor
) -> torch.Tensor:
    """Numbers, shape (n, numbers), of the likeliest component: straight through to the others."""
    chosen = hard(chances)[:, :, None]
    return (chosen * means).sum(1) + (chosen * torch.exp(logs)).sum(1) * normal


def _clock(mask: torch.Tensor) -> torch.Tensor:
    """Where each step is, shape (n, steps, 3)."""
    steps = mask.shape[1]
    place = torch.arange(1, steps + 1, device=mask.device, dtype=mask.dtype)
    own = place / mask.sum(1, keepdim=True).clamp(min=1.0)
    place = (place / steps).expand_as(own)
    first = functional.pad(torch.zeros_like(own[:, 1:]), (1, 0), value=1.0)
    return torch.stack([first, place, own.clamp(max=1.0)], 2)


class Series(nn.Module):
    """A whole series given a context: its length, its range, its steps within that range.

    Steps are in units of the range, which for a series that is made is what they are drawn for and
    then, exactly, what they have.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self, steps: int, channels: int, context: int, hidden: int, *, scaled: bool
    ) -> None:
        super().__init__()
        self.lengths = Lengths(steps, context)
        self.scale = Scale(channels, context) if scaled else None
        of_scale = 2 * channels + channels * (channels - 1) if scaled else 0
        self.steps = Steps(steps, channels, context + of_scale, hidden)
        widths = [steps, self.scale.noise_width if self.scale else 0, self.steps.noise_width]
        self.parts, self.noise_width = widths, sum(widths)
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("spread", torch.full((channels,), 0.5))

    def start_at(self, centre: torch.Tensor, spread: torch.Tensor) -> None:
        """Work in these units: centre and spread of each channel, shape (channels,) each."""
        self.centre.copy_(centre)
        self.spread.copy_(spread)
        if self.scale is not None:
            self.scale.start_at(centre, spread)

    def surprise(self, context: torch.Tensor, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of series in nats, shape (n,).

        Args:
            context: Shape (n, context).
            x: Series on [-1, 1], shape (n, steps, channels).
            mask: Shape (n, steps).
        """
        length = self.lengths.surprise(context, mask)
        if self.scale is None:
            return length + self.steps.surprise(context, (x - self.centre) / self.spread, mask)
        y, middle, half = relative(x, mask)
        scale = torch.cat([middle, half.log()], 1)
        within = self._within(context, scale)
        return length + self.scale.surprise(context, scale) + self.steps.surprise(within, y, mask)

    def draw(self, context: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Series on [-1, 1], shape (n, steps, channels), and masks, out of normal noise."""
        ends, ranges, rest = torch.split(noise, self.parts, 1)
        mask = self.lengths.draw(context, ends)
        if self.scale is None:
            lowest = ((-1.0 - self.centre) / self.spread).expand(len(context), -1)
            highest = ((1.0 - self.centre) / self.spread).expand(len(context), -1)
            y = self.steps.draw(context, mask, rest, lowest, highest)
            return y * self.spread + self.centre, mask
        scale = self.scale.draw(context, ranges)
        middle, half = scale.chunk(2, 1)
        edge = torch.ones_like(middle)
        y = self.steps.draw(self._within(context, scale), mask, rest, -1.2 * edge, 1.2 * edge)
        y, _, _ = relative(y, mask)
        x = middle[:, None] + half.clamp(max=0.0).exp()[:, None] * y
        return x.clamp(-1.0, 1.0), mask

    def _within(self, context: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """The context with the range, and with how far channels lie apart, in units of either."""
        assert self.scale is not None
        middle, half = scale.chunk(2, 1)
        apart = (middle[:, None] - middle[:, :, None]) * (-half.clamp(max=0.0)).exp()[:, :, None]
        others = ~torch.eye(middle.shape[1], dtype=torch.bool, device=scale.device)
        apart = apart[:, others].clamp(-_APART, _APART)
        return torch.cat([context, (scale - self.scale.centre) / self.scale.spread, apart], 1)


#: More than any value of a series.
_BEYOND = 1e6


def relative(
    x: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Series on [-1, 1] relative to themselves, their middles and half ranges, (n, channels) each.

    A function of each row alone.
    """
    there = mask[:, :, None] > 0.5
    # Finite, so that a series without any step has a range too, and not what is no number.
    low = torch.where(there, x, torch.full_like(x, _BEYOND)).amin(1)
    high = torch.where(there, x, torch.full_like(x, -_BEYOND)).amax(1)
    middle, half = (low + high) / 2, ((high - low) / 2).clamp(min=_LEAST_RANGE)
    shape = (x - middle[:, None]) / half[:, None]
    return shape * mask[:, :, None], middle, half
