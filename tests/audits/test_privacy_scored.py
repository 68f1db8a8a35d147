"""Attacks that ask the model: leaks are found whoever gives the score, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import media
import numpy as np
import pandas as pd
import pytest
import scores
from scipy.special import ndtri
from subjects import case_of, make_case, population

from genaudit.audits import find
from genaudit.audits.privacy._scored import ScoredOptions, ask
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.errors import DataError
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Finding, Status
from genaudit.run import run
from genaudit.subject import Score, Subject

AUDIT = "privacy.discriminator"


def asked_by(case: AuditCase, score: Score, name: str = "discriminator") -> AuditCase:
    """The case with one score alone."""
    return replace(case, subject=replace(case.subject, scores={name: score}))


def found(case: AuditCase, audit: str = AUDIT) -> tuple[Finding, ...]:
    """What one attack finds."""
    return find(audit)(case).findings


def usual(data: Dataset) -> np.ndarray:
    """What a score may say of a record, whoever trained: much, by its region, and some chance."""
    region = data.frame["region"].astype(object).map({"north": 6.0, "east": 3.0}).fillna(0.0)
    return region.to_numpy(dtype=float) + 0.5 * scores.honest(data)


def test_what_is_usual_is_taken_off() -> None:
    """A leak that drowns in what every model would say is found once the reference is heard."""
    case = make_case("honest", 3)
    known = scores.leaky(case.train, by=1.0)

    def leaky(data: Dataset) -> np.ndarray:
        return usual(data) + known(data) - scores.honest(data)

    asked = ask(case, ScoredOptions())
    assert asked is not None
    area = found(asked_by(case, leaky))[0].estimate
    raw = leaky(asked.records)[asked.place]
    members, others, _ = np.split(raw, np.cumsum([asked.n_members, asked.n_others]))
    plain = (members[:, None] > others).mean()

    assert area.low is not None
    assert area.low > 0.65
    assert area.value > plain + 0.05


def test_the_reference_settles_the_slope() -> None:
    """Where neighbours tell nothing, nothing is taken off; where they tell all, as much as is."""
    case = make_case("honest", 4)
    asked = ask(case, ScoredOptions())
    assert asked is not None

    assert asked.calibrated(scores.honest(asked.records))[1] < 0.5
    assert asked.calibrated(usual(asked.records))[1] > 0.9
    assert asked.calibrated(np.ones(len(asked.records)))[1] == 0.0


def test_neighbours_are_those_of_a_naive_search() -> None:
    """The nearest reference rows of each record, none of them itself, one record at a time."""
    case = make_case("honest", 5, n_train=60, n_holdout=60, n_samples=60)
    asked = ask(case, ScoredOptions())
    assert asked is not None
    values = scores.honest(asked.records)
    ordered = values[asked.place]
    n = asked.n_members + asked.n_others
    reference = ordered[n:]
    means = [np.mean([reference[j] for j in row]) for row in asked.around]
    (members, others), slope = asked.calibrated(values)
    expected = [ordered[i] - slope * means[i] for i in range(n)]

    assert np.allclose(np.concatenate([members, others]), expected)
    assert all(i not in row for i, row in enumerate(asked.around[n:]))
    assert all(len({*row}) == len(row) for row in asked.around.tolist())


def test_who_is_asked_about_is_hidden() -> None:
    """A score that goes by the place of a record in its call learns nothing of membership."""
    areas = [
        found(asked_by(make_case("honest", seed), lambda data: np.arange(len(data))))[0].estimate
        for seed in range(3)
    ]

    assert all(a.low is not None and a.high is not None and a.low < 0.5 < a.high for a in areas)


def test_members_are_training_rows() -> None:
    """Every record that is asked about is what its place says, and occurs once in all tables."""
    case = make_case("honest", 6)
    asked = ask(case, ScoredOptions(max_records=100, max_reference=50))
    assert asked is not None
    ordered = asked.records.take(asked.place).frame
    parts = np.split(np.arange(len(ordered)), [asked.n_members, asked.n_members + asked.n_others])
    tables = case.train, case.non_members, case.reference

    for rows, table, size in zip(parts, tables, (100, 100, 50), strict=True):
        merged = ordered.iloc[rows].merge(table.frame.drop_duplicates(), how="left", indicator=True)
        assert len(rows) == size
        assert (merged["_merge"] == "both").all()


def test_another_population_makes_doubt() -> None:
    """Members told from others without the model: no judgement, whatever the score."""
    holdout = population(800, 2)
    train = population(40_000, 1).query("region == 'centre' and age > 50").head(400)
    case = case_of(population(400, 3), train, holdout)

    assert all(f.doubt is not None for f in found(case))


def test_a_model_without_samples_is_asked() -> None:
    """Scores alone are access enough; a score that the subject lacks is a reason, not a failure."""
    case = make_case("honest", 7)
    subject = Subject("stranger", "callable", scores={"elbo": scores.leaky(case.train)})
    report = run(
        AuditCase(subject, case.data), AuditPlan(audits=(AUDIT, "privacy.elbo")), Policy.read(),
        strict=True,
    )  # fmt: skip
    sections = {s.audit: s for s in report.sections}

    assert report.subject.n is None
    assert sections["privacy.elbo"].findings[0].estimate.low > 0.8
    assert sections[AUDIT].status is Status.SKIPPED
    assert sections[AUDIT].reason.english == (
        "Not run: the model has no score discriminator; it has elbo."
    )


@pytest.mark.parametrize("kind", media.KINDS)
def test_records_themselves_are_asked_about(kind: str) -> None:
    """The score gets images, series, sounds and texts as they are, and finds the copies of them."""
    case = media.case_of(kind, n=120)
    seen = []
    known = scores.leaky(case.train)

    def score(data: Dataset) -> np.ndarray:
        seen.append(type(data.media[0]))
        return known(data)

    area = found(asked_by(case, score))[0].estimate

    assert seen == [type(case.train.media[0])]
    assert area.low is not None
    assert area.low > 0.7


@pytest.mark.parametrize(
    "score",
    [
        lambda data: np.full(len(data), np.nan),
        lambda data: np.zeros(len(data) + 1),
        lambda data: np.array(["high"] * len(data)),
        lambda data: np.zeros((len(data), 2)),
    ],
)
def test_a_score_is_one_finite_number_for_each_record(score: Score) -> None:
    """Anything else is refused, and says what was got."""
    with pytest.raises(DataError, match="Expected score 'discriminator' of planted to give one"):
        found(asked_by(make_case("honest", 8, n_train=60, n_holdout=60), score))


def test_a_score_is_asked_for_once() -> None:
    """Two audits with other options ask again, the same one does not."""
    calls = []

    def score(data: Dataset) -> np.ndarray:
        calls.append(len(data))
        return scores.honest(data)

    case = asked_by(make_case("honest", 9), score)
    first, again = found(case), found(case)

    assert first == again
    assert len(calls) == 1


def test_too_few_rows_are_said() -> None:
    """Rows that all repeat leave nobody to ask about."""
    rows = pd.concat([population(30, 1)] * 2, ignore_index=True)

    assert all(f.estimate.value is None for f in found(case_of(population(50, 2), rows, rows)))


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_promised() -> None:
    """Of 200 honest subjects whose scores vary much, 95% intervals of the area miss 0.5 in 5%."""
    missed = 0
    for seed in range(200):
        case = make_case("honest", 1000 + seed, n_train=150, n_holdout=300, n_samples=50)
        chance = np.random.default_rng(seed)
        area = found(asked_by(case, lambda d, c=chance: usual(d) + ndtri(c.uniform(size=len(d)))))[
            0
        ].estimate
        missed += not area.low <= 0.5 <= area.high

    assert missed / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_ties_are_no_evidence() -> None:
    """One score for all is an area of one half."""
    area = found(asked_by(make_case("honest", 10), lambda data: np.zeros(len(data))))[0].estimate

    assert area.value == 0.5
