"""What turns the records of a modality into numbers of one shape and back: by what is declared."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import numpy as np

from genaudit.data.schema import Column, Kind

#: Kind of a record -> the folder of its modality below `genaudit.modalities`.
FOLDERS: dict[Kind, str] = {
    Kind.IMAGE: "image", Kind.SEQUENCE: "sequence", Kind.AUDIO: "audio", Kind.TEXT: "text",
}  # fmt: skip


class Codec(Protocol):
    """Records as codes, arrays of one shape, and back; it follows from the column alone."""

    column: Column

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Codes, shape (n, ...), of records, an array of objects of shape (n,)."""

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Records in canonical form, an array of objects of shape (n,), from made codes."""

    def n_bytes(self, n: int) -> int:
        """Memory that the codes of n records take."""

    def decoded_bytes(self, n: int) -> int:
        """Memory that decoding n codes takes at most, the records included."""


def codec_of(column: Column) -> Codec:
    """The codec of a column of records that is wholly declared."""
    module = import_module(f"genaudit.modalities.{FOLDERS[column.kind]}.codec")
    found: Codec = module.codec(column)
    return found


def nets_of(codec: Codec, attributes: int, **options: Any) -> Any:
    """The networks for a codec (`modalities.nets.MediaNets`); this loads torch.

    Args:
        codec: Of the records.
        attributes: Width of their one-hot attributes.
        options: `recurrent` (whether GAN networks are), `hidden`, `latent`.
    """
    module = import_module(f"genaudit.modalities.{FOLDERS[codec.column.kind]}.nets")
    return module.nets(codec, attributes, **options)
