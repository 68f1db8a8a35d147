"""Groups among the samples: counts on paper, small groups, coverage, planted and honest."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_difference
from subjects import SCHEMA, case_of, judged, make_case, population

from genaudit.audits import find
from genaudit.audits.bias._groups import Grouping, GroupRates, Rate
from genaudit.audits.bias._labels import CHANGE, LABEL_GAP, label_gap, label_gap_change
from genaudit.audits.bias._pairs import of_rates
from genaudit.audits.bias._shares import INTERSECTION, SHARE, share_difference, share_finding
from genaudit.audits.bias._targets import TARGET, target_finding
from genaudit.audits.bias._trainings import Trainings
from genaudit.audits.bias.representation import representation
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, OptionError
from genaudit.policy import Policy
from genaudit.render.text import Text
from genaudit.result import Limit, Section, Status, Verdict, message
from genaudit.run import judge
from genaudit.stats.intervals import clopper_pearson, wilson

NAME = "bias.representation"
ANY = "any two groups"


def table(**groups):
    """Rows by group: `table(a=(hired, not hired))`, shuffled by nobody."""
    rows = [
        {"group": g, "hired": y}
        for g, (yes, no) in groups.items()
        for y in ["yes"] * yes + ["no"] * no
    ]
    return pd.DataFrame(rows)


LETTERS = Schema.from_dict(
    {
        "columns": {
            "group": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b", "c"]},
            "hired": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
        }
    }
)


def found(samples, train, metric, schema=LETTERS):
    """Findings of one metric by level of `group`, judged."""
    findings = judged(NAME, case_of(samples, train, schema=schema))
    return {f.group.get("group"): f for f in findings if f.metric == metric}


def test_shares_on_paper():
    """60 of 100 against 50 of 100 is +0.1; what one group gains the other loses."""
    samples, train = table(a=(30, 30), b=(20, 20)), table(a=(25, 25), b=(25, 25))

    shares = found(samples, train, SHARE)

    assert np.isclose(shares["a"].estimate.value, 0.1)
    assert np.isclose(shares["b"].estimate.value, -0.1)
    assert shares["a"].estimate.low < 0.1 < shares["a"].estimate.high
    assert shares["a"].estimate.n == 100


def test_label_gap_on_paper():
    """Group b trails the larger group a by 0.2 in real rows and by 0.5 among samples: -0.3."""
    train = table(a=(60, 40), b=(32, 48))
    samples = table(a=(80, 20), b=(30, 70))

    gaps = found(samples, train, CHANGE)

    assert set(gaps) == {"b", "c", ANY}
    assert np.isclose(gaps["b"].estimate.value, (0.3 - 0.8) - (0.4 - 0.6))
    assert gaps["b"].estimate.n == 80


def test_label_bias_of_samples_alone_on_paper():
    """Among samples group b trails a by 0.5, whatever real rows say; no limit, so no verdict."""
    gaps = found(table(a=(80, 20), b=(30, 70)), table(a=(60, 40), b=(32, 48)), LABEL_GAP)

    assert np.isclose(gaps["b"].estimate.value, -0.5)
    assert gaps["b"].verdict is Verdict.INFO
    assert gaps["b"].estimate == label_gap((Rate(30, 100), Rate(80, 100)))


def targets(samples, target, schema=LETTERS):
    """Findings of the share against a target, by level."""
    audit, case = find(NAME), case_of(samples, table(a=(50, 50), b=(50, 50)), schema=schema)
    options = audit.configure({"target": target})
    audit.check(case, options)
    return {f.group["group"]: f for f in audit(case, options).findings if f.metric == TARGET}


def test_shares_against_a_target_on_paper():
    """Half of the rows that state a group against 0.4; equal shares of three groups are thirds."""
    columns = [{**c.model_dump(), "nullable": c.name == "group"} for c in LETTERS.columns]
    rows = table(a=(30, 20), b=(30, 20), c=(10, 10))
    rows.loc[rows["group"] == "c", "group"] = None
    set_at = targets(
        rows, {"group": {"a": 0.4, "b": 0.6, "c": 0}}, LETTERS.replace(columns=columns)
    )
    equal = targets(table(a=(40, 20), b=(20, 10)), {"group": "equal"})

    assert np.isclose(set_at["a"].estimate.value, 0.1)
    assert np.isclose(set_at["b"].estimate.value, -0.1)
    assert set_at["a"].estimate.n == 100
    assert np.allclose([set_at["a"].estimate.low, set_at["a"].estimate.high],
                       np.subtract(wilson(50, 100, 0.95), 0.4))  # fmt: skip
    assert np.isclose(equal["a"].estimate.value, 2 / 3 - 1 / 3)
    assert np.isclose(equal["c"].estimate.value, -1 / 3)


def test_a_limit_judges_shares_against_a_target():
    """Without a limit a target is information; with one it is judged like other findings."""
    finding = targets(table(a=(800, 200), b=(100, 100)), {"group": "equal"})["a"]
    section = Section(audit=NAME, title=message("t", "T"), status=Status.RAN, findings=(finding,))
    limit = Limit(metric=TARGET, value=0.1, direction="abs", owner="o", rationale="r")

    [free] = judge([section], Policy(name="p", owner="o"))
    [limited] = judge([section], Policy(name="p", owner="o", limits=(limit,)))

    assert free.findings[0].verdict is Verdict.INFO
    assert limited.findings[0].verdict is Verdict.OUTSIDE


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"group": {"a": 0.5, "b": 0.4, "c": 0}}, "sum to 1 .they sum to 0.9"),
        ({"group": {"a": 1.5, "b": -0.5, "c": 0}}, "share between 0 and 1"),
        ({"group": "even"}, "'equal' or a share"),
        ({"group": {"a": True, "b": 0, "c": 0}}, "share between 0 and 1"),
        ("equal", "a table of sensitive columns"),
        ([], "a table of sensitive columns"),
        (({"group": "a", "share": 1},), "a table of sensitive columns"),
        ([{"group": "a"}], "cells with a share between 0 and 1"),
        ([{"share": 1}], "name a group of the same columns"),
        ([{"group": "a", "share": 0.5}, {"hired": "no", "share": 0.5}], "of the same columns"),
        ([{"group": "a", "share": 0.5}] * 2, "one share for each cell .a .group. has more"),
        ([{"group": "a", "share": 0.5}, {"group": "b", "share": 0.4}], "sum to 1 .they sum to 0.9"),
        ([{"grup": "a", "share": 1}], "expected sensitive columns .'group'., got 'grup'"),
        ([{"group": "d", "share": 1}], "has no group 'd'; expected a, b, c"),
        (
            [{"group": "a", "share": 0.5}, {"group": "b", "share": 0.5}],
            "c .group. has none; write 0",
        ),
        ({"grup": "equal"}, "expected sensitive columns .'group'., got 'grup'"),
        ({"hired": "equal"}, "expected sensitive columns"),
        ({"group": {"a": 0.5, "d": 0.5}}, "has no group 'd'; expected a, b, c"),
        ({"group": {"a": 0.5, "b": 0.5}}, "'c' has none; write 0"),
    ],
)
def test_bad_targets_are_refused(target, said):
    """One sentence says what was expected, what came and what to do."""
    with pytest.raises(OptionError, match=said):
        targets(table(a=(40, 20), b=(20, 10)), target)


def test_real_rows_of_one_outcome_are_refused():
    """No gap exists there; zeros would look like fairness."""
    case = case_of(table(a=(40, 20), b=(20, 10)), table(a=(0, 50), b=(0, 50)), schema=LETTERS)

    with pytest.raises(DataError, match="'hired' of train has the value 'no' alone"):
        find(NAME).check(case, find(NAME).configure({}))


def test_real_rows_without_the_favoured_outcome_are_refused():
    """Two of three outcomes are there, and the one that gaps are about is not."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["hired"] = {"kind": "categorical", "role": "target",
                        "categories": ["no", "later", "yes"]}  # fmt: skip
    rows = table(a=(50, 50), b=(50, 50)).replace({"yes": "later"})
    case = case_of(rows, rows, schema=Schema.from_dict({"columns": columns}))

    with pytest.raises(DataError, match="of train has the favoured outcome 'yes'"):
        find(NAME).check(case, find(NAME).configure({}))


