"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from genaudit.data.dataset import Dataset

ROOT = Path(__file__).parents[1]


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


@pytest.mark.parametrize("name", ["README.md", ".github/SECURITY.md", ".github/CONTRIBUTING.md"])
def test_links_in_texts_lead_somewhere(name: str) -> None:
    """Relative links of the texts point at files that exist."""
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
