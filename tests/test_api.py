"""The Python face: no look at the data before the ledger has it, no verdict that is out of date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genaudit import api
from genaudit.audits.bias._shares import SHARE
from genaudit.compliance.controls import readings, regulations
from genaudit.data.schema import Schema
from genaudit.errors import BudgetError, DataError, GenauditError, GenauditWarning, OptionError
from genaudit.ledger import PrivacyLedger, Scope
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.render.html import to_html
from genaudit.render.json import dumps, loads
from genaudit.result import (
    AuditReport,
    ControlState,
    Estimate,
    Finding,
    LedgerInfo,
    Limit,
    Provenance,
    Section,
    Status,
    SubjectInfo,
    Verdict,
    message,
)

SCHEMA = Schema.from_dict(
    {
        "id": "few",
        "rows": "public",
        "columns": {
            "region": {"kind": "categorical", "categories": ["north", "south"]},
            "age": {"kind": "integer", "bounds": [0, 120]},
        },
    }
)


def _rows(n: int = 40) -> pd.DataFrame:
    return pd.DataFrame({"region": ["north", "south"] * (n // 2), "age": range(20, 20 + n)})


def test_a_dry_run_is_written_down_before_a_cell_is_shown() -> None:
    """A plan checks every row, and an error shows a cell: either way the ledger says so first."""
    bad = _rows()
    bad.loc[5, "region"] = "Jane Doe"

    with pytest.raises(DataError, match="Jane Doe"):
        api.plan_training(bad, SCHEMA, epsilon=3, delta=1e-5)
    api.plan_training(_rows(), SCHEMA, model="gan")
    touches = [e.touch for e in PrivacyLedger().entries()]

    assert [(t.dataset, t.scope) for t in touches] == [("few", Scope.AUDIT)] * 2
    assert touches[0].digest != touches[1].digest


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
@pytest.mark.parametrize(
    "use",
    [
        lambda raw: api.train(raw, epsilon=3, delta=1e-5),
        lambda raw: api.plan_training(raw, epsilon=3, delta=1e-5),
        api.plan_training,
        lambda raw: api.audit(raw, train=raw, holdout=raw),
        api.draft,
    ],
    ids=["train", "plan", "plain plan", "audit", "draft"],
)
def test_a_draft_comes_after_its_touch(
    use: Callable[[pd.DataFrame], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever drafts a schema from private rows has written a touch for each file before."""
    before: list[int] = []

    def stop(*_: object) -> Any:
        before.append(len(PrivacyLedger().entries()))
        raise BudgetError("looked")

    monkeypatch.setattr(api, "draft_schema", stop)
    with pytest.raises(BudgetError, match="looked"):
        use(_rows())
    assert before == [len(PrivacyLedger().entries())]
    assert before[0] >= 1


def test_a_private_run_on_a_draft_is_refused_with_its_touch() -> None:
    """The draft that a private run refuses has looked at the data; the ledger says what for."""
    with pytest.raises(BudgetError, match="Declare it"):
        api.train(_rows(), epsilon=3, delta=1e-5)
    [entry] = PrivacyLedger().entries()

    assert "draft" in entry.touch.purpose
    assert entry.touch.dataset.startswith("undeclared-")


def test_a_plain_plan_warns_of_its_draft() -> None:
    """Without a schema the plan says that one was drafted."""
    with pytest.warns(GenauditWarning, match="drafted"):
        lines = api.plan_training(_rows(), model="gan")

    assert "Plain training" in lines[-1]


