"""Distances between made texts and real ones."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.data import bundled
from genaudit.modalities.text import quality


def test_divergence_on_paper() -> None:
    """Half of the bigrams in common: half a bit."""
    one, other = ["ab"], ["ac"]
    assert quality.divergence(one, other, 2) == pytest.approx(2 / 3)
    assert quality.divergence(one, other, 1) == pytest.approx(1 / 4)


def test_real_names_are_near_each_other_and_shuffled_ones_are_not() -> None:
    """Two halves of the census differ less than letters in random order."""
    names = bundled.load("names")[0]["name"].tolist()
    rng = np.random.default_rng(0)
    rng.shuffle(names)
    half, other = names[:2000], names[2000:4000]
    shuffled = ["".join(rng.permutation(list(name))) for name in half]

    near = quality.divergence(half, other)

    assert near < 0.25 < quality.divergence(shuffled, other) - near
    assert quality.length_distance(half, other) < 0.05


def test_a_reader_tells_the_gender_of_real_names() -> None:
    """Trained on real names it is far better than the majority; on shuffled labels it is not."""
    frame = bundled.load("names")[0].sample(frac=1, random_state=0)
    names, genders = frame["name"].tolist(), frame["gender"].tolist()
    train, test = slice(0, 1500), slice(1500, 2500)

    found = quality.read_by(names[train], genders[train], names[test], genders[test])
    blind = quality.read_by(names[train], genders[2500:4000], names[test], genders[test])
    alone = quality.read_by(names[train], ["male"] * 1500, names[test], genders[test])

    assert found.auc > 0.85
    assert blind.auc < 0.6
    assert found.accuracy > found.majority
    assert alone.auc == 0.5


def test_the_curve_of_temperature() -> None:
    """At a low temperature the same texts come again and again."""
    real = [f"{a}{b}" for a in "abcdefgh" for b in "mnopqr"]

    def make(n: int, temperature: float) -> list[str]:
        k = max(1, round(len(real) * min(1.0, temperature)))
        return [real[i % k] for i in range(n)]

    curve = quality.temperature_curve(make, real, real[:10], (0.1, 1.0))

    assert [c.temperature for c in curve] == [0.1, 1.0]
    assert curve[0].duplicates > 0.8 > curve[1].duplicates == 0.0
    assert curve[0].divergence > curve[1].divergence == 0.0
    assert curve[0].novelty == 0.0 < curve[1].novelty
