"""Corrected shares: on paper, against naive twins, and how often their intervals hold the truth."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from genaudit.stats.contrast import rate_contrast
from genaudit.stats.misclassified import MAX_BLUR, Misclassified

#: Error rates and share at which the published interval covers about 45% with 500 records a class.
RATES = np.array([[0.869, 0.131], [0.115, 0.885]])
SHARE = 0.643
N = 20_000


def cleam(said, checked, confidence=0.95):
    """The published interval of two classes: the error rates are taken as known."""
    n, (t, f) = said.sum(), (checked[1, 1] / checked[1].sum(), checked[0, 1] / checked[0].sum())
    q = said[1] / n
    half = norm.isf((1 - confidence) / 2) * np.sqrt(q * (1 - q) / n)
    return (q - half - f) / (t - f), (q + half - f) / (t - f)


def draws(rates, shares, n, n_checked, times, seed):
    """Counts of predictions about n records, and about n_checked of each class, so many times."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        checked = np.stack([rng.multinomial(n_checked, row) for row in rates])
        yield rng.multinomial(n, np.asarray(shares) @ rates), checked


def covers(interval, truth):
    """Whether an interval holds the truth."""
    return interval[0] <= truth <= interval[1]


def test_two_classes_on_paper():
    """60% predicted, of which a tenth of the others and four fifths of the class: (0.5 / 0.7)."""
    asked = Misclassified(np.array([400, 600]), np.array([[90, 10], [20, 80]]))

    assert np.allclose(asked.shares, [2 / 7, 5 / 7])
    assert np.isclose(asked.blur(1), np.sqrt((10.5 * 90.5 + 20.5 * 80.5) / 101**2 / 100) / 0.7)


def test_three_classes_are_solved():
    """Predictions that are an exact mix give that mix."""
    checked = np.array([[80, 15, 5], [10, 70, 20], [2, 8, 90]])
    asked = Misclassified(np.array([0.5, 0.3, 0.2]) @ checked * 10, checked)

    assert np.allclose(asked.raw, [0.5, 0.3, 0.2])
    assert all(covers(asked.interval(c, 0.5), p) for c, p in enumerate(asked.shares))


def test_the_interval_is_that_of_the_contrast():
    """With two classes its ends are where the contrast of three rates just reaches zero."""
    asked = Misclassified(np.array([400, 600]), np.array([[90, 10], [20, 80]]))
    low, high = asked.interval(1, 0.95)

    def contrast(p):
        return rate_contrast([(1, 600, 1000), (-p, 80, 100), (-(1 - p), 10, 100)], 0.95)

    assert np.isclose(contrast(low)[0], 0, atol=1e-9)
    assert np.isclose(contrast(high)[1], 0, atol=1e-9)


def test_both_classes_mirror_each_other():
    """What is certain about one of two classes is certain about the other."""
    asked = Misclassified(np.array([30, 270]), np.array([[55, 5], [9, 51]]))
    (a, b), (c, d) = asked.interval(0, 0.99), asked.interval(1, 0.99)

    assert np.allclose([a, b], [1 - d, 1 - c])


def test_intervals_widen_with_confidence():
    """Every rung of a ladder holds the one below, within [0, 1]."""
    asked = Misclassified(np.array([400, 600]), np.array([[90, 10], [20, 80]]))
    rungs = [asked.interval(1, c) for c in (0.5, 0.95, 0.9999999)]

    assert all(a[0] >= b[0] and a[1] <= b[1] for a, b in pairwise(rungs))
    assert all(0 <= low < high <= 1 for low, high in rungs)


def test_a_coin_tells_nothing():
    """A predictor by chance: no share is ruled out, and its blur says so; a singular one too."""
    coin = Misclassified(np.array([500, 500]), np.array([[51, 49], [49, 51]]))
    same = Misclassified(np.array([500, 500]), np.array([[50, 50], [50, 50]]))

    assert coin.blur(0) > MAX_BLUR
    assert coin.interval(0, 0.95) == (0.0, 1.0)
    assert same.blur(0) == np.inf
    assert same.interval(0, 0.95) == (0.0, 1.0)
    assert not coin.misfit
    assert not same.misfit


