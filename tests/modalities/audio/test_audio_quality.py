"""Numbers that stand for listening."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.data.record import as_column
from genaudit.data.schema import Column, Kind
from genaudit.data.spoken import spoken
from genaudit.modalities.audio.quality import (
    distance_to_classes,
    listening,
    spectral_distance,
    transfer,
)

COLUMN = Column(name="audio", kind=Kind.AUDIO, rate=8000, max_length=4800)


def test_what_is_heard_first() -> None:
    """A square wave at full scale and silence, by hand."""
    square = np.where(np.arange(1600) // 8 % 2, 1.0, -1.0).astype(np.float32)
    heard = listening(COLUMN, as_column([square, np.zeros(800, dtype=np.float32)]).to_numpy())

    assert heard.clipped == 0.5
    assert heard.silent == 0.5
    assert heard.mute == 0.5
    assert heard.peak == 0.5
    assert heard.level == pytest.approx(-50)
    assert heard.seconds == pytest.approx(0.15)


def test_the_distance_of_sounds() -> None:
    """None from itself, 6 dB from itself at half the size, more from another."""
    one, other = spoken(2, seed=4)["audio"]
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(4000)).astype(np.float32)

    assert spectral_distance(COLUMN, one, one) == 0
    assert spectral_distance(COLUMN, noise, noise / 2) == pytest.approx(6.02, abs=0.01)
    assert spectral_distance(COLUMN, one, other) > 6
    assert spectral_distance(COLUMN, one, other[:500]) == pytest.approx(
        spectral_distance(COLUMN, other[:500], one)
    )


def test_sounds_with_wrong_words_are_found() -> None:
    """Real sounds are near their class and teach it; with words dealt anew they do neither."""
    data = spoken(200, seed=6)
    sounds, words = data["audio"].to_numpy(), data["word"].to_numpy()
    dealt = np.random.default_rng(0).permutation(words[:100])
    real = sounds[100:], words[100:]

    right = distance_to_classes(COLUMN, sounds[:100], words[:100], *real)
    wrong = distance_to_classes(COLUMN, sounds[:100], dealt, *real)

    assert right < 0.8 * wrong
    assert transfer(COLUMN, sounds[:100], words[:100], *real) > 0.9
    assert transfer(COLUMN, sounds[:100], dealt, *real) < 0.4
    assert transfer(COLUMN, sounds[:10], np.repeat("ah", 10), *real) == np.mean(real[1] == "ah")
