"""Per-sample gradients kept as factors: their norms and weighted sums, without the gradients.

A parameter's gradient for sample i is a sum over t of outer products, or a vector, or (where that
is smaller) the gradient itself. All three answer two questions: the norm for each sample, and the
sum over samples with one weight each.

Source: Goodfellow 2015 (norms of outer products); Rochette, Manoel, Tramel 2019, Li et al. 2022
(norms over time from Gram matrices); Bu et al. 2023 (book-keeping: one backward pass).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch

#: Below this share of what the terms could add up to, a Gram norm has lost too many digits.
_CANCELLED = 1e-3

#: Products of a Gram matrix in the time that a number of a gradient takes, written once and read
#: for its norm and its sum (measured, one core).
_PASSES = 16


class Factor(Protocol):
    """The gradients of one parameter, for every sample of a batch."""

    def norms(self) -> torch.Tensor:
        """L2 norm for each sample, shape (n,)."""

    def weighted(self, weights: torch.Tensor, *, last: bool = False) -> torch.Tensor:
        """Sum over samples of weight times gradient, of the parameter's shape.

        Args:
            weights: Shape (n,).
            last: Whether nothing but sums with these very weights is asked for from now on, so
                that what is held may be overwritten.
        """

    def take(self, kept: torch.Tensor) -> Factor:
        """The gradients of some samples alone.

        Args:
            kept: Boolean, shape (n,).
        """


@dataclass(frozen=True, eq=False)
class Direct:
    """Gradients themselves.

    values: shape (n, *parameter).
    """

    values: torch.Tensor

    def norms(self) -> torch.Tensor:
        """L2 norm for each sample, shape (n,)."""
        return _norm(self._rows)

    def weighted(self, weights: torch.Tensor, *, last: bool = False) -> torch.Tensor:
        """Sum over samples of weight times gradient, of the parameter's shape."""
        del last
        return (weights @ self._rows).reshape(self.values.shape[1:])

    def take(self, kept: torch.Tensor) -> Direct:
        """The gradients of some samples alone."""
        return Direct(self.values[kept])

    @property
    def _rows(self) -> torch.Tensor:
        """One row for each sample, of a single number too, shape (n, numbers)."""
        return self.values[..., None].flatten(1)


