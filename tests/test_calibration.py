"""The record of a calibration, and what a report takes from it."""

import json
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files

import numpy as np
import pytest
from typer.testing import CliRunner

from genaudit import api, audits, calibration
from genaudit.battery.measure import COINS, faults
from genaudit.battery.worlds import WORLDS, case
from genaudit.calibration import Calibration, Rate
from genaudit.case import AuditCase, Knowledge, Outcome
from genaudit.cli import app
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.errors import DataError, OptionError
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Estimate
from genaudit.run import run
from genaudit.subject import Subject

METRIC = "privacy.distance.auc"
RATES = (
    Rate(metric=METRIC, world="noise", runs=100, above=4, limited=100, outside=1),
    Rate(metric=METRIC, world="ties", runs=100, above=6, limited=90, outside=0),
    Rate(metric=METRIC, world="shifted", runs=100, above=0, limited=0, outside=0, doubted=100),
)


def record(**changed):
    """A small calibration."""
    fields = {"tool_version": "9.9", "code": "abc", "started": "2026-01-02T03:04:05Z", "seed": 0,
              "alpha": 0.01, "policy": Policy.read().digest, "shifted": ("shifted",),
              "rates": RATES}  # fmt: skip
    return Calibration(**{**fields, **changed})


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A calibration of the user's own."""
    path = tmp_path / "calibration.json"
    path.write_text(record().model_dump_json())
    monkeypatch.setenv("GENAUDIT_CALIBRATION", str(path))
    return path


def test_rates_are_pooled_over_worlds():
    """Over the runs in which the audit stood by what it found."""
    assert record().judged(METRIC) == (1, 190)
    assert record().beyond(METRIC) == (10, 200)
    assert record().judged("privacy.other") is None
    assert record().estimate("privacy.other", limited=True) is None

    found = record().estimate(METRIC, limited=False)

    assert found.value == 0.05
    assert found.low < 0.05 < found.high


def test_a_report_prints_what_stands(own):
    """The user's own record gives rates to findings, and the report says whose it is."""
    report = run(case("noise", 1), AuditPlan("x", ("privacy.distance",)), Policy.read())
    rates = {f.metric: f.false_alarm_rate for s in report.sections for f in s.findings}

    assert rates[METRIC].value == pytest.approx(1 / 190)
    assert rates["privacy.distance.tpr_at_1pct_fpr"] is None
    assert report.provenance.calibration.own
    assert not report.provenance.calibration.same_code


def rates_of(plan, policy=None, subject=None):
    report = run(subject or case("noise", 1), plan, policy or Policy.read())
    return {f.metric: f.false_alarm_rate for s in report.sections for f in s.findings}


def test_rates_stand_for_what_was_tried_alone(own, tmp_path):
    """Not for verdicts by another policy, for other options, nor for other records than rows."""
    plan = AuditPlan("x", ("privacy.distance",))
    path = tmp_path / "policy.toml"
    path.write_text('name = "mine"\nowner = "me"\n[[limit]]\nmetric = "privacy.distance.auc"\n'
                    'direction = "max"\nvalue = 0.4\nrationale = "r"\n')  # fmt: skip
    optional = AuditPlan("x", plan.audits, options={"privacy.distance": {"tau": 0.5}})
    names, schema = bundled.load("names")
    train, holdout = Dataset.of(names, schema, "names").split(0.5, 0)
    texts = AuditCase(Subject("t", "samples", train.take(np.arange(200))),
                      {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout}, seed=0)  # fmt: skip

    assert rates_of(plan)[METRIC] is not None
    assert rates_of(plan, Policy.read(path))[METRIC] is None
    assert rates_of(plan, Policy(name="free", owner="me"))[METRIC].value == 0.05  # no verdict
    assert rates_of(optional)[METRIC] is None
    assert rates_of(plan, subject=texts)[METRIC] is None


def test_what_an_audit_says_of_its_own_alarms_never_stands(own, monkeypatch):
    """A finding that comes with a rate loses it, where no battery measured one."""
    known = audits.find("privacy.distance")

    def boast(*_):
        told = known(case("noise", 1))
        rate = Estimate.of(0.0, lambda _: (0.0, 0.0), n=9, method="mine", unit="rate")
        return Outcome(tuple(f.model_copy(update={"metric": f"privacy.mine.{i}",
                                                  "false_alarm_rate": rate})
                             for i, f in enumerate(told.findings)))  # fmt: skip

    mine = replace(known, id="privacy.mine", metrics=frozenset(), function=boast)
    monkeypatch.setattr("genaudit.run.audits", lambda: {"privacy.mine": mine})
    monkeypatch.setattr("genaudit.run.find", lambda _: mine)

    assert set(rates_of(AuditPlan("x", ("privacy.mine",))).values()) == {None}


def test_a_broken_record_is_refused(own):
    """A file that is no calibration is named in one sentence, before anything runs."""
    own.write_text('{"tool_version": "1"}')

    with pytest.raises(DataError, match=r"Expected a calibration .*run `genaudit calibrate` again"):
        run(case("noise", 1), AuditPlan("x", ("privacy.copies",)), Policy.read())


def test_without_a_record_nothing_is_claimed(tmp_path, monkeypatch):
    """Neither a record of one's own nor a shipped one: findings have no rate."""
    monkeypatch.delenv("GENAUDIT_CALIBRATION", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(calibration, "files", lambda _: tmp_path)

    assert calibration.current() is None


def test_command_writes_a_record(tmp_path, monkeypatch):
    """`genaudit calibrate` prints a table, writes the record, and reports go by it."""
    monkeypatch.setenv("GENAUDIT_CALIBRATION", str(tmp_path / "own.json"))

    result = CliRunner().invoke(
        app,
        ["calibrate", "--runs", "2", "--audit", "privacy.copies", "--jobs", "1",
         "--out", str(tmp_path / "own.json")],
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "privacy.copies.exact" in result.output
    found, info = calibration.current()
    assert info.own
    assert info.same_code
    assert found.runs == 2


def test_a_record_of_some_audits_replaces_none():
    """Without a place of its own it would stand for all: refused, and nothing is written."""
    with pytest.raises(OptionError, match="Expected --out with --audit"):
        api.calibrate(["privacy.copies"], runs=1)


@pytest.mark.parametrize(
    "lie",
    [{"runs": 0}, {"runs": 3, "above": 4}, {"limited": 2, "outside": 3}, {"doubted": 999}],
)
def test_impossible_counts_are_refused(own, lie):
    """More alarms than runs, or no run at all: one sentence, before any audit."""
    found = json.loads(own.read_text())
    found["rates"][0] |= lie
    own.write_text(json.dumps(found))

    with pytest.raises(DataError, match="Expected a calibration"):
        calibration.current()


@pytest.mark.skipif(
    not (files("genaudit") / "calibration.json").is_file(), reason="no record is brought along"
)
def test_the_record_that_the_package_brings(monkeypatch, tmp_path):
    """It is whole, of this version, and nothing in it alarms more often than it may."""
    monkeypatch.delenv("GENAUDIT_CALIBRATION", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found, info = calibration.current()

    assert not info.own
    assert found.tool_version == version("genaudit")
    assert found.runs >= 50
    assert faults(found) == []
    assert {r.world for r in found.rates} == {*WORLDS, COINS}
