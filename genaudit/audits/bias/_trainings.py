"""What several trainings of one recipe say together: their spread beside the chance of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.bias._groups import Rate, share_of
from genaudit.case import AuditCase
from genaudit.result import Message, Side, message
from genaudit.stats.components import component_interval
from genaudit.stats.intervals import Interval

#: Share of what chance of rows gives below which the spread of trainings is rounding.
_ALIKE = 1e-9

#: Of a number of several trainings set against real rows.
METHOD = (
    "Student's t over trainings of the recipe (seeds, with the chance of their rows), combined "
    "with the chance of real rows (MOVER)"
)

#: Of a number of several trainings alone.
ALONE = "Student's t over trainings of the recipe (seeds, with the chance of their rows)"


@dataclass(frozen=True)
class Trainings:
    """The same number of each of K >= 3 trainings.

    values: shape (K,). rows: what chance of rows adds to the variance of one, shape (K,).
    """

    values: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, each: Sequence[Sequence[tuple[int, Rate]]]) -> Trainings:
        """From the signed rates that a number is the sum of, for each training."""
        values = [sum(sign * r.value for sign, r in parts) for parts in each]
        rows = [sum(r.variance for _, r in parts) for parts in each]
        return cls(np.array(values), np.array(rows))

    @property
    def value(self) -> float:
        """Mean over trainings, each of which counts alike."""
        return float(self.values.mean())

    @property
    def variance(self) -> float:
        """Of the mean: the spread of trainings, in which the chance of their rows is."""
        spread, by_rows = float(self.values.var(ddof=1)), float(self.rows.mean())
        # Trainings that agree exactly, but for rounding, do so by luck; chance of rows is there.
        return (spread if spread > _ALIKE * by_rows else by_rows) / len(self.values)

    def interval(self, confidence: float) -> Interval:
        """Student's t over trainings."""
        k = len(self.values)
        return component_interval(self.value, [(self.variance, k - 1)], confidence)

    @property
    def side(self) -> Side:
        """The trainings as a source of chance."""
        return Side(kind="training", n=len(self.values), variance=self.variance)

    @property
    def note(self) -> Message:
        """How far trainings are apart, and how far chance of rows alone would bring them."""
        return message(
            "bias.trainings",
            "{k:integer} trainings of one recipe. Standard deviation between them: "
            "{seeds:percent}; chance of their rows alone would give {rows:percent}.",
            k=len(self.values),
            seeds=round(float(self.values.std(ddof=1)), 4),
            rows=round(float(np.sqrt(self.rows.mean())), 4),
        )


def shares_of_each(
    case: AuditCase, codes: Sequence[np.ndarray], group: int, worth: float
) -> list[Rate]:
    """A group's share in each training, from the group codes of its rows; none of one sample."""
    return [
        share_of(mine == group, part.persons, worth)
        for mine, part in zip(codes, case.subject.replicates, strict=True)
    ]
