"""Models trained on samples: gaps on paper and by Fairlearn, planted and honest subjects."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    equalized_odds_difference,
    selection_rate,
)
from subjects import SCHEMA, case_of, judged, make_case, population

from genaudit.audits.bias._gaps import (
    Gap,
    Table,
    apart_change,
    counted_gap,
    extremes_change,
    fairlearn_gap,
    fairlearn_gaps,
    gap_change,
    lead_of,
    left_out,
    odds_gap,
    pairs_apart,
    parity_gap,
    rate_change,
)
from genaudit.audits.bias._groups import Grouping
from genaudit.audits.bias._pairs import is_any_two
from genaudit.audits.bias._strata import GAP as STRATUM
from genaudit.audits.bias.cost import ACCURACY as COST_ACCURACY
from genaudit.audits.bias.cost import GAP as COST_GAP
from genaudit.audits.bias.cost import cost
from genaudit.audits.bias.downstream import (
    GAP,
    ODDS,
    SELECTION,
    Options,
    downstream,
    note_of_two,
)
from genaudit.audits.learners import comparison
from genaudit.data.schema import Schema
from genaudit.errors import OptionError
from genaudit.modalities.table.learner import Target
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Verdict
from genaudit.run import run

NAME = "bias.downstream"
ANY = "any two groups"


def table(n=600, k=4, seed=0, lift=(0.0, 0.0, 0.0)):
    """Decisions of k learners a side about n rows of three groups; `lift` favours groups (made)."""
    rng = np.random.default_rng(seed)
    group, y = rng.integers(0, 3, n), rng.integers(0, 2, n)
    base = 0.2 + 0.3 * y + 0.1 * group
    real = rng.random((k, n)) < base
    made = rng.random((k, n)) < base + np.array(lift)[group]
    return Table(Grouping("letter", ("a", "b", "c")), group, y, real, made)


def naive_counts(t, decisions):
    """Selected rows and rows by group and label, with a loop."""
    selected, n = np.zeros((3, 2)), np.zeros((3, 2))
    for g, y, d in zip(t.group, t.y, decisions, strict=True):
        selected[g, y] += d
        n[g, y] += 1
    return selected, n


@pytest.mark.parametrize("seed", range(3))
def test_gaps_equal_fairlearn_on_rows(seed):
    """Cells with weights, our own counts and Fairlearn's own functions give the same two gaps."""
    t = table(seed=seed)
    for decisions in t.made:
        selected, n = naive_counts(t, decisions)
        by_rows = (
            demographic_parity_difference(t.y, decisions, sensitive_features=t.group),
            equalized_odds_difference(t.y, decisions, sensitive_features=t.group),
        )
        ours = (float(parity_gap(selected, n)), float(odds_gap(selected, n)))
        weighted = [fairlearn_gap(t, g, decisions.astype(float)) for g in (parity_gap, odds_gap)]

        counted = [counted_gap(t, g, decisions[None]) for g in (parity_gap, odds_gap)]

        assert np.allclose(ours, by_rows)
        assert np.allclose(counted, by_rows)
        assert np.allclose(weighted, by_rows)


def test_gaps_on_paper():
    """Rates of 0.5, 0.3 and 0.9 are 0.6 apart; true and false positive rates at most 0.8."""
    n = np.full((3, 2), 10.0)
    selected = np.array([[5, 5], [1, 5], [9, 9]])

    assert np.isclose(parity_gap(selected, n), 0.6)
    assert np.isclose(odds_gap(selected, n), 0.8)


def test_bootstrap_equals_refilled_rows():
    """The holdout error from cells equals that of a naive bootstrap of rows, for two groups."""
    t, gap = table(n=400, k=1), Gap(pair=(2, 0))
    change = float(gap(*naive_counts(t, t.made[0])) - gap(*naive_counts(t, t.real[0])))
    rng, naive = np.random.default_rng(1), []
    for _ in range(400):
        i = rng.integers(0, 400, 400)
        drawn = Table(t.grouping, t.group[i], t.y[i], t.real[:, i], t.made[:, i])
        gaps = [gap(*naive_counts(drawn, side[0])) for side in (drawn.made, drawn.real)]
        naive.append(gaps[0] - gaps[1])

    estimate = gap_change(t, gap, change, np.random.default_rng(2), 2000)

    error = (estimate.high - estimate.low) / (2 * 1.96)
    assert abs(error / np.std(naive) - 1) < 0.15


