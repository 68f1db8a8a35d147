"""Our own trainer on the bench: real phases, steps, streams and budget, on made-up records.

What is examined is the code that trains: `regime.prepare` with its `Stepper` for a family of
generators, `PrivateStep` for a module of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from genaudit.accounting import noise_multiplier
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Kind, Schema
from genaudit.errors import BudgetError
from genaudit.ledger import Mechanism
from genaudit.models import FAMILIES
from genaudit.models.base import Phase
from genaudit.training import fit
from genaudit.training.book import Book
from genaudit.training.dp import regime
from genaudit.training.dp.selfcheck import madeup
from genaudit.training.dp.selfcheck.protocol import Promise, Units
from genaudit.training.dp.step import Stepper, Streams, stepper
from genaudit.training.dp.unit import Units as Places
from genaudit.training.prepared import Batch, codec_of
from genaudit.training.recipe import Recipe
from genaudit.training.world import ALONE

#: δ of what is promised on made-up records.
DELTA = 1e-5

#: A phase and the conditions of its records -> both, with something put in.
Planted = Callable[[Phase, torch.Tensor], tuple[Phase, torch.Tensor]]


class OurTrainer:
    """A private training by this package, seen step by step (`PrivateTrainer`).

    Args:
        phase: What is trained; `rng` draws its made rows, if it has any.
        stepper: (phase, batch) -> what takes its private steps.
        records: Of all rows, shape (rows, ...).
        conditions: Of all rows.
        promise: What it says of itself.
        rng: Chance of made rows.
        before: Called with the number of a step before it reads records.
        charged: What has been charged so far.
    """

    def __init__(
        self,
        phase: Phase,
        stepper: Callable[[Phase, Batch], Stepper],
        records: torch.Tensor,
        conditions: torch.Tensor,
        *,
        promise: Callable[[Stepper], Promise],
        before: Callable[[int], None],
        charged: Callable[[], Sequence[Mechanism]],
        rng: torch.Generator | None = None,
    ) -> None:
        self.phase = phase
        self.records, self.conditions = records, conditions
        self._before, self._charged, self._rng = before, charged, rng
        self._done = 0
        self._start = rng.get_state() if rng is not None else None
        # The optimizer's own way of being watched: gradients as it gets them.
        self._seen = _Gradient([p for p in phase.private.parameters() if p.requires_grad])
        phase.optimizer.register_step_pre_hook(self._seen)
        self.stepper = stepper(self.phase, self._batch)
        self.promise = promise(self.stepper)

    def units(self) -> Units:
        """Records, conditions, and which places are filled, each of shape (units, cap, ...)."""
        places = self.stepper.units
        rows = torch.as_tensor(places.rows)
        return (
            self.records[rows].numpy(), self.conditions[rows].numpy(), places.filled.copy(),
        )  # fmt: skip

    def per_sample_grads(self, units: Units) -> np.ndarray:
        """Gradients of units before clipping, out of the factors that are clipped."""
        rows, filled = self._rows(units)
        found = self.stepper.step.per_sample_grads(rows, filled)[: len(units[0])]
        return found.detach().numpy()

    def clipped_sum(self, units: Units) -> np.ndarray:
        """The sum that a step adds noise to."""
        self.stepper.step.accumulate(*self._rows(units))
        found = self._seen.now()
        for p in self.phase.private.parameters():
            p.grad = None
        return found

    def step(self, units: Units | None = None) -> np.ndarray:
        """One step of the training, or one on these units."""
        if units is None:
            self._before(self._done)
            self._done += 1
            self._repeat()
            self._fixed(self.stepper.streams.rows)
            self._take(self.stepper.take)
        else:
            self._repeat()
            self.stepper.step(*self._rectangular(units), self._fixed(), self._filled(units))
        self.phase.public_step()
        return self._seen.last

    def draw(self) -> np.ndarray:
        """Positions of the units of one batch."""
        return np.flatnonzero(self.stepper.draw())

    def events(self) -> Sequence[Mechanism]:
        """What has been charged so far."""
        return self._charged()

    def released(self) -> Any:
        """What runs on without records: the step of the generator, and all it can reach."""
        return self.phase.public_step

    def _take(self, take: Callable[[np.ndarray], None]) -> None:
        chosen = np.zeros(len(self.stepper.units), dtype=bool)
        chosen[self.draw()] = True
        take(chosen)

    def _batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        at = torch.as_tensor(rows)
        return self.records[at], self.conditions[at]

    def _rows(self, units: Units) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        self._repeat()
        return self.phase.rows(*self._rectangular(units), self._fixed()), self._filled(units)

    def _rectangular(self, units: Units) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of units one after the other."""
        records, conditions, _ = (torch.as_tensor(np.asarray(a)) for a in units)
        return records.flatten(0, 1), conditions.flatten(0, 1)

    def _filled(self, units: Units) -> torch.Tensor:
        return torch.as_tensor(np.asarray(units[2])).flatten()

    def _repeat(self) -> None:
        """Let the next made rows be those of last time."""
        if self._rng is not None and self._start is not None:
            self._rng.set_state(self._start)

    def _fixed(self, stream: torch.Generator | None = None) -> torch.Generator:
        """Noise that belongs to a record, the same every time."""
        return (stream or torch.Generator()).manual_seed(1)


