"""Folders of WAV files."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genaudit.data.record import as_column
from genaudit.errors import DataError, OptionError
from genaudit.modalities.audio.files import read, write

SOUND = np.array([0.0, 0.5, -0.25, 0.75, -1.0], dtype=np.float32)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _wav(
    data: bytes, tag: int = 1, bits: int = 16, channels: int = 1, rate: int = 8000,
    extra: bytes = b"", before: bytes = b"",
) -> bytes:  # fmt: skip
    step = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * step, step, bits) + extra
    body = b"WAVE" + before + _chunk(b"fmt ", form) + _chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _pcm16(sound: np.ndarray = SOUND) -> bytes:
    return (sound * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2").tobytes()


def _pcm24(sound: np.ndarray) -> bytes:
    whole = np.asarray(sound * 2**23, dtype="<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


#: Digits that end the sub-format of an extensible WAV.
_GUID = bytes.fromhex("000000001000800000aa00389b71")


@pytest.mark.parametrize(
    "content",
    [
        _wav((SOUND * 128 + 128).astype(np.uint8).tobytes(), bits=8),
        _wav(_pcm16()),
        _wav(_pcm24(SOUND), bits=24),
        _wav((SOUND * 2.0**31).astype("<i4").tobytes(), bits=32),
        _wav(SOUND.astype("<f4").tobytes(), tag=3, bits=32),
        _wav(SOUND.astype("<f8").tobytes(), tag=3, bits=64),
        _wav(_pcm16(), before=_chunk(b"LIST", b"odd")),
        _wav(_pcm16(), tag=0xFFFE, extra=struct.pack("<HHIH", 22, 16, 4, 1) + _GUID),
    ],
)
def test_every_plain_wav_is_read(tmp_path: Path, content: bytes) -> None:
    """8 to 32 bits, floating point, the extensible form, parts that say other things."""
    (tmp_path / "a.wav").write_bytes(content)

    frame = read(tmp_path)

    np.testing.assert_allclose(frame["audio"][0], SOUND, atol=1e-9)
    assert frame["audio"][0].dtype == np.float32
    assert frame.attrs["rate"] == 8000


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    """Left and right of each sample."""
    both = np.stack([SOUND, np.zeros_like(SOUND)], axis=1).ravel()
    (tmp_path / "a.WAV").write_bytes(_wav(_pcm16(both), channels=2))

    np.testing.assert_allclose(read(tmp_path)["audio"][0], SOUND / 2)


def test_without_attributes_files_come_by_name(tmp_path: Path) -> None:
    """Folders of the folder too; what is hidden is left alone."""
    (tmp_path / "x").mkdir()
    for i, name in enumerate(["b.wav", "a.wav", "x/c.wav", "._a.wav"]):
        (tmp_path / name).write_bytes(_wav(_pcm16(SOUND[: i + 1])))

    frame = read(tmp_path)

    assert list(frame.columns) == ["audio"]
    assert list(map(len, frame["audio"])) == [2, 1, 3]


def test_attributes_name_their_files(tmp_path: Path) -> None:
    """In the order of the rows."""
    (tmp_path / "x").mkdir()
    for i, name in enumerate(["a.wav", "x/b.wav"]):
        (tmp_path / name).write_bytes(_wav(_pcm16(SOUND[: i + 1])))
    (tmp_path / "attributes.csv").write_text("word,file\nyes,./x\\b.wav\nno,a.wav\n")

    frame = read(tmp_path, "train")

    assert list(frame.columns) == ["audio", "word"]
    assert list(frame["word"]) == ["yes", "no"]
    assert list(map(len, frame["audio"])) == [2, 1]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Sounds of 16 bits exactly, attributes with what a spreadsheet would run made harmless."""
    sounds = [SOUND, SOUND[:2] * 0.5]
    frame = pd.DataFrame({"audio": as_column(sounds), "word": ["=1+1", "no"]}).set_axis([5, 9])

    folder = write(frame, tmp_path / "deep" / "out", 16_000)
    back = read(folder, "samples")

    assert sorted(p.name for p in folder.iterdir()) == [
        "000001.wav", "000002.wav", "attributes.csv"
    ]  # fmt: skip
    assert "'=1+1" in (folder / "attributes.csv").read_text()
    assert list(back["word"]) == ["=1+1", "no"]
    assert back.attrs["rate"] == 16_000
    for one, other in zip(sounds, back["audio"], strict=True):
        np.testing.assert_array_equal(one, other)
    with wave.open(str(folder / "000001.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)


def test_full_scale_is_written_without_a_turn(tmp_path: Path) -> None:
    """1 becomes the largest number of 16 bits, not the least."""
    frame = pd.DataFrame({"sound": as_column([np.ones(3, dtype=np.float32)])})

    write(frame, tmp_path / "out", 8000, column="sound")

    np.testing.assert_allclose(read(tmp_path / "out")["audio"][0], 1.0, atol=1e-4)


def test_a_folder_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves nothing behind; a folder that holds something is left as it is."""
    frame = pd.DataFrame({"audio": as_column([SOUND]), "word": ["a"]})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(OptionError, match="new or empty folder"):
        write(frame, tmp_path / "full", 8000)
    with pytest.raises(OptionError, match="other names than 'file'"):
        write(frame.assign(file="a"), tmp_path / "new", 8000)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genaudit.modalities.audio.files.tables.write", full)
    with pytest.raises(OptionError, match=r"got: .*[Nn]o space left"):
        write(frame, tmp_path / "new", 8000)

    assert [p.name for p in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (b"OggS" + bytes(100), "got another format"),
        (b"RIFF\0\0\0\0WAVE", "got a file without a sound"),
        (_wav(_pcm16())[:-3], "got 7 of 10 bytes of a part, cut short"),
        (_wav(b"\0\0\0"), "got a part of a sample"),
        (_wav(b""), "1 to 4,000,000 samples in 'b.wav', got 0"),
        (_wav(bytes(10), tag=7, bits=8), "in 'b.wav', got µ-law; convert"),
        (_wav(bytes(10), tag=0x1234), "got format 4660"),
        (_wav(bytes(12), bits=12), "got 12 bits"),
        (_wav(bytes(12), channels=6), "1 or 2 channels .* got 6 at 8,000"),
        (_wav(bytes(12), rate=96), "got 1 at 96"),
        (_wav(_pcm16(), rate=16000), "got 8,000 in 'a.wav' and 16,000 in 'b.wav'; resample"),
        (_wav(np.float32([2]).tobytes(), tag=3, bits=32), "from -1 to 1 in 'b.wav'"),
        (_wav(np.float32([np.nan]).tobytes(), tag=3, bits=32), "from -1 to 1 in 'b.wav'"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Each with what is wrong and what to do."""
    (tmp_path / "a.wav").write_bytes(_wav(_pcm16()))
    (tmp_path / "b.wav").write_bytes(content)

    with pytest.raises(DataError, match=message):
        read(tmp_path, "train")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,word\na.wav,x\nc.wav,y\n", "a WAV file 'c.wav'.*found none"),
        ("file,word\na.wav,x\n", "got none for 'b.wav'; add a row"),
        ("file,word\na.wav,x\n./a.wav,y\n", "got 'a.wav' twice"),
        ("file,word\n../a.wav,x\n", "within .* got '../a.wav'; move"),
        ("file,word\n/etc/passwd,x\n", "within .* got '/etc/passwd'"),
        ("name,word\na.wav,x\n", "got no column 'file'"),
        ("file,audio\na.wav,x\n", "got a column 'audio' too"),
        ("file,word\n,x\n", "a WAV file ''"),
        ("file,word\n", "got only a header"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(tmp_path: Path, table: str, message: str) -> None:
    """Files that are absent, not named, named twice, or elsewhere."""
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(_wav(_pcm16()))
    (tmp_path / "attributes.csv").write_text(table)

    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """What is read lies in the folder."""
    (tmp_path / "secret.wav").write_bytes(_wav(_pcm16()))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.wav").symlink_to(tmp_path / "secret.wav")

    with pytest.raises(DataError, match="a link out of it"):
        read(tmp_path / "data")


def test_what_is_no_folder_of_sounds_is_refused(tmp_path: Path) -> None:
    """Nothing, a file, an empty folder, a name that no file system takes."""
    (tmp_path / "a.wav").write_bytes(_wav(_pcm16()))
    (tmp_path / "empty").mkdir()
    for name, message in (("b", "got nothing"), ("a.wav", "got a file"), ("empty", "found none")):
        with pytest.raises(DataError, match=f"Expected .*train folder.*{message}"):
            read(tmp_path / name, "train")
    with pytest.raises(DataError, match="check the path"):
        read("a\0b")


def test_what_the_standard_library_writes_is_read(tmp_path: Path) -> None:
    """The same numbers."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 22_050, 5, "NONE", ""))
        file.writeframes(_pcm16())
    (tmp_path / "a.wav").write_bytes(buffer.getvalue())

    frame = read(tmp_path)

    np.testing.assert_allclose(frame["audio"][0], SOUND)
    assert frame.attrs["rate"] == 22_050
