"""A mitigated subject, and the same from the command line: samples, note, claim, and the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rows import SCHEMA, draw, frame, rate, samples

import genaudit as ga
from genaudit import api
from genaudit.data.dataset import Dataset
from genaudit.errors import DataError, OptionError
from genaudit.mitigation import record
from genaudit.mitigation.groups import Groups
from genaudit.plan import AuditPlan
from genaudit.render.html import to_html
from genaudit.result import Claim
from genaudit.subject import Subject
from genaudit.subjects.wrapped import from_callable

Cli = Callable[..., tuple[int, str, str]]

CLAIM = Claim(epsilon=3, delta=1e-6)

PLAN = AuditPlan(audits=("bias.downstream",))


def test_claim_is_kept_and_the_note_says_what_was_done() -> None:
    """Samples, draws, and what is trained again are mitigated; scores of the generator are not."""
    subject = Subject("s", "model folder", samples=samples(1000), draw=draw, claim=CLAIM,
                      scores={"likelihood": lambda data: data.frame["skill"].to_numpy()},
                      retrain=lambda _, seeds: [Subject("t", "x", draw=draw) for _ in seeds],
                      digest="d")  # fmt: skip

    found = subject.mitigated(ga.Mitigation("resample", target="equal"), seed=1)

    assert found.claim == CLAIM
    assert found.mitigation is not None
    assert "ε added by the mitigation: 0" in found.mitigation.english
    assert "resampled" in found.mitigation.english
    assert not found.scores
    assert found.samples is not None
    assert found.draw is not None
    assert found.retrain is not None
    for data in (found.samples, found.draw(300, 2), found.retrain([], [7])[0].draw(300, 2)):
        assert len(set(Groups.of(data, ("sex",)).counts)) == 1
    pd.testing.assert_frame_equal(found.draw(300, 2).frame, found.draw(300, 2).frame)


def test_conditions_are_picked_out_of_mitigated_draws() -> None:
    """Women as the mitigated generator makes them: paid as often as men."""
    fair = Subject("s", "x", draw=draw).mitigated(ga.Mitigation("repair", strength=1.0))
    assert fair.draw is not None

    women, men = (fair.draw(600, 3, {"sex": sex}) for sex in "FM")

    assert len(women) == len(men) == 600
    assert rate(women, "F") == pytest.approx(rate(men, "M"), abs=0.08)
    assert rate(samples(4000), "M") - rate(samples(4000), "F") > 0.25


def test_a_callable_answers_conditions_by_bounded_rejection() -> None:
    """As many as are wanted, but for what it never makes."""
    subject = from_callable(frame, SCHEMA, name="f")
    assert subject.draw is not None

    assert len(subject.draw(200, 0, {"sex": "F"})) == 200
    assert len(subject.draw(200, 0, {"sex": "X"})) == 0


def test_mitigate_takes_samples_and_generators() -> None:
    """A data frame keeps its length by default; a generator must be told how many."""
    by = {"target": {"sex": "equal"}, "schema": SCHEMA}
    assert len(ga.mitigate(frame(900), "resample", **by).samples) == 900
    made = ga.mitigate(frame, "balance", n=200, **by)
    assert Groups.of(made.samples, ("sex",)).counts.tolist() == [100, 100]

    with pytest.raises(OptionError, match="number of rows"):
        ga.mitigate(frame, "balance", **by)
    with pytest.raises(OptionError, match="schema of the samples"):
        ga.mitigate(frame(900), "reweigh")
    with pytest.raises(OptionError, match="got 'colums'"):
        ga.mitigate(frame(900), "reweigh", schema=SCHEMA, colums=["sex"])
    with pytest.raises(OptionError, match="beside"):
        ga.mitigate(frame(900), ga.Mitigation("reweigh"), schema=SCHEMA, columns=["sex"])


def test_before_and_after_stand_side_by_side() -> None:
    """Two audits of samples: the gap shrinks after the repair, and the page says what was done."""
    train, holdout = frame(1000, 11), frame(1000, 12)
    raw = Subject("before", "frame", samples=samples(1000, 13))
    fair = raw.mitigated(ga.Mitigation("repair", strength=1.0))
    reports = [
        ga.audit(who, train=train, holdout=holdout, schema=SCHEMA, plan=PLAN) for who in (raw, fair)
    ]

    gaps = [
        next(f for _, f in r.findings() if f.metric == "bias.downstream.gap_change").estimate.value
        for r in reports
    ]
    assert abs(gaps[0]) < 0.1
    assert gaps[1] < -0.15
    assert "mitigated" not in to_html(reports[0])
    assert "ε added by the mitigation: 0" in to_html(reports[1])
    assert "缓解所增加的 ε：0" in to_html(reports[1], lang="zh")


def test_the_command_writes_rows_and_a_record(tmp_path: Path, run_cli: Cli) -> None:
    """The record says method, seed, cost and ε; an audit of the file finds it."""
    schema, rows, out = tmp_path / "s.toml", tmp_path / "rows.csv", tmp_path / "fair.csv"
    schema.write_text(SCHEMA.to_toml(), "utf-8")
    frame(800).to_csv(rows, index=False)

    words = ("--method", "repair", "--strength", "auto", "--dpd", 0.05, "--seed", 4)
    code, said, err = run_cli("mitigate", rows, "--schema", schema, *words, "--out", out)

    assert (code, said) == (0, ""), err
    assert "ε added: 0" in err
    told = json.loads((tmp_path / "fair.csv.mitigation.json").read_text("utf-8"))
    assert told["method"] == "repair"
    assert told["columns"] == ["sex"]
    assert (told["seed"], told["epsilon_added"]) == (4, 0.0)
    assert 0 < told["cost"]["strength"] <= 1
    assert len(pd.read_csv(out)) == 800

    found = tmp_path / "audit.json"
    assert run_cli("audit", out, "--schema", schema, "--out", found)[0] == 0
    remarks = [r["id"] for r in json.loads(found.read_text("utf-8"))["remarks"]]
    assert "remark.mitigated" in remarks


def test_reports_side_by_side_from_the_command_line(tmp_path: Path, run_cli: Cli) -> None:
    """One page with both names and what was done; each links to its page, or to its report."""
    reports = []
    for name, rows in (("before", frame(300)), ("after", frame(300, 1))):
        found = ga.audit(rows, schema=SCHEMA, plan=AuditPlan(audits=("quality.validity",)))
        reports.append(ga.write_json(found, tmp_path / f"{name}.json"))
    (tmp_path / "after.html").touch()

    code, _, err = run_cli("report", *reports, "--out", tmp_path / "both.html")

    assert code == 0, err
    page = (tmp_path / "both.html").read_text("utf-8")
    assert "href=before.json" in page
    assert "href=after.html" in page
    code, _, err = run_cli("report", *reports, "--format", "json", "--out", tmp_path / "x.json")
    assert code == 2
    assert "--format html" in err


def test_a_record_of_another_file_is_left_out(tmp_path: Path) -> None:
    """What was written anew is not what the record is of; a broken one is refused."""
    out = tmp_path / "fair.csv"
    api.mitigate(frame(300), "reweigh", schema=SCHEMA, n=100, out=out)
    frame(300, 5).to_csv(out, index=False)

    with pytest.warns(ga.GenauditWarning, match="is of another file"):
        report = ga.audit(out, schema=SCHEMA, plan=AuditPlan(audits=("content.personal_data",)))
    assert not [r for r in report.remarks if r.id == "remark.mitigated"]

    record.beside(out).write_text("{", "utf-8")
    with pytest.raises(DataError, match="record of a mitigation"):
        ga.audit(out, schema=SCHEMA, plan=PLAN)


def test_weights_stand_in_a_column_of_their_own(tmp_path: Path, run_cli: Cli) -> None:
    """All rows stay; a column of that name is not overwritten."""
    schema, rows, out = tmp_path / "s.toml", tmp_path / "rows.csv", tmp_path / "w.csv"
    schema.write_text(SCHEMA.to_toml(), "utf-8")
    frame(300).to_csv(rows, index=False)
    words = ("mitigate", rows, "--schema", schema, "--method", "reweigh", "--weights")

    assert run_cli(*words, "--out", out)[0] == 0
    assert pd.read_csv(out)["weight"].mean() == pytest.approx(1)

    named = (
        SCHEMA.to_toml().replace("columns.skill", "columns.weight").replace('"skill"', '"weight"')
    )
    schema.write_text(named.replace('columns."skill"', 'columns."weight"'), "utf-8")
    frame(300).rename(columns={"skill": "weight"}).to_csv(rows, index=False)
    code, _, err = run_cli(*words, "--out", tmp_path / "v.csv")
    assert code == 2
    assert "no column 'weight'" in err
    assert not (tmp_path / "v.csv").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--method", "resample", "--target", "BAD"), "sum of 1.1"),
        (("--method", "resample", "--target", "nowhere.toml"), "nowhere.toml"),
        (("--method", "reweigh", "--column", "age"), "cut it into intervals"),
        (("--method", "balance", "--target", "equal"), "draws under the condition"),
        (("--method", "repair", "--strength", "much"), "got 'much'"),
        (("--method", "repair"), "Expected a strength"),
        (("--method", "resample", "--target", "equal", "-n", "0"), "at least one row"),
        (("--method", "polish"), "polish"),
    ],
)
def test_bad_options_are_one_sentence(
    words: tuple[str, ...], says: str, tmp_path: Path, run_cli: Cli
) -> None:
    """Exit code 2, and nothing is written."""
    schema, rows, bad = tmp_path / "s.toml", tmp_path / "rows.csv", tmp_path / "bad.toml"
    schema.write_text(SCHEMA.to_toml(), "utf-8")
    frame(200).to_csv(rows, index=False)
    bad.write_text("[target]\nsex = {F = 0.5, M = 0.6}\n", "utf-8")
    words = tuple(str(bad) if word == "BAD" else word for word in words)

    code, out, err = run_cli("mitigate", rows, "--schema", schema, *words,
                             "--out", tmp_path / "y.csv")  # fmt: skip

    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("y.csv*"))


def test_media_are_mitigated_by_their_attributes(tmp_path: Path) -> None:
    """Records of any kind are picked by the columns beside them; no score is learned on them."""
    import tiny

    made = Dataset.of_samples(tiny.frame_of("text", 60), tiny.schema_of("text"))
    column = next(c.name for c in made.schema.modelled if c.discrete)
    how = ga.Mitigation("resample", columns=(column,), target="equal")

    found = how.of_samples(made).samples

    counts = Groups.of(found, (column,)).counts
    assert counts.max() - counts.min() <= 1
    assert set(found.media) <= set(made.media)
