"""Attributes that a generator makes before the record."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genaudit.models.media.base import Head

SHARES = (np.array([0.7, 0.3]), np.array([0.1, 0.2, 0.7]))


def _head() -> Head:
    torch.manual_seed(0)
    return Head((2, 3), given=1)


def _noise(head: Head, n: int = 4000) -> torch.Tensor:
    return torch.randn(n, head.noise_width, generator=torch.Generator().manual_seed(1))


def test_a_fresh_head_makes_the_marginals() -> None:
    """Each block is one-hot, with the shares that it was started at."""
    head = _head()
    head.start_at(SHARES)
    made = head(_noise(head), torch.zeros(4000, 1)).detach().numpy()

    assert made[:, :2].sum(1) == pytest.approx(1, abs=1e-6)
    assert made.mean(0) == pytest.approx(np.concatenate(SHARES), abs=0.04)


def test_a_head_that_has_lost_an_attribute_is_led_back() -> None:
    """The divergence is 0 at the marginals, large where one is never made; its slope mends it."""
    head = _head()
    head.start_at((np.array([1.0, 0.0]), SHARES[1]))
    noise, given = _noise(head, 500), torch.zeros(500, 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    found = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = head.apart(noise, given, SHARES)
        loss.backward()
        optimizer.step()
        found.append(loss.item())

    assert found[0] > 1.0
    assert found[-1] == pytest.approx(0.0, abs=1e-3)
    made = head(_noise(head), torch.zeros(4000, 1)).detach()
    assert made.mean(0)[1].item() == pytest.approx(0.3, abs=0.04)


def test_a_chained_head_learns_how_attributes_go_together() -> None:
    """By likelihood alone; what it makes has the shares of pairs, and its surprise is exact."""
    torch.manual_seed(0)
    head = Head((2, 3), given=1, chained=True)
    joint = torch.tensor([[0.3, 0.05, 0.15], [0.0, 0.45, 0.05]])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    rows = torch.multinomial(
        joint.flatten(), 4000, True, generator=torch.Generator().manual_seed(2)
    )
    made = torch.cat([torch.eye(2)[rows // 3], torch.eye(3)[rows % 3]], 1)
    for _ in range(400):
        optimizer.zero_grad()
        head.surprise(made, torch.zeros(4000, 1)).mean().backward()
        optimizer.step()
    drawn = head(_noise(head), torch.zeros(4000, 1)).detach()
    shares = (drawn[:, :2, None] * drawn[:, None, 2:]).mean(0)
    cells = torch.cat([torch.eye(2).repeat_interleave(3, 0), torch.eye(3).repeat(2, 1)], 1)
    likely = torch.exp(-head.surprise(cells, torch.zeros(6, 1))).detach()

    assert shares.numpy() == pytest.approx(joint.numpy(), abs=0.04)
    assert likely.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert likely.numpy() == pytest.approx(joint.flatten().numpy(), abs=0.03)


def test_a_head_without_blocks_makes_nothing() -> None:
    """Where all attributes are conditions."""
    head = Head((), given=3)

    assert head(torch.zeros(5, 0), torch.zeros(5, 3)).shape == (5, 0)
    assert head.surprise(torch.zeros(5, 0), torch.zeros(5, 3)).sum().item() == 0
