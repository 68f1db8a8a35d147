"""A checkpoint beside its subject: scores of an attacker who holds all networks, not samples alone.

A checkpoint is private: it holds what is never released, such as discriminator and encoder. Each
family gives the scores that its networks can give; higher = member, and those of a record depend on
it alone, but for draws that have a fixed seed.

Source: Hayes et al. 2019, LOGAN (white box); Chen et al. 2020, GAN-Leaks; Burda, Grosse,
Salakhutdinov 2016 (importance-weighted bound); Sablayrolles et al. 2019 (attacks on parameters).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import torch

from genaudit.data.canaries import Canaries, beside
from genaudit.data.dataset import Dataset
from genaudit.data.overlap import row_hashes
from genaudit.data.schema import Schema
from genaudit.errors import DataError, OptionError, SchemaError
from genaudit.ledger import PrivacyLedger
from genaudit.models.gan import Gan
from genaudit.models.media.gan import MediaGan
from genaudit.models.media.vae import MediaVae
from genaudit.models.store import Trained
from genaudit.models.threads import one_thread
from genaudit.models.vae import Vae
from genaudit.subject import Score, Subject
from genaudit.subjects.retrained import retrainer
from genaudit.training import checkpoint as checkpoints
from genaudit.training.checkpoint import Checkpoint
from genaudit.training.kinds import Work, work_of
from genaudit.training.prepared import Numbers, check_size, encoded

#: Records that are scored at a time.
_CHUNK = 256

#: Draws of the latent behind each bound of a VAE, and behind each of its gradients.
_DRAWS, _GRADIENTS = 16, 4

#: Keeps the logarithm of a gradient that vanishes finite.
_TINY = 1e-30

#: Records and their conditions as networks take them, and a source of draws -> scores, shape (n,).
Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Opened:
    """A checkpoint that was read: what it can say of records that are audited."""

    folder: Path
    found: Checkpoint

    @classmethod
    def read(cls, folder: Path, model: object = None) -> Opened:
        """The latest moment in a checkpoint folder.

        Args:
            folder: As `genaudit train --checkpoint` wrote it.
            model: The model that is audited beside it, if it is one of genaudit's own.

        Raises:
            DataError: there is none, it is unusable, or of another training than the model.
            IntegrityError: a file differs from its own digest.
        """
        opened = cls(folder, checkpoints.read(folder))
        if isinstance(model, Trained):
            opened._check_model(model)
        return opened

    @property
    def schema(self) -> Schema:
        """Of what it was trained on, with what was learned."""
        return self.found.basis.schema

    def check_rows(
        self, raw: pd.DataFrame, ledger: PrivacyLedger, planted: Canaries | None = None
    ) -> bool:
        """Refuse other rows than those that it was trained on; whether that could be told.

        Rows are known by a digest under the key of the ledger that the training was charged to;
        with another ledger nothing is told.

        Args:
            raw: Rows as a file holds them, with canaries among them or without.
            ledger: Of the training.
            planted: Canaries of the training; None = those whose coins lie beside it, if there are.

        Raises:
            DataError: these are other rows.
        """
        info = self.found.info
        if info.mark.id != ledger.mark().id:
            return False
        coins = beside(self.folder)
        if planted is None and coins.exists():
            planted = Canaries.read(coins)
        known = {entry.touch.digest for entry in ledger.entries(run=info.run)}
        for canaries in [None] if planted is None else [planted, None]:
            rows = self._hashes(raw, canaries)
            digest = None if rows is None else ledger.content_digest(np.sort(rows).tobytes())
            if digest in known or (
                rows is not None and info.content == ledger.content_digest(rows.tobytes())
            ):
                return True
        raise self._other_rows()

    def _hashes(self, raw: pd.DataFrame, planted: Canaries | None) -> np.ndarray | None:
        """Hashes of the rows with canaries planted among them; None where they do not fit."""
        schema = self.found.declared
        if planted is not None and isinstance(schema.rows, int):
            schema = schema.replace(rows=schema.rows - len(planted))
        try:
            data = Dataset.of(raw, schema, "train")
            if planted is not None:
                data = planted.plant(data, private=self.found.info.claim is not None)
        except (DataError, SchemaError):
            return None
        return row_hashes(data.frame)

    def join(self, subject: Subject, schema: Schema) -> Subject:
        """The subject with scores and weights of the checkpoint, and a way to train it again.

        Args:
            subject: Audited.
            schema: What the audited records are checked against.

        Raises:
            DataError: it is of other data than that.
        """
        self._check_schema(schema)
        model = _Model.of(self)
        weights = {name: value.numpy() for name, value in self.found.parts.items()
                   if name.startswith("module.")}  # fmt: skip
        return replace(
            subject, scores={**subject.scores, **model.scores()}, weights=weights,
            retrain=retrainer(self.found.info.recipe, schema),
        )  # fmt: skip

    def _check_model(self, model: Trained) -> None:
        info = self.found.info
        made = {**info.recipe.model_dump(mode="json"), **info.settled.model_dump(mode="json")}
        past = tuple(dict(h) for h in model.history[: len(info.history)])
        if dict(model.recipe) != made or past != info.history or model.claim != info.claim:
            raise DataError(
                f"Expected the checkpoint of the model that is audited in {str(self.folder)!r}, "
                "got that of another training; name the folder that `genaudit train --checkpoint` "
                "wrote for this model."
            )

    def _check_schema(self, schema: Schema) -> None:
        mine, theirs = _columns(self.schema), _columns(schema)
        if odd := sorted({*mine.items()} ^ {*theirs.items()}):
            raise DataError(
                f"Expected a checkpoint of the data that is audited in {str(self.folder)!r}, but "
                f"column {odd[0][0]!r} is in one of the two alone, or of another kind; name that "
                "of this data."
            )
        if schema.record != self.schema.record:
            assert schema.record is not None, "they have the same columns"
            raise DataError(
                f"Expected records that the networks in {str(self.folder)!r} can read, but column "
                f"{schema.record.name!r} is declared otherwise here, or was widened by rows of the "
                "audit; train with a schema that declares it, or leave --checkpoint out."
            )

    def _other_rows(self) -> DataError:
        return DataError(
            f"The checkpoint in {str(self.folder)!r} is of other records than train; give the file "
            "that it was trained on, or the checkpoint of this one."
        )


def _columns(schema: Schema) -> dict[str, str]:
    """Names and kinds of what is made."""
    record = [schema.record] if schema.record else []
    return {c.name: c.kind.value for c in (*schema.modelled, *record)}


@dataclass(frozen=True, eq=False)
class _Model:
    """The networks of a checkpoint, and what they make of records.

    bounds: log weights of a VAE's latents, which two scores need, of data that is still in use.
    """

    opened: Opened
    work: Work
    bounds: WeakKeyDictionary[Dataset, np.ndarray] = field(default_factory=WeakKeyDictionary)

    @classmethod
    def of(cls, opened: Opened) -> _Model:
        found = opened.found
        recipe = found.info.recipe.model_copy(update={"device": "cpu"})
        check_size(recipe, found.basis.schema, found.basis.layout, found.basis.settled, 1)
        try:
            with one_thread():
                work = work_of(recipe, found.basis)
                work.family.parts().load(found.parts)
        except (KeyError, ValueError, RuntimeError, OptionError) as error:
            raise DataError(
                f"The checkpoint in {str(opened.folder)!r} is not usable: its weights are of "
                "another training."
            ) from error
        return cls(opened, work)

    def scores(self) -> Mapping[str, Score]:
        """Name -> score, of those that the family has."""
        family = self.work.family
        kernels: dict[str, Kernel] = {}
        found: dict[str, Score] = {"gradient_norm": self._gradient_norm}
        if isinstance(family, Gan | MediaGan):
            kernels["discriminator"] = lambda rows, given, _: family.realness(rows, given)
            kernels["reconstruction"] = lambda rows, given, rng: -family.misfit(rows, given, rng)
        if isinstance(family, MediaGan) and family.nets.likelihood:
            kernels["teacher_forced"] = lambda rows, given, _: -family.surprise(rows, given)
        if isinstance(family, Vae | MediaVae):
            found["elbo"] = lambda data: self._bounds(data).mean(1)
            found["iwae"] = lambda data: _log_mean(self._bounds(data))
        return found | {name: partial(self._each, kernel) for name, kernel in kernels.items()}

    def _each(self, kernel: Kernel, data: Dataset) -> np.ndarray:
        """What a kernel says of every record, shape (n, ...)."""
        batch = self.work.batches(self._numbers(data))
        rng = torch.Generator().manual_seed(0)
        found = []
        with one_thread():
            for start in range(0, len(data), _CHUNK):
                rows = np.arange(start, min(start + _CHUNK, len(data)))
                found.append(kernel(*batch(rows), rng).detach().double().numpy())
        return np.concatenate(found)

    def _numbers(self, data: Dataset) -> Numbers:
        """Records as the model was trained on them; a number beyond all cells is in the last."""
        layout = self.opened.found.basis.layout
        return encoded(layout, layout.grid.within(data), self.opened.schema)

    def _bounds(self, data: Dataset) -> np.ndarray:
        """Log weights of some latents of each record, shape (n, draws)."""
        family = self.work.family
        assert isinstance(family, Vae | MediaVae)

        @torch.no_grad()
        def kernel(rows: torch.Tensor, given: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
            noise = torch.randn(_DRAWS, len(rows), family.nets.latent, generator=rng)
            return torch.stack([family.log_weight(rows, given, one) for one in noise], 1)

        if data not in self.bounds:
            self.bounds[data] = self._each(kernel, data)
        return self.bounds[data]

    def _gradient_norm(self, data: Dataset) -> np.ndarray:
        """How little the last phase would still change the networks for a record, shape (n,)."""
        from genaudit.training.dp.clipping.module import BookKeepingModule  # Opacus takes a second

        phase = self.work.family.phases()[-1]
        times = 1 if phase.n_extra else _GRADIENTS  # a discriminator's loss draws nothing
        watched = BookKeepingModule(phase.private, max_grad_norm=1.0)

        def kernel(rows: torch.Tensor, given: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
            squares = torch.zeros(len(rows))
            for _ in range(times):
                inputs = phase.rows(rows, given, rng)
                norms = watched.clipped_sum(phase.losses, inputs)
                squares += norms[: len(rows)].square()
            return -0.5 * torch.log(squares / times + _TINY)

        try:
            return self._each(kernel, data)
        finally:
            watched.remove_hooks()
            phase.private.zero_grad(set_to_none=True)


def _log_mean(logs: np.ndarray) -> np.ndarray:
    """Log of the mean of the exponentials of each row."""
    found: np.ndarray = np.logaddexp.reduce(logs, axis=1) - math.log(logs.shape[1])
    return found
