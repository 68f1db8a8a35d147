"""Linkability: do the samples tell which two halves of a record belong to one person?"""

from __future__ import annotations

import numpy as np

from genaudit.audits.privacy._known import HalvesOptions, both, outcome
from genaudit.case import AuditCase, Knowledge, Outcome, audit
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.linkability"


@audit(
    title="Linkability",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Article 29 Working Party 2014, Opinion 05/2014 on Anonymisation Techniques (WP216), "
    "section 2; Giomi et al. 2023, A Unified Framework for Quantifying Privacy Risk in Synthetic "
    "Data, section 4.3, with halves of the columns drawn by seed and all nearest samples",
    options=HalvesOptions,
    metrics=(f"{_ID}.risk", f"{_ID}.worst"),
)
def linkability(case: AuditCase, options: HalvesOptions) -> Outcome:
    """Whether the samples lead from one half of a person's record to the other half.

    The attacker holds two files that have no column in common, and the samples. They take a record
    of each for the same person's where one sample is the nearest to both of them, among all that
    are as near. That links unseen rows by chance too: where a few columns say most of a record, or
    records are alike. So it is training rows that are linked beyond unseen rows that count, each
    row attacked once, with one of several halvings of the columns that were drawn beforehand.
    """
    return outcome(case, options, _ID, linked, (_RISK, _WORST))


def linked(space: Space, queries: Encoded, pool: Encoded, known: frozenset[str]) -> np.ndarray:
    """Whether some row of the pool is nearest to a query by either half of the columns."""
    (one, *near), (other, *far) = both(space, queries, pool, known)
    found = np.zeros(len(queries), dtype=bool)
    for (block, a), (_, b) in zip(one.steps(*near), other.steps(*far), strict=True):
        # No sum is less than that of both minima, and one is equal where a row has both of them.
        least = a.min(axis=1) + b.min(axis=1)
        found[block] = np.add(a, b, out=a).min(axis=1) == least
    return found


_RISK = message(
    "privacy.linkability.risk",
    "How much better halves of training rows are linked than halves of unseen rows",
)
_WORST = message("privacy.linkability.worst", "The same with the halves that are linked best")
