"""The distance attack: memory found, honest subjects never accused, blind differences seen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, broken, case_of, judged, make_case, population

from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy.distance import DistanceOptions, distance
from genaudit.errors import OptionError
from genaudit.modalities.table import search
from genaudit.result import Verdict


def test_a_copycat_is_found():
    """Every training row is a sample: area near 1, many members at 1% false accusations."""
    for seed in range(3):
        case = make_case("copycat", seed, n_holdout=1800)
        auc, tpr, rare = judged("privacy.distance", case)

        assert auc.verdict is Verdict.OUTSIDE
        assert tpr.estimate.value > 0.2
        assert tpr.estimate.low > 0.01
        assert auc.estimate.value > 0.8
        assert rare.estimate.value is None
        assert rare.verdict is Verdict.INFO


def test_a_half_copy_is_found():
    """Half of the samples are training rows: outside."""
    verdicts = {f.metric: f.verdict for f in judged("privacy.distance", make_case("half_copy", 1))}

    assert verdicts["privacy.distance.auc"] is Verdict.OUTSIDE


@pytest.mark.slow
def test_honest_subjects_are_never_accused():
    """Twenty honest subjects: nothing outside, no doubt, area about one half."""
    areas = []
    for seed in range(20):
        findings = judged("privacy.distance", make_case("honest", seed))
        areas.append(findings[0].estimate.value)

        assert not [f for f in findings if f.verdict is Verdict.OUTSIDE or f.doubt]
    assert abs(np.mean(areas) - 0.5) < 0.015


def test_a_different_population_makes_doubt():
    """Members that lie elsewhere than non-members are told apart without samples: no judgement."""
    holdout = population(800, 2)
    train = population(40_000, 1).query("region == 'centre' and age > 50").head(400)
    findings = judged("privacy.distance", case_of(population(400, 3), train, holdout))

    assert findings[0].doubt is not None
    assert findings[0].verdict is Verdict.CANNOT_TELL


def test_rates_that_cannot_be_shown_are_refused():
    """40 non-members show neither 1% nor 0.1%; the reason says how many would."""
    case = make_case("honest", 1, n_train=80, n_holdout=80, n_samples=80)
    _, one, tenth = judged("privacy.distance", case)

    assert one.estimate.value is None
    assert one.verdict is Verdict.CANNOT_TELL
    assert one.estimate.reason.params["least"] == 100
    assert tenth.estimate.reason.params["least"] == 1000


def test_power_is_printed():
    """More records see smaller leaks, and the ceiling is close to what a perfect attack shows."""
    small, large = (
        judged("privacy.distance", make_case("honest", 3, n_train=n, n_holdout=n, n_samples=n))[0]
        for n in (200, 1600)
    )

    assert small.detectable > large.detectable > 0.55
    assert large.ceiling > small.ceiling > 0.9


def test_the_curve_hides_small_cells():
    """No point of the figure stands for fewer than ten non-members."""
    outcome = distance(make_case("honest", 2))
    drawn = [x for name, x, *_ in outcome.figures[0].rows if name == "attack"]
    n_others = 400

    assert min(drawn) * n_others >= 10
    assert drawn[-1] == 1.0


def test_options_cap_the_work():
    """Fewer attacked records and a smaller pool are used when the options say so."""
    options = DistanceOptions(max_records=50, max_pool=60)
    finding = distance(make_case("copycat", 1), options).findings[0]

    assert finding.estimate.n == 100
    with pytest.raises(OptionError, match="max_record"):
        distance.configure({"max_record": 5})


def test_nothing_to_attack_is_said():
    """Where no row occurs once there is no attack, and every finding has its reason."""
    rows = pd.concat([population(20, 1)] * 2)
    for finding in judged("privacy.distance", case_of(population(50, 2), rows, rows)):
        assert finding.estimate.value is None
        assert finding.estimate.reason is not None


def test_a_small_holdout_does_not_hide_a_copycat():
    """All samples are searched, however few reference rows there are."""
    for seed in range(3):
        case = make_case("copycat", seed, n_train=3000, n_holdout=240, n_samples=3000)
        auc, tpr, _ = judged("privacy.distance", case)

        assert auc.verdict is Verdict.OUTSIDE
        # 120 non-members set no threshold for a rate of 1%, so that nothing can be shown.
        assert tpr.ceiling == 0
        assert tpr.verdict is Verdict.CANNOT_TELL


def test_what_could_not_be_shown_is_not_within():
    """100 samples can hold copies of 1 in 30 training rows: neither finding can reach its limit."""
    train, holdout = population(3000, 1), population(1200, 2)
    auc, tpr, _ = judged("privacy.distance", case_of(train[:110], train, holdout))

    for finding in (auc, tpr):
        assert finding.doubt is None
        assert finding.detectable is None
        assert finding.verdict is Verdict.CANNOT_TELL
        assert finding.reason.id == "verdict.powerless"


def test_samples_that_were_not_searched_are_no_evidence():
    """With a tenth of the samples searched, a half-copy is not within, nor can less be shown."""
    case = make_case("half_copy", 1, n_train=1500, n_holdout=1500, n_samples=1500)
    few = distance(case, DistanceOptions(max_pool=150)).findings[0]
    all_ = distance(case).findings[0]

    assert few.estimate.high > 0.55 > few.estimate.low
    assert few.ceiling < 0.55 < all_.ceiling
    assert few.detectable is None
    assert all_.detectable < 0.7


def test_reach_on_paper():
    """A quarter searched: what is beyond chance at the high end is four times as much."""
    reach = Reach(n_samples=400, n_searched=100, n_reference=50, n_train=1000, n_persons=500,
                  n_unreadable=10)  # fmt: skip

    assert (reach.searched, reach.seen, reach.held) == (0.25, 0.1, 0.4)
    assert reach.whole((0.48, 0.53), 0.5) == pytest.approx((0.48, 0.62 + 0.02))
    assert reach.whole((0.40, 0.45), 0.5) == pytest.approx((0.40, 0.45 + 0.02))
    assert reach.whole((0.6, 0.9), 0.5) == (0.6, 1.0)

    rough = replace(reach, recall=0.97, measured_on=1000)
    assert rough.seen == pytest.approx(0.097)
    assert rough.whole((0.40, 0.45), 0.5) == pytest.approx((0.40, 0.45 + 0.02 + 0.03))


def test_an_approximate_index_is_said(monkeypatch):
    """Where there are too many pairs the note has the recall, and the copycat is found as well."""
    case = make_case("copycat", 1, n_train=1500, n_holdout=1800, n_samples=1500)
    exact = distance(case).findings[0]
    monkeypatch.setattr(search, "EXACT", 1000)
    rough = distance(case, DistanceOptions(max_records=24_000)).findings[0]

    assert "privacy.distance.approximate" not in str(exact.note.model_dump())
    assert "privacy.distance.approximate" in str(rough.note.model_dump())
    assert rough.estimate.value == pytest.approx(exact.estimate.value, abs=0.01)
    assert rough.estimate.low > 0.55


def test_unreadable_columns_are_left_out():
    """A copycat with two misspelt columns is found; with one broken cell a row it is not within."""
    train, holdout = population(1200, 1), population(1200, 2)
    misspelt = train.assign(sex=train["sex"].str.upper(), region=train["region"].str.upper())
    case = case_of(misspelt, train, holdout)

    assert judged("privacy.distance", case)[0].verdict is Verdict.OUTSIDE
    assert distance(case).not_measured[0].params["columns"] == "sex, region"
    for finding in judged("privacy.distance", case_of(broken(train, 1), train, holdout))[:2]:
        assert finding.verdict is Verdict.CANNOT_TELL


def test_persons_are_attacked_once():
    """Of a person with several rows one is attacked; the rows of the others are no neighbours."""
    schema = SCHEMA.replace(
        columns=[
            *(c.model_dump() for c in SCHEMA.columns),
            {"name": "who", "kind": "categorical", "role": "person"},
        ]
    )

    def table(name, seed):
        rows = population(200, seed).loc[lambda r: r.index.repeat(4)].reset_index(drop=True)
        return rows.assign(remote=population(800, seed + 9)["remote"],
                           who=[f"{name}{i // 4}" for i in range(800)])  # fmt: skip

    train, holdout = table("t", 1), table("h", 2)
    honest = case_of(population(800, 3), train, holdout, schema=schema)
    copied = case_of(train.drop(columns="who"), train, holdout, schema=schema)
    finding = judged("privacy.distance", honest)[0]

    assert finding.estimate.n == 200 + 100
    assert finding.doubt is None
    assert finding.verdict is not Verdict.OUTSIDE
    assert judged("privacy.distance", copied)[0].verdict is Verdict.OUTSIDE


@pytest.mark.slow
def test_pools_of_unequal_size_accuse_nobody():
    """Over 200 honest subjects with 15 samples a reference row, intervals err as they say."""
    above = below = 0
    for seed in range(200):
        case = make_case("honest", seed, n_train=400, n_holdout=200, n_samples=1500)
        auc, tpr, _ = judged("privacy.distance", case)
        above += auc.estimate.low > 0.5
        below += auc.estimate.high < 0.5

        assert Verdict.OUTSIDE not in (auc.verdict, tpr.verdict)
    most = 200 * 0.025 + 3 * (200 * 0.025) ** 0.5
    assert max(above, below) <= most
