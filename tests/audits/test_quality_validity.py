"""Cells that the schema does not allow, and rows that repeat each other."""

import numpy as np
import pandas as pd
import pytest
from subjects import case_of, judged, make_case, population

from genaudit.audits.quality.validity import COLUMN, DISTINCT, INVALID, rate_interval
from genaudit.result import Verdict
from genaudit.stats.intervals import clopper_pearson

NAME = "quality.validity"


def by_metric(samples, *data):
    """Findings by metric; columns by name."""
    findings = judged(NAME, case_of(samples, *data))
    return {f.group.get("column", f.metric): f for f in findings}


def test_cells_on_paper():
    """70 of 700 values of region are not declared: 0.1 of a column, 1/70 of all cells."""
    samples = population(700, 1)
    samples.loc[:69, "region"] = "atlantis"
    findings = by_metric(samples)

    assert np.isclose(findings["region"].estimate.value, 0.1)
    assert np.isclose(findings[INVALID].estimate.value, 0.1 / 7)


def test_valid_samples_are_within():
    """Fresh rows are within the limit once there are enough of them, and not before."""
    assert by_metric(population(800, 1))[INVALID].verdict is Verdict.WITHIN
    assert by_metric(population(20, 1))[INVALID].verdict is Verdict.CANNOT_TELL


def test_missing_bounds_and_absent_columns_count():
    """Values out of bounds, missing labels and a whole absent column are all not allowed."""
    samples = population(300, 1).drop(columns="remote").assign(age=200)
    samples["sex"] = None
    findings = by_metric(samples)

    assert {n for n in findings if "." not in n} == {"remote", "age", "sex"}
    assert np.isclose(findings[INVALID].estimate.value, 3 / 7)
    assert findings[INVALID].verdict is Verdict.OUTSIDE
    assert findings["sex"].metric == COLUMN


def test_foreign_columns_are_named():
    """A column that the schema does not know is remarked, not judged."""
    finding = by_metric(population(800, 1).assign(secret=1))[INVALID]

    assert finding.note.params["column"] == "secret"
    assert finding.verdict is Verdict.WITHIN


@pytest.mark.parametrize("k", [0, 3, 50])
def test_whole_counts_are_clopper_pearson(k):
    """Where rows are wholly right or wrong the interval is the exact one."""
    assert np.allclose(rate_interval(k / 50, 50, 0.95), clopper_pearson(k, 50, 0.95))


def test_fractions_are_rounded_outwards():
    """2.5 invalid rows out of 50 get the low end of 2 and the high end of 3."""
    low, high = rate_interval(0.05, 50, 0.95)

    assert np.isclose(low, clopper_pearson(2, 50, 0.95)[0])
    assert np.isclose(high, clopper_pearson(3, 50, 0.95)[1])


def test_repeated_rows_are_counted():
    """Ten rows written five times are a fifth different, beside real rows of the same number."""
    samples = pd.concat([population(10, 1)] * 5)
    finding = by_metric(samples, population(400, 2))[DISTINCT]

    assert np.isclose(finding.estimate.value, 0.2)
    assert np.isclose(finding.null.value, 1.0)
    assert finding.null.n == 50
    assert finding.verdict is Verdict.INFO


def test_training_rows_are_not_needed():
    """Samples and a schema are enough."""
    assert by_metric(population(50, 1))[DISTINCT].null is None
    assert {f.metric for f in judged(NAME, make_case("honest", 1))} == {INVALID, DISTINCT}
