"""Features of images, distances between sets, distances to training rows, and a learned judge."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.data.record import as_column
from genaudit.data.schema import Column
from genaudit.modalities.image import quality
from genaudit.modalities.image.judge import N_FEATURES, trained
from genaudit.modalities.image.space import MAX_FEATURES, Features

COLUMN = Column(name="x", kind="image", size=(12, 10, 1))


def _squares(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright half, and which half: left 0, right 1."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, (n, 12, 10, 1), dtype=np.uint8)
    labels = rng.integers(0, 2, n)
    for image, label in zip(images, labels, strict=True):
        image[:, 5 * label : 5 * label + 5] += 120
    return images, labels


def _cells(images: np.ndarray) -> np.ndarray:
    return as_column(images).to_numpy()


def test_features_are_few_repeatable_and_tell_images_apart() -> None:
    """The first axis is where images differ most; the same images give the same numbers."""
    images, labels = _squares(80, 0)

    features = Features.fit(COLUMN, _cells(images))
    coded = features.encode(_cells(images))

    assert coded.shape == (80, len(features.names))
    assert coded.shape[1] <= MAX_FEATURES
    assert coded.dtype == np.float64
    assert (coded == Features.fit(COLUMN, _cells(images)).encode(_cells(images))).all()
    assert coded[labels == 0, 0].max() < coded[labels == 1, 0].min() or (
        coded[labels == 1, 0].max() < coded[labels == 0, 0].min()
    )
    assert features.encode(_cells(images[:0])).shape == (0, coded.shape[1])


def test_images_that_are_all_the_same_have_no_axis() -> None:
    """Where nothing differs there is nothing to tell; one image is enough."""
    cells = _cells(np.full((3, 12, 10, 1), 7, dtype=np.uint8))

    assert Features.fit(COLUMN, cells).encode(cells).shape == (3, 0)
    assert Features.fit(COLUMN, cells[:1]).encode(cells).shape == (3, 0)


@pytest.mark.parametrize("seed", range(3))
def test_the_frechet_distance_is_the_closed_form(seed: int) -> None:
    """Of independent features it is gaps of means and of standard deviations, squared."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(500, 3))
    rows = np.linalg.qr(rows - rows.mean(0))[0] * np.sqrt(499)
    scale, shift = np.array([1.0, 2.0, 0.0]), np.array([0.0, 3.0, 1.0])

    found = quality.frechet(rows, rows * scale + shift)

    assert found == pytest.approx((shift**2).sum() + ((scale - 1) ** 2).sum())
    assert quality.frechet(rows, rows) == pytest.approx(0, abs=1e-9)


def test_the_nearest_row_is_the_nearest() -> None:
    """As a naive loop says; a copy is at 0, and black from white at 1."""
    train, samples = _squares(30, 0)[0], _squares(20, 1)[0]
    samples[3] = train[7]

    found = quality.nearest(samples, train)

    gaps = (samples[:, None].astype(float) - train[None]) / 255
    assert found == pytest.approx(np.sqrt((gaps**2).mean((2, 3, 4))).min(1), abs=1e-6)
    assert found[3] == 0
    white = np.full((1, 12, 10, 1), 255, dtype=np.uint8)
    assert quality.nearest(white, np.zeros_like(white)) == pytest.approx([1])
    assert len(quality.nearest(samples[:0], train)) == 0


def test_samples_are_worth_what_they_teach() -> None:
    """Honest samples teach the label, samples with false labels teach those."""
    real, names = _squares(100, 0)
    samples, labels = _squares(100, 1)

    assert quality.worth(samples, labels, real, names, steps=40) > 0.95
    assert quality.worth(samples, 1 - labels, real, names, steps=40) < 0.05


@pytest.mark.parametrize("labelled", [True, False])
def test_fd_local_tells_good_samples_from_bad(labelled: bool) -> None:
    """Noise is far, images of the same kind are as near as training rows are."""
    (train, names), holdout, good = _squares(100, 0), _squares(100, 1)[0], _squares(100, 2)[0]
    bad = np.random.default_rng(0).integers(0, 256, train.shape, dtype=np.uint8)
    labels = names if labelled else None

    near = quality.fd_local(good, train, holdout, labels, steps=30)
    far = quality.fd_local(bad, train, holdout, labels, steps=30)

    assert near.value < 0.5 * far.value
    assert near.real < 0.5 * far.value
    assert near.digest == far.digest
    assert len(near.digest) == 64


def test_a_judge_is_repeatable_and_its_digest_tells_it() -> None:
    """One seed is one network; another seed is another, and torch's own stream is left alone."""
    images, labels = _squares(20, 0)

    one, again = (trained(images, labels, seed=1, steps=5) for _ in range(2))
    other = trained(images, labels, seed=2, steps=5)

    assert one.digest == again.digest != other.digest
    assert one.features(images).shape == (20, N_FEATURES)
    assert one.chances(images).sum(1) == pytest.approx(np.ones(20))
    assert one.chances(images[:0]).shape == (0, int(labels.max()) + 1)
