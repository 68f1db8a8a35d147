"""Texts as points."""

from __future__ import annotations

import numpy as np

from genaudit.data.schema import Column
from genaudit.modalities.text.space import Features

COLUMN = Column.model_validate({"name": "t", "kind": "text", "max_length": 12})


def test_alike_texts_are_close() -> None:
    """A name is closer to its other spelling than to any other name."""
    names = np.array(["katherine", "catherine", "bob", "dolores", "jim", "zoe"], dtype=object)
    points = Features.fit(COLUMN, names).encode(names)

    far = np.linalg.norm(points[0] - points[1:], axis=1)

    assert far.argmin() == 0
    assert points.shape == (6, 7)


def test_features_are_few_and_the_same_each_time() -> None:
    """At most 64 numbers a text, the same for the same texts, Chinese ones too."""
    rng = np.random.default_rng(0)
    texts = np.array(["".join(rng.choice(list("王李张伟芳abc"), 6)) for _ in range(200)], object)

    one, other = (Features.fit(COLUMN, texts).encode(texts) for _ in range(2))

    assert one.shape == (200, 64)
    np.testing.assert_array_equal(one, other)
    assert Features.fit(COLUMN, texts).encode(texts[:0]).shape == (0, 64)
