"""Attacks that train the subject again: leaks found, honest trainings not, the game itself."""

from dataclasses import replace

import numpy as np
import pytest
from media import case_of as media_case
from subjects import SCHEMA, again, again_copies, case_of, fresh, make_case, population

from genaudit.audits import find
from genaudit.audits.privacy import _shadow, groundhog, lira, query_based, rmia
from genaudit.audits.privacy._shadow import ShadowOptions, shadows
from genaudit.audits.privacy._signals import ridge
from genaudit.case import AuditCase
from genaudit.data.overlap import row_hashes
from genaudit.data.schema import Column
from genaudit.errors import DataError
from genaudit.modalities.table.space import Space
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Claim, Status
from genaudit.run import run
from genaudit.subject import Subject

ATTACKS = ("privacy.groundhog", "privacy.lira", "privacy.query_based", "privacy.rmia")

FEW = ShadowOptions(n_shadow=32, n_targets=6, n_samples=400)


def _case(retrain, seed=0, n=400, claim=None):
    """A case whose subject is trained again in some way."""
    case = case_of(population(50, 1), population(n, 3 * seed), population(n, 3 * seed + 1),
                   seed=seed, retrain=retrain)  # fmt: skip
    return replace(case, subject=replace(case.subject, claim=claim))


def _found(name, case, options=FEW):
    return {f.metric.rpartition(".")[2]: f for f in find(name)(case, options).findings}


@pytest.mark.parametrize("name", ["privacy.lira", "privacy.rmia", "privacy.query_based"])
def test_copies_are_found(name):
    """Trainings that hand out rows of theirs: area well above chance and a bound above 0."""
    found = _found(name, _case(again_copies))

    assert found["auc"].estimate.low > 0.6
    assert found["pooled_auc"].estimate.low > 0.6
    assert found["epsilon"].estimate.value > 0.2
    assert abs(found["auc"].null.value - 0.5) < 0.12
    assert found["auc"].estimate.low < found["auc"].ceiling + 0.3


@pytest.mark.parametrize("name", ATTACKS)
def test_honest_trainings_are_not_accused(name):
    """Over several cases of fresh rows areas are chance on average and no bound is high."""
    areas = []
    for seed in range(2):
        found = _found(name, _case(again, seed, n=120), ShadowOptions(24, 4, 100))
        areas.append(found["auc"].estimate.value)

        assert found["auc"].estimate.low < 0.6
        assert found["epsilon"].estimate.low < 0.2
    assert abs(np.mean(areas) - 0.5) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_false_alarms_are_as_rare_as_promised(name):
    """Over 100 honest cases intervals miss chance as often as they say, and bounds exceed 0."""
    above = wrong = 0
    for seed in range(100):
        found = _found(name, _case(again, seed, n=120), ShadowOptions(32, 4, 100))
        above += found["auc"].estimate.low > 0.5
        wrong += found["epsilon"].estimate.value > 0

    assert above <= 100 * 0.025 + 2 * (100 * 0.025) ** 0.5
    assert wrong <= 100 * 0.05 + 2 * (100 * 0.05) ** 0.5


def test_the_game_is_as_described():
    """All models share their rows but those of the targets, in which the coins decide."""
    seen = []

    def retrain(data, seeds):
        seen.append((data, seeds))
        return again(data, seeds)

    case = _case(retrain)
    models = shadows(case, FEW)
    ((data, seeds),) = seen
    rows = [set(row_hashes(d.frame)) for d in data]
    members = set(row_hashes(case.train.frame))
    unseen = set(row_hashes(case.non_members.frame))
    reference = set(row_hashes(case.reference.frame))

    assert len({len(d) for d in data}) == 1
    assert len(data[0]) == len(case.train)
    assert len(set(seeds)) == 32
    for i, mine in enumerate(rows):
        assert len(mine & members) == len(members) - 6 + models.members[i].sum()
        assert len(mine & unseen) == 6 - models.members[i].sum()
    for mine in rows:
        assert not mine & reference


def test_models_are_trained_once_for_all_attacks():
    """Four attacks with the same numbers share the models; other numbers need others."""
    calls = []

    def retrain(data, seeds):
        calls.append(len(data))
        return again(data, seeds)

    case = _case(retrain)
    for name in ATTACKS:
        _found(name, case)
    _found("privacy.lira", case, replace(FEW, n_shadow=24))

    assert calls == [32, 24]


