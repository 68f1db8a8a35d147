"""Can what is released, or goes on without a budget, get hold of a real record.

Everything that can be reached from it is walked through: attributes, closures, hooks, containers.
An array in it that shares memory with the units, or holds their rows, is a handle.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import Bench, as_units
from genaudit.training.dp.selfcheck.outcome import failed, skipped

#: Steps of the training before the walk, so that a batch that is kept is there.
_STEPS = 3

#: Objects that are walked through at most, and rows of an array that are compared.
_OBJECTS, _ROWS = 200_000, 100_000

#: Rows of one array that must be real ones; share of equal units above which rows tell nothing.
_FEWEST, _COMMON = 3, 0.05

#: What holds everything in a process, or nothing of a training.
_CLOSED = (
    type, types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.FrameType,
    types.GetSetDescriptorType, types.MemberDescriptorType, str, bytes, int, float, complex, bool,
    type(None),
)  # fmt: skip


def generator(bench: Bench) -> Message:
    """What is released cannot reach a real record."""
    trainer = bench.unused()
    for _ in range(_STEPS):
        trainer.step()
    units = as_units(trainer.units())
    known = [_Rows(a) for a in units]
    n = 0
    for array, path in _arrays(trainer.released()):
        n += 1
        if any(np.shares_memory(array, a) for a in units if array.size and a.size) or any(
            rows.holds(array) for rows in known
        ):
            raise failed(
                "handle",
                "what is released, or trained without a budget, holds real records: {path}",
                path=path,
            )
    if not n:
        raise skipped("nothing_released", "no array can be reached from what is released")
    return message(
        "selfcheck.handle_ok",
        "none of {n:integer} arrays that can be reached from it holds a record", n=n,
    )  # fmt: skip


class _Rows:
    """Rows of real units, to be found again."""

    def __init__(self, units: np.ndarray) -> None:
        rows = units.reshape(len(units), -1)
        self.widths = {rows.shape[1], units.shape[-1] if units.ndim > 2 else rows.shape[1]}
        self.hashes: dict[int, set[bytes]] = {}
        for width in self.widths:
            if width < 2:
                continue
            known = _hashed(rows.reshape(-1, width))
            known = [k for k in known if any(k)]  # an empty place is nobody's record
            # Rows that many units share are no sign of a unit.
            if known and len(set(known)) >= (1 - _COMMON) * len(known):
                self.hashes[width] = set(known)

    def holds(self, array: np.ndarray) -> bool:
        """Whether at least half of its rows, and more than a few, are those of units."""
        if array.ndim < 2 or not array.size:
            return False
        for width, known in self.hashes.items():
            for start in {array.shape[-1], int(np.prod(array.shape[1:]))}:
                if start < width:
                    continue
                rows = array.reshape(-1, start)[:_ROWS]
                found = sum(k in known for k in _hashed(rows[:, :width]))
                if found >= _FEWEST and 2 * found >= min(len(rows), 2 * len(known)):
                    return True
        return False


def _hashed(rows: np.ndarray) -> list[bytes]:
    plain = np.ascontiguousarray(rows, dtype=np.float32)
    return [row.tobytes() for row in plain]


def _arrays(root: Any) -> Iterator[tuple[np.ndarray, str]]:
    """Every numeric array that can be reached, and how."""
    seen: set[int] = set()
    todo: list[tuple[Any, str]] = [(root, "released")]
    while todo and len(seen) < _OBJECTS:
        thing, path = todo.pop()
        if id(thing) in seen or isinstance(thing, _CLOSED):
            continue
        seen.add(id(thing))
        array = _as_array(thing)
        if array is not None:
            yield array, path
        todo.extend(_inside(thing, path))


def _as_array(thing: Any) -> np.ndarray | None:
    if isinstance(thing, torch.Tensor):
        dense = thing.layout == torch.strided and thing.device.type != "meta"
        return thing.detach().cpu().numpy() if dense and _numeric(thing) else None
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "fiub":
        return thing
    return None


def _numeric(tensor: torch.Tensor) -> bool:
    return not tensor.is_complex() and tensor.dtype is not torch.bfloat16


def _inside(thing: Any, path: str) -> Iterator[tuple[Any, str]]:
    """What an object holds, with a name for each."""
    if isinstance(thing, types.FunctionType):
        cells = thing.__closure__ or ()
        for name, cell in zip(thing.__code__.co_freevars, cells, strict=False):
            yield cell, f"{path}.{thing.__name__}<{name}>"
        yield thing.__defaults__, path
        yield thing.__kwdefaults__, path
        yield vars(thing), path
        return
    if isinstance(thing, types.MethodType):
        yield thing.__self__, path
        yield thing.__func__, path
        return
    if isinstance(thing, dict):
        for key, value in list(thing.items()):
            yield value, f"{path}.{key}" if isinstance(key, str) else f"{path}[...]"
        return
    if isinstance(thing, torch.Tensor):
        yield thing.grad if thing.is_leaf else None, f"{path}.grad"
        yield getattr(thing, "__dict__", None), path
        return
    for inner in gc.get_referents(thing):
        yield inner, path
