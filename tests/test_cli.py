"""The command line from end to end: every verb, its exit codes and what it leaves behind."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from long import all_but

Cli = Callable[..., tuple[int, str, str]]

TIMES = re.compile(r'"(seconds|started)": ?("[^"]*"|[0-9.]+)')


@pytest.fixture(scope="session")
def model_dir(arrests_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private CGAN, trained as quickly as can be."""
    from genaudit import api
    from genaudit.ledger import PrivacyLedger

    folder = tmp_path_factory.mktemp("trained")
    model = api.train(
        arrests_files / "train.csv", "arrests", model="cgan", epsilon=3, delta=1e-5,
        preset="quick", steps=30, ledger=PrivacyLedger(folder / "ledger.sqlite"),
    )  # fmt: skip
    model.save(folder / "model")
    return folder / "model"


#: A plan that takes seconds, and the one that is taken where none is named.
PLANS = pytest.mark.parametrize("plan", all_but({"quick"}, ["quick", "standard"]))


@pytest.fixture(scope="session")
def audit_json(arrests_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full audit of a file of fresh real rows."""
    from genaudit import api
    from genaudit.ledger import PrivacyLedger

    folder = tmp_path_factory.mktemp("audited")
    report = api.audit(
        arrests_files / "samples.csv", train=arrests_files / "train.csv",
        holdout=arrests_files / "holdout.csv", schema="arrests",
        ledger=PrivacyLedger(folder / "ledger.sqlite"), strict=True,
    )  # fmt: skip
    return api.write_json(report, folder / "audit.json")


def _small(folder: Path) -> tuple[object, ...]:
    """Options of a training that takes a moment."""
    recipe = folder / "small.toml"
    recipe.write_text("steps = 20\ncomponents = 20\nfit_steps = 20\n")
    return "--config", recipe


def test_train_sample_audit_report_check(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """The main job from the command line: private model, samples, audit, page, gate."""
    train, holdout = arrests_files / "train.csv", arrests_files / "holdout.csv"
    model, samples = tmp_path / "model", tmp_path / "samples.csv"
    found, page = tmp_path / "audit.json", tmp_path / "report.html"

    code, out, err = run_cli("train", train, "--schema", "arrests", "--model", "vae",
                             "--epsilon", "3", "--delta", "1e-5", "--preset", "quick",
                             "--out", model)  # fmt: skip
    assert (code, out) == (0, ""), err
    assert "ε = 3" in err
    assert sorted(p.name for p in model.iterdir()) == ["model.json", "model.safetensors"]

    assert run_cli("sample", model, "-n", 400, "--out", samples)[0] == 0
    assert len(pd.read_csv(samples)) == 400

    code, out, err = run_cli("audit", model, "--train", train, "--holdout", holdout,
                             "--out", found)  # fmt: skip
    assert (code, out) == (0, ""), err
    report = json.loads(found.read_text("utf-8"))
    assert report["subject"]["claim"]["epsilon"] == 3
    idle = [s for s in report["sections"] if s["status"] != "ran"]
    # The model has no scores, its table no sensitive number, and samples say their group.
    unasked = {"bias.continuous", "bias.predicted"}
    assert all({"scores", "canaries"} & {*s["needs"]} or s["audit"] in unasked for s in idle)

    assert run_cli("report", found, "--out", page)[0] == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert run_cli("check", found)[0] in (1, 3)


def test_sample_where(model_dir: Path, tmp_path: Path, run_cli: Cli) -> None:
    """`--where` holds for every row; the same seed gives the same file."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    for out in (first, second):
        code, _, err = run_cli("sample", model_dir, "-n", 50, "--where", "colour=Black",
                               "--where", "released=No", "--seed", 3, "--out", out)  # fmt: skip
        assert code == 0, err

    made = pd.read_csv(first)
    assert len(made) == 50
    assert set(made["colour"]) == {"Black"}
    assert set(made["released"]) == {"No"}
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_samples_of_nothing_are_not_written(
    model_dir: Path, tmp_path: Path, run_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no record has what is asked for there is no file that a pipeline would go on with."""
    monkeypatch.setattr("genaudit.models.sampler._CHUNK", 1)
    monkeypatch.setattr("genaudit.models.sampler.TRIES", 1)

    rare = ("--where", "age=66", "--where", "year=1997", "--where", "checks=6")
    code, _, err = run_cli("sample", model_dir, "-n", 1, *rare, "--out", tmp_path / "s.csv")

    assert code == 2
    assert "No record was made" in err
    assert list(tmp_path.iterdir()) == []


def test_sample_of_more_than_fits_is_refused(model_dir: Path, tmp_path: Path, run_cli: Cli) -> None:
    """So many records that memory would run out are refused at once, with an estimate."""
    for more in ((), ("--where", "colour=Black")):
        code, _, err = run_cli(
            "sample", model_dir, "-n", 99_999_999_999, "--out", tmp_path / "s.csv", *more
        )
        assert code == 2
        assert "99,999,999,999 records of 8 columns would need about" in err
        assert "another seed" in err

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("where", "says"),
    [("colour=Green", "Green"), ("nose=big", "nose"), ("colour", "COLUMN=VALUE")],
)
def test_sample_where_unknown(
    where: str, says: str, model_dir: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Unknown columns and values in `--where` are refused by name."""
    code, _, err = run_cli("sample", model_dir, "-n", 5, "--where", where,
                           "--out", tmp_path / "s.csv")  # fmt: skip

    assert code == 2
    assert says in err
    assert not (tmp_path / "s.csv").exists()


def test_sample_where_names_hold_equals_signs() -> None:
    """A condition is split after the longest column name that it begins with."""
    from genaudit.cli import _conditions
    from genaudit.errors import OptionError

    known = ["a", "a=b", "=x", ""]

    assert _conditions(["a=b=c", "a=c", "=x==1"], known) == {"a=b": "c", "a": "c", "=x": "=1"}
    assert _conditions(["income=>50K"], ["sex"]) == {"income": ">50K"}
    assert _conditions(["=y"], known) == {"": "y"}
    assert _conditions([], known) is None
    for bad, columns in ((["=y"], ["a"]), (["a"], ["a"]), (["a=1", "a=2"], ["a"])):
        with pytest.raises(OptionError, match="--where"):
            _conditions(bad, columns)


@pytest.mark.parametrize(
    ("name", "said"),
    [("s", "s as CSV."), ("s.v2", "s.v2 as CSV."), ("s.csv", "s.csv."), ("S.JSONL", "S.JSONL.")],
)
def test_sample_writes_its_own_format(
    name: str, said: str, model_dir: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """An output path without a known suffix gets a CSV, which is said."""
    code, _, err = run_cli("sample", model_dir, "-n", 4, "--out", tmp_path / name)

    assert code == 0
    assert err.endswith(f"{said}\n")
    first = (tmp_path / name).read_text().splitlines()[0]
    assert first.startswith("{" if "JSONL" in name else "released,")


def test_sample_seed_is_no_negative_number(model_dir: Path, tmp_path: Path, run_cli: Cli) -> None:
    """A seed below zero is refused."""
    code, _, err = run_cli("sample", model_dir, "-n", 4, "--seed", -3, "--out", tmp_path / "s.csv")

    assert code == 2
    assert "--seed" in err
    assert err.count("\n") == 1


def test_a_recipe_file_may_name_the_model(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """`model` in a recipe is the family; as with every field, an option given on top wins."""
    config = tmp_path / "recipe.toml"
    config.write_text('model = "gan"\npreset = "quick"\n')
    words = ("train", arrests_files / "train.csv", "--schema", "arrests", "--dry-run",
             "--config", config)  # fmt: skip

    assert "Family gan, preset quick" in run_cli(*words)[1]
    assert "Family vae, preset quick" in run_cli(*words, "--model", "vae")[1]


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_flipped_byte_is_an_integrity_error(
    name: str, model_dir: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """One byte flipped in a model folder ends with 4; a folder cut short with 2."""
    for place, code in ((0.0, 4), (0.3, 4), (0.99, 4), (None, 2)):
        folder = tmp_path / f"{name}{place}"
        folder.mkdir()
        for file in model_dir.iterdir():
            content = bytearray(file.read_bytes())
            if file.name == name:
                if place is None:
                    content = content[: len(content) // 2]
                else:
                    content[int(place * len(content))] ^= 0xFF
            (folder / file.name).write_bytes(content)

        got, _, err = run_cli("sample", folder, "-n", 5, "--out", tmp_path / "s.csv")

        assert got == code, err
        assert err.count("\n") == 1


@PLANS
def test_audit_is_reproducible(
    plan: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """The same files and seed give the same audit.json but for times."""
    pages = []
    for name in ("a.json", "b.json"):
        code, _, err = run_cli(
            "audit", arrests_files / "samples.csv", "--train", arrests_files / "train.csv",
            "--holdout", arrests_files / "holdout.csv", "--schema", "arrests",
            "--plan", plan, "--out", tmp_path / name,
        )  # fmt: skip
        assert code == 0, err
        pages.append(TIMES.sub("", (tmp_path / name).read_text("utf-8")))

    assert pages[0] == pages[1]


def test_gate_and_check_agree(
    audit_json: Path, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """`check` recomputes verdicts: a stored lie changes nothing, a stricter policy does."""
    code, out, _ = run_cli("check", audit_json)
    lie = json.loads(audit_json.read_text("utf-8"))
    for section in lie["sections"]:
        for finding in section["findings"]:
            finding["verdict"] = "within"
    (tmp_path / "lie.json").write_text(json.dumps(lie))
    strict = tmp_path / "policy.toml"
    strict.write_text(
        'name = "strict"\nowner = "me"\n[[limit]]\nmetric = "quality.utility.trtr_auc"\n'
        'direction = "max"\nvalue = 1e-9\nrationale = "nothing passes"\n'
    )

    assert run_cli("check", tmp_path / "lie.json")[:2] == (code, out)
    assert run_cli("check", audit_json, "--policy", strict)[0] == 1


def test_check_says_whose_limits_it_used(audit_json: Path, tmp_path: Path, run_cli: Cli) -> None:
    """Those in the report or those given, and how many findings they judged."""
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'name = "house"\nversion = "7"\nowner = "DPO"\n[[limit]]\nrationale = "r"\n'
        'metric = "quality.validity.invalid_rate"\nvalue = 0.5\n'
    )

    _, _, stored = run_cli("check", audit_json)
    code, out, given = run_cli("check", audit_json, "--policy", policy, "--json")

    assert f"limits stored in {audit_json} (genaudit default, version 2" in stored
    assert f"limits of {policy} (house, version 7, owner: DPO)" in given
    assert "Findings that a limit judges: 1 (0 outside, 0 cannot tell, 1 within)" in given
    assert (code, len(json.loads(out))) == (0, 1)


def test_without_a_limit_nothing_passes(audit_json: Path, tmp_path: Path, run_cli: Cli) -> None:
    """A policy that limits nothing is no gate: exit 3, and a sentence that says so."""
    (tmp_path / "none.toml").write_text('name = "none"\nowner = "me"\n')

    code, out, err = run_cli("check", audit_json, "--policy", tmp_path / "none.toml")

    assert (code, out) == (3, "")
    assert "sets no limit, so nothing can pass" in err


def test_help_shows_a_whole_claim(monkeypatch: pytest.MonkeyPatch, run_cli: Cli) -> None:
    """The example is whole in a narrow terminal, and is a claim as it stands."""
    from genaudit.subjects.resolve import parse_claim

    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run_cli("audit", "--help")
    shown = " ".join(re.sub(r"[│\s]+", " ", out).split())

    example = "epsilon=3, delta=1e-6, unit=person"
    assert f"'{example}'" in shown
    assert parse_claim(example) == parse_claim("epsilon=3,delta=1e-6,unit=person")


def test_no_name_drives_the_terminal(tmp_path: Path, run_cli: Cli) -> None:
    """Control characters of a policy or of a ledger reach no terminal, on either stream."""
    from genaudit.ledger import PrivacyLedger, Touch

    evil = "x\x1b]0;owned\x07\x9b2Jy"
    policy, book = tmp_path / "p.toml", tmp_path / "l.db"
    quoted = json.dumps(evil)
    policy.write_text(f"name = {quoted}\nversion = {quoted}\nowner = {quoted}\n")
    PrivacyLedger(book).append(
        Touch(dataset=evil, kind="unaccounted", scope="release", purpose=evil)
    )

    for words in (("policy", "show", policy), ("ledger", "show", "--ledger", book),
                  ("ledger", "show", "--ledger", book, "--dataset-id", f"{evil}2"),
                  ("policy", "show", tmp_path / evil)):  # fmt: skip
        code, out, err = run_cli(*words)
        assert code in (0, 2)
        assert out + err
        assert all(c == "\n" or c.isprintable() for c in out + err)


def test_metrics_that_are_shares_are_known_to_policies(audit_json: Path) -> None:
    """A policy knows which metrics lie in [0, 1]: those, and no others, whose intervals do."""
    from genaudit.policy import SHARES

    inside: dict[str, bool] = {}
    for section in json.loads(audit_json.read_text("utf-8"))["sections"]:
        for finding in section["findings"]:
            ends = [b[k] for b in finding["estimate"]["ladder"] for k in ("low", "high")]
            if ends:
                fits = all(end is not None and 0 <= end <= 1 for end in ends)
                inside[finding["metric"]] = inside.get(finding["metric"], True) and fits

    assert {metric for metric, fits in inside.items() if fits} <= SHARES
    assert not {metric for metric, fits in inside.items() if not fits} & SHARES
    assert len(SHARES & set(inside)) > 8


def test_report_shows_verdicts_that_the_numbers_say(
    audit_json: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """A stored lie is rendered as what its numbers and limits say, and the command says so."""
    lie = json.loads(audit_json.read_text("utf-8"))
    for section in lie["sections"]:
        for finding in section["findings"]:
            finding["verdict"] = "outside"
    for control in lie["controls"]:
        control["state"] = "evidence_within_limit"
    (tmp_path / "lie.json").write_text(json.dumps(lie))
    for form in ("html", "json"):
        for name, file in (("true", audit_json), ("lie", tmp_path / "lie.json")):
            code, _, err = run_cli("report", file, "--format", form, "--out", tmp_path / name)
            assert code == 0
            assert ("of the verdicts in" in err) == (name == "lie"), err

        assert (tmp_path / "lie").read_text("utf-8") == (tmp_path / "true").read_text("utf-8")


def test_an_impossible_interval_is_bad_input(
    audit_json: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """A report edited so that a value lies outside its interval ends with 2 and one sentence."""
    edited = json.loads(audit_json.read_text("utf-8"))
    estimate = next(s for s in edited["sections"] if s["findings"])["findings"][0]["estimate"]
    estimate["low"], estimate["high"] = estimate["high"] + 1, estimate["low"]
    (tmp_path / "edited.json").write_text(json.dumps(edited))

    for verb in (("report", "--out", tmp_path / "page.html"), ("check",)):
        code, _, err = run_cli(verb[0], tmp_path / "edited.json", *verb[1:])
        assert code == 2
        assert "low <= value <= high" in err
        assert err.count("\n") == 1


def test_the_chinese_report_holds_no_english(
    audit_json: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Of a whole audit only names, ids, citations and names of laws are not Chinese."""
    run_cli("report", audit_json, "--lang", "zh", "--out", tmp_path / "page.html")
    report = json.loads(audit_json.read_text("utf-8"))
    page = re.sub(r"<style>.*?</style>|</?(?:b|bdi|span)\b[^>]*>", "",
                  (tmp_path / "page.html").read_text("utf-8"), flags=re.DOTALL)  # fmt: skip
    text = html.unescape(re.sub(r"<[^>]+>", "|", page))
    for name in (*(s["source"] for s in report["sections"]),
                 *(c["regulation"] for c in report["controls"])):  # fmt: skip
        text = text.replace(name, "")

    assert "released" in text
    assert re.findall(r"[A-Za-z]+(?:[ ,;:]+[A-Za-z]+){2,}", text) == []


def test_check_of_metrics_that_nobody_measured(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Samples alone: audits are skipped with the reason, and `check` ends with 3, never 0."""
    code, _, err = run_cli("audit", arrests_files / "samples.csv", "--schema", "arrests",
                           "--out", tmp_path / "a.json")  # fmt: skip
    assert code == 0
    assert "Not measured" in err

    code, out, _ = run_cli("check", tmp_path / "a.json", "--json")

    assert code == 3
    assert "not_measured" in {row["verdict"] for row in json.loads(out)}


@PLANS
def test_copies_fail_the_gate(plan: str, arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """A file of training rows is outside: exit 0 from the audit, 1 with `--gate`."""
    train = arrests_files / "train.csv"
    words = ("audit", train, "--train", train, "--holdout", arrests_files / "holdout.csv",
             "--schema", "arrests", "--plan", plan, "--out", tmp_path / "a.json")  # fmt: skip

    assert run_cli(*words)[0] == 0
    code, _, err = run_cli(*words, "--gate")

    assert code == 1
    assert "privacy.copies.exact" in err


@pytest.mark.slow
def test_degenerate_samples_are_findings(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """What would be refused in real data is a finding in samples: exit 0, sections that ran."""
    train, holdout, samples = (
        pd.read_csv(arrests_files / f"{name}.csv", dtype=str).head(500)
        for name in ("train", "holdout", "samples")
    )
    train.to_csv(tmp_path / "train.csv", index=False)
    holdout.to_csv(tmp_path / "holdout.csv", index=False)
    broken = {
        "one group": samples.assign(colour="White"),
        "category": samples.assign(colour="Green"),
        "all missing": samples.assign(age=""),
        "column absent": samples.drop(columns="age"),
        "column extra": samples.assign(shoe=1),
        "one row": samples.head(1),
        "one label": samples.assign(released="Yes"),
    }
    for name, frame in broken.items():
        frame.to_csv(tmp_path / "s.csv", index=False)

        code, _, err = run_cli(
            "audit", tmp_path / "s.csv", "--train", tmp_path / "train.csv", "--holdout",
            tmp_path / "holdout.csv", "--schema", "arrests", "--strict",
            "--out", tmp_path / "a.json",
        )  # fmt: skip

        assert code == 0, f"{name}: {err}"


@pytest.mark.parametrize("what", ["audits", "models", "regulations", "datasets"])
def test_list_is_an_array_of_objects(what: str, run_cli: Cli) -> None:
    """`list --json` prints an array of objects on stdout, and a table without --json."""
    code, out, err = run_cli("list", what, "--json")
    rows = json.loads(out)

    assert (code, err) == (0, "")
    assert rows
    assert all(isinstance(row, dict) for row in rows)
    assert run_cli("list", what)[0] == 0


def test_list_models(run_cli: Cli) -> None:
    """Every family makes every modality."""
    rows = json.loads(run_cli("list", "models", "--json")[1])

    assert {row["name"] for row in rows} == {"gan", "vae", "cgan"}
    assert all(row["modalities"] == ["table", "image", "sequence", "text"] for row in rows)


def test_list_regulations(run_cli: Cli) -> None:
    """Each clause comes with source, dates, both languages and the operator's question."""
    rows = json.loads(run_cli("list", "regulations", "--json")[1])
    shown = run_cli("list", "regulations")[1]

    assert len(rows) >= 50
    for row in rows:
        assert row["url"].startswith("https://")
        assert {"retrieved", "reviewed", "in_force", "certainty", "read", "measures"} <= set(row)
        assert all(set(row[k]) == {"en", "zh"} for k in ("clause", "paraphrase", "question"))
        assert row["id"] in shown
    assert rows[0]["question"]["en"] in shown


def test_context_is_written_and_answered(tmp_path: Path, run_cli: Cli) -> None:
    """`context` writes a file once; a key that no clause asks for ends an audit with 2."""
    file = tmp_path / "context.toml"
    printed = run_cli("context", "--lang", "zh")

    assert printed[0] == run_cli("context", "--out", file)[0] == 0
    assert "# personal_data =" in printed[1]
    assert "# personal_data =" in file.read_text("utf-8")
    code, _, err = run_cli("context", "--out", file)
    assert (code, err.count("\n")) == (2, 1)

    file.write_text("[applicability]\npersonal_date = true\n")
    code, _, err = run_cli("audit", "arrests", "--schema", "arrests", "--context", file,
                           "--out", tmp_path / "a.json")  # fmt: skip
    assert code == 2
    assert "did you mean 'personal_data'" in err


def test_list_datasets_fields(run_cli: Cli) -> None:
    """Data sets are listed with name, modality, rows, sensitive columns and licence."""
    found = {d["name"]: d for d in json.loads(run_cli("list", "datasets", "--json")[1])}

    assert found["arrests"]["rows"] == 5226
    assert {d["modality"] for d in found.values()} == {"table", "image", "sequence", "text"}
    assert all(
        set(d) == {"name", "modality", "rows", "sensitive", "licence"} for d in found.values()
    )


def test_policy_show(run_cli: Cli) -> None:
    """The default policy prints each metric with direction, limit and reason."""
    code, out, _ = run_cli("policy", "show")

    assert code == 0
    assert "privacy.copies.exact" in out
    assert "bundled default" in out
    assert json.loads(run_cli("policy", "show", "--json")[1])[0]["rationale"]


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("privacy.copies.exat", "did you mean 'privacy.copies.exact' or"),
        ("privcy.distance.auc", "did you mean 'privacy.distance.auc'"),
        ("privacy.distance", "did you mean 'privacy.distance.auc' or"),
        ("zzz", "`genaudit list audits --json` names all that there are."),
    ],
)
def test_a_limit_on_a_metric_that_nobody_measures_is_refused(
    audit_json: Path, tmp_path: Path, run_cli: Cli, metric: str, says: str
) -> None:
    """A misspelt id is one sentence that names those near it, instead of reading as unmeasured."""
    policy, out = tmp_path / "policy.toml", tmp_path / "audit.json"
    policy.write_text(
        'name = "house"\nowner = "me"\n[[limit]]\nrationale = "r"\nvalue = 0.5\n'
        f'metric = "{metric}"\n'
    )

    for command in (
        ("policy", "show", policy), ("check", audit_json, "--policy", policy),
        ("audit", tmp_path / "absent.csv", "--policy", policy, "--out", out),
    ):  # fmt: skip
        code, printed, said = run_cli(*command)

        assert (code, printed) == (2, "")
        assert f"The policy in {policy} limits '{metric}', which no audit measures; {says}" in said
        assert said.count("\n") == 1
    assert not out.exists()


def test_metrics_are_listed(run_cli: Cli) -> None:
    """Each audit lists what a policy can limit, and the default policy limits nothing else."""
    from genaudit.policy import Policy

    listed = json.loads(run_cli("list", "audits", "--json")[1])
    metrics = {metric for audit in listed for metric in audit["metrics"]}

    assert {limit.metric for limit in Policy.read().limits} < metrics


@pytest.mark.filterwarnings("always::genaudit.errors.GenauditWarning")
def test_a_stopped_training_goes_on(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """`--checkpoint` keeps a state, `--resume` goes on with it; the checkpoint decides the rest."""
    train, ledger = arrests_files / "train.csv", ("--ledger", tmp_path / "l.sqlite")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("steps = 20")
    assert run_cli("train", train, "--schema", "arrests", "--config", recipe, *ledger,
                   "--checkpoint", tmp_path / "c", "--out", tmp_path / "m")[0] == 0  # fmt: skip

    code, _, stderr = run_cli(
        "train", train, "--resume", tmp_path / "c", *ledger, "--out", tmp_path / "again"
    )
    refused = run_cli("train", train, "--resume", tmp_path / "c", "--epsilon", "3", *ledger,
                      "--out", tmp_path / "other")  # fmt: skip

    assert code == 0
    assert "20 steps are in the checkpoint, 0 are left" in stderr
    one, other = (tmp_path / name / "model.safetensors" for name in ("m", "again"))
    assert one.read_bytes() == other.read_bytes()
    assert refused[0] == 2
    assert "got --epsilon; leave it out" in refused[2]


def test_a_training_that_is_terminated_gives_back_what_it_reserved(
    arrests_files: Path, tmp_path: Path
) -> None:
    """SIGTERM ends it as Ctrl-C does: one sentence, a closed reservation, and the usual code."""
    from genaudit.ledger import PrivacyLedger

    ledger, recipe = PrivacyLedger(tmp_path / "l.sqlite"), tmp_path / "recipe.toml"
    recipe.write_text("steps = 100000")
    process = subprocess.Popen(
        [sys.executable, "-m", "genaudit", "train", arrests_files / "train.csv", "--schema",
         "arrests", "--epsilon", "3", "--delta", "1e-5", "--config", recipe, "--model", "vae",
         "--ledger", ledger.path, "--out", tmp_path / "m"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None:
        if any(e.touch.purpose.startswith("private") for e in ledger.entries()):
            process.terminate()
            break
        time.sleep(0.1)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 143, stderr
    assert "Interrupted; the ledger holds what was read so far." in stderr
    assert ledger.entries()[-1].touch.purpose == "nothing more: what was charged counts"


def test_a_reservation_is_ended_by_hand(tmp_path: Path, run_cli: Cli) -> None:
    """`ledger show` names the training, `ledger end` closes it; a second time is refused."""
    from genaudit.ledger import Mechanism, PrivacyLedger, Touch

    half = Mechanism(name="pure", epsilon=0.5)
    place = ("--ledger", tmp_path / "l.sqlite")
    PrivacyLedger(tmp_path / "l.sqlite").append(
        Touch(dataset="d", kind="reserved", scope="release", purpose="p", run="r1", planned=[half])
    )
    assert "included (r1;" in run_cli("ledger", "show", *place)[1]

    code, _, err = run_cli("ledger", "end", "r1", *place)
    assert (code, "Ended the training r1" in err) == (0, True)
    assert "included" not in run_cli("ledger", "show", *place)[1]
    assert run_cli("ledger", "end", "r1", *place)[0] == 2
    assert run_cli("ledger", "end", "r1", "--ledger", tmp_path / "none")[0] == 2


def test_ledger_verify(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """Every link is recomputed; a model, a checkpoint or a kept mark proves the tail as well."""
    ledger = ("--ledger", tmp_path / "l.sqlite")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("steps = 2")
    run_cli("train", arrests_files / "train.csv", "--schema", "arrests", "--config", recipe,
            *ledger, "--checkpoint", tmp_path / "c", "--out", tmp_path / "m")  # fmt: skip
    kept = tmp_path / "kept.json"
    kept.write_text(run_cli("ledger", "verify", *ledger, "--json")[1])

    code, out, _ = run_cli("ledger", "verify", *ledger)
    assert code == 0
    assert "without --head it is not proven" in out
    for head in ("c", "m", "kept.json"):
        code, out, _ = run_cli("ledger", "verify", *ledger, "--head", tmp_path / head)
        assert code == 0
        assert "are the first of them" in out
    away = tmp_path / "away" / "l.sqlite"
    for words in (("ledger", "verify", "--head", tmp_path / "c"),
                  ("train", arrests_files / "train.csv", "--resume", tmp_path / "c",
                   "--out", tmp_path / "again")):  # fmt: skip
        code, _, stderr = run_cli(*words, "--ledger", away)
        assert (code, "found none there" in stderr) == (4, True)
        assert not away.parent.exists()
    (tmp_path / "l.sqlite").unlink()
    code, _, stderr = run_cli("ledger", "verify", *ledger, "--head", kept)
    assert code == 4
    assert "cut short or rolled back" in stderr
    code, _, stderr = run_cli("ledger", "verify", *ledger, "--head", recipe)
    assert code == 2
    assert "verify --json" in stderr


def test_ledger_show(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """The ledger lists what training and audits read, and adds releases up."""
    ledger = tmp_path / "own.sqlite"
    assert run_cli("ledger", "show")[0] == 0
    run_cli("train", arrests_files / "train.csv", "--schema", "arrests", "--epsilon", "2",
            "--delta", "1e-6", *_small(tmp_path), "--ledger", ledger,
            "--out", tmp_path / "m")  # fmt: skip

    code, out, _ = run_cli("ledger", "show", "--ledger", ledger)
    shown = json.loads(run_cli("ledger", "show", "--ledger", ledger, "--json")[1])
    touches, [total] = shown["touches"], shown["totals"]

    assert code == 0
    spent = float(re.search(r"at most ε = ([0-9.]+)", out)[1])
    assert 1.5 < spent <= 2.0
    assert (total["delta"], total["open"]) == (1e-6, [])
    assert total["epsilon"] == pytest.approx(spent, rel=0.01)
    smaller = run_cli("ledger", "show", "--ledger", ledger, "--delta", "1e-9")[1]
    assert float(re.search(r"at most ε = ([0-9.]+) at δ = 1e-09", smaller)[1]) > spent
    assert run_cli("ledger", "show", "--ledger", ledger, "--delta", "1")[0] == 2
    assert [t["purpose"] for t in touches if t["scope"] == "audit"] == [
        "train is checked against the schema, shown to the operator"
    ]
    assert "accounted" in {t["kind"] for t in touches}


def test_schema_draft(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """A draft reads back, says that it looked at the data, and is written down in the ledger."""
    from genaudit.data.schema import Schema
    from genaudit.ledger import PrivacyLedger

    out = tmp_path / "schema.toml"

    assert run_cli("schema", arrests_files / "train.csv", "--out", out)[0] == 0
    drafted = Schema.read(out)

    assert drafted.origin == "drafted"
    assert drafted["age"].bounds is not None
    assert [e.touch.scope for e in PrivacyLedger().entries()] == ["audit"]
    assert run_cli("schema", arrests_files / "train.csv")[1].startswith("# Drafted")


def test_schema_draft_with_subwords(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """Frequent pieces of lines of text are declared; what is no text has none."""
    from genaudit.data.schema import Schema

    lines, out = tmp_path / "names.txt", tmp_path / "schema.toml"
    lines.write_text("anna\nhanna\nanne\nbo\n", "utf-8")

    assert run_cli("schema", lines, "--subwords", 2, "--out", out)[0] == 0
    record = Schema.read(out).record
    assert record is not None
    assert record.subwords == ("an", "ann")
    for data, n, said in (
        (arrests_files / "train.csv", 2, "lines of text"),
        (lines, 0, "subwords from 1 to"),
        ("arrests", 2, "lines of text"),
    ):
        code, _, err = run_cli("schema", data, "--subwords", n)
        assert (code, said in err) == (2, True), err


def test_dry_run_trains_nothing(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """`train --dry-run` prints who spends what; the ledger says that it checks the rows."""
    code, out, err = run_cli("train", arrests_files / "train.csv", "--schema", "arrests",
                             "--epsilon", "3", "--delta", "1e-5", "--dry-run",
                             "--ledger", tmp_path / "l.sqlite", "--dataset-id", "d")  # fmt: skip

    assert code == 0, err
    assert "noise multiplier" in out
    assert {p.name for p in tmp_path.iterdir()} == {"l.sqlite", "l.sqlite.key"}
    shown = run_cli("ledger", "show", "--ledger", tmp_path / "l.sqlite", "--json")[1]
    [touch] = json.loads(shown)["touches"]
    assert (touch["dataset"], touch["scope"], touch["kind"]) == ("d", "audit", "unaccounted")


def test_budget_total_refuses_a_second_release(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Two releases of one data set compose; the second is refused beyond --budget-total."""
    words = ("train", arrests_files / "train.csv", "--schema", "arrests", "--epsilon", "2",
             "--delta", "1e-6", *_small(tmp_path), "--budget-total", "2.5")  # fmt: skip

    assert run_cli(*words, "--out", tmp_path / "one")[0] == 0
    code, _, err = run_cli(*words, "--out", tmp_path / "two")

    assert code == 2
    assert "arrests" in err
    assert not (tmp_path / "two").exists()


def test_a_dry_run_says_whether_the_run_would_be_refused(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Room under a total, device and condition are looked at, nothing is reserved or trained."""
    words = ("train", arrests_files / "train.csv", "--schema", "arrests", *_small(tmp_path))
    private = (*words, "--epsilon", "2", "--delta", "1e-6", "--budget-total")

    def touches() -> list[str]:
        book = json.loads(run_cli("ledger", "show", "--json")[1])["touches"]
        return [t["kind"] for t in book if t["scope"] == "release"]

    code, out, _ = run_cli(*private, "2.5", "--dry-run")
    assert (code, touches()) == (0, [])
    assert "With all earlier releases of the data set: ε = 2 at δ = 1e-06" in out
    assert run_cli(*private, "2.5", "--out", tmp_path / "one")[0] == 0
    before = touches()

    for more, says in (
        ((*private[6:], "2.5"), "would spend ε = "),
        (("--budget-total", "9"), "A training without epsilon"),
        ((*private[6:], "9", "--noise-seed", "1"), "covered by no ε"),
        (("--device", "abacus"), "'abacus'"),
        (("--condition", "sex", "--condition", "sex"), "named twice"),
        ((*private[6:-1], "--condition", "sex", "--condition", "sex"), "named twice"),
    ):
        code, out, err = run_cli(*words, *more, "--dry-run")
        assert (code, out, err.count("\n")) == (2, "", 1), more
        assert says in err
    code, out, _ = run_cli(*private, "9", "--dry-run")
    assert code == 0
    assert "within the total of 9." in out
    assert touches() == before


def test_a_dry_run_before_the_count_is_known(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Where the number of rows is private, what is planned so far is held against the total."""
    from genaudit.data.schema import Schema

    (tmp_path / "s.toml").write_text(Schema.read("arrests").replace(rows=None).to_toml())
    words = ("train", arrests_files / "train.csv", "--schema", tmp_path / "s.toml",
             "--epsilon", "2", "--delta", "1e-6", "--dry-run", "--budget-total")  # fmt: skip

    assert "would spend ε = 2" in run_cli(*words, "1.9")[2]
    out = run_cli(*words, "2.1")[1]
    assert "within the total of 2.1." in out
    assert "Spends first, on the number of records: pure, ε = 0.1," in out
    assert re.search(r"Training: [0-9,]+ steps on batches of 256 records", out)
    assert "Marginals get what 90% of the ε that is left" in out
    assert "may still be refused then: delta must be well under 1/n" in out
    assert "reserved" not in run_cli("ledger", "show")[1]


def test_model_and_checkpoints_have_two_folders(
    arrests_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """A released folder with a private one inside is refused before anything is trained."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    data = arrests_files / "train.csv"

    for out, state, says in (("m", "m", "outside of the model folder"),
                             ("m", "m/state", "outside of the model folder"),
                             ("m", "../" + tmp_path.name + "/m", "outside of the model folder"),
                             ("m", "file", "got a file")):  # fmt: skip
        code, _, err = run_cli("train", data, "--schema", "arrests", "--preset", "quick",
                               "--out", out, "--checkpoint", state)  # fmt: skip
        assert (code, err.count("\n")) == (2, 1)
        assert says in err
        assert says in run_cli("train", data, "--out", out, "--resume", state)[2]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_hostile_names_from_end_to_end(tmp_path: Path, run_cli: Cli) -> None:
    """Column names and cells that are scripts, formulas, reversed or endless do no harm."""
    evil = ["<script>alert(1)</script>", "\u202etxt.exe", "n" * 300, "=1+1"]
    schema = tmp_path / "schema.toml"
    schema.write_text(
        "".join(
            f'[columns."{name}"]\nkind = "categorical"\nrole = "{role}"\n'
            'categories = ["=cmd()", "<img src=x onerror=alert(1)>"]\n'
            for name, role in zip(evil, ["sensitive", "target", "feature", "feature"], strict=True)
        )
    )
    cells = pd.DataFrame({n: ["=cmd()", "<img src=x onerror=alert(1)>"] * 100 for n in evil})
    cells = cells.apply(lambda c: c.sample(frac=1, random_state=len(c.name)).to_numpy())
    for name, part in (("train", cells[:80]), ("holdout", cells[80:160]), ("samples", cells[160:])):
        part.to_csv(tmp_path / f"{name}.csv", index=False)

    code, _, err = run_cli(
        "audit", tmp_path / "samples.csv", "--train", tmp_path / "train.csv", "--holdout",
        tmp_path / "holdout.csv", "--schema", schema, "--strict", "--out", tmp_path / "a.json",
    )  # fmt: skip
    assert code == 0, err
    assert run_cli("report", tmp_path / "a.json", "--out", tmp_path / "r.html")[0] == 0
    page = (tmp_path / "r.html").read_text("utf-8")
    code, _, err = run_cli("train", tmp_path / "train.csv", "--schema", schema, *_small(tmp_path),
                           "--out", tmp_path / "m")  # fmt: skip
    assert code == 0, err
    assert run_cli("sample", tmp_path / "m", "-n", 20, "--out", tmp_path / "s.csv")[0] == 0

    assert "<script" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    written = pd.read_csv(tmp_path / "s.csv", header=None, dtype=str).to_numpy().ravel()
    assert not [c for c in written if c.startswith("=")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["policy", "show"], ["list", "models", "--json"], ["--help"]])
def test_output_that_cannot_be_written(words: list[str]) -> None:
    """A full disk behind standard output is one sentence and exit code 2, not `outside`."""
    command = [sys.executable, "-m", "genaudit", *words]
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)  # noqa: PLW1510
        silent = subprocess.run(command, stdout=full, stderr=full)  # noqa: PLW1510

    assert (said.returncode, silent.returncode) == (2, 2)
    assert said.stderr.count("\n") == 1
    assert "No space left" in said.stderr


def test_an_interrupted_import_is_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """A compiled module makes an ImportError of Ctrl-C; other ones keep their traceback."""
    from genaudit import inventory

    def broken(cause: BaseException) -> None:
        raise ImportError("initialization failed") from cause

    monkeypatch.setattr(inventory, "listing", lambda _: broken(KeyboardInterrupt()))
    assert run_cli("list", "models")[0] == 130
    monkeypatch.setattr(inventory, "listing", lambda _: broken(ValueError()))
    with pytest.raises(ImportError):
        run_cli("list", "models")


def test_the_demo_replaces_nothing_but_its_own(tmp_path: Path, run_cli: Cli) -> None:
    """A folder of somebody's, where the demo would put its model, is refused and stays."""
    theirs = tmp_path / "plain" / "model" / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("years of work")

    code, out, err = run_cli("demo", "--out", tmp_path)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "'thesis.txt'" in err
    assert theirs.read_text() == "years of work"
    assert {p.name for p in tmp_path.iterdir()} == {"plain"}


def test_quiet_and_version(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """`--quiet` says nothing but errors; `--version` prints one line."""
    code, out, err = run_cli("--quiet", "schema", arrests_files / "train.csv",
                             "--out", tmp_path / "s.toml")  # fmt: skip

    assert (code, out, err) == (0, "", "")
    assert run_cli("--quiet", "schema", "none.csv")[2].startswith("Error: ")
    assert run_cli("list", "audits", "--json", "-q")[0] == 0
    for words in (("audit",), ("sample", "m", "--nose"), ("list", "noses"), ("dance",)):
        code, out, err = run_cli(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.fullmatch(r"genaudit \d+\.\d+\.\d+\n", run_cli("--version")[1])
