"""What a bundle holds, that it is the same bytes each time, and what it refuses."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from test_check_codes import _within

from genaudit import api
from genaudit.data.schema import Schema
from genaudit.errors import GenauditWarning, IntegrityError
from genaudit.evidence import pdf
from genaudit.evidence.bundle import digests
from genaudit.evidence.sign import envelope
from genaudit.evidence.statement import canonical, statement
from genaudit.evidence.verify import verify
from genaudit.plan import AuditPlan
from genaudit.policy import Policy, content
from genaudit.result import AuditReport, Limit, Verdict

Cli = Callable[..., tuple[int, str, str]]


FILES = {
    "audit.json", "report.en.html", "report.zh.html", "policy.toml", "controls.oscal.json",
    "results.oscal.json", "bom.cdx.json", "results.sarif", "junit.xml", "modelcard.md",
    "attestation.json",
}  # fmt: skip


def test_bundle_holds_every_form(bundles: Path) -> None:
    """Pages, policy and exports, each named by the statement; the key beside where it is signed."""
    names = {p.name for p in (bundles / "unsigned").iterdir()}
    written = json.loads((bundles / "signed" / "attestation.json").read_text())
    stated = json.loads(base64.b64decode(written["payload"]))

    assert names == FILES
    assert {p.name for p in (bundles / "signed").iterdir()} == {*FILES, "signer.pem"}
    assert {s["name"] for s in stated["subject"]} == {*FILES, "signer.pem"} - {"attestation.json"}


def test_the_same_report_and_key_make_the_same_bytes(
    bundles: Path, audited: Path, keys: Path, tmp_path: Path
) -> None:
    """Written again it is equal, file by file, and written from its own audit.json too."""
    for source in (audited, bundles / "signed" / "audit.json"):
        out = tmp_path / source.parent.name
        api.bundle(source, out, key=keys / "signer.pem", pdf=False)

        for file in (bundles / "signed").iterdir():
            assert (out / file.name).read_bytes() == file.read_bytes(), file.name


def test_audit_json_of_a_bundle_is_canonical_and_checks(bundles: Path, run_cli: Cli) -> None:
    """It reads back as the same bytes, and its policy judges it as the gate does."""
    place = bundles / "signed" / "audit.json"
    report = api.read_report(place)
    code, _, _ = run_cli("check", place, "--policy", bundles / "signed" / "policy.toml")

    assert api.json.dumps(report) == place.read_text("utf-8")
    assert code == run_cli("check", place)[0]


def _reduced() -> AuditReport:
    """Women are paid as often as men among samples, a quarter as often among real rows."""
    schema = Schema.from_dict({"columns": {
        "sex": {"kind": "categorical", "categories": ["F", "M"], "role": "sensitive"},
        "paid": {"kind": "categorical", "categories": ["no", "yes"], "role": "target"},
    }})  # fmt: skip

    def rows(women: int) -> pd.DataFrame:
        paid = ["yes"] * women + ["no"] * (1000 - women) + ["yes"] * 800 + ["no"] * 200
        return pd.DataFrame({"sex": ["F"] * 1000 + ["M"] * 1000, "paid": paid})

    limit = Limit(metric="bias.representation.label_gap_change", direction="abs", value=0.05,
                  owner="o", rationale="r")  # fmt: skip
    return api.audit(
        rows(800), train=rows(200), schema=schema, plan=AuditPlan(audits=("bias.representation",)),
        policy=Policy(name="p", owner="o", limits=(limit,)),
    )  # fmt: skip


@pytest.fixture(params=["within", "smaller"])
def passing(request: pytest.FixtureRequest, tmp_path: Path) -> AuditReport:
    """A report that its limits let pass: within, or with a gap that is told to be smaller."""
    if request.param == "smaller":
        return _reduced()
    [place] = _within(tmp_path)
    return api.read_report(place)


def _ending(report: AuditReport, last: dt.date, started: dt.date) -> AuditReport:
    """The report with this last day of its limits, of an audit on that day."""
    limits = tuple(x.model_copy(update={"expires": last}) for x in report.policy.limits)
    made = report.provenance.model_copy(update={"started": f"{started}T10:00:00Z"})
    policy = report.policy.model_copy(update={"limits": limits})
    return report.model_copy(update={"policy": policy, "registration": None, "provenance": made})


def test_a_limit_that_has_expired_since_passes_nowhere(
    passing: AuditReport, tmp_path: Path
) -> None:
    """Of an audit of two days ago whose limits ended yesterday nothing passes any more."""
    today, day = dt.datetime.now(dt.UTC).date(), dt.timedelta(days=1)
    report = _ending(passing, today - day, today - 2 * day)
    out = tmp_path / "evidence"

    with pytest.warns(GenauditWarning, match="Limits have expired since the audit"):
        api.bundle(report, out, pdf=False)

    stated = json.loads((out / "attestation.json").read_text())["payload"]
    predicate = json.loads(base64.b64decode(stated))["predicate"]
    limited = [f for _, f in api.read_report(out / "audit.json").findings() if f.limit]
    assert predicate["result"] == "WARNED"
    assert predicate["passedTests"] == []
    assert {f.verdict for f in limited} == {Verdict.CANNOT_TELL}
    assert verify(out).late == ()


def test_a_smaller_gap_is_a_warning_and_no_pass(tmp_path: Path) -> None:
    """It is reduced, and not within its limit; it does not vanish from the statement either."""
    api.bundle(_reduced(), tmp_path / "evidence", pdf=False)

    stated = json.loads((tmp_path / "evidence" / "attestation.json").read_text())["payload"]
    predicate = json.loads(base64.b64decode(stated))["predicate"]
    assert predicate["result"] == "WARNED"
    assert predicate["failedTests"] == []
    assert predicate["passedTests"] == ["bias.representation.label_gap_change [sex=any two groups]"]
    [warned] = predicate["warnedTests"]
    assert warned.startswith("bias.representation.label_gap_change [sex=")
    assert warned.endswith(": reduced, not within its limit")


def test_limits_that_expire_after_a_bundle_are_told(
    passing: AuditReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever verifies it later; it is whole all the same."""
    today = dt.datetime.now(dt.UTC).date()
    api.bundle(_ending(passing, today, today), tmp_path / "evidence", pdf=False)

    assert verify(tmp_path / "evidence").late == ()
    later = today + dt.timedelta(days=1)
    monkeypatch.setattr("genaudit.evidence.verify.today", lambda: later)
    found = verify(tmp_path / "evidence")
    assert found.late
    assert "Limits have expired since (" in str(found)


