"""Images, series, sounds and texts out of trained networks: attributes first, then the record.

What is wanted of the attributes is waited for before any record is made, so that waiting is cheap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from genaudit.data import record
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.codec import Codec
from genaudit.modalities.nets import MediaNets, chunk_of
from genaudit.modalities.table.layout import Layout
from genaudit.modalities.table.nets import one_hot
from genaudit.models.media.base import Whole
from genaudit.models.sampling import TRIES, BaseSampler, Wanted, drawn
from genaudit.models.threads import one_thread

#: Attributes made at a time: part of the promise that a seed gives the same samples.
_ATTRIBUTES = 8192

#: Memory that attributes of one record take, beside the record.
_BESIDE = 2000


class MediaSampler(BaseSampler):
    """Trained networks with all that turns what they make into records.

    whole: on the CPU. decodes: whether its maker is a decoder. options: of the networks.
    """

    def __init__(
        self, schema: Schema, layout: Layout, codec: Codec, nets: MediaNets, whole: Whole,
        weights: np.ndarray, *, decodes: bool, options: dict[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(schema, layout, weights)
        self.codec, self.nets, self.whole = codec, nets, whole.eval().requires_grad_(False)
        self.decodes, self.options = decodes, options
        self.has_temperature = schema.modality == "text"

    def n_bytes(self, n: int) -> int:
        """Memory that n records take while they are made."""
        on_their_way = self.nets.made_bytes(min(n, chunk_of(self.nets)))
        return self.codec.decoded_bytes(n) + _BESIDE * n + on_their_way

    def made(
        self, n: int, weights: np.ndarray, rng: np.random.Generator, temperature: float
    ) -> Dataset:
        """Records of conditions drawn by `weights`."""
        parts = [
            self._attributes(min(_ATTRIBUTES, n - start), weights, rng)
            for start in range(0, max(n, 1), _ATTRIBUTES)
        ]
        frame = pd.concat([frame for frame, _ in parts], ignore_index=True)
        attributes = torch.cat([coded for _, coded in parts])
        return self._whole(frame, attributes, rng, temperature)

    def matching(
        self, n: int, wanted: list[Wanted], weights: np.ndarray, rng: np.random.Generator,
        temperature: float,
    ) -> tuple[Dataset, int]:  # fmt: skip
        """Draw attributes until n have what is wanted, or too many have not; then make records."""
        frames, coded, found, tried = [], [], 0, 0
        budget = max(_ATTRIBUTES, TRIES * n)
        while not tried or (found < n and tried < budget):
            frame, attributes = self._attributes(min(_ATTRIBUTES, budget - tried), weights, rng)
            fits = np.flatnonzero(np.logical_and.reduce([w.holds(frame) for w in wanted]))
            frames.append(frame.iloc[fits])
            coded.append(attributes[torch.as_tensor(fits)])
            tried, found = tried + len(frame), found + len(fits)
        frame = pd.concat(frames, ignore_index=True).head(n)
        return self._whole(frame, torch.cat(coded)[:n], rng, temperature), tried

    @torch.no_grad()
    def _attributes(
        self, n: int, weights: np.ndarray, rng: np.random.Generator
    ) -> tuple[pd.DataFrame, torch.Tensor]:
        """Attributes of n records as columns, and one-hot as networks take them."""
        joint = drawn(weights.cumsum()[None], np.zeros(n, dtype=np.int64), rng)
        given = one_hot(torch.as_tensor(self.layout.cells[joint]), self.layout.given_sizes)
        head = self.whole.head
        made = head(torch.randn(n, head.noise_width, generator=_torch(rng)), given)
        blocks = torch.split(made, list(self.layout.blocks), 1) if self.layout.blocks else ()
        digits = np.empty((n, len(blocks)), dtype=np.int64)
        for j, block in enumerate(blocks):
            digits[:, j] = block.argmax(1).numpy()
        cells = self.layout.join(digits, joint, rng)
        frame = self.layout.grid.decode(cells, self.schema, rng).frame
        return frame, torch.cat([made, given], 1)

    @torch.no_grad()
    def _whole(
        self, frame: pd.DataFrame, attributes: torch.Tensor, rng: np.random.Generator, heat: float
    ) -> Dataset:
        """The records that have these attributes."""
        source, maker = _torch(rng), self.whole.maker
        made = [np.empty(0, dtype=object)]
        # Sums over several threads may round in another way, and the same seed must say the same.
        with one_thread("cpu"):
            for part in torch.split(attributes, chunk_of(self.nets)) if len(frame) else ():
                noise = maker.noise(len(part), source)
                codes = self.nets.codes(maker.make(noise, part, heat))
                made.append(self.codec.decode(codes.numpy()))
        assert self.schema.record is not None
        name = self.schema.record.name
        return Dataset(self.schema, frame.assign(**{name: record.as_column(np.concatenate(made))}))


def _torch(rng: np.random.Generator) -> torch.Generator:
    """A stream of torch's that follows from the stream of NumPy."""
    return torch.Generator().manual_seed(int(rng.integers(0, 2**62)))