def test_a_rate_change_on_paper():
    """Selected by 3 of 4 instead of 1 of 4 decisions: +0.5, however the learners divide them."""
    made = np.array([[1, 1], [1, 0]]) > 0
    real = np.array([[0, 0], [1, 0]]) > 0
    t = Table(Grouping("letter", ("a",)), np.zeros(2, int), np.zeros(2, int), real, made)

    assert np.isclose(rate_change(t).value, 0.5)


def test_no_error_is_zero():
    """Decisions that all agree leave room for one row that does not."""
    t = table()
    same = Table(t.grouping, t.group, t.y, t.real, t.real)
    ones = np.ones_like(t.real)
    all_in = Table(t.grouping, t.group, t.y, ones, ones)

    assert gap_change(same, parity_gap, 0.0, np.random.default_rng(0), 200).high > 0
    assert rate_change(all_in).high > 0


def test_more_unequal_models_are_found():
    """A lift of the most selected group by 0.2 widens the gap by about as much."""
    t = table(n=6000, lift=(0, 0, 0.2))
    change = fairlearn_gap(t, parity_gap, t.made.mean(0)) - fairlearn_gap(
        t, parity_gap, t.real.mean(0)
    )
    estimate = gap_change(t, parity_gap, change, np.random.default_rng(0), 500)

    assert estimate.low < 0.2 < estimate.high
    assert estimate.low > 0.1


def coin_table(seed, k, p=(0.5, 0.75), q=None, n_each=125):
    """Learners that know a group alone and decide it by the majority of n_each rows they saw."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], 250)
    sides = []
    for rates in (p, q or p):
        seen = rng.binomial(n_each, rates, (k, 2))[:, group] / n_each
        lead = lead_of(np.stack([2 * seen - 1, np.ones_like(seen)]), np.full(len(group), n_each))
        sides.append((seen > 0.5, lead))
    (real, real_lead), (made, made_lead) = sides
    y = rng.integers(0, 2, len(group))
    return Table(Grouping("coin", ("a", "b")), group, y, real, made, real_lead, made_lead)


def coin_change(t):
    """The change of the gap of a coin table, as an estimate."""
    rates = [[side[:, t.group == g].mean() for g in (0, 1)] for side in (t.made, t.real)]
    made, real = (abs(a - b) for a, b in rates)
    return gap_change(t, parity_gap, made - real, np.random.default_rng(0), 20)


@pytest.mark.parametrize("k", [2, 3, 8])
def test_learners_that_agree_by_luck_prove_nothing(k):
    """A group whose rows are all one near tie: learners often agree, the interval knows better.

    Of 150 equal pairs of sides at most 1% (and two errors) are beyond the limit at the level of a
    chapter of four findings; 95% intervals hold zero.
    """
    estimates = [coin_change(coin_table(seed, k)) for seed in range(150)]

    assert np.mean([e.p_above(0.05) <= 0.0025 for e in estimates]) <= 0.01 + 2 * 0.0081
    assert np.mean([e.low <= 0 <= e.high for e in estimates]) >= 0.935
    assert all(e.low >= -1 and e.high <= 1 for e in estimates)


def test_sure_learners_still_prove_a_gap():
    """Decisions far from a tie keep their power: a gap of 1 instead of 0 with 4 learners a side."""
    estimate = coin_change(coin_table(0, 4, p=(0.75, 0.75), q=(0.25, 0.75)))

    assert estimate.value == 1
    assert estimate.p_above(0.05) <= 0.0025


def test_margins_and_leads_on_paper():
    """0.6 against 0.4 after 96 rows, with 3 learners: a lead of 0.2 / sqrt(0.96 / 96 * 4 / 3)."""
    margins = np.stack([np.full((3, 1), 0.2), np.ones((3, 1))])

    assert np.isclose(lead_of(margins, np.array([96])), 0.2 / np.sqrt(0.01 * 4 / 3))
    assert lead_of(np.ones((2, 3, 1)), np.array([96])) == np.inf


def test_null_gaps_cover_zero():
    """Sides that decide alike differ by zero within the 95% interval in 92% of 120 draws or more.

    Three groups that are near each other: the interval is wider than one for known extremes.
    """
    held = []
    for seed in range(120):
        t = table(seed=100 + seed)
        change = fairlearn_gap(t, parity_gap, t.made.mean(0)) - fairlearn_gap(
            t, parity_gap, t.real.mean(0)
        )
        e = gap_change(t, parity_gap, change, np.random.default_rng(seed), 200)
        held.append(e.low <= 0 <= e.high)

    assert np.mean(held) >= 0.92


def test_models_that_learn_a_skew_are_outside():
    """Men favoured in the samples: the gap of models trained on them grows beyond the limit."""
    findings = judged(NAME, make_case("group_skewed", 1, n_train=3000, n_holdout=2000,
                                      n_samples=3000))  # fmt: skip
    by_metric = {f.metric: f for f in findings if f.metric != SELECTION and ANY not in f.words}
    men = next(f for f in findings if f.group == {"sex": "Male"})

    assert by_metric[GAP].verdict is Verdict.OUTSIDE
    assert by_metric[ODDS].verdict is Verdict.INFO
    assert men.estimate.low > 0.1
    assert by_metric[GAP].null.low < 0 < by_metric[GAP].null.high


def test_small_groups_are_listed_not_compared():
    """A group of 25 holdout rows takes no part in the gap; one of 5 is not estimable."""
    samples, train, holdout = (population(900, s) for s in (1, 2, 3))
    women = holdout.index[holdout["sex"] == "Female"]
    for kept in (25, 5):
        findings = judged(NAME, case_of(samples, train, holdout.drop(women[kept:])))
        gap = next(f for f in findings if f.metric == GAP)
        group = next(f for f in findings if f.group == {"sex": "Female"})

        assert gap.estimate.value is None
        assert "Female" in gap.note.params["groups"]
        assert group.estimate.value is None or group.doubt is not None
        assert group.verdict is Verdict.INFO


def test_rates_of_fewer_than_thirty_rows_are_no_verdict():
    """Of two groups one has 14 favoured rows: the gap in true positives is shown and not judged.

    A third group with enough of them is judged against the first, and the small one is named.
    """
    train, samples, holdout = (population(2400, s) for s in (1, 2, 3))
    column = next(c for c in SCHEMA.columns if c.role == "sensitive").name
    small = holdout.index[(holdout[column] == holdout[column].unique()[0])]
    favoured = [i for i in small if holdout.loc[i, "hired"] == "yes"]
    cut = holdout.drop(favoured[14:])
    both = [f for f in judged(NAME, case_of(samples, train, cut)) if f.metric == ODDS]
    odds = [f for f in both if ANY not in f.words]

    assert [f.estimate.value for f in both if ANY in f.words] == [None], "it would tell of a few"
    assert all(f.doubt is not None and f.doubt.id == "bias.downstream.few_of_a_label" for f in odds)
    assert all(f.estimate.value is not None for f in odds)
    whole = [f for f in judged(NAME, case_of(samples, train, holdout)) if f.metric == ODDS]
    assert all(f.doubt is None for f in whole)


def test_a_large_group_with_few_of_one_label_lets_nothing_pass():
    """Of five regions one has 14 favoured rows: four are compared, and nothing passes a limit."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["region"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    train, samples, holdout = (population(2400, s) for s in (1, 2, 3))
    favoured = holdout.index[(holdout["region"] == "south") & (holdout["hired"] == "yes")]
    findings = judged(NAME, case_of(samples, train, holdout.drop(favoured[14:]), schema=schema))
    by_region = {m: [f for f in findings if f.metric == m and "region" in f.group]
                 for m in (GAP, ODDS)}  # fmt: skip

    assert all(f.doubt is None for f in by_region[GAP])
    assert len(by_region[ODDS]) == 2
    for odds in by_region[ODDS]:
        assert odds.estimate.value is not None
        assert (odds.doubt.id, odds.hollow) == ("bias.pairs.untold", True)
        assert odds.doubt.params["groups"].startswith("south")
        assert "with, or without, the favoured outcome to take part: south" in odds.note.english