def test_a_limit_of_the_last_day_changes_no_bundle(audited: Path, tmp_path: Path) -> None:
    """Verdicts are those of the day of the audit, so the files are the same on any day."""
    report = api.read_report(audited)
    day = report.provenance.started[:10]
    limits = tuple(x.model_copy(update={"expires": day}) for x in report.policy.limits)
    dated: AuditReport = report.model_copy(
        update={
            "policy": report.policy.model_copy(
                update={"name": "house", "limits": limits, "digest": "", "default": False}
            )
        }
    )
    api.bundle(dated, tmp_path / "evidence", pdf=False)

    found = api.read_report(tmp_path / "evidence" / "audit.json")
    assert [f.verdict for _, f in found.findings()] == [f.verdict for _, f in report.findings()]


def test_stored_verdicts_are_not_believed(audited: Path, tmp_path: Path) -> None:
    """A report whose verdicts were made up is bundled with those that its numbers make."""
    text = audited.read_text("utf-8")
    forged = tmp_path / "audit.json"
    forged.write_text(text.replace('"verdict": "cannot_tell"', '"verdict": "within"'), "utf-8")
    with pytest.warns(GenauditWarning, match="of the stored verdicts are not"):
        api.bundle(forged, tmp_path / "evidence", pdf=False)

    assert (tmp_path / "evidence" / "audit.json").read_text("utf-8") == text


