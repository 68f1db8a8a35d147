"""Which trainings use which option of a recipe: one that would change nothing is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genaudit.errors import OptionError
from genaudit.training import presets
from genaudit.training.recipe import Recipe, Settled, warm_steps

#: Kinds of records, as a sentence names them.
_WORDS = {
    "table": "tables", "image": "images", "sequence": "series", "audio": "sounds", "text": "texts",
}  # fmt: skip

#: Kinds of records that have steps.
_OF_STEPS = ("sequence", "audio", "text")


@dataclass(frozen=True)
class Cell:
    """What is trained, and how. kind: `table`, or that of the record."""

    kind: str
    family: str
    private: bool
    recurrent: bool

    @classmethod
    def of(cls, recipe: Recipe, kind: str) -> Cell:
        """The cell of a recipe on records of a kind."""
        return cls(kind, recipe.family, recipe.private, recurrent_of(recipe, kind))

    @property
    def adversarial(self) -> bool:
        """Whether there is a discriminator."""
        return self.family != "vae"

    @property
    def warm(self) -> bool:
        """Whether a generator learns from records before it meets a discriminator."""
        return self.adversarial and (self.recurrent or self.kind == "audio")

    def __str__(self) -> str:
        regime = "private" if self.private else "plain"
        how = ""
        if self.adversarial and self.kind in _OF_STEPS:
            how = "recurrent " if self.recurrent else "not recurrent "
        return f"a {regime} {how}{self.family} of {_WORDS[self.kind]}"


@dataclass(frozen=True)
class Use:
    """Who uses an option. by: says it of a cell. words: say it to a person."""

    by: Callable[[Cell], bool]
    words: str


_TABLES = Use(lambda c: c.kind == "table", "tables")
_GANS = Use(lambda c: c.adversarial, "a gan or cgan")
_VAES_OF_RECORDS = Use(
    lambda c: not c.adversarial and c.kind != "table", "a vae of images, series, sounds or texts"
)
_PRIVATE = Use(lambda c: c.private, "private training")
_WARM = Use(lambda c: c.warm, "a recurrent gan or cgan, or one of sounds")

#: Option -> who uses it; all trainings use what is not named here.
USES: Mapping[str, Use] = {
    "recurrent": Use(
        lambda c: c.adversarial and c.kind in _OF_STEPS,
        "a gan or cgan of records of steps (series, sounds, texts)",
    ),
    "learning_rate": _GANS,
    "n_critic": _GANS,
    "r1": Use(lambda c: c.adversarial and not c.private, "a gan or cgan in plain training"),
    "pull": Use(lambda c: c.adversarial and c.kind == "table", "a gan or cgan of tables"),
    "hidden": _TABLES,  # of several widths
    "components": _TABLES,
    "fit_steps": _TABLES,
    "latent": Use(
        lambda c: not c.adversarial or c.kind == "image" or (c.kind == "text" and not c.recurrent),
        "a vae, images, or a gan or cgan of texts that is not recurrent",
    ),
    "kl": Use(lambda c: not c.adversarial, "a vae"),
    "kl_rise": _VAES_OF_RECORDS,
    "free_bits": _VAES_OF_RECORDS,
    "warm": _WARM,
    "warm_learning_rate": _WARM,
    "warm_end": Use(
        lambda c: c.warm or _VAES_OF_RECORDS.by(c), f"{_WARM.words}, or {_VAES_OF_RECORDS.words}"
    ),
    "max_grad_norm": _PRIVATE,
    "marginal_fraction": _PRIVATE,
    "noise": _PRIVATE,
}


@dataclass(frozen=True)
class Silence:
    """A value of one option under which others change nothing.

    when: whether the values that a training takes are so. others: change nothing then. only: where
    they change something, and why: what keeps them from it, as a sentence says both. among: cells
    that it is said of.
    """

    option: str
    when: Callable[[Mapping[str, Any]], bool]
    others: tuple[str, ...]
    only: str
    why: str
    among: Callable[[Cell], bool]


def _warm_steps(taken: Mapping[str, Any]) -> int:
    return warm_steps(taken["warm"], taken["steps"])


SILENCES = (
    Silence("warm", lambda t: _warm_steps(t) == t["steps"],
            ("learning_rate", "private_learning_rate", "n_critic", "r1"),
            "where a step has a discriminator", "no step has a discriminator", lambda c: c.warm),
    Silence("warm", lambda t: not _warm_steps(t), ("warm_learning_rate", "warm_end"),
            "where a step is a warm start", "no step is a warm start", lambda c: c.warm),
    Silence("kl", lambda t: t["kl"] == 0, ("kl_rise", "free_bits"),
            "where kl is not 0", "the divergence has no weight", _VAES_OF_RECORDS.by),
)  # fmt: skip


def recurrent_of(recipe: Recipe, kind: str) -> bool:
    """Whether a generator goes step by step, where a recipe may leave that open."""
    if recipe.recurrent is not None:
        return recipe.recurrent
    # Of sounds a discriminator says more than the likelihood of their frames does.
    of_steps = kind in ("sequence", "text")
    return (recipe.family == "cgan" and kind in _OF_STEPS) or (recipe.family == "gan" and of_steps)


def check(recipe: Recipe, kind: str) -> None:
    """Refuse an option that this training would not use; reads no record.

    A value that is taken anyway, such as one that a trained model's recipe holds, passes.

    Raises:
        OptionError: there is one, or so large an `n_critic` that the generator never has its turn.
    """
    for name in _idle(recipe, kind):
        what, then = name, f"leave {name} out"
        if name == "hidden":
            what, then = "several widths in hidden", "leave all but the first out"
        raise OptionError(
            f"Expected {what} only for {USES[name].words}, got {_shown(recipe, name)} for "
            f"{Cell.of(recipe, kind)}, where it changes nothing; {then}."
        )
    for name, silence in _silenced(recipe, kind).items():
        raise OptionError(
            f"Expected {name} only {silence.only}, got {_shown(recipe, name)} beside "
            f"{silence.option} = {_taken(recipe, kind)[silence.option]:g}, where it changes "
            f"nothing, as {silence.why}; leave one of them out."
        )
    _check_turns(recipe, kind)


def without_idle(recipe: Recipe, kind: str) -> Recipe:
    """The recipe without options that its training does not use, as older ones may have them."""
    idle = [*_idle(recipe, kind), *_silenced(recipe, kind)]
    found = {name: Recipe.model_fields[name].default for name in idle}
    if "hidden" in found and recipe.hidden:
        found["hidden"] = recipe.hidden[:1]
    return recipe.model_copy(update=found)


def _idle(recipe: Recipe, kind: str) -> list[str]:
    """Options that are given and not used."""
    cell, usual = Cell.of(recipe, kind), _usual(recipe, kind)
    return [
        name
        for name, use in USES.items()
        if not use.by(cell) and _given(name, getattr(recipe, name), usual[name])
    ]


def _silenced(recipe: Recipe, kind: str) -> dict[str, Silence]:
    """Options that are given, and change nothing beside the value of another."""
    cell, usual, taken = Cell.of(recipe, kind), _usual(recipe, kind), _taken(recipe, kind)
    return {
        name: silence
        for silence in SILENCES
        if silence.among(cell) and silence.when(taken)
        for name in silence.others
        if _given(name, getattr(recipe, name), usual[name])
    }


def _check_turns(recipe: Recipe, kind: str) -> None:
    """Refuse a generator whose turn never comes.

    Raises:
        OptionError: a discriminator takes fewer steps than one step of the generator waits for.
    """
    cell, taken = Cell.of(recipe, kind), _taken(recipe, kind)
    turns = taken["steps"] - (_warm_steps(taken) if cell.warm else 0)
    if cell.adversarial and 0 < turns < recipe.n_critic:
        raise OptionError(
            f"Expected n_critic of at most {turns:,}, the steps that have a discriminator, got "
            f"n_critic = {recipe.n_critic:,}, with which the generator would never learn from it; "
            "lower n_critic, or raise steps."
        )


def _taken(recipe: Recipe, kind: str) -> dict[str, Any]:
    """What each option is in a training by the recipe."""
    given = {name: getattr(recipe, name) for name in Recipe.model_fields}
    return _usual(recipe, kind) | {n: value for n, value in given.items() if value is not None}


def _given(name: str, value: Any, usual: Any) -> bool:
    if name == "hidden":  # all trainings use the first width
        return value is not None and len(value) > 1
    return value is not None and value != usual


def _usual(recipe: Recipe, kind: str) -> dict[str, Any]:
    """What each option is where nobody gives it."""
    of_recipes = {name: field.default for name, field in Recipe.model_fields.items()}
    settled = {name: field.default for name, field in Settled.model_fields.items()
               if not field.is_required()}  # fmt: skip
    numbers = presets.numbers(kind, recipe.family, recipe.preset, private=recipe.private)
    return {**of_recipes, **settled, **numbers}


def _shown(recipe: Recipe, name: str) -> str:
    value = getattr(recipe, name)
    return f"{name} = {list(value) if isinstance(value, tuple) else value}"
