"""Mixtures: shares and likelihoods against sums over every record there is; draws follow them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from genaudit.modalities.table.mixture import Block, Mixture

#: The third block is empty where the second one's last cell is drawn; the last is a condition.
BLOCKS = [Block(2), Block(3), Block(2, gate=1), Block(2)]
STARTS = (0, 2, 5, 7, 9)


def _mixture(blocks: list[Block] = BLOCKS, components: int = 4) -> Mixture:
    mixture = Mixture(blocks, components)
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in mixture.parameters():
            p.copy_(torch.randn(p.shape, generator=rng))
    return mixture


def _every_record(mixture: Mixture) -> tuple[torch.Tensor, np.ndarray]:
    """All one-hot records and their probabilities, by loops."""
    shares = mixture.log_shares().exp().detach().numpy()
    weights = mixture.log_weights().exp().detach().numpy()
    records, probabilities = [], []
    for digits in product(range(2), range(3), (-1, 0, 1), range(2)):
        if (digits[1] == 2) != (digits[2] == -1):
            continue
        record = np.zeros(9, dtype=np.float32)
        chance = weights.copy()
        for start, digit in zip(STARTS, digits, strict=False):
            if digit >= 0:
                record[start + digit] = 1
                chance = chance * shares[:, start + digit]
        records.append(record)
        probabilities.append(chance.sum())
    return torch.as_tensor(np.array(records)), np.array(probabilities)


def test_likelihood_of_every_record() -> None:
    """Likelihoods are those of loops and sum to 1; given the condition they sum to 1 in each."""
    mixture = _mixture()
    records, probabilities = _every_record(mixture)

    found = mixture.log_likelihood(records).exp().detach().numpy()
    given = mixture.log_likelihood(records, given=2).exp().detach().numpy()

    assert found == pytest.approx(probabilities, rel=1e-5)
    assert probabilities.sum() == pytest.approx(1)
    for cell in (7, 8):
        assert given[records[:, cell] == 1].sum() == pytest.approx(1, rel=1e-5)


def test_marginals_and_filled_blocks() -> None:
    """Shares of cells are sums over all records, empty blocks counted as empty."""
    mixture = _mixture()
    records, probabilities = _every_record(mixture)

    shares = mixture.filled(mixture.log_shares().exp())
    made = (mixture.log_weights().exp() @ shares).detach().numpy()

    assert made == pytest.approx(probabilities @ records.numpy(), rel=1e-5)
    assert mixture.marginals()[:5].detach().numpy() == pytest.approx(made[:5], rel=1e-5)
    assert float(mixture.marginals()[5:7].detach().sum()) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("cell", [0, 1])
def test_draws_follow_the_likelihood_given_the_condition(cell: int) -> None:
    """Records under a condition come as often as Bayes' rule says, and carry it."""
    mixture = _mixture()
    records, probabilities = _every_record(mixture)
    n = 40_000
    condition = torch.zeros(n, 2)
    condition[:, cell] = 1

    drawn = mixture.draw(condition, torch.Generator().manual_seed(0))

    assert torch.equal(drawn[:, 7:], condition)
    here = records[:, 7 + cell] == 1
    expected = probabilities[here.numpy()] / probabilities[here.numpy()].sum()
    same = (drawn[:, None, :] == records[here][None]).all(2)
    assert same.any(1).all()
    assert same.float().mean(0).numpy() == pytest.approx(expected, abs=0.01)


def test_numbers_differ_smoothly_between_components() -> None:
    """Intervals have few directions, all smooth; levels, spikes and "missing" are free."""
    level, number = Block(5), Block(40, ordered=(2, 39))

    waves = number.directions()

    assert np.array_equal(level.directions(), np.eye(5))
    assert np.array_equal(Block(8, ordered=(0, 6)).directions(), np.eye(8))
    assert waves.shape == (9, 40)
    assert not waves[:3, 2:39].any()
    assert not waves[3:, [0, 1, 39]].any()
    assert np.abs(np.diff(waves[3:, 2:39], axis=1)).max() < 0.45


def test_start_at_gives_back_what_was_made() -> None:
    """Components have the shares of the logits they start at, and nearly their condition."""
    mixture = Mixture([Block(4), Block(2)], components=3)
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    conditions = torch.tensor([[1.0, 0], [0, 1.0], [1.0, 0]])

    mixture.start_at(logits, conditions, np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5]))

    shares = mixture.log_shares().exp().detach()
    assert torch.allclose(shares[:, :4], logits.softmax(1), atol=1e-5)
    assert torch.allclose(shares[:, 4:], conditions * 0.98 + 0.01, atol=1e-5)
    assert torch.allclose(mixture.log_weights().exp(), torch.full((3,), 1 / 3))


def test_start_is_around_the_marginals() -> None:
    """A fresh mixture has components apart from each other and shares near what is known."""
    mixture = Mixture([Block(3)], components=500)

    mixture.start(np.array([0.7, 0.3, 0.0]), torch.Generator().manual_seed(0))

    assert mixture.marginals().detach().numpy() == pytest.approx([0.65, 0.35, 0.0], abs=0.05)
    assert float(mixture.log_shares()[:, 0].detach().std()) > 0.1
