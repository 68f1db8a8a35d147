"""The private regime: a budget solved beforehand, noisy marginals, and steps charged in parts."""

from __future__ import annotations

from collections.abc import Callable

from genaudit.accounting import epsilon
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.ledger import Mechanism, TouchKind
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models.base import Phase
from genaudit.result import Claim, Relation, Unit
from genaudit.training import marginals, summary
from genaudit.training.book import Book
from genaudit.training.dp import budget, intake, preprocessing, unit
from genaudit.training.dp import step as private_step
from genaudit.training.pace import Leased
from genaudit.training.prepared import (
    Basis,
    Batch,
    Numbers,
    Prepared,
    check_recipe,
    check_size,
    encoded,
    focus_of,
    kind_of,
    layout_of,
    media_nets_of,
)
from genaudit.training.recipe import Recipe, Settled
from genaudit.training.world import ALONE, World

#: What the ledger says of the reads that come before training: of a table, and of other records.
_KNOWN = (
    "marginals of one and two columns, and joint of the condition",
    "marginals of attributes, joint of the condition, and mean summary of records",
)

#: How a plan names the source of chance, without and with a seed.
_SEEDED = ("seeded by the operating system", "seeded for an experiment, so nothing is private")

#: More units than any batch needs: the size of a batch is then that of the recipe.
_MANY = 2**40


def prepare(
    recipe: Recipe, data: Dataset, book: Book, budget_total: float | None, world: World = ALONE,
    announce: Callable[[Basis], None] = lambda _: None,
) -> Prepared:  # fmt: skip
    """Pay for what is not public, solve the noise, make noisy marginals; charge each first.

    announce: told what stands before the first step, as soon as it does.
    """
    relation = _open(recipe, data.schema, book, budget_total)
    streams = _streams(recipe)
    ready = intake.take_in(recipe, data, book)
    schema, settled = ready.data.schema, recipe.settled(ready.n, kind_of(ready.data.schema))
    layout = _layout(recipe, schema, settled, ready.n)
    solved = budget.solve(recipe, settled, ready.n, relation, ready.spent)
    assert recipe.epsilon is not None
    assert recipe.delta is not None
    if budget_total is None:
        book.reserve(solved.mechanisms)
    else:
        book.check_total(budget_total, recipe.delta, solved.mechanisms)
    book.charge(TouchKind.ACCOUNTED, _KNOWN[schema.record is not None], solved.marginals)
    numbers = encoded(layout, ready.data)
    units = unit.Units.of(ready.data, book.unit, recipe.cap, streams.draws)
    sigma = solved.marginals.noise_multiplier
    assert sigma is not None
    mean = None
    if numbers.codes is not None:
        mean = summary.noisy(
            media_nets_of(recipe, schema, layout, settled), numbers.codes[units.kept], n=ready.n,
            noise_multiplier=sigma, cap=recipe.cap, rng=streams.draws,
        )  # fmt: skip
        sigma *= summary.SHARE
    noisy = marginals.noisy(
        layout, numbers.digits[units.kept], numbers.joint[units.kept], n=ready.n,
        noise_multiplier=sigma, rng=streams.draws, cap=recipe.cap, focus=focus_of(schema),
    )  # fmt: skip
    claim = None
    if recipe.noise_seed is None:
        claim = Claim(epsilon=recipe.epsilon, delta=recipe.delta, unit=book.unit, relation=relation)
    basis = Basis(schema, layout, settled, noisy, claim, tuple(solved.mechanisms), mean)
    announce(basis)
    return _prepared(recipe, basis, book, numbers, units, streams, world)


def resume(
    recipe: Recipe, data: Dataset, book: Book, budget_total: float | None, basis: Basis, done: int,
    world: World = ALONE,
) -> Prepared:  # fmt: skip
    """Go on from a basis that is paid for, with fresh streams; `done` steps are in the weights.

    A process that does not lead starts like this as well.
    """
    assert recipe.delta is not None
    book.relation, book.delta = intake.relation_of(data.schema), recipe.delta
    book.unit = unit.unit_of(recipe, data.schema)
    if budget_total is not None:
        book.check_total(budget_total, recipe.delta, basis.planned)
    else:  # it may have ended with the process before, or by hand
        book.reserve(basis.planned)
    if data.schema.undeclared:
        data = preprocessing.project(data, basis.schema)
    streams = _streams(recipe, done, world.rank)
    units = unit.Units.of(data, book.unit, recipe.cap, streams.draws)
    return _prepared(recipe, basis, book, encoded(basis.layout, data), units, streams, world, done)


def _streams(recipe: Recipe, done: int = 0, rank: int = 0) -> private_step.Streams:
    # Steps that go on must not meet the noise of those before, nor processes each other's draws,
    # not even in a seeded experiment.
    seed = None if recipe.noise_seed is None else (recipe.noise_seed, done, rank)
    return private_step.Streams.of(recipe.device, hardened=recipe.noise == "hardened", seed=seed)


def _prepared(
    recipe: Recipe, basis: Basis, book: Book, numbers: Numbers,
    units: unit.Units, streams: private_step.Streams, world: World, done: int = 0,
) -> Prepared:  # fmt: skip
    training, settled = basis.planned[-1], basis.settled
    world.check_apart(streams.starts)
    units = units.part(world.mine(len(units)))

    def stepper(phase: Phase, batch: Batch) -> Callable[[], None]:
        assert training.noise_multiplier is not None
        assert training.sampling_rate is not None
        return private_step.stepper(
            phase, batch, units,
            sampling_rate=training.sampling_rate, noise_multiplier=training.noise_multiplier,
            max_grad_norm=settled.max_grad_norm,
            divisor=settled.batch_size + phase.n_extra // recipe.cap, streams=streams,
            world=world,
        )  # fmt: skip

    return Prepared(basis, numbers, Leased(book, training, done, world), stepper)