TWO = Schema.from_dict(
    {
        "columns": {
            "group": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b"]},
            "sex": {"kind": "categorical", "role": "sensitive", "categories": ["f", "m"]},
        }
    }
)


def pairs(**cells):
    """Rows by group and sex: `af=40` is 40 rows of group a and sex f."""
    rows = [{"group": cell[0], "sex": cell[1]} for cell, n in cells.items() for _ in range(n)]
    return pd.DataFrame(rows)


def test_people_of_two_groups_at_once_have_a_target_on_paper():
    """40, 30 and 30 of 100 rows against a quarter each: +.15, +.05, +.05, and nobody is -.25."""
    case = case_of(pairs(af=40, am=30, bf=30), pairs(af=50, am=50, bf=50, bm=50), schema=TWO)
    cells = [{"group": g, "sex": s, "share": 0.25} for g in "ab" for s in "fm"]
    options = find(NAME).configure({"target": cells})
    find(NAME).check(case, options)

    found = {tuple(f.group.values()): f for f in find(NAME)(case, options).findings
             if f.metric == TARGET}  # fmt: skip

    off = {cell: round(f.estimate.value, 9) for cell, f in found.items()}
    assert off == {("a", "f"): 0.15, ("a", "m"): 0.05, ("b", "f"): 0.05, ("b", "m"): -0.25}
    assert all(f.estimate.low < off[c] < f.estimate.high or off[c] == -0.25
               for c, f in found.items())  # fmt: skip
    alone = find(NAME).configure({"target": {"sex": "equal"}})
    assert len([f for f in find(NAME)(case, alone).findings if f.metric == TARGET]) == 2


def test_people_of_two_groups_that_nobody_is_are_listed():
    """A cell that holds no row of either side is not estimable, and is there by its name."""
    both = pairs(af=40, am=30, bf=30)

    found = {tuple(f.group.values()): f for f in judged(NAME, case_of(both, both, schema=TWO))
             if f.metric == INTERSECTION}  # fmt: skip

    assert set(found) == {("a", "f"), ("a", "m"), ("b", "f"), ("b", "m")}
    assert found["b", "m"].estimate.reason is not None


