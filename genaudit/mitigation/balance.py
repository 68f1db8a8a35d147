"""Samples drawn group by group, each as often as a target says."""

from __future__ import annotations

import warnings

import numpy as np

from genaudit.data.dataset import joined
from genaudit.errors import DataError, GenauditWarning
from genaudit.mitigation.groups import in_words
from genaudit.mitigation.outcome import Mitigated
from genaudit.mitigation.target import TargetTable, apportioned
from genaudit.subject import Draw


def balance(draw: Draw, target: TargetTable, n: int, *, seed: int = 0) -> Mitigated:
    """N samples, drawn under the condition of each group in turn, in the shares of a target.

    A model that takes the columns as conditions sets them; others draw until enough rows have
    them, within bounds. What is still short is named. This changes how frequent groups (and
    outcomes, where the target names them) are, not what else is made of a group.

    Args:
        draw: The generator.
        target: Shares of the joint levels of its columns.
        n: Rows wanted.
        seed: Of what is drawn and of its order.

    Raises:
        DataError: of a group that is wanted no row was drawn.
    """
    cells = [cell for cell, share in target.shares.items() if share > 0]
    wanted = apportioned(n, target.of_cells(cells))
    parts, short = [], []
    for i, (cell, k) in enumerate(zip(cells, wanted.tolist(), strict=True)):
        if not k:
            continue
        own = int(np.random.SeedSequence([seed, i]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GenauditWarning)  # all short groups are told at once
            part = draw(k, own, dict(zip(target.columns, cell, strict=True)))
        if len(part) < k:
            short.append({"group": in_words(target.columns, cell), "wanted": k, "made": len(part)})
        if len(part):
            parts.append(part)
    if none := [s for s in short if not s["made"]]:
        raise DataError(
            "Expected a generator that makes rows of every group of the target, got none of "
            f"{'; '.join(str(s['group']) for s in none[:5])}; name other columns or shares, or "
            "another generator."
        )
    _say_short(short)
    whole = joined(parts)
    order = np.random.default_rng([seed, 0xBA1]).permutation(len(whole))
    return Mitigated(whole.take(order), cost={"rows_wanted": n, "rows_out": len(whole),
                                              "short": short})  # fmt: skip


def _say_short(short: list[dict[str, object]]) -> None:
    if short:
        told = "; ".join(f"{s['group']}: {s['made']:,} of {s['wanted']:,}" for s in short[:5])
        warnings.warn(
            f"Fewer rows than wanted of {len(short):,} groups ({told}), as the generator hardly "
            "makes them; ask for fewer, or train it with these columns as conditions.",
            GenauditWarning,
            stacklevel=4,
        )
