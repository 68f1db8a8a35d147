"""Each method on rows whose answer fits on paper, and on rows whose groups differ."""

from __future__ import annotations

import inspect
import pkgutil
from collections import Counter
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from rows import SCHEMA, counted, draw, frame, rate, samples

import genaudit.mitigation
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Role
from genaudit.errors import DataError, GenauditWarning, OptionError
from genaudit.mitigation.balance import balance
from genaudit.mitigation.groups import Groups
from genaudit.mitigation.method import Mitigation
from genaudit.mitigation.reject import reject
from genaudit.mitigation.repair import repair, tuned
from genaudit.mitigation.resample import resample
from genaudit.mitigation.reweigh import reweigh, weights
from genaudit.mitigation.target import TargetTable, apportioned

HALF = TargetTable.of({"sex": "equal"}, SCHEMA)


def test_no_function_takes_a_real_row() -> None:
    """All that a public function takes of data is `samples`, or a generator to draw them from."""
    for info in pkgutil.iter_modules(genaudit.mitigation.__path__, "genaudit.mitigation."):
        module = import_module(info.name)
        for _, thing in inspect.getmembers(module, callable):
            if getattr(thing, "__module__", "") != info.name:
                continue
            for name, each in inspect.signature(thing).parameters.items():
                assert not {"train", "holdout", "real", "auxiliary"} & {name}, (info.name, name)
                if each.annotation in ("Dataset", Dataset):
                    assert name == "samples", (info.name, thing)


def test_shares_of_a_target_are_met_to_a_row() -> None:
    """Half women of 3 and 9 rows: no row again before all others of its group, and none thrice."""
    data = counted(F_no=2, F_yes=1, M_no=4, M_yes=5)

    found = resample(data, HALF, seed=1)

    assert Groups.of(found.samples, ("sex",)).counts.tolist() == [6, 6]
    assert found.rows is not None
    assert Counter(found.rows[found.rows < 3].tolist()) == {0: 2, 1: 2, 2: 2}
    assert found.cost["most_uses"] == 2
    assert found.cost["used_again"] == 3
    pd.testing.assert_frame_equal(
        found.samples.frame, data.frame.iloc[found.rows].reset_index(drop=True)
    )


def test_it_says_how_many_samples_would_do() -> None:
    """One woman among ten may be used twice: four rows are half women, and ten need 25 samples."""
    data = counted(F_no=1, M_no=5, M_yes=4)

    with pytest.warns(GenauditWarning, match="Only 4 of 10 rows.*1 samples of sex = F.*about 25"):
        found = resample(data, HALF)

    assert Groups.of(found.samples, ("sex",)).counts.tolist() == [2, 2]
    assert len(resample(data, HALF, most_uses=5).samples) == 10


@pytest.mark.parametrize("method", [resample, reject])
def test_a_group_without_a_row_cannot_be_resampled(method: object) -> None:
    """Nothing makes rows of it but the generator."""
    crossed = TargetTable.of("equal", SCHEMA, ("sex", "paid"))

    with pytest.raises(DataError, match="samples of sex = F, paid = yes"):
        method(counted(F_no=3, M_no=3, M_yes=3), crossed)  # type: ignore[operator]  # one of two


def test_one_group_alone_is_refused() -> None:
    """No silent 0 or 1."""
    alone = counted(M_no=3, M_yes=4)
    for how in (
        lambda: resample(alone, HALF),
        lambda: reject(alone, HALF),
        lambda: reweigh(alone, ("sex",)),
        lambda: weights(alone, ("sex",)),
        lambda: repair(alone, ("sex",), 0.5),
    ):
        with pytest.raises(DataError, match=r"at least two groups of sex.*of one \(sex = M\)"):
            how()


def test_weights_are_those_of_kamiran_and_calders() -> None:
    """P(group) P(outcome) / P(group, outcome), counted by hand: 4 women, 1 paid; 6 men, 4 paid."""
    data = counted(F_no=3, F_yes=1, M_no=2, M_yes=4)

    found = weights(data, ("sex",))

    by_hand = [0.4 * 0.5 / 0.3] * 3 + [0.4 * 0.5 / 0.1] + [0.6 * 0.5 / 0.2] * 2
    assert found == pytest.approx(by_hand + [0.6 * 0.5 / 0.4] * 4)
    assert found.mean() == pytest.approx(1)


