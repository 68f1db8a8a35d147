"""What a training works on: a family with batches, live quality and what is released in the end."""

from __future__ import annotations

from typing import Protocol

from genaudit.models.base import Family
from genaudit.models.sampling import BaseSampler
from genaudit.training.prepared import Basis, Batch, Numbers
from genaudit.training.recipe import Recipe


class Work(Protocol):
    """A family of generators on records of one kind."""

    @property
    def family(self) -> Family:
        """The generator in training."""

    def batches(self, numbers: Numbers) -> Batch:
        """Positions of these records -> their codes and conditions, as networks take them."""

    def quality(self) -> float:
        """How far what would be made now is from what is known of the records; 0 is best."""

    def sampler(self) -> BaseSampler:
        """What makes the records of the trained generator."""


def work_of(recipe: Recipe, basis: Basis) -> Work:
    """The work on a table, or on images, series, sounds or texts."""
    if basis.schema.record is None:
        from genaudit.training.table import TableWork

        return TableWork.of(recipe, basis)
    from genaudit.training.records import RecordWork

    return RecordWork.of(recipe, basis)
