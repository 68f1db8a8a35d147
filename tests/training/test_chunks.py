"""Records that are wide are made a few at a time, and estimates hold what is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import genaudit as ga
from genaudit.data.schema import Column, Kind
from genaudit.errors import OptionError
from genaudit.modalities import nets as nets_module
from genaudit.modalities.codec import codec_of, nets_of
from genaudit.modalities.nets import CHUNK_BYTES, Maker, chunk_of
from genaudit.training import prepared
from tests import tiny

MEDIA = ("image", "sequence", "audio", "text")


def texts(alphabet: int, longest: int) -> Any:
    """Networks of texts out of so many characters."""
    letters = "".join(chr(0x4E00 + i) for i in range(alphabet))
    column = Column(name="t", kind=Kind.TEXT, alphabet=letters, max_length=longest)
    return nets_of(codec_of(column), 2, hidden=8, latent=16)


def trained(kind: str) -> Any:
    return ga.train(
        tiny.frame_of(kind), tiny.schema_of(kind), model="vae", steps=2, hidden=(8,), batch_size=8
    )


def test_only_wide_records_are_fewer() -> None:
    """Names and long lines are made 256 at a time; of thousands of symbols what fits is."""
    wide = texts(6000, 200)

    assert chunk_of(texts(27, 11)) == chunk_of(texts(100, 300)) == 256
    assert chunk_of(wide) == 32
    assert wide.made_bytes(chunk_of(wide)) <= CHUNK_BYTES


def test_a_record_that_is_wider_than_all_is_made_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is never empty."""
    monkeypatch.setattr(nets_module, "CHUNK_BYTES", 1)

    assert chunk_of(texts(27, 11)) == 1


@pytest.mark.parametrize("kind", MEDIA)
def test_small_chunks_make_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples and live quality are those of larger chunks, as they get the same noise."""
    before = trained(kind)
    wanted, drawn = before.sample(40, seed=1), []
    each = nets_of(codec_of(before.schema.record), 4, hidden=8, latent=16).made_bytes(1)
    noise = Maker.noise

    def seen(self: Maker, n: int, rng: torch.Generator) -> torch.Tensor:
        drawn.append(n)
        return noise(self, n, rng)

    monkeypatch.setattr(nets_module, "CHUNK_BYTES", 20 * each)
    monkeypatch.setattr(Maker, "noise", seen)
    after = trained(kind)
    made = after.sample(40, seed=1)

    assert set(drawn) == {16, 8}  # of 256 and of 40
    for one, other in zip(wanted.media, made.media, strict=True):
        if kind == "text":
            assert one == other
        else:  # sums of other batches may be rounded in another way
            np.testing.assert_allclose(one, other, atol=1 if kind == "image" else 1e-3)
    for one, other in zip(before.history, after.history, strict=True):
        assert one == pytest.approx(other)


def test_an_estimate_holds_what_live_quality_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of one is small, but 256 records are made to look at."""
    schema = tiny.schema_of("text")
    each = nets_of(codec_of(schema.record), 4, hidden=8, latent=16)
    allowed = each.made_bytes(256) - 1
    assert each.n_bytes(2) < allowed

    monkeypatch.setattr(prepared, "MAX_BYTES", allowed)
    with pytest.raises(OptionError, match=r"need about [\d,]+ bytes"):
        ga.train(
            tiny.frame_of("text"), schema, model="vae", steps=2, hidden=(8,), latent=16,
            batch_size=1,
        )  # fmt: skip
