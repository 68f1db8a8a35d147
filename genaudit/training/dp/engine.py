"""Opacus's engine with book-keeping in place of its own ways to a clipped sum.

Optimizer, noise, validator and accountant stay Opacus's; modules that it refuses are refused by
name, with what to put in their place.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from opacus import PrivacyEngine
from opacus.data_loader import DPDataLoader
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.optimizers.optimizer import _check_processed_flag, _generate_noise, _mark_as_processed
from opacus.validators import ModuleValidator
from opacus.validators.errors import UnsupportedModuleError
from torch import nn
from torch.nn.utils import parametrize
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
)

from genaudit.errors import OptionError
from genaudit.training.dp.clipping.module import BookKeepingModule, Losses, Rows
from genaudit.training.dp.clipping.recurrent import DROP_INS, readable
from genaudit.training.world import ALONE, World

#: What mixes the records of a batch or hides its weights, and what to use instead.
_INSTEAD: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    (
        (nn.modules.batchnorm._BatchNorm,),
        "it normalises each record by the others; use GroupNorm or LayerNorm",
    ),
    (
        (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer),
        "its weights are packed where no gradient of one record can be read; use Linear layers "
        "for queries, keys and values, and attend within a record",
    ),
    ((nn.RNN,), "its steps cannot be read one record at a time; use GRU or LSTM"),
)


class BookKeepingEngine(PrivacyEngine):  # type: ignore[misc]  # Opacus brings no types
    """`opacus.PrivacyEngine` whose modules are `BookKeepingModule`.

    `make_private(..., grad_sample_mode="ghost")` returns module, optimizer, criterion and loader as
    Opacus does; `prepare` returns module and optimizer for a loop that draws its own batches.

    Args:
        accountant: Opacus's name of one, for its own record of steps.
    """

    def __init__(self, *, accountant: str = "prv") -> None:
        with warnings.catch_warnings():
            # Its warning asks for a mode whose library no longer exists; the stream is ours.
            warnings.simplefilter("ignore")
            super().__init__(accountant=accountant)

    def prepare(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        noise_multiplier: float,
        max_grad_norm: float,
        divisor: int,
        noise: torch.Generator,
        hardened: bool = False,
        world: World = ALONE,
    ) -> tuple[BookKeepingModule, DPOptimizerFastGradientClipping]:
        """A watched module, and an optimizer that adds noise to what it leaves in `p.grad`.

        The noise has standard deviation noise_multiplier * max_grad_norm; the sum with it is
        divided by `divisor`, which must not depend on the records.

        Args:
            module: To train.
            optimizer: Of its parameters.
            noise_multiplier: >= 0.
            max_grad_norm: Clip, L2, > 0.
            divisor: Public number of rows of a batch.
            noise: Stream of the noise, seeded by the operating system.
            hardened: Add four Gaussians for each number, whose floating-point residue cannot be
                told back to one (Holohan & Braghin 2021, section 5.1; Opacus's `secure_mode`).
            world: Processes that each bring the sum of their own rows; one noise is added.

        Raises:
            OptionError: a layer cannot be trained privately, or the optimizer has parameters that
                are not the module's.
        """
        _check_owned(module, optimizer)
        watched = self._prepare_model(
            module, max_grad_norm=max_grad_norm, loss_reduction="sum", grad_sample_mode="ghost"
        )
        wrapped = _Optimizer(
            optimizer, watched, world, noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm, expected_batch_size=divisor, loss_reduction="mean",
            generator=noise, secure_mode=hardened,
        )  # fmt: skip
        return watched, wrapped

    def make_private(self, *, grad_sample_mode: str = "ghost", **options: Any) -> Any:
        """As Opacus's in its ghost mode, whose four results it gives: clipping is book-keeping.

        Args:
            grad_sample_mode: "ghost".
            options: As of Opacus.

        Raises:
            OptionError: another mode is asked for, or the loader has a sampler of its own, such as
                a WeightedRandomSampler, which Opacus would drop silently.
        """
        if grad_sample_mode != "ghost":
            raise OptionError(
                f"Expected grad_sample_mode='ghost', got {grad_sample_mode!r}: this engine clips "
                "by book-keeping alone, and gives module, optimizer, criterion and loader."
            )
        found = super().make_private(grad_sample_mode=grad_sample_mode, **options)
        found[1].watched = found[0]
        return found

    def _prepare_optimizer(
        self, *, optimizer: torch.optim.Optimizer, noise_generator: torch.Generator | None = None,
        **options: Any,
    ) -> _Optimizer:  # fmt: skip
        names = ("noise_multiplier", "max_grad_norm", "expected_batch_size", "loss_reduction")
        own = {name: options[name] for name in names if name in options}
        if options.get("clipping", "flat") != "flat" or options.get("distributed"):
            raise OptionError(
                "Expected flat clipping in one process, got "
                f"clipping={options.get('clipping')!r}, distributed={options.get('distributed')}; "
                "leave both out (torchrun works with `prepare` and a World)."
            )
        return _Optimizer(
            getattr(optimizer, "original_optimizer", optimizer), None, ALONE,
            generator=self.secure_rng if self.secure_mode else noise_generator,
            secure_mode=self.secure_mode, **own,
        )  # fmt: skip

    def _prepare_data_loader(self, data_loader: DataLoader[Any], **options: Any) -> Any:
        _refuse_sampler(data_loader)
        return super()._prepare_data_loader(data_loader, **options)

    def validate(self, *, module: nn.Module, **_: Any) -> None:
        """Refuse layers that mix records, or whose gradients cannot be told apart.

        Raises:
            OptionError: it names the layer and what to use instead.
        """
        for name, layer in module.named_modules():
            _refuse(name, layer)
        try:
            # GRU and LSTM are refused by Opacus as torch writes them; ours stand in their place.
            ModuleValidator.validate(readable(module), strict=True)
        except UnsupportedModuleError as error:
            raise OptionError(
                f"This module cannot be trained privately: {'; '.join(map(str, error.args[0]))}"
            ) from error

    def _prepare_model(self, module: nn.Module, **kwargs: Any) -> BookKeepingModule:
        self.validate(module=module)
        if isinstance(module, BookKeepingModule):
            return module
        return BookKeepingModule(
            module,
            max_grad_norm=kwargs.get("max_grad_norm", 1.0),
            batch_first=kwargs.get("batch_first", True),
            loss_reduction=kwargs.get("loss_reduction", "mean"),
        )

    def _prepare_criterion(
        self, *, module: BookKeepingModule, criterion: Any, **_: Any
    ) -> _Criterion:
        return _Criterion(module, _by_rows(criterion))


class _Optimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]  # Opacus brings no types
    """Opacus's optimizer on a sum over processes, with one draw of its noise for all parameters.

    The leader's share gets the noise before anything is summed, so that no process ever holds the
    sum of all records without it.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, watched: BookKeepingModule | None, world: World,
        **options: Any,
    ) -> None:  # fmt: skip
        self.watched = watched
        super().__init__(optimizer, **options)
        self.world = world

    @property
    def max_grad_norm(self) -> float:
        """The bound that the module clips at: noise of another one would be too little."""
        return self._bound if self.watched is None else self.watched.max_grad_norm

    @max_grad_norm.setter
    def max_grad_norm(self, bound: float) -> None:
        self._bound = bound
        if self.watched is not None:
            self.watched.max_grad_norm = bound

    def accumulate(self) -> None:
        """Take the clipped sums over from `p.grad`, which is theirs alone: Opacus would copy it."""
        for p in self.params:
            if p.grad is None:
                raise OptionError(
                    "Expected a sum of clipped gradients before each step, got none; call "
                    "`clipped_sum`, or the criterion's backward."
                )
            # A layer that was thawed after the optimizer was made has no such place yet.
            if getattr(p, "summed_grad", None) is None:
                p.summed_grad = p.grad.detach()
            else:
                p.summed_grad.add_(p.grad)
            p.grad = None

    def add_noise(self) -> None:
        """Put the noisy sum over all processes into `p.grad`."""
        for p in self.params:
            _check_processed_flag(p.summed_grad)
            p.grad = p.summed_grad.view_as(p)
        if self.world.leads:
            for alike in _alike([p.grad for p in self.params]):
                self._add_noise_to(alike)
        for p in self.params:
            _mark_as_processed(p.summed_grad)
        self.world.add_up([p.grad for p in self.params])

    def scale_grad(self) -> None:
        """Divide by the public constant where Opacus's does, in one call for all parameters."""
        if self.loss_reduction != "mean":
            return
        divisor = float(self.expected_batch_size * self.accumulated_iterations)
        for alike in _alike([p.grad for p in self.params]):
            torch._foreach_div_(alike, divisor)

    def _add_noise_to(self, sums: Sequence[torch.Tensor]) -> None:
        """In place, from one draw; a draw for each would cost more than its numbers do."""
        sizes = [s.numel() for s in sums]
        noise = _generate_noise(
            std=self.noise_multiplier * self.max_grad_norm, reference=sums[0].new_empty(sum(sizes)),
            generator=self.generator, secure_mode=self.secure_mode,
        )  # fmt: skip
        parts = [n.view_as(s) for n, s in zip(noise.split(sizes), sums, strict=True)]
        torch._foreach_add_(list(sums), parts)