@pytest.mark.parametrize("labelled", [False, True])
def test_a_group_that_the_holdout_lacks_lets_nothing_pass(labelled):
    """Of five groups of 1,800 one has 25 holdout rows, or 25 with a label."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in PAID.columns}
    columns["sex"]["categories"] = list("fmyzx")
    columns["paid"]["nullable"] = True
    schema = Schema.from_dict({"columns": columns})

    def rows(seed):
        frame = paid((0.5, 0.5), seed, 9000)
        near = frame["noise"] + np.random.default_rng(seed).normal(0, 0.2, 9000)
        return frame.assign(sex=np.array(list("fmyzx"))[np.arange(9000) % 5],
                            paid=np.where(near > 0.5, "yes", "no"))  # fmt: skip

    train, samples, holdout = (rows(seed) for seed in (1, 2, 3))
    few = holdout.index[holdout["sex"] == "x"][25:]
    holdout = (
        holdout.assign(paid=holdout["paid"].mask(holdout.index.isin(few)))
        if labelled
        else holdout.drop(few)
    )
    case = case_of(samples, train, holdout, schema=schema)
    gaps = [f for f in judged(NAME, case) if f.metric in (GAP, ODDS)]
    [lost] = (f for f in judged("bias.cost", case) if f.metric == COST_GAP and ANY in f.words)
    found = [f for f in (*gaps, lost) if f.estimate.value is not None]

    assert len(found) >= 3, "rates of either label, and who is wrong, may tell of a few"
    for f in found:
        assert (f.doubt.id, f.hollow) == ("bias.pairs.untold", True)
        assert "x" in f.note.english


def test_no_number_tells_of_a_few_predictions():
    """Models that select three of forty rows: neither the rate nor its change is printed."""
    groups = np.repeat([0, 1, 2], [400, 40, 40])
    real = np.repeat([[1, 0, 1, 0, 1, 0]], [200, 200, 3, 37, 20, 20], axis=1).astype(bool)
    made = np.repeat([[1, 0, 1, 0, 1, 0]], [200, 200, 20, 20, 20, 20], axis=1).astype(bool)
    t = Table(Grouping("letter", ("a", "b", "c")), groups, np.zeros(480, int), real, made)

    assert t.told.tolist() == [True, False, False], "c would tell b where a total is known"
    assert Table(t.grouping, groups, t.y, made, made).told.all()


def test_the_rows_of_a_gap_do_not_count_small_groups():
    """A gap states all rows with a group, not those of the groups that take part."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["region"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    samples, train, holdout = (population(900, s) for s in (1, 2, 3))
    centre = holdout.index[holdout["region"] == "centre"]
    holdout = holdout.drop(centre[4:])
    findings = judged(NAME, case_of(samples, train, holdout, schema=schema))
    by_region = [f for f in findings if "region" in f.group]

    assert {f.estimate.n for f in by_region if f.metric in (GAP, ODDS)} == {len(holdout)}
    shown = [f for f in by_region if f.metric == SELECTION and f.estimate.value is not None]
    assert len(holdout) - sum(f.estimate.n for f in shown) > 10


