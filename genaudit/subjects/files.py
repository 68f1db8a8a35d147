"""A file of samples as a subject: the weakest access, and the commonest."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.frame import flat
from genaudit.data.overlap import row_hashes
from genaudit.data.schema import Schema
from genaudit.errors import DataError, GenauditWarning
from genaudit.mitigation import record
from genaudit.mitigation.history import common, noted_parts, repeats, weighted
from genaudit.modalities import files
from genaudit.result import Claim, Section
from genaudit.subject import Subject


def from_files(
    paths: Sequence[str | Path], schema: Schema, *, claim: Claim | None = None
) -> Subject:
    """The samples in one or more files, pooled in the order given.

    Raises:
        DataError: a file is absent, empty, in a foreign format, or has columns of its own; or a
            record of a mitigation beside it is not usable.
    """
    raws = [files.read(path, "samples", schema.record) for path in paths]
    for path, raw in zip(paths, raws, strict=True):
        odd = sorted(set(raw.columns) ^ set(raws[0].columns))
        if odd:
            raise DataError(
                f"Expected the same columns in all samples files, but only one of "
                f"{Path(paths[0]).name} and {Path(path).name} has {odd[0]!r}; audit them one by "
                "one, or give them the same columns."
            )
    done = [_record(path) for path in paths]
    parts = [() if one is None else one.steps for one in done]
    times = _repeats(done, [files.digest(path) for path in paths])
    return Subject(
        name=", ".join(Path(path).name for path in paths),
        kind="samples file" if len(paths) == 1 else "samples files, pooled",
        samples=Dataset.of_samples(pd.concat(raws, ignore_index=True), schema),
        claim=claim,
        digest=_digest(paths),
        mitigation=noted_parts(parts, times),
        steps=common(parts),
        repeats=times,
        sections=_shown(done),
        contents=contents([Dataset.of_samples(raw, schema) for raw in raws]),
    )


def from_trainings(
    parts: Sequence[str | Path | pd.DataFrame], schema: Schema, *, claim: Claim | None = None
) -> Subject:
    """Samples of several trainings of one recipe, one file or data frame each.

    Raises:
        DataError: as `from_files`, or two of them are the same rows, as no two seeds make.
    """
    paths = [part for part in parts if not isinstance(part, pd.DataFrame)]
    names = [f"samples {i}" if isinstance(part, pd.DataFrame) else Path(part).name
             for i, part in enumerate(parts, 1)]  # fmt: skip
    raws = [flat(part, name) if isinstance(part, pd.DataFrame)
            else files.read(part, "samples", schema.record)
            for part, name in zip(parts, names, strict=True)]  # fmt: skip
    for i, (name, raw) in enumerate(zip(names, raws, strict=True)):
        if odd := sorted(set(raw.columns) ^ set(raws[0].columns)):
            raise DataError(
                f"Expected the same columns in the samples of all trainings, but only one of "
                f"{names[0]} and {name} has {odd[0]!r}; give them the same columns."
            )
        if same := [j for j in range(i) if raw.equals(raws[j][raw.columns])]:
            raise DataError(
                f"Expected samples of different trainings, but {names[same[0]]} and {name} are the "
                "same rows; train with another seed, or leave one of them out."
            )
    done = [None if isinstance(part, pd.DataFrame) else _record(part) for part in parts]
    steps = [() if one is None else one.steps for one in done]
    digests = ["" if isinstance(part, pd.DataFrame) else files.digest(part) for part in parts]
    times = _repeats(done, digests)
    each = tuple(Dataset.of_samples(raw, schema) for raw in raws)
    return Subject(
        name=", ".join(names),
        kind="samples of one recipe",
        samples=Dataset.of_samples(pd.concat(raws, ignore_index=True), schema),
        claim=claim,
        digest=_digest(paths) if len(paths) == len(parts) else None,
        replicates=each,
        mitigation=noted_parts(steps, times),
        steps=common(steps),
        repeats=times,
        contents=contents(each),
    )


def _record(path: str | Path) -> record.MitigationRecord | None:
    """The record of a mitigation beside a file, if it is of this file."""
    if (found := record.read(path)) is None:
        return None
    if found.digest != files.digest(path):
        warnings.warn(
            f"The record of a mitigation beside {Path(path).name} is of another file, so it is "
            "left out; remove it, or write the samples anew.",
            GenauditWarning,
            stacklevel=3,
        )
        return None
    if weighted(found.steps):
        warnings.warn(
            f"Rows of {Path(path).name} have weights from a mitigation, which are left out: rows "
            "are counted here, each once. Take reweigh without --weights, which draws rows by "
            "their weights.",
            GenauditWarning,
            stacklevel=3,
        )
    return found


def _repeats(done: Sequence[record.MitigationRecord | None], digests: Sequence[str]) -> int:
    """How often one row stands at most among files of which some were made from others.

    Files that come from one file, or one from the other, hold the same rows.
    """
    names = [{digest, "" if one is None else one.source_digest or ""} - {""}
             for one, digest in zip(done, digests, strict=True)]  # fmt: skip
    times = [1 if one is None else repeats(one.steps) for one in done]
    most = 1
    for i in range(len(done)):
        family, members = set(names[i]), {i}
        while more := {j for j, own in enumerate(names) if own & family} - members:
            members |= more
            family = family.union(*(names[j] for j in more))
        most = max(most, sum(times[j] for j in members))
    return most


def _shown(done: Sequence[record.MitigationRecord | None]) -> tuple[Section, ...]:
    """How a strength was found, of samples in one file: several files have one each."""
    if len(done) > 1 or done[0] is None or done[0].tuning is None:
        return ()
    return (done[0].tuning.section,)


def contents(each: Sequence[Dataset]) -> tuple[str, ...]:
    """SHA-256 of the rows of each table, and of all together, in whatever order of both."""
    names = sorted(each[0].frame.columns)
    head = "".join(f"{name}\n" for name in names).encode()
    hashes = [row_hashes(samples.frame[names]) for samples in each]
    tables = [*hashes, np.concatenate(hashes)] if len(hashes) > 1 else hashes
    return tuple(hashlib.sha256(head + np.sort(rows).tobytes()).hexdigest() for rows in tables)


def _digest(paths: Sequence[str | Path]) -> str:
    """SHA-256 of the file; of several files, that of their own digests, one a line."""
    each = [files.digest(path) for path in paths]
    if len(each) == 1:
        return each[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in each).encode()).hexdigest()
