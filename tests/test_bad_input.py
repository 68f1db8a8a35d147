"""Bad train, holdout, schema and options: one sentence, exit code 2, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

Cli = Callable[..., tuple[int, str, str]]


def _broken(frame: pd.DataFrame, how: str) -> pd.DataFrame:
    match how:
        case "column absent":
            return frame.drop(columns="age")
        case "column undeclared":
            return frame.assign(shoe_size=42)
        case "category undeclared":
            return frame.assign(colour=["Green", *frame["colour"][1:]])
        case "all missing":
            return frame.assign(age="")
        case "one row":
            return frame.head(1)
        case "one group":
            return frame.assign(colour="White")
        case "out of bounds":
            return frame.assign(age=["200", *frame["age"][1:]])
        case "not a number":
            return frame.assign(age=["old", *frame["age"][1:]])
        case "huge cell":
            return frame.assign(colour=["x" * 50_000_000, *frame["colour"][1:]])
    raise AssertionError(how)


BROKEN = {
    "column absent": "'age'",
    "column undeclared": "'shoe_size'",
    "category undeclared": "'Green'",
    "all missing": "'age'",
    "one row": "two rows",
    "one group": "'colour'",
    "out of bounds": "'200'",
    "not a number": "'old'",
    "huge cell": "1,000,000 characters",
}


@pytest.mark.parametrize("role", ["train", "holdout"])
@pytest.mark.parametrize("how", list(BROKEN))
def test_bad_table_is_refused_by_audit(
    how: str, role: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Whatever is wrong with train or holdout, the audit says it in one line and writes nothing."""
    bad = tmp_path / "bad.csv"
    _broken(pd.read_csv(arrests_files / f"{role}.csv", dtype=str), how).to_csv(bad, index=False)
    out = tmp_path / "out" / "audit.json"

    code, stdout, stderr = run_cli(
        "audit", arrests_files / "samples.csv", f"--{role}", bad, "--schema", "arrests",
        "--out", out,
    )  # fmt: skip

    assert (code, stdout) == (2, "")
    assert BROKEN[how] in stderr
    assert stderr.startswith("Error: ")
    assert stderr.count("\n") == 1
    assert "Traceback" not in stderr
    assert not out.parent.exists()


@pytest.mark.parametrize("how", list(BROKEN))
def test_bad_table_is_refused_by_train(
    how: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """The same holds for training: no model folder is left behind."""
    bad = tmp_path / "bad.csv"
    _broken(pd.read_csv(arrests_files / "train.csv", dtype=str), how).to_csv(bad, index=False)
    out = tmp_path / "model"

    code, stdout, stderr = run_cli(
        "train", bad, "--schema", "arrests", "--preset", "quick", "--out", out
    )

    assert (code, stdout) == (2, "")
    assert BROKEN[how] in stderr
    assert stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "found none"),
        (b"", "is empty"),
        (b"released,colour\n", "only a header"),
        (b'"a,b\n1', "cut short"),
        (b"\xff\xfe\x00bad", "cut short"),
        (b"a,a\n1,2\n", "twice"),
        (b"a,b\n1,2,3,4\n", "cut short"),
        (b"a,b\n1,2\n1,2\n3", "1 cells"),
        (b"  \n\n", "no column names"),
        (b"\n\n", "no column names"),
    ],
)
def test_unreadable_file(content: bytes | None, says: str, tmp_path: Path, run_cli: Cli) -> None:
    """A file that is absent, empty, cut short or foreign is refused by name."""
    path = tmp_path / "train.csv"
    if content is not None:
        path.write_bytes(content)

    code, _, stderr = run_cli("train", path, "--schema", "arrests", "--out", tmp_path / "m")

    assert code == 2
    assert says in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".npz", ".xlsx", ""])
