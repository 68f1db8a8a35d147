"""The distance attack: memory found, honest subjects never accused, blind differences seen."""

import numpy as np
import pandas as pd
import pytest
from subjects import case_of, judged, make_case, population

from genaudit.audits.privacy.distance import DistanceOptions, distance
from genaudit.errors import OptionError
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
        judged("privacy.distance", make_case("honest", 3, n_train=n, n_holdout=n))[0]
        for n in (200, 1600)
    )

    assert small.detectable > large.detectable > 0.55
    assert large.ceiling > small.ceiling > 0.9


def test_the_curve_hides_small_cells():
    """No point of the figure stands for fewer than ten non-members."""
    outcome = distance(make_case("honest", 2))
    drawn = [x for name, x, _ in outcome.figures[0].rows if name == "attack"]
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
