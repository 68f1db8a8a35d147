"""Sounds in folders of WAV files, with their attributes in a CSV: read as they are, written whole.

Read here and not by the standard library's `wave`, which knows no floating point and takes what is
cut short for whole.

Source: Microsoft & IBM 1991, Multimedia Programming Interface and Data Specifications (RIFF).
"""

from __future__ import annotations

import os
import struct
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from genaudit.atomic import new_folder
from genaudit.data.record import as_column
from genaudit.data.schema import MAX_STEPS
from genaudit.errors import DataError, OptionError, reason
from genaudit.modalities.table import files as tables
from genaudit.reading import read_bytes

#: The file of attributes in a folder, its column of names, and the column of sounds in a frame.
ATTRIBUTES, FILE, AUDIO = "attributes.csv", "file", "audio"

#: Rates that a schema may declare, samples a second.
_RATES = (1000, 192_000)

#: Tags of formats that are read, and what some others are called.
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OTHERS = {2: "ADPCM", 6: "A-law", 7: "µ-law", 17: "ADPCM", 49: "GSM", 80: "MPEG", 85: "MP3"}

#: (tag, bits) -> type of a sample, and what its largest value is beyond; 24 bits are read by hand.
_TYPES = {
    (_PCM, 8): ("u1", 128.0), (_PCM, 16): ("<i2", 2.0**15), (_PCM, 24): ("u1", 2.0**31),
    (_PCM, 32): ("<i4", 2.0**31), (_FLOAT, 32): ("<f4", 1.0), (_FLOAT, 64): ("<f8", 1.0),
}  # fmt: skip


def read(path: str | Path, what: str = "data") -> pd.DataFrame:
    """One row for each sound in a folder: `audio`, float32 (samples,), and its attributes as text.

    Where the folder holds `attributes.csv`, the column `file` there names each WAV file, in the
    order of the rows; else all of them come, by name. Two channels are averaged. The rate, samples
    a second, is `frame.attrs["rate"]`.

    Args:
        path: The folder; files may be in folders of it.
        what: What the folder is for, used in messages ("train", "holdout", "samples").

    Raises:
        DataError: no such folder, no sound in it, a file that is absent, damaged, compressed, named
            twice, not named, or outside of the folder, or two rates.
    """
    folder = Path(path)
    there = _names(folder, what)
    attributes = _attributes(folder, what, there)
    names = list(attributes[FILE]) if attributes is not None else there
    sounds, rate = _sounds(folder, names)
    frame = pd.DataFrame({AUDIO: as_column(sounds)})
    if attributes is not None:
        frame = pd.concat([frame, attributes.drop(columns=FILE)], axis=1)
    frame.attrs["rate"] = rate
    return frame


def write(frame: pd.DataFrame, folder: str | Path, rate: int, column: str = AUDIO) -> Path:
    """Write sounds as WAV of 16 bits into a new folder, with their attributes; all or nothing.

    Files are 000001.wav and so on, in the order of the rows. In `attributes.csv`, text that a
    spreadsheet would run gets a leading apostrophe, which `read` takes back.

    Args:
        frame: Sounds in canonical form in `column`, and attributes.
        folder: New, or empty.
        rate: Samples a second.
        column: Which column holds the sounds.

    Raises:
        OptionError: the folder holds something or cannot be written, or an attribute is called
            `file`.
    """
    folder = Path(folder)
    attributes = frame.drop(columns=column).reset_index(drop=True)
    if FILE in attributes:
        raise OptionError(
            f"Expected attributes of other names than {FILE!r}, which says where a sound is; "
            "rename that column."
        )
    names = [f"{i:06d}.wav" for i in range(1, len(frame) + 1)]
    attributes.insert(0, FILE, names)
    with new_folder(folder) as beside:
        for name, sound in zip(names, frame[column], strict=True):
            _write_sound(beside / name, sound, rate)
        tables.write(attributes, beside / ATTRIBUTES)
    return folder


def _write_sound(path: Path, sound: np.ndarray, rate: int) -> None:
    whole = np.rint(np.asarray(sound, dtype=float) * 2**15).clip(-(2**15), 2**15 - 1)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(whole), "NONE", "not compressed"))
        file.writeframes(whole.astype("<i2").tobytes())


def _names(folder: Path, what: str) -> list[str]:
    """WAV files in a folder and in folders of it, relative to it, by name; hidden ones are none."""
    try:
        if not folder.is_dir():
            got = "a file" if folder.exists() else "nothing"
            raise DataError(
                f"Expected a {what} folder of WAV files at {str(folder)!r}, got {got}; check the "
                "path."
            )
        found = [p.relative_to(folder) for p in folder.rglob("*") if p.suffix.lower() == ".wav"]
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        raise DataError(
            f"Expected a {what} folder of WAV files at {str(folder)!r}, got: {reason(error)}; "
            "check the path."
        ) from error
    names = sorted(p.as_posix() for p in found if not any(s.startswith(".") for s in p.parts))
    if not names:
        raise DataError(
            f"Expected WAV files in the {what} folder {str(folder)!r}, found none; convert its "
            "sounds to WAV, or check the path."
        )
    return names


