"""Speech-like sounds that are made on the fly."""

from __future__ import annotations

import numpy as np

from genaudit.data.spoken import LONGEST, SHORTEST, VOICES, WORDS, spoken


def test_sounds_are_what_they_say() -> None:
    """Mono from -1 to 1 without a crack, of the lengths that the schema declares, all words."""
    data = spoken(100, seed=1)

    assert data["word"].value_counts().eq(10).all()
    assert set(data["word"]) == set(WORDS)
    assert set(data["speaker"]) == set(VOICES)
    for sound in data["audio"]:
        assert sound.dtype == np.float32
        assert SHORTEST <= len(sound) <= LONGEST
        assert 0.02 < np.abs(sound).max() <= 0.9500001


def test_a_seed_makes_the_same_sounds() -> None:
    """Another makes others."""
    one, again, other = (spoken(8, seed)["audio"] for seed in (0, 0, 1))

    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0][:SHORTEST], other[0][:SHORTEST])


def test_voices_differ_in_pitch() -> None:
    """The first repetition of the waveform comes within the period of each voice."""
    data = spoken(80, seed=2)
    for voice, (low, high, _) in VOICES.items():
        vowels = data[(data["speaker"] == voice) & data["word"].isin(["ah", "ee", "oo"])]
        pitches = []
        for sound in vowels["audio"]:
            part = sound[400:1600] - sound[400:1600].mean()
            likeness = np.correlate(part, part, "full")[len(part) - 1 :]
            pitches.append(8000 / (28 + likeness[28:100].argmax()))
        assert 0.85 * low < np.median(pitches) < 1.15 * high, voice
