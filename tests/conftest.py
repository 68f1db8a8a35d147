"""Fixtures that all tests share: real data in small pieces, and a ledger of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

# Before NumPy and torch are imported: threads that wait for each other on a busy machine made some
# tests forty times slower, and each worker has a core at most.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import pytest

from genaudit.data import bundled
from genaudit.data.dataset import Dataset


@pytest.fixture(scope="session", autouse=True)
def _shared_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nor does a fixture that many tests share."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("state")
        patched.setenv("GENAUDIT_LEDGER", str(folder / "ledger.sqlite"))
        yield


@pytest.fixture(autouse=True)
def _own_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's ledger."""
    monkeypatch.setenv("GENAUDIT_LEDGER", str(tmp_path / "ledger.sqlite"))


@pytest.fixture(scope="session")
def arrests() -> Dataset:
    """The whole bundled table, 5,226 rows."""
    raw, schema = bundled.load("arrests")
    return Dataset.of(raw, schema, "arrests")


@pytest.fixture(scope="session")
def arrests_files(arrests: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, holdout.csv and samples.csv: three disjoint parts of real rows."""
    folder = tmp_path_factory.mktemp("arrests")
    train, rest = arrests.split(0.4, seed=1)
    holdout, samples = rest.split(0.5, seed=2)
    for name, part in (("train", train), ("holdout", holdout), ("samples", samples)):
        part.to_frame().to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def adult() -> Callable[[str], pd.DataFrame]:
    """Adult by part (`train`, `holdout`), read as text; skipped where GENAUDIT_ADULT is unset."""
    folder = os.environ.get("GENAUDIT_ADULT")
    if not folder:
        pytest.skip("GENAUDIT_ADULT names no folder with Adult (train.csv, holdout.csv)")
    return lambda part: pd.read_csv(Path(folder) / f"{part}.csv", dtype=str, keep_default_na=False)


@pytest.fixture
def run_cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, standard output, standard error."""
    from genaudit import cli

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["genaudit", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run
