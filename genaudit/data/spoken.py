"""Speech-like sounds that are wholly synthetic: ten syllables, spoken by low and by high voices.

A source (pulses of a larynx, breath, bursts) passes through four resonators, the formants, whose
frequencies move in time. No person was recorded: the sounds stand in for a folder of spoken words
in tests, examples and benchmarks.

Source: Klatt 1980, JASA 67 (a cascade of second-order resonators); Peterson & Barney 1952, JASA 24
(formants of vowels of men and women, rounded).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from genaudit.data.record import as_column

RATE = 8000

#: Shortest and longest sound, samples.
SHORTEST, LONGEST = 2000, 4800

#: (F1, F2, F3) in Hz of what a low voice says.
_VOWELS = {
    "a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010),
    "o": (570, 840, 2410), "u": (300, 870, 2240), "er": (490, 1350, 1690),
    "m": (260, 1100, 2200), "l": (360, 1250, 2800), "b": (220, 800, 2100), "d": (230, 1800, 2700),
    "sh": (350, 1900, 2600),
}  # fmt: skip

#: Bandwidths of the four formants, and frequency of the last, Hz.
_WIDTHS = (70, 90, 140, 260)
_UPPER = 3300

#: Seconds in which loudness rises and falls.
_RISE, _FALL = 0.012, 0.05


@dataclass(frozen=True)
class Word:
    """What is said: targets of the formants in order, and how it begins.

    onset: `voice`, `burst` (a stop), `hiss` (a fricative) or `hum` (a nasal).
    first: share of the sound that the first target takes.
    """

    targets: tuple[str, ...]
    onset: str = "voice"
    first: float = 0.2


WORDS: dict[str, Word] = {
    "ah": Word(("a", "a")), "ee": Word(("i", "i")), "oo": Word(("u", "u")),
    "ai": Word(("a", "e", "i"), first=0.35), "ow": Word(("a", "o", "u"), first=0.35),
    "wa": Word(("u", "a"), first=0.3), "ya": Word(("i", "a"), first=0.3),
    "ma": Word(("m", "a"), "hum", 0.3), "do": Word(("d", "o"), "burst", 0.12),
    "sher": Word(("sh", "er"), "hiss", 0.35),
}  # fmt: skip

#: Voice -> lowest and highest mean pitch in Hz, and what its formants are multiplied with.
VOICES = {"low": (95.0, 135.0, 1.0), "high": (180.0, 240.0, 1.16)}


def spoken(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Sounds with their word and their speaker's voice, shape (n, 3), at 8 kHz.

    Words are equally frequent; six voices of ten are low.

    Args:
        n: Sounds to make.
        seed: The same seed makes the same sounds.
    """
    rng = np.random.default_rng([seed, 0x5B0])
    words = rng.permutation(np.resize(list(WORDS), n))
    voices = np.where(rng.random(n) < 0.6, "low", "high")
    lengths = rng.integers(SHORTEST, LONGEST + 1, n)
    sounds = _sounds(words, voices, lengths, rng)
    whole = [sound[:length] for sound, length in zip(sounds, lengths, strict=True)]
    return pd.DataFrame({"audio": as_column(whole), "word": words, "speaker": voices})


