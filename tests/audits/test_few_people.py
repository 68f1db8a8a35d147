"""No count of fewer than ten real people can be read in a report, or worked out from it."""

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, population

from genaudit.audits import audits
from genaudit.audits.bias._groups import GroupRates
from genaudit.audits.learners import comparison
from genaudit.audits.privacy._membership import rate_estimate
from genaudit.audits.privacy.distance import distance
from genaudit.audits.quality.validity import DISTINCT
from genaudit.data.schema import Schema
from genaudit.modalities.table.learner import Target
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.run import run

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


@pytest.mark.parametrize(
    "name",
    ["bias.representation", "bias.downstream", "bias.trts", "bias.cost", "bias.proxies",
     "quality.utility"],
)  # fmt: skip
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


@pytest.mark.parametrize("k", [1, 4, 9])
def test_a_few_members_found_are_any_few(k):
    """One to nine of 400 members found give the same rate and interval; ten and none their own."""
    others = np.linspace(0, 1, 500)

    def found(hits):
        scores = np.where(np.arange(400) < hits, 2.0, -1.0)
        return rate_estimate(scores, others, 0.01)

    assert found(k) == found(5)
    assert found(k).value == 5 / 400
    assert found(k).low <= 1 / 400 < 9 / 400 <= found(k).high
    assert found(10).value == 10 / 400
    assert found(0).value == 0


def test_attacked_rows_are_counted_in_tens():
    """How many rows occur once would tell how many repeat: 998 of them are attacked as 990."""
    train, holdout, samples = (population(1000, seed) for seed in (1, 2, 3))
    train = pd.concat([train[:-1], train[:1]]).reset_index(drop=True)
    outcome = distance(case_of(samples, train, holdout))
    auc, tpr, _ = outcome.findings

    assert tpr.estimate.n == 990
    assert auc.estimate.n % 10 == 0
    assert all(y == 0 or y * 990 > 9.5 for s, _, y, *_ in outcome.figures[0].rows if s == "attack")


@pytest.mark.parametrize(("repeated", "told"), [(0, True), (4, False), (40, True)])
def test_a_few_repeated_rows_are_not_told(repeated, told):
    """Four of 400 training rows repeat: neither the report nor the null of the samples says so."""
    train, holdout, samples = (population(400, seed) for seed in (1, 2, 3))
    kept = np.r_[np.arange(400 - repeated), np.arange(repeated)]
    subject = case_of(samples, train.iloc[kept].reset_index(drop=True), holdout)
    report = run(subject, AuditPlan(audits=("quality.validity", "privacy.copies")), Policy.read())
    info = next(d for d in report.knowledge if d.name == "train")
    distinct = next(f for _, f in report.findings() if f.metric == DISTINCT)
    exact = next(f for _, f in report.findings() if f.metric == "privacy.copies.exact")

    assert info.n_distinct == (400 - repeated if told else None)
    assert distinct.null.value == ((400 - repeated) / 400 if told else None)
    # Both rows of a pair are no longer alone.
    assert exact.note.params["members"] == {0: "400", 4: ">390", 40: "320"}[repeated]
