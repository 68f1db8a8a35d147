"""Reconstruction: do the samples give the other half of a record to who knows one half?"""

from __future__ import annotations

import numpy as np

from genaudit.audits.privacy._known import HalvesOptions, both, outcome
from genaudit.case import AuditCase, Knowledge, Outcome, audit
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.reconstruction"


@audit(
    title="Reconstruction of records",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Annamalai, Gadotti & Rocher 2024, A Linear Reconstruction Approach for Attribute "
    "Inference Attacks against Synthetic Data (the question); Giomi et al. 2023, equation 1 "
    "(residual risk); here by the nearest sample, and all unknown columns at once",
    options=HalvesOptions,
    metrics=(f"{_ID}.risk", f"{_ID}.worst"),
)
def reconstruction(case: AuditCase, options: HalvesOptions) -> Outcome:
    """Whether who knows half of a person's record reads all the rest of it in the samples.

    The attacker knows half of the columns of a record, looks for the nearest sample by those, and
    says that the person's other columns are as in that sample. They are right where every one of
    them is: levels and missing values as they are, numbers to within about a five-hundredth of the
    population. Unseen rows are reconstructed by chance as well, where columns follow from each
    other; training rows count beyond those. Each row is attacked once, with one of several halves
    that were drawn beforehand.
    """
    return outcome(case, options, _ID, reconstructed, (_RISK, _WORST))


def reconstructed(
    space: Space, queries: Encoded, pool: Encoded, known: frozenset[str]
) -> np.ndarray:
    """Whether the row of the pool that is nearest by the known half equals a query in the other."""
    (one, *near), (_, told, answers) = both(space, queries, pool, known)
    found = np.zeros(len(queries), dtype=bool)
    for block, steps in one.steps(*near):
        guess = answers.take(steps.argmin(axis=1))
        same = np.isclose(guess.numbers, told.numbers[block], rtol=0, atol=0.5, equal_nan=True)
        found[block] = same.all(axis=1) & (guess.codes == told.codes[block]).all(axis=1)
    return found


_RISK = message(
    "privacy.reconstruction.risk",
    "How much better the unknown half of training rows is reconstructed than that of unseen rows",
)
_WORST = message(
    "privacy.reconstruction.worst", "The same with the half from which most is reconstructed"
)
