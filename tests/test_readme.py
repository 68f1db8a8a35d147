"""What the README shows runs as it stands there."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyrage
import pytest

from genaudit import api
from genaudit.data.dataset import Dataset
from genaudit.models import folder as model_folder
from genaudit.plan import AuditPlan

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_python_in_the_readme_runs(
    arrests: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The five lines train, audit and write a page, on plain data frames."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert code is not None
    train, holdout = arrests.split(0.7, seed=0)
    monkeypatch.chdir(tmp_path)

    # The README's recipe, at its quickest.
    quick = code[1].replace("delta=1e-5", "delta=1e-5, preset='quick'")
    exec(quick, {"train": train.to_frame(), "holdout": holdout.to_frame()})  # noqa: S102

    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_commands_in_the_readme_exist() -> None:
    """Every `genaudit <verb>` of the README is a verb of the command line."""
    from genaudit.cli import app

    text = (ROOT / "README.md").read_text("utf-8")
    verbs = {c.name or c.callback.__name__ for c in app.registered_commands}
    verbs |= {g.name for g in app.registered_groups}

    assert set(re.findall(r"^genaudit (\w+)", text, re.MULTILINE)) <= verbs


def test_evidence_in_the_readme_is_made_and_verified(
    arrests_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    run_cli: Callable[..., tuple[int, str, str]],
) -> None:  # fmt: skip
    """The commands that make a key, write a bundle, encrypt it and verify it run as they stand."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    text = (ROOT / "README.md").read_text("utf-8").partition("## Evidence to hand over")[2]
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)[:2]
    lines = [line.partition("  #")[0] for line in "".join(blocks).splitlines()]
    identity = pyrage.x25519.Identity.generate()
    monkeypatch.chdir(tmp_path)
    plan = AuditPlan(name="one", audits=("content.personal_data",))
    found = api.audit(arrests_files / "samples.csv", schema="arrests", plan=plan)
    api.write_json(found, "audit.json")
    model_folder.write("model", {"kind": "x"}, {"w": np.arange(3.0)})

    for words in map(shlex.split, lines):
        if words[0] == "genaudit":
            shown = [str(identity.to_public()) if w == "age1..." else w for w in words[1:]]
            more = ["--no-pdf"] if words[1] == "bundle" else []

            assert run_cli(*shown, *more)[0] == 0, words
        elif words[0] == "openssl":
            subprocess.run(words, check=True, capture_output=True)
    sealed = pyrage.decrypt((tmp_path / "evidence.tar.age").read_bytes(), [identity])
    with tarfile.open(fileobj=io.BytesIO(sealed)) as tar:
        assert all(name.startswith("evidence/") for name in tar.getnames())


@pytest.mark.parametrize("name", ["README.md", ".github/SECURITY.md", ".github/CONTRIBUTING.md"])
def test_links_in_texts_lead_somewhere(name: str) -> None:
    """Relative links of the texts point at files that exist."""
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
