"""The change of a largest gap: against a naive twin, and against draws whose truth is known."""

import math
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import norm

from genaudit.stats.components import component_interval
from genaudit.stats.maxima import Maxima, Source


def contrasts(n):
    """Every difference of two of n cells."""
    one = np.eye(n)
    return np.array([one[i] - one[j] for i, j in permutations(range(n), 2)])


def naive(first, second, weights, sources, confidence):
    """The same interval by loops over candidates, each contrast by the interval of components."""
    error = (1 - confidence) / 2
    tail, choice = 0.9 * error, 0.05 * error
    c = len(first)

    def variances(both, *chosen):
        # Cells that fall out of the difference of two contrasts still count for the least.
        part = (weights[list(chosen)] != 0).any(axis=0)
        return [(max(*[both @ m @ both for m in (s.covariance, s.instead) if m is not None],
                     0.0 if s.least is None else max(s.least[part])), s.df)
                for s in sources]  # fmt: skip

    def ends(p, q):
        both = np.concatenate([weights[p], -weights[q]])
        value = weights[p] @ first - weights[q] @ second
        return component_interval(value, variances(both, p, q), 1 - 2 * tail)

    def candidates(side):
        cells = (first, second)[side]
        top = int(np.argmax(weights @ cells))
        found = []
        for p in range(len(weights)):
            apart = np.zeros(2 * c)
            apart[side * c : (side + 1) * c] = weights[top] - weights[p]
            behind = float((weights[top] - weights[p]) @ cells)
            level = 1 - 2 * choice / (len(weights) - 1)
            low, _ = component_interval(behind, variances(apart, top, p), level)
            if p == top or low <= 0:
                found.append(p)
        return found

    mine, other = candidates(0), candidates(1)
    high = max(min(ends(p, p)[1], max(ends(p, q)[1] for q in other)) for p in mine)
    low = min(max(ends(q, q)[0], min(ends(p, q)[0] for p in mine)) for q in other)
    return low, high


def random_case(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(8, 8)) * 0.03
    other = rng.normal(size=(8, 8)) * 0.02
    sources = [
        Source(root @ root.T, least=np.array([1e-4, 4e-4, 1e-5, 1e-2])),
        Source(other @ other.T, 5, instead=root @ root.T / 2),
    ]
    return rng.normal(0.3, 0.1, 4), rng.normal(0.3, 0.1, 4), contrasts(4), sources


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_it_equals_loops_over_candidates(confidence):
    for seed in range(12):
        case = random_case(seed)
        assert np.allclose(Maxima(*case).interval(confidence), naive(*case, confidence))


def test_it_holds_the_difference_of_the_maxima_and_grows_with_confidence():
    for seed in range(40):
        found = Maxima(*random_case(seed))
        inner, outer = found.interval(0.9), found.interval(0.99)
        assert outer[0] <= inner[0] <= found.value <= inner[1] <= outer[1]


def test_one_contrast_is_a_plain_interval():
    """With nothing to choose from, the interval of components."""
    variance = np.diag([0.01, 0.02, 0.03, 0.04])
    found = Maxima(np.array([0.5, 0.2]), np.array([0.4, 0.3]), np.array([[1.0, -1.0]]),
                   [Source(variance)])  # fmt: skip

    assert np.allclose(
        found.interval(0.95), component_interval(0.2, [(0.1, math.inf)], 0.95)
    )  # fmt: skip


def held(first, second, sd, draws=400):
    """Shares of 95% intervals below, and above, the truth; and the mean error of the value."""
    rng = np.random.default_rng(3)
    truth = np.ptp(first) - np.ptp(second)
    sources, weights = [Source(np.eye(2 * len(first)) * sd**2)], contrasts(len(first))
    below = above = 0
    values = []
    for _ in range(draws):
        noise = rng.normal(size=(2, len(first))) * sd
        found = Maxima(first + noise[0], second + noise[1], weights, sources)
        low, high = found.interval(0.95)
        below, above = below + (high < truth), above + (low > truth)
        values.append(found.value)
    return below / draws, above / draws, float(np.mean(values) - truth)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0.3] * 6, [0.3] * 6),
        ([0.36, *[0.3] * 5], [0.3] * 6),
        ([0.28, 0.22, *[0.25] * 6], [0.25] * 8),
        ([0.2] * 6, [0.3, 0.1, *[0.2] * 4]),
        ([0.5, 0.1, 0.3], [0.4, 0.1, 0.3]),
    ],
)
def test_it_errs_on_either_side_as_rarely_as_it_says(first, second):
    """Where the plain difference of the two maxima is biased, and where it is not."""
    below, above, _ = held(np.array(first), np.array(second), 0.02)
    most = 0.025 + 2 * math.sqrt(0.025 * 0.975 / 400)

    assert below <= most
    assert above <= most


def test_the_plain_difference_is_biased_where_one_side_has_many_extremes():
    """Why this is needed: an interval around the value alone would miss the truth."""
    first, second = np.array([0.28, 0.22, *[0.25] * 6]), np.full(8, 0.25)
    _, _, bias = held(first, second, 0.02, draws=200)

    assert bias < -0.015


def test_a_clear_extreme_costs_two_hundredths():
    """Far from any tie it is the interval of the contrast, at 95.5%."""
    sd = 0.001
    found = Maxima(np.array([0.5, 0.1]), np.array([0.4, 0.1]), contrasts(2),
                   [Source(np.diag([sd**2] * 4))])  # fmt: skip
    low, high = found.interval(0.95)

    assert np.isclose(high - low, 2 * norm.isf(0.0225) * 2 * sd)