def test_a_number_has_no_target():
    """A numeric sensitive column has no groups that a target could name."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["age"]["role"] = "sensitive"
    case = case_of(*(population(300, s) for s in (1, 2)), schema=Schema.from_dict(
        {"columns": columns}))  # fmt: skip
    options = find(NAME).configure({"target": {"age": "equal"}})

    with pytest.raises(OptionError, match="'age' is a number, which has no groups"):
        find(NAME).check(case, options)


def test_a_gap_that_halves_is_told_and_one_that_doubles_is_outside():
    """Group b trails a by 0.4 in real rows: by 0.2 among samples is `info`, by 0.6 `outside`."""
    train = table(a=(1600, 400), b=(800, 1200))
    halved = found(table(a=(1600, 400), b=(1200, 800)), train, CHANGE)["b"]
    wider = found(table(a=(1600, 400), b=(400, 1600)), train, CHANGE)["b"]

    assert halved.verdict is Verdict.INFO
    assert halved.reason.id == "verdict.reduced"
    assert wider.verdict is Verdict.OUTSIDE


def test_a_gap_that_turns_around_is_told_as_that():
    """Group b trails a by 0.4 in real rows and leads by 0.2 among samples: smaller, and turned.

    It is no pass: the lead is beyond the limit. One within it, which chance may give, is none.
    """
    train = table(a=(1600, 400), b=(800, 1200))
    turned = found(table(a=(800, 1200), b=(1200, 800)), train, CHANGE)["b"]
    level = found(table(a=(980, 1020), b=(1000, 1000)), train, CHANGE)["b"]

    assert (turned.verdict, turned.reason.id) == (Verdict.CANNOT_TELL, "verdict.turned")
    assert (level.verdict, level.reason.id) == (Verdict.INFO, "verdict.reduced")


def test_of_two_groups_the_scarce_one_is_named():
    """Samples without the group of reference: it is that one which is too small, not the other."""
    train = table(a=(400, 400), b=(200, 100))
    gap = found(table(b=(500, 500)), train, CHANGE)["b"]
    few = found(table(a=(10, 10), b=(500, 500)), train, CHANGE)["b"]

    assert gap.estimate.reason.params["group"] == "a (group)"
    assert few.doubt.params["group"] == "a (group)"


def test_so_many_rows_would_have_told():
    """200 rows cannot tell; with the number of rows that they ask for, the shares are within."""
    small = found(table(a=(50, 50), b=(50, 50)), table(a=(500, 500), b=(500, 500)), SHARE)["a"]
    assert small.verdict is Verdict.CANNOT_TELL
    rows = [int(w.params["n"]) for w in small.needed.words["sizes"].words.values()]
    made, real = rows if len(rows) == 2 else (rows[0], 2000)
    large = found(table(a=(made // 2, 0), b=(made // 2, 0)),
                  table(a=(real // 2, 0), b=(0, real // 2)), SHARE)["a"]  # fmt: skip

    assert large.verdict is Verdict.WITHIN


def test_the_reference_is_the_largest_real_group():
    """Samples in which another group is larger do not move the reference."""
    gaps = found(table(a=(20, 20), b=(90, 90)), table(a=(50, 50), b=(40, 40)), CHANGE)

    assert "a" not in gaps
    assert "and a in the rate" in gaps["b"].label.text_en.format(
        group="b", reference=gaps["b"].label.params["reference"], outcome="x"
    )


def test_few_people_are_neither_shown_nor_dropped():
    """Nine real people are `not estimable` by name, and so is the group that would tell of them."""
    train = table(a=(400, 400), b=(5, 4), c=(10, 10))
    samples = table(a=(400, 400), b=(40, 40), c=(10, 10))

    shares, gaps = found(samples, train, SHARE), found(samples, train, CHANGE)

    assert shares["b"].estimate.value is None
    assert "b (group)" in shares["b"].estimate.reason.params["group"]
    assert shares["b"].verdict is Verdict.CANNOT_TELL
    assert gaps["b"].estimate.value is None
    assert shares["c"].estimate.value is None, "b is what a and c leave over"
    assert gaps["c"].estimate.value is None
    assert {f.estimate.n for f in (*shares.values(), *gaps.values())} == {829}
    assert shares["a"].estimate.value is not None


def test_twenty_people_are_shown_without_a_verdict():
    """Twenty are enough for a number and too few for a judgement."""
    train = table(a=(400, 400), b=(40, 40), c=(10, 10))

    shares, gaps = found(train, train, SHARE), found(train, train, CHANGE)

    assert shares["c"].estimate.value is not None
    assert shares["c"].doubt is not None
    assert gaps["c"].estimate.value is not None
    assert gaps["c"].verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize("b", [(3, 37), (37, 3), (1, 39)])
def test_a_gap_does_not_tell_of_a_few_outcomes(b):
    """Three hired of forty are a small cell, however large the group: no gap, and no rate."""
    samples, train = table(a=(200, 200), b=(20, 20)), table(a=(200, 200), b=b)
    gaps = found(samples, train, CHANGE)
    figures = representation(case_of(samples, train, schema=LETTERS)).figures
    rates = next(f for f in figures if f.id == "bias.representation.label_rates")

    assert gaps["b"].estimate.value is None
    assert gaps["b"].estimate.low is None
    assert gaps["b"].null is None
    assert not [row for row in rates.rows if row[:2] == ("b (group)", "real") and row[2]]


def test_no_null_tells_of_a_few_unseen_people():
    """Four of a group in the holdout, or three hired of forty, have no null; others keep theirs."""
    train = table(a=(200, 200), b=(40, 40), c=(40, 40))
    for holdout, shares, gaps in (
        (table(a=(200, 200), b=(2, 2), c=(40, 40)), {"a"}, set()),
        (table(a=(200, 200), b=(3, 37), c=(40, 40)), {"a", "b", "c"}, set()),
        (table(a=(200, 200), b=(20, 20), c=(40, 40)), {"a", "b", "c"}, {"b", "c", ANY}),
    ):
        findings = judged(NAME, case_of(train, train, holdout, schema=LETTERS))
        for metric, expected in ((SHARE, shares), (CHANGE, gaps)):
            nulls = {f.group["group"] for f in findings if f.metric == metric and f.null}

            assert nulls == expected


def test_no_intersection_is_what_others_leave_over():
    """A small cell of two columns takes partners in its row and in its column along."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["remote"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    samples, train = population(500, 1), population(500, 2)
    few = np.flatnonzero((train["sex"] == "Female") & train["remote"])
    findings = judged(NAME, case_of(samples, train.drop(few[5:]), schema=schema))
    crossed = [f for f in findings if f.metric == INTERSECTION]

    assert len(crossed) == 4
    assert all(f.estimate.value is None for f in crossed)


