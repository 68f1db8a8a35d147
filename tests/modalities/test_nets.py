"""Networks of tables: one-hot blocks made and read."""

from __future__ import annotations

import torch

from genaudit.modalities.table.nets import TableNets

NETS = TableNets((2, 3, 2), (), hidden=(4,), latent=2, gates=(None, None, 1))


def test_one_hot_with_an_empty_block() -> None:
    """A digit of -1 leaves its block empty, and an empty block is no surprise."""
    made = NETS.one_hot(torch.tensor([[1, 2, -1], [0, 1, 1]]))

    assert made.tolist() == [[0, 1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0, 1]]
    logits = torch.zeros(2, 7)
    far = logits.clone()
    far[:, 5:] = torch.tensor([9.0, -9.0])
    assert NETS.surprise(logits, made)[0] == NETS.surprise(far, made)[0]
    assert NETS.surprise(logits, made)[1] < NETS.surprise(far, made)[1]
