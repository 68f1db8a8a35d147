"""A shift between members and non-members is seen without any sample, and nothing else is."""

import numpy as np
import pytest

from genaudit.audits.privacy._game import game
from genaudit.audits.privacy._shift import told_apart
from genaudit.battery import worlds
from genaudit.case import AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.search import Encoded
from genaudit.stats.roc import auc
from genaudit.subject import Subject


def of_age(older, seed):
    """A holdout that is so many years older than train; the generator has seen neither."""
    rng = np.random.default_rng([seed, 0x5F])
    rows = {Knowledge.TRAIN: worlds.people(600, rng),
            Knowledge.HOLDOUT: worlds.people(1200, rng, older=older)}  # fmt: skip
    data = {k: Dataset.of(table, worlds.SCHEMA, k.value) for k, table in rows.items()}
    made = Dataset.of_samples(worlds.people(600, rng), worlds.SCHEMA)
    return AuditCase(Subject("made", "samples", made), data, seed=seed)


def test_a_holdout_a_few_years_older_is_doubted():
    """Half a deviation in one column is seen at 99.9% at least four times out of five."""
    doubted = [game(of_age(6.0, seed))[0].doubt() is not None for seed in range(10)]

    assert sum(doubted) >= 8


@pytest.mark.parametrize("seed", range(4))
def test_a_holdout_of_the_same_people_is_not(seed):
    """Where nothing differs there is nothing to doubt."""
    played, _ = game(of_age(0.0, seed))

    assert played.doubt() is None


def together(n, agreeing, rng):
    """Rows of sixteen columns, alike each by itself; the first two lie on one side so often."""
    rows = rng.uniform(0, 1, (n, 16))
    turned = ((rows[:, 0] > 0.5) == (rows[:, 1] > 0.5)) != (rng.random(n) < agreeing)
    rows[turned, 0] = 1 - rows[turned, 0]
    return Encoded(rows, np.zeros((n, 0), dtype=int))


@pytest.mark.parametrize("seed", [101, 104, 107])
def test_columns_that_go_together_otherwise_are_seen(seed):
    """As surely as by an attack that learns them from samples, if none of them differs by itself.

    Learners are held against chance at 99.9%.
    """
    rng = np.random.default_rng(seed)
    found = told_apart(together(1000, 0.72, rng), together(1000, 0.28, rng), rng)

    assert any(auc(*sides).interval(0.999)[0] > 0.5 for sides in found)


@pytest.mark.parametrize(
    "runs", [pytest.param(15, id="few"), pytest.param(150, id="many", marks=pytest.mark.slow)]
)
def test_scores_of_equals_are_chance(runs):
    """Learners never score rows that they have learned: intervals keep their level."""
    rng, missed = np.random.default_rng(0), 0
    for _ in range(runs):
        rows = Encoded(rng.normal(size=(300, 3)), rng.integers(0, 3, (300, 1)))
        for members, others in told_apart(
            rows.take(slice(0, 150)), rows.take(slice(150, 300)), rng
        ):
            low, high = auc(members, others).interval(0.9)
            missed += not low <= 0.5 <= high

    # Two sizes of trees score the same rows, so that four scores are worth no less than two.
    assert missed / (4 * runs) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / (2 * runs))


def test_a_few_rows_teach_nobody():
    """Under forty rows a side nobody learns, and nobody is told apart."""
    rows = Encoded(np.arange(60.0)[:, None], np.zeros((60, 0), dtype=int))
    some, rest = rows.take(slice(0, 30)), rows.take(slice(30, 60))

    assert told_apart(some, rest, np.random.default_rng(0)) == ()
