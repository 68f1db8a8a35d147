"""Exposure by group: the group that is copied is named, no other, and small ones are not shown."""

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, make_case, population

from genaudit.audits.privacy.groups import groups

MORE = "privacy.groups.difference"


def of_women(seed, n=700):
    """A generator that repeats the women of the training data and makes men anew."""
    train, holdout, fresh = (population(n, 3 * seed + i) for i in range(3))
    women, men = train[train["sex"] == "Female"], fresh[fresh["sex"] == "Male"]
    made = pd.concat([women, men.head(n - len(women))], ignore_index=True)
    return case_of(made, train, holdout, seed=seed)


def test_the_group_that_is_copied_is_named():
    """Women are named, men are not; their area says why."""
    found = groups(of_women(1))
    area = {f.group["sex"]: f.estimate for f in found.findings if f.metric == "privacy.groups.auc"}
    named = [(f.metric, f.group["sex"]) for f in found.findings if f.warning]

    assert named == [(MORE, "Female")]
    assert area["Female"].low > 0.8
    assert area["Male"].low < 0.5
    assert [fig.id for fig in found.figures] == [MORE]


@pytest.mark.parametrize("kind", ["honest", "copycat"])
def test_no_group_is_named_where_all_are_alike(kind):
    """Neither where nothing leaks, nor where everybody is copied."""
    found = groups(make_case(kind, 1)).findings

    assert not [f.group for f in found if f.warning]


def test_intervals_of_the_picture_hold_together():
    """They are wider than those of the findings."""
    found = groups(of_women(2))
    more = [f.estimate for f in found.findings if f.metric == MORE]

    for e, (_, value, low, high, *_) in zip(more, found.figures[0].rows, strict=True):
        assert value == e.value
        assert low < e.low < e.high < high


def test_small_groups_are_not_shown():
    """A group of a few people is counted as not measured, with what it would be worked out from."""
    tables = [population(700, seed) for seed in (1, 2, 3)]
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["sex"]["categories"] = ["Female", "Male", "Other"]
    for table in tables:
        table.loc[table.index[:4], "sex"] = "Other"
    schema = SCHEMA.replace(columns=[{"name": k, **v} for k, v in columns.items()])
    found = groups(case_of(tables[0], tables[1], tables[2], schema=schema))
    small = [m for m in found.not_measured if m.id == "privacy.groups.small"]

    assert "Other" not in {f.group["sex"] for f in found.findings}
    assert small[0].params == {"n": 2, "column": "sex"}


def test_sizes_are_counted_in_tens():
    """How many of a group are attacked would tell how many of its rows repeat."""
    found = groups(make_case("honest", 3)).findings

    assert all(f.estimate.n % 10 == 0 for f in found)


def test_without_sensitive_columns_nothing_is_measured():
    """The schema names no group: said, not found."""
    columns = [{**c.model_dump(), "role": "feature"} if c.name == "sex" else c.model_dump()
               for c in SCHEMA.columns]  # fmt: skip
    rows = [population(100, seed) for seed in (1, 2, 3)]
    found = groups(case_of(*rows, schema=SCHEMA.replace(columns=columns)))

    assert not found.findings
    assert found.not_measured[0].id == "bias.no_sensitive"
    assert np.all([not f.rows for f in found.figures])
