"""How far made texts are from real ones: n-grams, lengths, copies, and what a reader learns.

Two samples of one population differ too, so every distance belongs beside that of two real samples
of the same sizes.

Source: Lin 1991 (Jensen-Shannon divergence); Li et al. 2016 (distinct n-grams); Esteban, Hyland,
Rätsch 2017 (train on synthetic, test on real); Caccia et al. 2020 (quality and diversity over
temperature).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.modalities.text.space import hashed_counts

#: Cells of hashed n-grams that a reader is trained on.
_CELLS = 4096


def ngrams(records: Sequence[str], n: int) -> Counter[str]:
    r"""Counts of the n-grams of texts; before and after a text stands a mark of its bound.

    >>> sorted(ngrams(["ab"], 3).items())
    [('\x02ab', 1), ('ab\x03', 1)]
    """
    marked = (f"\x02{text}\x03" for text in records)
    return Counter(text[i : i + n] for text in marked for i in range(len(text) - n + 1))


def divergence(one: Sequence[str], other: Sequence[str], n: int = 3) -> float:
    """Jensen-Shannon divergence of the n-grams of two samples, in bits, in [0, 1].

    >>> divergence(["ab"], ["ab"]), divergence(["ab"], ["cd"])
    (0.0, 1.0)
    """
    counts = ngrams(one, n), ngrams(other, n)
    names = sorted(counts[0].keys() | counts[1].keys())
    if not counts[0] or not counts[1]:
        return float("nan")
    p, q = (np.array([c[name] for name in names]) / c.total() for c in counts)
    return float(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2)


def distinct(records: Sequence[str], n: int) -> float:
    """Share of the n-grams of all texts that differ from each other, in [0, 1].

    >>> distinct(["aa", "ab"], 1)
    0.5
    """
    counts = ngrams(records, n)
    return len(counts) / counts.total() if counts else float("nan")


def duplicates(records: Sequence[str]) -> float:
    """Share of texts that equal one before them.

    >>> duplicates(["ann", "bo", "ann", "ann"])
    0.5
    """
    return 1 - len(set(records)) / len(records)


def novelty(records: Sequence[str], train: Sequence[str]) -> float:
    """Share of texts that are not among those of training.

    >>> novelty(["ann", "bo"], ["ann"])
    0.5
    """
    known = set(train)
    return sum(text not in known for text in records) / len(records)


def length_distance(one: Sequence[str], other: Sequence[str]) -> float:
    """Total variation distance of the lengths of two samples, in [0, 1].

    >>> length_distance(["a", "bb"], ["a", "b"])
    0.5
    """
    size = max(map(len, (*one, *other))) + 1
    p, q = (np.bincount([len(t) for t in texts], minlength=size) / len(texts)
            for texts in (one, other))  # fmt: skip
    return float(np.abs(p - q).sum() / 2)


@dataclass(frozen=True)
class Reader:
    """How well a reader tells an attribute of real texts that it has not seen.

    accuracy, auc: in [0, 1]; auc is the mean over one class against the rest. majority: accuracy of
    naming the most frequent class.
    """

    accuracy: float
    auc: float
    majority: float


def read_by(
    train: Sequence[str], labels: Sequence[str], test: Sequence[str], wanted: Sequence[str]
) -> Reader:
    """A logistic regression on n-grams of one sample, judged on another.

    Of made texts and real ones this is TSTR, of two real samples TRTR.

    Args:
        train: Texts to learn from.
        labels: Their attribute.
        test: Real texts.
        wanted: Their attribute; at least two classes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    known, truth = np.asarray(labels, dtype=object), np.asarray(wanted, dtype=object)
    levels, counts = np.unique(truth.astype(str), return_counts=True)
    majority = float(counts.max() / counts.sum())
    if len(set(known)) < 2:
        return Reader(float((truth == known[0]).mean()), 0.5, majority)
    model = LogisticRegression(C=1.0, max_iter=500)
    model.fit(_features(train), known.astype(str))
    shares = model.predict_proba(_features(test))
    accuracy = float((model.classes_[shares.argmax(1)] == truth.astype(str)).mean())
    of = {name: shares[:, i] for i, name in enumerate(model.classes_)}
    none = np.zeros(len(truth))
    aucs = [roc_auc_score(truth.astype(str) == level, of.get(level, none)) for level in levels]
    return Reader(accuracy, float(np.mean(aucs)), majority)


@dataclass(frozen=True)
class Warmth:
    """Made texts at one temperature.

    divergence: of 3-grams from the real ones. distinct: share of distinct 3-grams.
    """

    temperature: float
    divergence: float
    duplicates: float
    distinct: float
    novelty: float


def temperature_curve(
    make: Callable[[int, float], Sequence[str]],
    real: Sequence[str],
    train: Sequence[str],
    temperatures: Sequence[float] = (0.5, 0.7, 0.85, 1.0, 1.2),
) -> tuple[Warmth, ...]:
    """Quality and diversity over temperature, from as many made texts as there are real ones.

    Args:
        make: (n, temperature) -> n texts.
        real: Texts that were not trained on.
        train: Texts that were; what equals one of them is not new.
        temperatures: Above 0, lowest first.
    """
    found = []
    for temperature in temperatures:
        made = make(len(real), temperature)
        found.append(
            Warmth(
                temperature, divergence(made, real), duplicates(made), distinct(made, 3),
                novelty(made, train),
            )
        )  # fmt: skip
    return tuple(found)


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _features(records: Sequence[str]) -> np.ndarray:
    return np.log1p(hashed_counts(np.asarray(records, dtype=object), 3, _CELLS))
