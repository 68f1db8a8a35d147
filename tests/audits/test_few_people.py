"""No count of fewer than ten real people can be read in a report, or worked out from it."""

import numpy as np
import pytest
from subjects import SCHEMA, case_of, population

from genaudit.audits import audits
from genaudit.audits.bias._groups import GroupRates
from genaudit.audits.learners import comparison
from genaudit.data.schema import Schema
from genaudit.modalities.table.learner import Target

COLUMNS = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
COLUMNS["hired"]["nullable"] = True
UNLABELLED = Schema.from_dict({"columns": COLUMNS})


def unlabelled(rows, k):
    """The rows with k labels of women missing."""
    women = rows.index[rows["sex"] == "Female"][:k]
    rows = rows.astype({"hired": object})
    rows.loc[women, "hired"] = None
    return rows


def case(k, n=800):
    """A case in which k women of train and k of the holdout have no label."""
    samples, train, holdout = (population(n, seed) for seed in (1, 2, 3))
    return case_of(samples, unlabelled(train, k), unlabelled(holdout, k), schema=UNLABELLED)


def numbers(value):
    """All numbers in findings and figures."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.parametrize("name", ["bias.representation", "bias.downstream", "quality.utility"])
@pytest.mark.parametrize("k", [3, 9])
def test_sizes_do_not_tell_how_many_have_no_label(name, k):
    """Where a few rows have no label, numbers of rows are those of all rows or whole tens."""
    few = case(k)
    sizes = {len(few.train), len(few.train) - k}
    for data in (few.train, few.holdout):
        women = int((data.frame["sex"] == "Female").sum())
        sizes |= {women - k}
    outcome = audits()[name](few)
    found = set(numbers([p.model_dump() for p in (*outcome.findings, *outcome.figures)]))

    assert not {n for n in sizes if n % 10} & found


def test_rates_with_missing_labels_are_counted_in_tens():
    """Of 424 people, 421 of them with a label: as if 420 had one, at the same rate."""
    groups, labels = np.repeat([0, 1], [424, 500]), np.arange(924) % 2
    labels[:3] = -1
    rates = GroupRates.of(groups, labels, 2)

    assert rates.n == (420, 500)
    assert rates.k == (round(420 * (labels[:424] == 1).sum() / 421), 250)
    assert rates.told.all()


def test_holdout_rows_of_learners_are_counted_in_tens():
    """Learners are asked about 790 of 796 rows with a label, and about all 800 if all have one."""
    target = Target.of(UNLABELLED.target, case(4).train)

    assert len(comparison(case(4), target).rows) == 790
    assert len(comparison(case(0), target).rows) == 800
