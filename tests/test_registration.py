"""Policies in the ledger: only limits that stood there before a first look are pre-registered."""

from __future__ import annotations

import copy
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from genaudit import api, marks, registration
from genaudit.data.schema import Schema
from genaudit.errors import IntegrityError, OptionError
from genaudit.ledger import PrivacyLedger, Touch
from genaudit.plan import AuditPlan
from genaudit.policy import Policy, content
from genaudit.registration import check_entry
from genaudit.render.html import to_html
from genaudit.result import AuditReport, Limit

SCHEMA = Schema.from_dict({
    "id": "few",
    "columns": {
        "region": {"kind": "categorical", "categories": ["north", "south"]},
        "age": {"kind": "integer", "bounds": [0, 120]},
    },
})  # fmt: skip
PLAN = AuditPlan(name="short", audits=("quality.validity",))
POLICY = """
name = "house"
version = "7"
owner = "DPO"
[[limit]]
metric = "quality.validity.invalid_rate"
value = 0.5
rationale = "because"
source = "WP216"
expires = 2090-01-31
owner = "head of data"
"""

Audit = Callable[..., AuditReport]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy file."""
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path / "policy.toml"


def _rows(start: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"region": ["north", "south"] * 15, "age": range(start, start + 30)})


def _audit(samples: Path, policy: Path | Policy | None, **more: object) -> AuditReport:
    if not samples.exists():
        _rows(90).to_csv(samples, index=False)
    return api.audit(samples, schema=SCHEMA, policy=policy, plan=PLAN, **more)


def _state(report: AuditReport) -> str:
    assert report.registration is not None
    return report.registration.state


def test_a_policy_that_stood_before_the_first_look_is_pre_registered(
    policy: Path, tmp_path: Path
) -> None:
    """Before an audit of the data, and again at every later audit of them."""
    entered = api.register_policy(policy)
    first, second = (
        _audit(tmp_path / f"{i}.csv", policy, train=_rows(), holdout=_rows(40)) for i in range(2)
    )

    assert (entered.state, entered.entry) == ("before", 1)
    assert (_state(first), _state(second)) == ("before", "before")
    assert first.registration is not None
    assert first.registration.time == entered.time
    assert first.registration.head == PrivacyLedger().entries()[0].head
    assert first.registration.content == content(first.policy)


def test_a_policy_that_comes_after_a_first_look_is_not(policy: Path, tmp_path: Path) -> None:
    """By name of the data, by their content, and by the subject; other data are others."""
    _audit(tmp_path / "a.csv", None, train=_rows(), dataset_id="one")
    api.register_policy(policy)
    same_name = _audit(tmp_path / "b.csv", policy, train=_rows(5), dataset_id="one")
    _rows(80).to_csv(tmp_path / "c.csv", index=False)
    same_rows = _audit(tmp_path / "c.csv", policy, train=_rows(), dataset_id="two")
    same_subject = _audit(tmp_path / "a.csv", policy, train=_rows(7), dataset_id="three")
    _rows(70).to_csv(tmp_path / "d.csv", index=False)
    others = _audit(tmp_path / "d.csv", policy, train=_rows(9), dataset_id="four")

    assert [_state(r) for r in (same_name, same_rows, same_subject, others)] == [
        "after", "after", "after", "before",
    ]  # fmt: skip


def test_a_holdout_that_was_seen_is_data_that_was_seen(policy: Path, tmp_path: Path) -> None:
    """An audit of no more than the holdout was a look as well; a training's check was none."""
    ledger = PrivacyLedger()
    ledger.append(Touch(
        dataset="few", kind="unaccounted", scope="audit",
        purpose="train is checked against the schema, shown to the operator",
    ))  # fmt: skip
    api.register_policy(policy)
    assert _state(_audit(tmp_path / "a.csv", policy, train=_rows())) == "before"

    other = PrivacyLedger(tmp_path / "other.sqlite")
    _audit(tmp_path / "b.csv", None, holdout=_rows(40), ledger=other)
    api.register_policy(policy, other)
    seen = _audit(tmp_path / "c.csv", policy, train=_rows(), holdout=_rows(40), ledger=other)
    assert _state(seen) == "after"


