"""Features of sounds."""

from __future__ import annotations

import numpy as np

from genaudit.data.schema import Column, Kind
from genaudit.data.spoken import spoken
from genaudit.modalities.audio.space import Features

COLUMN = Column(name="audio", kind=Kind.AUDIO, rate=8000, max_length=4800)


def test_features_are_few_and_tell_words_apart() -> None:
    """At most 64 of them; the nearest other sound says the same word mostly."""
    data = spoken(160, seed=2)
    features = Features.fit(COLUMN, data["audio"].to_numpy())
    codes = features.encode(data["audio"].to_numpy())
    gaps = np.square(codes[:, None] - codes).sum(2)
    np.fill_diagonal(gaps, np.inf)

    words = data["word"].to_numpy()
    assert codes.shape == (160, 64)
    assert (words[gaps.argmin(1)] == words).mean() > 0.8


def test_features_follow_from_what_they_were_fitted_on() -> None:
    """A sound has the same features alone and among others; nothing has none."""
    sounds = spoken(30, seed=3)["audio"].to_numpy()
    features = Features.fit(COLUMN, sounds[:10])

    np.testing.assert_allclose(features.encode(sounds)[20], features.encode(sounds[20:21])[0])
    assert features.encode(sounds[:0]).shape == (0, 10)


def test_short_and_silent_sounds_have_features() -> None:
    """One sample, one frame, no sound at all: finite numbers."""
    sounds = np.empty(3, dtype=object)
    for i, n in enumerate((1, 128, 300)):
        sounds[i] = np.zeros(n, dtype=np.float32)

    assert np.isfinite(Features.fit(COLUMN, sounds).encode(sounds)).all()