def _refuse_sampler(loader: DataLoader[Any]) -> None:
    """Refuse a loader that draws some records more often: Opacus drops its sampler silently.

    What it puts in its place draws each record at the rate 1 / len(loader), which such a sampler
    changes too: then neither the weights nor ε are what was meant.
    """
    if isinstance(loader, DPDataLoader) or isinstance(loader.dataset, IterableDataset):
        return  # it is such a one already; or Opacus refuses it itself
    sampler, batches = loader.sampler, loader.batch_sampler
    if batches is not None and type(batches) is not BatchSampler:
        drawn_by: object = batches
    elif isinstance(sampler, RandomSampler) and not _draws_each_once(sampler):
        drawn_by = "a RandomSampler with replacement, or of another number of records"
    elif type(sampler) not in (SequentialSampler, RandomSampler):
        drawn_by = sampler
    else:
        return
    named = drawn_by if isinstance(drawn_by, str) else f"a {type(drawn_by).__name__}"
    raise OptionError(
        f"Expected a data loader that draws each record alike, got {named}: a private step draws "
        "every record at one rate, so a sampler of its own would be dropped without a word, and "
        "its length would change the rate that ε is computed for. Leave it out; to balance groups, "
        "draw samples by condition, or mitigate them after training (genaudit mitigate), which "
        "adds nothing to ε."
    )