def test_too_few_rows_are_no_verdict():
    """With a single learner a side, chance in training rows is unknown: doubt."""
    findings = judged(NAME, make_case("group_skewed", 1, n_train=250, n_samples=250))
    gap = next(f for f in findings if f.metric == GAP)

    assert gap.doubt is not None
    assert gap.verdict is Verdict.CANNOT_TELL


def test_one_label_gives_constant_models():
    """Samples without one outcome teach to predict the other for everybody: rate 1 or 0."""
    samples, train, holdout = (population(900, s) for s in (1, 2, 3))
    case = case_of(samples.assign(hired="yes"), train, holdout)
    found = comparison(case, Target.of(case.schema.target, case.train))

    assert found.selects(found.made).all()
    assert next(f for f in judged(NAME, case) if f.metric == GAP).estimate.value <= 0


def test_samples_without_labels_leave_no_finding_out():
    """Each metric is there, of each group, without a number and with the reason."""
    samples, train, holdout = (population(400, s) for s in (1, 2, 3))
    case = case_of(samples.drop(columns="hired"), train, holdout)
    for audit, metrics in (
        (downstream, {GAP, ODDS, SELECTION}), (cost, {COST_ACCURACY, COST_GAP})
    ):  # fmt: skip
        found = audit(case).findings

        assert {f.metric for f in found} == metrics
        assert {f.estimate.reason.id for f in found} == {"learners.no_target"}
        assert {tuple(f.group.values()) for f in found} >= {("Female",), ("Male",)}


def test_the_rows_that_would_tell():
    """A gap whose interval reaches both sides of its limit says how many real rows would tell."""
    plan = AuditPlan("gaps", audits=("bias.downstream", "bias.cost", "bias.conditional"))
    report = run(make_case("honest", 1), plan, Policy.read())
    wide = [f for _, f in report.findings() if f.reason and f.reason.id == "verdict.wide"]

    assert {f.metric for f in wide} >= {GAP}
    assert all(f.needed is not None and "rows" in f.needed.id for f in wide)
    assert all(f.needed.params["sizes"] for f in wide)


def test_both_sides_see_as_many_rows():
    """The larger side is cut to the size of the smaller one, in disjoint parts."""
    case = make_case("honest", 1, n_train=5000, n_samples=900, n_holdout=300)
    found = comparison(case, Target.of(case.schema.target, case.train))

    assert (found.n_learners, found.rows_each) == (4, 225)
    assert found.real.shape == found.made.shape == (4, 300, 2)


def test_nothing_to_predict_is_not_measured():
    """Without a sensitive column the outcome is empty and says so."""
    case = make_case("honest", 1)
    columns = [c.model_dump() for c in case.schema.columns]
    columns[0]["role"] = "feature"
    plain = case.schema.replace(columns=columns)
    outcome = downstream(case_of(population(100, 1), population(100, 2), population(100, 3),
                                 schema=plain))  # fmt: skip

    assert not outcome.findings
    assert outcome.not_measured