def test_a_group_that_vanished_is_outside():
    """No generated row of a group with 200 real people is no reason for silence."""
    shares = found(table(a=(300, 300)), table(a=(200, 200), b=(100, 100)), SHARE)

    assert shares["b"].verdict is Verdict.OUTSIDE
    assert (shares["b"].doubt.id, shares["b"].hollow) == ("bias.halved", True)


def test_no_text_or_figure_tells_of_a_few_people():
    """The exact count of a group of nine stands nowhere in the outcome."""
    train = table(a=(400, 400), b=(5, 4))
    outcome = representation(case_of(table(a=(400, 400), b=(9, 9)), train, schema=LETTERS))

    shares = next(f for f in outcome.figures if f.id == "bias.representation.shares")
    shown = {row[0]: row[2] for row in shares.rows if row[1] == "real"}

    assert shown["b (group)"] is None
    assert shown["a (group)"] is None, "what is left over tells as much"
    assert "0.01112" not in str(outcome)


def test_missing_groups_are_a_group():
    """People who state nothing are counted as such, and shares keep them in the denominator."""
    columns = [{**c.model_dump(), "nullable": c.name == "group"} for c in LETTERS.columns]
    schema = LETTERS.replace(columns=columns)
    train, samples = table(a=(50, 50), b=(50, 50)), table(a=(50, 50), b=(50, 50))
    samples.loc[:49, "group"] = None

    shares = found(samples, train, SHARE, schema)

    assert np.isclose(shares["(not stated)"].estimate.value, 0.25)
    assert np.isclose(shares["a"].estimate.value, -0.25)


def test_numbers_are_grouped_by_name():
    """A numeric sensitive column is cut at quartiles of the real rows, and says where."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["age"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    train = Dataset.of(population(4000, 1), schema)
    grouping = Grouping.of(schema["age"], train)

    assert len(grouping.levels) == 4
    assert grouping.levels[0].startswith("below ")
    assert np.allclose(grouping.counts(train) / 4000, 0.25, atol=0.03)


@pytest.mark.parametrize("name", [NAME, "bias.downstream", "bias.differential_fairness"])
def test_a_number_is_never_cut_in_silence(name):
    """Whoever looks at groups of a number says that they were made, and how."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["age"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    case = case_of(*(population(300, s) for s in (1, 2, 3)), schema=schema)

    said = [m.english for m in find(name)(case).not_measured if m.id == "bias.within_bands"]

    assert len(said) == 1
    assert "groups of age" in said[0]
    assert "quartiles" in said[0]


def test_one_group_among_samples_is_a_finding():
    """A group that samples lack has lost its share, and a gap to it is not estimable: never 0."""
    train = table(a=(150, 150), b=(50, 150))
    shares, gaps, changes = (
        found(table(a=(200, 200)), train, metric)["b"] for metric in (SHARE, LABEL_GAP, CHANGE)
    )

    assert shares.verdict is Verdict.OUTSIDE
    assert np.isclose(shares.estimate.value, -0.4)
    for finding in (gaps, changes):
        assert finding.estimate.value is None
        assert "b (group)" in finding.estimate.reason.params["group"]
    assert changes.verdict is Verdict.CANNOT_TELL


def test_a_group_of_samples_without_labels_is_a_finding():
    """Its share is there, its rate is not: no gap of 0 or 1."""
    columns = [{**c.model_dump(), "nullable": True} for c in LETTERS.columns]
    schema, train = LETTERS.replace(columns=columns), table(a=(150, 150), b=(50, 150))
    samples = table(a=(150, 150), b=(100, 100))
    samples.loc[samples["group"] == "b", "hired"] = None

    assert found(samples, train, SHARE, schema)["b"].estimate.value is not None
    assert found(samples, train, CHANGE, schema)["b"].estimate.value is None
    assert found(samples, train, CHANGE, schema)["b"].verdict is Verdict.CANNOT_TELL


