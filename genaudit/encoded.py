"""Pictures and sounds as text that a page can hold: PNG and WAV in base64, made and checked.

A report may come from a stranger, so what is read is checked to be a picture or a sound of a
bearable size, and nothing else, before a page shows it.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import wave
import zlib

import numpy as np

#: Most bytes of a picture and of a sound, most pixels along a side, and rates of sound.
MAX_PNG, MAX_WAV, MAX_SIDE, RATES = 150_000, 80_000, 512, (1000, 48_000)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {1: 0, 3: 2}  # channels -> colour type of PNG


def png(pixels: np.ndarray) -> str:
    """A picture of uint8 (height, width, 1 or 3) as PNG in base64.

    >>> check_png(png(np.zeros((2, 3, 1), dtype=np.uint8)))[:11]
    'iVBORw0KGgo'
    """
    return base64.b64encode(png_bytes(pixels)).decode()


def png_bytes(pixels: np.ndarray) -> bytes:
    """The same as the content of a file.

    Raises:
        TypeError: it has neither 1 nor 3 channels.

    Source: W3C Portable Network Graphics, third edition, sections 5 and 11.
    """
    height, width, channels = pixels.shape
    if channels not in _COLOURS:
        raise TypeError(f"expected a picture of 1 or 3 channels, got {channels}")
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    # Each row begins with the number of its filter, 0: none.
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)])
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def wav(sound: np.ndarray, rate: int) -> str:
    """A sound of floats in [-1, 1], shape (samples,), as 16-bit WAV in base64.

    >>> check_wav(wav(np.zeros(4), 8000))[:5]
    'UklGR'
    """
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return base64.b64encode(out.getvalue()).decode()


def size_of(text: str) -> tuple[int, int]:
    """Width and height of a picture that has been checked."""
    width, height = struct.unpack(">II", _decoded(text, MAX_PNG)[16:24])
    return width, height


def heard(text: str) -> tuple[np.ndarray, int]:
    """Samples in [-1, 1] and rate of a sound that has been checked."""
    with wave.open(io.BytesIO(_decoded(text, MAX_WAV)), "rb") as file:
        frames = file.readframes(file.getnframes())
        return np.frombuffer(frames, dtype="<i2") / 32767, file.getframerate()


def check_png(text: str) -> str:
    """The text, where it is such a picture.

    Raises:
        ValueError: it is none, or too large.
    """
    data = _decoded(text, MAX_PNG)
    known = data[:8] == _SIGNATURE and data[12:16] == b"IHDR" and data[-8:-4] == b"IEND"
    if not known or not all(1 <= side <= MAX_SIDE for side in struct.unpack(">II", data[16:24])):
        raise ValueError(f"expected a picture (PNG) of at most {MAX_SIDE} pixels a side")
    return text


def check_wav(text: str) -> str:
    """The text, where it is such a sound.

    Raises:
        ValueError: it is none, or too long.
    """
    data = _decoded(text, MAX_WAV)
    try:
        with wave.open(io.BytesIO(data), "rb") as file:
            shape, rate, n = (file.getnchannels(), file.getsampwidth()), *file.getparams()[2:4]
            whole = len(file.readframes(n)) == 2 * n
    except (wave.Error, EOFError, ValueError, struct.error) as error:
        raise ValueError("expected a sound (WAV)") from error
    if shape != (1, 2) or not n or not whole or not RATES[0] <= rate <= RATES[1]:
        raise ValueError("expected a sound (WAV) of one channel in 16 bits")
    return text


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _decoded(text: str, most: int) -> bytes:
    if len(text) > 4 * most // 3 + 4:
        raise ValueError(f"expected at most {most:,} bytes in base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("expected bytes in base64") from error