def test_a_report_without_a_time_is_bundled(audited: Path, tmp_path: Path) -> None:
    """Its day is not known: a limit that may have expired lets nothing pass."""
    report = api.read_report(audited)
    made = report.provenance.model_copy(update={"started": None})
    limits = tuple(x.model_copy(update={"expires": "2999-01-01"}) for x in report.policy.limits)
    policy = report.policy.model_copy(
        update={"name": "house", "limits": limits, "digest": "", "default": False}
    )
    undated = report.model_copy(update={"provenance": made, "policy": policy})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api.bundle(undated, tmp_path / "evidence", pdf=False)

    found = api.read_report(tmp_path / "evidence" / "audit.json")
    assert "within" not in {f.verdict for _, f in found.findings()}
    assert verify(tmp_path / "evidence").n_files == len(FILES)


def test_bundle_refuses_what_is_there(audited: Path, tmp_path: Path, run_cli: Cli) -> None:
    """A folder that holds something, or no report, ends with 2 and is left as it is."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for source, out in ((audited, "full"), (tmp_path / "none.json", "new"), (tmp_path, "new")):
        code, _, err = run_cli("bundle", source, "--no-pdf", "--out", tmp_path / out)

        assert (code, err.count("\n")) == (2, 1)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["x"]
    assert not (tmp_path / "new").exists()


@pytest.mark.filterwarnings("always")
def test_without_chromium_there_is_no_pdf_and_a_sentence(
    audited: Path, tmp_path: Path, run_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle is written all the same, and verifies."""
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = run_cli("bundle", audited, "--out", tmp_path / "evidence")

    assert code == 0
    assert "No Chromium was found" in err
    assert {p.name for p in (tmp_path / "evidence").iterdir()} == FILES
    assert verify(tmp_path / "evidence").n_files == len(FILES)