def test_bands_of_numbers_are_words():
    """A band has its Chinese beside it in group, label and chart; a column's own levels do not."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["age"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    outcome = representation(case_of(*(population(300, s) for s in (1, 2, 3)), schema=schema))
    zh = Text("zh")
    shares = [f for f in outcome.findings if f.metric == SHARE]
    band = next(f for f in shares if f.group.get("age", "").startswith("below "))
    sex = next(f for f in shares if f.group == {"sex": "Female"})

    assert zh(band.words[band.group["age"]]).endswith("以下")
    assert "以下（age）" in zh(band.label)
    assert "below" not in zh(band.label)
    assert sex.words == {}
    assert "Female (sex)" in zh(sex.label)
    assert f"{band.group['age']} (age)" in outcome.figures[0].words


def test_rates_equal_a_loop_and_fairlearn():
    """Counts by cell give the demographic parity difference that Fairlearn gets from rows."""
    rng = np.random.default_rng(3)
    groups, labels = rng.integers(0, 3, 500), rng.integers(0, 2, 500)
    rates = GroupRates.of(groups, labels, 4)
    naive = [(labels[groups == g].sum(), (groups == g).sum()) for g in range(4)]

    values = [rates[g].value for g in range(3)]

    assert list(zip(rates.k, rates.n, strict=True)) == naive
    assert np.isclose(
        max(values) - min(values),
        demographic_parity_difference(labels, labels, sensitive_features=groups),
    )


def test_intersections_are_listed():
    """Two sensitive columns give a finding for each pair that anybody belongs to."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["remote"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    parts = [population(500, s) for s in (1, 2)]
    findings = judged(NAME, case_of(*parts, schema=schema))
    crossed = [f for f in findings if f.metric == INTERSECTION]

    assert len(crossed) == 4
    assert all(set(f.group) == {"sex", "remote"} for f in crossed)
    assert np.isclose(sum(f.estimate.value for f in crossed), 0, atol=1e-9)