def test_vulnerable_records_are_the_far_ones():
    """The naive mean distance to five neighbours picks the same rows; twins are never picked."""
    train = population(60, 1)
    train.loc[60] = ["Male", "centre", 90, 900_000.0, 9999, True, "no"]
    twins = train.copy()
    twins.loc[61] = twins.loc[60]
    found = []
    for rows in (train, twins):
        case = case_of(population(20, 2), rows, population(200, 3))
        found.append(_shadow._vulnerable(case, 3, np.random.default_rng(0)))
    case = case_of(population(20, 2), train, population(200, 3))
    space = Space.fit(case.reference, SCHEMA.columns, case.train)
    coded = space.encode(case.train)
    ((_, squared),) = space.squared(coded, coded)
    naive = np.sort(np.sqrt(np.maximum(squared, 0)), axis=1)[:, 1:6].mean(axis=1)

    assert found[0].tolist() == np.argsort(-naive, kind="stable")[:3].tolist()
    assert not {60, 61} & set(found[1].tolist())


def test_scores_come_before_samples():
    """Where models say themselves how well they know a record, that is what the attacks use."""

    def retrain(data, seeds):
        def score(mine):
            known = row_hashes(mine.frame)
            return lambda rows: np.isin(row_hashes(rows.frame), known) + 0.0

        return [replace(s, scores={"seen": score(d)})
                for s, d in zip(again(data, seeds), data, strict=True)]  # fmt: skip

    for name in ("privacy.lira", "privacy.rmia"):
        found = _found(name, _case(retrain))

        assert found["auc"].estimate.value > 0.9
        assert found["epsilon"].estimate.value > 0.8


def test_a_broken_claim_is_said():
    """A bound beyond the claim is a warning; one within it is none, nor is an honest one."""

    def warned(retrain, epsilon):
        claim = Claim(epsilon=epsilon, delta=1e-6)
        return _found("privacy.rmia", _case(retrain, claim=claim))["epsilon"].warning

    assert warned(again_copies, 0.05) is not None
    assert warned(again_copies, 8.0) is None
    assert warned(again, 0.05) is None


def test_rows_of_a_person_go_together():
    """No other row of an attacked person is in any model's data."""
    person = Column(name="who", kind="categorical", role="person")
    schema = SCHEMA.replace(columns=[c.model_dump() for c in (*SCHEMA.columns, person)])
    train, holdout = (population(200, seed) for seed in (1, 2))
    train["who"], holdout["who"] = ([f"{letter}{i // 4}" for i in range(200)] for letter in "th")
    seen = []

    def retrain(data, seeds):
        seen.extend(data)
        return [Subject("s", "s", fresh().take(np.arange(50)))] * len(data)

    case = case_of(population(20, 3), train, holdout, schema=schema, retrain=retrain)
    models = shadows(case, ShadowOptions(8, 4, 50))
    counts = [d.frame["who"].value_counts().loc[lambda n: n == 1] for d in seen]

    assert models.n_rows == 200 - 4 * 4 + 4
    for i, once in enumerate(counts):
        assert once.index.str.startswith("t").sum() >= models.members[i].sum()


def test_without_a_way_to_train_again_they_are_skipped():
    """The full plan says what is missing; the standard plan leaves them out and says so."""
    case = make_case("honest", 1, n_train=60, n_holdout=60, n_samples=60)
    without = replace(case, subject=replace(case.subject, retrain=None))
    plan = AuditPlan("full", audits=ATTACKS)
    sections = run(without, plan, Policy.read()).sections
    standard = run(without, AuditPlan(audits=("quality.validity",)), Policy.read())
    left = [m.params.get("audit") for m in standard.not_measured]

    assert {s.status for s in sections} == {Status.SKIPPED}
    assert "train it again" in sections[0].reason.english
    assert set(ATTACKS) <= set(left)


def test_a_bound_by_shadows_is_no_gap():
    """Where they train again, nothing says that a bound on ε was not measured; else it says so."""
    case = _case(again, n=40)
    plan = AuditPlan(audits=("privacy.lira",), options={"privacy.lira": {"n_shadow": 12}})
    bare = replace(case, subject=replace(case.subject, retrain=None))
    left = [{m.id for m in run(c, plan, Policy.read()).not_measured} for c in (case, bare)]

    assert ["not_measured.epsilon" in ids for ids in left] == [False, True]


def test_few_models_or_rows_are_no_evidence():
    """Under twenty trainings there is no area; without rows there is nobody to attack."""
    found = _found("privacy.lira", _case(again_copies), ShadowOptions(12, 3, 100))
    tiny = case_of(population(50, 1), population(5, 1), population(50, 2), retrain=again)

    assert found["auc"].estimate.value is None
    assert found["tpr_at_1pct_fpr"].estimate.reason.params["models"] == 500
    assert all(f.estimate.value is None for f in find("privacy.rmia")(tiny, FEW).findings)