def test_a_browser_that_prints_nothing_is_a_warning(
    audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails, or prints what is no PDF, leaves the bundle without."""
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\nexit 1\n")
    browser.chmod(0o755)
    monkeypatch.setattr("genaudit.evidence.bundle.find_browser", lambda: str(browser))
    with pytest.warns(GenauditWarning, match="printed no page"):
        api.bundle(audited, tmp_path / "evidence")

    assert {p.name for p in (tmp_path / "evidence").iterdir()} == FILES


@pytest.mark.slow
def test_pages_are_printed_tagged_and_alike(audited: Path, tmp_path: Path) -> None:
    """Each page is a tagged PDF with an outline, dated as the report, twice the same bytes."""
    if pdf.find_browser() is None:
        pytest.skip("chromium is not installed")
    for name in ("one", "two"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            api.bundle(audited, tmp_path / name)
    day = re.sub(r"\D", "", api.read_report(audited).provenance.started)[:14].encode()

    for name in ("report.en.pdf", "report.zh.pdf"):
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        for part in (b"%PDF-", b"/StructTreeRoot", b"/Marked true", b"/Outlines", b"/Lang"):
            assert part in content
        assert b"/CreationDate (D:" + day in content
    assert verify(tmp_path / "one").n_files == len(FILES) + 2


def test_a_registered_policy_is_put_in_as_it_is(tmp_path: Path, run_cli: Cli) -> None:
    """Its digest is the registered one; without the file what it says has the digest in the ledger.

    Another file is refused.
    """
    rows = tmp_path / "rows.csv"
    rows.write_text("region\n" + "north\nsouth\n" * 30)
    other = tmp_path / "other.csv"
    other.write_text("region\n" + "south\nnorth\n" * 20)
    house = tmp_path / "house.toml"
    house.write_text(
        '# ours\nname = "house"\nowner = "DPO"\n[[limit]]\nmetric = "quality.validity.invalid_rate"'
        '\nvalue = 0.5\nrationale = "r"\n'
    )
    schema = Schema.from_dict({
        "columns": {"region": {"kind": "categorical", "categories": ["north", "south"]}}
    })  # fmt: skip
    known = api.register_policy(house)
    plan = AuditPlan(audits=("quality.validity",))
    report = api.audit(rows, holdout=other, schema=schema, policy=house, plan=plan)
    place = api.write_json(report, tmp_path / "audit.json")
    for out, words in (("as_it_is", ("--policy", house)), ("anew", ())):
        assert run_cli("bundle", place, "--out", tmp_path / out, "--no-pdf", *words)[0] == 0
        verify(tmp_path / out)

    assert (tmp_path / "as_it_is" / "policy.toml").read_bytes() == house.read_bytes()
    written = tmp_path / "anew" / "policy.toml"
    assert known.content in written.read_text("utf-8")
    assert content(Policy.read(written)) == known.content
    house.write_text(house.read_text() + "# more\n")
    code, _, err = run_cli("bundle", place, "--out", tmp_path / "no", "--policy", house)
    assert (code, "Expected the policy of the report" in err) == (2, True)


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(("until", "over"), [("2999-12-31", False), ("2020-01-01", True)])
def test_an_expired_report_passes_nowhere(
    until: str, over: bool, tmp_path: Path, run_cli: Cli
) -> None:
    """All of its limits are kept, and still statement, exports, side by side and verify say it."""
    [place] = _within(tmp_path)
    told = json.loads(place.read_text("utf-8"))
    place.write_text(json.dumps(told | {"context": {"valid_until": until}}), "utf-8")
    code, _, err = run_cli("report", place, place, "--out", tmp_path / "both.html")
    assert (code, err.count(f"{place} was valid until {until}")) == (0, 2 * over)
    assert (tmp_path / "both.html").read_text("utf-8").count(until[:4]) >= 2
    out = tmp_path / "evidence"
    code, _, err = run_cli("bundle", place, "--no-pdf", "--out", out)
    checked, said, _ = run_cli("verify", out)
    stated = json.loads((out / "attestation.json").read_text())["payload"]
    predicate = json.loads(base64.b64decode(stated))["predicate"]
    case = ET.parse(out / "junit.xml").find("*/testcase[@name='valid_until']")  # noqa: S314  ours
    [run] = json.loads((out / "results.sarif").read_text("utf-8"))["runs"]
    notes = run["invocations"][0]["toolExecutionNotifications"]

    assert (code, checked) == (0, 0)
    assert predicate["result"] == ("WARNED" if over else "PASSED")
    assert predicate["warnedTests"] == (["valid_until: expired"] if over else [])
    assert case is not None
    assert (case.find("skipped") is not None) == over
    written = [(out / name).read_text("utf-8")
               for name in ("modelcard.md", "results.oscal.json", "bom.cdx.json")]  # fmt: skip
    for text in (err, said, json.dumps(notes), *written):
        assert (f"was valid until {until}" in text) == over


def test_a_validity_that_nobody_declared_is_not_over(bundles: Path, tmp_path: Path) -> None:
    """A statement that says so of a report without a last day does not follow from its files."""
    folder = Path(shutil.copytree(bundles / "unsigned", tmp_path / "unsigned"))
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "attestation.json"}
    report = json.loads(files["audit.json"])
    for over in (False, True):
        stated = statement(digests(files), report, expired=over)
        (folder / "attestation.json").write_bytes(envelope(canonical(stated), None))
        if not over:
            assert verify(folder).expired == ""
    with pytest.raises(IntegrityError, match="something else"):
        verify(folder)


def test_counts_of_a_few_people_are_not_shown_where_there_are_none(
    audited: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """`--show-private` takes a report that holds them, and refuses another in one sentence."""
    told = json.loads(audited.read_text("utf-8"))
    told["provenance"]["show_private"] = True
    shown = tmp_path / "shown.json"
    shown.write_text(json.dumps(told), "utf-8")
    for verb, words in (("report", ("--format", "json")), ("bundle", ("--no-pdf",))):
        refused = run_cli(verb, audited, "--show-private", *words, "--out", tmp_path / f"no.{verb}")
        taken = run_cli(verb, shown, "--show-private", *words, "--out", tmp_path / f"yes.{verb}")

        assert (refused[0], refused[2].count("\n")) == (2, 1)
        assert "made by `genaudit audit --show-private`" in refused[2]
        assert not (tmp_path / f"no.{verb}").exists()
        assert (taken[0], "--show-private" in taken[2]) == (0, False)