def test_intersections_are_a_map_with_counts():
    """Each cell holds the finding's numbers and how many generated rows it has, few of them not."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["remote"]["role"] = "sensitive"
    schema = Schema.from_dict({"columns": columns})
    real, made = (population(500, s) for s in (1, 2))
    few = (made["sex"] == "Female") & made["remote"]
    made = made[~few | (few.cumsum() <= 4)]
    outcome = representation(case_of(made, real, schema=schema))
    drawn = next(f for f in outcome.figures if f.kind == "heatmap")
    found = {tuple(f.group.values()): f.estimate for f in outcome.findings
             if f.metric == INTERSECTION}  # fmt: skip
    counts = made.groupby(["sex", "remote"]).size()

    assert len(drawn.rows) == 4
    for sex, remote, *numbers, n in drawn.rows:
        e = found[sex, remote]
        true = counts[sex, remote.lower() == "true"]
        assert numbers == [e.value, e.low, e.high]
        assert n == (None if true < 10 else true)
    assert sum(n is None for *_, n in drawn.rows) == 1


def test_nothing_sensitive_is_not_measured():
    """Without sensitive columns, or a target, the outcome says what it could not look at."""
    columns = [{**c.model_dump(), "role": "feature"} for c in LETTERS.columns]
    plain, rows = LETTERS.replace(columns=columns), table(a=(30, 30), b=(30, 30))
    no_groups = representation(case_of(rows, rows, schema=plain))
    columns[0]["role"] = "sensitive"
    no_target = representation(case_of(rows, rows, schema=plain.replace(columns=columns)))

    assert not no_groups.findings
    assert no_groups.not_measured
    assert {f.metric for f in no_target.findings} == {SHARE}
    assert no_target.not_measured


@pytest.mark.parametrize(("p", "n", "m"), [(0.02, 2000, 1500), (0.5, 100, 100)])
def test_share_differences_cover(p, n, m):
    """95% intervals between equal shares hold zero in 93 to 97% of 1,000 draws."""
    rng = np.random.default_rng(5)
    made, real = rng.binomial(n, p, 1000).tolist(), rng.binomial(m, p, 1000).tolist()
    estimates = [
        share_difference(Rate(a, n), Rate(b, m)) for a, b in zip(made, real, strict=True)
    ]  # fmt: skip
    held = np.mean([e.low <= 0 <= e.high for e in estimates])

    assert 0.93 <= held <= 0.97


def test_equal_shares_and_gaps_are_within():
    """With 20,000 rows a side, equal groups are within their limits, not merely unproven."""
    e = share_difference(Rate(6_600, 20_000), Rate(6_600, 20_000))
    gap = label_gap_change(
        (Rate(3_000, 6_600), Rate(8_000, 13_400)), (Rate(3_000, 6_600), Rate(8_000, 13_400))
    )

    assert e.high < 0.03
    assert gap.high < 0.05
    honest = judged(NAME, make_case("honest", 3, n_train=20_000, n_samples=20_000, n_holdout=50))
    assert {f.verdict for f in honest if f.limit} == {Verdict.WITHIN}


def test_a_skewed_sample_is_flagged():
    """Half of the women lost and men favoured: shares and the label gap are outside."""
    for seed in range(5):
        findings = judged(NAME, make_case("group_skewed", seed, n_train=1500, n_samples=1500))
        outside = {f.metric for f in findings if f.verdict is Verdict.OUTSIDE}

        assert outside == {SHARE, CHANGE}


def test_an_amplified_gap_alone_is_flagged():
    """Equal shares with a wider gap in the label: the gap is outside, the shares are not."""
    samples, train, holdout = (population(3000, s) for s in (1, 2, 3))
    women = samples["sex"] == "Female"
    samples.loc[women & (np.arange(3000) % 2 == 0), "hired"] = "no"
    findings = judged(NAME, case_of(samples, train, holdout))

    assert {f.metric for f in findings if f.verdict is Verdict.OUTSIDE} == {CHANGE}
    gap = next(f for f in findings if f.metric == CHANGE)
    assert gap.estimate.value < -0.1, "women fall further behind: negative"


@pytest.mark.slow
def test_honest_samples_are_rarely_accused():
    """Fresh rows are outside in no more than 1% of 40 draws (and two standard errors)."""
    accused = [
        any(f.verdict is Verdict.OUTSIDE for f in judged(NAME, make_case("honest", s)))
        for s in range(40)
    ]

    assert np.mean(accused) <= 0.01 + 2 * np.sqrt(0.01 * 0.99 / 40)


FLAGS = Schema.from_dict(
    {
        "columns": {
            "disabled": {"kind": "integer", "bounds": [0, 1], "role": "sensitive"},
            "hired": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
        }
    }
)


def test_a_number_that_most_rows_share_still_makes_groups():
    """One in five is 1: below 1 and 1 and above; nobody is in a band by name alone."""

    def rows(ones):
        return pd.DataFrame({"disabled": [1] * ones + [0] * (2000 - ones),
                             "hired": ["yes", "no"] * 1000})  # fmt: skip

    found = {f.group["disabled"]: f
             for f in judged("bias.representation", case_of(rows(40), rows(400), schema=FLAGS))
             if f.metric == "bias.representation.share_difference"}  # fmt: skip

    assert set(found) == {"below 1", "1 and above"}
    assert {f.verdict for f in found.values()} == {Verdict.OUTSIDE}
    assert found["1 and above"].estimate.value == pytest.approx(-0.18)


def test_one_outcome_among_samples_is_no_fairness():
    """All are hired: no gap is left, and nothing is concluded from that."""
    train = table(a=(1600, 400), b=(1590, 410))
    for metric in (LABEL_GAP, CHANGE):
        for few in (0, 20):
            gap = found(table(a=(2000 - few, few), b=(2000, 0)), train, metric)["b"]
            assert gap.doubt.id == "bias.alike"
            assert gap.hollow
            assert gap.verdict is not Verdict.WITHIN
        gap = found(table(a=(1970, 30), b=(1970, 30)), train, metric)["b"]
        assert gap.doubt is None


def test_a_gap_between_two_others_is_seen():
    """Each of two groups moved by 4 points against the largest, within 5; against each other 8."""
    train = table(a=(60000, 60000), b=(25000, 25000), c=(25000, 25000))
    samples = table(a=(60000, 60000), b=(27000, 23000), c=(23000, 27000))
    gaps = found(samples, train, CHANGE)

    assert {gaps[g].verdict for g in "bc"} == {Verdict.WITHIN}
    assert gaps[ANY].estimate.value == pytest.approx(0.08)
    assert gaps[ANY].verdict is Verdict.OUTSIDE
    assert (
        gaps[ANY].note.english
        == "Of any two groups of group, b (ahead now) and c have come apart most."
    )
    assert gaps[ANY].words[ANY].id == "group.any_two"


@pytest.mark.parametrize(
    ("b", "c", "apart", "verdict"),
    [
        ((27000, 23000), (23000, 27000), 0.08, Verdict.OUTSIDE),  # turned around
        ((25000, 25000), (25000, 25000), 0.0, Verdict.WITHIN),  # closed
        ((21000, 29000), (29000, 21000), 0.0, Verdict.WITHIN),  # as before
    ],
)
def test_what_closes_between_others_is_no_harm(b, c, apart, verdict):
    """Real rows have them 16 points apart."""
    train = table(a=(60000, 60000), b=(21000, 29000), c=(29000, 21000))
    gap = found(table(a=(60000, 60000), b=b, c=c), train, CHANGE)[ANY]

    assert gap.estimate.value == pytest.approx(apart)
    assert gap.verdict is verdict


def test_groups_that_are_few_are_named():
    """Of four groups one has twenty rows: three are compared, and the fourth is named."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["group"]["categories"] = ["a", "b", "c", "d"]
    schema = Schema.from_dict({"columns": columns})
    rows = table(a=(200, 200), b=(50, 50), c=(50, 50), d=(12, 12))
    gap = found(rows, rows, CHANGE, schema)[ANY]
    none = found(rows, table(a=(200, 200), b=(12, 12), c=(12, 12), d=(12, 12)), CHANGE, schema)

    assert gap.estimate.value is not None
    assert gap.note.english.endswith(" would tell of a few people: d.")
    assert none[ANY].estimate.reason.id == "bias.pairs.one_group"


def test_pairs_by_a_loop():
    """Limits of a pair are those of four exact intervals combined, or of the trainings' gaps."""
    made, real = ([Rate(k, 400) for k in of] for of in ((100, 180, 0), (120, 150, 170)))
    pairs = of_rates(made, real)
    low, high = pairs.limits[0](0.025)
    for p, (i, j) in enumerate(zip(pairs.one, pairs.other, strict=True)):
        value, below, above = 0.0, 0.0, 0.0
        for sign, rate in ((1, made[i]), (-1, made[j]), (-1, real[i]), (1, real[j])):
            ends = [x - rate.value for x in clopper_pearson(rate.k, rate.n, 0.95)]
            down, up = sorted(sign * x for x in ends)
            value, below, above = value + sign * rate.value, below + down**2, above + up**2
        assert (low[p], high[p]) == pytest.approx((value - below**0.5, value + above**0.5))

    each = [[Rate(k, 400) for k in (100 + d, 180, 240 - d)] for d in (-40, 0, 40)]
    pairs = of_rates(made, (), each)
    low, high = pairs.limits[0](0.025)
    for p, (i, j) in enumerate(zip(pairs.one, pairs.other, strict=True)):
        alone = Trainings.of([[(1, r[i]), (-1, r[j])] for r in each])
        assert (low[p], high[p]) == pytest.approx(alone.interval(0.95))


