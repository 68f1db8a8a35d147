"""Independent marginals: the generator that any other has to beat, at the same ε."""

from __future__ import annotations

import math

import numpy as np

from genaudit.accounting import gaussian_multiplier
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.quality import noisy_marginals, shuffled_columns
from genaudit.result import Claim, Message, message


def independent_marginals(case: AuditCase) -> Dataset:
    """As many records as there are samples, each column on its own; drawn once for the case.

    Under a claim the columns come from noisy counts that spend the same ε and δ: one mechanism
    over the histograms of all columns, to which a record adds one count each. It is made for the
    audit and never released, so its noise may follow the case's seed.
    """
    return case.once("independent marginals", lambda: _draw(case))


def label(case: AuditCase) -> Message:
    """What the baseline is called beside a number."""
    if case.subject.claim is None:
        return message("baseline.marginals", "independent marginals, without noise")
    return message(
        "baseline.private_marginals",
        "independent marginals at the same ε = {epsilon:number}",
        epsilon=case.subject.claim.epsilon,
    )


def _draw(case: AuditCase) -> Dataset:
    n, claim, rng = len(case.samples), case.subject.claim, case.rng("independent marginals")
    if claim is None:
        return shuffled_columns(case.train, n, rng)
    undeclared = any(c.undeclared for c in case.schema.modelled)
    # A schema with gaps gives no public cells; learned ones can only flatter the baseline.
    grid = Grid.learned(case.train) if undeclared else Grid.public(case.schema)
    records = _records_each(case, claim)
    noise = _noise(claim, len(grid.sizes), sum(grid.sizes), rng) * records
    return noisy_marginals(case.train, grid, n, noise, rng)


def _noise(claim: Claim, n_columns: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Noise for one record with one count in each of n columns, shape (size,)."""
    if claim.delta == 0:
        return rng.laplace(0.0, n_columns / claim.epsilon, size)
    sigma = gaussian_multiplier(claim.epsilon, claim.delta) * math.sqrt(n_columns)
    return rng.normal(0.0, sigma, size)


def _records_each(case: AuditCase, claim: Claim) -> int:
    """Most records of one unit of the claim: they all come and go together."""
    person = case.schema.person
    if claim.unit != "person" or person is None:
        return 1
    return int(case.train.frame[person.name].value_counts().max())