def skewed_in_one_region(n=3000):
    """Samples in which men of the north alone are always hired, with train and holdout."""
    samples, train, holdout = (population(n, s) for s in (1, 2, 3))
    lucky = (samples["sex"] == "Male") & (samples["region"] == "north")
    return case_of(samples.assign(hired=np.where(lucky, "yes", samples["hired"])), train, holdout)


AUDIT = "bias.downstream"


def strata_of(case, control="region"):
    """Stratum -> finding, of gaps within the strata of a control column."""
    findings = downstream(case, Options(control=control)).findings
    return {f.group[control]: f for f in findings if f.metric == STRATUM and ANY not in f.words}


def test_gaps_within_strata_equal_fairlearn_on_rows():
    """Ours by stratum, MetricFrame with control features, and a frame of each stratum's own rows.

    One learner, so that Fairlearn's own selection rate can be asked.
    """
    rng = np.random.default_rng(5)
    t, stratum = table(n=900, k=1), rng.integers(0, 4, 900)
    held = Table(t.grouping, t.group, t.y, t.real, t.made, stratum=stratum)
    frame = MetricFrame(metrics=selection_rate, y_true=t.y, y_pred=t.made[0],
                        sensitive_features=t.group, control_features=stratum)  # fmt: skip
    gaps = fairlearn_gaps(held, t.made[0].astype(float))

    assert sorted(gaps) == [0, 1, 2, 3]
    for s, gap in gaps.items():
        rows = stratum == s
        alone = demographic_parity_difference(
            t.y[rows], t.made[0][rows], sensitive_features=t.group[rows]
        )
        assert np.isclose(gap, alone)
        assert np.isclose(gap, frame.difference()[s])
        assert np.isclose(gap, fairlearn_gap(held.take(rows), parity_gap, t.made[0][rows] * 1.0))


def test_a_gap_within_one_stratum_is_found():
    """Men of the north are favoured: the gap grows there, and not surely in the east."""
    found = strata_of(skewed_in_one_region())

    assert found["north"].estimate.low > 0
    assert found["east"].estimate.low <= 0.05
    assert found["north"].null.low <= 0 <= found["north"].null.high


def test_strata_without_enough_people_are_named():
    """Five women of the centre, and one sex in the west: both strata are listed with a reason."""
    samples, train, holdout = (population(1500, s) for s in (1, 2, 3))
    women = holdout["sex"] == "Female"
    centre = holdout.index[women & (holdout["region"] == "centre")]
    west = holdout.index[women & (holdout["region"] == "west")]
    holdout = holdout.drop([*centre[5:], *west])
    found = strata_of(case_of(samples, train, holdout))

    assert set(found) == {"north", "east", "south", "west", "centre"}
    for stratum in ("west", "centre"):
        assert found[stratum].estimate.value is None
        assert found[stratum].estimate.reason.id == "bias.downstream.one_group_in_stratum"
    assert found["north"].estimate.value is not None


def test_strata_of_groups_that_may_not_be_told_of_say_so():
    """Of some 300 women of the west models say of three that they are paid: no pair there."""

    def rows(seed, n=2400):
        rng = np.random.default_rng(seed)
        men, west, x = rng.random(n) < 0.5, rng.random(n) < 0.25, rng.random(n)
        yes = x > np.where(west & ~men, 0.95, 0.5)
        return pd.DataFrame({"sex": np.where(men, "m", "f"), "noise": x,
                             "part": np.where(west, "west", "any two groups"),
                             "paid": np.where(yes, "yes", "no")})  # fmt: skip

    columns = {c.name: c.model_dump(exclude={"name"}) for c in PAID.columns}
    columns["part"] = {"kind": "categorical", "categories": ["west", "any two groups"]}
    case = case_of(rows(1), rows(2), rows(3), schema=Schema.from_dict({"columns": columns}))
    within = [f for f in downstream(case, Options(control="part")).findings if f.metric == STRATUM]
    west = [f for f in within if f.group["part"] == "west"]
    rest = [f for f in within if f.group["part"] != "west"]

    assert [f.estimate.value is None for f in west] == [False, True]
    assert west[1].estimate.reason.id == "bias.downstream.one_told_in_stratum"
    assert [is_any_two(f.words) for f in rest] == [False, True], "whatever a stratum is called"


def test_numbers_are_strata_by_quartiles():
    """An age is cut at its quartiles, whose names are words for a reader."""
    found = strata_of(make_case("honest", 1, n_train=900, n_holdout=900, n_samples=900), "age")

    assert len(found) == 4
    assert all(level in f.words for level, f in found.items())
    assert all(f.estimate.low <= 0 <= f.estimate.high for f in found.values())