def test_a_draft_of_a_table_names_the_kinds_it_cannot_guess() -> None:
    """Rows of a panel or a column of texts would else train as a table in silence."""
    with pytest.warns(GenauditWarning, match="where a schema declares the kind sequence or text"):
        api.plan_training(_rows(), model="gan")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"region,age\nnorth,30\nJane Doe\n", "cut short"), (b"age,age\n1,2\n", "twice"),
     (b"region,age\n", "only a header")],
)  # fmt: skip
def test_a_file_that_is_no_table_is_written_down_before_it_is_quoted(
    content: bytes, says: str, tmp_path: Path
) -> None:
    """Of a file that was read and could not be used, the ledger holds the digest of its bytes."""
    bad, ledger = tmp_path / "bad.csv", PrivacyLedger()
    bad.write_bytes(content)

    for use in (
        lambda: api.train(bad, SCHEMA), lambda: api.plan_training(bad, SCHEMA),
        lambda: api.audit(_rows(), train=bad, schema=SCHEMA),
        lambda: api.audit(_rows(), holdout=bad, schema=SCHEMA), lambda: api.draft(bad),
    ):  # fmt: skip
        with pytest.raises(DataError, match=says):
            use()
    touches = [e.touch for e in ledger.entries()]

    assert {t.digest for t in touches} == {ledger.content_digest(content)}
    assert [t.dataset for t in touches[:4]] == ["few", "few", "few", "few:holdout"]
    assert touches[4].dataset.startswith("undeclared-")


@pytest.mark.parametrize("name", ["none.csv", "empty.csv", "table.xlsx"])
def test_a_file_that_was_not_read_leaves_no_touch(name: str, tmp_path: Path) -> None:
    """Absent, empty or foreign: nothing of it was looked at, and the ledger does not say so."""
    (tmp_path / "empty.csv").touch()
    (tmp_path / "table.xlsx").write_bytes(b"x")

    with pytest.raises(DataError):
        api.train(tmp_path / name, SCHEMA)
    assert PrivacyLedger().entries() == []


@pytest.mark.parametrize("what", [
    _rows()["age"], _rows().to_numpy(), [1, 2], {"age": [1]}, 3,
], ids=lambda what: type(what).__name__)  # fmt: skip
def test_what_is_no_table_is_refused_by_its_type(what: Any) -> None:
    """A series, an array or a list has no names of columns; the sentence says what has."""
    for use in (
        lambda: api.train(what, SCHEMA), lambda: api.draft(what),
        lambda: api.audit(_rows(), train=what, schema=SCHEMA),
    ):  # fmt: skip
        with pytest.raises(DataError, match=rf"data frame.*got {type(what).__name__}"):
            use()


@pytest.mark.parametrize("what", ["schema", "policy", "plan", "ledger"])
def test_what_is_no_object_of_ours_and_no_file_is_refused(what: str) -> None:
    """A dict where a schema, policy, plan or ledger belongs is one sentence that names it."""
    rows = pd.DataFrame({"a": [1, 2, 3]})
    options: dict[str, Any] = {"schema": "arrests", what: {"columns": {}}}

    with pytest.raises(OptionError, match=f"Expected {what} as .*got dict.*(?i:{what})[^ ]*$"):
        api.audit(rows, **options)


@pytest.mark.parametrize("use", [
    lambda x: api.audit(_rows(), schema=SCHEMA, claim=x), api.load, api.read_report, Schema.read,
    Policy.read, AuditPlan.read, Schema.from_dict, api.check, lambda x: api.write_html(x, "a.html"),
    lambda x: api.write_json(x, "a.json"), lambda x: api.resume(_rows(), x),
    lambda x: api.train(_rows(), SCHEMA, checkpoint=x),
    lambda x: api.train(_rows(), SCHEMA, dataset_id=x),
])  # fmt: skip
def test_what_is_of_another_type_is_one_sentence(use: Callable[[Any], object]) -> None:
    """Every argument of the Python face says what it takes."""
    for given in (3, object()):
        with pytest.raises(GenauditError, match=r"^Expected .*got (int|object).*\.$"):
            use(given)


def test_the_name_of_a_report_is_no_report() -> None:
    """What takes a report says how a file becomes one."""
    for use in (api.check, lambda x: api.write_html(x, "x.html"), lambda x: api.write_json(x, "x")):
        with pytest.raises(OptionError, match=r"got str; read it with genaudit\.read_report"):
            use("a.json")  # type: ignore[arg-type]


