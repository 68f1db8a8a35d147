"""Records that are wide are made a few at a time, and estimates hold what is made."""

from __future__ import annotations

import subprocess
import sys
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


#: Prints what a training was said to take and by how much the process grew, in MiB.
_GROWN = """
import re, sys, tempfile, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
import genaudit as ga
from genaudit.data.record import as_column
from genaudit.errors import OptionError
from genaudit.training import prepared

rng, size, batch = np.random.default_rng(0), [32, 32, 1], 256
pictures = [rng.integers(0, 255, size, dtype=np.uint8) for _ in range(2 * batch)]
schema = ga.Schema.from_dict({"rows": "public", "columns": {
    "face": {"kind": "image", "size": size},
    "side": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b"]}}})
frame = pd.DataFrame({"face": as_column(pictures), "side": rng.choice(["a", "b"], 2 * batch)})
budget = {"epsilon": 3, "delta": 1e-5} if sys.argv[1] == "private" else {}

def train():
    place = tempfile.mkdtemp() + "/ledger.sqlite"
    ga.train(frame, schema, model="gan", steps=3, batch_size=batch, hidden=(32,), ledger=place,
             **budget)

most, prepared.MAX_BYTES = prepared.MAX_BYTES, 1 << 25
try:
    train()
except OptionError as error:
    said = int(str(error).split("about ")[1].split()[0].replace(",", ""))
prepared.MAX_BYTES = most

def peak():  # of this process alone: getrusage counts that of the one that started it too
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

before = peak()
train()
print(said >> 20, (peak() - before) >> 10)
"""


@pytest.mark.slow
# Elsewhere nothing tells the peak of this process alone; CI runs on Linux and never skips it.
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
@pytest.mark.parametrize("regime", ["plain", "private"])
def test_an_estimate_is_about_what_is_taken(regime: str) -> None:
    """A private step holds the gradients of all layers at once, and the estimate says so."""
    done = subprocess.run(
        [sys.executable, "-c", _GROWN, regime], capture_output=True, text=True, check=True
    )
    said, grown = map(int, done.stdout.split())

    assert grown < 1.4 * said + 100
    assert grown > said / 3
