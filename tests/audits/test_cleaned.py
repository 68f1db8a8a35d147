"""Tables that were cleaned before they were audited: what is left in the holdout is rarer."""

from __future__ import annotations

import numpy as np
import pytest
from long import all_but
from subjects import case_of

from genaudit.audits import audits, find
from genaudit.data.dataset import Dataset
from genaudit.data.overlap import row_hashes
from genaudit.result import Finding

#: Audits that hold train against the holdout, by samples.
NAMES = sorted(
    name
    for name, audit in audits().items()
    if {"samples", "train", "holdout"} == {need.value for need in audit.needs}
    and (name.startswith("privacy.") or name == "content.rare_copies")
)

#: Some columns, by which repeats are told.
_SOME = ["age", "colour", "sex", "checks", "citizen", "employed", "year"]


def _found(arrests: Dataset, clean: str, seed: int) -> list[Finding]:
    rows = arrests.to_frame().astype(object).sample(frac=1, random_state=seed)
    train, holdout, samples = rows[:1600], rows[1600:3200], rows[3200:]
    if clean in ("together", "subset"):
        both = rows[:3200].drop_duplicates(_SOME if clean == "subset" else None)
        train, holdout = (both[both.index.isin(part.index)] for part in (train, holdout))
    elif clean:
        train = train.drop_duplicates() if clean == "both" else train
        holdout = holdout[~np.isin(row_hashes(holdout), row_hashes(train))]
    case = case_of(samples, train, holdout, schema=arrests.schema, seed=seed)
    return [f for name in NAMES for f in find(name)(case).findings if f.estimate.value is not None]


@pytest.mark.parametrize(
    "clean", all_but({"both", "subset"}, ["holdout", "both", "together", "subset"])
)
def test_nothing_is_told_by_a_cleaned_holdout(arrests: Dataset, clean: str) -> None:
    """Fresh rows for samples: they match train alone, and every audit says that it proves nothing.

    Rows of train taken out of the holdout; repeats out of train too; or out of both together, whole
    rows or rows that agree in some columns.
    """
    found = _found(arrests, clean, 1)

    assert len(found) > 25
    assert [f.metric for f in found if f.doubt is None] == []


def test_a_random_holdout_is_believed(arrests: Dataset) -> None:
    """The same rows as they came, half of which repeat others."""
    assert [f.metric for f in _found(arrests, "", 1) if f.doubt is not None] == []
