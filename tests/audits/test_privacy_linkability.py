"""Linkability and reconstruction: halves on paper, naive twins, copies found and nobody accused."""

import numpy as np
import pandas as pd
import pytest
from subjects import case_of, make_case, population

from genaudit.audits import find
from genaudit.audits.privacy._game import game
from genaudit.audits.privacy._known import HalvesOptions, both, halves
from genaudit.audits.privacy.linkability import linkability, linked
from genaudit.audits.privacy.reconstruction import reconstructed
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.table.space import Space

PAPER = Schema.from_dict(
    {
        "id": "paper",
        "columns": {
            "a": {"kind": "categorical", "categories": ["x", "y", "z"]},
            "b": {"kind": "integer", "bounds": [0, 10], "nullable": True},
            "c": {"kind": "categorical", "categories": ["x", "y", "z"], "nullable": True},
            "d": {"kind": "boolean"},
        },
    }
)


def space_of(queries, pool):
    """The two tables in one space."""
    tables = [Dataset.of_samples(pd.DataFrame(t, columns=list("abcd")), PAPER)
              for t in (queries, pool)]  # fmt: skip
    space = Space.fit(tables[1], PAPER.columns, tables[0])
    return space, space.encode(tables[0]), space.encode(tables[1])


def test_halves_on_paper():
    """A row is linked by one sample that both halves are nearest to, and not by two samples."""
    pool = [("x", 1, "x", True), ("y", 5, "y", False), ("z", 9, None, False)]
    queries = [
        ("x", 1, "x", True),  # the first sample by both halves
        ("x", 1, "y", False),  # the first by one, the second by the other
        ("z", 9, None, False),  # the third by both, a missing value and all
        ("y", None, "y", False),
    ]
    space, rows, samples = space_of(queries, pool)
    known = frozenset({"a", "b"})

    assert linked(space, rows, samples, known).tolist() == [True, False, True, True]
    assert reconstructed(space, rows, samples, known).tolist() == [True, False, True, True]


@pytest.mark.parametrize("seed", range(3))
def test_naive_twins(seed):
    """All distances one by one: the same rows are linked and reconstructed."""
    case = make_case("half_copy", seed, n_train=120, n_holdout=120, n_samples=120)
    played, _ = game(case)
    space, rows, pool = played.space, played.records[0], played.samples
    for known in halves([c.name for c in space.columns], 3, np.random.default_rng(seed)):
        sides = both(space, rows, pool, known)
        near = [np.concatenate([d for _, d in part.squared(a, b)]) for part, a, b in sides]
        nearest = [np.isclose(d, d.min(axis=1, keepdims=True), atol=1e-7) for d in near]

        assert (linked(space, rows, pool, known) == (nearest[0] & nearest[1]).any(axis=1)).all()
        first = near[0].argmin(axis=1)
        assert (reconstructed(space, rows, pool, known)
                == (near[1][np.arange(len(rows)), first] == 0)).all()  # fmt: skip


def test_halves_are_drawn_beforehand():
    """Halves differ, are as many as asked for where there are, and depend on the seed alone."""
    names = list("abcdefg")
    drawn = halves(names, 8, np.random.default_rng(1))

    assert len(set(drawn)) == 8
    assert {len(half) for half in drawn} == {3}
    assert drawn == halves(names, 8, np.random.default_rng(1))
    assert len(halves(["a", "b"], 8, np.random.default_rng(1))) == 2


@pytest.mark.parametrize("audit", ["privacy.linkability", "privacy.reconstruction"])
def test_copies_are_found_and_nobody_accused(audit):
    """Half of the rows copied: half linked beyond chance. Honest: zero within the interval."""
    leak, honest = (find(audit)(make_case(kind, 2)).findings for kind in ("half_copy", "honest"))

    for risk, whole in zip(leak, honest, strict=True):
        assert risk.estimate.low > 0.05
        assert risk.doubt is None
        assert whole.estimate.low <= 0 <= whole.estimate.high
        assert risk.baseline.low <= 0 <= risk.baseline.high
        assert risk.null.low <= 0 <= risk.null.high


def test_a_holdout_that_was_seen_is_doubted():
    """Samples that copy the holdout prove nothing by being further from train."""
    train, holdout = population(400, 1), population(400, 2)
    made = pd.concat([holdout[:200], population(200, 3)])
    risk, worst = linkability(case_of(made, train, holdout)).findings

    assert risk.estimate.high < 0
    assert risk.doubt is not None
    assert worst.doubt is not None


def test_options_cap_the_work():
    """As many rows as the options say."""
    outcome = linkability(make_case("honest", 1), HalvesOptions(max_attacks=50, splits=2))

    assert outcome.findings[0].estimate.n == 100


def test_rows_in_both_tables_are_no_risk():
    """Rows that train and holdout share are not attacked: where all are shared nobody is."""
    rows = population(300, 1)
    for finding in linkability(case_of(rows, rows, rows)).findings:
        assert finding.estimate.value is None
        assert finding.estimate.reason is not None
