"""From whatever a user names to a `Subject`: model, folder, files, frame, callable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from genaudit.data.frame import flat
from genaudit.data.schema import Schema
from genaudit.errors import OptionError, plain
from genaudit.modalities import files
from genaudit.result import Claim
from genaudit.subject import Subject
from genaudit.subjects import files as sample_files
from genaudit.subjects import wrapped

#: What may be `module:name`; no path with a folder in it is, and no address.
_SPEC = re.compile(r"[^\s/\\]*:[^\s/\\]*")


def resolve(subject: Any, model: Any, schema: Schema, claim: Claim | None) -> Subject:
    """The subject that a user means.

    Args:
        subject: A `Subject`, samples (frame, file, several files), a callable, `module:name`, or
            what `as_model` made a model of.
        model: The model, where `as_model` found one.
        schema: What samples are checked against.
        claim: What its maker promises.

    Raises:
        DataError, OptionError: there is no such thing, or it is of no use.
    """
    if isinstance(subject, Subject):
        return subject
    if model is not None:
        from genaudit.subjects.trained import from_model

        name = Path(subject).name if isinstance(subject, str | Path) else None
        return from_model(model, schema=schema, claim=claim, name=name)
    if isinstance(subject, pd.DataFrame):
        return wrapped.from_frame(subject, schema, claim=claim)
    if paths := _paths(subject):
        folders = sum(map(_is_folder, paths))
        if folders:
            got = "a mix" if folders < len(paths) else f"{folders} folders"
            raise OptionError(
                f"Expected one model folder, or one or more sample files; got {got}. "
                "Audit each model by itself."
            )
        if twice := [path for i, path in enumerate(paths) if path in paths[:i]]:
            raise OptionError(f"Expected each sample file once, got {str(twice[0])!r} twice.")
        return sample_files.from_files(paths, schema, claim=claim)
    if isinstance(subject, str | Path):
        return wrapped.from_spec(str(subject), schema, claim=claim)
    if callable(subject):
        name = getattr(subject, "__qualname__", type(subject).__name__)
        return wrapped.from_callable(subject, schema, name=name, claim=claim)
    raise OptionError(
        f"Expected a model, samples, or a callable to audit, got {type(subject).__name__}."
    )


#: Fewest trainings from which their spread is estimated at all.
FEWEST = 3


def resolve_recipe(subject: Any, schema: Schema, claim: Claim | None) -> Subject:
    """The samples of several trainings of one recipe that a user means.

    Raises:
        DataError, OptionError: they are too few, or no samples of different trainings.
    """
    parts = list(subject) if isinstance(subject, list | tuple) else [subject]
    if len(parts) < FEWEST:
        raise OptionError(
            f"Expected the samples of at least {FEWEST} trainings of one recipe, got {len(parts)}; "
            "bring more, or leave out that they are of one recipe."
        )
    if odd := [p for p in parts if not isinstance(p, pd.DataFrame) and not _is_samples(p)]:
        what = f"{odd[0]!r}" if isinstance(odd[0], str | Path) else type(odd[0]).__name__
        raise OptionError(
            f"Expected files or data frames of samples, one of each training, got {what}; draw "
            "samples from each model first."
        )
    return sample_files.from_trainings(parts, schema, claim=claim)


def _is_samples(part: Any) -> bool:
    return isinstance(part, str | Path) and not _is_spec(part) and not _is_folder(part)


def as_model(subject: Any) -> Any:
    """The trained model, where the subject is one or is a model folder; else None."""
    if isinstance(subject, str | Path) and _is_folder(subject):
        from genaudit.models.store import load

        return load(subject)
    return subject if hasattr(subject, "sample") and hasattr(subject, "schema") else None


def sample_frames(subject: Any) -> list[pd.DataFrame]:
    """Samples to draft a schema from, where nothing else is known."""
    if isinstance(subject, pd.DataFrame):
        return [flat(subject, "samples")]
    if isinstance(subject, list | tuple) and any(isinstance(p, pd.DataFrame) for p in subject):
        return [flat(p, "samples") for p in subject if isinstance(p, pd.DataFrame)]
    paths = _paths(subject)
    return [files.read(path, "samples") for path in paths] if paths else []


def parse_claim(claim: Claim | str | None) -> Claim | None:
    """The claim in a text such as `epsilon=3,delta=1e-6,unit=person`.

    Raises:
        OptionError: a field is unknown, there twice, missing or out of range.
    """
    if claim is None or isinstance(claim, Claim):
        return claim
    if not isinstance(claim, str):
        raise OptionError(
            "Expected a claim such as epsilon=3,delta=1e-6,unit=person, or a genaudit.Claim, got "
            f"{type(claim).__name__}; write it so."
        )
    try:
        return Claim.model_validate(_fields(claim))
    except ValidationError as error:
        first = error.errors()[0]
        raise _bad_claim(claim, f"{first['loc'][0]}: {plain(first['msg'])}") from error


def _fields(claim: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in claim.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise _bad_claim(claim, f"expected NAME=VALUE between the commas, got {part!r}")
        if name not in Claim.model_fields:
            known = ", ".join(Claim.model_fields)
            raise _bad_claim(claim, f"unknown field {name!r}; a claim has {known}")
        if name in fields:
            raise _bad_claim(claim, f"{name} is in it twice")
        fields[name] = value
    return fields


def _bad_claim(claim: str, reason: str) -> OptionError:
    return OptionError(
        f"Expected a claim such as epsilon=3,delta=1e-6,unit=person, got {claim!r}: {reason}."
    )


def _paths(subject: Any) -> list[str | Path]:
    if isinstance(subject, str | Path):
        return [] if _is_spec(subject) else [subject]
    many = isinstance(subject, Sequence) and not isinstance(subject, str)
    return list(subject) if many and all(isinstance(s, str | Path) for s in subject) else []


def _is_spec(subject: str | Path) -> bool:
    """Whether it is `module:name`; an absent file or an address that looks alike runs no code."""
    text = str(subject)
    known = Path(text).suffix.lower() in files.SUFFIXES
    return bool(_SPEC.fullmatch(text)) and not known and not _exists(subject)


def _exists(path: str | Path) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that no file can have
        return False


def _is_folder(path: str | Path) -> bool:
    """Whether it is a folder, and none of pictures or sounds, which are samples."""
    return _exists(path) and Path(path).is_dir() and not files.is_folder(path)