def _draws_each_once(sampler: RandomSampler) -> bool:
    return not sampler.replacement and sampler.num_samples == len(sampler.data_source)


def _check_owned(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """What the module does not own gets no clipped gradient."""
    own = {id(p) for p in module.parameters()}
    if any(id(p) not in own for group in optimizer.param_groups for p in group["params"]):
        raise OptionError(
            "Expected an optimizer of the module's own parameters, got others beside them; give "
            "those an optimizer of their own, or put them into the module."
        )


def _alike(tensors: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Those of one precision on one device together."""
    found: dict[tuple[torch.dtype, torch.device], list[torch.Tensor]] = {}
    for tensor in tensors:
        found.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    return list(found.values())


class _Criterion:
    """A criterion whose result clips where it is told to go backward, as Opacus's in ghost mode."""

    def __init__(self, module: BookKeepingModule, losses: Callable[..., torch.Tensor]) -> None:
        self.module, self._losses = module, losses

    def __call__(self, outputs: torch.Tensor, *args: Any, **kwargs: Any) -> _Pending:
        """Losses of outputs of the module, and of what they are held against."""
        again = self._again(outputs, args, kwargs)
        if again is None and self.module.entered.out is not None:
            self.module.warn_once(
                "Between the module and its criterion there is something that cannot be run again, "
                "so it is not tried whether records are kept apart there. Give the criterion what "
                "the module returns, and as many rows beside it; make sure that no record's loss "
                "depends on another's."
            )
        return _Pending(self.module, self._losses(outputs, *args, **kwargs), again)

    def _again(
        self, outputs: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Losses, Rows] | None:
        """The losses as a function of rows, and these; None where they cannot be run again."""
        entered, inner = self.module.entered, self.module._module
        if not entered.shows(outputs) or not entered.of_rows(*args, *kwargs.values()):
            return None
        shape, n_args, n_inputs = outputs.shape[1:], len(args), len(entered.args)

        def losses(*rows: torch.Tensor) -> torch.Tensor:
            found = inner(*rows[:n_inputs])
            rest = rows[n_inputs:]
            named = dict(zip(kwargs, rest[n_args:], strict=True))
            return self._losses(found.reshape(len(found), *shape), *rest[:n_args], **named)

        return losses, (*entered.args, *args, *kwargs.values())


def _by_rows(criterion: Any) -> Callable[..., torch.Tensor]:
    """A criterion as one loss for each row.

    Raises:
        OptionError: it has no `reduction` that could be left out.
    """
    function = inspect.isfunction(criterion) or inspect.isbuiltin(criterion)
    if function and "reduction" in inspect.signature(criterion).parameters:
        each = partial(criterion, reduction="none")
    elif hasattr(criterion, "reduction"):
        each = partial(_unreduced, criterion)
    else:
        raise OptionError(
            "Expected a criterion with a `reduction`, a loss of torch.nn or a function that takes "
            f"it, got {criterion!r}; `prepare`, and `clipped_sum` of its module, take any loss."
        )

    def losses(*args: Any, **kwargs: Any) -> torch.Tensor:
        found = each(*args, **kwargs)
        return found.squeeze(1) if found.dim() == 2 and found.shape[1] == 1 else found

    return losses


def _unreduced(criterion: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    reduction, criterion.reduction = criterion.reduction, "none"
    try:
        found: torch.Tensor = criterion(*args, **kwargs)
        return found
    finally:
        criterion.reduction = reduction


@dataclass(frozen=True, eq=False)
class _Pending:
    """Losses of a batch, shape (n,); `backward` leaves sums of clipped gradients."""

    module: BookKeepingModule
    losses: torch.Tensor
    again: tuple[Losses, Rows] | None = None

    def backward(self) -> None:
        """Leave the sum of clipped gradients in `p.grad`."""
        self.module.finish(self.losses, again=self.again)

    def item(self) -> float:
        """The mean loss: computed on records, so not for release."""
        return float(self.losses.detach().mean())


def _refuse(name: str, layer: nn.Module) -> None:
    where = f"Layer {name or 'root'!r} ({type(layer).__name__})"
    for kinds, instead in _INSTEAD:
        if isinstance(layer, kinds):
            raise OptionError(f"{where} cannot be trained privately: {instead}.")
    for kind, drop_in in DROP_INS.items():
        if isinstance(layer, kind) and type(layer) not in (kind, drop_in):
            raise OptionError(
                f"{where} cannot be trained privately: only torch's own {kind.__name__} can be "
                "read, no subclass of it and none with parametrizations; use that."
            )
    if _is_spectral(layer):
        raise OptionError(
            f"{where} cannot be trained privately: spectral norm divides each record's weight by "
            "a number that all records changed; use weight_norm, or clip weights after a step."
        )


def _is_spectral(layer: nn.Module) -> bool:
    """Whether spectral norm is on it, in torch's new spelling or the old one."""
    found: list[object] = list(layer._forward_pre_hooks.values())
    if parametrize.is_parametrized(layer):
        assert isinstance(layer.parametrizations, nn.ModuleDict)
        found += [p for many in layer.parametrizations.values() for p in many.children()]
    # torch keeps the new class to itself, so both are known by name.
    return any(type(f).__name__ in ("_SpectralNorm", "SpectralNorm") for f in found)
