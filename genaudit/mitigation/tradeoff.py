"""What was tried to find a strength: at each one the gap and the accuracy, on generated rows alone.

Half of the samples were repaired and learned from, and the models tried on the other half, so no
real row takes part and nothing is added to ε.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from genaudit.result import Figure, Message, Section, Status, message, words_of
from genaudit.stats.intervals import clopper_pearson

_CONFIDENCE = 0.95

Rate = Annotated[float, Field(ge=0, le=1)]


class Trial(BaseModel):
    """One strength, with what models did that learned from samples repaired with it.

    gap: Largest minus smallest selection rate of groups. accuracy: Share of the samples, as the
    generator made them, whose outcome was predicted. n: Rows that were predicted. Ends of intervals
    are at 95%, over rows; that another half would give other models is not in them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    strength: Rate
    gap: Rate
    gap_low: Rate
    gap_high: Rate
    accuracy: Rate
    accuracy_low: Rate
    accuracy_high: Rate
    n: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not (self.gap_low <= self.gap <= self.gap_high
                and self.accuracy_low <= self.accuracy <= self.accuracy_high):  # fmt: skip
            raise ValueError("expected low <= value <= high")
        return self

    @classmethod
    def of(cls, strength: float, selected: np.ndarray, rows: np.ndarray, right: np.ndarray) -> Self:
        """Counted out.

        Args:
            strength: Of the repair.
            selected: Rows of each group that models favour, shape (groups,).
            rows: Rows of each group, at least one each, shape (groups,).
            right: Whether each prediction was right, bools of shape (n,).
        """
        gap, low, high = spread(selected, rows)
        k, n = int(right.sum()), len(right)
        sure_low, sure_high = clopper_pearson(k, n, _CONFIDENCE)
        return cls(strength=strength, gap=gap, gap_low=low, gap_high=high, accuracy=k / n,
                   accuracy_low=sure_low, accuracy_high=sure_high, n=n)  # fmt: skip


def spread(hits: np.ndarray, rows: np.ndarray) -> tuple[float, float, float]:
    """Largest minus smallest rate of several groups, with an interval at 95% that is rather wide.

    The rates lie in their own intervals all together (Bonferroni), so no choice of the two groups
    that are furthest apart makes it too narrow.

    >>> [round(x, 2) for x in spread(np.array([50, 30]), np.array([100, 100]))]
    [0.2, 0.0, 0.41]
    """
    each = 1 - (1 - _CONFIDENCE) / len(rows)
    ends = [clopper_pearson(int(k), int(n), each) for k, n in zip(hits, rows, strict=True)]
    lows, highs = zip(*ends, strict=True)
    rates = hits / rows
    gap = float(rates.max() - rates.min())
    return gap, max(0.0, max(lows) - min(highs)), min(1.0, max(highs) - min(lows))


_GAP = message("tradeoff.gap", "gap between groups")
_WRONG = message("tradeoff.wrong", "wrong predictions")
_CHOSEN = message("tradeoff.chosen", "chosen strength")
_WANTED = message("tradeoff.wanted", "gap asked for")


class Tuning(BaseModel):
    """How a strength was found.

    columns: What tells groups. wanted: The gap that was asked for. chosen: The strength that was
    taken, one of the trials. trials: In the order in which they were made.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    columns: tuple[str, ...]
    wanted: Rate
    chosen: Rate
    trials: Annotated[tuple[Trial, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _tried(self) -> Self:
        strengths = [t.strength for t in self.trials]
        if self.chosen not in strengths or len(set(strengths)) < len(strengths):
            raise ValueError("expected the chosen strength among trials of different strengths")
        return self

    def at(self, strength: float) -> Trial:
        """What this strength gave."""
        return next(t for t in self.trials if t.strength == strength)

    @property
    def section(self) -> Section:
        """What a report shows of it."""
        return Section(
            audit="bias.mitigation",
            title=message("audit.bias.mitigation", "How strong the mitigation of these samples is"),
            status=Status.RAN,
            figures=(self.figure,),
            params={"dpd": self.wanted, "strength": self.chosen},
            source="Menon & Williamson 2018; Feldman et al. 2015 (partial repair); the strength by "
            "halving, on generated rows",
        )

    @property
    def figure(self) -> Figure:
        """Gap and wrong predictions by strength, with the chosen one and the gap that was wanted.

        Rows of intervals are the trials, those without are marks.
        """
        tried = sorted(self.trials, key=lambda t: t.strength)
        curves = [(_GAP.english, t.strength, t.gap, t.gap_low, t.gap_high) for t in tried]
        curves += [
            (_WRONG.english, t.strength, 1 - t.accuracy, 1 - t.accuracy_high, 1 - t.accuracy_low)
            for t in tried
        ]
        chosen = self.at(self.chosen)
        marks = [
            (_CHOSEN.english, x, y, None, None)
            for x, y in ((self.chosen, chosen.gap), (self.chosen, 1 - chosen.accuracy))
        ]
        marks += [(_WANTED.english, x, self.wanted, None, None) for x in (0.0, 1.0)]  # fmt: skip
        return Figure(
            id="bias.mitigation.tradeoff",
            kind="curve",
            title=message("figure.tradeoff.title", "What more repair brings, and what it costs"),
            description=self._told,
            headers=(
                message("header.tradeoff.line", "Line"),
                message("header.tradeoff.strength", "Strength of the repair"),
                message("header.tradeoff.share", "Share; less is better"),
                message("header.tradeoff.low", "From"),
                message("header.tradeoff.high", "To"),
            ),
            rows=(*curves, *marks),
            unit="share of generated rows",
            words=words_of(_GAP, _WRONG, _CHOSEN, _WANTED),
        )

    @property
    def _told(self) -> Message:
        """What the picture shows, in words for anybody."""
        chosen, first = self.at(self.chosen), min(self.trials, key=lambda t: t.strength)
        if chosen.gap <= self.wanted:
            reached = message(
                "tradeoff.reached",
                "At most {wanted:number} was asked for.",
                wanted=100 * self.wanted,
            )
        else:
            reached = message(
                "tradeoff.missed",
                "At most {wanted:number} was asked for, which no strength that was tried reached.",
                wanted=100 * self.wanted,
            )
        choice = message(
            "tradeoff.choice",
            "Chosen: strength {strength:percent}. How often the favoured outcome is predicted for "
            "groups of {columns} then differs by {gap:number} percentage points, before by "
            "{before:number}; {accuracy:percent} of predictions are right, before "
            "{accuracy_before:percent}.",
            strength=chosen.strength, columns=", ".join(self.columns), gap=100 * chosen.gap,
            before=100 * first.gap, accuracy=chosen.accuracy, accuracy_before=first.accuracy,
        )  # fmt: skip
        return message(
            "figure.tradeoff.text",
            "A repair hands out the favoured outcome more alike; more strength mostly narrows the "
            "gap between groups and may cost right predictions. {choice} {reached} Shaded: 95% "
            "intervals. These numbers come from generated rows alone, of which models learned one "
            "half and were tried on the other: they cost no ε. The strength was chosen by them, so "
            "they flatter it a little; how it is on real rows the audit measures by itself.",
            choice=choice, reached=reached,
        )  # fmt: skip
