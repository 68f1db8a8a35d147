"""The null battery: it counts what it should, and our audits pass it."""

import numpy as np
import pytest
from scipy.stats import binom

import genaudit
from genaudit.battery import worlds
from genaudit.battery.bounds import BOUNDS
from genaudit.battery.measure import COINS, calibrate, faults, visible
from genaudit.calibration import LEVEL, Calibration, Rate, allowed
from genaudit.data.overlap import row_hashes
from genaudit.errors import OptionError
from genaudit.stats.multiplicity import holm


@pytest.mark.parametrize(
    ("runs", "some"),
    [(1, ("noise", "shifted")), pytest.param(3, tuple(worlds.WORLDS), marks=pytest.mark.slow)],
)
def test_every_probe_keeps_its_false_alarm_rate(runs, some):
    """A reduced run of the whole battery: no metric and no bound alarms more than it may.

    Of some hundred metrics in so few runs, a few are two standard errors beyond by chance; Holm's
    correction over all leaves none. The record that comes along holds each to two errors.
    """
    found = calibrate(runs=runs, worlds=some)
    metrics = sorted({r.metric for r in found.rates})
    counted = {
        (metric, level): counts
        for metric in metrics
        for level, counts in ((LEVEL, found.beyond(metric)), (found.alpha, found.judged(metric)))
        if counts is not None
    }
    chances = {key: float(binom.sf(k - 1, n, key[1])) for key, (k, n) in counted.items()}

    assert holm(chances, 0.05) == set()
    assert len(chances) > 60
    assert {r.world for r in found.rates} == {*some, COINS}
    assert {r.metric for r in found.rates if r.world == COINS} == set(BOUNDS)
    assert all(r.runs <= runs for r in found.rates if r.world != COINS)


@pytest.mark.parametrize("world", worlds.SHIFTED)
def test_shift_raises_doubt(world):
    """Where the holdout is of another population, attacks say so themselves, in every run."""
    names = ["privacy.distance", "privacy.ensemble", "privacy.copies", "privacy.matches"]
    found = calibrate(names[: 2 if world == "shifted" else 4], worlds=[world], runs=5)

    assert [r.doubted for r in found.rates] == [5] * len(found.rates)
    assert not any(r.outside for r in found.rates)


@pytest.mark.parametrize("world", sorted(worlds.WORLDS))
def test_worlds_are_null(world):
    """No sample is a training row beyond what unseen rows show, and every seed draws anew."""
    case = worlds.case(world, 3)
    again, other = worlds.case(world, 3), worlds.case(world, 4)

    assert case.train.frame.equals(again.train.frame)
    assert not case.train.frame.equals(other.train.frame)
    sizes = len(case.train), len(case.holdout), len(case.samples)
    if world == "cleaned":  # of what repeats, one row is left
        assert all(0.8 * n < left < n for left, n in zip(sizes[:2], worlds.SIZES, strict=False))
        assert not np.isin(row_hashes(case.holdout.frame), row_hashes(case.train.frame)).any()
    else:
        assert sizes == worlds.SIZES


def test_faults_name_what_alarms_too_often():
    """Too many alarms of an interval, of a verdict and of a bound are each a sentence."""
    rates = (
        Rate(metric="privacy.x.auc", world="noise", runs=200, above=20, limited=200, outside=7),
        Rate(metric="privacy.x.auc", world="shifted", runs=200, above=0, doubted=200),
        Rate(metric="bound", world=COINS, runs=1000, above=70),
        Rate(metric="privacy.y.auc", world="noise", runs=200, above=16, limited=200, outside=4),
    )
    found = Calibration(tool_version="1", code="", started="", seed=0, alpha=0.01,
                        shifted=("shifted",), rates=rates)  # fmt: skip

    said = faults(found)

    assert [s.partition(":")[0] for s in said] == ["bound", "privacy.x.auc", "privacy.x.auc"]
    assert "beyond chance in 70 of 1000 runs, where 5% are promised" in said[0]
    assert "beyond chance in 20 of 200 runs" in said[1]
    assert "outside its limit in 7 of 200 runs" in said[2]
    assert allowed(200, 0.05) == pytest.approx(16.16, abs=0.01)


@pytest.mark.parametrize("runs", [5, 60, 200])
def test_what_a_record_can_show(runs):
    """At the rate it says, four of five records have a fault."""

    def rates(above):
        return tuple(Rate(metric="privacy.x.auc", world=w, runs=runs, above=int(k))
                     for w, k in zip("abcd", above, strict=False))  # fmt: skip

    def found(above):
        return Calibration(tool_version="1", code="", started="", seed=0, alpha=0.01,
                           rates=rates(above))  # fmt: skip

    rng, rate = np.random.default_rng(0), visible(found([0] * 4))[0.05]
    named = np.mean([bool(faults(found(rng.binomial(runs, rate, 4)))) for _ in range(1000)])

    assert named == pytest.approx(0.8, abs=0.06)
    assert rate == pytest.approx({5: 0.20, 60: 0.09, 200: 0.073}[runs], abs=0.01)
    assert visible(found([])) == {}


def test_same_seed_same_record():
    """All but the time is the same for the same seed."""
    one, two = (calibrate(["privacy.copies"], worlds=["ties"], runs=2, seed=7) for _ in range(2))

    assert one.rates == two.rates


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"names": ["privacy.nothing"]}, "No audit is called 'privacy.nothing'"),
        ({"names": ["quality.samples"]}, "Expected audits of tables, got 'quality.samples'"),
        ({"worlds": ["mars"]}, "No world is called 'mars'"),
        ({"runs": 0}, "Expected runs of at least 1, got 0"),
    ],
)
def test_refusals(options, said):
    """What there is not is named in one sentence."""
    with pytest.raises(OptionError, match=said):
        calibrate(**options)


def test_the_function_is_not_hidden_by_a_module():
    """`genaudit.calibrate` is what it was after a first run in the same process."""
    before = genaudit.calibrate
    calibrate(["privacy.copies"], worlds=["ties"], runs=1)

    assert genaudit.calibrate is before
    assert callable(genaudit.calibrate)