def test_a_row_without_a_group_weighs_one() -> None:
    """It says nothing of any, and is not thrown away."""
    raw = counted(F_no=3, F_yes=1, M_no=2, M_yes=4).to_frame()
    raw.loc[0, "sex"] = None
    found = weights(Dataset.of_samples(raw, SCHEMA), ("sex",))

    assert found[0] == 1.0


def test_reweighed_samples_pay_groups_alike() -> None:
    """As weights, and as rows that follow them."""
    data = samples(4000)
    assert rate(data, "M") - rate(data, "F") > 0.2

    kept = reweigh(data, ("sex",), keep_rows=True)
    rows = reweigh(data, ("sex",), n=3000, seed=2)

    paid = (data.frame["paid"].astype(str) == "yes").to_numpy()
    women = (data.frame["sex"].astype(str) == "F").to_numpy()
    by_weight = [np.average(paid[g], weights=kept.weights[g]) for g in (women, ~women)]
    assert by_weight[0] == pytest.approx(by_weight[1])
    assert abs(rate(rows.samples, "M") - rate(rows.samples, "F")) < 0.002
    assert "weight" in kept.to_frame()


def test_rejection_keeps_what_a_target_asks_for() -> None:
    """No row twice; the acceptance rate is what theory says, here 2/3."""
    data = samples(6000)

    found = reject(data, HALF, seed=3)

    women, men = Groups.of(found.samples, ("sex",)).counts
    assert women / (women + men) == pytest.approx(0.5, abs=0.02)
    assert found.cost["acceptance_rate"] == pytest.approx(2 / 3, abs=0.02)
    assert found.rows is not None
    assert len(np.unique(found.rows)) == len(found.rows)
    with pytest.warns(GenauditWarning, match="Only .* of 6,000 rows were accepted"):
        reject(data, HALF, n=6000)


def test_balance_draws_each_group_as_often_as_asked() -> None:
    """To a row, mixed up, and the same for the same seed."""
    crossed = TargetTable.of("equal", SCHEMA, ("sex", "paid"))

    found = balance(draw, crossed, 400, seed=5).samples

    assert Groups.of(found, ("sex", "paid")).counts.tolist() == [100, 100, 100, 100]
    assert found.frame["sex"].iloc[:100].nunique() == 2
    pd.testing.assert_frame_equal(balance(draw, crossed, 400, seed=5).samples.frame, found.frame)
    assert not balance(draw, crossed, 400, seed=6).samples.frame.equals(found.frame)


def test_groups_that_stay_short_are_named() -> None:
    """By how many were wanted and how many made."""

    def scarce(n: int, seed: int, where: dict[str, str] | None = None) -> Dataset:
        made = draw(n, seed, where)
        return made.take(np.arange(3)) if where == {"sex": "F"} else made

    with pytest.warns(GenauditWarning, match=r"of 1 groups \(sex = F: 3 of 50\)"):
        found = balance(scarce, HALF, 100)

    assert found.cost["short"] == [{"group": "sex = F", "wanted": 50, "made": 3}]
    assert len(found.samples) == 53


def test_a_group_of_which_nothing_is_made_is_refused() -> None:
    """A table of the other group alone is no balance."""

    def blind(n: int, seed: int, where: dict[str, str] | None = None) -> Dataset:
        made = draw(n, seed, where)
        return made.take(np.arange(0)) if where == {"sex": "F"} else made

    with pytest.raises(DataError, match="every group of the target, got none of sex = F; name"):
        balance(blind, HALF, 100)


def test_repair_pays_the_best_of_each_group() -> None:
    """At strength 1 as often in each; who is paid scores higher than who is not, group by group."""
    data = samples(3000)

    found = repair(data, ("sex",), 1.0).samples

    assert rate(found, "M") == pytest.approx(rate(found, "F"), abs=0.002)
    for sex in "FM":
        mine = found.frame[found.frame["sex"].astype(str) == sex]
        paid = mine["paid"].astype(str) == "yes"
        assert mine["skill"][paid].mean() - mine["skill"][~paid].mean() > 1
    others = data.frame.drop(columns="paid")
    pd.testing.assert_frame_equal(found.frame.drop(columns="paid"), others)


def test_strength_is_between_nothing_and_all() -> None:
    """At 0 no outcome changes; half the strength leaves half of the gap."""
    data = samples(3000)
    gaps = {}
    for strength in (0.0, 1e-9, 0.5):
        found = repair(data, ("sex",), strength).samples
        gaps[strength] = rate(found, "M") - rate(found, "F")

    pd.testing.assert_frame_equal(repair(data, ("sex",), 0.0).samples.frame, data.frame)
    assert gaps[0.5] == pytest.approx(gaps[1e-9] / 2, abs=0.003)