def test_several_names_for_a_column_are_refused() -> None:
    """A frame with a MultiIndex of columns is no table, wherever it comes in."""
    raw = _rows()
    raw.columns = pd.MultiIndex.from_product([["a"], raw.columns])

    for use in (
        lambda: api.train(raw), lambda: api.draft(raw), lambda: api.audit(raw),
        lambda: api.audit(_rows(), train=raw, schema=SCHEMA),
        lambda: api.audit(raw.head, schema=SCHEMA),
    ):  # fmt: skip
        with pytest.raises(DataError, match="one name for each column"):
            use()


@pytest.mark.filterwarnings("ignore:No schema was given")
def test_a_draft_of_rows_without_numbers_of_their_own() -> None:
    """Whatever index a frame has, its rows are counted from 0."""
    raw = _rows()
    doubled = raw.set_index(pd.Index([5] * len(raw)))
    nested = raw.set_index(["region", "age"], drop=False)

    assert api.plan_training(doubled, model="gan") == api.plan_training(raw, model="gan")
    assert api.plan_training(nested, model="gan") == api.plan_training(raw, model="gan")


def test_a_total_is_kept_of_named_data_alone() -> None:
    """The same rows in another order would be other data; nothing is read before that is said."""
    nameless = SCHEMA.replace(id=None)
    total: dict[str, Any] = {"model": "gan", "budget_total": 2, "epsilon": 1, "delta": 1e-4}

    for use in (api.train, api.plan_training):
        with pytest.raises(OptionError, match="give the schema an id, or --dataset-id"):
            use(_rows(), nameless, **total)
    assert PrivacyLedger().entries() == []
    total |= {"epsilon": 1, "delta": 1e-6}
    assert api.plan_training(_rows(), nameless, dataset_id="people", **total)
    assert api.plan_training("arrests", **total)


def _report(expires: dt.date | None = None) -> AuditReport:
    """One privacy metric at 0.05, known exactly, under a limit of 0.1; every clause applies."""
    limit = Limit(metric="privacy.toy", value=0.1, owner="o", rationale="r", expires=expires)
    finding = Finding(metric="privacy.toy", label=message("l", "L"),
                      estimate=Estimate.exact(0.05, n=9, method="count"))  # fmt: skip
    section = Section(audit="privacy.toy", title=message("t", "T"), status=Status.RAN,
                      findings=(finding,))  # fmt: skip
    questions = {c.applicability for r in regulations() for c in r.controls}
    return AuditReport(
        subject=SubjectInfo(name="s", kind="samples", n=9),
        access=("samples",),
        sections=(section,),
        policy=Policy(name="p", owner="o", limits=(limit,)).info(),
        context={"applicability": dict.fromkeys(sorted(questions), True)},
        ledger=LedgerInfo(sentence=message("x", "X")),
        provenance=Provenance(tool_version="0", python="3", seed=0, plan="quick"),
    )


def _state(report: AuditReport) -> ControlState:
    return next(c for c in report.controls if c.id == "GD-32-1d").state


def test_a_check_reads_the_clauses_anew() -> None:
    """Under a stricter policy the clause turns outside with the verdict, and back again."""
    strict = Policy(name="strict", owner="o", limits=(
        Limit(metric="privacy.toy", value=0.01, owner="o", rationale="r"),))  # fmt: skip

    within = api.check(_report())
    outside = api.check(within, strict)

    assert (within.verdict, _state(within)) == (Verdict.WITHIN, ControlState.WITHIN)
    assert (outside.verdict, _state(outside)) == (Verdict.OUTSIDE, ControlState.OUTSIDE)
    assert outside.controls == tuple(readings(outside.sections, outside.context))
    assert _state(api.check(outside, Policy.model_validate(within.policy.model_dump()))) is (
        ControlState.WITHIN
    )


