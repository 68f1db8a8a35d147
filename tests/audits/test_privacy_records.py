"""The most exposed records: copies of a few found, honest subjects not, a few told as any few."""

import pandas as pd
from subjects import case_of, make_case, population

from genaudit.audits.privacy._pool import Pool
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy.records import _estimate, records


def leaky(copied, n=2400):
    """Fresh rows, some of which are copies of training rows."""
    train, holdout, fresh = (population(n, seed).fillna({"income": 0}) for seed in (1, 2, 3))
    made = pd.concat([train.head(copied), fresh.head(n - copied)], ignore_index=True)
    return case_of(made, train, holdout)


def test_a_few_exposed_records_are_found():
    """Of 2,400 members 72 stand among the samples: a mean hides them, here they are counted."""
    finding = records(leaky(72)).findings[0]

    assert finding.estimate.low > 0.01
    assert finding.estimate.value < 0.05
    assert finding.null.low == 0
    assert finding.detectable < finding.ceiling


def test_nobody_is_exposed_by_an_honest_subject():
    """Fresh rows accuse no member beyond chance."""
    for seed in (1, 2):
        case = make_case("honest", seed, n_train=2400, n_holdout=2400, n_samples=2400)

        assert records(case).findings[0].estimate.low == 0


def test_few_reference_rows_are_refused():
    """80 reference rows do not show who sticks out, 400 show one in 401."""
    few, more = (
        records(make_case("copycat", 1, n_train=n, n_holdout=n, n_samples=n)).findings[0].estimate
        for n in (160, 800)
    )

    assert few.value is None
    assert few.reason.params["least"] == 99
    assert more.low > 0.05


def test_a_few_are_any_few():
    """One to nine accused members give the same numbers; ten their own."""
    reach = Reach(100, 100, 100, 1000, 1000, 0)
    three, eight, ten = (_estimate(Pool(k, 1000, 0, 1000), reach) for k in (3, 8, 10))

    assert three == eight
    assert three.low <= 0.001
    assert three.high >= 0.009
    assert ten.value == 0.01
