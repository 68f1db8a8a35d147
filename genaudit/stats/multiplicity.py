"""Many findings, one promise: corrections that keep the chance of any false alarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Any)


def holm(p_values: Mapping[Key, float], alpha: float) -> set[Key]:
    """Keys rejected by Holm's step-down procedure at family-wise error `alpha`.

    Valid under any dependence of the p-values. Ties are taken in the order of the keys.

    Args:
        p_values: Key -> p-value in [0, 1]; keys must be sortable.
        alpha: Chance of any false rejection, in (0, 1).

    Source: Holm 1979, Scandinavian Journal of Statistics 6.

    >>> sorted(holm({"a": 0.001, "b": 0.02, "c": 0.4}, alpha=0.05))
    ['a', 'b']
    """
    rejected: set[Key] = set()
    ordered = sorted(p_values.items(), key=lambda item: (item[1], item[0]))
    for k, (key, p) in enumerate(ordered):
        if p > alpha / (len(p_values) - k):
            break
        rejected.add(key)
    return rejected
