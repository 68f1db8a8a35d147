"""Sounds as frames and back."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.data.record import as_column
from genaudit.data.schema import Column, Kind
from genaudit.data.spoken import LONGEST, RATE, spoken
from genaudit.errors import SchemaError
from genaudit.modalities.audio.codec import PEAK, codec
from genaudit.modalities.audio.frames import BANDS, CEILING, Frames
from genaudit.modalities.audio.quality import spectral_distance, transfer
from genaudit.modalities.codec import codec_of

COLUMN = Column(name="audio", kind=Kind.AUDIO, rate=RATE, max_length=LONGEST)


def _tone(hertz: float, seconds: float, rate: int, size: float = 0.5) -> np.ndarray:
    at = np.arange(round(seconds * rate)) / rate
    return (size * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def _cells(*sounds: np.ndarray) -> np.ndarray:
    return np.asarray(as_column(sounds).to_numpy())


def test_codes_are_frames_and_a_mask() -> None:
    """A frame for each 16 ms that has begun, and 0 beyond the end."""
    found = codec_of(COLUMN)
    codes = found.encode(_cells(_tone(440, 0.1, RATE), np.zeros(1, dtype=np.float32)))

    assert codes.shape == (2, 38, BANDS + 1)
    assert codes.dtype == np.float32
    assert codes[:, :, -1].sum(1).tolist() == [7, 1]
    assert (codes[0, 7:] == 0).all()
    assert (codes[1, 0, :-1] == -1).all()
    assert np.abs(codes).max() <= 1
    assert found.n_bytes(2) == codes.nbytes


def test_long_sounds_are_decoded_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the same sounds, and the estimate holds their spectra."""
    found = codec(COLUMN)
    codes = found.encode(_cells(*(_tone(hertz, 0.1, RATE) for hertz in (220, 440, 880))))
    together, sizes = found.decode(codes), []
    waves = Frames.waves

    def seen(self: Frames, bands: np.ndarray, there: np.ndarray) -> np.ndarray:
        sizes.append(len(bands))
        return waves(self, bands, there)

    monkeypatch.setattr(Frames, "waves", seen)
    monkeypatch.setattr(
        "genaudit.modalities.audio.codec._CHUNK_BYTES", 2 * found.frames.n_bytes(found.shape[0])
    )
    apart = found.decode(codes)

    assert sizes == [2, 1]
    assert all((one == other).all() for one, other in zip(together, apart, strict=True))


def test_an_estimate_of_long_sounds() -> None:
    """Half a minute at 44.1 kHz takes 5 MB, and 200 MB while its phases are sought."""
    long = codec(COLUMN.model_copy(update={"rate": 44_100, "max_length": 44_100 * 30}))

    assert 200e6 < long.decoded_bytes(1) < 250e6
    assert 64 * 5e6 + 400e6 < long.decoded_bytes(64) < 1e9
    assert codec(COLUMN).decoded_bytes(64) < 100e6


def test_the_loudest_tone_is_at_the_ceiling() -> None:
    """A tone at full scale is there in the band that it is in; half as large is 6 dB less."""
    frames = Frames(RATE)
    edges = 700 * (10 ** (np.linspace(0, 2146.06, BANDS + 2) / 2595) - 1)

    full, half, quarter = (
        frames.loudness(_tone(edges[21], 0.3, RATE, size)) for size in (1.0, 0.5, 0.25)
    )

    assert full[8].max() == pytest.approx(CEILING, abs=1.5)
    assert half[8].argmax() == 20
    assert (half - quarter)[8, 20] == pytest.approx(6.02, abs=0.01)


def test_silence_stays_silence() -> None:
    """No noise is made up where all bands are at the floor."""
    found = codec(COLUMN)
    (back,) = found.decode(found.encode(_cells(np.zeros(1000, dtype=np.float32))))

    assert len(back) == 8 * 128
    assert np.abs(back).max() < 1e-6


@pytest.mark.parametrize(("rate", "hertz"), [(8000, 200.0), (16000, 3000.0), (44100, 900.0)])
def test_a_tone_comes_back_at_its_pitch_and_loudness(rate: int, hertz: float) -> None:
    """Its spectrum has its peak where it was; its level is kept within 2 dB."""
    column = Column(name="audio", kind=Kind.AUDIO, rate=rate, max_length=rate)
    sound = _tone(hertz, 0.5, rate, 0.3)
    found = codec(column)

    (back,) = found.decode(found.encode(_cells(sound)))

    n = min(len(back), len(sound))
    peak = np.abs(np.fft.rfft(back[:n] * np.hanning(n))).argmax() * rate / n
    level = 20 * np.log10(back[:n].std() / sound[:n].std())
    assert back.dtype == np.float32
    assert abs(peak - hertz) < 0.05 * hertz
    assert abs(level) < 2


def test_speech_stays_recognisable() -> None:
    """Who learned from sounds knows words and voices of what came back, at about their spectra."""
    data = spoken(240, seed=5)
    sounds = data["audio"].to_numpy()
    found = codec(COLUMN)
    back = found.decode(found.encode(sounds[160:]))

    for label in ("word", "speaker"):
        names = data[label].to_numpy()
        right = transfer(COLUMN, sounds[:160], names[:160], sounds[160:], names[160:])
        assert transfer(COLUMN, sounds[:160], names[:160], back, names[160:]) >= right - 0.04
    gaps = [spectral_distance(COLUMN, a, b) for a, b in zip(sounds[160:], back, strict=True)]
    assert np.mean(gaps) < 3.5
    assert all(len(b) - len(a) < 128 for a, b in zip(sounds[160:], back, strict=True))


def test_the_same_codes_sound_the_same() -> None:
    """Alone or among others, at once or later: phases start at what the frames alone decide."""
    found = codec(COLUMN)
    codes = found.encode(spoken(70, seed=1)["audio"].to_numpy())

    all_of_them, alone = found.decode(codes), found.decode(codes[66:67])

    np.testing.assert_allclose(all_of_them[66], alone[0], atol=1e-4)
    np.testing.assert_array_equal(found.decode(codes)[3], all_of_them[3])


def test_what_networks_make_is_sound() -> None:
    """Codes beyond [-1, 1], no mask at all, or all bands at once: finite, short of a crack."""
    found = codec(COLUMN)
    rng = np.random.default_rng(0)
    codes = rng.normal(0, 3, (4, *found.shape)).astype(np.float32)
    codes[0, :, -1] = 0.0
    codes[1] = 1.0

    made = found.decode(codes)

    assert len(made[0]) == 128
    assert len(made[1]) == LONGEST
    assert all(np.isfinite(sound).all() and np.abs(sound).max() <= PEAK + 1e-6 for sound in made)
    assert len(found.decode(codes[:0])) == 0
    assert found.encode(made[:0]).shape == (0, *found.shape)


def test_what_is_quiet_is_not_made_loud() -> None:
    """Only a peak above the limit is brought down."""
    found = codec(COLUMN)
    sound = _tone(300, 0.4, RATE, 0.003)
    (back,) = found.decode(found.encode(_cells(sound)))

    assert 0.002 < np.abs(back).max() < 0.006


def test_an_open_column_is_refused() -> None:
    """The message names what to declare."""
    with pytest.raises(SchemaError, match=r"rate and max_length .* got no max_length; declare"):
        codec(Column(name="audio", kind=Kind.AUDIO, rate=RATE))
