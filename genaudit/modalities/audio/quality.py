"""How sounds compare with real ones, in numbers that stand for listening to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.data.schema import Column
from genaudit.modalities.audio.frames import FLOOR, Frames
from genaudit.modalities.audio.space import Features

#: A sample beyond this is cut off, or nearly; a frame below this, in dB, is silent.
CLIPPED, SILENT = 0.99, -60.0


@dataclass(frozen=True)
class Listening:
    """What would be heard of some sounds first, means over them.

    clipped: share of samples beyond `CLIPPED` in size. silent: share of frames of which no band is
    above `SILENT`. mute: share of sounds that are silent from end to end. peak: largest sample of a
    sound. level: root mean square of a sound in dB, 0 = a full-scale square wave. seconds: length.
    """

    clipped: float
    silent: float
    mute: float
    peak: float
    level: float
    seconds: float


def listening(column: Column, records: np.ndarray) -> Listening:
    """What would be heard first of sounds, an array of objects of shape (n,), n >= 1."""
    frames = _frames(column)
    silent = [frames.loudness(sound).max(1) <= SILENT for sound in records]
    power = np.array([np.mean(np.square(sound, dtype=float)) for sound in records])
    return Listening(
        clipped=float(np.mean([(np.abs(sound) > CLIPPED).mean() for sound in records])),
        silent=float(np.mean([each.mean() for each in silent])),
        mute=float(np.mean([each.all() for each in silent])),
        peak=float(np.mean([np.abs(sound).max() for sound in records])),
        level=float(np.mean(10 * np.log10(np.maximum(power, 1e-10)))),
        seconds=float(np.mean([len(sound) for sound in records])) / frames.rate,
    )


def spectral_distance(column: Column, one: np.ndarray, other: np.ndarray) -> float:
    """Log-spectral distance of two sounds in dB: root mean square over bands, mean over frames.

    The shorter sound is silent after its end.

    Source: Gray & Markel 1976, IEEE ASSP 24 (here over mel bands, not over all frequencies).
    """
    frames = _frames(column)
    first, second = frames.loudness(one), frames.loudness(other)
    longest = max(len(first), len(second))
    first, second = (_lengthened(bands, longest) for bands in (first, second))
    return float(np.sqrt(np.square(first - second).mean(1)).mean())


def typical(column: Column, records: np.ndarray) -> np.ndarray:
    """Mean loudness of sounds over their course, in dB, shape (_COURSE, bands)."""
    frames = _frames(column)
    return np.asarray(np.mean([_course(frames.loudness(sound)) for sound in records], axis=0))


def distance_to_classes(
    column: Column, made: np.ndarray, labels: np.ndarray, real: np.ndarray, real_labels: np.ndarray
) -> float:
    """Mean distance in dB of made sounds from the typical real sound of their own label.

    Length and level count for nothing: courses are stretched, and compared without their mean. Real
    held-out sounds have a distance too: compare with theirs.
    """
    frames = _frames(column)
    means = {label: typical(column, real[real_labels == label]) for label in np.unique(real_labels)}
    gaps = [
        _course(frames.loudness(sound)) - means[label]
        for sound, label in zip(made, labels, strict=True) if label in means
    ]  # fmt: skip
    level = [gap - gap.mean() for gap in gaps]
    return float(np.mean([np.sqrt(np.square(gap).mean()) for gap in level]))


def transfer(
    column: Column, made: np.ndarray, labels: np.ndarray, real: np.ndarray, real_labels: np.ndarray
) -> float:
    """Accuracy on real sounds of a classifier that learned from made and labelled ones (TSTR).

    Source: Esteban, Hyland, Rätsch 2017.
    """
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:  # nothing to tell apart: it says the one label that there is
        return float(np.mean(real_labels == labels[0]))
    features = Features.fit(column, made)
    learner = LogisticRegression(C=0.05, max_iter=500).fit(features.encode(made), labels)
    return float(learner.score(features.encode(real), real_labels))


#: Points in time that a course is stretched to.
_COURSE = 12


def _course(bands: np.ndarray) -> np.ndarray:
    """Loudness at points spread evenly from the first frame to the last, (_COURSE, bands)."""
    at = np.linspace(0, len(bands) - 1, _COURSE)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, len(bands) - 1)
    part = (at - below)[:, None]
    return np.asarray((1 - part) * bands[below] + part * bands[above])


def _lengthened(bands: np.ndarray, n_frames: int) -> np.ndarray:
    return np.pad(bands, ((0, n_frames - len(bands)), (0, 0)), constant_values=FLOOR)


def _frames(column: Column) -> Frames:
    assert column.rate is not None, "declared: a file of sounds names its rate"
    return Frames(column.rate)
