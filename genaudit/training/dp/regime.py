"""The private regime: a budget solved beforehand, noisy marginals, and steps charged in parts."""

from __future__ import annotations

from collections.abc import Callable

from genaudit.accounting import epsilon
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import BudgetError
from genaudit.ledger import Mechanism, TouchKind
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models.base import Phase
from genaudit.result import Claim
from genaudit.training import marginals
from genaudit.training.book import Book
from genaudit.training.dp import budget, intake, preprocessing
from genaudit.training.dp import step as private_step
from genaudit.training.dp.unit import Units, unit_of
from genaudit.training.prepared import Batch, Prepared, condition_of, encoded, nets_of
from genaudit.training.recipe import Recipe

#: How a plan names the source of chance, without and with a seed.
_SEEDED = ("seeded by the operating system", "seeded for an experiment, so nothing is private")


def prepare(recipe: Recipe, data: Dataset, book: Book, budget_total: float | None) -> Prepared:
    """Pay for what is not public, solve the noise, make noisy marginals; charge each first."""
    relation = book.relation = intake.relation_of(data.schema)
    book.unit = unit_of(recipe, data.schema)
    streams = private_step.Streams.of(
        recipe.device, hardened=recipe.noise == "hardened", seed=recipe.noise_seed
    )
    if budget_total is not None:
        intake.check_declared(data.schema, recipe)
        book.check_room(
            budget_total, recipe, _before(recipe, data.schema),
            unpaid=data.schema.drafted or recipe.noise_seed is not None,
        )  # fmt: skip
    if recipe.noise_seed is not None:
        book.charge(
            TouchKind.UNACCOUNTED, "an experiment: noise and batches have a seed, none is private"
        )
    ready = intake.take_in(recipe, data, book)
    schema, settled = ready.data.schema, recipe.settled(ready.n)
    grid = Grid.public(schema)
    layout = Layout(grid, condition_of(recipe, schema, grid))
    nets_of(layout, settled).check_size(settled.batch_size)
    solved = budget.solve(recipe, settled, ready.n, relation, ready.spent)
    assert recipe.epsilon is not None
    assert recipe.delta is not None
    if budget_total is not None:
        book.check_total(budget_total, recipe.delta, solved.mechanisms)
    book.charge(
        TouchKind.ACCOUNTED, "one-way marginals and joint of the condition", solved.marginals
    )
    digits, joint = encoded(layout, ready.data)
    units = Units.of(ready.data, book.unit, recipe.cap, streams.draws)
    sigma = solved.marginals.noise_multiplier
    assert sigma is not None
    noisy = marginals.noisy(
        layout, digits[units.kept], joint[units.kept], n=ready.n, noise_multiplier=sigma,
        rng=streams.draws, cap=recipe.cap,
    )  # fmt: skip
    blocks = solved.blocks()
    starts = {sum(b.steps for b in blocks[:i]): i for i in range(len(blocks))}

    def before(step: int) -> None:
        if step >= solved.training.steps:
            raise BudgetError(
                f"The budget pays for {solved.training.steps:,} private steps, but training goes "
                "on; nothing more was read."
            )
        if step in starts:
            i = starts[step]
            book.charge(
                TouchKind.ACCOUNTED, f"private training, part {i + 1} of {len(blocks)}", blocks[i]
            )

    def stepper(phase: Phase, batch: Batch) -> Callable[[], None]:
        training = solved.training
        assert training.noise_multiplier is not None
        assert training.sampling_rate is not None
        return private_step.stepper(
            phase, batch, units,
            sampling_rate=training.sampling_rate, noise_multiplier=training.noise_multiplier,
            max_grad_norm=settled.max_grad_norm,
            divisor=settled.batch_size + phase.n_extra // recipe.cap, streams=streams,
        )  # fmt: skip

    claim = None
    if recipe.noise_seed is None:
        claim = Claim(epsilon=recipe.epsilon, delta=recipe.delta, unit=book.unit, relation=relation)
    return Prepared(schema, layout, settled, digits, joint, noisy, before, stepper, claim)


def plan(recipe: Recipe, data: Dataset) -> list[str]:
    """What a private training would spend, as lines for a person; no record is read."""
    assert recipe.delta is not None
    lines = []
    intake.check_declared(data.schema, recipe)
    n = intake.public_n(recipe, data)
    lines.append(f"ε = {recipe.epsilon:g} at δ = {recipe.delta:g} in all, for one "
                 f"{unit_of(recipe, data.schema)} ({intake.relation_of(data.schema)}); noise: "
                 f"{recipe.noise}, {_SEEDED[recipe.noise_seed is not None]}.")  # fmt: skip
    before = _before(recipe, data.schema)
    lines += [f"Spends first: {m}." for m in before]
    if n is None:
        lines.append("The noise multiplier of training follows from the noisy count.")
        return lines
    solved = budget.solve(recipe, recipe.settled(n), n, intake.relation_of(data.schema), before)
    lines.append(f"Marginals: {solved.marginals}.")
    lines.append(f"Training: {solved.training}.")
    lines.append("Together, by δ: " + ", ".join(
        f"ε({d:g}) = {epsilon(solved.mechanisms, d):.3g}" for d in _deltas(recipe.delta)
    ) + ".")  # fmt: skip
    return lines


def _deltas(delta: float) -> list[float]:
    """Where the curve of ε over δ is read: δ itself, and powers of ten on both sides."""
    return sorted({delta, *(10.0**-k for k in range(4, 10))}, reverse=True)


def _before(recipe: Recipe, schema: Schema) -> list[Mechanism]:
    """What a private training will spend before the marginals, from the schema alone."""
    assert recipe.delta is not None
    before = [intake.count_mechanism(recipe)] if schema.rows is None else []
    if schema.undeclared and recipe.preprocessing_epsilon is not None:
        delta = budget.PREPROCESSING_DELTA * recipe.delta
        todo = preprocessing.measures(schema, recipe.preprocessing_epsilon, delta)
        before += [m.mechanism for m in todo]
    return before