def test_strength_is_tuned_on_samples_alone() -> None:
    """The least that reaches the gap there, told beside the gap before; a wider one needs less."""
    data = samples(1500)

    narrow, wide = (tuned(data, ("sex",), dpd) for dpd in (0.03, 0.15))

    assert narrow.cost["dpd_on_samples"] <= 0.03
    assert narrow.cost["dpd_before"] > 0.15
    assert 0 < wide.cost["strength"] < narrow.cost["strength"] <= 1
    assert tuned(data, ("sex",), 0.9).cost["strength"] == 0.0


def test_groups_of_a_few_rows_keep_their_outcomes() -> None:
    """Their quantiles would be chance; they are named, and nothing is made of two such groups."""
    raw = frame(600)
    few = (raw["sex"] == "F") & (raw["sex"] == "F").cumsum().gt(12)
    some = Dataset.of_samples(raw[~few].reset_index(drop=True), SCHEMA)

    with pytest.raises(DataError, match="at least 30 rows that have an outcome"):
        repair(some, ("sex",), 1.0)

    schema = SCHEMA.replace_columns(
        [SCHEMA["sex"].model_copy(update={"categories": ("F", "M", "X")})]
    )
    third = pd.concat([raw, raw.head(10).assign(sex="X", paid="no")], ignore_index=True)
    found = repair(Dataset.of_samples(third, schema), ("sex",), 1.0)
    assert found.cost["groups_too_small"] == ["sex = X"]
    assert set(found.samples.frame["paid"].tail(10).astype(str)) == {"no"}


def test_outcomes_of_more_than_two_kinds() -> None:
    """Who loses the favoured one gets another that other columns tell; the others keep theirs."""
    raw = frame(1500)
    raw["paid"] = np.where(raw["paid"] == "yes", "much", np.where(raw["skill"] > -1, "some", "no"))
    schema = SCHEMA.replace_columns(
        [SCHEMA["paid"].model_copy(update={"categories": ("no", "some", "much")})]
    )
    data = Dataset.of_samples(raw, schema)

    found = repair(data, ("sex",), 1.0).samples.frame["paid"].astype(str)

    before = raw["paid"]
    lost = (before == "much") & (found != "much")
    assert lost.any()
    assert (found[lost] == "some").mean() > 0.9
    kept = (before != "much") & (found != "much")
    assert (before[kept] == found[kept]).all()


def test_who_loses_one_of_many_outcomes_gets_what_others_of_the_group_have() -> None:
    """As often as these have it, the same for the same seed; not the most frequent one for all."""
    rng = np.random.default_rng(0)
    raw, levels = frame(1500), [f"l{i:02}" for i in range(12)]
    low = np.where(raw["sex"] == "M", rng.integers(0, 4, 1500), rng.integers(4, 8, 1500))
    raw["paid"] = np.where(raw["paid"] == "yes", "l11", np.array(levels)[low])
    schema = SCHEMA.replace_columns(
        [SCHEMA["paid"].model_copy(update={"categories": tuple(levels)})]
    )
    data = Dataset.of_samples(raw, schema)

    found = repair(data, ("sex",), 1.0).samples.frame["paid"].astype(str)

    lost = (raw["paid"] == "l11") & (found != "l11")
    men = found[lost & (raw["sex"] == "M")].value_counts(normalize=True)
    assert lost.sum() > 100
    assert set(men.index) == set(levels[:4])
    assert men.max() < 0.45
    assert set(found[lost & (raw["sex"] == "F")]) <= set(levels[4:8])
    assert found.equals(repair(data, ("sex",), 1.0).samples.frame["paid"].astype(str))
    other = repair(data, ("sex",), 1.0, seed=1).samples.frame["paid"].astype(str)
    assert not found.equals(other)