def test_only_other_columns_control():
    """A column that is not there and the target are refused; the sensitive one is no stratum."""
    case = make_case("honest", 1, n_train=450, n_holdout=450, n_samples=450)
    for name in ("colour", "hired"):
        with pytest.raises(OptionError, match=f"not the target, got '{name}'; choose one of sex"):
            downstream(case, Options(control=name))
        plan = AuditPlan(audits=(AUDIT,), options={AUDIT: {"control": name}})
        with pytest.raises(OptionError, match=f"not the target, got '{name}'"):
            run(case, plan, Policy.read())
    outcome = downstream(case, Options(control="sex"))

    assert STRATUM not in {f.metric for f in outcome.findings}
    assert [m.id for m in outcome.not_measured] == ["bias.downstream.control_itself"]


def test_without_control_nothing_changes():
    """Strata stand beside the gaps over all rows, which are the same with and without them."""
    case = make_case("honest", 1, n_train=900, n_holdout=900, n_samples=900)
    plain, more = (downstream(case, Options(control=c)).findings for c in ("", "region"))

    assert tuple(f for f in more if f.metric != STRATUM) == plain


@pytest.mark.slow
def test_honest_samples_are_rarely_accused():
    """Over both bias audits fresh rows are outside in at most 1% of 100 draws (and 2 errors)."""
    accused, held = 0, []
    for seed in range(100):
        case = make_case("honest", 500 + seed, n_train=1200, n_holdout=1200, n_samples=1200)
        findings = [f for a in ("bias.representation", NAME) for f in judged(a, case)]
        accused += any(f.verdict is Verdict.OUTSIDE for f in findings)
        gap = next(f for f in findings if f.metric == GAP).estimate
        held.append(gap.low <= 0 <= gap.high)

    assert accused / 100 <= 0.01 + 2 * np.sqrt(0.01 * 0.99 / 100)
    assert np.mean(held) >= 0.9


@pytest.mark.slow
def test_honest_samples_of_two_columns_are_rarely_accused():
    """A table of a group and a coin, two learners a side: at most 1% of 100 (and 2 errors)."""
    columns = {
        "sex": {"kind": "categorical", "role": "sensitive", "categories": ["F", "M"]},
        "y": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
    }
    schema, accused, held = Schema.from_dict({"columns": columns}), 0, []

    def rows(rng):
        male = rng.random(500) < 0.5
        yes = rng.random(500) < np.where(male, 0.75, 0.5)
        return pd.DataFrame({"sex": np.where(male, "M", "F"), "y": np.where(yes, "yes", "no")})

    for seed in range(100):
        rng = np.random.default_rng([seed, 0xC017])
        case = case_of(*(rows(rng) for _ in range(3)), schema=schema, seed=seed)
        findings = [f for a in ("bias.representation", NAME) for f in judged(a, case)]
        accused += any(f.verdict is Verdict.OUTSIDE for f in findings)
        gap = next(f for f in findings if f.metric == GAP).estimate
        held.append(gap.low <= 0 <= gap.high)

    assert accused / 100 <= 0.01 + 2 * np.sqrt(0.01 * 0.99 / 100)
    assert np.mean(held) >= 0.935


def paid(rates, seed, n=3000):
    """Men and women who get the outcome at these rates, and a column that says nothing."""
    rng = np.random.default_rng(seed)
    men = rng.random(n) < 0.5
    yes = rng.random(n) < np.where(men, *rates)
    return pd.DataFrame({"sex": np.where(men, "m", "f"), "noise": rng.random(n),
                         "paid": np.where(yes, "yes", "no")})  # fmt: skip


PAID = Schema.from_dict(
    {
        "columns": {
            "sex": {"kind": "categorical", "role": "sensitive", "categories": ["f", "m"]},
            "noise": {"kind": "numeric", "bounds": [0, 1]},
            "paid": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
        }
    }
)


def test_groups_that_trade_places_are_outside():
    """As wide as before and the other way round: the sizes of both gaps do not differ."""
    samples, train, holdout = paid((0.1, 0.9), 1), paid((0.9, 0.1), 2), paid((0.9, 0.1), 3)
    gap, apart = limited(samples, train, holdout)
    same, alike = limited(train, train[::-1], holdout)

    assert abs(gap.estimate.value) < 0.01
    assert apart.estimate.value > 0.5
    assert apart.verdict is Verdict.OUTSIDE
    assert apart.note.english.endswith(
        " Of any two groups of sex, f (ahead now) and m have come apart most."
    )
    assert {same.verdict, alike.verdict} == {Verdict.WITHIN}