def test_a_class_nobody_tells_apart_takes_nothing_from_others():
    """Two of three are hardly told apart, and one comes out below 0: the third keeps its share."""
    asked = Misclassified(
        np.array([480, 210, 310]), np.array([[270, 15, 15], [10, 49, 41], [10, 41, 49]])
    )
    rates = asked.checked / asked.checked.sum(axis=1, keepdims=True)

    assert asked.raw.min() < -0.1
    assert np.isclose(asked.shares.sum(), 1)
    assert asked.shares.min() < 0.01
    assert abs(asked.shares[0] - asked.raw[0]) < 0.05
    fits = [(asked.said * np.log(mix @ rates)).sum() for mix in (asked.shares, *np.eye(3))]
    cut = np.maximum(asked.raw, 0) / np.maximum(asked.raw, 0).sum()
    assert fits[0] > max(*fits[1:], (asked.said * np.log(cut @ rates)).sum())


@pytest.mark.parametrize(
    ("right", "n_checked", "shares"),
    [(0.9, (1000, 1000, 40), (0.2, 0.2, 0.6)), (0.96, (1000, 1000, 60), (0.2, 0.2, 0.6)),
     (0.6, (300, 100, 40), (0.3, 0.35, 0.35))],
)  # fmt: skip
def test_covers_a_class_that_is_rare_where_errors_are_measured(right, n_checked, shares):
    """Forty checked records of the most frequent class, of which one or two are mistaken."""
    rates = np.full((3, 3), (1 - right) / 2) + np.eye(3) * (right - (1 - right) / 2)
    rng, times, held = np.random.default_rng(3), 400, np.zeros(3)
    for _ in range(times):
        checked = np.array(
            [rng.multinomial(n, row) for n, row in zip(n_checked, rates, strict=True)]
        )
        asked = Misclassified(rng.multinomial(2000, np.array(shares) @ rates), checked)
        held += [covers(asked.interval(c, 0.95), shares[c]) for c in range(3)]

    assert (held / times >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / times)).all()


def test_a_share_below_zero_is_zero():
    """Fewer hits than the errors alone would give: 0, an interval that is no point, and no mix."""
    asked = Misclassified(np.array([990, 10]), np.array([[450, 50], [100, 400]]))

    assert asked.raw[1] < 0
    assert asked.shares[1] == 0
    assert asked.interval(1, 0.95)[0] == 0
    assert asked.interval(1, 0.95)[1] > 0
    assert asked.misfit
    assert not Misclassified(np.array([895, 105]), asked.checked).misfit


def test_what_cannot_be_counted_is_refused():
    """Shapes that do not fit, and a class that nobody is known of."""
    with pytest.raises(ValueError, match=r"shape \(C,\) and \(C, C\)"):
        Misclassified(np.array([1, 2, 3]), np.eye(2))
    with pytest.raises(ValueError, match="records of every class"):
        Misclassified(np.array([1, 2]), np.array([[3, 1], [0, 0]]))


@pytest.mark.parametrize("n_checked", [200, 500, 10_000])
def test_covers_where_the_published_interval_does_not(n_checked):
    """At least 93% (and two errors of 300 draws) hold the share; CLEAM's do far less often."""
    held = [0, 0]
    for said, checked in draws(RATES, (1 - SHARE, SHARE), N, n_checked, 300, seed=n_checked):
        held[0] += covers(Misclassified(said, checked).interval(1, 0.95), SHARE)
        held[1] += covers(cleam(said, checked), SHARE)

    assert held[0] / 300 >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / 300)
    assert held[1] / 300 <= {200: 0.4, 500: 0.55, 10_000: 0.93}[n_checked]


@pytest.mark.slow
@pytest.mark.parametrize("n_checked", [200, 500, 10_000])
def test_covers_in_two_thousand_draws(n_checked):
    """At least 93% of 2,000 intervals hold the share, of two classes and of three."""
    three = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.02, 0.08, 0.9]])
    for rates, shares in ((RATES, (1 - SHARE, SHARE)), (three, (0.6, 0.3, 0.1))):
        held = [
            covers(Misclassified(said, checked).interval(1, 0.95), shares[1])
            for said, checked in draws(rates, shares, N, n_checked, 2000, seed=1)
        ]

        assert np.mean(held) >= 0.93
