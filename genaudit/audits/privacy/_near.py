"""What lies around each attacked record: samples and reference rows, near and far, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.audits.privacy._game import TAU, Game, Sides
from genaudit.case import AuditCase
from genaudit.modalities.table.search import Encoded, few_nearest

#: Samples near a record that are looked at; neighbours of either kind that are counted.
NEIGHBOURS, COUNTED = 20, 5

#: Width of the kernel, as a share of how far half of the records are from their nearest reference
#: row: in a mean over columns all rows are nearly as far from each other, so a wider one is blind.
_WIDTH = 0.3


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Of members and of non-members, in this order one after the other; n records.

    n_members: of them. samples, reference: log of the mean kernel to all of either, shape (n,).
    near: squared distances to the nearest samples, and who they are, shape (n, k). mixed: log odds
    of samples among the few nearest of both, for the numbers that there are. within: share of
    samples that are as near as the nearest one of half of the records is. typical: log of the sum
    of kernels of each sample to the reference rows, shape (samples,). width: of the kernel.
    """

    n_members: int
    samples: np.ndarray
    reference: np.ndarray
    near: np.ndarray
    who: np.ndarray
    mixed: np.ndarray
    within: np.ndarray
    typical: np.ndarray
    width: float

    def sides(self, scores: np.ndarray) -> Sides:
        """Scores of all records as those of members and of non-members."""
        return scores[: self.n_members], scores[self.n_members :]


def surroundings(case: AuditCase, game: Game) -> Surroundings:
    """Looked at once for a case, whatever attacks ask for it."""
    return case.once(("privacy.surroundings", game), lambda: _look(game))


def _look(game: Game) -> Surroundings:
    space, records = game.space, _joined(game.records)
    # Both are settled by all records together, so that no label has a part in them.
    width = _WIDTH * (float(np.median(np.concatenate(game.near_reference))) + TAU)
    radius = float(np.median(np.concatenate(game.near_samples))) + 1e-6
    n, k = len(records), min(NEIGHBOURS, len(game.samples), len(game.reference))
    sums = [np.empty(n), np.empty(n)]
    near, who = np.empty((n, k), dtype=np.float32), np.empty((n, k), dtype=np.int64)
    calm, within = np.empty((n, k), dtype=np.float32), np.empty(n)
    for block, squared in space.squared(records, game.samples):
        who[block], near[block] = few_nearest(squared, k)
        within[block] = np.count_nonzero(squared <= radius**2, axis=1) / len(game.samples)
        sums[0][block] = _log_sum(squared, near[block, 0], width)
    for block, squared in space.squared(records, game.reference):
        calm[block] = few_nearest(squared, k)[1]
        sums[1][block] = _log_sum(squared, calm[block, 0], width)
    typical = np.empty(len(game.samples))
    for block, squared in space.squared(game.samples, game.reference):
        typical[block] = _log_sum(squared, squared.min(axis=1), width)
    return Surroundings(
        len(game.records[0]),
        sums[0] - np.log(len(game.samples)),
        sums[1] - np.log(len(game.reference)),
        near, who, _mixed(near, calm, game), within, typical, width,
    )  # fmt: skip


def _log_sum(squared: np.ndarray, least: np.ndarray, width: float) -> np.ndarray:
    """Log of the sum over a row of exp(-squared / 2 width²); the array is overwritten.

    least: of each row, so that its own term is 1 and the sum neither vanishes nor overflows.
    """
    shrink = np.float32(-1 / (2 * width**2))
    squared -= least[:, None]
    squared *= shrink
    np.exp(squared, out=squared)
    return np.asarray(np.log(squared.sum(axis=1)) + shrink * least.astype(float))


def _mixed(near: np.ndarray, calm: np.ndarray, game: Game) -> np.ndarray:
    width, k = near.shape[1], min(COUNTED, near.shape[1])
    both = np.concatenate([near, calm], axis=1)
    # Where both are as near, the reference comes first: a copy has to be nearer.
    order = np.argsort(both + np.repeat([1e-9, 0.0], width), axis=1, kind="stable")[:, :k]
    n_samples = (order < width).sum(axis=1)
    odds = np.log((n_samples + 1) / (k - n_samples + 1))
    return np.asarray(odds - np.log(len(game.samples) / len(game.reference)))


def _joined(parts: tuple[Encoded, Encoded]) -> Encoded:
    one, other = parts
    return Encoded(
        np.concatenate([one.numbers, other.numbers]), np.concatenate([one.codes, other.codes])
    )
