"""What of a record stays when it is altered so that a person would still know it.

Not measured here is how many records are copied: what looks like one is only withheld from a page.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from genaudit.data.disclosure import SMALL_CELL
from genaudit.data.schema import Column, Kind
from genaudit.modalities.audio.frames import BANDS, Frames
from genaudit.modalities.table.space import nearer_by_far

#: A sample is not shown unless ten records of anybody else are at most so many times as far as the
#: nearest: sooner than one counts as a near copy, as a picture that is shown cannot be taken back,
#: and of a few, as two pictures of one face are not each other's crowd.
ALIKE, CROWD = 2.0, SMALL_CELL

#: Where records differ in little, such as pure tones, most are that near to one by chance. So many
#: times is doubled until at most this share of some real records is, up to so often.
_BY_CHANCE, _ASKED, _DOUBLINGS = 0.25, 250, 6

#: Square of the longest vector of traits, in integer steps: products in float32 stay exact.
_LONGEST = 2**22

#: Waves across a picture, at most.
_WAVES = 8

#: How far below its loudest band a sound is looked at, in dB: small noise is below. Its changes are
#: told apart by their cycles in so many frames, and so many of them.
_HEARD, _FRAMES, _CYCLES = 20.0, 64, 12

#: Steps that a series is brought to.
_STEPS = 32

#: Letters of an n-gram, and cells that n-grams are hashed into.
_GRAM, _CELLS = 5, 2**20

#: Share of its n-grams that makes a text of so many letters another's; a shorter one, down to so
#: many letters, has to lie in the other whole.
_SHARED, LETTERS, _FEW_LETTERS = 0.5, 20, 12

#: Characters that are read of all real texts together, and of each at least: some seconds.
_READ, _FEWEST = 10_000_000, 400

#: Shares of n-grams worked out in one go: 20 MB of them.
_BLOCK = 5_000_000


def bare(text: str) -> str:
    """The letters and digits of a text without case and accents; all of it where there are none.

    >>> bare("Adèle L. O'Neil, 36") == bare("ADELE L ONEIL 36")
    True
    """
    # Accents come apart from their letters, and are neither letters nor digits.
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(filter(str.isalnum, folded)) or folded


def likeness(column: Column, records: np.ndarray, owner: np.ndarray | None) -> Traits | Wordings:
    """What tells whose record an altered one is.

    Args:
        column: What declares the records.
        records: Real ones, an array of objects of shape (n,).
        owner: Number of the person of each, shape (n,); None where each is a person's.
    """
    if column.kind is Kind.TEXT:
        return Wordings.of(records, owner)
    return Traits.of(column, records, owner)


# Images, series and sounds -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Traits:
    """Where real records lie by what alterations leave as it is.

    centre, scale: what makes traits whole numbers. place: shape (n, d). owner: shape (n,) or None.
    times: how many times as far others are before a record is one's.
    """

    column: Column
    centre: np.ndarray
    scale: float
    place: np.ndarray
    owner: np.ndarray | None
    times: float

    @classmethod
    def of(cls, column: Column, records: np.ndarray, owner: np.ndarray | None) -> Traits:
        """The traits of real records."""
        raw = _traits(column, records)
        centre = raw.mean(0)
        longest = np.square(raw - centre).sum(1).max()
        scale = float(np.sqrt(_LONGEST / longest)) if longest > 0 else 1.0
        place = np.rint((raw - centre) * scale)
        return cls(column, centre, scale, place, owner, _times(place, owner))

    def known(self, records: np.ndarray) -> np.ndarray:
        """Which records look like one person's by far, bools (n,)."""
        place = np.rint((_traits(self.column, records) - self.centre) * self.scale)
        return nearer_by_far(place, self.place, self.owner, self.times, CROWD)[1]


