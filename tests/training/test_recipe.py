"""Recipes: what is refused, and how; what presets fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genaudit.errors import OptionError
from genaudit.training.recipe import Recipe, check_delta


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"epsilon": 0.0, "delta": 1e-6}, "epsilon above 0"),
        ({"epsilon": -1.0, "delta": 1e-6}, "epsilon above 0"),
        ({"epsilon": float("nan"), "delta": 1e-6}, "epsilon"),
        ({"epsilon": float("inf"), "delta": 1e-6}, "epsilon"),
        ({"epsilon": 10_001.0, "delta": 1e-6}, "at most 10,000 .*, got 10001"),
        ({"epsilon": 1.0}, "without delta"),
        ({"delta": 1e-6}, "without epsilon"),
        ({"epsilon": 1.0, "delta": 0.0}, "delta in"),
        ({"epsilon": 1.0, "delta": 1.0}, "delta in"),
        ({"family": "diffusion"}, "gan, vae, cgan"),
        ({"family": "gan", "condition": ["a"]}, "no condition"),
        ({"preprocessing_epsilon": 0.1}, "without epsilon"),
        ({"epsilon": 1.0, "delta": 1e-6, "preprocessing_epsilon": 1.0}, "leaves nothing"),
        ({"steps": 0}, "steps"),
        ({"hidden": (0,)}, "hidden"),
        ({"noise_seed": 3}, "without epsilon"),
        ({"colour": 3}, "no field 'colour'"),
        ({"preset": "slow"}, "preset"),
    ],
)
def test_refused(fields: dict[str, Any], says: str) -> None:
    """One sentence that names the field."""
    with pytest.raises(OptionError, match=says) as error:
        Recipe.of(**fields)

    assert "\n" not in str(error.value)


def test_read(tmp_path: Path) -> None:
    """A TOML file gives the recipe; a missing one or other text is refused."""
    path = tmp_path / "recipe.toml"
    path.write_text('family = "vae"\nepsilon = 1\ndelta = 1e-6\nhidden = [32]\n')

    assert Recipe.read(path) == Recipe.of(family="vae", epsilon=1, delta=1e-6, hidden=(32,))
    path.write_text("family = ")
    with pytest.raises(OptionError, match="recipe"):
        Recipe.read(path)
    with pytest.raises(OptionError, match="recipe"):
        Recipe.read(tmp_path / "none.toml")


def test_settled() -> None:
    """What is given stands; a batch is at most half of the records."""
    recipe = Recipe.of(steps=7, hidden=(5,))

    assert recipe.settled(10_000).steps == 7
    assert Recipe.of(pull=0).settled(10_000).pull == 0
    assert recipe.settled(10_000).hidden == (5,)
    assert recipe.settled(10).batch_size == 5
    assert recipe.settled(1).batch_size == 1
    quick, standard = (Recipe.of(preset=p).settled(10_000) for p in ("quick", "standard"))
    assert quick.steps < standard.steps


def test_delta_under_one_over_n() -> None:
    """A delta of 1/n is refused with one to try."""
    check_delta(0.000999, 1000)
    with pytest.raises(OptionError, match=r"Try 0\.0001"):
        check_delta(0.001, 1000)


@pytest.mark.parametrize("name", ["free_bits", "r1", "max_grad_norm"])
def test_weights_beyond_any_use_are_refused(name: str) -> None:
    """A number that no float32 holds must not reach a training."""
    with pytest.raises(OptionError, match=name):
        Recipe.of(**{"family": "vae", name: 1e39})
