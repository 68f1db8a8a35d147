"""Groups that a model predicts: shares corrected for its errors, in tables and in records."""

from dataclasses import replace

import media
import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, judged, make_case, population, unlabelled

from genaudit.audits.bias.predicted import _classes, _parts, predicted
from genaudit.case import AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Status
from genaudit.run import run

NAME = "bias.predicted"


def found_of(case):
    """Level -> finding."""
    return {next(iter(f.group.values())): f for f in judged(NAME, case)}


def records(kind, samples, n=500):
    """A case of records whose samples say what they show, but not their group."""
    case = media.case_of(kind, samples=samples.drop(columns="group"), n=n)
    return replace(case, _cache={})


def thin(kind, share, n=500, seed=90):
    """Fresh records of which this share is thin."""
    rows = media.population(kind, 6 * n, seed)
    parts = [rows[rows["group"] == g] for g in ("thin", "thick")]
    k = round(share * n)
    return pd.concat([parts[0][:k], parts[1][: n - k]], ignore_index=True)


@pytest.mark.parametrize("kind", media.KINDS)
def test_a_shrunken_group_of_records_is_found(kind):
    """Three in ten thin instead of six: the interval holds -0.3 and leaves out 0."""
    found = found_of(records(kind, thin(kind, 0.3)))
    case = media.case_of(kind, n=500)
    real = float((case.train.frame["group"] == "thin").mean())
    estimate = found["thin"].estimate

    assert estimate.low <= 0.3 - real <= estimate.high
    assert estimate.high < 0
    assert found["thin"].null.low <= 0 <= found["thin"].null.high
    assert np.isclose(found["thick"].estimate.value, -estimate.value)


@pytest.mark.parametrize("kind", media.KINDS)
def test_honest_records_are_not_accused(kind):
    """Fresh records: the interval holds the difference of zero."""
    estimate = found_of(records(kind, media.population(kind, 500, 91)))["thin"].estimate

    assert estimate.low <= 0 <= estimate.high


def test_a_half_of_women_is_missed():
    """A table without its sex, in which half of the women are lost: corrected, it shows."""
    case = make_case("group_skewed", 3, n_train=1500, n_holdout=1500, n_samples=1500)
    truth, real = (float((d.frame["sex"] == "Female").mean()) for d in (case.samples, case.train))
    estimate = found_of(unlabelled(case))["Female"].estimate

    assert estimate.low <= truth - real <= estimate.high
    assert estimate.high < 0


def test_copies_of_what_was_learned_from_change_nothing():
    """A copycat repeats the rows that errors are measured on, never those that are learned from."""
    case = make_case("copycat", 3, n_train=900, n_holdout=900, n_samples=900)
    learn, measure = _parts(case)
    estimate = found_of(unlabelled(case))["Female"].estimate

    assert learn is case.holdout
    assert measure is case.train
    assert estimate.low <= 0 <= estimate.high


def test_training_rows_alone_are_halved():
    """Without a holdout one half is learned from and the other measured; no person in both."""
    case = unlabelled(make_case("honest", 3, n_train=1500, n_samples=900))
    alone = AuditCase(case.subject, {Knowledge.TRAIN: case.train})
    learn, measure = _parts(alone)
    estimate = found_of(alone)["Female"].estimate

    assert len(learn) + len(measure) == 1500
    assert estimate.low <= 0 <= estimate.high


def test_an_attribute_beside_the_records_is_not_predicted():
    """Samples that say their group: skipped, with the reason."""
    report = run(make_case("honest", 1), AuditPlan(audits=(NAME,)), Policy.read(), strict=True)

    assert report.sections[0].status is Status.SKIPPED
    assert report.sections[0].reason.id == "bias.predicted.beside"


def test_chance_is_told_with_all_that_it_leaves_open():
    """Nothing tells the sex: intervals that leave out next to nothing, and no verdict.

    Columns that tell it a little are taken away from both sides.
    """
    rng = np.random.default_rng(0)

    def blank(rows):
        hired = rng.choice(["no", "yes"], len(rows))
        return rows.assign(income=1.0, gain=0, age=40, remote=False, hired=hired)

    samples, train, holdout = (blank(population(400, s)) for s in (1, 2, 3))
    case = case_of(samples.drop(columns="sex"), train, holdout)
    for finding in run(case, AuditPlan(audits=(NAME,)), Policy.read(), strict=True).findings():
        estimate = finding[1].estimate

        assert estimate.high - estimate.low > 0.7
        assert (finding[1].doubt.id, finding[1].hollow) == ("bias.predicted.weak", False)


def test_samples_without_any_record_are_skipped():
    """Images that are none."""
    samples = pd.DataFrame({"record": [np.zeros((3, 3, 1))] * 100})
    outcome = predicted(media.case_of("image", samples=samples, n=200))

    assert not outcome.findings
    assert [m.id for m in outcome.not_measured] == ["bias.predicted.nothing"]


def test_a_label_that_says_nothing_of_the_group_gives_no_verdict():
    """Samples without their images: numbers that may be any."""
    samples = pd.DataFrame({"label": ["low", "high"] * 50})

    for finding in predicted(media.case_of("image", samples=samples, n=200)).findings:
        assert finding.estimate.high - finding.estimate.low > 0.6
        assert finding.doubt.id == "bias.predicted.weak"


def test_records_unlike_all_groups_are_doubted():
    """Predictions that no mix of the groups would give: the number is shown, and doubted."""
    case = unlabelled(make_case("honest", 1, n_train=900, n_holdout=900, n_samples=900))
    frame = case.samples.frame.drop(columns="sex").assign(region="south")
    made = Dataset.of_samples(frame, SCHEMA)
    found = found_of(replace(case, subject=replace(case.subject, samples=made), _cache={}))

    assert found["Female"].doubt.id == "bias.predicted.misfit"
    assert found["Female"].estimate.value < -0.3


def test_groups_of_a_few_are_named():
    """A level of five real records is not estimable, and is listed."""
    columns = [c.model_dump() for c in SCHEMA.columns]
    columns[1]["role"], columns[0]["role"] = "sensitive", "feature"
    schema = SCHEMA.replace(columns=columns)
    samples, train, holdout = (population(900, s) for s in (1, 2, 3))

    def told(rows):
        places = {"north": 20, "east": 30, "south": 45, "west": 60, "centre": 80}
        return rows.assign(age=rows["region"].map(places))

    train = train.drop(train.index[train["region"] == "centre"][5:])
    found = found_of(case_of(told(samples).drop(columns="region"), told(train), told(holdout),
                             schema=schema))  # fmt: skip

    assert found["centre"].estimate.value is None
    assert found["centre"].estimate.reason.id == "bias.too_few"
    assert found["north"].estimate.low <= 0.02
    assert found["north"].estimate.value is not None


def test_small_levels_are_one_class():
    """Two levels of 20 are pooled; one of 20 alone is no class, and an empty level is in none."""
    classes, place = _classes(np.array([100, 20, 20, 0, 50]))
    alone, where = _classes(np.array([100, 20, 0, 50]))

    assert classes == (0, 4, 5)
    assert place.tolist() == [0, 2, 2, -1, 1]
    assert alone == (0, 3)
    assert where.tolist() == [0, -1, -1, 1]