def _check(recipe: Recipe, schema: Schema) -> None:
    """Refuse what schema and recipe alone show to be impossible; reads no record."""
    unit.check_declared(recipe, schema)
    intake.check_declared(schema, recipe)
    check_recipe(recipe, schema)


def _open(recipe: Recipe, schema: Schema, book: Book, budget_total: float | None) -> Relation:
    """Settle unit and relation, make sure of room under a total, own up to a seed; the relation."""
    _check(recipe, schema)
    _check_room(recipe, schema, book, budget_total)
    if budget_total is None:
        book.reserve_provisionally(recipe, _before(recipe, schema))
    if recipe.noise_seed is not None:
        book.charge(
            TouchKind.UNACCOUNTED, "an experiment: noise and batches have a seed, none is private"
        )
    return book.relation


def _check_room(
    recipe: Recipe, schema: Schema, book: Book, budget_total: float | None
) -> float | None:
    """Settle unit and relation; what all releases might spend together, where a total is kept."""
    book.relation, book.delta = intake.relation_of(schema), recipe.delta
    book.unit = unit.unit_of(recipe, schema)
    if budget_total is None:
        return None
    return book.check_room(
        budget_total, recipe, _before(recipe, schema),
        unpaid=schema.drafted or recipe.noise_seed is not None,
    )  # fmt: skip


def plan(recipe: Recipe, data: Dataset, book: Book, budget_total: float | None) -> list[str]:
    """What a private training would spend, as lines for a person; it is refused as that would be.

    Values are not looked at, but where persons are named their rows are counted.
    """
    assert recipe.delta is not None
    lines = []
    _check(recipe, data.schema)
    together = _check_room(recipe, data.schema, book, budget_total)
    unit.check_rows(recipe, data)
    n = intake.public_n(recipe, data)
    lines.append(f"ε = {recipe.epsilon:g} at δ = {recipe.delta:g} in all, for one "
                 f"{unit.unit_of(recipe, data.schema)} ({intake.relation_of(data.schema)}); noise: "
                 f"{recipe.noise}, {_SEEDED[recipe.noise_seed is not None]}.")  # fmt: skip
    before = _before(recipe, data.schema)
    lines += [f"Spends first, on {what}: {m}." for what, m in _first(recipe, data.schema)]
    if n is None:
        lines += _before_the_count(recipe, data.schema, book.unit)
        return [*lines, *_room(together, recipe.delta, budget_total)]
    settled = recipe.settled(n, kind_of(data.schema))
    if not data.schema.undeclared:
        _layout(recipe, data.schema, settled, n)
    solved = budget.solve(recipe, settled, n, intake.relation_of(data.schema), before)
    lines.append(f"Marginals: {solved.marginals}.")
    lines.append(f"Training: {solved.training}.")
    lines.append("Together, by δ: " + ", ".join(
        f"ε({d:g}) = {epsilon(solved.mechanisms, d):.3g}" for d in _deltas(recipe.delta)
    ) + ".")  # fmt: skip
    if budget_total is not None:
        together = book.check_total(budget_total, recipe.delta, solved.mechanisms)
    return [*lines, *_room(together, recipe.delta, budget_total)]


def _layout(recipe: Recipe, schema: Schema, settled: Settled, n: int) -> Layout:
    """What is made and what is the condition, by a complete schema; refused if too large."""
    layout = layout_of(recipe, schema, Grid.public(schema))
    check_size(recipe, schema, layout, settled, n)
    return layout


def _room(together: float | None, delta: float, total: float | None) -> list[str]:
    if together is None or total is None:
        return []
    return [
        f"With all earlier releases of the data set: ε = {together:.3g} at δ = {delta:g}, "
        f"within the total of {total:g}."
    ]


def _deltas(delta: float) -> list[float]:
    """Where the curve of ε over δ is read: δ itself, and powers of ten on both sides."""
    return sorted({delta, *(10.0**-k for k in range(4, 10))}, reverse=True)


def _before_the_count(recipe: Recipe, schema: Schema, of: Unit) -> list[str]:
    """What a plan can say while the number of units is a secret that only training pays for."""
    settled = recipe.settled(_MANY, kind_of(schema))
    return [
        f"Training: {settled.steps:,} steps on batches of {settled.batch_size:,} {of}s, or of half "
        "of all where that is less.",
        f"Marginals get what {settled.marginal_fraction:.0%} of the ε that is left would pay "
        "alone; the steps share what composition leaves.",
        "The noise multiplier of training follows from the noisy count. It may still be refused "
        "then: delta must be well under 1/n, and epsilon large enough for n.",
    ]


def _before(recipe: Recipe, schema: Schema) -> list[Mechanism]:
    """What a private training will spend before the marginals, from the schema alone."""
    return [mechanism for _, mechanism in _first(recipe, schema)]


def _first(recipe: Recipe, schema: Schema) -> list[tuple[str, Mechanism]]:
    """The same, each with what it is spent on."""
    assert recipe.delta is not None
    first = []
    if schema.rows is None:
        first.append((f"the number of {unit.unit_of(recipe, schema)}s",
                      intake.count_mechanism(recipe)))  # fmt: skip
    if schema.undeclared and recipe.preprocessing_epsilon is not None:
        delta = budget.PREPROCESSING_DELTA * recipe.delta
        todo = preprocessing.measures(schema, recipe.preprocessing_epsilon, delta)
        first += [(m.purpose, m.mechanism) for m in todo]
    return first