def test_what_came_with_samples_is_kept() -> None:
    """Columns beyond the schema and cells that it does not allow: an audit is to find them."""
    raw = frame(200).astype({"age": object}).assign(note="x")
    raw.loc[3, "age"] = "old"
    raw.loc[5, "paid"] = "maybe"
    data = Dataset.of_samples(raw, SCHEMA)

    found = repair(data, ("sex",), 1.0).to_frame()

    assert found.loc[3, "age"] == "old"
    assert found.loc[5, "paid"] == "maybe"
    assert set(found["note"]) == {"x"}


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        ("massage", {}, "Expected a method"),
        ("resample", {}, "Expected a target with resample"),
        ("balance", {}, "Expected a target with balance"),
        ("repair", {}, "Expected a strength"),
        ("repair", {"strength": 1.5}, "from 0 to 1"),
        ("repair", {"strength": True}, "from 0 to 1"),
        ("repair", {"strength": float("nan")}, "from 0 to 1"),
        ("repair", {"strength": "much"}, "from 0 to 1"),
        ("repair", {"strength": "auto"}, "strength auto"),
        ("repair", {"strength": 0.5, "dpd": 0.1}, "strength auto"),
        ("repair", {"strength": "auto", "dpd": 2}, "from 0 to 1"),
        ("repair", {"strength": 0.5, "target": "equal"}, "no target with repair"),
        ("reweigh", {"target": "equal"}, "no target with reweigh"),
        ("reject", {"strength": 0.5}, "no strength with reject"),
        ("resample", {"target": "equal", "most_uses": 0}, "most_uses of at least 1"),
        ("resample", {"target": "equal", "most_uses": True}, "most_uses of at least 1"),
        ("repair", {"strength": np.array(0.5)}, "from 0 to 1"),
        ("reweigh", {"target": pd.DataFrame({"share": [1.0]})}, "no target with reweigh"),
        ("reject", {"strength": 0}, "no strength with reject"),
        ("reweigh", {"columns": 3}, "names of columns to tell groups by, got 3"),
        ("reweigh", {"columns": [3]}, "names of columns"),
        ("reweigh", {"keep_rows": 1}, "true or false"),
        (["reweigh"], {}, "Expected a method"),
    ],
)
def test_options_that_do_not_go_together(
    method: str, options: dict[str, object], says: str
) -> None:
    """They are refused before a sample is looked at."""
    with pytest.raises(OptionError, match=says):
        Mitigation(method, **options)  # type: ignore[arg-type]  # wrong on purpose


def test_columns_that_tell_no_groups_are_refused() -> None:
    """Numbers, what is not made, none at all, and a target of numbers."""
    data = samples(100)
    for columns, says in ((("age",), "cut it into intervals"), (("nose",), "got 'nose'"),
                          (("sex", "sex"), "named twice")):  # fmt: skip
        with pytest.raises(OptionError, match=says):
            Mitigation("reweigh", columns=columns).of_samples(data)
    plain = SCHEMA.replace_columns([SCHEMA["sex"].model_copy(update={"role": Role.FEATURE})])
    with pytest.raises(OptionError, match="role sensitive"):
        Mitigation("reweigh").of_samples(Dataset.of_samples(frame(100), plain))
    roles = {"paid": Role.FEATURE, "age": Role.TARGET}
    number = SCHEMA.replace_columns(
        [SCHEMA[name].model_copy(update={"role": role}) for name, role in roles.items()]
    )
    for how in (Mitigation("reweigh"), Mitigation("repair", strength=0.5)):
        with pytest.raises(OptionError, match="'age', which is integer"):
            how.of_samples(Dataset.of_samples(frame(100), number))
    with pytest.raises(OptionError, match="draws under the condition"):
        Mitigation("balance", target="equal").of_samples(data)


def test_parts_of_a_whole_sum_to_it() -> None:
    """Whatever the shares; none is off by one or more."""
    rng = np.random.default_rng(0)
    for n in (1, 7, 100):
        shares = rng.dirichlet(np.ones(9))
        found = apportioned(n, shares)
        assert found.sum() == n
        assert (np.abs(found - n * shares) < 1).all()


def test_an_outcome_that_a_group_lacks_is_named() -> None:
    """No weight makes one; of one outcome alone nothing can be balanced."""
    lacking = counted(F_no=30, M_no=30, M_yes=30)

    with pytest.warns(GenauditWarning, match="No sample has sex = F, paid = yes"):
        reweigh(lacking, ("sex",))
    with pytest.raises(DataError, match="two outcomes of 'paid'"):
        reweigh(counted(F_no=30, M_no=30), ("sex",))