class _Gradient:
    """The gradient as the optimizer gets it; it knows parameters and nothing else."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self.last = np.zeros(0)

    def __call__(self, *_: Any) -> None:
        self.last = self.now()

    def now(self) -> np.ndarray:
        """What stands in `p.grad` now, shape (parameters,)."""
        return np.concatenate([
            np.zeros(p.numel()) if p.grad is None else p.grad.detach().flatten().double().numpy()
            for p in self.parameters
        ])  # fmt: skip


class FamilyTrainer(OurTrainer):
    """A family of generators, trained as `fit` trains it on a made-up table.

    Args:
        family: gan, cgan or vae.
        seed: Initial weights, made records; never noise or draws.
        n: Units.
        cap: Rows of a unit, which is then a person.
        data: Other records than the made-up table, n of them.
        part: Which phase of the training is seen.
        planted: (phase, conditions) -> both, changed: what is put into the training beside.
        fields: Of the recipe.
    """

    def __init__(
        self, family: str = "cgan", *, seed: int = 0, n: int = 300, cap: int = 1,
        data: Dataset | None = None, part: int = -1, planted: Planted | None = None, **fields: Any,
    ) -> None:  # fmt: skip
        self.data = made_up(n, cap) if data is None else data
        small = {"steps": 40, "batch_size": n // 5, "hidden": (12,)}
        small |= {"latent": 16} if family == "vae" else {}
        persons = {"rows_per_person": cap} if cap > 1 else {}
        self.recipe = Recipe.of(
            family=family, seed=seed,
            **{"epsilon": 1.0, "delta": DELTA, **small, **persons, **fields},
        )  # fmt: skip
        book = Book.of(None, self.data, "made-up", "model")
        prepared = regime.prepare(self.recipe, self.data, book, None)
        job = fit._Job.of(self.recipe, self.data.schema, prepared, book, None, ALONE)
        made = job.work.family
        phase = made.phases()[part]
        records, conditions = job.work.batches(prepared.numbers)(np.arange(len(self.data)))
        if planted is not None:
            phase, conditions = planted(phase, conditions)

        def steps(phase: Phase, batch: Batch) -> Stepper:
            found = prepared.stepper(phase, batch)
            assert isinstance(found, Stepper), "a private regime's"
            return found

        def before(_: int) -> None:
            if not prepared.pace.next():
                raise BudgetError("The budget pays for no further step.")

        super().__init__(
            phase, steps, records, conditions,
            promise=lambda stepper: _promise(stepper, phase.steps, self.recipe),
            before=before,
            charged=lambda: [t.mechanism for t in book.touches if t.mechanism is not None],
            rng=made.parts().rng,
        )  # fmt: skip

    def rows(self) -> pd.DataFrame:
        """The records as a table holds them: of images, series and sounds each number a column."""
        frame, codec = self.data.to_frame(), codec_of(self.data.schema)
        if codec is None or codec.column.kind is Kind.TEXT:
            return frame
        codes = codec.encode(self.data.media).reshape(len(frame), -1).astype(float)
        numbers = pd.DataFrame(codes).add_prefix(codec.column.name)
        return pd.concat([numbers, frame.drop(columns=codec.column.name)], axis=1)

    def save(self, folder: Path) -> None:
        """Train to the end, and write the model folder."""
        fit.fit(self.recipe, self.data).save(folder)


class ModuleTrainer(OurTrainer):
    """Any module under private steps, on made-up records.

    Args:
        module: (records) -> one output for each, shape (n, 1).
        records: Shape (n * cap, ...).
        cap: Rows of a unit.
        sampling_rate, steps, max_grad_norm, hardened: Of the training.
        epsilon: What the noise is solved for.
        losses: (module, records, targets) -> one loss for each; logistic by default.
    """

    def __init__(
        self,
        module: nn.Module,
        records: torch.Tensor,
        *,
        cap: int = 1,
        sampling_rate: float = 0.2,
        steps: int = 40,
        max_grad_norm: float = 1.0,
        epsilon: float = 1.0,
        hardened: bool = False,
        streams: Streams | None = None,
        losses: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        n = len(records) // cap
        targets = torch.as_tensor(np.random.default_rng(0).integers(0, 2, (n * cap, 1))).float()
        loss = losses or logistic
        phase = Phase(
            name="module", private=module, steps=steps,
            rows=lambda given, conditions, _: (given, conditions),
            losses=lambda given, conditions: loss(module, given, conditions),
            optimizer=torch.optim.Adam(module.parameters(), lr=1e-3), public_step=dict,
        )  # fmt: skip
        sigma = _solved(epsilon, sampling_rate, steps)
        self._paid: list[Mechanism] = []

        def make(phase: Phase, batch: Batch) -> Stepper:
            rows = np.arange(n * cap).reshape(n, cap)
            return stepper(
                phase, batch, Places(rows, np.ones_like(rows, dtype=bool)),
                sampling_rate=sampling_rate, noise_multiplier=sigma, max_grad_norm=max_grad_norm,
                divisor=max(1, round(sampling_rate * n)),
                streams=streams or Streams.of("cpu", hardened=hardened),
            )  # fmt: skip

        recipe = Recipe.of(epsilon=epsilon, delta=DELTA)
        super().__init__(
            phase, make, records, targets,
            promise=lambda stepper: _promise(stepper, steps, recipe),
            before=self._charge, charged=lambda: self._paid,
        )  # fmt: skip

    def _charge(self, _: int) -> None:
        """Each step before it is taken; none beyond the last."""
        promise = self.promise
        assert promise.steps is not None
        if len(self._paid) >= promise.steps:
            raise BudgetError(f"The budget pays for {promise.steps} steps.")
        self._paid.append(Mechanism(
            name="poisson_gaussian", noise_multiplier=promise.noise_multiplier,
            sampling_rate=promise.sampling_rate,
        ))  # fmt: skip


@cache
def _solved(epsilon: float, sampling_rate: float, steps: int) -> float:
    return noise_multiplier(epsilon, DELTA, sampling_rate=sampling_rate, steps=steps)


def logistic(module: nn.Module, records: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Logistic loss of each record."""
    return functional.binary_cross_entropy_with_logits(
        module(records), targets, reduction="none"
    ).squeeze(1)


