"""How a column of numbers was rounded before it was written, so that others can be rounded alike.

Numbers are compared by codes: equal numbers have one code, whatever they were written as.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

#: Rounds numbers of double precision.
Rounding = Callable[[np.ndarray], np.ndarray]

#: Numbers that tell how a column was rounded.
_SOME = 2000

#: Digits beyond which a number that stands in one record alone is known by itself.
DIGITS = 6


def column(values: pd.Series) -> np.ndarray:
    """Numbers of double precision, or codes of words (int64); what is missing has one code."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub":
        return values.to_numpy(dtype=float)
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float, na_value=np.nan)
    missing = values.isna().to_numpy()
    numbers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(float, na_value=np.nan)
    if not missing.all() and (np.isfinite(numbers) | missing).all():
        return numbers
    words = values.astype(str).str.strip().str.removesuffix(" 00:00:00").where(~missing, "")
    truth = words.str.lower().map({"true": 1.0, "false": 0.0})
    if (truth.notna() | missing).all():
        return truth.to_numpy(dtype=float)
    return pd.util.hash_array(words.to_numpy(dtype=object)).view(np.int64)


def codes(values: np.ndarray, rounding: Rounding) -> np.ndarray:
    """Codes of what `column` gave, numbers rounded first, int64."""
    if values.dtype == np.int64:
        return values
    with np.errstate(all="ignore"):
        rounded = rounding(values) + 0.0  # no negative zero
    rounded[np.isnan(rounded)] = np.nan
    return rounded.view(np.int64)


def distinct(values: np.ndarray) -> np.ndarray:
    """Different values in order; NumPy's own way through a hash table is slow on such codes."""
    ordered = np.sort(values)
    return (
        ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(values) else ordered
    )


def among(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Which values are among others that are in order."""
    if not len(ordered):
        return np.zeros(len(values), dtype=bool)
    at = np.searchsorted(ordered, values).clip(max=len(ordered) - 1)
    return np.asarray(ordered[at] == values)


def roundings(values: np.ndarray) -> list[str]:
    """Names of the roundings that a column may have gone through, by what is left of it."""
    if values.dtype == np.int64:
        return ["none"]
    some = values[np.isfinite(values)][:_SOME]
    found = []
    for family in _FAMILIES:
        found += next(([n] for n in family if np.array_equal(_LEAVES[n](some), some)), [])
    return found or ["none"]


def by_name(name: str) -> Rounding:
    """The rounding of this name."""
    return _ROUNDS[name]


def telling(values: np.ndarray) -> np.ndarray:
    """Which numbers have so many digits that they are hardly met by chance."""
    with np.errstate(all="ignore"):
        return np.isfinite(values) & (significant(values, DIGITS - 1) != values)


def _decimals(values: np.ndarray, n: int) -> np.ndarray:
    return np.round(values, n)


def significant(values: np.ndarray, n: int) -> np.ndarray:
    """Rounded to so many digits that count."""
    with np.errstate(all="ignore"):
        power = n - 1 - np.floor(np.log10(np.abs(values)))
        up, down = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)
        rounded = np.rint(values * up / down) * down / up
    return np.where(np.isfinite(values) & (values != 0) & np.isfinite(rounded), rounded, values)


def half(values: np.ndarray) -> np.ndarray:
    """As in half precision."""
    with np.errstate(all="ignore"):
        return values.astype(np.float16).astype(float)


def single(values: np.ndarray) -> np.ndarray:
    """As in single precision."""
    with np.errstate(all="ignore"):
        return values.astype(np.float32).astype(float)


def brain(values: np.ndarray) -> np.ndarray:
    """As in bfloat16: the first two bytes of single precision, ties to even."""
    return (brain_bits(values).astype(np.uint32) << 16).view(np.float32).astype(float)


def brain_bits(values: np.ndarray) -> np.ndarray:
    """The two bytes of bfloat16 as an unsigned number."""
    with np.errstate(all="ignore"):
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    up = ((bits >> 16) & 1) + np.uint32(0x7FFF)
    return ((bits + up) >> 16).astype(np.uint16)


def _same(values: np.ndarray) -> np.ndarray:
    return values.copy()


_ROUNDS: dict[str, Rounding] = {
    **{f"decimals {n}": partial(_decimals, n=n) for n in range(8)},
    **{f"digits {n}": partial(significant, n=n) for n in range(2, 8)},
    "brain": brain, "half": half, "single": single, "written single": single, "none": _same,
}  # fmt: skip

#: What leaves a column as it is that was rounded so; single precision takes nine digits to write.
_LEAVES: dict[str, Rounding] = {**_ROUNDS, "written single": partial(significant, n=9)}


def _families() -> Iterator[tuple[str, ...]]:
    """The coarsest of each that leaves a column as it is may have made it."""
    yield tuple(n for n in _ROUNDS if n.startswith("decimals"))
    yield tuple(n for n in _ROUNDS if n.startswith("digits"))
    yield ("brain", "half", "single", "written single")
    yield ("half",)


_FAMILIES = tuple(_families())
