"""Trainings side by side: each model is what it would have become alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.ledger import PrivacyLedger
from genaudit.models.store import Trained
from genaudit.subjects.retrained import retrainer
from genaudit.training import together
from genaudit.training.fit import fit
from genaudit.training.recipe import Recipe
from genaudit.training.together import fit_each

SCHEMA = Schema.from_dict(
    {
        "rows": "public",
        "columns": {
            "age": {"kind": "integer", "bounds": [18, 90], "nullable": True},
            "amount": {"kind": "numeric", "bounds": [0, 1e4], "spikes": [0]},
            "town": {"kind": "categorical", "categories": [f"t{i}" for i in range(70)]},
            "group": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b"]},
            "yes": {"kind": "boolean", "role": "target"},
        },
    }
)

SMALL = {"steps": 9, "hidden": (8,), "batch_size": 30, "components": 6, "fit_steps": 8}


def _data(n_models: int, n: int = 150) -> list[Dataset]:
    """Data sets that share all rows but five."""
    rng = np.random.default_rng(0)
    group = rng.random(n + 5 * n_models) < 0.3
    frame = pd.DataFrame(
        {
            "age": pd.Series(rng.integers(18, 26, len(group))).mask(rng.random(len(group)) < 0.2),
            "amount": np.where(rng.random(len(group)) < 0.5, 0.0, rng.random(len(group)) * 1e4),
            "town": [f"t{i}" for i in rng.integers(0, 70, len(group))],
            "group": np.where(group, "b", "a"),
            "yes": rng.random(len(group)) < 0.5,
        }
    )
    whole = Dataset.of(frame, SCHEMA)
    base = np.arange(n - 5)
    return [whole.take(np.append(base, n + 5 * i + np.arange(5))) for i in range(n_models)]


def _recipes(n: int, family: str, **fields: object) -> list[Recipe]:
    return [Recipe.of(family=family, seed=7 + i, **{**SMALL, **fields}) for i in range(n)]


def _apart(one: Trained, other: Trained) -> float:
    shares = np.abs(np.exp(one.sampler.log_shares) - np.exp(other.sampler.log_shares)).max()
    weights = np.abs(np.exp(one.sampler.log_weights) - np.exp(other.sampler.log_weights)).max()
    return float(max(shares, weights))


@pytest.mark.parametrize(
    ("family", "fields"),
    [("gan", {"r1": 2.0}), ("cgan", {"n_critic": 2}), ("vae", {})],
    ids=["gan", "cgan", "vae"],
)
def test_side_by_side_is_as_alone(
    family: str, fields: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same seeds, same records: models equal to rounding, of one group or of two."""
    recipes, data = _recipes(3, family, **fields), _data(3)
    alone = [fit(r, d) for r, d in zip(recipes, data, strict=True)]
    groups: list[int] = []
    whole = together._train
    monkeypatch.setattr(together, "_train", lambda jobs: groups.append(len(jobs)) or whole(jobs))
    found = fit_each(recipes, data)

    assert sum(groups) == 3
    assert max(groups) > 1
    for one, other in zip(alone, found, strict=True):
        assert _apart(one, other) < 1e-4
        assert [t.purpose for t in one.touches] == [t.purpose for t in other.touches]
    assert _apart(found[0], found[1]) > 1e-3
    made, same = (m.sampler.sample(200, seed=1).frame for m in (alone[0], found[0]))
    assert (made["group"] == same["group"]).mean() > 0.99


def test_other_shapes_train_on_their_own() -> None:
    """A data set of another size, and another recipe, come back in their places."""
    data = [*_data(2), _data(1, n=90)[0]]
    recipes = [*_recipes(1, "vae"), *_recipes(2, "gan")]
    found = fit_each(recipes, data)

    assert [m.family for m in found] == ["vae", "gan", "gan"]
    assert _apart(found[2], fit(recipes[2], data[2])) < 1e-4


def test_training_again_is_no_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written into the user's ledger, plain or private, and seeds make the models."""
    path = tmp_path / "ledger.sqlite"
    monkeypatch.setenv("GENAUDIT_LEDGER", str(path))
    data = _data(2)
    again = retrainer(_recipes(1, "cgan")[0])
    one, other = again([data[0], data[0]], [1, 2])
    same = again([data[0]], [1])[0]
    draws = [s.draw(50, 3).frame for s in (one, other, same)]

    assert draws[0].equals(draws[2])
    assert not draws[0].equals(draws[1])
    assert one.claim is None
    private = retrainer(_recipes(1, "vae", epsilon=3.0, delta=1e-4)[0])
    assert private([data[0]], [1])[0].claim is not None
    assert not path.exists() or not PrivacyLedger(path).entries()


def test_the_maker_of_subjects_can_be_another() -> None:
    """What a caller makes of a model, such as a subject with scores, is what comes back."""
    seen = []

    def subject_of(model: Trained) -> object:
        seen.append(model)
        return model.family

    again = retrainer(_recipes(1, "gan")[0], subject_of=subject_of)  # type: ignore[arg-type]

    assert list(again(_data(2), [5, 6])) == ["gan", "gan"]
    assert [m.recipe["seed"] for m in seen] == [5, 6]
