"""How a layer's gradient for one sample follows from its input and its output's gradient.

A rule gets every use of one layer in a batch, as (input, gradient at the output), and gives one
`Factor` for each of its parameters. Several rows of one unit (a person) are one more axis to sum
over: `cap` rows in a row belong together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genaudit.training.dp.clipping.factor import Bias, Direct, Factor, Lookup, Outer

#: (input, gradient at the output) of one use of a layer, both with samples first.
Use = tuple[torch.Tensor, torch.Tensor]

#: Layer, its uses, rows of a unit -> parameters by name and their factors; those that a layer lacks
#: or that are frozen are not looked at.
Rule = Callable[[nn.Module, Sequence[Use], int], Iterator[tuple[str, Factor]]]


def matrix(weight: str, bias: str, uses: Sequence[Use], cap: int) -> Iterator[tuple[str, Factor]]:
    """(n, ..., d) -> (n, ..., p) by a matrix of shape (p, d) and perhaps a bias.

    Args:
        weight: Name of the matrix.
        bias: Name that its bias has, if it has one.
        uses: Input, shape (n, ..., d), and gradient at the output, shape (n, ..., p).
        cap: Rows of a unit, next to each other.
    """
    if cap == 1 and len(uses) == 1 and uses[0][0].dim() == 2:  # the commonest, without detours
        found = Outer(uses[0][0].unsqueeze(1), uses[0][1].unsqueeze(1))
    else:
        a = _over_time([x.reshape(len(x), -1, x.shape[-1]) for x, _ in uses], cap)
        g = _over_time([y.reshape(len(y), -1, y.shape[-1]) for _, y in uses], cap)
        found = Outer(a, g)
    yield weight, found
    yield bias, Bias(found)


def linear(layer: nn.Module, uses: Sequence[Use], cap: int) -> Iterator[tuple[str, Factor]]:
    """(n, ..., d) -> (n, ..., p)."""
    del layer
    return matrix("weight", "bias", uses, cap)


def embedding(layer: nn.Module, uses: Sequence[Use], cap: int) -> Iterator[tuple[str, Factor]]:
    """(n, ...) of indices -> (n, ..., p)."""
    assert isinstance(layer, nn.Embedding)
    index = _over_time([x.reshape(len(x), -1, 1) for x, _ in uses], cap)[:, :, 0]
    g = _over_time([y.reshape(len(y), -1, y.shape[-1]) for _, y in uses], cap)
    if layer.padding_idx is not None:
        g = g.masked_fill((index == layer.padding_idx)[:, :, None], 0.0)
    yield "weight", Lookup(index, g, layer.num_embeddings)


def layer_norm(layer: nn.Module, uses: Sequence[Use], cap: int) -> Iterator[tuple[str, Factor]]:
    """Normalised over the last axes; every other one but the first is summed over."""
    assert isinstance(layer, nn.LayerNorm)
    shape = tuple(layer.normalized_shape)

    def summed(values: torch.Tensor) -> torch.Tensor:
        return values.reshape(len(values), -1, *shape).sum(1)

    def plain(x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, shape, eps=layer.eps)

    yield from _affine(uses, cap, plain, summed)


def group_norm(layer: nn.Module, uses: Sequence[Use], cap: int) -> Iterator[tuple[str, Factor]]:
    """(n, channels, ...) -> the same, normalised in groups of channels."""
    assert isinstance(layer, nn.GroupNorm)

    def summed(values: torch.Tensor) -> torch.Tensor:
        return values.flatten(2).sum(2) if values.dim() > 2 else values

    def plain(x: torch.Tensor) -> torch.Tensor:
        return functional.group_norm(x, layer.num_groups, eps=layer.eps)

    yield from _affine(uses, cap, plain, summed)


def conv(layer: nn.Module, uses: Sequence[Use], cap: int) -> Iterator[tuple[str, Factor]]:
    """Convolution over one or two axes: a linear layer on patches of its input."""
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    geometry = _Geometry.of(layer)
    patches = [geometry.patches(_two_axes(_padded(layer, x))) for x, _ in uses]
    outs = [y.flatten(2).transpose(1, 2) for _, y in uses]
    yield "weight", _kernel(layer, geometry, _over_time(patches, cap), _over_time(outs, cap))
    yield "bias", Direct(_of_units([y.flatten(2).sum(2) for _, y in uses], cap))


def conv_transpose(layer: nn.Module, uses: Sequence[Use], cap: int) -> Iterator[tuple[str, Factor]]:
    """The transpose of a convolution: input and output's gradient change places."""
    assert isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d)
    geometry = _Geometry.of(layer)
    down, right = geometry.padding
    patches = []
    for x, y in uses:
        at = functional.pad(_two_axes(y), (right, right, down, down))
        # The output may be larger than patches reach (output_padding); no weight sees what is over.
        grid = _two_axes(x).shape[2:]
        patches.append(geometry.patches(at, grid))
    ins = [x.flatten(2).transpose(1, 2) for x, _ in uses]
    yield "weight", _kernel(layer, geometry, _over_time(patches, cap), _over_time(ins, cap))
    yield "bias", Direct(_of_units([y.flatten(2).sum(2) for _, y in uses], cap))


