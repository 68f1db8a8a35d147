"""Mixtures are fitted to marginals: the loss beside loops, and what a fit finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genaudit.modalities.table.mixture import Block, Mixture
from genaudit.models import pairs
from genaudit.models.pairs import Pairs, Table

BLOCKS = [Block(2), Block(3), Block(2, gate=1), Block(2)]


def _mixture(blocks: list[Block] = BLOCKS, components: int = 4, seed: int = 3) -> Mixture:
    mixture = Mixture(blocks, components)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in mixture.parameters():
            p.copy_(torch.randn(p.shape, generator=rng))
    return mixture


def _tables(mixture: Mixture) -> tuple[list[np.ndarray], dict[tuple[int, int], np.ndarray]]:
    """One-way and two-way shares of what a mixture makes, by loops over its components."""
    shares = mixture.log_shares().exp().detach().numpy().astype(float)
    weights = mixture.log_weights().exp().detach().numpy().astype(float)
    parts = np.split(shares, mixture.starts[1:-1], axis=1)
    one = [np.zeros(b.size) for b in mixture.blocks]
    two = {(i, j): np.zeros((mixture.sizes[i], mixture.sizes[j])) for i in range(len(one))
           for j in range(i + 1, len(one))}  # fmt: skip
    for k, weight in enumerate(weights):
        there = [p[k] if b.gate is None else p[k] * (1 - parts[b.gate][k, -1])
                 for p, b in zip(parts, mixture.blocks, strict=True)]  # fmt: skip
        for i in range(len(one)):
            one[i] += weight * there[i]
        for i, j in two:
            made = np.outer(there[i], there[j])
            if mixture.blocks[j].gate == i:
                made = np.outer(parts[i][k], parts[j][k])
                made[-1] = 0  # a missing value has no low digit
            two[i, j] += weight * made
    return one, two


def _pairs(mixture: Mixture, noise: float = 0.0, deviation: float = 0.01) -> Pairs:
    rng = np.random.default_rng(5)
    one, two = _tables(mixture)
    hidden = [t + rng.normal(0, noise, t.shape) for t in one]
    tables = [Table(i, j, t + rng.normal(0, noise, t.shape), deviation * (1 + i)) for (i, j), t in
              two.items()]  # fmt: skip
    return Pairs.of(mixture, hidden, np.full(len(one), deviation), tables)


def test_loss_is_the_likelihood_of_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares of what is made less what was measured, over twice the variance, by loops."""
    monkeypatch.setattr(pairs, "_THRIFT", 0.0)
    truth, other = _mixture(seed=1), _mixture(seed=2)
    measured = _pairs(truth)
    (one, two), (its_one, its_two) = _tables(truth), _tables(other)
    expected = sum(
        np.square(a - b).sum() / (2 * 0.01**2) for a, b in zip(one, its_one, strict=True)
    )
    for i, j in two:
        expected += np.square(two[i, j] - its_two[i, j]).sum() / (2 * (0.01 * (1 + i)) ** 2)
    rng = np.random.default_rng(0)

    assert float(measured.loss(other, rng).detach()) == pytest.approx(expected, rel=1e-4)
    assert float(measured.loss(truth, rng).detach()) == pytest.approx(0, abs=1e-4)


def test_information_has_a_price() -> None:
    """With nothing measured the loss is what components tell of their records, in nats."""
    mixture = _mixture([Block(2), Block(3)])
    nothing = Pairs.of(mixture, [np.zeros(2), np.zeros(3)], np.full(2, 1e9), [])
    shares = mixture.log_shares().exp().detach().numpy()
    weights = mixture.log_weights().exp().detach().numpy()
    mean = weights @ shares
    told = (weights[:, None] * shares * np.log(shares / mean)).sum()

    loss = float(nothing.loss(mixture, np.random.default_rng(0)).detach())

    assert loss == pytest.approx(pairs._THRIFT * told, rel=1e-4)


def test_a_fit_finds_dependence_and_leaves_noise() -> None:
    """Exact tables come back to a thousandth; of tables that are all noise little is believed."""
    blocks = [Block(4), Block(5), Block(3)]
    truth = _mixture(blocks, components=3)
    one, two = _tables(truth)
    found = Mixture(blocks, 40)
    found.start(np.concatenate(one), torch.Generator().manual_seed(0))

    pairs.fit(found, _pairs(truth, deviation=1e-4), steps=600, learning_rate=0.05,
              rng=np.random.default_rng(0))  # fmt: skip

    its_one, its_two = _tables(found)
    assert max(np.abs(a - b).sum() for a, b in zip(one, its_one, strict=True)) < 2e-3
    assert max(np.abs(two[k] - its_two[k]).sum() for k in two) < 5e-3

    flat = [np.full(b.size, 1 / b.size) for b in blocks]
    rng = np.random.default_rng(1)
    noise = [Table(i, j, np.outer(flat[i], flat[j]) + rng.normal(0, 0.05, two[i, j].shape), 0.05)
             for i, j in two]  # fmt: skip
    pairs.fit(found, Pairs.of(found, flat, np.full(3, 0.01), noise), steps=600, learning_rate=0.05,
              rng=np.random.default_rng(0))  # fmt: skip
    _, its_two = _tables(found)
    # Believed in full, it would be 0.05 * sqrt(2 / pi) for each of 12 to 20 cells.
    assert max(np.abs(its_two[i, j] - np.outer(flat[i], flat[j])).sum() for i, j in two) < 0.2


def test_parts_of_wide_records_have_the_loss_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at a part at a time, the loss is that of all pairs on average."""
    monkeypatch.setattr(pairs, "_THRIFT", 0.0)
    blocks = [Block(4) for _ in range(12)]
    truth, other = _mixture(blocks, seed=1), _mixture(blocks, seed=2)
    measured = _pairs(truth)
    rng = np.random.default_rng(0)
    whole = float(measured.loss(other, rng).detach())
    monkeypatch.setattr(pairs, "_WIDE", 24)

    parts = [float(measured.loss(other, rng).detach()) for _ in range(2000)]

    assert len(set(parts)) > 100
    assert np.mean(parts) == pytest.approx(whole, rel=0.1)
