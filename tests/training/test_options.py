"""Options of a recipe: one changes the training of every cell that uses it, others refuse it."""

from __future__ import annotations

import functools
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

import genaudit as ga
from genaudit.data.dataset import Dataset
from genaudit.errors import OptionError
from genaudit.models import FAMILIES
from genaudit.models.store import _tensors
from genaudit.training.fit import fit
from genaudit.training.options import SILENCES, USES, Cell, check, without_idle
from genaudit.training.recipe import Recipe

#: Every option with a value that no preset takes.
OTHER: dict[str, Any] = {
    "recurrent": False, "learning_rate": 0.005, "n_critic": 2, "r1": 7.0, "pull": 0.5,
    "hidden": (6, 5), "components": 7, "fit_steps": 9, "latent": 5, "kl": 9.0, "kl_rise": 0.9,
    "free_bits": 50.0, "warm": 0.25, "warm_learning_rate": 0.02, "warm_end": 0.9,
    "max_grad_norm": 0.05, "marginal_fraction": 0.5, "noise": "hardened",
}  # fmt: skip

CELLS = list(itertools.product(tiny.KINDS, FAMILIES, (False, True)))

#: Options of each training that no test changes. Noise has a seed, so that equal ones are equal.
SMALL: dict[str, Any] = {"steps": 8, "batch_size": 16, "hidden": (6,)}
BUDGET: dict[str, Any] = {"epsilon": 8.0, "delta": 1e-3, "noise_seed": 0}


#: Every cell that uses an option takes half an hour.
LONG = pytest.mark.skipif(not os.environ.get("GENAUDIT_SOAK"), reason="half an hour: make soak")


def _recipe(kind: str, family: str, private: bool, **fields: Any) -> Recipe:
    """A small recipe: half of the steps a warm start, where there is one, and no bits for free."""
    base = {"family": family, **SMALL, **(BUDGET if private else {})}
    cell = Cell.of(Recipe.of(**base, **_recurrent(fields)), kind)
    base |= {"warm": 0.5} if cell.warm else {}
    base |= {"components": 5, "fit_steps": 5} if kind == "table" else {}
    base |= {"free_bits": 0.0} if USES["free_bits"].by(cell) else {}
    return Recipe.of(**{**base, **fields})


def _recurrent(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name == "recurrent"}


@functools.cache
def _weights(kind: str, recipe: Recipe) -> dict[str, np.ndarray]:
    """What a training releases, as tensors."""
    data = Dataset.of(tiny.frame_of(kind, 60), tiny.schema_of(kind), "train")
    return _tensors(fit(recipe, data).sampler)


def _same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def _used() -> list[Any]:
    """Options with the cells that use them; those of tables and texts are quick."""
    found = []
    for name, (kind, family, private) in itertools.product(USES, CELLS):
        told: dict[str, Any] = {}
        if name == "latent" and kind == "text" and family != "vae":
            told = {"recurrent": False}
        if not USES[name].by(Cell.of(_recipe(kind, family, private, **told), kind)):
            continue
        quick = family != "cgan" and kind in ("table", "text")
        quick &= private == (name in ("max_grad_norm", "marginal_fraction", "noise"))
        quick &= not private or kind == "table"
        marks = () if quick else (pytest.mark.slow, LONG)
        found.append(pytest.param(name, kind, family, private, told, marks=marks))
    return found


def test_every_option_has_another_value() -> None:
    """None can be added without a test."""
    assert OTHER.keys() == USES.keys()
    assert Recipe.model_fields.keys() > USES.keys()


@pytest.mark.parametrize(("name", "kind", "family", "private", "told"), _used())
def test_an_option_changes_what_uses_it(
    name: str, kind: str, family: str, private: bool, told: dict[str, Any]
) -> None:
    """Another value makes another model; the same value makes the same."""
    if name == "recurrent" and kind == "audio" and family == "gan":
        other: Any = True
    else:
        other = OTHER[name]
    before = _recipe(kind, family, private, **told)
    after = _recipe(kind, family, private, **told, **{name: other})

    assert not _same(_weights(kind, before), _weights(kind, after))


def test_equal_recipes_make_equal_models() -> None:
    """Else the test above would prove nothing."""
    for private in (False, True):
        recipe = _recipe("image", "gan", private)

        assert _same(_weights("image", recipe), _weights.__wrapped__("image", recipe))


@pytest.mark.parametrize("name", USES)
def test_an_option_is_refused_where_nothing_uses_it(name: str) -> None:
    """One sentence says who uses it; everybody else's training has not begun."""
    refused = 0
    for (kind, family, private), told in itertools.product(CELLS, (None, True, False)):
        cell = Cell.of(Recipe.of(family=family, recurrent=told), kind)
        if told is not None and not USES["recurrent"].by(cell):
            continue
        recurrent = {} if told is None or name == "recurrent" else {"recurrent": told}
        budget = {"epsilon": 1.0, "delta": 1e-5} if private else {}
        recipe = Recipe.of(**{"family": family, **recurrent, **budget, name: OTHER[name]})
        if USES[name].by(Cell.of(recipe, kind)):
            check(recipe, kind)
            continue
        refused += 1
        with pytest.raises(OptionError, match=f" only for .*, got {name} = ") as error:
            check(recipe, kind)
        assert USES[name].words in str(error.value)
        check(without_idle(recipe, kind), kind)

    assert refused