def limited(samples, train, holdout, schema=None):
    """What has a limit of models that learned from samples: the gap, and that of any two groups."""
    case = case_of(samples, train, holdout, schema=schema or PAID)
    return [f for f in judged(NAME, case) if f.limit]


def test_what_the_extremes_hide_is_seen():
    """Of four groups the two in the middle come apart by 20 points; the widest gap stays."""
    t = table(n=9000)
    group = np.random.default_rng(0).integers(0, 4, 9000)
    rng, real = np.random.default_rng(1), np.array([0.5, 0.5, 0.9, 0.1])
    made = np.array([0.6, 0.4, 0.9, 0.1])
    sides = [rng.random((4, 9000)) < p[group] for p in (real, made)]
    four = Table(Grouping("letter", tuple("abcd")), group, t.y, *sides)
    extremes, apart = (change(four, parity_gap, np.random.default_rng(2), 200)
                       for change in (extremes_change, apart_change))  # fmt: skip
    pairs = pairs_apart(four, parity_gap)

    assert extremes.high < 0.05
    assert apart.low > 0.1
    assert apart.low < 0.2 < apart.high
    assert pairs.furthest == (0, 1)


def test_any_two_groups_equal_fairlearn():
    """Rates of both sides by Fairlearn, and the largest of what each pair shows by a loop."""
    t = table(lift=(0.1, -0.2, 0.0))
    by = [MetricFrame(metrics=selection_rate, y_true=np.tile(t.y, len(side)),
                      y_pred=side.ravel(), sensitive_features=np.tile(t.group, len(side)))
          .by_group for side in (t.made, t.real)]  # fmt: skip
    naive = max(min(by[0][a] - by[0][b] - (by[1][a] - by[1][b]), by[0][a] - by[0][b])
                for a in range(3) for b in range(3) if a != b)  # fmt: skip

    found = apart_change(t, parity_gap, np.random.default_rng(0), 200)
    assert found.value == pytest.approx(naive)


def test_any_two_groups_of_equal_sides_are_not_accused():
    """The interval holds 0 in 95% of 100 draws (less 2 errors), of three groups near each other."""
    lows = [apart_change(table(seed=300 + seed), parity_gap, np.random.default_rng(seed), 200).low
            for seed in range(100)]  # fmt: skip

    assert np.mean(np.array(lows) <= 0) >= 0.975 - 2 * np.sqrt(0.025 * 0.975 / 100)


@pytest.mark.parametrize(
    ("lost", "kept", "says"),
    [("f", 0, "bias.downstream.few_labels"), ("f", 20, "bias.downstream.few_labels"),
     ("no", 0, "bias.alike"), ("no", 20, "bias.alike"), ("yes", 20, "bias.alike")],
)  # fmt: skip
def test_samples_that_teach_nothing_are_doubted(lost, kept, says):
    """(Nearly) no label in a group, or one outcome alone: a smaller gap is no merit of theirs."""
    samples, train, holdout = paid((0.6, 0.4), 1), paid((0.6, 0.4), 2), paid((0.6, 0.4), 3)
    gone = samples.index[(samples["sex"] == lost) | (samples["paid"] == lost)]
    samples.loc[gone[kept:], "paid"] = None
    case = case_of(samples, train, holdout, schema=PAID)
    found = [f for name in ("bias.downstream", "bias.cost") for f in judged(name, case)
             if f.limit and f.estimate.value is not None]  # fmt: skip

    assert len(found) > 2
    assert {f.doubt.id for f in found} == {says}
    assert Verdict.WITHIN not in {f.verdict for f in found}


def test_an_outcome_that_no_model_predicts_is_doubted():
    """One in twenty is paid: models of either side pay nobody, and so treat nobody worse."""
    case = case_of(*(paid((0.08, 0.02), s) for s in (1, 2, 3)), schema=PAID)
    gap, apart = (f for f in judged(NAME, case) if f.limit)
    [spent] = (f for f in judged("bias.cost", case) if f.limit)

    assert {gap.doubt.id, apart.doubt.id} == {"bias.downstream.undecided"}
    assert spent.doubt.id == "bias.cost.constant"
    assert spent.verdict is Verdict.CANNOT_TELL


def test_samples_that_lose_the_outcome_are_doubted():
    """One sample in two hundred is paid: models pay nobody any more, which is no fairness."""
    samples, train, holdout = (
        paid((0.006, 0.004), 1, 9000),
        paid((0.7, 0.6), 2),
        paid((0.7, 0.6), 3),
    )

    assert {f.verdict for f in limited(samples, train, holdout)} == {Verdict.CANNOT_TELL}