@pytest.mark.parametrize("first", ["default", "chosen"])
def test_a_first_look_at_files_alone_is_a_look(first: str, policy: Path, tmp_path: Path) -> None:
    """Where there was no ledger before it makes one, or the policy would seem to come before."""
    _audit(tmp_path / "a.csv", None if first == "default" else policy)
    api.register_policy(policy)

    assert _state(_audit(tmp_path / "a.csv", policy)) == "after"
    (tmp_path / "no").write_text("a file where the ledger's folder would be")
    kept = _audit(tmp_path / "a.csv", None, ledger=tmp_path / "no" / "ledger.sqlite")
    assert kept.registration is None  # nothing private was read, so it goes on without


def test_what_has_no_name_is_never_known_to_be_new(policy: Path) -> None:
    """A sampler in code: nobody can tell whether it was looked at before the policy was entered."""

    def draw(n: int, seed: int) -> pd.DataFrame:
        return pd.concat([_rows(seed % 50)] * (n // 30 + 1))[:n]

    api.register_policy(policy)
    report = api.audit(draw, schema=SCHEMA, policy=policy, plan=PLAN)
    assert _state(report) == "never"


@pytest.mark.parametrize(
    "other", ["newline", "parquet", "columns", "rows", "union", "recipe", "joined"]
)
def test_the_same_rows_in_another_file_are_no_new_subject(
    other: str, policy: Path, tmp_path: Path
) -> None:
    """Nor in another format, in another order, or beside other files."""
    first = tmp_path / "a.csv"
    _audit(first, None)
    if other == "joined":
        _rows(60).to_csv(tmp_path / "c.csv", index=False)
        ledger = PrivacyLedger(tmp_path / "new.sqlite")
        api.audit([first, tmp_path / "c.csv"], schema=SCHEMA, plan=PLAN, ledger=ledger)
        api.register_policy(policy, ledger)
        both = pd.concat([_rows(60), pd.read_csv(first)])
        both.to_csv(tmp_path / "ac.csv", index=False)
        report = api.audit(tmp_path / "ac.csv", schema=SCHEMA, policy=policy, plan=PLAN,
                           ledger=ledger)  # fmt: skip
        assert _state(report) == "after"
        return
    api.register_policy(policy)
    rows, again = pd.read_csv(first), tmp_path / "b.csv"
    rows[rows.columns[::-1]].to_csv(again, index=False)
    if other == "newline":
        again.write_text(first.read_text() + "\n")
    elif other == "parquet":
        again = tmp_path / "b.parquet"
        rows.to_parquet(again)
    elif other == "rows":
        rows[::-1].to_csv(again, index=False)
    more = [tmp_path / f"{i}.csv" for i in range(2)]
    for i, path in enumerate(more):
        _rows(30 * i).to_csv(path, index=False)
    samples = [again, *more] if other in ("union", "recipe") else again
    report = api.audit(samples, schema=SCHEMA, policy=policy, plan=PLAN,
                       one_recipe=other == "recipe")  # fmt: skip

    assert _state(report) == "after"


def test_files_of_one_name_are_not_taken_for_each_other(policy: Path, tmp_path: Path) -> None:
    """What another audit wrote in the same second, of another file of that name, is not its own."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _rows(10 if name == "one" else 40).to_csv(tmp_path / name / "s.csv", index=False)
    _audit(tmp_path / "two" / "s.csv", None)
    api.register_policy(policy)
    honest = _audit(tmp_path / "one" / "s.csv", policy)
    assert _state(_audit(tmp_path / "two" / "s.csv", policy)) == "after"

    assert _state(honest) == "before"
    assert honest.registration is not None
    check_entry(honest.registration, PrivacyLedger(), honest)


@pytest.mark.parametrize("look", ["frame", "sampler", "recipe", "with data"])
def test_a_look_through_memory_is_a_look(look: str, policy: Path, tmp_path: Path) -> None:
    """Rows of a data frame or of a sampler in code, that come back in a file."""
    rows, more = _rows(), [_rows(30), _rows(60)]
    data = {"train": _rows(90)} if look == "with data" else {}

    def make(n: int, seed: int) -> pd.DataFrame:
        return rows.head(n)

    subject = {"sampler": make, "recipe": [rows, *more]}.get(look, rows)
    plan = replace(PLAN, n_samples=len(rows)) if look == "sampler" else PLAN
    api.audit(subject, schema=SCHEMA, plan=plan, one_recipe=look == "recipe", **data)
    api.register_policy(policy)
    rows[::-1].to_csv(tmp_path / "s.csv", index=False)

    assert _state(_audit(tmp_path / "s.csv", policy)) == "after"


@pytest.mark.parametrize("apart", [0.0, 1.1])
def test_who_registers_first_and_audits_a_frame_is_not_refused(policy: Path, apart: float) -> None:
    """With nothing but samples in memory: the ledger knows them, and holds the order.

    apart: seconds between two audits, of which the ledger knows whole ones.
    """
    api.register_policy(policy)
    for rows in (_rows(), _rows(40)):
        time.sleep(apart)
        report = api.audit(rows, schema=SCHEMA, plan=PLAN, policy=policy)
        assert _state(report) == "before"
        assert report.registration is not None
        check_entry(report.registration, PrivacyLedger(), report)
    again = api.audit(_rows(), schema=SCHEMA, plan=PLAN, policy=policy)
    assert _state(again) == "before"
    check_entry(again.registration, PrivacyLedger(), again)


def test_a_sampler_in_code_is_never_new(policy: Path) -> None:
    """It may make other rows each time, so that nobody knows whether it was looked at."""
    api.register_policy(policy)

    def make(n: int, seed: int) -> pd.DataFrame:
        return _rows(seed)

    report = api.audit(make, schema=SCHEMA, plan=PLAN, policy=policy)

    assert _state(report) == "never"


def test_a_removed_digest_hides_no_look_at_the_subject(policy: Path, tmp_path: Path) -> None:
    """The data are new and the samples are not: whatever kind of subject the report says."""
    _audit(tmp_path / "a.csv", None)
    api.register_policy(policy)
    late = _audit(tmp_path / "a.csv", policy, train=_rows(5))
    told = json.loads(late.model_dump_json())
    told["registration"] |= {"state": "before", "first_audit": told["provenance"]["started"]}
    told["subject"]["digest"] = None
    own = told["subject"]["kind"]
    for kind, audit in ((own, None), ("data frame", None), ("data frame", [])):
        told["subject"]["kind"] = kind
        if audit is not None:
            told["ledger"]["audit"] = audit
        forged = AuditReport.model_validate(told)
        assert forged.registration is not None
        with pytest.raises(IntegrityError, match="got"):
            check_entry(forged.registration, PrivacyLedger(), forged)


def test_a_report_cannot_leave_out_what_it_read(policy: Path, tmp_path: Path) -> None:
    """The ledger says which data stood before the subject, whatever the report has kept of it."""
    _audit(tmp_path / "a.csv", None, train=_rows())
    api.register_policy(policy)
    _rows(60).to_csv(tmp_path / "n.csv", index=False)
    late = _audit(tmp_path / "n.csv", policy, train=_rows())
    told = json.loads(late.model_dump_json())
    told["registration"] |= {"state": "before", "first_audit": told["provenance"]["started"]}
    for audit in (told["ledger"]["audit"], [], 2 * told["ledger"]["audit"]):
        told["ledger"]["audit"] = audit
        forged = AuditReport.model_validate(told)
        assert _state(late) == "after"
        assert forged.registration is not None
        with pytest.raises(IntegrityError, match="got another order"):
            check_entry(forged.registration, PrivacyLedger(), forged)


def test_no_other_limits_are_those_of_an_earlier_version(tmp_path: Path) -> None:
    """Its digest is known, and so is what it says."""
    report = _audit(tmp_path / "a.csv", None, train=_rows())
    [digest] = registration._BUNDLED
    policy = report.policy.model_copy(update={"digest": digest})
    place = tmp_path / "a.json"
    place.write_text(report.model_copy(update={"policy": policy}).model_dump_json(), "utf-8")

    with pytest.raises(IntegrityError, match="are not those of the policy genaudit default"):
        api.read_report(place)


def test_no_other_limits_are_the_bundled_ones(tmp_path: Path) -> None:
    """That nobody chose them is said of the bundled policy alone."""
    report = _audit(tmp_path / "a.csv", None, train=_rows())
    lax = tuple(x.model_copy(update={"value": 5.0}) for x in report.policy.limits[:1])
    policy = report.policy.model_copy(update={"limits": lax, "digest": ""})
    place = tmp_path / "a.json"
    place.write_text(report.model_copy(update={"policy": policy}).model_dump_json(), "utf-8")

    with pytest.raises(IntegrityError, match="said to be the bundled one"):
        api.read_report(place)


@pytest.mark.parametrize("change", ["registered", "limits", "name"])
def test_the_bundled_policy_is_not_registered(change: str, tmp_path: Path) -> None:
    """Nor are other limits it for a registration, or of its name and owner."""
    report = _audit(tmp_path / "a.csv", None, train=_rows())
    policy = report.policy
    if change != "registered":
        lax = tuple(x.model_copy(update={"value": 0.9}) for x in policy.limits)
        policy = policy.model_copy(update={"limits": lax})
    if change == "name":
        policy = policy.model_copy(update={"default": False, "digest": "a" * 64})
    known = {"state": "before", "time": "2020-01-01T00:00:00+00:00", "digest": policy.digest,
             "content": content(policy), "ledger": "x", "entry": 1, "head": "y"}  # fmt: skip
    told = json.loads(report.model_copy(update={"policy": policy}).model_dump_json())
    told["registration"] = None if change == "name" else known
    (tmp_path / "f.json").write_text(json.dumps(told), "utf-8")

    with pytest.raises(IntegrityError, match=r"the bundled one|are not those of the policy"):
        api.read_report(tmp_path / "f.json")


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_a_word_on_an_audit_that_the_ledger_does_not_hold_is_refused(
    digest: str | None, late: AuditReport, tmp_path: Path
) -> None:
    """A late policy that is said to have come before, of a subject that nobody can find."""
    told = json.loads(late.model_dump_json())
    told["registration"] |= {"state": "before", "first_audit": told["provenance"]["started"]}
    told["subject"]["digest"] = digest
    (tmp_path / "f.json").write_text(json.dumps(told), "utf-8")
    known = api.read_report(tmp_path / "f.json")
    assert known.registration is not None

    with pytest.raises(IntegrityError, match=r"before the first audit|got none of it"):
        check_entry(known.registration, PrivacyLedger(), known)


def test_a_policy_from_memory_has_an_owner(tmp_path: Path) -> None:
    """As one from a file has; and none but the bundled one is said to be nobody's choice."""
    limit = Limit(metric="quality.validity.invalid_rate", value=1, owner="me", rationale="why")
    mine = Policy(name="mine", owner="me", default=True, limits=(limit,))
    nobody = mine.model_copy(update={"limits": (limit.model_copy(update={"rationale": "\u200b"}),)})

    assert _audit(tmp_path / "a.csv", mine).policy.default is False
    assert _audit(tmp_path / "a.csv", Policy.read()).policy.default is True
    with pytest.raises(OptionError, match="leaves the rationale of the limit on"):
        _audit(tmp_path / "a.csv", nobody)


@pytest.mark.parametrize("change", ["total", "level", "twice", "narrower", "short", "taken", "all"])
def test_no_other_interval_passes(change: str, tmp_path: Path) -> None:
    """That of a sum of gaps is checked too, and each ladder: once each level, and no narrower."""
    report = _audit(tmp_path / "a.csv", None, train=_rows())
    told = json.loads(report.model_dump_json())
    finding = next(f for s in told["sections"] for f in s["findings"]
                   if f["estimate"]["high"] is not None)  # fmt: skip
    if change == "total":
        finding["total"] = {**finding["estimate"], "high": 0.9}
    elif change == "level":
        finding["estimate"] |= {"confidence": 0.001}
    elif change == "twice":
        forged = {"confidence": 0.95, "low": 0.0, "high": 0.01}
        finding["estimate"] |= {"low": 0.0, "high": 0.01,
                                "ladder": [forged, *finding["estimate"]["ladder"]]}  # fmt: skip
    elif change == "narrower":
        finding["estimate"]["ladder"][0] |= {"low": -1.0, "high": 2.0}
    elif change == "short":
        finding["estimate"]["ladder"] = finding["estimate"]["ladder"][:2]
    else:
        for other in [f for s in told["sections"] for f in s["findings"]]:
            for name in ("estimate", "null", "baseline", "total"):
                if other[name] and (other is finding or change == "all"):
                    other[name]["ladder"] = []
    (tmp_path / "a.json").write_text(json.dumps(told), "utf-8")

    with pytest.raises(IntegrityError, match="is not that of its own ladder"):
        api.read_report(tmp_path / "a.json")


def test_a_number_with_two_intervals_is_refused(tmp_path: Path) -> None:
    """An end that was edited in sight, and not in the ladder that verdicts are set by."""
    place = api.write_json(_audit(tmp_path / "a.csv", None, train=_rows()), tmp_path / "a.json")
    told = json.loads(place.read_text("utf-8"))
    estimate = next(f["estimate"] for s in told["sections"] for f in s["findings"]
                    if f["estimate"]["high"] is not None)  # fmt: skip
    estimate["high"] += 0.01
    place.write_text(json.dumps(told), "utf-8")

    with pytest.raises(IntegrityError, match="is not that of its own ladder at 95%"):
        api.read_report(place)


def test_a_policy_that_nobody_registered_is_never_pre_registered(
    policy: Path, tmp_path: Path
) -> None:
    """Nor one that was changed since, in its file or in memory; the bundled one has no standing."""
    assert _state(_audit(tmp_path / "a.csv", policy)) == "never"
    assert _audit(tmp_path / "a.csv", None).registration is None
    api.register_policy(policy)
    read = Policy.read(policy)
    laxer = read.model_copy(update={"limits": (read.limits[0].model_copy(update={"value": 0.9}),)})
    policy.write_text(POLICY + "# one remark more\n")

    assert laxer.digest == read.digest
    assert [_state(_audit(tmp_path / "b.csv", p)) for p in (policy, laxer)] == ["never"] * 2
    with pytest.raises(OptionError, match="policy"):
        api.register_policy(tmp_path / "none.toml")


def test_registered_twice_the_first_time_counts(policy: Path, tmp_path: Path) -> None:
    """A second entry would say no more; it is not written."""
    once, twice = api.register_policy(policy), api.register_policy(policy)

    assert once == twice
    assert len(PrivacyLedger().entries()) == 1


def test_a_forged_registration_is_refused(policy: Path, tmp_path: Path) -> None:
    """An entry put in by hand, or moved to the front, makes the audit end with exit code 4."""
    _audit(tmp_path / "a.csv", None, train=_rows())
    api.register_policy(policy)
    path = PrivacyLedger().path
    with sqlite3.connect(path) as db:
        body, head = db.execute("SELECT body, head FROM touch WHERE seq = 4").fetchone()
        db.execute("DELETE FROM touch WHERE seq = 4")
        for seq in (3, 2, 1):
            db.execute("UPDATE touch SET seq = seq + 1 WHERE seq = ?", (seq,))
        db.execute("INSERT INTO touch VALUES (1, ?, ?)", (body, head))

    for use in (lambda: _audit(tmp_path / "b.csv", policy, train=_rows()),
                lambda: api.register_policy(policy)):  # fmt: skip
        with pytest.raises(IntegrityError, match="entry 1"):
            use()


def test_a_ledger_that_was_rolled_back_before_a_registration_is_found(
    policy: Path, tmp_path: Path, run_cli: Callable[..., tuple[int, str, str]]
) -> None:
    """What a report says of its policy holds against the ledger: its entry must still be there."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")
    place = ("--ledger", ledger.path)
    (tmp_path / "kept.json").write_text(run_cli("policy", "register", policy, *place, "--json")[1])
    report = _audit(tmp_path / "a.csv", policy, train=_rows(), ledger=ledger)
    api.write_json(report, tmp_path / "audit.json")
    for head in ("kept.json", "audit.json"):
        assert run_cli("ledger", "verify", *place, "--head", tmp_path / head)[0] == 0
    told = json.loads((tmp_path / "audit.json").read_text("utf-8"))
    second = ledger.entries()[1]
    told["registration"] |= {"entry": second.seq, "head": second.head}
    (tmp_path / "moved.json").write_text(json.dumps(told), "utf-8")
    code, _, err = run_cli("ledger", "verify", *place, "--head", tmp_path / "moved.json")
    assert (code, "Expected entry 2" in err) == (4, True)
    ledger.path.unlink()
    PrivacyLedger(ledger.path).append(
        Touch(dataset="few", kind="unaccounted", scope="audit", purpose="audit reads train")
    )

    for head in ("kept.json", "audit.json"):
        code, _, err = run_cli("ledger", "verify", *place, "--head", tmp_path / head)
        assert (code, "another past" in err) == (4, True)
    api.write_json(_audit(tmp_path / "a.csv", None), tmp_path / "default.json")
    code, _, err = run_cli("ledger", "verify", *place, "--head", tmp_path / "default.json")
    assert (code, "a report whose policy was registered" in err) == (2, True)
    with pytest.raises(Exception, match="Expected a model"):
        marks.read(tmp_path / "a.csv")


def test_a_ledger_without_registrations_stays_as_it_was(tmp_path: Path) -> None:
    """No read's entry gained a field, so old ledgers and new ones have the same form."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")
    ledger.append(Touch(dataset="d", kind="public", scope="release", purpose="schema"))
    with sqlite3.connect(ledger.path) as db:
        [[body]] = db.execute("SELECT body FROM touch").fetchall()

    assert "policy" not in body
    entered = {"name": "n", "version": "1", "digest": "0" * 64, "content": "0" * 64}
    with pytest.raises(ValueError, match="registered as public"):
        Touch(dataset="d", kind="public", scope="audit", purpose="p", policy=entered)


@pytest.mark.parametrize(("state", "en", "zh"), [
    ("before", "before the first audit of this subject", "早于账本所载"),
    ("after", "chosen after the data may have been seen", "选定策略时，数据可能已被查看"),
    ("never", "was not registered before the audit", "在审计之前未经登记"),
])  # fmt: skip
def test_the_page_says_it_in_both_languages(
    state: str, en: str, zh: str, policy: Path, tmp_path: Path
) -> None:
    """Under the policy on page one, and never `before` of another."""
    if state == "before":
        api.register_policy(policy)
    _audit(tmp_path / "a.csv", None, train=_rows())
    if state == "after":
        api.register_policy(policy)
    report = _audit(tmp_path / "a.csv", policy, train=_rows())
    pages = to_html(report, lang="en"), to_html(report, lang="zh")

    assert _state(report) == state
    for page, says in zip(pages, (en, zh), strict=True):
        assert says in page
    assert ("before the first audit" in pages[0]) == (state == "before")
    assert AuditReport.model_validate_json(report.model_dump_json()) == report
    assert api.check(report).registration == report.registration
    assert api.check(report, Policy.read()).registration is None


def test_limits_that_were_changed_in_a_report_are_found(policy: Path, tmp_path: Path) -> None:
    """The report carries the digest of its limits; others under it are exit code 4."""
    api.register_policy(policy)
    place = api.write_json(_audit(tmp_path / "a.csv", policy, train=_rows()), tmp_path / "a.json")
    assert api.read_report(place).registration is not None
    told = json.loads(place.read_text("utf-8"))
    laxer = copy.deepcopy(told)
    laxer["policy"]["limits"][0]["value"] = 0.9
    other = copy.deepcopy(told)
    other["policy"]["digest"] = "0" * 64
    for forged in (laxer, other):
        place.write_text(json.dumps(forged), "utf-8")
        with pytest.raises(IntegrityError, match="differ from their own digest"):
            api.read_report(place)


@pytest.mark.parametrize("change", ["dropped", "widened"])
def test_limits_under_the_digest_of_the_bundled_policy_are_its_own(
    change: str, tmp_path: Path
) -> None:
    """A report that names the bundled file and judges by less is exit code 4, in a bundle too."""
    report = _audit(tmp_path / "a.csv", None, train=_rows())
    limits = list(report.policy.limits)
    limits = limits[1:] if change == "dropped" else [
        limits[0].model_copy(update={"value": 0.9}), *limits[1:]
    ]  # fmt: skip
    policy = report.policy.model_copy(update={"limits": tuple(limits)})
    forged = report.model_copy(update={"policy": policy})
    place = tmp_path / "a.json"
    place.write_text(forged.model_dump_json(), "utf-8")

    assert api.read_report(api.write_json(report, tmp_path / "b.json")) == report
    with pytest.raises(IntegrityError, match="are not those of the policy genaudit default"):
        api.read_report(place)
    with pytest.raises(IntegrityError, match="are not those of the policy"):
        api.bundle(forged, tmp_path / "evidence", pdf=False)


def test_an_edited_copy_of_the_bundled_policy_needs_a_name_of_its_own(tmp_path: Path) -> None:
    """It is refused before anything is read, where its pages would be; a mere copy is not."""
    bundled = (files("genaudit") / "policies" / "default.toml").read_text("utf-8")
    place = tmp_path / "policy.toml"
    for text in (bundled, bundled + "# looked at by us\n"):
        place.write_text(text, "utf-8")
        report = _audit(tmp_path / "a.csv", place, train=_rows())
        assert api.read_report(api.write_json(report, tmp_path / "a.json")) == report
    edited = bundled.replace("value = 0.01\n", "value = 0.5\n", 1)
    place.write_text(edited, "utf-8")
    assert edited != bundled
    for use in (api.read_policy, api.register_policy, partial(api.check, report)):
        with pytest.raises(OptionError, match="write a `name` and `owner` of your own"):
            use(place)
    with pytest.raises(OptionError, match="has the name of the bundled one"):
        _audit(tmp_path / "b.csv", place, train=_rows())
    for name in ("Genaudit  default", "genaudit\u200b default", "ｇenaudit default "):
        place.write_text(edited.replace("genaudit default", name, 1), "utf-8")
        with pytest.raises(OptionError, match="has the name of the bundled one"):
            api.read_policy(place)
    place.write_text(edited.replace("genaudit default", "house", 1), "utf-8")
    report = _audit(tmp_path / "b.csv", place, train=_rows())
    assert api.read_report(api.write_json(report, tmp_path / "b.json")) == report


def test_a_frame_beside_one_that_was_looked_at_before_is_not_refused(policy: Path) -> None:
    """All in one second: the other's early look is no look at this one."""
    old, new = _rows(), _rows(40)
    api.audit(old, schema=SCHEMA, plan=PLAN)
    api.register_policy(policy)
    report = api.audit(new, schema=SCHEMA, plan=PLAN, policy=policy)
    again = api.audit(old, schema=SCHEMA, plan=PLAN, policy=policy)

    assert (_state(report), _state(again)) == ("before", "after")
    assert report.registration is not None
    check_entry(report.registration, PrivacyLedger(), report)


def test_a_changed_copy_of_the_bundled_policy_in_memory_has_no_digest_of_it(
    tmp_path: Path,
) -> None:
    """Under a name of its own it is audited by, and what is written is read."""
    bundled = Policy.read()
    fewer = {"limits": bundled.limits[:1], "default": False}
    for changed in ({}, fewer):
        own = bundled.model_copy(update={"name": "mine", "owner": "me", **changed})
        report = _audit(tmp_path / "a.csv", own, train=_rows())

        assert (report.policy.digest, report.policy.default) == ("", False)
        assert api.read_report(api.write_json(report, tmp_path / "a.json")) == report


def test_a_claim_of_many_digits_is_its_own(tmp_path: Path) -> None:
    """One in so many rows, and what an accountant says: reports round numbers, and claims not."""
    claim = f"epsilon={0.1 + 0.2!r},delta={1 / 32561!r},unit=person"
    report = _audit(tmp_path / "a.csv", None, train=_rows(), claim=claim)

    assert api.read_report(api.write_json(report, tmp_path / "b.json")) == report


@pytest.mark.parametrize("forgery", ["added", "lowered", "unit", "section", "finding", "left"])
def test_a_claim_is_that_of_its_findings(forgery: str, tmp_path: Path) -> None:
    """A promise that was put in, lowered, or whose findings were taken out is exit code 4."""
    report = _audit(tmp_path / "a.csv", None, train=_rows(), claim="epsilon=2.5,delta=1e-6")
    assert api.read_report(api.write_json(report, tmp_path / "b.json")) == report
    told = json.loads((tmp_path / "b.json").read_text("utf-8"))
    own = next(s for s in told["sections"] if s["audit"] == "privacy.claim")
    if forgery == "lowered":
        told["subject"]["claim"]["epsilon"] = 0.01
    elif forgery == "unit":
        told["subject"]["claim"]["unit"] = "person"
    elif forgery == "finding":
        own["findings"] = [f for f in own["findings"] if f["metric"] != "privacy.claim.excess"]
    elif forgery == "left":
        told["subject"]["claim"] = None
    else:
        told["sections"].remove(own)
    if forgery == "added":
        free = json.loads(_audit(tmp_path / "a.csv", None, train=_rows()).model_dump_json())
        free["subject"]["claim"] = told["subject"]["claim"]
        told = free
    (tmp_path / "b.json").write_text(json.dumps(told), "utf-8")

    with pytest.raises(IntegrityError, match=r"Expected the claim in .* to be that"):
        api.read_report(tmp_path / "b.json")


def test_a_bundle_takes_no_other_limits_than_its_policy(policy: Path, tmp_path: Path) -> None:
    """The file beside a report says what was applied, whatever digest the report names."""
    report = _audit(tmp_path / "a.csv", policy, train=_rows())
    none = report.policy.model_copy(update={"limits": ()})
    forged = report.model_copy(update={"policy": none, "registration": None})

    with pytest.raises(IntegrityError, match="are not those of the policy"):
        api.bundle(forged, tmp_path / "evidence", policy=policy, pdf=False)
    assert not (tmp_path / "evidence").exists()


def _told(report: AuditReport, place: Path, **changed: str) -> Path:
    """A report's file with other words on its registration."""
    told = json.loads(report.model_dump_json())
    told["registration"] |= changed
    place.write_text(json.dumps(told), "utf-8")
    return place


@pytest.fixture
def late(policy: Path, tmp_path: Path) -> AuditReport:
    """A report by a policy that came after the first audit of its data."""
    _audit(tmp_path / "a.csv", None, train=_rows())
    api.register_policy(policy)
    return _audit(tmp_path / "b.csv", policy, train=_rows())


@pytest.mark.parametrize(
    "times",
    [
        {"time": "2026-01-02T00:00:00+00:00", "first_audit": "2026-01-01T00:00:00+00:00"},
        {"time": "2099-01-01T00:00:00+00:00", "first_audit": "2099-01-02T00:00:00+00:00"},
        {"time": "2099-01-01T00:00:00+00:00", "first_audit": ""},
        {"time": "", "first_audit": "2026-01-01T00:00:00+00:00"},
        {"time": "long ago"},
    ],
)
def test_a_word_that_its_own_times_contradict_is_refused(
    times: dict[str, str], late: AuditReport, tmp_path: Path,
    run_cli: Callable[..., tuple[int, str, str]],
) -> None:  # fmt: skip
    """A policy that is called `before` and is later than an audit is exit code 4 everywhere."""
    place = _told(late, tmp_path / "audit.json", state="before", **times)

    for words in (
        ("check", place),
        ("report", place, "--out", tmp_path / "r.html"),
        ("bundle", place, "--out", tmp_path / "e"),
        ("ledger", "verify", "--head", place),
    ):
        code, out, err = run_cli(*words)
        assert (code, out) == (4, "")
        assert "as it says" in err


def test_a_word_that_the_ledger_contradicts_is_refused(
    late: AuditReport, tmp_path: Path, run_cli: Callable[..., tuple[int, str, str]]
) -> None:
    """Times that fit each other do not help where the ledger holds an earlier look."""
    known = late.registration
    assert known is not None
    started = late.provenance.started or ""
    place = _told(late, tmp_path / "audit.json", state="before", first_audit=started)
    honest = _told(late, tmp_path / "honest.json")

    assert run_cli("ledger", "verify", "--head", honest)[0] == 0
    code, _, err = run_cli("ledger", "verify", "--head", place)
    assert (code, "got another order" in err) == (4, True)


def test_a_clock_that_was_set_back_proves_nothing(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where times contradict the chain nobody could check them: the policy counts as late."""
    monkeypatch.setattr("genaudit.ledger._now", lambda: "2099-01-01T00:00:00+00:00")
    api.register_policy(policy)
    monkeypatch.undo()
    monkeypatch.setenv("GENAUDIT_LEDGER", str(tmp_path / "ledger.sqlite"))

    assert _state(_audit(tmp_path / "a.csv", policy, train=_rows())) == "after"


def test_the_page_says_that_nobody_asked(policy: Path, tmp_path: Path) -> None:
    """Of a chosen policy it says so where no ledger was asked; of the bundled one, nothing."""
    report = _audit(tmp_path / "a.csv", None)
    chosen = api.check(report, policy)

    assert "not registered before the run" in to_html(chosen, lang="en")
    assert "在运行之前未经登记" in to_html(chosen, lang="zh")
    assert "not registered before the run" not in to_html(report, lang="en")


def test_policy_commands(
    policy: Path, tmp_path: Path, run_cli: Callable[..., tuple[int, str, str]]
) -> None:
    """`show` prints who answers for each limit and until when; `register` where it stands."""
    shown = run_cli("policy", "show", policy)[1]
    for part in ("head of data", "WP216", "2090-01-31", "because", "0.5", "DPO"):
        assert part in shown
    code, out, _ = run_cli("policy", "register", policy)
    assert (code, "is entry 1 of its ledger, since 20" in out) == (0, True)
    assert "policy house, version 7, is registered" in run_cli("ledger", "show")[1]
    touches = json.loads(run_cli("ledger", "show", "--json")[1])["touches"]
    assert touches[0]["policy"]["digest"] == Policy.read(policy).digest
    assert run_cli("policy", "register", tmp_path / "none.toml")[0] == 2

    _rows(90).to_csv(tmp_path / "a.csv", index=False)
    written = tmp_path / "schema.toml"
    written.write_text(SCHEMA.to_toml())
    words = ("audit", tmp_path / "a.csv", "--schema", written, "--plan", "quick",
             "--policy", policy, "--out", tmp_path / "a.json")  # fmt: skip
    code, _, err = run_cli(*words)
    assert (code, "Not pre-registered" in err) == (0, False)
    code, _, err = run_cli(*words, "--ledger", tmp_path / "other.sqlite")
    assert (code, "Not pre-registered: the policy was not registered" in err) == (0, True)
