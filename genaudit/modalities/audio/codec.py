"""Sounds as frames of loudness by band and back.

All scales are public constants: frames follow from the rate and the longest sound that the column
declares, and from no record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.data.schema import Column
from genaudit.errors import SchemaError
from genaudit.modalities.audio.frames import BANDS, CEILING, FLOOR, Frames

#: Largest sample that is made: one beyond 1 would be cut off, which is heard as a crack.
PEAK = 0.95

#: Sounds whose phases are sought in one go, and memory that this may take: of long sounds fewer.
_CHUNK, _CHUNK_BYTES = 64, 2**29


@dataclass(frozen=True, eq=False)
class AudioCodec:
    """Sounds as codes, float32 (n, steps, BANDS + 1).

    A code is the loudness of a band, from -1 (`frames.FLOOR`) to 1 (`frames.CEILING`); the last
    channel is a mask, 1 where the sound has a frame. All are 0 beyond its end.

    column: of sounds. max_length: most samples of one.
    """

    column: Column
    frames: Frames
    max_length: int

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the codes of one sound: steps, and bands with the mask."""
        return self.frames.n_frames(self.max_length), BANDS + 1

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Codes of sounds in canonical form, an array of objects of shape (n,)."""
        codes = np.zeros((len(records), *self.shape), dtype=np.float32)
        for code, sound in zip(codes, records, strict=True):
            bands = self.frames.loudness(sound)
            code[: len(bands), :-1] = (bands - FLOOR) * (2 / (CEILING - FLOOR)) - 1
            code[: len(bands), -1] = 1.0
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Sounds, an array of objects of shape (n,); the same codes always sound the same.

        A sound ends where its mask first does, and has one frame at least. It is as loud as its
        codes say, unless its peak were above `PEAK`.
        """
        sounds = np.empty(len(codes), dtype=object)
        chunk = self._chunk
        for start in range(0, len(codes), chunk):
            for i, sound in enumerate(self._decoded(codes[start : start + chunk]), start):
                sounds[i] = sound
        return sounds

    def n_bytes(self, n: int) -> int:
        """Memory that the codes of n sounds take."""
        steps, width = self.shape
        return 4 * n * steps * width

    def decoded_bytes(self, n: int) -> int:
        """Memory that decoding n codes takes: codes and sounds, and the spectra of one chunk."""
        spectra = min(n, self._chunk) * self.frames.n_bytes(self.shape[0])
        return self.n_bytes(n) + 4 * n * self.max_length + spectra

    @property
    def _chunk(self) -> int:
        """Sounds whose phases are sought in one go."""
        return max(1, min(_CHUNK, _CHUNK_BYTES // self.frames.n_bytes(self.shape[0])))

    def _decoded(self, codes: np.ndarray) -> list[np.ndarray]:
        lengths = _lengths(codes[:, :, -1])
        there = np.arange(codes.shape[1]) < lengths[:, None]
        share = (codes[:, :, :-1].clip(-1, 1) + 1) / 2
        waves = self.frames.waves(FLOOR + share * (CEILING - FLOOR), there)
        ends = np.minimum(lengths * self.frames.hop, self.max_length)
        return [_unclipped(wave[:end]) for wave, end in zip(waves, ends, strict=True)]


def codec(column: Column) -> AudioCodec:
    """The codec of a column of sounds.

    Raises:
        SchemaError: the column leaves its rate or its longest sound open.
    """
    if column.rate is None or column.max_length is None:
        raise SchemaError(
            f"Expected rate and max_length of the sounds in column {column.name!r}, got no "
            f"{column.undeclared}; declare both in the schema."
        )
    return AudioCodec(column, Frames(column.rate), column.max_length)


def _lengths(mask: np.ndarray) -> np.ndarray:
    """Frames before a mask, shape (n, steps), first says that there is none; one at least."""
    there = np.logical_and.accumulate(mask > 0.5, axis=1)
    return np.asarray(there.sum(1).clip(min=1))


def _unclipped(wave: np.ndarray) -> np.ndarray:
    peak = float(np.abs(wave).max(initial=0.0))
    return np.asarray(wave * min(1.0, PEAK / max(peak, 1e-9)), dtype=np.float32)