def test_rows_without_a_group_are_counted() -> None:
    """By each method, whether it leaves them out or as they are."""
    raw = frame(900)
    raw.loc[:99, "sex"] = None
    data = Dataset.of_samples(raw, SCHEMA)

    for how in (
        Mitigation("resample", target="equal"),
        Mitigation("reject", target="equal"),
        Mitigation("reweigh", most_uses=9),
        Mitigation("reweigh", keep_rows=True),
        Mitigation("repair", strength=0.5),
    ):
        assert how.of_samples(data).cost["rows_without_group"] == 100, how


def test_rows_without_an_outcome_are_told_apart() -> None:
    """They have a group; rows that lack both are counted once."""
    raw = frame(900)
    raw.loc[:99, "sex"] = None
    raw.loc[90:119, "paid"] = None
    data = Dataset.of_samples(raw, SCHEMA)

    for how in (Mitigation("reweigh"), Mitigation("reject"), Mitigation("reweigh", keep_rows=True)):
        cost = how.of_samples(data, n=100).cost
        if not how.keep_rows:
            assert (cost["rows_without_group"], cost["rows_without_outcome"]) == (100, 20), how
        else:  # counted among the rows chosen
            assert 0 < cost["rows_without_outcome"] < cost["rows_without_group"] < 30


def test_the_outcome_tells_no_groups() -> None:
    """Made alike to itself it would be turned around, or nothing would happen."""
    for how in (
        Mitigation("reweigh", columns=("paid",)),
        Mitigation("repair", columns=("sex", "paid"), strength=1.0),
    ):
        with pytest.raises(OptionError, match="beside the outcome 'paid'"):
            how.of_samples(samples(300))


@pytest.mark.parametrize("n", [2.5, 0, True])
def test_rows_are_whole(n: object) -> None:
    """A part of a row is refused before anything is picked."""
    with pytest.raises(OptionError, match="at least one row"):
        Mitigation("resample", target="equal").of_samples(samples(90), n=n)  # type: ignore[arg-type]  # wrong on purpose


def test_a_group_without_any_outcome_is_not_left_out_in_silence() -> None:
    """Its rows have no weight that could be counted; nothing is written without them."""
    made = frame(400)
    made.loc[made["sex"] == "F", "paid"] = None
    with pytest.raises(DataError, match="got none of sex = F, whose rows would all be left out"):
        reweigh(Dataset.of_samples(made, SCHEMA), ["sex"])


def test_a_repair_that_wipes_out_an_outcome_is_refused_or_told() -> None:
    """Outcomes that no column tells lose all chance in them: the likeliest one is everybody's."""
    rng = np.random.default_rng(0)
    blind = frame(900).assign(
        skill=0.0,
        age=30,
        sex=rng.choice(["F", "M"], 900),
        paid=rng.choice(["no"] * 3 + ["yes"], 900),
    )
    with pytest.raises(DataError, match="leaves no 'yes'"):
        repair(Dataset.of_samples(blind, SCHEMA), ["sex"], 1.0)
    hardly = blind.assign(skill=np.where(rng.random(900) < 0.08, 5.0, 0.0))
    hardly.loc[hardly["skill"] > 1, "paid"] = "yes"
    with pytest.warns(GenauditWarning, match="outcomes that other columns hardly tell"):
        repair(Dataset.of_samples(hardly, SCHEMA), ["sex"], 1.0)


def test_a_repair_that_widens_the_gap_is_told() -> None:
    """Where nothing tells the outcome, the likeliest one is that of a whole group."""
    rng = np.random.default_rng(1)
    sex = np.repeat(["M", "F"], [1200, 300])
    blind = frame(1500).assign(
        skill=0.0,
        age=30,
        sex=sex,
        paid=np.where(rng.random(1500) < np.where(sex == "M", 0.6, 0.3), "yes", "no"),
    )
    with pytest.warns(GenauditWarning, match="widens the gap between groups in 'yes' from"):
        found = repair(Dataset.of_samples(blind, SCHEMA), ["sex"], 0.05)

    assert found.cost["gap_after"] > found.cost["gap_before"] + 0.2


def test_a_group_that_loses_most_rows_for_want_of_outcomes_is_named() -> None:
    made = frame(600)
    women = made[made["sex"] == "F"]
    kept = women.groupby("paid").head(4).index
    made.loc[women.index.difference(kept), "paid"] = None
    with pytest.warns(GenauditWarning, match="Most rows of sex = F have no outcome"):
        reweigh(Dataset.of_samples(made, SCHEMA), ["sex"], most_uses=1000)