def test_a_retrain_that_keeps_no_promise_is_an_error():
    """Fewer models than data sets, or models without samples: one sentence."""
    with pytest.raises(DataError, match=r"Expected 32 models.*got 31"):
        _found("privacy.lira", _case(lambda data, seeds: again(data, seeds)[1:]))
    with pytest.raises(DataError, match="without"):
        _found("privacy.lira", _case(lambda data, _: [Subject("s", "s")] * len(data)))


def test_records_that_are_no_rows_are_attacked_too():
    """Images are trained on as images and compared by their numbers."""
    case = media_case("image", "honest", n=120)

    def retrain(data, seeds):
        return [Subject("s", "s", rows.take(np.arange(60))) for rows in data]

    whole = AuditCase(replace(case.subject, retrain=retrain), case.data)
    found = _found("privacy.lira", whole, ShadowOptions(20, 3, 60))

    assert found["auc"].estimate.value is not None


def test_lira_is_two_normals_for_each_record():
    """The log density of the chosen is that of a normal whose spread leans on that of all."""
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(1, 9, 2)), rng.normal(size=(1, 3, 2))
    chosen = rng.random((9, 2)) < 0.5
    found = lira._log(known, chosen, new)

    for j in range(2):
        mine = known[0, chosen[:, j], j]
        n, every = len(mine), known[0, :, j].var()
        spread = np.sqrt((((mine - mine.mean()) ** 2).sum() + 4 * every) / (n + 4)) + 1e-3
        naive = -0.5 * ((new[0, :, j] - mine.mean()) / spread) ** 2 - np.log(spread)
        assert np.allclose(found[0, :, j], naive - 0.5 * np.log(2 * np.pi))


def test_rmia_counts_the_beaten():
    """On paper: a record twice as likely as usual beats people who are as likely as usual."""
    logs = np.log(np.array([[1.0], [1.0], [2.0]]))
    people = np.zeros((3, 4))
    people[2] = np.log([1.0, 1.5, 3.0, 1.0])
    models = _models(scores=((logs, people),))
    coins = np.array([[True], [False]])
    score = rmia.attack(models)(np.array([0, 1]), coins, np.array([2]))

    assert score.tolist() == [[0.75]]


def test_counts_of_shared_values():
    """The shares of the naive count over samples, queries and columns."""
    rows, targets = fresh().take(np.arange(60)), fresh().take(np.arange(60, 63))
    space = Space.fit(rows, SCHEMA.columns, targets)
    coded, wanted = space.encode(rows), space.encode(targets)
    asked = query_based.queries(len(SCHEMA.columns), np.random.default_rng(0))[:20]
    found = query_based.shares(space, wanted, coded, asked)
    same = np.hstack([
        ~query_based._apart(coded.numbers, wanted.numbers[0], 0.05 * space.unit),
        coded.codes == wanted.codes[0],
    ])  # fmt: skip

    naive = [np.mean([row[query].all() for row in same]) for query in asked]
    assert np.allclose(found[0], naive)


def test_summaries_on_paper():
    """Shares of levels and correlations of a table stand in its summary."""
    rows = fresh().take(np.arange(300))
    space = Space.fit(rows, SCHEMA.columns)
    coded = space.encode(rows)
    found = groundhog.summary(space, coded)
    share = (coded.codes[:, 0] == 0).mean()

    assert np.isfinite(found).all()
    assert np.isclose(found, share).any()
    ranks = coded.numbers[:, :2]
    whole = ~np.isnan(ranks).any(axis=1)
    if whole.all():
        assert np.isclose(found, np.corrcoef(ranks.T)[0, 1]).any()


def test_one_classifier_for_all_records_or_one_for_each():
    """Features of their own that are all the same give the same scores, which find the signal."""
    rng = np.random.default_rng(0)
    members = rng.random((40, 3)) < 0.5
    features = np.hstack([members + 0.3 * rng.normal(size=(40, 3)), rng.normal(size=(40, 5))])
    fit, test = np.arange(30), np.arange(30, 40)
    shared = ridge(features, fit, members[fit], test)
    own = ridge(np.stack([features] * 3), fit, members[fit], test)

    assert np.allclose(shared, own)
    assert ((shared > 0) == members[test]).mean() > 0.75


def _models(**given):
    """Shadow models of which a test says only what matters."""
    names = ("space", "members", "ghosts", "targets", "population", "samples", "scores", "n_rows")
    return _shadow.Shadows(**{**dict.fromkeys(names), **given})
