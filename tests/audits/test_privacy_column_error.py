"""Column errors: copies teach more of their own columns than others do; honest samples do not."""

import numpy as np
import pandas as pd
from subjects import case_of, make_case

from genaudit.audits.privacy.column_error import _level_error, _number_error, column_error
from genaudit.data.schema import Schema


def test_copies_are_found_and_fresh_rows_are_not():
    """The area's interval is above one half for a copycat, and holds it for honest subjects."""
    copied, honest = (
        column_error(make_case(kind, 1, n_train=500, n_holdout=1000, n_samples=500)).findings[0]
        for kind in ("copycat", "honest")
    )

    assert copied.estimate.low > 0.55
    assert honest.estimate.low < 0.5 < honest.estimate.high


def test_errors_are_small_where_there_is_something_to_learn():
    """A column that equals another is guessed; noise is not; what is missing says nothing."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 1001, 400).astype(float)
    twin, noise = np.column_stack([x, x]), np.column_stack([x, rng.permutation(x)])
    asked = twin[:50].copy()
    asked[0, 0] = np.nan

    found = _number_error(twin, asked, 0, 1000, 1)
    assert found[0] == 0
    assert found[1:].max() < _number_error(noise, asked, 0, 1000, 1)[1:].mean()


def test_rare_and_unseen_levels_have_a_chance():
    """A level that nobody had costs most, and a column of one level tells nothing."""
    rng = np.random.default_rng(2)
    level = rng.integers(0, 12, 600)
    rows = np.column_stack([level, level]).astype(float)
    found = _level_error(rows, rows[:100], 0, 1, 1)

    assert np.isfinite(found).all()
    assert found[level[:100] < 2].mean() < 1
    assert not _level_error(np.zeros((50, 2)), rows[:5], 0, 1, 1).any()


def test_one_column_accuses_nobody():
    """There is nothing to learn it from: as good as chance, not a crash."""
    rng = np.random.default_rng(3)
    schema = Schema.from_dict({"columns": {"x": {"kind": "numeric", "bounds": [-9, 9]}}})
    rows = [pd.DataFrame({"x": rng.normal(size=200)}) for _ in range(3)]
    found = column_error(case_of(*rows, schema=schema)).findings

    assert found[0].estimate.value == 0.5
