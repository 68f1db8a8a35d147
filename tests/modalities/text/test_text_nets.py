"""Networks of texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from genaudit.data.schema import Column
from genaudit.errors import OptionError
from genaudit.modalities.codec import codec_of, nets_of
from genaudit.modalities.text import quality
from genaudit.modalities.text.nets import TextNets
from genaudit.models.base import Tuning
from genaudit.models.media.base import MediaReference
from genaudit.models.media.gan import MediaGan
from genaudit.models.media.vae import MediaVae
from genaudit.training import plain
from genaudit.training.dp import step
from genaudit.training.dp.unit import Units

#: Surnames and given names: what is made can be counted by eye.
CHINESE = np.array([a + b for a in "王李张刘" for b in ("伟", "芳", "秀英", "敏")] * 8, object)


def nets(recurrent: bool = True, **fields: Any) -> tuple[TextNets, Any]:
    declared = {"name": "t", "kind": "text", "alphabet": "abc", "max_length": 4, **fields}
    codec = codec_of(Column.model_validate(declared))
    return nets_of(codec, 2, recurrent=recurrent, hidden=8, latent=3), codec


def attributes(n: int) -> torch.Tensor:
    return functional.one_hot(torch.arange(n) % 2, 2).float()


def makers(recurrent: bool = True) -> dict[str, Any]:
    made, _ = nets(recurrent)
    return {"generator": made.generator(), "decoder": made.decoder()}


@pytest.mark.parametrize("recurrent", [True, False])
@pytest.mark.parametrize("part", ["generator", "decoder"])
def test_what_is_made_is_texts(recurrent: bool, part: str) -> None:
    """One-hot symbols, never empty, with nothing but ends after the first; noise decides it all."""
    torch.manual_seed(0)
    made, codec = nets(recurrent)
    maker = makers(recurrent)[part]
    noise = maker.noise(200, torch.Generator().manual_seed(1))

    records = maker.make(noise, attributes(200))

    assert records.shape == (200, made.width)
    codes = made.codes(records)
    np.testing.assert_array_equal(made.records(codes), records)
    texts = codec.decode(codes.numpy())
    np.testing.assert_array_equal(codec.encode(texts), codes)
    np.testing.assert_array_equal(maker.make(noise, attributes(200)), records)
    assert maker.make(noise[:0], attributes(0)).shape == (0, made.width)


@pytest.mark.parametrize("part", ["generator", "decoder"])
def test_the_likelihood_is_that_of_what_is_written(part: str) -> None:
    """Over all texts it sums to one, and it tells how often each of them is written."""
    torch.manual_seed(0)
    made, codec = nets(alphabet="ab", max_length=2)
    maker = made.generator() if part == "generator" else made.decoder()
    with torch.no_grad():
        for weights in maker.parameters():
            weights.mul_(3)
    texts = np.array(["a", "b", "aa", "ab", "ba", "bb"], object)
    records = made.records(torch.as_tensor(codec.encode(texts)))
    given, latent = attributes(1).expand(6, -1), torch.full((6, 3), 0.5)

    inputs = (records, given) if part == "generator" else (latent, given, records)
    shares = torch.exp(-maker.surprise(*inputs)).detach()
    noise = maker.noise(20_000, torch.Generator().manual_seed(1))
    if part == "decoder":
        noise[:, :3] = 0.5
    written = codec.decode(made.codes(maker.make(noise, given[:1].expand(20_000, -1))).numpy())

    assert shares.sum() == pytest.approx(1, abs=1e-5)
    for text, share in zip(texts, shares, strict=True):
        assert np.mean(written == text) == pytest.approx(float(share), abs=0.015)


def test_a_low_temperature_writes_the_likeliest() -> None:
    """Fewer texts differ, and they are likelier."""
    torch.manual_seed(0)
    made, codec = nets()
    maker = made.generator()
    with torch.no_grad():
        maker.writer.out.weight.mul_(10)
    noise = maker.noise(300, torch.Generator().manual_seed(1))

    cold, warm = (maker.make(noise, attributes(300), t) for t in (0.2, 1.0))

    assert len(set(codec.decode(made.codes(cold).numpy()))) < len(
        set(codec.decode(made.codes(warm).numpy()))
    )
    assert maker.surprise(cold, attributes(300)).mean() < maker.surprise(
        warm, attributes(300)
    ).mean()  # fmt: skip


@pytest.mark.parametrize("recurrent", [True, False])
def test_gradients_flow_through_what_is_made(recurrent: bool) -> None:
    """Every weight of a generator hears of the discriminator."""
    torch.manual_seed(0)
    made, _ = nets(recurrent)
    generator, discriminator = made.generator(), made.discriminator()
    noise = generator.noise(50, torch.Generator().manual_seed(1))

    records = generator(noise, attributes(50))
    discriminator(records, attributes(50)).sum().backward()

    np.testing.assert_allclose(records.detach(), generator.make(noise, attributes(50)), atol=1e-6)
    for name, weights in generator.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().sum() > 0, name


@pytest.mark.parametrize("recurrent", [True, False])
def test_a_fresh_maker_starts_at_the_summary(recurrent: bool) -> None:
    """Letters and lengths of what it makes are roughly those of the texts."""
    torch.manual_seed(0)
    made, codec = nets(recurrent, max_length=8)
    texts = np.array(["aab", "aaab", "abaa"] * 50, object)
    summary = made.summary(made.records(torch.as_tensor(codec.encode(texts))))
    maker = made.generator()

    made.start_at(maker, summary.mean(0))
    noise = maker.noise(500, torch.Generator().manual_seed(1))
    written = codec.decode(made.codes(maker.make(noise, attributes(500))).numpy())

    assert summary.norm(dim=1).max() <= made.summary_bound + 1e-6
    assert 2.0 < np.mean([len(text) for text in written]) < 6.0
    assert quality.divergence(list(written), list(texts), 1) < 0.12


@pytest.mark.parametrize("part", ["discriminator", "encoder", "warm", "decoder"])
def test_rows_do_not_meet(part: str) -> None:
    """Each row gives the same alone, in a batch, and beside none."""
    torch.manual_seed(0)
    made, codec = nets()
    texts = np.array(["a", "abca", "cc"], object)
    records, given = made.records(torch.as_tensor(codec.encode(texts))), attributes(3)
    latent = torch.randn(3, 3)
    runs: dict[str, Callable[[slice], torch.Tensor]] = {
        "discriminator": lambda s, m=made.discriminator(): m(records[s], given[s]),
        "encoder": lambda s, m=made.encoder(): m(records[s], given[s]),
        "warm": lambda s, m=made.generator(): m.surprise(records[s], given[s]),
        "decoder": lambda s, m=made.decoder(): m.surprise(latent[s], given[s], records[s]),
    }
    run = runs[part]

    whole = run(slice(None))
    assert len(whole) == 3
    assert len(run(slice(0, 0))) == 0
    for i in range(3):
        torch.testing.assert_close(run(slice(i, i + 1))[0], whole[i])


def test_what_cannot_be_held_is_refused() -> None:
    """A long text of a large vocabulary: the estimate is in bytes, and comes before any tensor."""
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))
    made, _ = nets(alphabet=alphabet, max_length=64)
    made.check_size(32)
    with pytest.raises(OptionError, match=r"need about [\d,]{13,} bytes for batches of 10,000"):
        made.check_size(10_000)
    with pytest.raises(OptionError, match="declare a smaller alphabet"):
        nets(alphabet=alphabet, max_length=20_000)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("family", ["gan", "cgan", "vae"])
def test_chinese_names_train(family: str, private: bool) -> None:
    """Every family takes steps, in private too; a writer soon writes surnames first."""
    torch.manual_seed(0)
    alphabet = "".join(sorted(set("".join(CHINESE))))
    column = Column.model_validate(
        {"name": "t", "kind": "text", "alphabet": alphabet, "max_length": 3}
    )
    codec = codec_of(column)
    made = nets_of(codec, 1, recurrent=family == "cgan", hidden=24, latent=3)
    codes = torch.as_tensor(codec.encode(CHINESE))
    summary = made.summary(made.records(codes)).mean(0)
    reference = MediaReference(torch.ones(1, 1), torch.ones(1), (), summary)
    long = family != "gan" and not private
    tuning = Tuning(
        steps=150 if long else 4, n_fakes=8, learning_rate=1e-4, private_learning_rate=1e-2,
        warm_steps=148 if long else 2, warm_learning_rate=1e-2, average=0.9,
    )  # fmt: skip
    kind = MediaVae if family == "vae" else MediaGan
    model = kind(made, (), reference, tuning, torch.Generator().manual_seed(0))
    for phase in model.phases():
        take = _stepper(phase, made, codes, private)
        for _ in range(phase.steps):
            take()
            phase.public_step()

    noise = model.released.noise(100, torch.Generator().manual_seed(1))
    records, _ = model.released.make(noise, torch.ones(100, 1))
    texts = codec.decode(made.codes(records).numpy())

    assert set("".join(texts)) <= set(alphabet)
    if long:
        assert np.mean([text[0] in "王李张刘" for text in texts]) > 0.9


def _stepper(phase: Any, made: TextNets, codes: torch.Tensor, private: bool) -> Any:
    def batch(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return made.records(codes[rows]), torch.ones(len(rows), 1)

    if not private:
        return plain.stepper(phase, batch, len(codes), batch_size=32, seed=0, device="cpu")
    rows = np.arange(len(codes))[:, None]
    return step.stepper(
        phase, batch, Units(rows, np.ones_like(rows, dtype=bool)), sampling_rate=0.2,
        noise_multiplier=1.0, max_grad_norm=1.0, divisor=32, streams=step.Streams.of("cpu", seed=0),
    )  # fmt: skip
