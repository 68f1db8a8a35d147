"""Networks for sounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genaudit.data.schema import Column, Kind
from genaudit.data.spoken import spoken
from genaudit.modalities.audio.codec import AudioCodec, codec
from genaudit.modalities.audio.nets import AudioNets, nets
from genaudit.modalities.codec import nets_of

CODEC = codec(Column(name="audio", kind=Kind.AUDIO, rate=8000, max_length=4800))


def _records(of: AudioNets, n: int = 6) -> torch.Tensor:
    codes = CODEC.encode(spoken(n, seed=1)["audio"].to_numpy())
    return of.records(torch.as_tensor(codes))


def _attributes(n: int, width: int) -> torch.Tensor:
    return torch.eye(max(width, 1))[torch.arange(n) % max(width, 1)][:, :width]


@pytest.mark.parametrize("width", [0, 3])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("n", [0, 6])
def test_networks_take_any_number_of_rows(n: int, recurrent: bool, width: int) -> None:
    """No sound or several, with attributes or without: the shapes that the protocol names."""
    of = nets_of(CODEC, width, recurrent=recurrent, hidden=8, latent=4)
    records, attributes = _records(of)[:n], _attributes(n, width)
    generator, decoder = of.generator(), of.decoder()
    rng = torch.Generator().manual_seed(0)

    made = generator(generator.noise(n, rng), attributes)
    logits = of.discriminator()(records, attributes)

    assert made.shape == records.shape == (n, of.width)
    assert logits.shape == of.scored(records).shape == (n, 38 if recurrent else 1)
    torch.testing.assert_close(of.scored(records).sum(1), torch.ones(n))
    assert of.encoder()(records, attributes).shape == (n, 8)
    assert decoder.make(decoder.noise(n, rng), attributes).shape == (n, of.width)
    assert decoder.surprise(torch.zeros(n, 4), attributes, records).shape == (n,)
    assert generator.surprise(records, attributes).shape == (n,)
    assert of.summary(records).norm(dim=1).le(of.summary_bound).all()
    assert of.n_bytes(64) > 0


@pytest.mark.parametrize("recurrent", [False, True])
def test_rows_do_not_influence_each_other(recurrent: bool) -> None:
    """Each network says the same of a sound alone and among others."""
    of = nets(CODEC, 3, recurrent=recurrent, hidden=8, latent=4)
    records, attributes = _records(of), _attributes(6, 3)
    generator, decoder = of.generator(), of.decoder()
    noise = generator.noise(6, torch.Generator().manual_seed(0))
    latent = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    networks = (
        (of.discriminator(), (records, attributes)),
        (of.encoder(), (records, attributes)),
        (generator, (noise, attributes)),
        (generator.surprise, (records, attributes)),
        (decoder.surprise, (latent, attributes, records)),
    )
    for network, inputs in networks:
        alone = network(*(i[2:3] for i in inputs))
        torch.testing.assert_close(network(*inputs)[2:3], alone, rtol=1e-4, atol=1e-4)


def test_codes_come_back() -> None:
    """From flat records, and from what makers make: masks of 0 and 1, nothing beyond the end."""
    of = nets(CODEC, 0, hidden=8)
    codes = CODEC.encode(spoken(3)["audio"].to_numpy())
    back = of.codes(of.records(torch.as_tensor(codes)))

    np.testing.assert_array_equal(back.numpy(), codes)
    for maker in (of.generator(), of.decoder()):
        noise = maker.noise(5, torch.Generator().manual_seed(0))
        made = of.codes(maker.make(noise, torch.zeros(5, 0)).detach())
        mask = made[:, :, -1]
        assert ((mask == 0) | (mask == 1)).all()
        assert (mask[:, 0] == 1).all()
        assert (mask.diff(dim=1) <= 0).all()
        assert (made[:, :, :-1][mask == 0] == 0).all()
        assert made.abs().max() <= 1
        again = of.codes(maker.make(noise, torch.zeros(5, 0)).detach())
        torch.testing.assert_close(made, again, rtol=0, atol=0)


@pytest.mark.parametrize("maker", ["generator", "decoder"])
def test_a_fresh_maker_begins_at_the_mean(maker: str) -> None:
    """Lengths and, over fresh weights, loudness are near those of the records it is told of."""
    gaps = []
    for seed in range(5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            of = nets(CODEC, 0, hidden=16)
            records = _records(of, 60)
            fresh = getattr(of, maker)()
        of.start_at(fresh, of.summary(records).mean(0))
        made = fresh.make(fresh.noise(200, torch.Generator().manual_seed(0)), torch.zeros(200, 0))

        wanted, found = (of.started(of.summary(r.detach()).mean(0)) for r in (records, made))
        steps = torch.arange(of.steps, dtype=torch.float32)
        assert abs(wanted[0] @ steps - found[0] @ steps) < 2
        gaps.append(float((wanted[1].mean(0) - found[1].mean(0)).abs().mean()))
    assert np.mean(gaps) < 0.15


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_generator_learns_what_attributes_foretell(recurrent: bool) -> None:
    """A warm start makes records likelier; a gradient reaches it through the discriminator too."""
    torch.manual_seed(0)
    of = nets(CODEC, 3, recurrent=recurrent, hidden=16)
    records, attributes = _records(of, 20), _attributes(20, 3)
    generator, judge = of.generator(), of.discriminator()
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = generator.surprise(records, attributes).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    made = generator(generator.noise(20, torch.Generator().manual_seed(0)), attributes)
    grads = torch.autograd.grad(judge(made, attributes).sum(), list(generator.parameters()))

    assert losses[-1] < losses[0] - 100
    assert all(torch.isfinite(grad).all() for grad in grads)


def test_widths_come_from_options() -> None:
    """The first of several hidden widths, and usual ones without any."""
    long = AudioCodec(CODEC.column, CODEC.frames, 32_000)

    assert nets(CODEC, 2, hidden=(24, 48)).hidden == 24
    assert nets(CODEC, 2).latent == 16
    assert nets(CODEC, 2).waves < nets(long, 2).waves <= 24