def test_a_check_does_not_pass_on_an_expired_limit() -> None:
    """The day of the check counts: the day before the limit expires, and today, years later."""
    report = _report(dt.date(2001, 1, 31))

    then, now = api.check(report, on=dt.date(2001, 1, 31)), api.check(report)

    assert (then.verdict, _state(then)) == (Verdict.WITHIN, ControlState.WITHIN)
    assert (now.verdict, _state(now)) == (Verdict.CANNOT_TELL, ControlState.CANNOT_TELL)
    [(_, finding)] = now.findings()
    assert finding.reason is not None
    assert "2001-01-31" in str(finding.reason.params)


def test_an_audit_is_judged_on_the_day_it_started() -> None:
    """A limit that expired yesterday lets nothing of today's audit pass."""
    today = dt.datetime.now(dt.UTC).date()
    limit = Limit(metric="quality.validity.invalid_rate", value=0.5, owner="o", rationale="r",
                  expires=today - dt.timedelta(days=1))  # fmt: skip
    policy = Policy(name="p", owner="o", limits=(limit,))
    raw = _rows(600)
    raw["age"] %= 100

    report = api.audit(raw, schema=SCHEMA, policy=policy)
    renewed = policy.model_copy(
        update={"limits": (limit.model_copy(update={"expires": today + dt.timedelta(days=2)}),)}
    )

    reasons = {f.reason.id for _, f in report.findings(Verdict.CANNOT_TELL) if f.reason}
    assert (report.verdict, reasons) == (Verdict.CANNOT_TELL, {"verdict.expired"})
    assert api.audit(raw, schema=SCHEMA, policy=renewed).verdict is Verdict.WITHIN


def test_an_audit_that_measures_nothing_is_skipped(tmp_path: Path) -> None:
    """Without target and groups, what needs them has not run, and says why once."""
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame({"x": rng.random(80), "y": rng.choice(list("ab"), 80)}) for _ in "abc"]
    schema = Schema.from_dict({"columns": {
        "x": {"kind": "numeric", "bounds": [0, 1]},
        "y": {"kind": "categorical", "categories": ["a", "b"]},
    }})  # fmt: skip
    report = api.audit(frames[0], train=frames[1], holdout=frames[2], schema=schema, plan="quick",
                       ledger=tmp_path / "l")  # fmt: skip

    idle = {s.audit: s.reason for s in report.sections if s.status is Status.SKIPPED}
    assert {"bias.representation", "bias.downstream", "quality.utility"} <= idle.keys()
    assert all(idle.values())
    assert not {r.id for r in idle.values() if r} & {m.id for m in report.not_measured}
    assert dumps(loads(dumps(report))) == dumps(report)


def test_a_folder_does_not_hide_what_is_bundled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is called after the data it was trained on stands beside them."""
    (tmp_path / "arrests").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Schema.read("arrests").id == "arrests"
    assert (
        api.train("arrests", model="gan", steps=2, fit_steps=2, ledger="l").schema.id == "arrests"
    )


def test_counts_of_a_few_people_are_shown_on_demand_and_the_report_says_so() -> None:
    """Four in the south are what north and east leave over, so that the east is hidden too."""
    schema = Schema.from_dict(
        {
            "rows": "public",
            "columns": {
                "region": {
                    "kind": "categorical",
                    "role": "sensitive",
                    "categories": ["north", "south", "east"],
                }
            },
        }
    )
    made, real = (
        pd.DataFrame({"region": np.repeat(["north", "south", "east"], [200, n, 15])})
        for n in (20, 4)
    )
    plan = AuditPlan(name="one", audits=("bias.representation",))
    hidden, shown = (
        api.audit(made, train=real, schema=schema, plan=plan, show_private=private)
        for private in (False, True)
    )

    def east(report: AuditReport) -> float | None:
        (found,) = [f for _, f in report.findings() if f.metric == SHARE and "east" in str(f.group)]
        return found.estimate.value

    assert (east(hidden), east(shown)) == (None, pytest.approx(15 / 235 - 15 / 219))
    assert (hidden.provenance.show_private, shown.provenance.show_private) == (False, True)
    assert "--show-private" in to_html(shown)
    assert "--show-private" not in to_html(hidden)