#: Values of one option by which others change nothing, in the steps of `SMALL`.
SILENT = [("warm", 1.0), ("warm", 0.999), ("warm", 0.0), ("warm", 0.01), ("kl", 0.0)]

#: With the one option that every cell uses, but for trainings without a discriminator.
OTHERS = {**OTHER, "private_learning_rate": 0.02}


def _silence(option: str, value: float) -> Any:
    taken = {"warm": 0.5, "kl": 1.0, "steps": SMALL["steps"], option: value}
    (found,) = [s for s in SILENCES if s.option == option and s.when(taken)]
    return found


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [(*case, name) for case in SILENT for name in _silence(*case).others],
)
def test_an_option_is_refused_beside_a_value_that_silences_it(
    option: str, value: float, name: str
) -> None:
    """The sentence names both, by what steps are rounded to; with another value it is taken."""
    family = "vae" if option == "kl" else "cgan"
    fields = {"family": family, "steps": SMALL["steps"], name: OTHERS[name]}
    beside = Recipe.of(**fields, **{option: value})
    with pytest.raises(OptionError, match=f"got {name} = .* beside {option} = ") as error:
        check(beside, "sequence")

    assert _silence(option, value).why in str(error.value)
    check(without_idle(beside, "sequence"), "sequence")
    check(Recipe.of(**fields, **{option: 0.5}), "sequence")


@pytest.mark.parametrize(("option", "value"), SILENT)
def test_what_is_silenced_changes_nothing(option: str, value: float) -> None:
    """Else it would be refused for no reason."""
    family = "vae" if option == "kl" else "cgan"
    base = _recipe("text", family, False, **{option: value})
    for name in _silence(option, value).others:
        other = base.model_copy(update={name: OTHERS[name]})
        assert _same(_released(base), _released(other)), name


@pytest.mark.parametrize("kind", ["table", "text"])
def test_a_generator_has_its_turn(kind: str) -> None:
    """Else the discriminator alone would learn."""
    fields = {"family": "cgan", "steps": 8, **({} if kind == "table" else {"warm": 0.5})}
    turns = 8 if kind == "table" else 4
    check(Recipe.of(**fields, n_critic=turns), kind)
    with pytest.raises(OptionError, match=f"n_critic of at most {turns}, .* never learn"):
        check(Recipe.of(**fields, n_critic=turns + 1), kind)


def _released(recipe: Recipe) -> dict[str, np.ndarray]:
    """Of a training that nobody has checked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genaudit.training.options.check", lambda *_: None)
        return _weights("text", recipe)


def test_nothing_is_read_before_it_is_refused(tmp_path: Path) -> None:
    """Both regimes refuse, and neither writes a charge of a training."""
    for budget in ({}, {"epsilon": 1.0, "delta": 1e-3}):
        data = Dataset.of(tiny.frame_of("text"), tiny.schema_of("text"), "train")
        with pytest.raises(
            OptionError, match=r"only for a gan or cgan of tables, got pull = 0\.5 for "
        ):
            fit(Recipe.of(family="gan", pull=0.5, **budget), data)


@pytest.mark.parametrize(("kind", "family", "private"), CELLS)
def test_what_a_preset_takes_passes(kind: str, family: str, private: bool) -> None:
    """A recipe that names all numbers of its cell, as that of a saved model does, is no other."""
    budget = {"epsilon": 1.0, "delta": 1e-5} if private else {}
    recipe = Recipe.of(family=family, **budget)
    settled = recipe.settled(10_000, kind).model_dump()
    if kind != "table":
        assert len(settled["hidden"]) == 1

    check(Recipe.of(**{**recipe.model_dump(), **settled}), kind)


def test_a_saved_models_recipe_trains_again(tmp_path: Path) -> None:
    """All that stands in a model folder may be given."""
    frame, schema = tiny.frame_of("text"), tiny.schema_of("text")
    model = ga.train(frame, schema, model="gan", ledger=tmp_path / "l.sqlite", **SMALL)
    fields = dict(ga.load(model.save(tmp_path / "model")).recipe)
    again = ga.train(frame, schema, model=fields.pop("family"), ledger=tmp_path / "l.sqlite",
                     **fields)  # fmt: skip

    assert _same(_tensors(model.sampler), _tensors(again.sampler))


def test_an_average_is_taken_in_all_kinds() -> None:
    """Of tables as of other records, as is all that stands in a recipe."""
    for kind in tiny.KINDS:
        assert Recipe.of(average=0.5).settled(100, kind).average == 0.5