def made_up(n: int, cap: int = 1) -> Dataset:
    """A table that is nobody's: numbers, levels, a label; persons with up to `cap` rows."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(n), rng.integers(1, cap + 1, n))
    size = len(person)
    frame = pd.DataFrame({
        "amount": rng.random(size) * 1e4,
        "age": rng.integers(18, 90, size),
        "town": [f"t{i}" for i in rng.integers(0, 40, size)],
        "job": [f"j{i}" for i in rng.integers(0, 12, size)],
        "yes": rng.random(size) < 0.4,
    })  # fmt: skip
    columns: dict[str, Any] = {
        "amount": {"kind": "numeric", "bounds": [0, 1e4]},
        "age": {"kind": "integer", "bounds": [18, 90]},
        "town": {"kind": "categorical", "categories": [f"t{i}" for i in range(40)]},
        "job": {"kind": "categorical", "categories": [f"j{i}" for i in range(12)]},
        "yes": {"kind": "boolean", "role": "target"},
    }
    if cap > 1:
        frame["who"] = [f"person {i}" for i in person]
        columns["who"] = {"kind": "categorical", "role": "person"}
    return Dataset.of(frame, Schema.from_dict({"rows": "public", "columns": columns}), "made-up")


def _promise(stepper: Stepper, steps: int, recipe: Recipe) -> Promise:
    """What the parts of a training say of themselves."""
    optimizer = stepper.step.optimizer
    return Promise(
        max_grad_norm=float(optimizer.max_grad_norm),
        noise_multiplier=float(optimizer.noise_multiplier),
        divisor=float(optimizer.expected_batch_size),
        sampling_rate=stepper.sampling_rate,
        n_units=len(stepper.units),
        steps=steps,
        epsilon=recipe.epsilon,
        delta=recipe.delta,
    )


def _of_records(family: str, kind: str, part: int, seed: int = 0) -> OurTrainer:
    """A cell of family and kind of record; `part` is the phase that is seen."""
    return FamilyTrainer(
        family, seed=seed, n=200, data=madeup.data_of(kind, 200), part=part, hidden=(8,),
        batch_size=40,
    )  # fmt: skip


#: What `genaudit selfcheck` examines: every family, hardened noise, persons, every kind of record;
#: of a GAN that starts on records alone, that phase as well.
OURS: Mapping[str, Callable[..., OurTrainer]] = {
    "gan": lambda seed=0: FamilyTrainer("gan", seed=seed),
    "cgan": lambda seed=0: FamilyTrainer("cgan", seed=seed, noise="hardened"),
    "vae": lambda seed=0: FamilyTrainer("vae", seed=seed),
    "cgan of persons": lambda seed=0: FamilyTrainer("cgan", seed=seed, cap=3),
    **{
        f"{family} of {kind} records": partial(_of_records, family, kind, -1)
        for family in FAMILIES
        for kind in madeup.KINDS
        if kind != "table"
    },
    **{
        f"{family} of {kind} records, warm start": partial(_of_records, family, kind, 0)
        for family, kind in (("cgan", "text"), ("cgan", "sequence"), ("cgan", "audio"),
                             ("gan", "audio"))
    },
}  # fmt: skip