@dataclass(frozen=True, eq=False)
class Outer:
    """Gradients of a matrix, sum over t of g[i, t] a[i, t]^T.

    a: what went in, shape (n, t, d). g: gradient at what came out, shape (n, t, p), which nobody
    else holds. view: a matrix of shape (p, d) -> the parameter's own shape, where that is another.
    _known: weights and both sums of the last reading.
    """

    a: torch.Tensor
    g: torch.Tensor
    view: Callable[[torch.Tensor], torch.Tensor] | None = None
    _known: list[torch.Tensor] = field(default_factory=list)

    def norms(self) -> torch.Tensor:
        """L2 norm for each sample, shape (n,)."""
        if self.a.shape[1] == 1:
            return _norm(self.a[:, 0]) * self.lengths
        return self._direct.norms() if self._small else self._by_gram()

    def weighted(self, weights: torch.Tensor, *, last: bool = False) -> torch.Tensor:
        """Sum over samples of weight times gradient, of the parameter's shape."""
        return self.sums(weights, last=last)[0]

    def sums(
        self, weights: torch.Tensor, *, last: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The weighted sum, and that of the bias beside it, shape (p,), from one reading of g."""
        if not self._known or self._known[0] is not weights:
            self._known[:] = weights, *self._summed(weights, last)
        return self._known[1], self._known[2]

    def _summed(self, weights: torch.Tensor, last: bool) -> tuple[torch.Tensor, torch.Tensor]:
        if self._small:
            found, bias = self._direct.weighted(weights), weights @ self.summed
            return (found if self.view is None else self.view(found)), bias
        each, a, g = weights[:, None, None], self.a, self.g
        if a.shape[2] < g.shape[2]:  # the narrower one is the cheaper to scale
            a, bias = a * each, weights @ self.summed
        else:
            # In place where it can be: another matrix would push out of the cache what comes next.
            g = g.mul_(each) if last and _whole(g) else g * each
            bias = g.sum((0, 1))
        if not a.is_contiguous():  # time first, which the sum does not mind
            a, g = a.transpose(0, 1), g.transpose(0, 1)
        found = g.flatten(0, 1).T @ a.flatten(0, 1)
        return (found if self.view is None else self.view(found)), bias

    def take(self, kept: torch.Tensor) -> Outer:
        """The gradients of some samples alone."""
        return Outer(self.a[kept], self.g[kept], self.view)

    @cached_property
    def lengths(self) -> torch.Tensor:
        """L2 norm of sum over t of g[i, t], shape (n,): what a bias shares."""
        return _norm(self.summed)

    @cached_property
    def summed(self) -> torch.Tensor:
        """Sum over t of g[i, t], shape (n, p)."""
        return self.g[:, 0] if self.g.shape[1] == 1 else self.g.sum(1)

    @property
    def _small(self) -> bool:
        """Whether a sample's gradient costs less than two Gram matrices, and little memory."""
        t, d, p = self.a.shape[1], self.a.shape[2], self.g.shape[2]
        return t > 1 and t * t * (d + p) >= _PASSES * p * d and 2 * t * (d + p) >= p * d

    @cached_property
    def _direct(self) -> Direct:
        return Direct(torch.bmm(self.g.transpose(1, 2), self.a))

    def _by_gram(self) -> torch.Tensor:
        """From the inner products over time, without a matrix of shape (p, d) for each sample."""
        a2 = torch.bmm(self.a, self.a.transpose(1, 2))
        g2 = torch.bmm(self.g, self.g.transpose(1, 2))
        squares = torch.linalg.vecdot(a2.flatten(1), g2.flatten(1))
        largest = (_diagonal(a2) * _diagonal(g2)).sqrt().sum(1).square()
        # Terms that cancel leave rounding alone, and a norm too small would break the clip: the
        # samples where they do are done exactly.
        lost = torch.nonzero(squares < _CANCELLED * largest)[:, 0]
        norms = squares.clamp(min=0).sqrt()
        if len(lost):
            exact = Outer(self.a[lost], self.g[lost])._direct.norms()
            norms = norms.index_copy(0, lost, exact)
        return norms


@dataclass(frozen=True, eq=False)
class Bias:
    """Gradients of the bias beside a matrix, sum over t of g[i, t].

    matrix: Gradients of the matrix, which share what is read of g.
    """

    matrix: Outer

    def norms(self) -> torch.Tensor:
        """L2 norm for each sample, shape (n,)."""
        return self.matrix.lengths

    def weighted(self, weights: torch.Tensor, *, last: bool = False) -> torch.Tensor:
        """Sum over samples of weight times gradient, shape (p,)."""
        return self.matrix.sums(weights, last=last)[1]

    def take(self, kept: torch.Tensor) -> Bias:
        """The gradients of some samples alone."""
        return Bias(self.matrix.take(kept))


@dataclass(frozen=True, eq=False)
class Lookup:
    """Gradients of a table of vectors, sum over t of g[i, t] into row index[i, t].

    index: shape (n, t). g: shape (n, t, p), 0 where a position is padding. rows: of the table.
    """

    index: torch.Tensor
    g: torch.Tensor
    rows: int

    def norms(self) -> torch.Tensor:
        """L2 norm for each sample, shape (n,)."""
        if self.index.shape[1] == 1:
            return _norm(self.g[:, 0])
        # Equal indices side by side: their vectors add up before they are squared.
        order = self.index.argsort(1)
        index, g = self.index.gather(1, order), _gather(self.g, order)
        starts = torch.ones_like(index, dtype=torch.bool)
        starts[:, 1:] = index[:, 1:] != index[:, :-1]
        slot = starts.cumsum(1) - 1
        sums = torch.zeros_like(g).scatter_add_(1, slot[:, :, None].expand_as(g), g)
        return _norm(sums.flatten(1))

    def weighted(self, weights: torch.Tensor, *, last: bool = False) -> torch.Tensor:
        """Sum over samples of weight times gradient, shape (rows, p)."""
        del last
        scaled = (self.g * weights[:, None, None]).flatten(0, 1)
        table = scaled.new_zeros(self.rows, scaled.shape[1])
        return table.index_add_(0, self.index.flatten(), scaled)

    def take(self, kept: torch.Tensor) -> Lookup:
        """The gradients of some samples alone."""
        return Lookup(self.index[kept], self.g[kept], self.rows)


def unit_norms(factors: Sequence[Factor]) -> torch.Tensor:
    """L2 norm over all parameters for each sample, shape (n,)."""
    return torch.linalg.vector_norm(torch.stack([f.norms() for f in factors]), dim=0)


def _norm(rows: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(rows, dim=1)


def _whole(g: torch.Tensor) -> bool:
    """Whether each of its numbers has a place of its own, and its memory holds nothing else."""
    return g.is_contiguous() and g.untyped_storage().nbytes() == g.numel() * g.element_size()


def _diagonal(squares: torch.Tensor) -> torch.Tensor:
    return squares.diagonal(dim1=1, dim2=2).clamp(min=0)


def _gather(g: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return g.gather(1, order[:, :, None].expand_as(g))