def test_trainings_that_agree_but_for_rounding_are_not_sure():
    """Three gaps of a third from other counts: equal on paper, and not in binary."""
    alike = Trainings.of([[(1, Rate(15 + k, 30)), (-1, Rate(5 + k, 30))] for k in (0, 1, 3)])
    low, high = alike.interval(0.95)

    assert high - low > 0.3


def test_a_group_of_our_name_is_a_group():
    """Levels may be called as our words are: no audit crashes, and both are told apart."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["group"]["categories"] = ["a", "b", ANY, "any two groups (of all)"]
    schema = Schema.from_dict({"columns": columns})
    rows = table(a=(300, 300), b=(200, 200), c=(150, 150)).replace({"c": ANY})
    levels = [f.group["group"] for f in judged(NAME, case_of(rows, rows, schema=schema))
              if f.metric == CHANGE]  # fmt: skip

    assert len(levels) == len(set(levels)) == 4


def test_a_category_called_not_stated_is_one():
    """Beside those who state none, who are called otherwise then."""
    columns = [{**c.model_dump(), "nullable": c.name == "group"} for c in LETTERS.columns]
    columns[0]["categories"] = ["a", "(not stated)"]
    rows = table(a=(60, 60), b=(40, 40), c=(30, 30)).replace({"b": "(not stated)"})
    rows.loc[rows["group"] == "c", "group"] = None
    found = judged(NAME, case_of(rows, rows, schema=LETTERS.replace(columns=columns)))
    shares = {f.group["group"]: f.estimate.n for f in found if f.metric == SHARE}

    assert set(shares) == {"a", "(not stated)", "(not stated) (missing)"}


def test_a_large_group_that_may_not_be_told_of_lets_nothing_pass():
    """Five of 2,000 of b were favoured, and now as many as of any other: not known, so no pass."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["group"]["categories"] = list("abcd")
    schema = Schema.from_dict({"columns": columns})
    real = table(a=(1200, 800), b=(5, 1995), c=(1200, 800), d=(1200, 800))
    made = table(**dict.fromkeys("abcd", (1200, 800)))
    gap = found(made, real, CHANGE, schema)[ANY]

    assert gap.estimate.value is None or (gap.verdict, gap.doubt.id) == (
        Verdict.CANNOT_TELL, "bias.pairs.untold"
    )  # fmt: skip


@pytest.mark.parametrize("kept", [{}, {"d": (14, 11)}, {"d": (60000, 40000), "e": (14, 11)}])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_large_group_that_is_small_on_the_other_side_lets_nothing_pass(kept, swapped):
    """A group is (nearly) gone, or came (nearly) from nowhere: the others are as before.

    One that is small on both sides is named, and in nobody's way.
    """
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["group"]["categories"] = list("abcde")
    schema = Schema.from_dict({"columns": columns})
    rest = dict.fromkeys("abc", (60000, 40000))
    many, few = table(**rest, d=(60000, 40000), e=(14, 11)), table(**rest, **kept)
    gap = found(*((many, few) if swapped else (few, many)), CHANGE, schema)[ANY]

    assert gap.estimate.high < 0.05
    if "e" in kept:
        assert (gap.verdict, gap.doubt) == (Verdict.WITHIN, None)
    else:
        assert (gap.verdict, gap.doubt.id) == (Verdict.CANNOT_TELL, "bias.pairs.untold")
        assert gap.doubt.english.endswith(" (d): whether they have come apart is not known.")
        assert gap.note.english.endswith(" would tell of a few people: d, e.")


def test_a_large_group_that_lost_its_labels_lets_nothing_pass():
    """Of 1,000 samples of d twenty have a label; those of a, b and c are as before."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["group"]["categories"] = list("abcd")
    columns["hired"]["nullable"] = True
    schema = Schema.from_dict({"columns": columns})
    real = table(**dict.fromkeys("abc", (60000, 40000)), d=(600, 400))
    made = real.assign(hired=real["hired"].mask((real["group"] == "d") & (real.index % 50 > 0)))
    for metric in (LABEL_GAP, CHANGE):
        gap = found(made, real, metric, schema)[ANY]

        assert gap.doubt.id == "bias.pairs.untold"
        assert gap.hollow


def test_a_large_group_without_labels_on_both_sides_lets_nothing_pass():
    """Of 1,000 rows of d on each side 28 have a label: by these alone it is large nowhere."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["group"]["categories"] = list("abcd")
    columns["hired"]["nullable"] = True
    schema = Schema.from_dict({"columns": columns})
    rows = table(**dict.fromkeys("abc", (60000, 40000)), d=(14, 14))
    rest = pd.DataFrame({"group": ["d"] * 972, "hired": [None] * 972})
    rows = pd.concat([rows, rest], ignore_index=True)
    gap = found(rows, rows, CHANGE, schema)[ANY]

    assert gap.estimate.high < 0.05
    assert (gap.verdict, gap.doubt.id) == (Verdict.CANNOT_TELL, "bias.pairs.untold")


