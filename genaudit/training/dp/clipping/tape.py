"""What a forward pass went through: every use of every layer, and where its gradient will arrive.

Hooks write down the input of each layer and an edge of the graph at its output. One backward pass
to those edges, which no weight's gradient is part of, then gives all that the rules need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

from genaudit.errors import OptionError
from genaudit.training.dp.clipping import layer, local
from genaudit.training.dp.clipping.apart import MixedError
from genaudit.training.dp.clipping.factor import Direct, Factor
from genaudit.training.dp.clipping.recurrent import Unrolled
from genaudit.training.dp.clipping.unreadable import UnreadableError
from genaudit.training.dp.clipping.witness import Witness


@dataclass(eq=False)
class _Use:
    """One call of a layer: what went in, and an edge for each output, None without a gradient."""

    inputs: tuple[torch.Tensor, ...]
    edges: tuple[Any | None, ...]
    versions: tuple[int, ...]


#: How far two backward passes of the same units may be apart, as a share of both.
_ALIKE = 1e-4

#: A use with the gradient that reached each of its outputs.
_Reached = tuple[_Use, tuple[torch.Tensor | None, ...]]


@dataclass(frozen=True, eq=False)
class _Half:
    """The gradient at an edge that half of the units sent there; axis: of the records in it."""

    gradient: torch.Tensor
    inside: torch.Tensor
    axis: int

    def agrees(self, whole: torch.Tensor) -> bool:
        """Whether these units send the same where all others go backward as well."""
        a, b = (g.transpose(0, self.axis)[self.inside] for g in (self.gradient, whole))
        finite = torch.isfinite(a) & torch.isfinite(b)
        a, b = a[finite], b[finite]
        return bool((a - b).norm() <= _ALIKE * (a.norm() + b.norm()))


@dataclass(frozen=True)
class _Site:
    """A module whose parameters are handled together: by a rule, by its own record, or locally."""

    name: str
    module: nn.Module
    kind: str


@dataclass(eq=False)
class Tape:
    """Records the uses of all layers of a module while it is on.

    Args:
        module: Its trainable parameters get factors.
    """

    module: nn.Module
    on: bool = False
    differentiated: bool = False
    _sites: list[_Site] = field(default_factory=list)
    _uses: dict[tuple[str, str], list[_Use]] = field(default_factory=dict)
    _handles: list[RemovableHandle] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._witness = Witness(self.module)
        self._sites = list(_sites(self.module))
        for site in self._sites:
            if isinstance(site.module, Unrolled):
                site.module.recorder = partial(self._told, site.name)
            else:
                hook = partial(self._called, site.name)
                self._handles.append(site.module.register_forward_hook(hook, with_kwargs=True))

    @property
    def kinds(self) -> dict[str, str]:
        """Name of each handled module -> "rule", "recurrent" or "local"."""
        return {site.name: site.kind for site in self._sites}

    def close(self) -> None:
        """Take all hooks off."""
        for handle in self._handles:
            handle.remove()
        for site in self._sites:
            if isinstance(site.module, Unrolled):
                site.module.recorder = None

    def begin(self) -> None:
        """Settle what the next pass is (`examines`)."""
        self._witness.begin()

    def start(self) -> None:
        """Forget what was written down, and write."""
        self._uses.clear()
        self.on, self.differentiated = True, False

    def stop(self) -> None:
        """Write down no more."""
        self.on = False

    def forget(self) -> None:
        """Let go of what was written down: nothing that goes on must lead back to records."""
        self._uses.clear()

    def passed(self) -> None:
        """Count a pass whose factors came from elsewhere."""
        self._witness.passes += 1

    def half(self, n: int) -> torch.Tensor:
        """About half of n units, others each time, boolean, shape (n,)."""
        return self._witness.half(n, 1)

    @property
    def rng(self) -> np.random.Generator:
        """Chance of examinations, which nothing else draws from."""
        return self._witness.rng

    @property
    def examines(self) -> bool:
        """Whether this pass is held against an ordinary one, and its rows against each other.

        `factors` then wants to know the rows that went in.
        """
        return self._witness.due

    def factors(
        self, losses: torch.Tensor, cap: int, rows: Sequence[torch.Tensor] = (),
        examines: bool | None = None,
    ) -> list[tuple[nn.Parameter, Factor]]:  # fmt: skip
        """Factors of every trainable parameter that the losses depend on.

        Args:
            losses: One for each row, shape (n,), of a forward pass while the tape was on.
            cap: Rows of a unit, next to each other.
            rows: Inputs of the losses that have a gradient, each of shape (n, ...).
            examines: Whether they are held against an ordinary pass; None = where it is time.

        Raises:
            MixedError: the loss of one row depends on another.
            OptionError: n is no multiple of cap.
            UnreadableError: a layer saw something else than the n rows, or its input was
                overwritten; a weight is used where no hook sees it.
        """
        self.on = False
        if losses.dtype not in (torch.float32, torch.float64):
            raise OptionError(
                f"Expected losses of float32 or float64, got {losses.dtype}; with less precision a "
                "clip does not hold."
            )
        if losses.dim() != 1 or len(losses) % cap:
            raise OptionError(
                f"Expected one loss for each row and a multiple of {cap} rows, got losses of shape "
                f"{tuple(losses.shape)}."
            )
        for (name, _), many in self._uses.items():
            for use in many:
                self._check(name, use, len(losses))
        try:
            return self._found(losses, cap, rows, self.examines if examines is None else examines)
        finally:
            self.forget()

    def _found(
        self, losses: torch.Tensor, cap: int, rows: Sequence[torch.Tensor], examines: bool
    ) -> list[tuple[nn.Parameter, Factor]]:
        halves = self._check_apart(losses, cap, rows) if examines else {}
        # A pass that is looked at in part, as some of it is not finite, has been counted there.
        plain = self._witness.gradients(losses, cap) if examines or not self.examines else {}
        by_key: dict[tuple[str, str], list[_Reached]] = {}
        for key, use, at in self._backward(losses):
            if halves:
                self._check_alike(key[0], use, at, halves)
            if any(g is not None for g in at):
                by_key.setdefault(key, []).append((use, at))
        if losses.requires_grad and not by_key and self._witness.parameters:
            raise UnreadableError(
                "No watched layer is part of these losses; they must come from the pass that was "
                "just made, through the module that is watched."
            )
        sites = {site.name: site for site in self._sites}
        found = [
            (parameter, factor)
            for key, many in by_key.items()
            for parameter, factor in _resolved(sites[key[0]], key[1], many, cap)
        ]
        self._witness.compare(plain, found)
        return found

    def _backward(
        self, losses: torch.Tensor
    ) -> Iterator[tuple[tuple[str, str], _Use, tuple[torch.Tensor | None, ...]]]:
        """Every use with the gradients at its outputs, from one backward pass."""
        uses = [(key, use) for key, many in self._uses.items() for use in many]
        edges = [edge for _, use in uses for edge in use.edges if edge is not None]
        if not edges or not losses.requires_grad:
            return
        found = iter(_unshared(torch.autograd.grad(losses.sum(), edges, allow_unused=True)))
        for key, use in uses:
            yield key, use, tuple(None if e is None else next(found) for e in use.edges)

    def _check_apart(
        self, losses: torch.Tensor, cap: int, rows: Sequence[torch.Tensor]
    ) -> dict[int, _Half]:
        """Refuse a loss of one unit that depends on another's rows, wherever they meet.

        The losses of half of the units are led back: where records are kept apart, nothing of it
        arrives at the other half, to the last bit. Returns what arrived at each edge, by its id.

        Raises:
            MixedError: it names the layer behind which records are mixed.
        """
        inside = self._witness.half(len(losses), cap).to(losses.device)
        if not losses.requires_grad or not inside.any():
            return {}
        kinds = self.kinds
        # Gates have time first.
        places: list[tuple[str, Any, int]] = [("", x, 0) for x in rows]
        places += [
            (name, edge, int(kinds[name] == "recurrent"))
            for (name, _), many in self._uses.items() for use in many
            for edge in use.edges if edge is not None
        ]  # fmt: skip
        if not places:
            return {}
        found = torch.autograd.grad(
            losses[inside].sum(), [at for _, at, _ in places], retain_graph=True, allow_unused=True
        )
        # The last place that shows it is the one that they meet behind.
        for (name, _, axis), g in reversed(list(zip(places, found, strict=True))):
            if g is None or g.dim() <= axis or g.shape[axis] != len(inside):
                continue
            other = g.transpose(0, axis)[~inside]
            if bool(((other != 0) & torch.isfinite(other)).any()):
                raise MixedError(f"Behind layer {name!r}" if name else "Before the first layer")
        return {
            id(at): _Half(g, inside, axis)
            for (_, at, axis), g in zip(places, found, strict=True)
            if g is not None and g.dim() > axis and g.shape[axis] == len(inside)
        }

    def _check_alike(
        self, name: str, use: _Use, at: Sequence[torch.Tensor | None], halves: Mapping[int, _Half]
    ) -> None:
        """Refuse gradients of a unit that depend on whether others go backward beside it.

        Raises:
            MixedError: it names the layer behind which they do (hooks that norm a gradient).
        """
        for edge, whole in zip(use.edges, at, strict=True):
            half = halves.get(id(edge))
            if half is not None and whole is not None and not half.agrees(whole):
                raise MixedError(f"On the way back to layer {name!r}")

    def _check(self, name: str, use: _Use, n: int) -> None:
        for x, version in zip(use.inputs, use.versions, strict=True):
            if len(x) != n:
                raise UnreadableError(
                    f"Layer {name or 'root'!r} saw {len(x)} rows where the losses are {n}: records "
                    "must be the first axis everywhere, and each must have one loss. Where some "
                    "records go through a layer (experts), give it all of them, and weigh what "
                    "comes out by 0 and 1."
                )
            if x._version != version:
                raise UnreadableError(
                    f"The input of layer {name or 'root'!r} was overwritten after its use; "
                    "take inplace=True off what follows it."
                )

    def _called(
        self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> Any:
        if not self.on or not torch.is_grad_enabled():
            return out
        if kwargs or not all(isinstance(x, torch.Tensor) for x in args):
            raise UnreadableError(
                f"Layer {name or 'root'!r} ({type(module).__name__}) is called with something else "
                "than tensors by position, so its use cannot be written down."
            )
        # Overwriting a view (ReLU in place behind a linear layer over time) would cut its edge off.
        outs = tuple(
            o.clone() if isinstance(o, torch.Tensor) and o._is_view() else o
            for o in (out if isinstance(out, tuple) else (out,))
        )
        if not all(isinstance(o, torch.Tensor) for o in outs):
            raise UnreadableError(
                f"Layer {name or 'root'!r} ({type(module).__name__}) returns something else than "
                "tensors, so the gradients at its outputs cannot be read; let it return a tensor "
                "or a tuple of them."
            )
        self._write((name, ""), args, outs)
        return outs if isinstance(out, tuple) else outs[0]

    def _told(self, name: str, weight: str, a: torch.Tensor, at: torch.Tensor) -> None:
        if self.on and torch.is_grad_enabled():
            self._write((name, weight), (a,), [at])

    def _write(
        self, key: tuple[str, str], inputs: tuple[torch.Tensor, ...], outs: Sequence[torch.Tensor]
    ) -> None:
        if any(torch._C._functorch.is_functorch_wrapped_tensor(o) for o in outs):
            self.differentiated = True
            return
        for out in outs:
            if out.requires_grad:
                # torch types no hook.
                out.register_hook(self._reached)  # type: ignore[no-untyped-call]
        edges = tuple(get_gradient_edge(o) if o.requires_grad else None for o in outs)
        held = tuple(x.detach() for x in inputs)
        versions = tuple(x._version for x in held)
        self._uses.setdefault(key, []).append(_Use(held, edges, versions))

    def _reached(self, _: torch.Tensor) -> None:
        """A gradient passed while the losses were still being made: they depend on a slope."""
        if self.on:
            self.differentiated = True


def _sites(root: nn.Module) -> Iterator[_Site]:
    """Smallest modules that hold all trainable parameters, each once."""
    owners = Counter(id(p) for m in root.modules() for p in m.parameters(recurse=False))
    if any(n > 1 for n in owners.values()):
        # One weight in two modules: its gradient is known where both are inside.
        return iter([_Site("", root, "local")])
    seen: set[int] = set()

    def walk(name: str, module: nn.Module) -> Iterator[_Site]:
        if id(module) in seen:
            return
        seen.add(id(module))
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if isinstance(module, Unrolled):
            yield _Site(name, module, "recurrent")
        elif parametrize.is_parametrized(module):
            yield _Site(name, module, "local")
        elif own:
            yield _Site(name, module, "rule" if layer.supported(module) else "local")
        else:
            for child, sub in module.named_children():
                yield from walk(f"{name}.{child}" if name else child, sub)

    return walk("", root)


def _resolved(
    site: _Site, weight: str, many: Sequence[_Reached], cap: int
) -> Iterator[tuple[nn.Parameter, Factor]]:
    """Factors of the parameters of one site from all of its uses."""
    parameters = local.trainable(site.module, deep=site.kind == "local")
    found: Iterator[tuple[str, Factor]]
    match site.kind:
        case "rule":
            found = layer.RULES[type(site.module)](site.module, _pairs(many), cap)
        case "recurrent":
            pairs = [(a, g.transpose(0, 1)) for a, g in _pairs(many)]  # gates have time first
            found = layer.matrix(weight, weight.replace("weight", "bias"), pairs, cap)
        case _:
            found = _local(site.module, many, cap)
    yield from ((parameters[name], factor) for name, factor in found if name in parameters)


def _unshared(found: Sequence[torch.Tensor | None]) -> Iterator[torch.Tensor | None]:
    """Gradients that share no memory: where two layers are added up, both have the same one."""
    seen: set[int] = set()
    for g in found:
        place = None if g is None else g.untyped_storage().data_ptr()
        yield g if g is None or place not in seen else g.clone()
        if place is not None:
            seen.add(place)


def _pairs(many: Sequence[_Reached]) -> list[layer.Use]:
    return [(use.inputs[0], at[0]) for use, at in many if at[0] is not None]


def _local(module: nn.Module, many: Sequence[_Reached], cap: int) -> Iterator[tuple[str, Factor]]:
    total: dict[str, torch.Tensor] = {}
    for use, at in many:
        for name, direct in local.factors(module, use.inputs, at, cap).items():
            total[name] = total[name] + direct.values if name in total else direct.values
    return ((name, Direct(values)) for name, values in total.items())
