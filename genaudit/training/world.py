"""Several processes at one training: who leads, and how they sum, share and compare.

Started by `torchrun`, over gloo. The leader (rank 0) alone writes the ledger, and no process reads
a record before the leader's charge is on disk. Nothing is pickled on the way.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from genaudit.errors import BudgetError, DataError, GenauditError, OptionError

#: How long a process waits for the others before it gives up.
_PATIENCE = dt.timedelta(minutes=10)


@dataclass(frozen=True)
class World:
    """The processes of a training. rank: of this one, 0 leads. size: how many there are."""

    rank: int = 0
    size: int = 1

    @classmethod
    def of_environment(cls) -> World:
        """The processes that `torchrun` started this one with; else this one alone.

        Raises:
            OptionError: the others cannot be reached.
        """
        size = os.environ.get("WORLD_SIZE", "1")
        if not size.isdecimal() or int(size) < 1:
            raise OptionError(
                f"Expected WORLD_SIZE as the number of processes, got {size!r}; start them with "
                "torchrun, or unset it."
            )
        if int(size) < 2:
            if os.environ.get("RANK", "0") != "0":
                raise OptionError(
                    f"Expected RANK with a WORLD_SIZE beyond it, got RANK={os.environ['RANK']!r} "
                    "for one process; start all of them with torchrun, or unset RANK."
                )
            return cls()
        if not distributed.is_initialized():
            try:
                distributed.init_process_group("gloo", timeout=_PATIENCE)
            except (RuntimeError, ValueError) as error:
                raise OptionError(
                    f"Expected the processes that torchrun starts, got: {error}. Start all of "
                    "them, or unset WORLD_SIZE."
                ) from error
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this process writes ledger, checkpoints and model."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            with _together():
                distributed.barrier()

    def mine(self, n: int) -> slice:
        """This process's share of n things: every one belongs to one process."""
        return slice(self.rank, n, self.size)

    def share(self, content: bytes = b"") -> bytes:
        """The leader's bytes, in every process."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        with _together():
            distributed.broadcast(length, 0)
            buffer = torch.zeros(int(length), dtype=torch.uint8)
            if self.leads:
                buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            if len(buffer):
                distributed.broadcast(buffer, 0)
        return buffer.numpy().tobytes()

    def share_number(self, number: int = 0) -> int:
        """The leader's number, in every process."""
        return int.from_bytes(self.share(number.to_bytes(8, "little")), "little")

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put the sum over all processes into each tensor; the same bits in every process."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors]).cpu()
        with _together():
            distributed.reduce(flat, 0)
            distributed.broadcast(flat, 0)
        start = 0
        for t in tensors:
            t.copy_(flat[start : start + t.numel()].view_as(t))
            start += t.numel()

    def digests(self, content: Iterable[bytes]) -> list[bytes]:
        """SHA-256 of each process's content, by rank."""
        hashed = hashlib.sha256()
        for part in content:
            hashed.update(part)
        mine = torch.frombuffer(bytearray(hashed.digest()), dtype=torch.uint8)
        if self.size == 1:
            return [hashed.digest()]
        found = [torch.zeros_like(mine) for _ in range(self.size)]
        with _together():
            distributed.all_gather(found, mine)
        return [f.numpy().tobytes() for f in found]

    def check_same(self, modules: Iterable[torch.nn.Module]) -> None:
        """Refuse to go on where weights differ between processes.

        Raises:
            BudgetError: they do.
        """
        if self.size == 1:
            return
        content = (p.detach().cpu().numpy().tobytes() for m in modules for p in m.parameters())
        if len(set(self.digests(content))) > 1:
            raise BudgetError(
                "The weights of the processes of this training differ, so they do not train one "
                "model; what was charged stays charged. Start it again, on equal machines."
            )

    def check_records(self, content: bytes) -> None:
        """Refuse processes that read different records: their shares would overlap.

        Args:
            content: Of all records, in order.

        Raises:
            DataError: they differ between processes.
        """
        if len(set(self.digests([content]))) > 1:
            raise DataError(
                "Expected every process of this training to read the same records, got different "
                "ones; give all of them one file. Nothing was trained."
            )

    def check_apart(self, streams: Iterable[bytes]) -> None:
        """Refuse processes that would draw the same noise or batches.

        Args:
            streams: Where each of this process's streams started, in the same order everywhere.

        Raises:
            OptionError: one of them started in the same state in two processes.
        """
        if any(len(set(self.digests([start]))) < self.size for start in streams):
            raise OptionError(
                "Two processes of this training draw from equally seeded streams, so their batches "
                "would be the same ones; give each its own."
            )


#: A training in one process.
ALONE = World()


@contextmanager
def _together() -> Iterator[None]:
    """One sentence where another process has gone."""
    try:
        yield
    except RuntimeError as error:
        raise GenauditError(
            "Another process of this training has ended, so this one ends too; what was charged "
            "stays charged."
        ) from error
