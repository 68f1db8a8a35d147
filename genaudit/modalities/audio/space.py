"""What a sound is like in a few numbers: its bands in three parts, their movement, its length.

Distances and simple learners work on these; no network is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.data.schema import Column
from genaudit.modalities.audio.frames import BANDS, Frames

#: Parts of a sound, in time, whose mean loudness is told apart.
_PARTS = 3

#: How far below its loudest band a sound is heard, in dB.
_HEARD = 40.0

#: Most numbers of a sound.
_WIDTH = 64

#: Least spread of a raw feature, in its unit (dB, seconds): what varies less is no difference.
_LEAST = 0.05


@dataclass(frozen=True, eq=False)
class Features:
    """Features of sounds, fitted on reference sounds that are never attacked.

    centre, spread: of the raw features, shape (raw,). axes: directions of most variance, shape
    (raw, d), d <= 64.
    """

    frames: Frames
    centre: np.ndarray
    spread: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, column: Column, records: np.ndarray) -> Features:
        """Features whose scale and directions come from `records`, an array of objects, (n,)."""
        assert column.rate is not None, "declared: a file of sounds names its rate"
        frames = Frames(column.rate)
        raw = described(frames, records)
        centre, spread = raw.mean(0), np.maximum(raw.std(0), _LEAST)
        _, _, axes = np.linalg.svd((raw - centre) / spread, full_matrices=False)
        axes = axes[:_WIDTH]
        # A direction and its opposite are the same; the largest part decides for one.
        sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
        return cls(frames, centre, spread, (axes * np.where(sign == 0, 1, sign)[:, None]).T)

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Features of sounds, shape (n, d)."""
        found: np.ndarray = (described(self.frames, records) - self.centre) / self.spread
        return found @ self.axes


def described(frames: Frames, records: np.ndarray) -> np.ndarray:
    """Raw features of sounds, shape (n, raw).

    Mean loudness of each band in each part, its spread and the spread of its change from frame to
    frame, all in dB, then the length in seconds.
    """
    if not len(records):
        return np.zeros((0, (_PARTS + 2) * BANDS + 1))
    return np.stack([_describe(frames, sound) for sound in records])


def _describe(frames: Frames, sound: np.ndarray) -> np.ndarray:
    bands = frames.loudness(sound)
    # What is as good as silent beside the loudest band is silence: hiss there tells of no speaker.
    bands = np.maximum(bands, bands.max() - _HEARD)
    # A sound of fewer frames than parts has some of them in several parts.
    parts = np.array_split(np.repeat(bands, _PARTS, axis=0), _PARTS)
    change = np.diff(bands, axis=0, prepend=bands[:1])
    means = [part.mean(0) for part in parts]
    return np.concatenate([*means, bands.std(0), change.std(0), [len(sound) / frames.rate]])
