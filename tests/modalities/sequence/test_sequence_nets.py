"""Networks of series: one row never moves another, and what is drawn has the stated likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from genaudit.data.record import canonical
from genaudit.modalities.codec import codec_of, nets_of
from genaudit.modalities.sequence.nets import SequenceNets
from genaudit.modalities.sequence.steps import Lengths, Steps, relative
from tests.modalities.sequence.made import COLUMN, walks

CODEC = codec_of(COLUMN)
RECURRENT: SequenceNets = nets_of(CODEC, 3, recurrent=True, hidden=(8,), latent=4)
WHOLE: SequenceNets = nets_of(CODEC, 3, hidden=8, latent=4)
ALL = (RECURRENT, WHOLE, replace(RECURRENT, scaled=False), replace(RECURRENT, attributes=0))


def rows(nets: SequenceNets, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    records = nets.records(torch.from_numpy(CODEC.encode(walks(n))))
    return records, torch.eye(3)[torch.arange(n) % 3][:, : nets.attributes]


@pytest.mark.parametrize("nets", ALL)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_shapes(nets: SequenceNets, n: int) -> None:
    """Every network takes any number of rows, none included, with attributes or without."""
    torch.manual_seed(0)
    records, attributes = rows(nets, n)
    generator, decoder = nets.generator(), nets.decoder()
    rng = torch.Generator().manual_seed(1)

    assert nets.codes(records).shape == (n, 8, 3)
    assert generator(generator.noise(n, rng), attributes).shape == (n, nets.width)
    made = decoder.make(decoder.noise(n, rng), attributes)
    assert made.shape == (n, nets.width)
    assert nets.encoder()(records, attributes).shape == (n, 8)
    assert decoder.surprise(torch.zeros(n, 4), attributes, records).shape == (n,)
    logits = nets.discriminator()(records, attributes)
    assert logits.shape == nets.scored(records).shape == (n, 8 if nets.recurrent else 1)
    torch.testing.assert_close(nets.scored(records).sum(1), torch.ones(n))
    assert all(canonical(r, COLUMN) is not None for r in CODEC.decode(made.detach().numpy()
               .reshape(n, 8, 3)))  # fmt: skip


@pytest.mark.parametrize("nets", ALL)
def test_rows_stand_alone(nets: SequenceNets) -> None:
    """What comes out for a row is the same alone and among others; steps that are not weigh 0."""
    torch.manual_seed(0)
    records, attributes = rows(nets, 4)
    judge, decoder = nets.discriminator(), nets.decoder()
    latent = torch.randn(4, 4)

    torch.testing.assert_close(
        judge(records, attributes)[2:3], judge(records[2:3], attributes[2:3])
    )
    together = decoder.surprise(latent, attributes, records)
    alone = decoder.surprise(latent[2:3], attributes[2:3], records[2:3])
    torch.testing.assert_close(together[2:3], alone)
    if nets.recurrent:
        assert (nets.scored(records)[nets.codes(records)[:, :, -1] == 0] == 0).all()


@pytest.mark.parametrize("nets", ALL)
def test_what_is_made_follows_from_its_noise(nets: SequenceNets) -> None:
    """The same noise makes the same records, and gradients reach all weights of a generator."""
    torch.manual_seed(0)
    generator = nets.generator()
    noise = generator.noise(6, torch.Generator().manual_seed(3))
    attributes = rows(nets, 6)[1]

    made = generator.make(noise, attributes)
    assert torch.equal(made, generator.make(noise, attributes))
    mask = nets.codes(made)[:, :, -1]
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert (mask.diff(dim=1) <= 0).all()
    nets.discriminator()(generator(noise, attributes), attributes).sum().backward()
    assert all(p.grad is not None for p in generator.parameters())


def test_a_generator_starts_at_the_summary() -> None:
    """Lengths and levels of a fresh maker are those of the records, and the bound holds."""
    torch.manual_seed(0)
    records, _ = rows(RECURRENT, 400)
    summaries = RECURRENT.summary(records)
    assert summaries.norm(dim=1).max() <= RECURRENT.summary_bound

    generator = RECURRENT.generator()
    RECURRENT.start_at(generator, summaries.mean(0))
    attributes = torch.zeros(2000, 3)
    made = generator.make(generator.noise(2000, torch.Generator().manual_seed(0)), attributes)

    shares = [np.bincount(nets_lengths(r), minlength=9) / len(r) for r in (records, made)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.1
    # A summary of zeros, as from noise alone, is a start too.
    RECURRENT.start_at(generator, torch.zeros_like(summaries[0]))
    assert all(torch.isfinite(p).all() for p in generator.parameters())


def nets_lengths(records: torch.Tensor) -> np.ndarray:
    return RECURRENT.codes(records)[:, :, -1].sum(1).long().numpy()


def test_the_likelihood_is_one() -> None:
    """The density of one step adds up to 1 over all values, and of lengths over all lengths."""
    torch.manual_seed(0)
    steps = Steps(1, 2, 1, 4)
    axis = torch.linspace(-12, 12, 241)
    values = torch.cartesian_prod(axis, axis)[:, None]
    ones = torch.ones(len(values), 1)

    with torch.no_grad():
        total = torch.exp(-steps.surprise(ones, values, ones)).sum() * 0.1**2
    assert float(total) == pytest.approx(1, abs=1e-3)
    lengths = Lengths(4, 1)
    masks = torch.tril(torch.ones(4, 4))
    with torch.no_grad():
        shares = torch.exp(-lengths.surprise(torch.ones(4, 1), masks))
    assert float(shares.sum()) == pytest.approx(1)


def test_draws_are_those_of_the_likelihood() -> None:
    """Draws surprise as much as the density says they should: the entropy by both is the same."""
    torch.manual_seed(0)
    steps = Steps(3, 2, 1, 4)
    with torch.no_grad():
        assert steps.ties.below is not None
        steps.ties.below.bias.fill_(0.8)
    ones, mask = torch.ones(20_000, 1), torch.ones(20_000, 3)
    noise = torch.randn(20_000, steps.noise_width, generator=torch.Generator().manual_seed(1))
    far = torch.full((20_000, 2), 50.0)
    with torch.no_grad():
        drawn = steps.draw(ones, mask, noise, -far, far)
        weight = steps.surprise(ones, drawn + 0.3, mask) - steps.surprise(ones, drawn, mask)

    # The mean of a likelihood ratio is 1 where draws have the density that it is divided by.
    assert float(torch.exp(-weight).mean()) == pytest.approx(1, abs=0.05)
    correlation = np.corrcoef(drawn[:, 0].T.numpy())[0, 1]
    assert correlation > 0.3


def test_relative_to_itself() -> None:
    """A series relative to itself reaches from -1 to 1 over its own steps, and 0 beyond them."""
    x = torch.tensor([[[1.0], [3.0], [9.0]], [[2.0], [2.0], [2.0]]])
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    shape, middle, half = relative(x, mask)

    assert shape[0].flatten().tolist() == [-1, 1, 0]
    assert shape[1].flatten().tolist() == [0, 0, 0]
    assert (middle[0].item(), half[0].item()) == (2, 1)


def test_memory_is_estimated() -> None:
    """More records in a batch need more memory."""
    assert 0 < RECURRENT.n_bytes(10) < RECURRENT.n_bytes(100)