#: Exact types alone: a subclass may compute something else.
RULES: Mapping[type[nn.Module], Rule] = {
    nn.Linear: linear,
    nn.Embedding: embedding,
    nn.LayerNorm: layer_norm,
    nn.GroupNorm: group_norm,
    nn.Conv1d: conv,
    nn.Conv2d: conv,
    nn.ConvTranspose1d: conv_transpose,
    nn.ConvTranspose2d: conv_transpose,
}


def supported(layer: nn.Module) -> bool:
    """Whether a rule gives this layer's exact gradients."""
    own = {name for name, p in layer.named_parameters(recurse=False) if p.requires_grad}
    # Another name means that a hook makes the weight of something else (weight norm, pruning).
    known = type(layer) in RULES and own <= {"weight", "bias"}
    if isinstance(layer, nn.Embedding):
        return known and layer.max_norm is None and not layer.scale_grad_by_freq
    return known


def _over_time(parts: Sequence[torch.Tensor], cap: int) -> torch.Tensor:
    """(rows, t, d) of several uses as (units, uses * cap * t, d): the rows of a unit joined."""
    joined = [p.reshape(len(p) // cap, -1, p.shape[-1]) for p in parts]
    return joined[0] if len(joined) == 1 else torch.cat(joined, dim=1)


def _affine(
    uses: Sequence[Use],
    cap: int,
    plain: Callable[[torch.Tensor], torch.Tensor],
    summed: Callable[[torch.Tensor], torch.Tensor],
) -> Iterator[tuple[str, Factor]]:
    yield "weight", Direct(_of_units([summed(plain(x) * y) for x, y in uses], cap))
    yield "bias", Direct(_of_units([summed(y) for _, y in uses], cap))


def _of_units(parts: Sequence[torch.Tensor], cap: int) -> torch.Tensor:
    total = parts[0] if len(parts) == 1 else torch.stack(list(parts)).sum(0)
    return total if cap == 1 else total.reshape(-1, cap, *total.shape[1:]).sum(1)


@dataclass(frozen=True)
class _Geometry:
    """Numbers of a convolution over two axes; one over one axis has a first axis of length 1."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]

    @classmethod
    def of(cls, layer: Any) -> _Geometry:
        """Those of a layer; padding that is a word has been written out already."""
        padding = (0,) * len(layer.kernel_size) if isinstance(layer.padding, str) else layer.padding
        one = len(layer.kernel_size) == 1
        return cls(
            *((neutral, *value) if one else tuple(value) for neutral, value in (
                (1, layer.kernel_size), (1, layer.stride), (1, layer.dilation), (0, padding)
            ))
        )  # fmt: skip

    def patches(self, x: torch.Tensor, grid: Sequence[int] | None = None) -> torch.Tensor:
        """What the kernel sees at each place, shape (n, places, kernel * channels), channels last.

        Channels last, as a row of a patch is then one stretch of memory.

        Args:
            x: Padded, shape (n, channels, height, width).
            grid: Places along both axes; None = as many as there are.
        """
        rows = x.permute(0, 2, 3, 1).contiguous()
        n, _, _, channels = rows.shape
        if grid is None:
            grid = [
                (size - d * (k - 1) - 1) // s + 1
                for size, d, k, s in zip(
                    rows.shape[1:3], self.dilation, self.kernel, self.stride, strict=True
                )
            ]
        each, down, right, _ = rows.stride()
        (sy, sx), (dy, dx) = self.stride, self.dilation
        seen = rows.as_strided(
            (n, *grid, *self.kernel, channels),
            (each, sy * down, sx * right, dy * down, dx * right, 1),
        )
        return seen.reshape(n, grid[0] * grid[1], -1)


def _kernel(layer: Any, geometry: _Geometry, a: torch.Tensor, g: torch.Tensor) -> Factor:
    """Gradient of a kernel from patches, shape (n, t, kernel * channels), and their weights.

    The parameter has shape (p, channels / groups, *kernel), p counting over all groups.
    """
    shape, groups = layer.weight.shape, layer.groups
    size = math.prod(geometry.kernel)
    if groups == 1:

        def view(found: torch.Tensor) -> torch.Tensor:
            return found.reshape(len(found), size, -1).transpose(1, 2).reshape(shape)

        return Outer(a, g, view)
    n, t = a.shape[:2]
    a = a.reshape(n, t, size, groups, -1).permute(0, 3, 1, 4, 2).reshape(n * groups, t, -1)
    g = g.reshape(n, t, groups, -1).permute(0, 2, 3, 1).flatten(0, 1)
    return Direct(torch.bmm(g, a).reshape(n, *shape))


def _two_axes(x: torch.Tensor) -> torch.Tensor:
    """One axis as two, the first of length 1."""
    return x[:, :, None] if x.dim() == 3 else x


def _padded(layer: nn.Conv1d | nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """The input as the convolution sees it, padding written out."""
    sides = list(layer._reversed_padding_repeated_twice)
    if not any(sides):
        return x
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(x, sides, mode=mode)
