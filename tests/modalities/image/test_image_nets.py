"""Networks of images: every size, no row beside another, gradients that can be clipped."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genaudit.data.schema import Column
from genaudit.errors import OptionError
from genaudit.modalities.codec import codec_of, nets_of
from genaudit.modalities.image.nets import ImageNets
from genaudit.models.base import Tuning
from genaudit.models.media.base import MediaReference
from genaudit.models.media.gan import MediaGan
from genaudit.models.media.vae import MediaVae
from genaudit.training.dp.step import PrivateStep

SIZES = [(8, 8, 1), (9, 13, 3), (28, 28, 1), (64, 64, 3), (8, 64, 1)]


def _nets(size: tuple[int, int, int], attributes: int = 3) -> ImageNets:
    found: ImageNets = nets_of(
        codec_of(Column(name="x", kind="image", size=size)), attributes, hidden=4, latent=3
    )
    return found


def _codes(size: tuple[int, int, int], n: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.as_tensor(rng.integers(0, 256, (n, *size), dtype=np.uint8))


def _one_hot(n: int) -> torch.Tensor:
    return torch.eye(3)[torch.arange(n) % 3]


@pytest.mark.parametrize("size", SIZES)
def test_records_are_pixels_and_come_back(size: tuple[int, int, int]) -> None:
    """Codes to records to codes is as it was, and records lie from 0 to 1."""
    nets, codes = _nets(size), _codes(size, 3)

    records = nets.records(codes)

    assert records.shape == (3, nets.width)
    assert 0 <= float(records.min()) <= float(records.max()) <= 1
    assert (nets.codes(records) == codes).all()


@pytest.mark.parametrize("attributes", [0, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n", [0, 2])
def test_shapes(size: tuple[int, int, int], attributes: int, n: int) -> None:
    """Each network takes any number of rows, with attributes or none."""
    nets = _nets(size, attributes)
    records, given = nets.records(_codes(size, n)), _one_hot(n)[:, :attributes]
    maker, decoder = nets.generator(), nets.decoder()
    noise = maker.noise(n, torch.Generator().manual_seed(0))

    made = maker(noise, given)

    assert made.shape == maker.make(noise, given).shape == records.shape
    assert nets.codes(made).shape == (n, *size)
    assert nets.discriminator()(records, given).shape == nets.scored(records).shape == (n, 1)
    assert nets.encoder()(records, given).shape == (n, 2 * nets.latent)
    assert decoder.surprise(noise, given, records).shape == (n,)
    assert decoder.make(noise, given).shape == records.shape


@pytest.mark.parametrize("size", SIZES[:2])
def test_rows_do_not_influence_each_other(size: tuple[int, int, int]) -> None:
    """A row beside others comes out as it does alone."""
    nets = _nets(size)
    records, given, noise = nets.records(_codes(size, 4)), _one_hot(4), torch.randn(4, 3)
    for module, inputs in (
        (nets.generator(), (noise, given)), (nets.discriminator(), (records, given)),
        (nets.encoder(), (records, given)), (nets.decoder(), (noise, given)),
    ):  # fmt: skip
        alone = torch.cat([module(*(x[i : i + 1] for x in inputs)) for i in range(4)])
        torch.testing.assert_close(module(*inputs), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_a_summary_is_within_its_bound(size: tuple[int, int, int]) -> None:
    """White images have the largest summary, which is the bound."""
    nets = _nets(size)

    most = nets.summary(torch.ones(2, nets.width))

    torch.testing.assert_close(most.norm(dim=1), torch.full((2,), nets.summary_bound))
    assert float(nets.summary(nets.records(_codes(size, 5))).norm(dim=1).max()) < nets.summary_bound


@pytest.mark.parametrize("half", ["generator", "decoder"])
def test_a_maker_starts_at_the_mean_summary(half: str) -> None:
    """Made images begin near the mean image, black or white pixels too."""
    nets = _nets((28, 28, 1))
    torch.manual_seed(0)
    maker = getattr(nets, half)()
    summary = torch.linspace(0, 1, nets.summary(torch.zeros(1, nets.width)).shape[1])

    nets.start_at(maker, summary)
    with torch.no_grad():
        made = maker.make(torch.randn(64, 3), _one_hot(64))

    assert float((nets.summary(made).mean(0) - summary).abs().max()) < 0.12


def test_memory_grows_with_the_batch_and_sizes_are_refused() -> None:
    """The estimate is of the right order; sides that no network has are an error."""
    nets = _nets((64, 64, 3))
    assert nets.n_bytes(10) < nets.n_bytes(1000) < 2**31
    with pytest.raises(OptionError, match="got 100x100"):
        _nets((100, 100, 3))


def _tuned(family: type[MediaGan] | type[MediaVae], nets: ImageNets) -> MediaGan | MediaVae:
    reference = MediaReference(
        torch.eye(3), torch.full((3,), 1 / 3), (), nets.summary(torch.full((1, nets.width), 0.5))[0]
    )
    tuning = Tuning(steps=1, n_fakes=2, learning_rate=1e-3, private_learning_rate=1e-3)
    return family(nets, (), reference, tuning, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", [MediaGan, MediaVae])
def test_gradients_of_each_row_are_those_of_autograd(
    family: type[MediaGan] | type[MediaVae],
) -> None:
    """What clips gradients reads every layer here."""
    torch.manual_seed(0)
    nets = _nets((9, 8, 3))
    tuned = _tuned(family, nets)
    phase = tuned.phases()[-1]
    records, given = nets.records(_codes((9, 8, 3), 3)), _one_hot(3)
    rows = phase.rows(records, given, torch.Generator().manual_seed(0))

    parameters = list(phase.private.parameters())
    wanted = [
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, retain_graph=True)])
        for loss in phase.losses(*rows)
    ]
    step = PrivateStep(phase, noise_multiplier=0.0, max_grad_norm=1.0, divisor=3,
                       noise=torch.Generator())  # fmt: skip
    found = step.per_sample_grads(rows)
    step.close()

    torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-3, atol=1e-5)
    assert math.isfinite(float(found.norm()))
