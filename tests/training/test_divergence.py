"""A training whose numbers are no longer finite ends with one sentence, and leaves nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

import genaudit as ga
from genaudit.data.dataset import Dataset
from genaudit.errors import DivergenceError
from genaudit.ledger import PrivacyLedger, TouchKind
from genaudit.models import FAMILIES
from genaudit.training import fit as fits
from genaudit.training.divergence import check_numbers, check_records, check_weights
from genaudit.training.recipe import Recipe
from genaudit.training.together import fit_each

SMALL: dict[str, Any] = {"steps": 8, "batch_size": 16, "hidden": (8,)}
BUDGET = {"epsilon": 8.0, "delta": 1e-3}

#: Both regimes, every family and every kind but sounds once; the others are the same code.
QUICK = {
    ("gan", "table", True), ("vae", "table", False), ("cgan", "text", False),
    ("vae", "image", True), ("gan", "sequence", False),
}  # fmt: skip

CELLS = [
    pytest.param(*cell, marks=() if cell in QUICK else pytest.mark.slow)
    for cell in itertools.product(FAMILIES, tiny.KINDS, (False, True))
]


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let all weights of a training be infinite once a step has been taken."""

    def at(step: int) -> None:
        take = fits._Job._step

        def spoiling(job: fits._Job, phase: Any, *rest: Any) -> Any:
            public = phase.public_step

            def then() -> Any:
                told = public()
                if job.prepared.pace.done == step:
                    for module in job.work.family.parts().modules.values():
                        for weight in module.parameters():
                            weight.data.fill_(float("inf"))
                return told

            object.__setattr__(phase, "public_step", then)
            try:
                return take(job, phase, *rest)
            finally:
                object.__setattr__(phase, "public_step", public)

        monkeypatch.setattr(fits._Job, "_step", spoiling)

    return at


@pytest.mark.parametrize(("family", "kind", "private"), CELLS)
def test_every_cell_ends_at_the_step(
    family: str, kind: str, private: bool, spoilt: Callable[[int], None], tmp_path: Path
) -> None:
    """The sentence names the step and a rate; what a private one charged stays charged."""
    ledger = PrivacyLedger(tmp_path / "ledger.sqlite")
    spoilt(3)
    with pytest.raises(DivergenceError, match=r"diverged at step 3 of 8, .*rate = ") as error:
        ga.train(tiny.frame_of(kind), tiny.schema_of(kind), model=family, ledger=ledger,
                 **SMALL, **(BUDGET if private else {}))  # fmt: skip

    assert str(error.value).endswith("stays charged.") == private
    touches = [e.touch for e in ledger.entries()]
    steps = [t.mechanism.steps for t in touches
             if t.purpose.startswith("private training") and t.mechanism]  # fmt: skip
    assert sum(steps) == (3 if private else 0)
    reserved = [t for t in touches if t.kind is TouchKind.RESERVED]
    assert not reserved or not reserved[-1].planned


@pytest.mark.parametrize(
    ("kind", "family", "rate", "private"),
    [
        ("image", "cgan", "learning_rate", True),
        pytest.param("image", "gan", "private_learning_rate", False, marks=pytest.mark.slow),
        ("sequence", "gan", "warm_learning_rate", False),
        pytest.param("table", "vae", "private_learning_rate", False, marks=pytest.mark.slow),
        pytest.param("text", "vae", "private_learning_rate", True, marks=pytest.mark.slow),
    ],
)
def test_a_rate_of_one_makes_a_model_or_a_sentence(
    kind: str, family: str, rate: str, private: bool, tmp_path: Path,
    run_cli: Callable[..., tuple[int, str, str]],
) -> None:  # fmt: skip
    """From the command line: exit code 2 and no folder, or a model that can be read."""
    data = tiny.write(kind, tiny.frame_of(kind), tmp_path, "data")
    schema, recipe, out = tmp_path / "schema.toml", tmp_path / "recipe.toml", tmp_path / "m"
    schema.write_text(tiny.schema_of(kind).to_toml(), "utf-8")
    recipe.write_text(f"steps = 25\nbatch_size = 16\nhidden = [8]\n{rate} = 1.0\n", "utf-8")
    budget = ["--epsilon", "5", "--delta", "1e-3"] if private else []
    code, _, said = run_cli("-q", "train", data, "--schema", schema, "--model", family,
                            "--config", recipe, "--out", out, *budget)  # fmt: skip

    assert (code, out.exists()) in ((0, True), (2, False))
    if code:
        assert said.startswith("Error: Training has diverged at step ")
        assert f"lower {rate} = 1 in the recipe" in said
    else:
        numbers = [v for entry in ga.load(out).history for v in entry.values()]
        assert all(map(math.isfinite, numbers))


def test_a_checkpoint_keeps_the_last_finite_state(
    spoilt: Callable[[int], None], tmp_path: Path
) -> None:
    """What is gone on with is what stood before."""
    spoilt(5)
    state = tmp_path / "state"
    with pytest.raises(DivergenceError):
        ga.train(tiny.frame_of("table"), tiny.schema_of("table"), checkpoint=state,
                 ledger=tmp_path / "ledger.sqlite", **SMALL, **BUDGET)  # fmt: skip

    from genaudit.training import checkpoint

    kept = checkpoint.read(state)
    assert kept.info.done < 5
    assert all(bool(torch.isfinite(v).all()) for v in kept.parts.values())


def test_trainings_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that diverges beside others is told of as well."""
    data = [
        Dataset.of(tiny.frame_of("table", seed=s), tiny.schema_of("table"), "t") for s in (0, 1)
    ]
    recipes = [Recipe.of(family="vae", seed=s, **SMALL) for s in (0, 1)]
    # The noise of a latent is what all weights follow from.
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: torch.full(shape, float("nan")))

    with pytest.raises(DivergenceError, match="step 1 of 8"):
        fit_each(recipes, data)


def test_what_is_not_finite() -> None:
    """Numbers, weights and records each have a check, which finite ones pass."""
    check_numbers({"loss": 1.0})
    check_weights([torch.ones(3), torch.zeros(2, 2)])
    check_records(torch.ones(2, 2))

    for bad in (float("inf"), float("nan")):
        with pytest.raises(DivergenceError, match="Generator loss"):
            check_numbers({"loss": 1.0, "generator_loss": bad})
        with pytest.raises(DivergenceError, match="Weights"):
            check_weights([torch.ones(3), torch.tensor([0.0, bad])])
        with pytest.raises(DivergenceError, match="Made records"):
            check_records(torch.tensor([[0.0, bad]]))
