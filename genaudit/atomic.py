"""Writing results so that nothing half-written is ever left where a result should be."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genaudit.errors import OptionError, reason


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a whole file or nothing: a neighbour is written, synced and renamed over `path`.

    A link stays one: the file that it leads to is written.

    Raises:
        OptionError: the folder cannot be made or written to, or `path` is no ordinary file.
    """
    path = Path(path)
    beside = None
    try:
        _check_ordinary(path)
        target = _target(path)
        beside = _beside(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:  # interrupted or not; after the rename there is none
        if beside is not None:
            with suppress(OSError):  # the folder may be what is missing
                beside.unlink(missing_ok=True)
    return path


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill that becomes `path` when it is left, whole or not at all.

    Raises:
        OptionError: `path` holds something, or cannot be written.
    """
    path = Path(path)
    beside = _beside(path)
    try:
        if _is_taken(path):
            raise _taken(path)
        beside.mkdir(parents=True)
        yield beside
        if path.exists():
            path.rmdir()
        beside.rename(path)
    except OSError as error:
        raise OptionError(
            f"Expected to write the folder {str(path)!r}, got: {reason(error)}; name another place."
        ) from error
    finally:  # interrupted or not; after the rename there is none
        shutil.rmtree(beside, ignore_errors=True)


def check_file(path: str | Path) -> None:
    """Refuse a file that could not be written, before any work is done for it; nothing is left.

    Raises:
        OptionError: the folder cannot be made or written to, or `path` is no ordinary file.
    """
    path = Path(path)
    try:
        _check_ordinary(path)
        _probe(_target(path))
    except OSError as error:
        raise _unwritable(path, error) from error


def check_folder(path: str | Path, *, new: bool = True) -> None:
    """Refuse a folder that could not be made or, where it need not be new, filled.

    Raises:
        OptionError: it holds something, is a file, or cannot be made or written to.
    """
    path = Path(path)
    try:
        if new and _is_taken(path):
            raise _taken(path)
        if path.exists() and not path.is_dir():
            raise OptionError(
                f"Expected a folder at {str(path)!r}, got a file; name another place."
            )
        # A new folder comes by a rename within its parent, another one is written into.
        _probe(path if new else path / "x")
    except OSError as error:
        raise _unwritable(path, error) from error


def check_apart(path: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse a place for a result that would replace what is read, or stand in a folder of it.

    Raises:
        OptionError: it is one of the inputs, by whatever name, or within one.
    """
    for given in inputs:
        if _same(path, given):
            raise OptionError(
                f"Expected another place for the result than {str(given)!r}, which is read and "
                "would be lost; name another with --out."
            )
        if Path(os.path.realpath(given)) in Path(os.path.realpath(path)).parents:
            raise OptionError(
                f"Expected a place for the result outside of the folder {str(given)!r}, which is "
                f"read, got {str(path)!r}; name another with --out."
            )


def _is_taken(path: Path) -> bool:
    """Whether there is something that a new folder would replace."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def _taken(path: Path) -> OptionError:
    return OptionError(
        f"Expected a new or empty folder at {str(path)!r}; it holds something. Name another place."
    )


def _same(one: str | Path, other: str | Path) -> bool:
    """Whether two names are of one file, be it by a link, or be it that it does not exist yet."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def _probe(path: Path) -> None:
    """Make and remove a neighbour of `path`, and the parents that it lacks."""
    missing = [p for p in path.parents if not p.exists()]
    beside = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.is_dir()  # a name that is too long is an error here
        beside.touch(exist_ok=False)
    finally:
        for made in (beside, *missing):
            with suppress(OSError):
                made.unlink() if made is beside else made.rmdir()


def _beside(path: Path) -> Path:
    return path.parent / f".{path.name[:100]}.{secrets.token_hex(4)}"


def _target(path: Path) -> Path:
    """What a link leads to; a rename over the link itself would take it away."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _check_ordinary(path: Path) -> None:
    if not path.name or path.is_dir():
        raise OptionError(f"Expected a file to write, got the folder {str(path)!r}; name a file.")
    if path.exists() and not path.is_file():  # a rename over /dev/null would take it from everybody
        raise OptionError(
            f"Expected a file to write, got the device or pipe {str(path)!r}; name a file."
        )


def _unwritable(path: Path, error: OSError) -> OptionError:
    return OptionError(
        f"Expected to write {str(path)!r}, got: {reason(error)}; name another place."
    )


def write_text(path: str | Path, text: str) -> Path:
    """`write_bytes` of UTF-8 text."""
    return write_bytes(path, text.encode("utf-8"))
