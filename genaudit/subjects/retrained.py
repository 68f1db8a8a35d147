"""A recipe as what trains a subject again, for attacks that train shadow models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.models.store import Trained
from genaudit.subject import Subject
from genaudit.subjects.trained import from_model
from genaudit.training.options import without_idle
from genaudit.training.prepared import kind_of
from genaudit.training.recipe import Recipe
from genaudit.training.together import fit_each

#: Data sets and seeds -> a subject for each (`Subject.retrain`).
Retrain = Callable[[Sequence[Dataset], Sequence[int]], Sequence[Subject]]


def retrainer(
    recipe: Recipe,
    schema: Schema | None = None,
    *,
    subject_of: Callable[[Trained], Subject] | None = None,
) -> Retrain:
    """What trains a recipe again on other records, for `Subject.retrain`.

    Trainings go side by side where they can (`training.together`). They are no releases: no ledger
    is charged, as the audit has written down that it reads the records, and no model is kept.

    Args:
        recipe: Of the subject; its seed gives way to those of the calls, and so does a noise seed.
        schema: What the auditor declares; samples are checked against it. None = the model's own.
        subject_of: Makes a subject of a model, such as one with scores; None = one that is drawn
            from.
    """

    def made(model: Trained) -> Subject:
        return subject_of(model) if subject_of else from_model(model, schema=schema, name="shadow")

    def retrain(data: Sequence[Dataset], seeds: Sequence[int]) -> Sequence[Subject]:
        recipes = [_seeded(without_idle(recipe, kind_of(records.schema)), seed)
                   for seed, records in zip(seeds, data, strict=True)]  # fmt: skip
        return [made(model) for model in fit_each(recipes, data)]

    return retrain


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    # Equal noise in all models would hide what it hides from none.
    noise = {} if recipe.noise_seed is None else {"noise_seed": seed}
    return recipe.model_copy(update={"seed": seed, **noise})
