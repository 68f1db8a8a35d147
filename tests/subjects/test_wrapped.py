"""Callables as subjects: whatever their code does, the answer is one sentence."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from genaudit import api
from genaudit.data.dataset import Dataset
from genaudit.errors import DataError, GenauditError, IntegrityError, OptionError
from genaudit.subjects.wrapped import from_callable, from_spec

MODULE = """
import sys
import pandas as pd

def raises(n, seed=0):
    raise ValueError("boom\\nbang")

def leaves(n):
    sys.exit(7)

def empty(n):
    return pd.DataFrame()

def nothing(n):
    return None

value = 3
"""


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that can be imported in this test alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "wrapped_made.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "wrapped_syntax.py").write_text("def (\n")
    (tmp_path / "wrapped_raises.py").write_text("raise RuntimeError('no')\n")
    (tmp_path / "wrapped_leaves.py").write_text("raise SystemExit\n")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (":x", "MODULE:CALLABLE"),
        ("json:", "MODULE:CALLABLE"),
        ("..json:x", "MODULE:CALLABLE"),
        ("no.such.module:x", "ModuleNotFoundError"),
        ("json:x.y", "AttributeError"),
        ("wrapped_syntax:x", "SyntaxError: invalid syntax"),
        ("wrapped_raises:x", "RuntimeError: no"),
        ("wrapped_leaves:x", "SystemExit"),
        ("wrapped_made:value", "got int"),
    ],
)
def test_what_cannot_be_imported(spec: str, says: str, arrests: Dataset) -> None:
    """Names that lead nowhere and modules that do not import are refused."""
    with pytest.raises(OptionError, match=says) as caught:
        from_spec(spec, arrests.schema)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("wrapped_made:raises", "raised ValueError: boom bang."),
        ("wrapped_made:leaves", "raised SystemExit: 7."),
        ("wrapped_made:empty", "got 0 rows"),
        ("wrapped_made:nothing", "got NoneType"),
        ("builtins:dict", "raised TypeError"),
    ],
)
def test_a_callable_that_makes_no_samples(
    spec: str, says: str, arrests_files: Path, run_cli: Callable[..., tuple[int, str, str]]
) -> None:
    """The failure is one error before any audit asks, and no warning for each audit."""
    code, stdout, stderr = run_cli(
        "audit", spec, "--train", arrests_files / "train.csv", "--holdout",
        arrests_files / "holdout.csv", "--schema", "arrests", "--out", "a.json",
    )  # fmt: skip

    assert (code, stdout) == (2, "")
    assert says in stderr
    assert stderr.count("\n") == 1
    assert not Path("a.json").exists()


def test_errors_of_ours_stay_what_they_are(arrests: Dataset) -> None:
    """A callable that loads a damaged model ends as the damage does."""

    def make(n: int) -> pd.DataFrame:
        raise IntegrityError("damaged")

    draw = from_callable(make, arrests.schema, name="mine").draw

    assert draw is not None
    with pytest.raises(IntegrityError, match="damaged"):
        draw(3, 0)


def test_a_callable_is_drawn_from_once(arrests: Dataset) -> None:
    """The draw up front is the one that the audits see."""
    asked = []

    def make(n: int, seed: int) -> pd.DataFrame:
        asked.append((n, seed))
        return arrests.to_frame().sample(n, random_state=seed)

    api.audit(make, schema=arrests.schema, plan="quick", seed=5)

    assert asked == [(5000, 5)]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused_first(seed: int) -> None:
    """A seed that no random stream takes is refused before anything is read."""
    with pytest.raises(GenauditError, match="Expected a seed from 0"):
        api.audit("none.csv", seed=seed)
    with pytest.raises(DataError, match="none"):
        api.audit("none.csv", seed=0)
