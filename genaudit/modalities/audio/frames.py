"""Loudness by band of sound, frame by frame, and sound of a given loudness: what no record decides.

Source: Stevens, Volkmann, Newman 1937 (mel, in the form of O'Shaughnessy 1987); Griffin & Lim 1984
(sound from magnitudes); Perraudin, Balazs, Søndergaard 2013 (its fast form).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

#: Bands of a frame, and the highest frequency of the last in Hz: speech has little above it.
BANDS, HIGHEST = 40, 8000.0

#: Seconds from frame to frame; a window spans four of them.
HOP = 0.016
_OVERLAP = 4

#: Least and most loudness of a band, in dB of the loudest tone that a sound can hold.
FLOOR, CEILING = -80.0, 0.0

#: Rounds of Griffin-Lim, the momentum of its fast form, and the seed of the phases it starts at.
_ROUNDS, _MOMENTUM, _PHASE_SEED = 32, 0.9, 0x9A5E

#: Rounds that take bands apart into frequencies.
_UNMIXED = 30

#: Bytes for each frequency of each frame of a sound whose phases are sought.
_SOUGHT = 80


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of sound at a rate, in samples a second."""

    rate: int

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return max(1, round(HOP * self.rate))

    @property
    def window(self) -> int:
        """Samples under a frame."""
        return _OVERLAP * self.hop

    def n_frames(self, n_samples: int) -> int:
        """Frames of a sound of so many samples."""
        return -(-n_samples // self.hop)

    def n_bytes(self, n_frames: int) -> int:
        """Memory that `waves` takes for a sound of so many frames, at a guess."""
        return _SOUGHT * n_frames * (self.window // 2 + 1)

    def loudness(self, sound: np.ndarray) -> np.ndarray:
        """Loudness of each band of each frame, `FLOOR` to `CEILING` dB, shape (frames, BANDS)."""
        n_frames = self.n_frames(len(sound))
        padded = np.zeros(self.window + (n_frames - 1) * self.hop, dtype=np.float32)
        padded[self._before : self._before + len(sound)] = sound
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop]
        power = np.abs(fft.rfft(frames * self._taper)) ** 2 * self._scale**2
        bands = power @ self._filters.T
        return np.asarray((10 * np.log10(np.maximum(bands, 1e-12))).clip(FLOOR, CEILING))

    @property
    def _before(self) -> int:
        """Silence before a sound: a frame is centred on its own hop."""
        return (self.window - self.hop) // 2

    @cached_property
    def _taper(self) -> np.ndarray:
        """A Hann window, periodic: its squares, a quarter of it apart, sum to 1.5."""
        return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)).astype(
            np.float32
        )

    @property
    def _scale(self) -> float:
        """What makes the magnitude of the loudest tone 1."""
        return 4 / self.window

    @cached_property
    def _filters(self) -> np.ndarray:
        """Triangles over the frequencies of a frame, 1 at the middle of a band, (BANDS, bins)."""
        frequencies = np.linspace(0, self.rate / 2, self.window // 2 + 1)
        edges = _hertz(np.linspace(0, _mel(min(self.rate / 2, HIGHEST)), BANDS + 2))
        low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
        rise, fall = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
        filters = np.minimum(rise, fall).clip(min=0)
        # The lowest bands are narrower than the frequencies of a frame lie apart.
        nearest = np.abs(frequencies - middle).argmin(1)
        filters[np.arange(BANDS), nearest] = np.maximum(filters[np.arange(BANDS), nearest], 0.1)
        return np.asarray(filters.astype(np.float32))

    def magnitudes(self, bands: np.ndarray) -> np.ndarray:
        """Magnitudes of all frequencies, shape (..., bins), whose bands have a loudness in dB.

        The filters are inverted without a negative power, so silent bands stay silent, as they
        would not by a pseudo-inverse.

        Source: Richardson 1972, Lucy 1974.
        """
        wanted = (10 ** (bands / 10)).astype(np.float32)
        spread = self._filters.sum(0) + 1e-6
        power = (wanted / self._filters.sum(1)) @ self._filters
        for _ in range(_UNMIXED):
            power *= ((wanted / (power @ self._filters.T + 1e-12)) @ self._filters) / spread
        return np.asarray(np.sqrt(power))

    def waves(self, bands: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Waves, shape (n, steps * hop), whose bands have a loudness; always the same ones.

        Args:
            bands: In dB, shape (n, steps, BANDS).
            there: Which steps hold a frame, bool (n, steps); the others are silent.
        """
        wanted = self.magnitudes(bands) / self._scale
        wanted[~there | (bands.max(2) <= FLOOR)] = 0.0
        rng = np.random.default_rng(_PHASE_SEED)
        phase = rng.uniform(0, 2 * np.pi, wanted.shape[1:])
        spectra = wanted * np.exp(1j * phase).astype(np.complex64)
        last = np.zeros_like(spectra)
        for _ in range(_ROUNDS):
            found = self._analysed(self._overlapped(spectra))
            ahead = found + _MOMENTUM * (found - last)
            last = found
            spectra = wanted * (ahead / np.maximum(np.abs(ahead), 1e-9))
        return self._overlapped(spectra)[:, self._before :][:, : bands.shape[1] * self.hop]

    def _analysed(self, waves: np.ndarray) -> np.ndarray:
        """Spectra of all frames of padded waves, complex64 (n, steps, bins)."""
        frames = np.lib.stride_tricks.sliding_window_view(waves, self.window, axis=1)
        return np.asarray(fft.rfft(frames[:, :: self.hop] * self._taper))

    def _overlapped(self, spectra: np.ndarray) -> np.ndarray:
        """Padded waves, shape (n, window + (steps - 1) * hop), nearest to spectra of frames."""
        frames = fft.irfft(spectra, self.window) * self._taper
        n, steps = frames.shape[:2]
        parts = frames.reshape(n, steps, _OVERLAP, self.hop)
        waves = np.zeros((n, steps + _OVERLAP - 1, self.hop), dtype=np.float32)
        weights = np.zeros((steps + _OVERLAP - 1, self.hop), dtype=np.float32)
        squares = (self._taper**2).reshape(_OVERLAP, self.hop)
        for k in range(_OVERLAP):
            waves[:, k : k + steps] += parts[:, :, k]
            weights[k : k + steps] += squares[k]
        # At both ends few windows overlap: what they barely see is not blown up.
        waves /= np.maximum(weights, 0.5)
        return waves.reshape(n, -1)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.asarray(700 * (10 ** (mel / 2595) - 1))