def test_a_harm_stands_whatever_samples_lacked():
    """No label of women among samples, and models that pay them all: doubted, and outside."""
    samples, train, holdout = (paid((0.4, 0.4), s, 6000) for s in (1, 2, 3))
    women = samples["sex"] == "f"
    samples.loc[women, "paid"] = None
    samples.loc[women, "noise"] /= 100
    samples.loc[~women & (samples["noise"] < 0.5), "paid"] = "yes"
    holdout.loc[holdout["sex"] == "f", "noise"] /= 2
    train.loc[train["sex"] == "f", "noise"] /= 2
    gap, apart = limited(samples, train, holdout)

    assert {gap.verdict, apart.verdict} == {Verdict.OUTSIDE}
    assert gap.doubt.id == "bias.downstream.few_labels"
    assert gap.hollow


def test_no_rate_that_is_hidden_is_told_by_a_pair():
    """Of forty people models of samples select two: their rate is no part of any difference."""
    groups = np.repeat([0, 1, 2], [1000, 40, 500])
    rng, shares = np.random.default_rng(0), np.array([[0.4, 0.05, 0.3], [0.1, 0.5, 0.3]])
    sides = [np.concatenate([rng.permutation(np.arange(n) < round(p * n)) for p, n in
                             zip(of, (1000, 40, 500), strict=True)]) for of in shares]  # fmt: skip
    t = Table(Grouping("letter", ("a", "b", "c")), groups, groups * 0,
              np.tile(sides[1], (4, 1)), np.tile(sides[0], (4, 1)))  # fmt: skip
    found = SimpleNamespace(doubt=None, data=(), target=None, n_learners=4, rows_shown=200)

    assert t.told.tolist() == [True, False, False]
    note = note_of_two(t, t.where(np.array([0])), parity_gap, found)
    assert note.english.endswith("as they would tell of a few people: b, c.")


def test_a_group_that_may_not_be_told_of_lets_nothing_pass():
    """Models of samples select five of b instead of half of them, and all others alike."""
    rates = {"a": 0.3, "b": 0.5, "c": 0.3, "d": 0.35}
    rng, n = np.random.default_rng(0), 2000

    def rows(made):
        group = np.repeat(list("abcd"), n)
        x = np.concatenate([rng.permutation(n) for _ in "abcd"])
        p = np.array([rates[g] for g in group])
        selected = np.where(made & (group == "b"), x < 5, x < p * n)
        return group, selected

    (group, real), (_, made) = rows(made=False), rows(made=True)
    codes = np.searchsorted(list("abcd"), group)
    t = Table(Grouping("letter", tuple("abcd")), codes, codes * 0 + (np.arange(4 * n) % 2),
              np.tile(real, (4, 1)), np.tile(made, (4, 1)))  # fmt: skip
    shown, large = t.where(np.flatnonzero(t.told)), np.arange(4)

    assert 1 not in shown.group
    assert left_out(shown, large).id == "bias.pairs.untold"
    assert left_out(t, large) is None


def test_rates_by_label_are_told_as_such():
    """Three of seventy without the favoured label are selected: no rate by label of that group."""
    group = np.repeat([0, 1], [400, 400])
    y = np.tile(np.repeat([0, 1], [70, 330]), 2)
    decided = np.zeros(800, dtype=bool)
    decided[70:270] = decided[470:670] = decided[:35] = decided[400:403] = True
    t = Table(Grouping("letter", ("a", "b")), group, y, np.tile(decided, (2, 1)),
              np.tile(decided, (2, 1)))  # fmt: skip

    assert t.told.tolist() == [True, True]
    assert not t.told_by_label.any()


def test_who_is_largest_does_not_matter_to_the_cost():
    """Models of samples are wrong about men, who are more: as bad as if they were fewer."""

    def rows(seed, men, noisy=0.0):
        rng = np.random.default_rng(seed)
        male, x = rng.random(4000) < men, rng.random(4000)
        yes = x + rng.normal(0, 0.2, 4000) > 0.5
        flipped = male & (rng.random(4000) < noisy)
        return pd.DataFrame({"sex": np.where(male, "m", "f"), "noise": x,
                             "paid": np.where(yes ^ flipped, "yes", "no")})  # fmt: skip

    for men in (0.3, 0.7):
        case = case_of(rows(1, men, 0.9), rows(2, men), rows(3, men), schema=PAID)
        [gap] = (f for f in judged("bias.cost", case) if f.limit)

        assert abs(gap.estimate.value) > 0.3
        assert gap.verdict is Verdict.OUTSIDE
