"""Canaries in a training: counted as units, the same plan whatever the coins are, no trace left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import genaudit as ga
from genaudit import api
from genaudit.data.canaries import Canaries
from genaudit.errors import GenauditError, GenauditWarning

N, CANARIES = 150, 60
SCHEMA = ga.Schema.from_dict({
    "id": "planting", "rows": "public",
    "columns": {
        "a": {"kind": "integer", "bounds": [0, 9]},
        "b": {"kind": "categorical", "categories": ["x", "y", "z"]},
        "c": {"kind": "boolean", "role": "target"},
    },
})  # fmt: skip


def _rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.integers(0, 10, N), "b": rng.choice(["x", "y"], N),
                         "c": rng.random(N) < 0.5})  # fmt: skip


def _train(folder: Path, **options: object) -> object:
    small = {"model": "vae", "steps": 4, "batch_size": 30, "hidden": (4,), "latent": 4,
             "components": 6, "fit_steps": 8}  # fmt: skip
    return ga.train(_rows(), SCHEMA, ledger=folder / "ledger.sqlite", canaries=CANARIES,
                    **{**small, **options})  # type: ignore[arg-type]  # fmt: skip


def test_rate_does_not_tell_of_coins(tmp_path: Path) -> None:
    """Where n is public it is that of records and canaries, in or out; the claim holds."""
    trained = _train(tmp_path, epsilon=8.0, delta=1e-5)
    coins = Canaries.read(api.coins_of(tmp_path / "ledger.sqlite", "model"))
    rates = {t.mechanism.sampling_rate for t in trained.touches if t.mechanism}  # type: ignore[attr-defined]

    assert len(coins) == CANARIES
    assert rates - {None} == {30 / (N + CANARIES)}
    assert trained.claim.relation == "zero-out"  # type: ignore[attr-defined]


def test_coins_stay_private(tmp_path: Path) -> None:
    """The file lies beside the checkpoint, for its owner alone; an audit reads it."""
    trained = _train(tmp_path, checkpoint=tmp_path / "state")
    coins = tmp_path / "state.canaries.json"
    trained.save(tmp_path / "model")  # type: ignore[attr-defined]

    assert coins.stat().st_mode & 0o077 == 0
    assert not list((tmp_path / "model").glob("*canar*"))
    plan = ga.AuditPlan(audits=("privacy.canaries",))
    report = ga.audit(tmp_path / "model", canaries=coins, plan=plan,
                      ledger=tmp_path / "ledger.sqlite")  # fmt: skip
    assert [k.name for k in report.knowledge] == ["canaries"]
    assert "privacy.canaries.epsilon" in {f.metric for _, f in report.findings()}


def test_plain_canaries_follow_from_the_seed(tmp_path: Path) -> None:
    """The same command makes the same canaries; without a seed of its own nothing private does."""
    for name in ("one", "other"):
        _train(tmp_path, artefact=name, seed=3)
    one, other = (
        Canaries.read(api.coins_of(tmp_path / "ledger.sqlite", name)) for name in ("one", "other")
    )

    assert (one.included == other.included).all()
    assert one.records.equals(other.records)


def test_a_refused_training_leaves_no_coins(tmp_path: Path) -> None:
    """Nothing was trained, so nothing stands in the way of the next attempt."""
    with pytest.raises(GenauditError):
        _train(tmp_path, epsilon=8.0, delta=0.5)
    assert not list(tmp_path.glob("*canaries*"))


def test_resumed_with_its_canaries(tmp_path: Path) -> None:
    """The records are those of the checkpoint once its canaries are among them again."""
    schema = SCHEMA.replace(rows=N)
    book, state = tmp_path / "ledger.sqlite", tmp_path / "state"
    ga.train(_rows(), schema, model="vae", epsilon=8.0, delta=1e-5, steps=4, batch_size=30,
             hidden=(4,), latent=4, ledger=book, checkpoint=state, canaries=CANARIES)  # fmt: skip

    with pytest.warns(GenauditWarning, match="0 are left"):
        trained = api.resume(_rows(), state, ledger=book)
    assert trained.claim is not None
    (tmp_path / "state.canaries.json").unlink()
    with pytest.raises(GenauditError):
        api.resume(_rows(), state, ledger=book)
