"""Two reports held against each other: what is told holds, and what cannot be told is not."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from genaudit import api
from genaudit.audits import audits
from genaudit.errors import DataError, OptionError
from genaudit.evidence.diff import BETTER, CLAIM, Change, Difference, Row, diff
from genaudit.policy import Policy
from genaudit.result import (
    AuditReport,
    Claim,
    DataInfo,
    Direction,
    Estimate,
    Finding,
    Limit,
    Provenance,
    Section,
    Status,
    SubjectInfo,
    message,
)
from genaudit.stats.intervals import clopper_pearson, newcombe, normal, wilson

Cli = Callable[..., tuple[int, str, str]]

#: Metrics that have no better side, each for a reason of its own.
UNJUDGED = {
    "bias.proxies.association_change",  # ties that got lost are a loss of likeness as well
    "bias.proxies.auc_change",
    "quality.samples.nearer",  # best at a half
    "quality.utility.trtr_auc",  # of real rows alone
    "quality.validity.distinct_rate",  # as many as real rows have
}


_MAX = Limit(metric="any", value=0.1, owner="o", rationale="r")
_ABS = _MAX.model_copy(update={"direction": Direction.ABS})


def _toy(value: float, se: float = 0.01, unit: str = "") -> Estimate:
    return Estimate.of(value, lambda c: normal(value, se, c), n=100, method="normal", unit=unit)


def _finding(metric: str, estimate: Estimate, **fields: object) -> Finding:
    return Finding(metric=metric, label=message("l", "L"), estimate=estimate, **fields)


def _report(
    findings: Sequence[Finding], claim: Claim | None = None, **fields: object
) -> AuditReport:
    chapters = dict.fromkeys(f.metric.split(".")[0] for f in findings)
    sections = [
        Section(audit=f"{c}.toy", title=message("t", "T"), status=Status.RAN,
                params=fields.pop("params", {}),
                findings=tuple(f for f in findings if f.metric.startswith(f"{c}.")))
        for c in chapters
    ]  # fmt: skip
    given: dict[str, object] = {
        "subject": SubjectInfo(name="s", kind="file", n=1000, claim=claim),
        "access": (), "sections": tuple(sections), "policy": Policy.read().info(),
        "knowledge": (DataInfo(name="train", n=500, n_distinct=450),),
        "provenance": Provenance(tool_version="1", python="3", seed=0, plan="quick"),
    }  # fmt: skip
    return AuditReport(**{**given, **fields})


def _one(old: Finding, new: Finding, **fields: object) -> Row:
    [row] = diff(_report([old]), _report([new], **fields)).rows
    return row


@pytest.mark.parametrize(
    ("metric", "old", "new", "change"),
    [
        ("privacy.distance.auc", 0.5, 0.7, "worse"),
        ("privacy.distance.auc", 0.7, 0.5, "improved"),
        ("privacy.distance.auc", 0.5, 0.51, "cannot_tell"),
        ("quality.utility.tstr_auc", 0.8, 0.6, "worse"),
        ("quality.utility.tstr_auc", 0.6, 0.8, "improved"),
        ("bias.representation.label_gap", -0.3, 0.1, "improved"),
        ("bias.representation.label_gap", 0.1, -0.3, "worse"),
        ("bias.representation.label_gap", 0.2, -0.2, "cannot_tell"),
        ("bias.representation.label_gap", 0.0, 0.01, "cannot_tell"),
        ("quality.toy.level", 0.1, 0.3, "changed"),
    ],
)
def test_what_is_told_of_a_clear_change(metric: str, old: float, new: float, change: str) -> None:
    """Below, above or nearer to zero is better, as the metric means; else it is just a change."""
    row = _one(_finding(metric, _toy(old)), _finding(metric, _toy(new)))

    assert row.change == change
    assert row.gap is not None
    assert row.gap[0] == pytest.approx(new - old)
    assert row.gap[1] < new - old < row.gap[2]


def test_a_limit_says_which_way_is_better() -> None:
    """Its direction wins over the table; two that look opposite ways compare nothing."""
    floor = Limit(metric="privacy.distance.auc", value=0.9, direction=Direction.MIN, owner="o",
                  rationale="r")  # fmt: skip
    ceiling = floor.model_copy(update={"direction": Direction.MAX})
    low, high = _toy(0.5), _toy(0.7)

    def told(first: Limit | None, second: Limit | None) -> Change:
        return _one(_finding("privacy.distance.auc", low, limit=first),
                    _finding("privacy.distance.auc", high, limit=second)).change  # fmt: skip

    assert told(None, None) is told(ceiling, ceiling) is Change.WORSE
    assert told(None, floor) is told(floor, None) is told(floor, floor) is Change.IMPROVED
    assert told(ceiling, floor) is told(floor, ceiling) is Change.NOT_COMPARED


def test_every_metric_has_a_side_or_a_reason_why_not() -> None:
    """A metric that is added is placed; the bundled limits say nothing else than the table."""
    known = {metric for audit in audits().values() for metric in audit.metrics}

    assert known == {m for m in BETTER if not m.startswith("privacy.claim.")} | UNJUDGED
    for limit in Policy.read().limits:
        assert BETTER[limit.metric] is limit.direction


def test_a_pair_on_paper() -> None:
    """0.2 and 0.5 of 100 by Wilson's intervals: the interval of the difference is Newcombe's."""
    old, new = (
        Estimate.of(k / 100, lambda c, k=k: wilson(k, 100, c), n=100, method="w") for k in (20, 50)
    )
    row = _one(_finding("privacy.distance.auc", old), _finding("privacy.distance.auc", new))

    assert row.gap is not None
    assert row.gap[1:] == pytest.approx(newcombe(50, 100, 20, 100, 0.95), abs=1e-8)
    assert row.p == 1e-5  # 99.999% leaves zero out, 99.9999% does not
    assert newcombe(50, 100, 20, 100, 0.99999)[0] > 0 > newcombe(50, 100, 20, 100, 0.999999)[0]


def test_many_findings_are_paid_for() -> None:
    """A difference at 99% is told alone and not among twenty; all of them stay listed."""
    old, new = _toy(0.0), _toy(0.037)  # 2.6 standard errors of the difference
    alone = diff(*(_report([_finding("privacy.distance.auc", e)]) for e in (old, new)))
    crowd = [_finding(f"privacy.x{i}.auc", _toy(0.0)) for i in range(19)]
    among = diff(*(_report([_finding("privacy.distance.auc", e), *crowd]) for e in (old, new)))

    assert alone.worse
    assert not among.worse
    assert (among.tested, len(among.rows)) == (20, 20)
    assert diff(alone.old, alone.new, alpha=0.001).worse is False
    with pytest.raises(OptionError, match="alpha"):
        diff(alone.old, alone.new, alpha=1.0)


def test_nothing_is_told_of_what_says_nothing() -> None:
    """Doubt, no value, or an open end: never better, never worse, and the reason where there is."""
    metric = "privacy.distance.auc"
    clear = _finding(metric, _toy(0.5))
    none = Estimate.undefined(message("few", "Too few."), n=0, method="none")
    floor = Estimate.of(0.9, lambda c: (0.9 - (1 - c), float("inf")), n=5, method="bound")
    for other, why in (
        (_finding(metric, none), "Too few."),
        (_finding(metric, _toy(0.9), doubt=message("d", "Doubtful.")), "Doubtful."),
        (_finding(metric, floor), ""),
    ):
        for row in (_one(clear, other), _one(other, clear)):
            assert (row.change, row.reason) == ("cannot_tell", why)


def test_numbers_that_are_known_are_not_tested() -> None:
    """Counts of reads are equal or they are not; no chance is in them, and none is spent."""
    metric = "privacy.claim.unaccounted"

    def count(n: float) -> AuditReport:
        return _report([_finding(metric, Estimate.exact(n, n=3, method="count"))])

    assert [diff(count(1), count(n)).rows[0].change for n in (0, 1, 2)] == [
        "improved", "same", "worse",
    ]  # fmt: skip
    assert diff(count(1), count(2)).tested == 0


def test_findings_of_one_report_alone_are_listed() -> None:
    """By metric and group; a change of verdict stands beside what was told."""
    a, b, c = (
        _finding("bias.toy.gap", _toy(0.1), group={"sex": level}, verdict=verdict)
        for level, verdict in (("F", "within"), ("M", "within"), ("F", "outside"))
    )
    still = _finding("bias.a.gap", _toy(0.1))
    found = diff(_report([still, a, b]),
                 _report([still, c, _finding("privacy.new.auc", _toy(0.5))]))  # fmt: skip
    rows = {(r.metric, *r.group.values()): r for r in found.rows}

    assert rows["bias.toy.gap", "M"].change is Change.ONLY_OLD
    assert rows["privacy.new.auc",].change is Change.ONLY_NEW
    assert rows["bias.toy.gap", "F"].turned
    assert not rows["bias.toy.gap", "M"].turned
    assert len(rows) == 4
    assert found.rows[0] is rows["bias.toy.gap", "F"], "a new verdict stands first"


def test_what_is_judged_no_more_or_not_compared_cannot_be_told() -> None:
    """A limit that was taken out, and another number of samples that leak, pass no gate."""
    metric = "privacy.distance.auc"
    limit = next(limit for limit in Policy.read().limits if limit.metric == metric)
    free = _finding(metric, _toy(0.5))
    old, leak = (_finding(metric, _toy(x), limit=limit, verdict=v)
                 for x, v in ((0.5, "within"), (0.95, "outside")))  # fmt: skip
    fewer = _report([leak])
    fewer = fewer.model_copy(update={"subject": fewer.subject.model_copy(update={"n": 600})})

    reason = message("gone", "The column is not there.")
    unit = old.estimate.unit
    gone = Estimate.undefined(reason, n=1, method="m", unit=unit)
    none = old.model_copy(update={"estimate": gone, "verdict": "cannot_tell"})

    assert diff(_report([old]), _report([none])).lost == 1
    assert diff(_report([none]), _report([old])).lost == 0
    assert diff(_report([old]), _report([free])).lost == 1
    assert diff(_report([free]), _report([old])).lost == 0
    assert diff(_report([old]), fewer).rows[0].change is Change.NOT_COMPARED
    assert diff(_report([old]), fewer).lost == 1


def test_a_limit_that_is_newly_broken_passes_no_gate(tmp_path: Path, run_cli: Cli) -> None:
    """By a number that is not told to be worse, by a tighter limit, or in an audit that is new."""
    metric = "privacy.distance.auc"
    limit = next(limit for limit in Policy.read().limits if limit.metric == metric)
    tight, loose = (limit.model_copy(update={"value": v}) for v in (0.3, 0.99))

    def found(value: float, by: Limit, verdict: str) -> Finding:
        return _finding(metric, _toy(value), limit=by, verdict=verdict)

    fine, bad = found(0.5, limit, "within"), found(0.505, limit, "outside")
    for old, new, broken, lost in (
        ([fine], [bad], 1, 0),
        ([fine], [found(0.5, tight, "outside")], 1, 0),
        ([], [bad], 1, 0),
        ([bad], [bad], 0, 0),
        ([bad], [fine], 0, 0),
        ([bad], [found(0.505, loose, "within")], 0, 1),
        ([fine], [found(0.5, loose, "within")], 0, 0),
    ):
        told = diff(_report(old), _report(new))
        assert (told.broken, told.lost, told.worse) == (broken, lost, False)
    # What comes from a file is judged anew by its own limits.
    places = [api.write_json(_report([_finding(metric, _toy(x))]), tmp_path / f"{x}.json")
              for x in (0.5, 0.9)]  # fmt: skip
    none = api.write_json(_report([]), tmp_path / "none.json")
    code, _, said = run_cli("diff", none, places[1])

    assert code == 3
    assert "Outside a limit now, and not before: 1 findings" in said
    assert run_cli("diff", none, places[0])[0] == 0


def test_a_judged_finding_that_is_gone_cannot_be_told(tmp_path: Path, run_cli: Cli) -> None:
    """Exit 3 and how many; one without a limit is listed as ever, and 1 for a worse one wins."""
    judged, free = _finding("privacy.distance.auc", _toy(0.5)), _finding("bias.toy.gap", _toy(0.1))
    kept, risen = (_finding("bias.representation.label_gap_change", _toy(x)) for x in (0.0, 0.5))
    places = {
        name: api.write_json(_report(found), tmp_path / f"{name}.json")
        for name, found in {"old": [judged, free, kept], "free": [judged, kept], "gone": [kept],
                            "worse": [risen]}.items()
    }  # fmt: skip
    told = {name: run_cli("diff", places["old"], places[name], "--json") for name in places}

    assert {name: code for name, (code, _, _) in told.items()} == {
        "old": 0, "free": 0, "gone": 3, "worse": 1,
    }  # fmt: skip
    assert {name: json.loads(out)["lost"] for name, (_, out, _) in told.items()} == {
        "old": 0, "free": 0, "gone": 1, "worse": 1,
    }  # fmt: skip
    said = "not compared: 1 of the findings"
    assert {name: said in err for name, (_, _, err) in told.items()} == {
        "old": False, "free": False, "gone": True, "worse": True,
    }  # fmt: skip


def test_what_is_doubted_or_expired_lets_nothing_pass(tmp_path: Path, run_cli: Cli) -> None:
    """A verdict that a doubt took away is gone; by a report that is over nothing passes."""
    judged = _finding("privacy.distance.auc", _toy(0.5))
    doubted = judged.model_copy(update={"doubt": message("toy.doubt", "Not alike.")})
    old, new = (api.write_json(_report([f]), tmp_path / f"{i}.json")
                for i, f in enumerate((judged, doubted)))  # fmt: skip
    over = _report([judged]).model_copy(update={"context": {"valid_until": "2020-01-01"}})
    late = api.write_json(over, tmp_path / "late.json")

    known = _report([judged]).policy
    dated = tuple(x.model_copy(update={"expires": dt.date(2020, 1, 1)}) for x in known.limits)
    policy = known.model_copy(update={"limits": dated, "digest": "0" * 64, "default": False,
                                      "name": "own"})  # fmt: skip
    gone = api.write_json(_report([judged], policy=policy), tmp_path / "gone.json")

    worse = doubted.model_copy(update={"estimate": _toy(0.9), "hollow": True})
    shown = diff(_report([judged]), api.check(_report([worse])))

    assert [row.lost for row in shown.rows if row.new is not None] == [False]
    less = diff(api.check(_report([worse])), _report([doubted]))
    assert [row.lost for row in less.rows if row.new is not None] == [True], "an outside is gone"
    assert run_cli("diff", old, new)[0] == 3
    assert run_cli("diff", old, old)[0] == 0
    assert run_cli("diff", old, gone)[0] == 3
    code, _, err = run_cli("diff", old, late)
    assert (code, "late.json was valid until 2020-01-01" in err) == (3, True)


#: The gap of real rows in the tests below.
REAL = -0.128


def _change(gap: float, reason: str = "", verdict: str = "within") -> Finding:
    """How far a gap is from that of the real rows, and their sum."""
    why = message(reason, "Why.") if reason else None
    return _finding("bias.representation.label_gap_change", _toy(gap - REAL), limit=_ABS,
                    total=_toy(gap + REAL), verdict=verdict, reason=why)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "change", "why"),
    [
        (_change(REAL), _change(0.007, "verdict.reduced", "info"), "improved", "itself is smaller"),
        (_change(-0.3, "", "outside"), _change(0.007, "", "info"), "improved", "itself is smaller"),
        (_change(0.007, "", "info"), _change(-0.25, "", "outside"), "worse", "itself is larger"),
        (_change(REAL), _change(-0.3, "", "outside"), "worse", "itself is larger"),
        (_change(REAL), _change(0.3, "", "outside"), "worse", "itself is larger"),
        (_change(-0.2), _change(0.1, "verdict.turned", "info"), "changed", "turned around"),
        (_change(REAL), _change(-0.12), "cannot_tell", ""),
    ],
)  # fmt: skip
def test_a_gap_that_became_smaller_is_not_worse(
    old: Finding, new: Finding, change: str, why: str
) -> None:
    """However far it is from that of the real rows then: it is the gap whose size is compared."""
    row = _one(old, new)

    assert row.change == change
    assert why in row.reason


GUARANTEE = Claim(epsilon=3, delta=1e-5)


@pytest.mark.parametrize(
    ("other", "change", "says"),
    [
        (GUARANTEE, "same", ""),
        (GUARANTEE.model_copy(update={"epsilon": 4}), "worse", ""),
        (GUARANTEE.model_copy(update={"epsilon": 2}), "improved", ""),
        (GUARANTEE.model_copy(update={"delta": 1e-6}), "not_compared", "δ 1e-05 and 1e-06"),
        (GUARANTEE.model_copy(update={"unit": "person"}), "not_compared",
         "unit record and person"),
        (GUARANTEE.model_copy(update={"relation": "add-remove"}), "not_compared",
         "neighbouring relation zero-out and add-remove"),
        (None, "worse", "no claim where there was one"),
    ],
)  # fmt: skip
def test_guarantees_are_compared_where_they_say_the_same_thing(
    other: Claim | None, change: str, says: str
) -> None:
    """Not of another unit, δ or relation; all else is compared, what hangs on the claim is not."""
    findings = [
        _finding("privacy.claim.excess", Estimate.exact(0, n=1, method="sum", unit="ε")),
        _finding("privacy.distance.auc", _toy(0.5)),
    ]
    worse = [findings[0], _finding("privacy.distance.auc", _toy(0.9))]
    rows = {r.metric: r for r in diff(_report(findings, GUARANTEE), _report(worse, other)).rows}

    assert (rows[CLAIM].change, says in rows[CLAIM].reason) == (change, True)
    assert rows["privacy.distance.auc"].change is Change.WORSE
    held = Change.NOT_COMPARED if change == "not_compared" else Change.SAME
    assert rows["privacy.claim.excess"].change is held
    if other is None:
        back = diff(_report(findings), _report(findings, GUARANTEE)).rows
        assert {r.metric: r.change for r in back}[CLAIM] is Change.IMPROVED


def test_bounds_on_epsilon_at_another_delta_are_not_compared() -> None:
    """Their labels hold the δ that they are for."""
    old, new = (
        Finding(metric="privacy.canaries.epsilon", label=message("e", "ε at δ = {d}", d=d),
                estimate=_toy(value, unit="ε"))
        for d, value in (("1e-05", 0.1), ("1e-06", 0.9))
    )  # fmt: skip
    row = _one(old, new)

    assert row.change is Change.NOT_COMPARED
    assert "δ = 1e-06" in row.reason


def test_other_questions_are_not_compared() -> None:
    """Options, units, and numbers of samples that an attacker gains from; a note names the last."""
    old, new = (_finding("privacy.distance.auc", _toy(v)) for v in (0.5, 0.9))
    more = SubjectInfo(name="s", kind="file", n=5000)
    for row, why in (
        (_one(old, new, params={"k": 5}), "other options: k"),
        (_one(old, _finding("privacy.distance.auc", _toy(0.9, unit="AUC"))), "units differ"),
        (_one(old, new, subject=more), "1,000 in the old report, 5,000 in the new"),
    ):
        assert (row.change, why in row.reason) == ("not_compared", True)
    assert any("numbers of samples differ: 1000 and 5000" in note
               for note in diff(_report([old]), _report([new], subject=more)).notes)  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"modality": "image"}, "table in the old and image"),
        ({"knowledge": (DataInfo(name="train", n=501),)}, "train of 500 rows in the old and 501"),
        ({"knowledge": (DataInfo(name="train", n=500, n_distinct=9),)}, "450 distinct rows"),
    ],
)
def test_reports_on_other_data_are_refused(fields: dict[str, object], says: str) -> None:
    """As far as a report shows it; columns that have no name in common are another schema."""
    old = _report([_finding("privacy.distance.auc", _toy(0.5))])
    with pytest.raises(DataError, match=says):
        diff(old, _report([_finding("privacy.distance.auc", _toy(0.5))], **fields))
    by_sex, by_age = (
        _report([_finding("bias.toy.gap", _toy(0.5), group={name: "a"})]) for name in ("sex", "age")
    )
    with pytest.raises(DataError, match="one schema"):
        diff(by_sex, by_age)
    unknown = _report([_finding("privacy.distance.auc", _toy(0.5))], knowledge=())
    assert "Only one of the two audits held: train." in diff(old, unknown).notes


RATES = (0.004, 0.03, 0.2, 0.5, 0.9)


def _drawn(rng: np.random.Generator, shift: float = 0.0) -> AuditReport:
    """A report on a world: rates of few and many trials, a gap of rates, an area, signed gaps."""
    findings = []
    for i, p in enumerate(RATES):
        for n, interval in ((60, wilson), (800, clopper_pearson)):
            k = int(rng.binomial(n, p))
            estimate = Estimate.of(
                k / n, lambda c, k=k, n=n, f=interval: f(k, n, c), n=n, method="rate"
            )
            findings.append(_finding(f"privacy.rate{i}.{n}", estimate, limit=_MAX))
    a, b = (int(rng.binomial(300, 0.3)) for _ in range(2))
    gap = Estimate.of((a - b) / 300, lambda c: newcombe(a, 300, b, 300, c), n=600, method="gap")
    findings.append(_finding("bias.representation.label_gap", gap))
    for i, mean in enumerate((-0.2, 0.0, 0.55)):
        value = float(rng.normal(mean + shift * (i == 2), 0.03))
        findings.append(_finding(f"bias.toy{i}.gap", _toy(value, 0.03), limit=_ABS))
    return _report(findings)


def _told(found: Difference) -> set[str]:
    return {r.metric for r in found.rows if r.change in ("worse", "improved", "changed")}


def test_of_worlds_that_did_not_change_little_is_told() -> None:
    """Any change at all in at most 5% + 2 standard errors of pairs; a planted one in nearly all."""
    rng, runs = np.random.default_rng(0), 120
    false = sum(bool(_told(diff(_drawn(rng), _drawn(rng)))) for _ in range(runs))
    planted = [_told(diff(_drawn(rng), _drawn(rng, shift=0.25))) for _ in range(20)]

    assert false / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert sum("bias.toy2.gap" in told for told in planted) >= 18


def test_the_command(tmp_path: Path, run_cli: Cli) -> None:
    """Worst first; 1 where anything is worse, else 0; 2 for what cannot be read or compared."""
    places = {}
    for name, value in (("old", 0.5), ("bad", 0.9)):
        found = _report([
            _finding("privacy.distance.auc", _toy(value)),
            _finding("bias.toy.gap", _toy(0.1), group={"a\u202eb": "x\ny"}),
        ])  # fmt: skip
        places[name] = api.write_json(found, tmp_path / f"{name}.json")

    code, out, err = run_cli("diff", places["old"], places["bad"])
    lines = out.splitlines()
    assert code == 1
    assert lines[1].startswith("worse")
    assert "outside" in lines[1]
    assert "within -> outside" in lines[1] or "cannot_tell -> outside" in lines[1]
    assert len(lines) == 3
    assert "\u202e" not in out
    assert "hold no digest of private rows" in err
    code, out, _ = run_cli("diff", places["old"], places["bad"], "--json")
    told = json.loads(out)
    assert (code, told["worse"], told["tested"]) == (1, True, 2)
    assert told["findings"][0]["verdict_changed"] is True
    assert run_cli("diff", places["bad"], places["old"])[0] == 0
    assert run_cli("diff", places["old"], places["old"], "--json")[0] == 0
    assert run_cli("diff", places["old"], tmp_path / "none.json")[0] == 2
    assert run_cli("diff", places["old"], places["bad"], "--alpha", "0")[0] == 2
    other = _report([_finding("privacy.distance.auc", _toy(0.5))], modality="image")
    away = api.write_json(other, tmp_path / "other.json")
    assert run_cli("diff", places["old"], away, "--json")[:2] == (2, "")
