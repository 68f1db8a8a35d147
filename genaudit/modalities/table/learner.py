"""The downstream learner of tables: what somebody who uses the samples would train on them.

Records become a matrix (ordinal codes, numbers, NaN for missing), the target becomes classes, and
boosted trees learn one from the other. The same learner serves the utility and the fairness of
models trained on samples, so the two numbers speak of the same models.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column, Kind

#: A target with more levels than this is learned as its favoured level against all others.
MAX_CLASSES = 10


@dataclass(frozen=True)
class Target:
    """The target column as classes; the last one is the favoured outcome.

    For a level column the favoured outcome is its last declared level (for a boolean: true), for
    a number a value above the median of the real rows.

    levels: levels of each class, in the order of the classes; empty for a number.
    threshold: the median, for a number.
    """

    name: str
    classes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...] = ()
    threshold: float | None = None

    @classmethod
    def of(cls, column: Column, real: Dataset) -> Target:
        """The classes of a target column, by its declaration and the real rows."""
        values = real.frame[column.name]
        if not column.discrete:
            return cls._of_number(column, values.dropna().to_numpy(dtype=float))
        levels = levels_of(column, values)
        if len(levels) > MAX_CLASSES:
            return cls(column.name, ("other", levels[-1]), (levels[:-1], levels[-1:]))
        return cls(column.name, levels, tuple((level,) for level in levels))

    @classmethod
    def _of_number(cls, column: Column, values: np.ndarray) -> Target:
        threshold = float(np.median(values)) if len(values) else 0.0
        shown = show_number(column, threshold)
        if len(values) and not (values > threshold).any():
            # More than half of the rows share the largest value: they are the upper class.
            below = float(np.nextafter(threshold, -np.inf))
            return cls(column.name, (f"below {shown}", f"at least {shown}"), (), below)
        return cls(column.name, (f"at most {shown}", f"above {shown}"), (), threshold)

    @property
    def favoured(self) -> int:
        """Code of the favoured class."""
        return len(self.classes) - 1

    @property
    def outcome(self) -> str:
        """The favoured outcome in words, such as `income = >50K`."""
        return f"{self.name} = {self.classes[-1]}"

    def encode(self, data: Dataset) -> np.ndarray:
        """Class of each record, shape (n,); -1 where it has none."""
        values = data.frame[self.name]
        if self.threshold is not None:
            numbers = values.to_numpy(dtype=float)
            return np.where(np.isnan(numbers), -1, numbers > self.threshold).astype(np.int64)
        where = {level: i for i, levels in enumerate(self.levels) for level in levels}
        codes = values.astype(object).map(where)
        return pd.to_numeric(codes).fillna(-1).to_numpy(dtype=np.int64)


@dataclass(frozen=True)
class Features:
    """All modelled columns but the target, as a matrix."""

    columns: tuple[Column, ...]
    levels: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, real: Dataset, target: str) -> Features:
        """The feature columns of a schema; undeclared levels come from the real rows."""
        columns = tuple(c for c in real.schema.modelled if c.name != target)
        return cls(columns, tuple(levels_of(c, real.frame[c.name]) for c in columns))

    def encode(self, data: Dataset) -> np.ndarray:
        """Ordinal codes and numbers, shape (n, columns); NaN where a value is missing."""
        matrix = np.empty((len(data), len(self.columns)))
        for j, (column, levels) in enumerate(zip(self.columns, self.levels, strict=True)):
            values = data.frame[column.name]
            if column.discrete:
                where = {level: float(i) for i, level in enumerate(levels)}
                values = pd.to_numeric(values.astype(object).map(where))
            matrix[:, j] = values.to_numpy(dtype=float)
        return matrix


@dataclass(frozen=True, eq=False)
class Learned:
    """What a learner knows: a model of some columns, or the same probabilities for everybody.

    always: class probabilities where nothing is learned, shape (classes,). useful: columns that the
    model looks at, bools (columns,). seen: codes of the classes that it knows. model: None where
    there is none.
    """

    always: np.ndarray
    useful: np.ndarray
    seen: np.ndarray
    model: Any = None

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Class probabilities of rows of shape (n, d), shape (n, classes)."""
        if self.model is None or not len(x):
            return np.tile(self.always, (len(x), 1))
        found = np.zeros((len(x), len(self.always)))
        with _one_thread():
            found[:, self.seen] = self.model.predict_proba(x[:, self.useful])
        return found


def fit(x: np.ndarray, y: np.ndarray, n_classes: int, seed: int) -> Learned:
    """Learn classes from rows.

    Boosted trees on one thread, so that results do not depend on the machine. Classes that are not
    among `y` get probability 0; with a single class the prediction is constant.

    Args:
        x: Shape (n, d), NaN where missing.
        y: Class codes in [0, n_classes), shape (n,).
        n_classes: All classes of the target.
        seed: Of the learner.

    Source: Friedman 2001; scikit-learn's histogram version after Ke et al. 2017 (LightGBM).
    """
    seen = np.unique(y)
    # A column without any value among the training rows can teach nothing.
    useful = ~np.isnan(x).all(axis=0)
    always = np.bincount(y, minlength=n_classes) / len(y)
    if len(seen) == 1 or not useful.any():
        return Learned(always, useful, seen)
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=40,
        max_leaf_nodes=6,
        max_features=0.5,
        max_bins=63,
        early_stopping=False,
        random_state=seed,
    )
    with _one_thread():
        model.fit(x[:, useful], y)
    return Learned(always, useful, model.classes_, model)


def fit_predict(
    x: np.ndarray, y: np.ndarray, n_classes: int, x_test: np.ndarray, seed: int
) -> np.ndarray:
    """Class probabilities of test rows after learning, shape (n_test, n_classes); see `fit`."""
    return fit(x, y, n_classes, seed).probabilities(x_test)


def _one_thread() -> AbstractContextManager[Any]:
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def levels_of(column: Column, values: pd.Series) -> tuple[str, ...]:
    """Declared levels of a discrete column, else those seen; empty for a number."""
    if not column.discrete:
        return ()
    return column.levels or tuple(sorted(set(values.dropna().astype(str))))


def show_number(column: Column, value: float) -> str:
    """A value of a numeric or datetime column, as a person writes it."""
    if column.kind is Kind.DATETIME:
        return str(pd.Timestamp(value, unit="s").date())
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{value:.0f}" if whole else f"{value:g}"


def show_apart(column: Column, values: Sequence[float]) -> list[str]:
    """The same of ascending values, with as many digits or times as tell them apart.

    >>> show_apart(Column(name="t", kind=Kind.NUMERIC), [1700000000.0, 1700000001.0])
    ['1700000000', '1700000001']
    """
    shown = [show_number(column, value) for value in values]
    if len(set(shown)) == len(set(values)):
        return shown
    if column.kind is Kind.DATETIME:
        return [str(pd.Timestamp(value, unit="s")) for value in values]
    whole = len(f"{max(map(abs, values)):.0f}")  # so many digits at least show no power of ten
    for digits in range(min(max(7, whole), 17), 18):
        shown = [f"{value:.{digits}g}" for value in values]
        if len(set(shown)) == len(set(values)):
            break
    return shown
