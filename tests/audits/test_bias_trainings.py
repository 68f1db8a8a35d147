"""Samples of several trainings as one subject: two layers of chance, both named and both right."""

import math

import numpy as np
import pandas as pd
import pytest
import verdicts
from subjects import SCHEMA, population
from verdicts import tally

import genaudit as ga
from genaudit.audits.bias._groups import Rate
from genaudit.audits.bias._labels import change_finding
from genaudit.audits.bias._shares import share_finding
from genaudit.audits.bias._trainings import METHOD, Trainings
from genaudit.errors import DataError, OptionError
from genaudit.plan import AuditPlan
from genaudit.result import Verdict, message

PLAN = AuditPlan(audits=("bias.representation",))
SHARE = "bias.representation.share_difference"
CHANGE = "bias.representation.label_gap_change"


def test_students_t_on_paper():
    """Shares of 0.4, 0.5 and 0.6: mean 0.5, standard error 0.1 / √3, t of two degrees 4.303."""
    found = Trainings.of([[(1, Rate(k, 100_000))] for k in (40_000, 50_000, 60_000)])
    half = 4.302653 * 0.1 / math.sqrt(3)

    assert np.allclose(found.interval(0.95), (0.5 - half, 0.5 + half), atol=1e-6)
    assert found.side.kind == "training"
    assert found.note.params["seeds"] == 0.1
    assert found.note.params["rows"] == 0.0016


def test_trainings_weigh_more_than_their_rows():
    """What is outside by 300,000 rows of one file is not by three trainings that disagree."""
    each = [Rate(40_000, 100_000), Rate(55_000, 100_000), Rate(70_000, 100_000)]
    made, real = Rate(165_000, 300_000), Rate(50_000, 100_000)
    one = share_finding({"g": "a"}, made, real)
    recipe = share_finding({"g": "a"}, made, real, each=each)

    assert one.estimate.low > 0
    assert recipe.estimate.low < 0 < recipe.estimate.value
    assert recipe.estimate.method == METHOD
    assert recipe.estimate.n == 3


def test_the_gap_of_a_recipe_is_the_mean_of_its_trainings():
    """Gaps of -0.1, -0.2 and -0.3 against -0.2 of real rows: no change, and a sum of -0.4."""
    each = [(Rate(k, 1000), Rate(500, 1000)) for k in (400, 300, 200)]
    pooled, real = (Rate(900, 3000), Rate(1500, 3000)), (Rate(600, 2000), Rate(1000, 2000))
    finding = change_finding(message("l", "L"), {"g": "b"}, [pooled, real, None], each=each)

    assert np.isclose(finding.estimate.value, 0)
    assert np.isclose(finding.total.value, -0.4)
    assert finding.estimate.low < -0.2


@pytest.mark.parametrize(("k", "spread"), [(3, 0.0), (3, 0.03), (5, 0.02)])
def test_intervals_over_trainings_cover(k, spread):
    """Whether trainings differ or not, 95% intervals hold the truth and few alarms are false."""
    scenario = verdicts.recipes("x", (0.6, 0.4), (0.6, 0.4), k, spread, 2000, 20000)
    found = tally(scenario, 200, np.random.default_rng(3))
    se = math.sqrt(0.05 * 0.95 / 200)

    assert 0.935 - 2 * se <= found.coverage[0] <= 0.965 + 2 * se
    assert found.outside / 200 <= 0.055 + 2 * se


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_an_audit_of_a_recipe():
    """Frames of three trainings: shares and gaps by trainings, all else says that it is pooled."""
    samples = [population(800, seed) for seed in (1, 2, 3)]
    report = ga.audit(samples, train=population(800, 9), schema=SCHEMA, plan=PLAN, one_recipe=True)
    pooled = ga.audit(pd.concat(samples), train=population(800, 9), schema=SCHEMA, plan=PLAN)
    methods = {f.metric: f.estimate.method for _, f in report.findings()
               if "any two groups" not in f.words}  # fmt: skip
    [share], [together] = (
        [f for _, f in r.findings() if f.metric == SHARE and f.group == {"sex": "Female"}]
        for r in (report, pooled)
    )

    assert report.subject.kind == "samples of one recipe"
    assert report.subject.n == 2400
    assert methods[SHARE] == methods[CHANGE] == METHOD
    assert np.isclose(share.estimate.value, together.estimate.value)
    assert share.note.params["k"] == 3
    assert any(m.id == "not_measured.pooled" for m in report.not_measured)
    assert not any(m.id == "not_measured.pooled" for m in pooled.not_measured)


@pytest.mark.parametrize(
    ("subject", "error", "said"),
    [
        ([population(50, 1), population(50, 2)], OptionError, "at least 3 trainings.*got 2"),
        (population(50, 1), OptionError, "at least 3 trainings.*got 1"),
        ([population(50, 1)] * 3, DataError, "samples 1 and samples 2 are the same rows"),
        ([population(50, 1), population(50, 2), len], OptionError, "files or data frames"),
        ([population(50, 1), population(50, 2), population(50, 3).drop(columns="sex")], DataError,
         "same columns in the samples of all trainings.*'sex'"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused(subject, error, said):
    """Too few trainings, the same one twice, or no samples: one sentence."""
    with pytest.raises(error, match=said):
        ga.audit(subject, train=population(50, 9), schema=SCHEMA, plan=PLAN, one_recipe=True)


def test_a_recipe_on_the_command_line(tmp_path, run_cli):
    """`audit A.csv B.csv C.csv --one-recipe` judges the recipe; two files are too few."""
    files = []
    for seed in (1, 2, 3):
        files.append(tmp_path / f"s{seed}.csv")
        population(300, seed).to_csv(files[-1], index=False)
    train, plan, schema = (tmp_path / name for name in ("train.csv", "plan.toml", "schema.toml"))
    population(300, 9).to_csv(train, index=False)
    plan.write_text('audits = ["bias.representation"]\n')
    schema.write_text(SCHEMA.to_toml())
    rest = ("--train", train, "--schema", schema, "--plan", plan, "--one-recipe",
            "--out", tmp_path / "a.json")  # fmt: skip

    assert run_cli("audit", *files, *rest)[0] == 0
    report = ga.read_report(tmp_path / "a.json")
    assert {f.estimate.method for _, f in report.findings() if f.metric == SHARE} == {METHOD}
    assert Verdict.CANNOT_TELL in {f.verdict for _, f in report.findings()}
    code, _, err = run_cli("audit", *files[:2], *rest)
    assert code == 2
    assert "at least 3 trainings" in err
