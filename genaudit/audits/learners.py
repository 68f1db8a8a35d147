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
from genaudit.data.disclosure import SMALL_CELL, in_tens
from genaudit.modalities.table.learner import Features, Learned, Target, fit
from genaudit.result import Message, message

#: Learners on each side, and how many rows, of how many persons, one of them needs and takes.
MAX_LEARNERS = 8
MIN_ROWS = 200
MIN_PERSONS = 20
MAX_ROWS = 2000

_SIDES = {
    "real": message("learners.side.real", "real"),
    "made": message("learners.side.made", "made"),
    "holdout": message("learners.side.holdout", "holdout"),
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the learners say of n holdout rows that have a label.

    rows: positions of those rows in the holdout, shape (n,): all of them, or a multiple of ten
    where others have no label. y: their classes, shape (n,). real, made: class probabilities after
    training on real rows and on samples, shape (K, n, classes). rows_each: training rows of one
    learner. persons: the number of each row's person, shape (n,); None where a row is a person.
    data: training rows, samples and holdout. features, learners: what the K learners on real rows
    look at, and they themselves, for whoever has more to ask them.
    """

    target: Target
    rows: np.ndarray
    y: np.ndarray
    real: np.ndarray
    made: np.ndarray
    rows_each: int
    persons: np.ndarray | None
    data: tuple[Dataset, ...]
    features: Features
    learners: tuple[Learned, ...]

    @property
    def rows_shown(self) -> int:
        """Training rows of one learner, without what would tell of a few without a label."""
        return self.rows_each - self.rows_each % SMALL_CELL

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
            "Fewer than {n:integer} rows with a label on one side, or rows of fewer than "
            "{persons:integer} persons: too few to tell how much chance in the training rows moves "
            "this number.",
            n=2 * MIN_ROWS,
            persons=2 * MIN_PERSONS,
        )

    @property
    def note(self) -> Message:
        """How the number came about, and what its interval leaves out."""
        return message(
            "learners.note",
            "Average over {k:integer} learners a side, each trained on {m:integer} rows or a few "
            "more. The interval covers chance in training rows and in holdout rows, but not "
            "another training of the generator.",
            k=self.n_learners,
            m=self.rows_shown,
        )  # fmt: skip

    def asks(self, rows: Dataset) -> np.ndarray:
        """Class probabilities of other rows after training on real ones, shape (K, n, classes)."""
        x = self.features.encode(rows)
        return np.stack([learner.probabilities(x) for learner in self.learners])

    def selects(self, probabilities: np.ndarray, asked: np.ndarray | None = None) -> np.ndarray:
        """Whether each learner predicts the asked class for each row, bools (K, n).

        asked: class of each row, shape (n,); the favoured one where None.
        """
        classes = self.target.favoured if asked is None else asked
        found: np.ndarray = probabilities.argmax(axis=2) == classes
        return found

    def margins(self, probabilities: np.ndarray, asked: np.ndarray | None = None) -> np.ndarray:
        """Asked class minus the likeliest other, and the sum of the two, shape (2, K, n)."""
        n = probabilities.shape[1]
        classes = np.full(n, self.target.favoured) if asked is None else asked
        where = np.broadcast_to(classes[None, :, None], (len(probabilities), n, 1))
        mine = np.take_along_axis(probabilities, where, axis=2)[:, :, 0]
        others = probabilities.copy()
        np.put_along_axis(others, where, 0.0, axis=2)
        other = others.max(axis=2, initial=0.0)
        return np.stack([mine - other, mine + other])


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


def taught(
    case: AuditCase,
    data: Dataset,
    target: Target,
    test: Dataset,
    n_learners: int,
    n_rows: int,
    stream: str,
) -> np.ndarray:
    """Class probabilities of the rows of any table, shape (n_learners, n, classes).

    Args:
        case: Whose training rows say what features there are.
        data: Rows to learn from, in disjoint parts.
        target: What is learned; rows without it are left out.
        test: Rows that are asked about.
        n_learners: How many.
        n_rows: Rows of each at most.
        stream: Of the random parts.
    """
    features = Features.of(case.train, target.name)
    labels = target.encode(data)
    parts = _parts(labels, n_learners, n_rows, case.rng(stream), data.persons)
    return _side(features, data, target, parts, features.encode(test))


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
    empty = next((side for side, count in n.items() if count < SMALL_CELL), None)
    if empty:
        return message(
            "learners.no_label",
            "Fewer than {n:integer} rows on one side ({side}) have a value of {column}.",
            n=SMALL_CELL, side=_SIDES[empty], column=target.name,
        )  # fmt: skip
    size = min(n["real"], n["made"])
    people = min(_n_people(d, labels[s]) for s, d in (("real", case.train), ("made", case.samples)))
    k = min(max(min(size // MIN_ROWS, people // MIN_PERSONS), 1), MAX_LEARNERS)
    m = min(size // k, MAX_ROWS)
    rows = _asked(labels["holdout"], case.rng("learners.holdout"))
    features = Features.of(case.train, target.name)
    test = features.encode(case.holdout)[rows]
    real = _parts(labels["real"], k, m, case.rng("learners.real"), case.train.persons)
    made = _parts(labels["made"], k, m, case.rng("learners.made"), case.samples.persons)
    persons = case.holdout.persons
    learners = _learned(features, case.train, target, real)
    return Comparison(
        target=target,
        rows=rows,
        y=labels["holdout"][rows],
        real=np.stack([learner.probabilities(test) for learner in learners]),
        made=_side(features, case.samples, target, made, test),
        rows_each=m,
        persons=None if persons is None else persons[rows],
        data=(case.train, case.samples, case.holdout),
        features=features,
        learners=learners,
    )


def _n_people(data: Dataset, labels: np.ndarray) -> int:
    """Persons with a labelled row; rows where a row is a person."""
    units = data.persons if data.persons is not None else np.arange(len(data))
    return len(np.unique(units[labels >= 0]))


def _asked(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions of the labelled rows; of a multiple of ten where some rows have no label."""
    rows = np.flatnonzero(labels >= 0)
    return np.sort(rng.permutation(rows)[: in_tens(len(rows), len(labels))])


def _parts(
    labels: np.ndarray,
    k: int,
    m: int,
    rng: np.random.Generator,
    persons: np.ndarray | None = None,
) -> np.ndarray:
    """Positions of labelled rows in k disjoint parts of (at most) m, shape (k, m).

    Rows of a person stay together, but for persons on an edge: learners that share persons would
    differ too little.
    """
    labelled = rng.permutation(np.flatnonzero(labels >= 0))
    if persons is not None:
        place = rng.permutation(int(persons.max()) + 1)
        labelled = labelled[np.argsort(place[persons[labelled]], kind="stable")]
    m = min(m, len(labelled) // k)
    return labelled[: k * m].reshape(k, m)


def _side(
    features: Features, data: Dataset, target: Target, parts: np.ndarray, test: np.ndarray
) -> np.ndarray:
    learners = _learned(features, data, target, parts)
    return np.stack([learner.probabilities(test) for learner in learners])


def _learned(
    features: Features, data: Dataset, target: Target, parts: np.ndarray
) -> tuple[Learned, ...]:
    x, y, n = features.encode(data), target.encode(data), len(target.classes)
    return tuple(fit(x[part], y[part], n, seed) for seed, part in enumerate(parts))
