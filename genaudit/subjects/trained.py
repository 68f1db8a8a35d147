"""A model of genaudit's own as a subject: it samples, it claims, and it brings its touches.

What is released of a table is a mixture, of which anybody who has it knows the likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.models.sampler import Sampler
from genaudit.models.store import Trained, load
from genaudit.result import Claim
from genaudit.subject import Draw, Score, Subject


def from_model(
    model: str | Path | Trained,
    *,
    schema: Schema | None = None,
    claim: Claim | None = None,
    name: str | None = None,
) -> Subject:
    """A model folder, or a model that was just trained, as a subject.

    Args:
        model: A folder, or what `fit` or `load` gave.
        schema: What the auditor declares; samples are checked against it. None = the model's own.
        claim: What to judge instead of the model's own claim.
        name: How reports call it; the folder's name or the family by default.

    Raises:
        DataError: the folder is absent, cut short or foreign.
        IntegrityError: a file differs from its own digest.
    """
    trained = model if isinstance(model, Trained) else load(model)
    named = name or (Path(model).name if not isinstance(model, Trained) else trained.family)
    return Subject(
        name=named,
        kind="model folder",
        draw=_draw(trained, schema),
        scores=_scores(trained),
        claim=claim or trained.claim,
        digest=trained.digest,
        touches=trained.touches,
    )


def _scores(trained: Trained) -> Mapping[str, Score]:
    """What the released model itself says of records."""
    sampler = trained.sampler
    return {"likelihood": sampler.log_likelihood} if isinstance(sampler, Sampler) else {}


def _draw(trained: Trained, schema: Schema | None) -> Draw:
    if schema is None or schema == trained.schema:
        return trained.sample

    def draw(n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
        return Dataset.of_samples(trained.sample(n, seed, where).to_frame(), schema)

    return draw
