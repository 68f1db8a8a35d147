"""Learners trained on samples and on real rows, asked about the same holdout rows.

Each side is cut into K disjoint parts, and one learner is trained on each part. What is reported is
the average over the learners of a side; how they differ tells how much chance in the training rows
moves it. A single learner a side would hide that, and on small tables it is the larger error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.learner import Features, Target, fit_predict
from genaudit.result import Message, message

#: Learners on each side, and how many rows one of them needs and takes.
MAX_LEARNERS = 8
MIN_ROWS = 200
MAX_ROWS = 2000

_SIDES = {
    "real": message("learners.side.real", "real"),
    "made": message("learners.side.made", "made"),
    "holdout": message("learners.side.holdout", "holdout"),
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the learners say of the n holdout rows that have a label.

    rows: positions of those rows in the holdout, shape (n,). y: their classes, shape (n,).
    real, made: class probabilities after training on real rows and on samples, shape
    (K, n, classes). rows_each: training rows of one learner.
    """

    target: Target
    rows: np.ndarray
    y: np.ndarray
    real: np.ndarray
    made: np.ndarray
    rows_each: int

    @property
    def n_learners(self) -> int:
        """K, the number of learners on each side."""
        return len(self.real)

    @property
    def doubt(self) -> Message | None:
        """Why nothing can be judged from this comparison, if so."""
        if self.n_learners > 1:
            return None
        return message(
            "learners.too_few",
            "Fewer than {n:integer} rows with a label on one side: too few to tell how much chance "
            "in the training rows moves this number.",
            n=2 * MIN_ROWS,
        )

    @property
    def note(self) -> Message:
        """How the number came about, and what its interval leaves out."""
        return message(
            "learners.note",
            "Average over {k:integer} learners a side, each trained on {m:integer} rows. The "
            "interval covers chance in training rows and in holdout rows, but not another training "
            "of the generator.",
            k=self.n_learners,
            m=self.rows_each,
        )  # fmt: skip

    def selects(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether each learner predicts the favoured class for each row, bools (K, n)."""
        return probabilities.argmax(axis=2) == self.target.favoured

    def margins(self, probabilities: np.ndarray) -> np.ndarray:
        """Favoured class minus the likeliest other, and the sum of the two, shape (2, K, n)."""
        favoured = probabilities[:, :, self.target.favoured]
        other = np.delete(probabilities, self.target.favoured, axis=2).max(axis=2, initial=0.0)
        return np.stack([favoured - other, favoured + other])


def comparison(case: AuditCase, target: Target) -> Comparison | Message:
    """Learners on samples against learners on training rows; a message where there can be none."""
    return case.once("learners", lambda: _compare(case, target))


def learn_from(
    case: AuditCase, data: Dataset, found: Comparison, n_learners: int, stream: str
) -> np.ndarray:
    """Class probabilities after training on another table, shape (n_learners, n, classes)."""
    features = Features.of(case.train, found.target.name)
    test = features.encode(case.holdout)[found.rows]
    parts = _parts(found.target.encode(data), n_learners, found.rows_each, case.rng(stream))
    return _side(features, data, found.target, parts, test)


def _compare(case: AuditCase, target: Target) -> Comparison | Message:
    if target.name in case.samples.absent:
        return message(
            "learners.no_target", "Generated rows have no column {column}.", column=target.name
        )
    labels = {
        "real": target.encode(case.train),
        "made": target.encode(case.samples),
        "holdout": target.encode(case.holdout),
    }
    n = {side: int((y >= 0).sum()) for side, y in labels.items()}
    empty = next((side for side, count in n.items() if count == 0), None)
    if empty:
        return message(
            "learners.no_label", "No row on one side ({side}) has a value of {column}.",
            side=_SIDES[empty], column=target.name,
        )  # fmt: skip
    size = min(n["real"], n["made"])
    k = min(max(size // MIN_ROWS, 1), MAX_LEARNERS)
    m = min(size // k, MAX_ROWS)
    rows = np.flatnonzero(labels["holdout"] >= 0)
    features = Features.of(case.train, target.name)
    test = features.encode(case.holdout)[rows]
    real = _parts(labels["real"], k, m, case.rng("learners.real"))
    made = _parts(labels["made"], k, m, case.rng("learners.made"))
    return Comparison(
        target=target,
        rows=rows,
        y=labels["holdout"][rows],
        real=_side(features, case.train, target, real, test),
        made=_side(features, case.samples, target, made, test),
        rows_each=m,
    )


def _parts(labels: np.ndarray, k: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of labelled rows in k disjoint parts of (at most) m, shape (k, m)."""
    labelled = rng.permutation(np.flatnonzero(labels >= 0))
    m = min(m, len(labelled) // k)
    return labelled[: k * m].reshape(k, m)


def _side(
    features: Features, data: Dataset, target: Target, parts: np.ndarray, test: np.ndarray
) -> np.ndarray:
    x, y = features.encode(data), target.encode(data)
    n_classes = len(target.classes)
    return np.stack(
        [fit_predict(x[part], y[part], n_classes, test, seed) for seed, part in enumerate(parts)]
    )
