"""Recipes: everything that decides a training, checked before any record is read."""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genaudit.accounting import MAX_EPSILON
from genaudit.errors import OptionError, complaint
from genaudit.ledger import UNDECLARED
from genaudit.models import FAMILIES
from genaudit.reading import read_toml
from genaudit.training import presets


class Recipe(BaseModel):
    """How to train: family, budget, and numbers that the preset fills in where they are None.

    Options that a training would not use are refused before it starts (`options.USES`).

    epsilon, delta: the whole privacy budget for one record (or person); None = plain training.
    condition: columns to condition on; None = target and sensitive columns. Not for `gan`.
    recurrent: whether the generator of a GAN goes step by step; None = on series and texts, and of
        a `cgan` on sounds. One that does learns from the likelihood of records first.
    steps: batches of records. batch_size: records in a batch (expected, where private), at most
        half of them all, and as many made records beside them. n_critic: steps on records for each
        step of the generator.
    private_learning_rate: of what sees records; learning_rate: of the generator of a GAN.
    max_grad_norm: bound on what one record can move the sum of gradients, L2.
    hidden: widths of layers; networks of images, series, sounds and texts have one. latent: of a
        VAE, and of makers that draw a record at once from noise.
    components: of the mixture that makes rows of a table. fit_steps: of it on the marginals alone.
    pull: weight of the marginals in the loss of a GAN's generator.
    marginal_fraction: part of ε that would pay the noisy marginals alone; steps on records share
        what composition leaves.
    kl: of a VAE, weight of the latent's divergence; kl_rise, free_bits: of one of images, series,
        sounds or texts, the share of the steps in which it rises to that, and nats of it that cost
        a record nothing.
    r1: weight of the gradient penalty of a GAN, in plain training alone.
    warm: share of the steps in which a recurrent generator learns from records directly, before it
        meets a discriminator, at warm_learning_rate, which falls to its share warm_end by their
        end. A VAE of records learns from them in all steps, and its rate falls likewise.
    average: decay of the moving average of weights, which is what makes the records.
    preprocessing_epsilon: part of ε that learns what the schema leaves undeclared.
    unit: whom ε is for; None = a person where the schema names one, else a record.
    rows_per_person: most rows of one person that are used; None = persons have one row each.
    noise: "plain" is one floating-point Gaussian for each number, "hardened" a sum of four, whose
        low bits cannot be told back to one (Holohan & Braghin 2021).
    seed: initial weights, made records and sampling; never noise or batches of a private training.
    noise_seed: for experiments alone: seeds noise and batches too, so the model promises nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: str = "cgan"
    epsilon: float | None = None
    delta: float | None = None
    preset: Literal["quick", "standard"] = "standard"
    seed: int = Field(default=0, ge=0, lt=2**63)
    condition: tuple[str, ...] | None = None
    recurrent: bool | None = None
    steps: int | None = Field(default=None, ge=1, le=10_000_000)
    batch_size: int | None = Field(default=None, ge=1, le=1_000_000)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    private_learning_rate: float | None = Field(default=None, gt=0, le=1)
    hidden: tuple[int, ...] | None = Field(default=None, min_length=1, max_length=8)
    latent: int | None = Field(default=None, ge=1, le=4096)
    components: int | None = Field(default=None, ge=1, le=4096)
    fit_steps: int | None = Field(default=None, ge=1, le=100_000)
    # Noise of more could not be squared, as Adam does, in single precision.
    max_grad_norm: float | None = Field(default=None, gt=0, le=1e9)
    marginal_fraction: float | None = Field(default=None, gt=0, lt=1)
    kl: float | None = Field(default=None, ge=0, le=1000)
    kl_rise: float | None = Field(default=None, ge=0, le=1)
    free_bits: float | None = Field(default=None, ge=0, le=1000)
    r1: float | None = Field(default=None, ge=0, le=1000)
    warm: float | None = Field(default=None, ge=0, le=1)
    warm_learning_rate: float | None = Field(default=None, gt=0, le=1)
    warm_end: float | None = Field(default=None, gt=0, le=1)
    average: float | None = Field(default=None, ge=0, lt=1)
    preprocessing_epsilon: float | None = Field(default=None, gt=0)
    unit: Literal["record", "person"] | None = None
    rows_per_person: int | None = Field(default=None, ge=1, le=10_000)
    noise: Literal["plain", "hardened"] = "plain"
    noise_seed: int | None = Field(default=None, ge=0, lt=2**63)
    n_critic: int = Field(default=1, ge=1, le=1000)
    pull: float | None = Field(default=None, ge=0)
    device: str = "cpu"

    @model_validator(mode="after")
    def _of_family(self) -> Self:
        if self.family == "gan" and self.condition:
            raise ValueError("family gan takes no condition; take cgan or vae")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.family not in FAMILIES:
            raise ValueError(
                f"expected family as one of {', '.join(FAMILIES)}, got {self.family!r}"
            )
        if self.hidden and min(self.hidden) < 1:
            raise ValueError(f"expected widths of at least 1 in hidden, got {list(self.hidden)}")
        if self.epsilon is None and self.delta is not None:
            raise ValueError("delta is given without epsilon; give both, or neither")
        if self.epsilon is None:
            for name in ("preprocessing_epsilon", "unit", "rows_per_person", "noise_seed"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is given without epsilon; give both")
            return self
        if self.unit == "record" and self.rows_per_person is not None:
            raise ValueError("rows_per_person is for the unit person; leave it or the unit out")
        if not 0 < self.epsilon <= MAX_EPSILON:
            raise ValueError(
                f"expected epsilon above 0 and at most {MAX_EPSILON:,} (more protects nobody), "
                f"got {self.epsilon:g}"
            )
        if self.delta is None:
            raise ValueError("epsilon is given without delta; give a delta well under 1/n")
        if not 0 < self.delta < 1:
            raise ValueError(f"expected delta in (0, 1), got {self.delta:g}")
        if self.preprocessing_epsilon is not None and self.preprocessing_epsilon >= self.epsilon:
            raise ValueError(
                f"preprocessing_epsilon = {self.preprocessing_epsilon:g} leaves nothing of epsilon "
                f"= {self.epsilon:g} to train with; give a part of it, such as a tenth"
            )
        return self

    @classmethod
    def of(cls, /, **fields: Any) -> Recipe:
        """The recipe with these fields.

        Raises:
            OptionError: an unknown field, or a value out of range.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise OptionError(_sentence(error)) from error

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """The recipe in a TOML file.

        Raises:
            OptionError: the file is absent, no TOML, or not usable.
        """
        return cls.of(**read_toml(Path(path), "a recipe (TOML)"))

    @property
    def private(self) -> bool:
        """Whether it trains under differential privacy."""
        return self.epsilon is not None

    @property
    def cap(self) -> int:
        """Rows of a unit."""
        return self.rows_per_person or 1

    def settled(self, n: int, kind: str = "table") -> Settled:
        """Every number decided, for n records (public, or a noisy count) of a kind."""
        usual = presets.numbers(kind, self.family, self.preset, private=self.private)
        given = {name: getattr(self, name) for name in Settled.model_fields}
        numbers = usual | {name: value for name, value in given.items() if value is not None}
        # A batch of more than half of the records would hardly be a sample of them.
        numbers["batch_size"] = max(1, min(numbers["batch_size"], n // 2))
        return Settled(**numbers)


class Settled(BaseModel):
    """The numbers of a recipe that the preset and the number of records decide."""

    model_config = ConfigDict(frozen=True)

    steps: int
    batch_size: int
    learning_rate: float
    private_learning_rate: float
    hidden: tuple[int, ...]
    latent: int
    components: int
    fit_steps: int
    max_grad_norm: float
    pull: float
    marginal_fraction: float = 0.9
    kl: float = 1.0
    kl_rise: float = 0.0
    free_bits: float = 0.0
    r1: float = 0.0
    warm: float = 0.0
    warm_learning_rate: float = 1e-3
    warm_end: float = 1.0
    average: float = 0.995


def warm_steps(warm: float, steps: int) -> int:
    """How many of the steps are a warm start that is to be this share of them."""
    return round(warm * steps)


def check_delta(delta: float, n: int) -> None:
    """Refuse a δ at which a mechanism may publish whole records.

    Raises:
        OptionError: δ >= 1/n.
    """
    if delta >= 1 / n:
        suggested = safe_delta(n)
        raise OptionError(
            f"Expected delta well under 1/n = {1 / n:.3g} for {n:,} records, got {delta:g}; such a "
            f"delta allows whole records to be published. Try {suggested:g}."
        )


def safe_delta(n: int) -> float:
    """The largest power of ten that is at most a tenth of 1/n."""
    return 10.0 ** math.floor(math.log10(0.1 / n))


def check_budget_total(total: float | None, dataset: str | None) -> None:
    """Refuse a total over all releases of a data set that could not be kept.

    Args:
        total: ε that all releases may spend together; None where none is kept.
        dataset: What its owner calls the data set. One without a name is known by its content
            alone, and the same people in another file would start anew.

    Raises:
        OptionError: the total is no finite number above 0, or the data set has no name.
    """
    if total is None:
        return
    if not isinstance(total, Real) or not 0 < total < math.inf:
        raise OptionError(
            f"Expected --budget-total as a finite number above 0, got {total!r}; give the ε that "
            "all releases of the data set may spend together, or leave it out."
        )
    if not dataset or dataset.startswith(UNDECLARED):
        raise OptionError(
            "Expected a name of the data set to keep --budget-total for, got none, and the same "
            "people in another file would start anew; give the schema an id, or --dataset-id."
        )


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = ", ".join(Recipe.model_fields)
        return f"A recipe has no field {where!r}; it has {known}."
    said = complaint(first)
    return f"This recipe is not usable: {f'{where}: ' if where else ''}{said}."