def _sounds(
    words: np.ndarray, voices: np.ndarray, lengths: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """All sounds at once, float32 (n, LONGEST), silent after their length."""
    n = len(words)
    place = np.arange(LONGEST) / lengths[:, None]  # 0 to 1 within a sound
    low, high, _ = np.array([VOICES[v] for v in voices]).T
    pitch = rng.uniform(low, high)[:, None] * (1.12 - 0.24 * place)
    loud = _loudness(place, lengths)
    noise = rng.standard_normal((n, LONGEST))
    voiced, unvoiced = _mixture(words, place)
    source = voiced * _pulses(pitch, rng) + (0.005 * voiced + 0.12 * unvoiced) * noise
    sound = _resonated(source * loud, _formants(words, voices, place, rng))
    # As loud as people are who hold a microphone nearer or farther: -26 to -17 dB on average.
    power = np.sqrt((sound**2).sum(1) / lengths)
    sound *= (10 ** (rng.uniform(-26, -17, n) / 20) / power)[:, None]
    sound += 2e-4 * rng.standard_normal(sound.shape)  # a quiet room
    sound *= np.minimum(1.0, 0.95 / np.abs(sound).max(1))[:, None]
    sound[place >= 1] = 0.0
    return sound.astype(np.float32)


def _pulses(pitch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pulses of a larynx, duller towards high frequencies, shape of pitch (n, samples)."""
    wobble = 1 + 0.01 * np.repeat(rng.standard_normal((len(pitch), LONGEST // 40 + 1)), 40, axis=1)
    turns = np.cumsum(pitch * wobble[:, :LONGEST] / RATE, axis=1)
    whole = np.floor(turns)
    falls = np.diff(whole, axis=1, prepend=0.0) > 0
    # A pulse lies between two samples: its share of each keeps the pitch from being rounded.
    late = np.where(falls, (turns - whole) / (pitch / RATE), 0.0).clip(0, 1)
    pulses = np.where(falls, 1 - late, 0.0)
    pulses[:, :-1] += late[:, 1:]
    return _smoothed(pulses, 0.82) * 3.0


def _smoothed(signal: np.ndarray, kept: float) -> np.ndarray:
    """A one-pole low-pass."""
    from scipy.signal import lfilter

    return np.asarray(lfilter([1 - kept], [1, -kept], signal, axis=1))


def _loudness(place: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    seconds, left = place * lengths[:, None] / RATE, (1 - place) * lengths[:, None] / RATE
    return np.asarray((seconds / _RISE).clip(0, 1) * (left / _FALL).clip(0, 1))


def _mixture(words: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How strong voice and noise are at each sample, shape (n, samples) each."""
    voiced, unvoiced = np.ones_like(place), np.zeros_like(place)
    for name, word in WORDS.items():
        rows = words == name
        early = place[rows] < word.first
        if word.onset == "hiss":
            voiced[rows], unvoiced[rows] = np.where(early, 0.0, 1.0), np.where(early, 1.0, 0.0)
        if word.onset == "burst":
            closed, opens = place[rows] < 0.03, (place[rows] >= 0.03) & (place[rows] < 0.09)
            voiced[rows] = np.where(closed | opens, 0.05, 1.0)
            unvoiced[rows] = np.where(opens, 1.2, 0.0)
        if word.onset == "hum":
            voiced[rows] = np.where(early, 0.35, 1.0)
    return _smoothed(voiced, 0.98), _smoothed(unvoiced, 0.97)


def _formants(
    words: np.ndarray, voices: np.ndarray, place: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Frequencies in Hz, shape (4, n, samples): from target to target, each voice its own size."""
    size = np.array([VOICES[v][2] for v in voices]) * np.exp(0.03 * rng.standard_normal(len(words)))
    each = np.exp(0.03 * rng.standard_normal((3, len(words))))
    found = np.empty((4, *place.shape))
    for name, word in WORDS.items():
        rows = words == name
        at = np.array([0.0, *np.linspace(word.first, 0.8, len(word.targets) - 1), 1.0])
        for k in range(3):
            targets = [_VOWELS[t][k] for t in word.targets]
            found[k, rows] = np.interp(place[rows], at, [*targets, targets[-1]])
    found[:3] *= each[:, :, None]
    found[3] = _UPPER
    return np.asarray((found * size[:, None]).clip(150, 0.46 * RATE))


def _resonated(source: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """The source behind all resonators, one after the other, shape (n, samples)."""
    sound = np.ascontiguousarray(source.T)  # samples first: each step reads rows that lie together
    for frequency, width in zip(formants, _WIDTHS, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        near = np.ascontiguousarray(2 * radius * np.cos(2 * np.pi * frequency / RATE).T)
        sound *= 1 - near + radius**2  # a gain of 1 at 0 Hz
        for t in range(2, len(sound)):
            sound[t] += near[t] * sound[t - 1] - radius**2 * sound[t - 2]
    return sound.T
