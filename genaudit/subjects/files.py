"""A file of samples as a subject: the weakest access, and the commonest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError
from genaudit.modalities import files
from genaudit.result import Claim
from genaudit.subject import Subject


def from_files(
    paths: Sequence[str | Path], schema: Schema, *, claim: Claim | None = None
) -> Subject:
    """The samples in one or more files, pooled in the order given.

    Raises:
        DataError: a file is absent, empty, in a foreign format, or has columns of its own.
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
    return Subject(
        name=", ".join(Path(path).name for path in paths),
        kind="samples file" if len(paths) == 1 else "samples files, pooled",
        samples=Dataset.of_samples(pd.concat(raws, ignore_index=True), schema),
        claim=claim,
        digest=_digest(paths),
    )


def _digest(paths: Sequence[str | Path]) -> str:
    """SHA-256 of the file; of several files, that of their own digests, one a line."""
    each = [files.digest(path) for path in paths]
    if len(each) == 1:
        return each[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in each).encode()).hexdigest()