def test_foreign_content(suffix: str, tmp_path: Path, run_cli: Cli) -> None:
    """A file that is not what its suffix says, or has a suffix that nobody knows, is refused."""
    path = tmp_path / f"train{suffix}"
    path.write_bytes(b"this is not it \x00\x01")

    code, _, stderr = run_cli("train", path, "--schema", "arrests", "--out", tmp_path / "m")

    assert code == 2
    assert stderr.count("\n") == 1
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--epsilon", "0", "--delta", "1e-6"), "epsilon"),
        (("--epsilon", "-1", "--delta", "1e-6"), "epsilon"),
        (("--epsilon", "nan", "--delta", "1e-6"), "epsilon"),
        (("--epsilon", "3", "--delta", "0.5"), "delta"),
        (("--epsilon", "3", "--delta", "0.0005"), "delta"),
        (("--epsilon", "3"), "delta"),
        (("--delta", "1e-6"), "epsilon"),
        (("--condition", "nose"), "nose"),
        (("--preset", "enormous"), "enormous"),
        (("--model", "diffusion"), "diffusion"),
    ],
)
def test_bad_training_options(
    options: tuple[str, ...], says: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Budgets and names out of range are refused before anything is trained."""
    code, _, stderr = run_cli(
        "train", arrests_files / "train.csv", "--schema", "arrests", "--out", tmp_path / "m",
        *options,
    )  # fmt: skip

    assert code == 2
    assert says in stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("total", ["nan", "inf", "0", "-1"])
def test_a_total_that_is_none_is_refused_unread(
    total: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """No number that every ε stays under: one sentence, and the ledger has nothing to tell."""
    for words in (("--dry-run",), ("--out", tmp_path / "m")):
        code, stdout, stderr = run_cli(
            "train", arrests_files / "train.csv", "--schema", "arrests", "--epsilon", "1",
            "--delta", "1e-6", "--budget-total", total, *words,
        )  # fmt: skip
        assert (code, stdout) == (2, "")
        assert "Expected --budget-total as a finite number above 0" in stderr
        assert stderr.count("\n") == 1
    assert not (tmp_path / "m").exists()
    assert "holds no touch" in run_cli("ledger", "show")[2]


def test_a_total_needs_a_name_of_the_data(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """A data set known by its content would be another one in another order, so it has no total."""
    from genaudit.data.schema import Schema

    nameless = tmp_path / "nameless.toml"
    nameless.write_text(Schema.read("arrests").replace(id=None).to_toml())
    words = ("train", arrests_files / "train.csv", "--schema", nameless, "--epsilon", "1",
             "--delta", "1e-6", "--budget-total", "1.5")  # fmt: skip

    for more in (("--dry-run",), ("--out", tmp_path / "m")):
        code, _, stderr = run_cli(*words, *more)
        assert code == 2
        assert "give the schema an id, or --dataset-id" in stderr
        assert stderr.count("\n") == 1
    assert "holds no touch" in run_cli("ledger", "show")[2]


def test_private_training_without_schema_says_what_to_do(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Without a public schema a private run refuses, and names both ways out."""
    code, _, stderr = run_cli(
        "train", arrests_files / "train.csv", "--epsilon", "3", "--delta", "1e-6",
        "--out", tmp_path / "m",
    )  # fmt: skip

    assert code == 2
    assert "--preprocessing-epsilon" in stderr
    assert "delete its line origin" in stderr
    assert "--schema" in stderr or "declare" in stderr
    assert not (tmp_path / "m").exists()


def test_person_on_both_sides_is_refused(tmp_path: Path, run_cli: Cli) -> None:
    """A person in train and holdout makes a holdout that is none."""
    schema = tmp_path / "schema.toml"
    schema.write_text(
        '[columns.who]\nkind = "categorical"\nrole = "person"\n'
        '[columns.x]\nkind = "integer"\nbounds = [0, 9]\n'
    )
    train = pd.DataFrame({"who": [f"p{i}" for i in range(50)], "x": range(50)}).assign(
        x=lambda d: d.x % 10
    )
    train.to_csv(tmp_path / "train.csv", index=False)
    train.assign(who=[f"p{i}" for i in range(49, 99)]).to_csv(tmp_path / "holdout.csv", index=False)

    code, _, stderr = run_cli(
        "audit", tmp_path / "train.csv", "--train", tmp_path / "train.csv",
        "--holdout", tmp_path / "holdout.csv", "--schema", schema, "--out", tmp_path / "a.json",
    )  # fmt: skip

    assert code == 2
    assert "'who'" in stderr
    assert "both train and holdout" in stderr


@pytest.mark.parametrize("place", ["", ".", "/dev/null"])
def test_a_ledger_is_a_file(
    place: str, arrests_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """A folder or a device is refused as the ledger by every verb, and no key is put beside it."""
    monkeypatch.chdir(tmp_path)
    for words in (("train", arrests_files / "train.csv", "--schema", "arrests", "--dry-run"),
                  ("ledger", "show"), ("ledger", "verify")):  # fmt: skip
        code, stdout, stderr = run_cli(*words, "--ledger", place)
        assert (code, stdout, stderr.count("\n")) == (2, "", 1)
        assert "Expected a file as the ledger" in stderr
    assert not list(tmp_path.iterdir())


def test_a_ledger_that_is_not_there_is_not_verified(tmp_path: Path, run_cli: Cli) -> None:
    """Nothing at a place is no sound or empty ledger, and looking for one makes none."""
    for verb in ("verify", "show"):
        code, stdout, stderr = run_cli("ledger", verb, "--ledger", tmp_path / "none.sqlite")
        assert (code, stdout) == (2, "")
        assert "found none" in stderr
    assert run_cli("ledger", "show")[0] == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "absent", ["http://example.org/x.csv", "made_up:x.csv", "C:\\x.csv", "made up:x"]
)
def test_no_code_runs_for_an_absent_file(
    absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """An address or a file name with a colon in it is no module, and none is imported."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("http", "made_up", "C", "made up"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('ran')")

    code, _, stderr = run_cli("audit", absent, "--schema", "arrests", "--out", tmp_path / "a.json")

    assert code == 2
    assert "Expected a samples file" in stderr


def test_a_file_of_samples_counts_once(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """The same samples twice would look like twice the evidence."""
    samples = arrests_files / "samples.csv"

    code, _, stderr = run_cli(
        "audit", samples, samples, "--schema", "arrests", "--out", tmp_path / "a.json"
    )

    assert code == 2
    assert "samples.csv' twice" in stderr


def test_overlaps_name_the_files_that_share_rows(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Auxiliary rows that are the holdout's are not said to be trained on."""
    train, holdout = arrests_files / "train.csv", arrests_files / "holdout.csv"
    for auxiliary, says in ((holdout, "auxiliary rows equal a holdout row"),
                            (train, "auxiliary rows equal a train row")):  # fmt: skip
        code, _, stderr = run_cli(
            "audit", arrests_files / "samples.csv", "--train", train, "--holdout", holdout,
            "--auxiliary", auxiliary, "--schema", "arrests", "--out", tmp_path / "a.json",
        )  # fmt: skip
        assert code == 2
        assert says in stderr


def test_same_file_as_train_and_holdout_is_refused(
    arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Rows that were trained on are no holdout, whatever the file is called."""
    train = arrests_files / "train.csv"

    code, _, stderr = run_cli(
        "audit", arrests_files / "samples.csv", "--train", train, "--holdout", train,
        "--schema", "arrests", "--out", tmp_path / "a.json",
    )  # fmt: skip

    assert code == 2
    assert "equal a train row" in stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("columns = 3", "columns"),
        ("[columns.x]\nkind = 'colour'", "columns.x"),
        ("[columns.x]\nkind = 'integer'\nbounds = [3, 1]", "low < high"),
        ("[columns.x]\nkind = 'categorical'\ncategories = ['a', 'a']", "twice"),
        ("[columns.x]\nkind = 'numeric'\ncolour = 3", "colour"),
        ("not toml", "TOML"),
        ("", "columns"),
        ("id = ' '\n[columns.x]\nkind = 'boolean'", "a name of the data set"),
        ("[columns.x]\nkind = 'numeric'\nbounds = [1, 2, 3]", "two numbers or dates"),
        ("[columns.x]\nkind = 'numeric'\nbounds = [false, true]", "two numbers or dates"),
        (f"[columns.x]\nkind = 'numeric'\nbounds = [0, {'9' * 5000}]", "thousands of digits"),
    ],
)
def test_bad_schema(
    text: str, says: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """A schema that cannot be used is refused with the place in it."""
    schema = tmp_path / "schema.toml"
    schema.write_text(text)

    code, _, stderr = run_cli(
        "train", arrests_files / "train.csv", "--schema", schema, "--out", tmp_path / "m"
    )

    assert code == 2
    assert says in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--plan", "huge"), "huge"),
        (("--policy", "none.toml"), "none.toml"),
        (("--claim", "eps=3"), "eps"),
        (("--claim", ""), "NAME=VALUE"),
        (("--claim", "epsilon"), "NAME=VALUE"),
        (("--claim", ",,"), "NAME=VALUE"),
        (("--claim", "epsilon=3"), "delta: it is required"),
        (("--claim", "epsilon=3,epsilon=4,delta=0"), "epsilon is in it twice"),
        (("--claim", "epsilon=3,delta=0,unit=dog"), "'record' or 'person'"),
        (("--claim", "epsilon=3,delta=0,relation=foo"), "'zero-out' or 'add-remove'"),
        (("--claim", "epsilon=much,delta=0"), "epsilon: expected a number"),
        (("--seed", "-1"), "--seed"),
        (("--seed", str(2**63)), "--seed"),
        (("--context", "none.toml"), "none.toml"),
        (("--context", "nan.toml"), "not usable at score: expected a finite number"),
        (("--plan", "nan.toml"), "'tau' of audit 'privacy.distance': expected a finite number"),
        (("--plan", "low.toml"), "expected at least 1e-06 and at most 1, got -1"),
    ],
)
def test_bad_audit_options(
    words: tuple[str, ...], says: str, arrests_files: Path, tmp_path: Path, run_cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Plans, policies, claims and contexts that cannot be used are refused by name."""
    monkeypatch.chdir(tmp_path)
    tau = '[options."privacy.distance"]\ntau = '
    Path("nan.toml").write_text(f"{tau}nan\n" if "--plan" in words else "score = nan\n")
    Path("low.toml").write_text(f"{tau}-1\n")

    code, _, stderr = run_cli(
        "audit", arrests_files / "samples.csv", "--schema", "arrests",
        "--out", tmp_path / "a.json", *words,
    )  # fmt: skip

    assert code == 2
    assert says in stderr
    assert stderr.count("\n") == 1
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("{colour = {Black = 0.5, White = 0.4}}", "sum to 1 (they sum to 0.9)"),
        ("{colour = {Black = 0.5, Green = 0.5}}", "'colour' has no group 'Green'"),
        ("{colour = {White = 1.0}}", "'Black' has none"),
        ("{employed = 'equal'}", "expected sensitive columns ('colour', 'sex'), got 'employed'"),
        ("'equal'", "a table of sensitive columns"),
    ],
)
def test_bad_target(
    target: str, says: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Shares that no table could have, or of groups that there are not, are refused by name."""
    plan = tmp_path / "plan.toml"
    plan.write_text(f'audits = ["bias.representation"]\n[options."bias.representation"]\n'
                    f"target = {target}\n")  # fmt: skip

    code, _, stderr = run_cli(
        "audit", arrests_files / "samples.csv", "--train", arrests_files / "train.csv",
        "--schema", "arrests", "--plan", plan, "--out", tmp_path / "a.json",
    )  # fmt: skip

    assert code == 2
    assert says in stderr
    assert stderr.count("\n") == 1
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("role", ["train", "holdout"])
@pytest.mark.parametrize("audit", ["bias.representation", "bias.cost", "bias.trts"])
def test_a_group_without_labels_is_refused(
    audit: str, role: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Real rows of a group of which none has a label have no rate that samples could keep."""
    text = (files("genaudit.data") / "schemas" / "arrests.toml").read_text("utf-8")
    schema = tmp_path / "schema.toml"
    label = '[columns.released]\nkind = "boolean"\n'
    assert label in text
    schema.write_text(text.replace(label, f"{label}nullable = true\n"))
    bad = pd.read_csv(arrests_files / f"{role}.csv", dtype=str)
    bad.loc[bad["colour"] == "Black", "released"] = ""
    bad.to_csv(tmp_path / "bad.csv", index=False)
    tables = {n: arrests_files / f"{n}.csv" for n in ("train", "holdout")}
    tables[role] = tmp_path / "bad.csv"
    (tmp_path / "plan.toml").write_text(f'audits = ["{audit}"]')

    code, _, stderr = run_cli(
        "audit", arrests_files / "samples.csv", "--train", tables["train"], "--holdout",
        tables["holdout"], "--schema", schema, "--plan", tmp_path / "plan.toml",
        "--out", tmp_path / "a.json",
    )  # fmt: skip

    assert code == 2
    assert f"'released' of {role} has no value in the group 'Black' of 'colour'" in stderr
    assert stderr.count("\n") == 1
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"format_version": "9.0"}'])
def test_bad_report_file(content: str | None, tmp_path: Path, run_cli: Cli) -> None:
    """`report` and `check` refuse what is no report with exit code 2."""
    path = tmp_path / "audit.json"
    if content is not None:
        path.write_text(content)

    for words in (("report", path, "--out", tmp_path / "r.html"), ("check", path)):
        code, stdout, stderr = run_cli(*words)
        assert (code, stdout) == (2, "")
        assert stderr.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        *((f"{name} = 'x'", f"no field {name!r}; it has family")
          for name in ("ledger", "data", "schema", "progress", "artefact", "dataset_id",
                       "budget_total", "recipe", "cls")),
        ("model = 'gan'\nfamily = 'vae'", "model = 'gan' and family = 'vae'"),
        ("model = ['gan']", "family: expected a string"),
        ("model = 'gna'", "gan, vae, cgan"),
        ("hidden = 3", "hidden: expected a list"),
    ],
)  # fmt: skip
def test_bad_recipe_file(
    recipe: str, says: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Whatever stands in a recipe file, arguments of ours too, is a field or is refused by name."""
    config = tmp_path / "recipe.toml"
    config.write_text(recipe)

    for words in (("--dry-run",), ("--out", tmp_path / "m")):
        code, _, stderr = run_cli(
            "train", arrests_files / "train.csv", "--schema", "arrests", "--config", config, *words
        )
        assert code == 2
        assert says in stderr
        assert stderr.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.filterwarnings("ignore:No schema was given")
@pytest.mark.parametrize("content", ["a,b\n,\n,\n,\n", "a;b\n1;2\n3;4\n"])
def test_nothing_to_model_without_a_schema(content: str, tmp_path: Path, run_cli: Cli) -> None:
    """A table that no schema can be drafted of is refused by every verb."""
    path = tmp_path / "t.csv"
    path.write_text(content)

    for words in (
        ("schema", path), ("train", path, "--model", "vae", "--out", tmp_path / "m"),
        ("audit", path, "--out", tmp_path / "a.json"),
    ):  # fmt: skip
        code, stdout, stderr = run_cli("-q", *words)
        assert (code, stdout) == (2, "")
        assert stderr.startswith("Error: Expected ")
        assert stderr.count("\n") == 1


@pytest.mark.filterwarnings("ignore:No schema was given")
@pytest.mark.parametrize(("cell", "says"), [
    ("", "has no value at all; expected at least one"), ("inf", "has value 'inf' in 40 rows"),
    ("nan", "has value 'nan' in 40 rows; expected finite numbers"),
])  # fmt: skip
def test_a_column_of_nothing_is_refused_without_a_schema(
    cell: str, says: str, tmp_path: Path, run_cli: Cli
) -> None:
    """It does not vanish, neither in training nor in an audit; a draft marks it ignored."""
    t, rows = tmp_path / "t.csv", [f"{i},{'ab'[i % 2]},{cell}\n" for i in range(40)]
    t.write_text("x,g,empty\n" + "".join(rows))

    for words in (("train", t, "--out", tmp_path / "m"), ("train", t, "--dry-run"),
                  ("audit", t, "--train", t, "--out", tmp_path / "a.json"),
                  ("audit", t, "--holdout", t, "--out", tmp_path / "a.json")):  # fmt: skip
        code, stdout, stderr = run_cli("-q", *words)
        assert (code, stdout, stderr.count("\n")) == (2, "", 1)
        assert stderr.startswith("Error: Column 'empty' of ")
        assert says in stderr
    code, stdout, _ = run_cli("schema", t)
    assert code == 0
    assert '[columns."empty"]\nkind = "categorical"\nrole = "ignored"' in stdout
    assert list(tmp_path.glob("[ma]*")) == []


def test_names_that_no_file_can_have(
    arrests_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """A name of 300 characters is refused wherever a file or folder is named."""
    monkeypatch.chdir(tmp_path)
    long, data = "x" * 300, arrests_files / "train.csv"

    for words in (
        ("schema", long), ("schema", data, "--out", long), ("train", long, "--out", "m"),
        ("train", data, "--out", long), ("sample", long, "-n", 3, "--out", "s.csv"),
        ("audit", long, "--schema", "arrests", "--out", "a.json"),
        ("audit", f"{long}:x", "--schema", "arrests", "--out", "a.json"),
        ("report", long, "--out", "r.html"), ("check", long), ("ledger", "show", "--ledger", long),
    ):  # fmt: skip
        code, _, stderr = run_cli("-q", *words)
        assert code == 2, words
        assert stderr.count("\n") == 1, words


@pytest.mark.parametrize("epsilon", [(), ("--epsilon", "1", "--delta", "1e-5")])
def test_a_wrong_number_of_rows_is_refused(
    epsilon: tuple[str, ...], arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """A schema that declares another number of rows is wrong, for plain training and private."""
    from genaudit.data.schema import Schema

    (tmp_path / "s.toml").write_text(Schema.read("arrests").replace(rows=7).to_toml())

    for words in (("--dry-run",), ("--out", tmp_path / "m")):
        code, _, stderr = run_cli(
            "train", arrests_files / "train.csv", "--schema", tmp_path / "s.toml", *epsilon, *words
        )
        assert code == 2
        assert "rows = 7" in stderr
    assert not (tmp_path / "m").exists()


def test_words_of_libraries_do_not_leak(tmp_path: Path, run_cli: Cli) -> None:
    """Usage errors are said in our words."""
    code, _, stderr = run_cli("report", "a.json", "--out", tmp_path / "r.html", "--lang", "fr")

    assert code == 2
    assert "'fr' is not one of 'en', 'zh'" in stderr
    assert "Value error" not in stderr


def test_one_row_is_one_row(arrests_files: Path, tmp_path: Path, run_cli: Cli) -> None:
    """A single bad row is said in the singular."""
    frame = pd.read_csv(arrests_files / "train.csv", dtype=str)
    frame.assign(age=["200", *frame["age"][1:]]).to_csv(tmp_path / "t.csv", index=False)

    _, _, err = run_cli("train", tmp_path / "t.csv", "--schema", "arrests", "--out", tmp_path / "m")

    assert "'200' in 1 row; expected" in err


@pytest.mark.parametrize("name", ["", " "])
def test_a_data_set_without_a_name_is_refused(
    name: str, arrests_files: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """An empty --dataset-id would be another data set in the ledger each time."""
    for words in (
        ("train", arrests_files / "train.csv", "--schema", "arrests", "--out", tmp_path / "m"),
        ("audit", arrests_files / "train.csv", "--schema", "arrests", "--out", tmp_path / "a.json"),
        ("ledger", "show"),
    ):
        code, _, err = run_cli(*words, "--dataset-id", name)
        assert code == 2
        assert "'--dataset-id': expected a name" in err
        assert err.count("\n") == 1

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [
    "audit s.csv --train t.csv --out t.csv", "audit s.csv --out s.csv",
    "audit s.csv --schema s.toml --out s.toml", "audit s.csv --plan p.toml --out p.toml",
    "audit s.csv --policy p.toml --out p.toml", "audit s.csv --context c.toml --out c.toml",
    "audit s.csv --train t.csv --out link.csv", "audit s.csv --train t.csv --out hard.csv",
    "audit link.csv --out sub/../t.csv", "audit m --out m/a.json", "audit s.csv --out l.db",
    "audit s.csv --out l.db.key", "schema t.csv --out t.csv", "report a.json --out a.json",
    "sample m -n 5 --out m/model.safetensors", "train t.csv --resume m --out m/new",
    "train t.csv --out l.db",
])  # fmt: skip
def test_no_result_replaces_an_input(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """What is read is still there afterwards, by whatever name it was given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENAUDIT_LEDGER", "l.db")
    for folder in ("m", "sub"):
        Path(folder).mkdir()
    names = ["t.csv", "s.csv", "s.toml", "p.toml", "c.toml", "a.json", "m/model.json"]
    names.append("m/model.safetensors")
    for name in names:
        Path(name).write_text(name)
    Path("link.csv").symlink_to("t.csv")
    Path("hard.csv").hardlink_to("t.csv")
    before = sorted(tmp_path.rglob("*"))

    code, stdout, stderr = run_cli(*words.split())

    assert (code, stdout) == (2, "")
    assert stderr.startswith("Error: Expected ")
    assert stderr.endswith("name another with --out.\n")
    assert stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert all(Path(name).read_text() == name for name in names)


def test_a_folder_may_have_the_name_of_a_plan(
    arrests_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """Results go where they are sent, into a folder `quick` too."""
    monkeypatch.chdir(tmp_path)
    Path("quick").mkdir()

    words = ("audit", arrests_files / "samples.csv", "--schema", "arrests", "--plan", "quick")
    assert run_cli(*words, "--out", "quick/a.json")[0] == 0