@pytest.mark.parametrize("lost", [0.0, 0.01, 0.6])
def test_who_lost_the_outcome_lets_nothing_pass(lost):
    """Of those who were favoured in a group many have no outcome now: rates of the rest agree."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["hired"]["nullable"] = True
    schema = Schema.from_dict({"columns": columns})
    real = table(a=(5000, 5000), b=(5000, 5000))
    rng = np.random.default_rng(0)
    made = real.assign(
        hired=real["hired"].mask((real["group"] == "b") & (rng.random(len(real)) < lost))
    )
    for metric, group in ((LABEL_GAP, "b"), (CHANGE, "b"), (CHANGE, ANY)):
        gap = found(made, real, metric, schema)[group]

        if metric == CHANGE:
            assert gap.verdict is (Verdict.CANNOT_TELL if lost > 0.5 else Verdict.WITHIN)
        assert (gap.doubt is not None and gap.doubt.id == "bias.unlabelled") == (lost > 0.5)
        if lost > 0.5:
            assert gap.hollow
            assert "hired in these groups: b." in gap.doubt.english
    assert all(f.doubt is None for f in found(real, made, CHANGE, schema).values())


@pytest.mark.parametrize(
    ("c", "gone"),
    [((0, 0), True), ((5, 4), True), ((20, 60), True), ((30, 75), False), ((50, 130), False)],
)
def test_a_group_that_is_gone_passes_no_limit(c, gone):
    """Two per cent of real rows: less than half are left, and the share moved within the limit."""
    rest = {"a": (2000, 4000), "b": (2000, 1000)}
    share = found(table(**rest, c=c), table(**rest, c=(50, 130)), SHARE)["c"]
    new = found(table(**rest, c=(50, 130)), table(**rest, c=c), SHARE)["c"]

    assert share.verdict is (Verdict.CANNOT_TELL if gone else Verdict.WITHIN)
    assert (share.doubt is not None and share.doubt.id == "bias.halved") == gone
    if sum(c) != 9:
        assert new.verdict is share.verdict
    else:
        assert new.estimate.reason is not None, "nine real rows are not told"


def test_a_group_that_is_gone_in_all_trainings_passes_no_limit():
    """Nobody in three trainings, and by a target that wanted two per cent."""
    none, real = Rate(0, 9000), Rate(180, 9180)
    lost = share_finding({"group": "c"}, none, real, each=[Rate(0, 3000)] * 3)
    aimed = target_finding({"group": "c"}, none, 0.02)

    assert {f.doubt.id for f in (lost, aimed)} == {"bias.halved"}
    assert lost.hollow
    assert aimed.hollow
    assert target_finding({"group": "c"}, none, 0.0).doubt is None


def test_few_samples_of_a_small_group_are_not_gone():
    """By its share three of 100 samples would be of c: none is no wonder."""
    real, made = table(a=(2000, 4000), b=(2000, 1000), c=(50, 130)), table(a=(20, 40), b=(20, 20))
    share = found(made, real, SHARE)["c"]

    assert share.doubt is None


def test_categories_that_are_no_groups_are_refused():
    """Incomes that were declared as categories: of none are there ten rows."""
    names = [f"{i}.5" for i in range(600)]
    columns = {c.name: c.model_dump(exclude={"name"}) for c in LETTERS.columns}
    columns["group"]["categories"] = names
    rows = pd.DataFrame({"group": names * 2, "hired": ["yes", "no", "no"] * 400})
    case = case_of(rows, rows, schema=Schema.from_dict({"columns": columns}))

    for audit in (NAME, "bias.differential_fairness"):
        with pytest.raises(DataError, match="has 600 categories, none of which 10 rows share"):
            find(audit).check(case, find(audit).configure({}))


def test_a_harm_is_in_no_doubt_for_want_of_the_outcome():
    """None of a is favoured among samples, and 29 of 69 of b; among real rows both are alike."""
    samples, train = table(a=(0, 2000), b=(29, 40)), table(a=(600, 1400), b=(30, 70))
    gaps = found(samples, train, CHANGE)

    assert {gaps[g].verdict for g in ("b", ANY)} == {Verdict.OUTSIDE}


def test_rare_outcomes_are_in_no_pair_too_soon():
    """One of eight groups of thirty has a case by chance: the largest gap is at least zero."""
    rng, missed = np.random.default_rng(0), 0
    for _ in range(400):
        made = [Rate(int(rng.binomial(n, 0.0015)), n) for n in (20_000, *(30,) * 8)]
        missed += of_rates(made).estimate(n=1, method="toy", unit="").low > 0

    assert missed / 400 <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / 400)


def test_numbers_that_print_alike_are_still_bands():
    """Quartiles of 1,700,000,000 and a few more, which six digits do not tell apart."""
    schema = Schema.from_dict({"columns": {
        "since": {"kind": "numeric", "role": "sensitive"},
        "hired": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
    }})  # fmt: skip
    rows = pd.DataFrame({"since": 1_700_000_000 + np.arange(400.0), "hired": ["yes", "no"] * 200})
    levels = {f.group["since"] for f in judged(NAME, case_of(rows, rows, schema=schema))}

    assert "below 1700000100" in {level[:16] for level in levels}
    assert len(levels) >= 4