def _attributes(folder: Path, what: str, there: Sequence[str]) -> pd.DataFrame | None:
    """The attributes of a folder, each row with the name of a file that is there; None without."""
    if not (folder / ATTRIBUTES).exists():
        return None
    frame = tables.read(folder / ATTRIBUTES, what)
    where = f"{ATTRIBUTES} of {str(folder)!r}"
    if FILE not in frame or AUDIO in frame:
        wrong = f"no column {FILE!r}" if FILE not in frame else f"a column {AUDIO!r} too"
        raise DataError(
            f"Expected a column {FILE!r} with the name of each WAV file, and attributes, in "
            f"{where}, got {wrong}; correct the file."
        )
    known = set(there)
    names = [_within(folder, name, known) for name in frame[FILE]]
    frame[FILE] = names
    if frame[FILE].duplicated().any():
        twice = frame.loc[frame[FILE].duplicated(), FILE].iloc[0]
        raise DataError(f"Expected each sound once in {where}, got {twice!r} twice; drop one row.")
    left = [name for name in there if name not in set(names)]
    if left:
        more = f" and {len(left) - 1:,} more" if len(left) > 1 else ""
        raise DataError(
            f"Expected every WAV file in {where}, got none for {left[0]!r}{more}; add a row for "
            "each, or take the files out of the folder."
        )
    return frame


def _within(folder: Path, name: str, known: set[str]) -> str:
    """A name in `attributes.csv` as that of a file in the folder."""
    plain = os.path.normpath(name.replace("\\", "/")) if name else ""
    if plain in known:
        return plain
    if Path(plain).is_absolute() or plain.startswith(".."):
        raise DataError(
            f"Expected names of files within {str(folder)!r} in its {ATTRIBUTES}, got {name!r}; "
            "move the file there."
        )
    raise DataError(
        f"Expected a WAV file {name!r} in {str(folder)!r}, as its {ATTRIBUTES} says, found none; "
        "add it, or drop the row."
    )


def _sounds(folder: Path, names: Sequence[str]) -> tuple[list[np.ndarray], int]:
    """Sounds and the rate that they share."""
    sounds: list[np.ndarray] = []
    rate = 0
    within = Path(os.path.realpath(folder))
    for name in names:
        if within not in Path(os.path.realpath(folder / name)).parents:
            raise DataError(
                f"Expected the sound {name!r} within {str(folder)!r}, got a link out of it; copy "
                "the file there."
            )
        found = _Wav.read(folder / name)
        rate = rate or found.rate
        if found.rate != rate:
            raise DataError(
                f"Expected one sampling rate, got {rate:,} in {names[0]!r} and {found.rate:,} in "
                f"{name!r}; resample the files to one rate."
            )
        sounds.append(found.mono(name))
    return sounds, rate


@dataclass(frozen=True, eq=False)
class _Wav:
    """What a WAV file holds. data: its samples as they are stored, channels by turns."""

    rate: int
    channels: int
    tag: int
    bits: int
    data: bytes

    @classmethod
    def read(cls, path: Path) -> _Wav:
        """The sound in a file."""
        raw = read_bytes(path, "a WAV file", DataError)
        if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
            raise _damaged(path, "another format" if raw else "an empty file")
        parts: dict[bytes, bytes] = {}
        for name, size, content in _parts(raw):
            if len(content) < size:
                raise _damaged(path, f"{len(content):,} of {size:,} bytes of a part, cut short")
            parts.setdefault(name, content)
        if len(parts.get(b"fmt ", b"")) < 16 or b"data" not in parts:
            raise _damaged(path, "a file without a sound, perhaps cut short")
        return cls._of(path, parts[b"fmt "], parts[b"data"])

    @classmethod
    def _of(cls, path: Path, form: bytes, data: bytes) -> _Wav:
        tag, channels, rate, _, step, bits = struct.unpack("<HHIIHH", form[:16])
        if tag == _EXTENSIBLE and len(form) >= 26:
            (tag,) = struct.unpack("<H", form[24:26])
        if (tag, bits) not in _TYPES:
            kind = f"{bits} bits" if tag in (_PCM, _FLOAT) else _OTHERS.get(tag, f"format {tag}")
            raise DataError(
                f"Expected PCM of 8, 16, 24 or 32 bits or floating point in {path.name!r}, got "
                f"{kind}; convert it to plain WAV."
            )
        if channels not in (1, 2) or not _RATES[0] <= rate <= _RATES[1]:
            raise DataError(
                f"Expected 1 or 2 channels at {_RATES[0]:,} to {_RATES[1]:,} samples a second in "
                f"{path.name!r}, got {channels} at {rate:,}; convert it."
            )
        if step != channels * bits // 8 or len(data) % step:
            raise _damaged(path, "a part of a sample, perhaps cut short")
        if not 0 < len(data) // step <= MAX_STEPS:
            raise DataError(
                f"Expected 1 to {MAX_STEPS:,} samples in {path.name!r}, got {len(data) // step:,}; "
                "cut it into shorter sounds, or take it out."
            )
        return cls(rate, channels, tag, bits, data)

    def mono(self, name: str) -> np.ndarray:
        """Samples from -1 to 1, channels averaged, float32 (samples,)."""
        kind, most = _TYPES[self.tag, self.bits]
        stored = np.frombuffer(self.data, dtype=kind)
        if self.bits == 24:  # the upper three bytes of 32 bits
            wide = np.zeros((len(stored) // 3, 4), dtype=np.uint8)
            wide[:, 1:] = stored.reshape(-1, 3)
            stored = wide.view("<i4")[:, 0]
        samples = (stored.astype(float) - (128 if self.bits == 8 else 0)) / most
        if not np.isfinite(samples).all() or np.abs(samples).max() > 1:
            raise DataError(
                f"Expected samples from -1 to 1 in {name!r}, got larger ones or none; scale "
                "them down."
            )
        return np.asarray(samples.reshape(-1, self.channels).mean(1).astype(np.float32))


def _parts(raw: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Name, size and content of each part of a RIFF file; the last may be shorter than its size."""
    at = 12
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], int.from_bytes(raw[at + 4 : at + 8], "little")
        yield name, size, raw[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _damaged(path: Path, got: str) -> DataError:
    return DataError(f"Expected a WAV file at {str(path)!r}, got {got}; write the file anew.")
