"""Pictures and sounds as text: what is made reads back, and what is none is refused."""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib

import numpy as np
import pytest

from genaudit import encoded


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_its_pixels(channels: int) -> None:
    """The rows of the PNG are the rows of the picture, each behind a zero."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    text = encoded.png(pixels)
    data = base64.b64decode(text)
    (length,) = struct.unpack(">I", data[33:37])
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(5, -1)

    assert encoded.check_png(text) == text
    assert encoded.size_of(text) == (7, 5)
    assert (rows[:, 0] == 0).all()
    assert (rows[:, 1:].reshape(5, 7, channels) == pixels).all()
    assert struct.unpack(">I", data[29:33])[0] == zlib.crc32(data[12:29])


def test_a_sound_is_its_samples() -> None:
    """To 16 bits; louder than it can be is as loud as it can be."""
    text = encoded.wav(np.array([0.0, 0.5, -1.0, 3.0]), 8000)
    sound, rate = encoded.heard(text)

    assert encoded.check_wav(text) == text
    assert rate == 8000
    assert np.allclose(sound, [0, 0.5, -1, 1], atol=1e-4)


def _wav(channels: int = 1, width: int = 2, rate: int = 8000, n: int = 10) -> str:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", "none"))
        file.writeframes(b"\0" * (channels * width * n))
    return base64.b64encode(out.getvalue()).decode()


PNG = encoded.png(np.zeros((2, 2, 1), np.uint8))


@pytest.mark.parametrize(
    "text",
    [
        "", "<svg onload=alert(1)>", "javascript:alert(1)", '"><script>', PNG[:-8], PNG[8:],
        base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(), _wav(),
        encoded.png(np.zeros((1, 513, 1), np.uint8)), "A" * 300_000, PNG + "\n", PNG + "é",
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(text: str) -> None:
    """Markup, other files, cut, broken or too large ones."""
    with pytest.raises(ValueError, match="expected"):
        encoded.check_png(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "<audio>", PNG, _wav(channels=2), _wav(width=1), _wav(rate=100), _wav(n=0), _wav()[:40],
        _wav()[:-4], _wav(n=60_000), base64.b64encode(b"RIFF\xff\xff\xff\xffWAVEfmt ").decode(),
    ],
)  # fmt: skip
def test_what_is_no_sound_is_refused(text: str) -> None:
    """Markup, other files, sounds of another form, cut or too long ones."""
    with pytest.raises(ValueError, match="expected"):
        encoded.check_wav(text)
