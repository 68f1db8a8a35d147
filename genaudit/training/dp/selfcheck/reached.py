"""Everything that can be reached from an object: attributes, closures, hooks, containers, globals.

Numbers come as arrays, whatever holds them: those of a container that stand there one by one come
together, written ones too. Bytes come as they are, and so does text with many digits.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

#: Path and shape of an array that is reached.
Place = tuple[str, tuple[int, ...]]

#: Objects that are walked through at most.
_OBJECTS = 200_000

#: Bytes below which there is no place for a record; objects of an array that are walked through.
_SHORT, _ITEMS = 32, 10_000

#: Letters of a written number at most; digits of a text in which there is place for a record.
_LONG, _DIGITS = 40, 16

#: What holds everything in a process, or nothing of a training.
_CLOSED = (
    type, types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.FrameType,
    types.GetSetDescriptorType, types.MemberDescriptorType, str, int, float, complex, bool,
    type(None),
)  # fmt: skip

_BYTES = (bytes, bytearray, memoryview)


def reached(root: Any) -> Iterator[tuple[np.ndarray | bytes, str]]:
    """Every numeric array, and all bytes, that can be reached, and how."""
    seen: set[int] = set()
    kept: list[Any] = []  # what is made on the way must not give its id to another
    todo: list[tuple[Any, str]] = [(root, "released")]
    while todo and len(seen) < _OBJECTS:
        thing, path = todo.pop()
        if isinstance(thing, str) and id(thing) not in seen and _is_telling(thing):
            seen.add(id(thing))
            kept.append(thing)
            yield thing.encode(errors="ignore"), path
        if id(thing) in seen or isinstance(thing, _CLOSED):
            continue
        seen.add(id(thing))
        kept.append(thing)
        if isinstance(thing, _BYTES):
            if len(thing) >= _SHORT:
                yield bytes(thing), path
            continue
        array = _as_array(thing)
        if array is not None and array.size:
            yield array, path
        inside = list(_inside(thing, path))
        single = [] if array is not None else [_number(inner) for inner, _ in inside]
        if numbered := [n for n in single if n is not None]:
            yield np.array(numbered), path
        todo.extend(inside)


def numbers(root: Any) -> dict[Place, np.ndarray]:
    """Copies of all numeric arrays that can be reached, those in one place side by side."""
    found: dict[Place, list[np.ndarray]] = {}
    for thing, path in reached(root):
        if isinstance(thing, np.ndarray):
            found.setdefault((path, thing.shape), []).append(thing.astype(float))
    return {place: np.stack(arrays) for place, arrays in found.items()}


def _as_array(thing: Any) -> np.ndarray | None:
    """The numbers that a thing holds."""
    if isinstance(thing, torch.Tensor):
        return _of_tensor(thing)
    if isinstance(thing, pd.DataFrame):
        numeric = thing.select_dtypes(["number", "bool"])
        return np.asarray(numeric.to_numpy(dtype=float, na_value=np.nan))
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind in "fiub":
            return thing
        return _of_objects(thing) if thing.dtype == object else None
    if isinstance(thing, list | tuple):
        return _of_list(thing)
    return None


def _number(thing: Any) -> float | None:
    """What stands for one number, written or not."""
    if isinstance(thing, bool | np.bool_) or not isinstance(thing, int | float | np.number | str):
        return None
    if isinstance(thing, str) and not (len(thing) <= _LONG and thing[-1:].isdigit()):
        return None
    try:
        return float(thing)
    except (TypeError, ValueError, OverflowError):  # a word, a complex number, a very large one
        return None


def _is_telling(text: str) -> bool:
    """Whether there is place for a record's numbers in a text."""
    return len(text) >= _SHORT and sum(map(text.count, "0123456789")) >= _DIGITS


def _of_tensor(tensor: torch.Tensor) -> np.ndarray | None:
    if tensor.layout != torch.strided or tensor.device.type == "meta" or tensor.is_complex():
        return None
    plain = tensor.detach().cpu()
    try:
        return plain.float().numpy() if plain.dtype is torch.bfloat16 else plain.numpy()
    except TypeError:  # a type that NumPy has no numbers for
        return None


def _of_objects(array: np.ndarray) -> np.ndarray | None:
    try:
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError):
        return None


def _of_list(thing: list[Any] | tuple[Any, ...]) -> np.ndarray | None:
    """Numbers, or lists of as many numbers each, or records of them."""
    first = thing[0] if thing else None
    if isinstance(first, dict) and all(isinstance(r, dict) for r in thing):
        thing = [list(r.values()) for r in thing]
        first = thing[0]
    inner = first if isinstance(first, list | tuple) else thing
    if not inner or not all(isinstance(v, int | float) for v in inner):
        return None
    try:
        return np.asarray(thing, dtype=float)
    except (TypeError, ValueError):  # of different lengths, or not of numbers
        return None


def _inside(thing: Any, path: str) -> Iterator[tuple[Any, str]]:
    """What an object holds, with a name for each."""
    if isinstance(thing, types.FunctionType):
        yield from _of_function(thing, path)
    elif isinstance(thing, types.MethodType):
        yield thing.__self__, path
        yield thing.__func__, path
    elif isinstance(thing, dict):
        for key, value in list(thing.items()):
            yield value, f"{path}.{key}" if isinstance(key, str) else f"{path}[...]"
    elif isinstance(thing, torch.Tensor):
        yield thing.grad if thing.is_leaf else None, f"{path}.grad"
        yield getattr(thing, "__dict__", None), path
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        for value in thing.ravel()[:_ITEMS].tolist():
            yield value, path
    else:
        for inner in gc.get_referents(thing):
            yield inner, path


def _of_function(thing: types.FunctionType, path: str) -> Iterator[tuple[Any, str]]:
    """What it closes over, its defaults, and what of its module it names."""
    cells = thing.__closure__ or ()
    for name, cell in zip(thing.__code__.co_freevars, cells, strict=False):
        yield cell, f"{path}.{thing.__name__}<{name}>"
    yield thing.__defaults__, path
    yield thing.__kwdefaults__, path
    yield vars(thing), path
    for name in sorted(_named(thing.__code__) & thing.__globals__.keys()):
        yield thing.__globals__[name], f"{path}.{thing.__name__}[{name}]"


def _named(code: types.CodeType) -> set[str]:
    """Names that it looks up, and that functions inside it do."""
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*map(_named, inner))
