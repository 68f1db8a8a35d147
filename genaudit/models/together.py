"""Several generators of tables in training side by side: each step of all of them is one.

Networks of one shape are one network whose weights have a dimension more; what a family does with
one of them is mapped over it. Chance is drawn for each generator from its own stream, as if it were
alone, so that each becomes what it would have become alone, but for rounding.

Source: torch.func, "Model ensembling" (stacked weights, mapped calls).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn
from torch.func import functional_call, vmap

from genaudit.models import pairs
from genaudit.models.base import Average, Phase, Rows
from genaudit.models.gan import END_RATE, START_RATE, Gan
from genaudit.models.vae import FIT_RATE, Vae

Module = TypeVar("Module", bound=nn.Module)

#: Records and conditions of a batch of each generator.
Batches = Sequence[tuple[torch.Tensor, torch.Tensor]]


class Together(Protocol):
    """Families that train side by side."""

    @property
    def weights(self) -> Sequence[torch.Tensor]:
        """All that steps change; of what is released, too."""

    def start(self) -> None:
        """What comes before the first step."""

    def step(self, batches: Batches, noises: Sequence[torch.Generator], penalised: int) -> None:
        """One step of every generator on a batch of its own records.

        noises: of what belongs to records. penalised: how many times the penalty counts now.
        """

    def finish(self) -> None:
        """What follows the last step; the families are then as if each had been trained alone."""


class Stack(Generic[Module]):
    """Modules of one shape as one; its parameters have a first dimension of one for each."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self.modules = modules
        named = [dict(m.named_parameters()) for m in modules]
        self.parameters = {
            name: nn.Parameter(torch.stack([m[name].detach() for m in named])) for name in named[0]
        }

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)` for each module: the first one stands for all of them in turn.

        Args:
            function: Uses the first module, with the parameters that it finds there.
            args: Tensors, or tuples of them, with a first dimension of one for each module.
        """
        called = _Call(self.modules[0], function)

        def one(parameters: dict[str, torch.Tensor], *given: Any) -> Any:
            return functional_call(called, parameters, given)

        return vmap(one)({f"module.{k}": v for k, v in self.parameters.items()}, *args)

    def optimizer(self, like: torch.optim.Optimizer) -> torch.optim.Adam:
        """Adam with the numbers of another one: it treats every weight by itself."""
        group = like.param_groups[0]
        return torch.optim.Adam(
            list(self.parameters.values()), lr=group["lr"], betas=group["betas"]
        )

    @torch.no_grad()
    def put_back(self) -> None:
        """Give each module its parameters."""
        for i, module in enumerate(self.modules):
            for name, parameter in module.named_parameters():
                parameter.copy_(self.parameters[name][i])


class _Call(nn.Module):
    """A function of a module as a module, whose parameters can then be others for one call."""

    def __init__(self, module: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


class Averages:
    """Moving averages of stacked modules."""

    def __init__(self, averages: Sequence[Average[Any]]) -> None:
        self.averages = averages
        self.shadows = Stack([a.shadow for a in averages])

    @torch.no_grad()
    def update(self, now: Mapping[str, torch.Tensor]) -> None:
        """Take in the present weights of all, by name."""
        (decay,) = {a.counted() for a in self.averages}
        for name, kept in self.shadows.parameters.items():
            kept.lerp_(now[name], 1 - decay)

    @torch.no_grad()
    def restart(self, now: Mapping[str, torch.Tensor]) -> None:
        """Be the present weights of all, by name."""
        for name, kept in self.shadows.parameters.items():
            kept.copy_(now[name])


class GansTogether:
    """GANs of one shape."""

    def __init__(self, gans: Sequence[Gan]) -> None:
        self.gans, self.first = gans, gans[0]
        self.phase = self.first.phases()[0]
        self.generators = Stack([g.generator for g in gans])
        self.discriminators = Stack([g.discriminator for g in gans])
        self.averages = Averages([g.average for g in gans])
        self.known = _measured([g.reference.pairs for g in gans])
        parts = self.first.parts().optimizers
        self._optimizer = self.generators.optimizer(parts["generator"])
        self._private = self.discriminators.optimizer(parts["discriminator"])

    @property
    def weights(self) -> Sequence[torch.Tensor]:
        """Of generators, discriminators and averages."""
        stacks = (self.generators, self.discriminators, self.averages.shadows)
        return [weight for stack in stacks for weight in stack.parameters.values()]

    def start(self) -> None:
        """Fit all generators to the marginals of their records."""
        _fit(self.generators, self.first.reference.pairs, self.known, self.first.chance(),
             steps=self.first.tuning.fit_steps, learning_rate=START_RATE)  # fmt: skip
        self.averages.restart(self.generators.parameters)

    def step(self, batches: Batches, _: Sequence[torch.Generator], penalised: int) -> None:
        """A step of the discriminators on records, then one of the generators on none."""
        records = torch.stack([torch.cat(batch, 1) for batch in batches])
        real = torch.zeros(len(self.gans), records.shape[1] + self.first.tuning.n_fakes,
                           device=records.device)  # fmt: skip
        real[:, : records.shape[1]] = 1.0
        rows = (torch.cat([records, self._fakes()], 1), real)
        _learn(self.discriminators, self.phase, rows, records.shape[1], penalised, self._private)
        due = [g.stepped() for g in self.gans]  # every one counts
        if all(due):
            self._step_generators()

    def finish(self) -> None:
        """Bring the averages to the marginals again."""
        steps = max(1, self.first.tuning.fit_steps // 4)
        _fit(self.averages.shadows, self.first.reference.pairs, self.known, self.first.chance(),
             steps=steps, learning_rate=END_RATE)  # fmt: skip
        for stack in (self.generators, self.discriminators, self.averages.shadows):
            stack.put_back()

    def _step_generators(self) -> None:
        fakes, first = self._fakes(), self.first
        with torch.no_grad():
            words = self.discriminators.call(lambda rows: first.discriminator(rows).squeeze(1),
                                             fakes)  # fmt: skip

        def loss(made: torch.Tensor, said: torch.Tensor, known: tuple[torch.Tensor, ...]) -> Any:
            mine = first.reference.pairs.of_measured(known)
            return first.generator_loss(first.generator, made, said, mine)

        self._optimizer.zero_grad()
        torch.autograd.backward(self.generators.call(loss, fakes, words, self.known).sum())
        self._optimizer.step()
        self.averages.update(self.generators.parameters)

    @torch.no_grad()
    def _fakes(self) -> torch.Tensor:
        """Made records of each generator, shape (generators, n, width)."""
        n, mixture = self.first.tuning.n_fakes, self.first.generator
        conditions = torch.stack([g.reference.draw(n, g.rng) for g in self.gans])

        def chances(given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            shares = mixture.log_shares()
            return shares, mixture.chances(shares, mixture.log_weights(), given)

        shares, weights = self.generators.call(chances, conditions)
        drawn = [_chance(w, n, mixture.width, g.rng)
                 for w, g in zip(weights, self.gans, strict=True)]  # fmt: skip
        component, uniform = (torch.stack(part) for part in zip(*drawn, strict=True))
        made: torch.Tensor = vmap(mixture.picked)(shares, component, uniform, conditions)
        return made


class VaesTogether:
    """VAEs of one shape."""

    def __init__(self, vaes: Sequence[Vae]) -> None:
        self.vaes, self.first = vaes, vaes[0]
        self.phase = self.first.phases()[0]
        self.halves = Stack([v.module for v in vaes])
        self.averages = Averages([v.average for v in vaes])
        self._optimizer = self.halves.optimizer(self.first.parts().optimizers["halves"])

    @property
    def weights(self) -> Sequence[torch.Tensor]:
        """Of both halves and the averages."""
        return [*self.halves.parameters.values(), *self.averages.shadows.parameters.values()]

    def start(self) -> None:
        """Nothing, as of one alone."""

    def step(self, batches: Batches, noises: Sequence[torch.Generator], penalised: int) -> None:
        """A step of all on the evidence lower bound."""
        each = [self.phase.rows(*batch, noise)
                for batch, noise in zip(batches, noises, strict=True)]  # fmt: skip
        rows = tuple(torch.stack(part) for part in zip(*each, strict=True))
        _learn(self.halves, self.phase, rows, rows[0].shape[1], penalised, self._optimizer)
        decoders = {k.removeprefix("decoder."): v for k, v in self.halves.parameters.items()}
        self.averages.update(decoders)

    def finish(self) -> None:
        """Gather what each decoder makes, and bring all of it to the marginals."""
        self.halves.put_back()
        self.averages.shadows.put_back()
        for vae in self.vaes:
            vae.gather()
        released = Stack([v.released for v in self.vaes])
        first = self.first.reference.pairs
        known = _measured([v.reference.pairs for v in self.vaes])
        _fit(released, first, known, self.first.chance(), steps=self.first.tuning.fit_steps,
             learning_rate=FIT_RATE)  # fmt: skip
        released.put_back()


def _learn(
    stack: Stack[Any], phase: Phase, rows: Rows, n_records: int, penalised: int,
    optimizer: torch.optim.Optimizer,
) -> None:  # fmt: skip
    """A step of all on records: losses of each are its own, so that their sum has all gradients."""
    loss = stack.call(phase.losses, *rows).mean(1).sum()
    if phase.penalty is not None and penalised:
        penalty = phase.penalty
        loss = loss + penalised * stack.call(lambda *r: penalty(r, n_records), *rows).sum()
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()


def _fit(
    stack: Stack[Any], first: pairs.Pairs, known: tuple[torch.Tensor, ...], rng: Any, *,
    steps: int, learning_rate: float,
) -> None:  # fmt: skip
    """Bring mixtures to their marginals."""
    mixture = stack.modules[0]

    def loss(measured: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return first.of_measured(measured).loss(mixture, rng)

    pairs.descend(list(stack.parameters.values()), lambda: stack.call(loss, known).sum(), steps,
                  learning_rate)  # fmt: skip


def _measured(of: Sequence[pairs.Pairs]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.stack(part) for part in zip(*(p.measured() for p in of), strict=True))


def _chance(
    weights: torch.Tensor, n: int, width: int, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `Mixture.draw` draws of one generator's stream, in its order."""
    component = torch.multinomial(weights, 1, generator=rng).squeeze(1)
    return component, torch.rand(n, width, generator=rng, device=weights.device)