def _times(place: np.ndarray, owner: np.ndarray | None) -> float:
    """How many times as far is far, such that few real records are nearer to another's by chance.

    Some records are asked for among those of all others.
    """
    n = len(place)
    whose = np.arange(n) if owner is None else owner
    asked = np.linspace(0, n - 1, max(1, min(n // 10, _ASKED))).astype(int)
    rest = ~np.isin(whose, whose[asked])
    if not rest.any():
        return ALIKE
    for times in ALIKE * 2.0 ** np.arange(_DOUBLINGS):
        near = nearer_by_far(place[asked], place[rest], whose[rest], times, CROWD)[1]
        if near.mean() <= _BY_CHANCE:
            return float(times)
    return float(ALIKE * 2.0**_DOUBLINGS)


def _traits(column: Column, records: np.ndarray) -> np.ndarray:
    """Traits of records, shape (n, d)."""
    traits = _reader(column)
    return np.stack([traits(record) for record in records])


def _reader(column: Column) -> Callable[[np.ndarray], np.ndarray]:
    match column.kind:
        case Kind.IMAGE:
            return _waves
        case Kind.AUDIO:
            assert column.rate is not None, "declared: a file of sounds names its rate"
            frames = Frames(column.rate)
            return lambda sound: _rhythm(frames, sound)
        case _:
            return _course


def _waves(pixels: np.ndarray) -> np.ndarray:
    """How strong the long waves of a picture are, (_WAVES + 1)(_WAVES + 2) / 2 numbers.

    Magnitudes lose where things are; the mean over channels loses colour, the standard form
    brightness and contrast, and waves are added up over all eight ways to turn and mirror.
    """
    channels = pixels.shape[2]
    grey = pixels.astype(np.float32) @ np.full(channels, 1 / channels, dtype=np.float32)
    grey = (grey - grey.mean()) / max(float(grey.std()), 1e-6)
    rows, columns = (_oscillations(side, max(grey.shape)) for side in grey.shape)
    strength = np.abs(rows @ grey @ columns.T) / max(grey.shape)
    strength = strength + strength[:, ::-1]
    once = strength[_WAVES:, _WAVES:]
    return np.asarray((once + once.T)[np.triu_indices(_WAVES + 1)])


def _oscillations(n: int, period: int) -> np.ndarray:
    """Waves of -_WAVES to _WAVES cycles in a period at n places, shape (2 _WAVES + 1, n)."""
    cycles = np.arange(-_WAVES, _WAVES + 1)
    return np.exp(-2j * np.pi * np.outer(cycles, np.arange(n)) / period).astype(np.complex64)


def _rhythm(frames: Frames, sound: np.ndarray) -> np.ndarray:
    """How strongly each band of a sound comes and goes, and how fast, _CYCLES x BANDS numbers.

    Loudness beside the loudest band loses gain, magnitudes lose when the sound begins.
    """
    bands = frames.loudness(sound)
    above = np.maximum(bands - bands.max(initial=-np.inf) + _HEARD, 0)
    cycles = np.outer(np.arange(_CYCLES), np.arange(len(above))) / _FRAMES
    return np.asarray(np.abs(np.exp(-2j * np.pi * cycles) @ above)).reshape(_CYCLES * BANDS)


def _course(steps: np.ndarray) -> np.ndarray:
    """Each channel of a series in standard form, at _STEPS times, whatever its scale."""
    at = np.linspace(0, len(steps) - 1, _STEPS)
    values = np.stack([np.interp(at, np.arange(len(steps)), channel) for channel in steps.T])
    spread = values.std(axis=1, keepdims=True)
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.where(spread > 1e-6, spread, np.inf)).ravel()


# Texts -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Wordings:
    """Which n-grams real texts have, sparse (n, _CELLS). owner: shape (n,)."""

    grams: sparse.csr_matrix
    owner: np.ndarray

    @classmethod
    def of(cls, texts: np.ndarray, owner: np.ndarray | None) -> Wordings:
        """The wording of real texts."""
        most = max(_FEWEST, _READ // len(texts))
        return cls(
            _grams([text[:most] for text in texts]),
            np.arange(len(texts)) if owner is None else owner,
        )

    def known(self, texts: np.ndarray) -> np.ndarray:
        """Which texts are for the most part one person's text, by far, bools (n,).

        By far: ten texts of anybody else share less than half as much. Names and other short texts
        share much with others by chance, and are no one's for that.
        """
        step = max(1, _BLOCK // self.grams.shape[0])
        blocks = [texts[start : start + step] for start in range(0, len(texts), step)]
        most, crowd = np.concatenate([self._shares(block) for block in blocks], axis=1)
        letters = np.array([len(bare(text)) for text in texts])
        least = np.where(letters >= LETTERS, _SHARED, 1.0)
        return (most >= least) & (most > ALIKE * crowd) & (letters >= _FEW_LETTERS)

    def _shares(self, texts: np.ndarray) -> np.ndarray:
        """Share of each text's n-grams that one has, and the tenth of anybody else, (2, n)."""
        grams = _grams(texts)
        all_of = np.maximum(np.asarray(grams.sum(axis=1)), 1)
        share = np.asarray((grams @ self.grams.T).todense()) / all_of
        first = share.argmax(axis=1)
        most = share[np.arange(len(texts)), first]
        share[self.owner[first][:, None] == self.owner] = 0.0
        if share.shape[1] < CROWD:
            return np.stack([most, np.zeros(len(texts))])
        return np.stack([most, np.partition(share, -CROWD, axis=1)[:, -CROWD]])


def _grams(texts: Iterable[str]) -> sparse.csr_matrix:
    """Which n-grams each text has, ones of shape (n, _CELLS)."""
    hashed = HashingVectorizer(
        analyzer="char", ngram_range=(_GRAM, _GRAM), n_features=_CELLS, lowercase=False,
        binary=True, norm=None, alternate_sign=False, dtype=np.float32,
    )  # fmt: skip
    return hashed.transform([bare(text) for text in texts])
