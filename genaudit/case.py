"""The audit's question: a subject, what the auditor knows, and the audits that can be asked.

An audit is a function `(case, options) -> Outcome` with the `audit` decorator. It returns findings
without verdicts; `genaudit.run` judges them. Its id is its path below `genaudit.audits`.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Modality, Schema
from genaudit.errors import OptionError
from genaudit.modalities.describe import Description
from genaudit.result import Figure, Finding, Message, repeated
from genaudit.subject import Access, Subject

T = TypeVar("T")

#: Records to draw from a sampler at least: rates of one in a thousand can then be told from none.
MIN_DRAWN = 5000

#: Modalities of data: all of them, and those whose records are no rows of a table.
EVERY: frozenset[str] = frozenset(get_args(Modality))
MEDIA = EVERY - {"table"}

#: Where the field of an option keeps the least and the largest value that it may have.
_RANGE = "range"

#: Where it keeps the function that says what else it must be.
_SHAPE = "shape"


class Knowledge(StrEnum):
    """Data that the auditor holds.

    TRAIN: members. HOLDOUT: non-members. AUXILIARY: reference rows of the same population that are
    neither. CANARIES: records whose membership was decided by a recorded coin.
    """

    TRAIN = "train"
    HOLDOUT = "holdout"
    AUXILIARY = "auxiliary"
    CANARIES = "canaries"


class Split(StrEnum):
    """How chance decided who is a member, as the auditor says; nothing here can verify it.

    RANDOM: train and holdout are a random split of one table, of sizes that were fixed. COIN: every
    row of either was made a member, or none, by a fair coin of its own. Where persons have several
    rows it was persons who were dealt.
    """

    RANDOM = "random"
    COIN = "coin"


@dataclass(frozen=True, eq=False)
class AuditCase:
    """A subject with the data that the auditor holds; the threat model is `grants`.

    Without AUXILIARY the holdout is halved by seed: `non_members` and `reference` are then disjoint
    halves; with it they are the whole holdout and the auxiliary data.

    split: how chance decided between train and holdout, where the auditor says that it did.
    description: how the records of the data became numbers, where they are images, series, sounds
    or texts and this is the `described` case.
    coins: of each of the CANARIES whether it was a member, boolean, shape (n,); there with them.
    """

    subject: Subject
    data: Mapping[Knowledge, Dataset]
    seed: int = 0
    n_samples: int | None = None
    split: Split | None = None
    description: Description | None = None
    coins: np.ndarray | None = None
    _cache: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def grants(self) -> frozenset[Access | Knowledge]:
        """What the attacker may use: access to the subject and knowledge of data."""
        return frozenset(self.subject.access) | frozenset(self.data)

    @property
    def schema(self) -> Schema:
        """The schema that all data of the case shares."""
        return next(iter(self.data.values())).schema if self.data else self.samples.schema

    @property
    def samples(self) -> Dataset:
        """Generated records; drawn once, by the case's seed, where the subject is a sampler."""
        if self.subject.samples is not None:
            return self.subject.samples
        draw = self.subject.draw
        assert draw is not None, "an audit that needs samples declares SAMPLES"
        n = self.n_samples or max([MIN_DRAWN, *(len(d) for d in self.data.values())])
        return self.once("samples", lambda: draw(n, self.seed))

    @property
    def train(self) -> Dataset:
        """Members."""
        return self.data[Knowledge.TRAIN]

    @property
    def holdout(self) -> Dataset:
        """All rows that the subject has not seen and that are not auxiliary."""
        return self.data[Knowledge.HOLDOUT]

    @property
    def canaries(self) -> tuple[Dataset, np.ndarray]:
        """Made-up rows, and of each whether its coin made it a member, shape (n,)."""
        assert self.coins is not None, "they come with their coins"
        return self.data[Knowledge.CANARIES], self.coins

    @property
    def non_members(self) -> Dataset:
        """Rows to attack that the subject has not seen."""
        return self._halves()[0]

    @property
    def reference(self) -> Dataset:
        """Rows of the same population that calibrate an attack and are never attacked."""
        return self._halves()[1]

    @property
    def described(self) -> AuditCase:
        """The case as audits of tables see it: numbers that describe each record in its place.

        They come from the reference rows, or from the training rows where there are none, whatever
        the samples are. A case of a table is its own.
        """
        if self.schema.record is None:
            return self
        return self.once("described", self._describe)

    def rng(self, stream: str) -> np.random.Generator:
        """The numbered random stream of one part of one audit."""
        return np.random.default_rng([self.seed, *stream.encode()])

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()` computed once for the case and shared by audits (distances, learners)."""
        with self._lock:
            if key not in self._cache:
                self._cache[key] = make()
            found: T = self._cache[key]
        return found

    def _describe(self) -> AuditCase:
        known = self.reference if Knowledge.HOLDOUT in self.data else None
        known = known or next(iter(self.data.values()), None) or self.samples
        description = Description.fit(known, *self.data.values())
        return AuditCase(
            _described(self, description),
            {k: description.of(data) for k, data in self.data.items()},
            self.seed,
            self.n_samples,
            self.split,
            description,
            self.coins,
        )

    def _halves(self) -> tuple[Dataset, Dataset]:
        if Knowledge.AUXILIARY in self.data:
            return self.holdout, self.data[Knowledge.AUXILIARY]
        return self.once("holdout halves", lambda: self.holdout.split(0.5, self.seed))


def _described(case: AuditCase, description: Description) -> Subject:
    """The subject of a case, whose samples are the same and those that it draws described too."""
    subject, draw = case.subject, case.subject.draw
    made = description.of(case.samples) if Access.SAMPLES in subject.access else None
    if draw is None:
        return replace(subject, samples=made)

    def drawn(n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
        return description.of(draw(n, seed, where))

    return replace(subject, samples=made, draw=drawn)


@dataclass(frozen=True)
class Outcome:
    """What an audit hands back: findings without verdicts, figures, what it could not look at."""

    findings: tuple[Finding, ...]
    figures: tuple[Figure, ...] = ()
    not_measured: tuple[Message, ...] = ()

    def __post_init__(self) -> None:
        if again := repeated(self.findings):
            raise ValueError(f"expected each metric once for each group, got {again} twice")


@dataclass(frozen=True)
class Audit:
    """An audit function with what it declares about itself.

    needs: access and knowledge without which it is skipped. options: a frozen dataclass of its
    parameters. source: paper and equation or table. metrics: ids of all that it may find; empty
    where it does not say, so that any below its own id may be meant. modalities: of data that it
    can look at. described: whether it looks at numbers that describe records that are no rows.
    """

    id: str
    title: Message
    needs: frozenset[Access | Knowledge]
    source: str
    function: Callable[[AuditCase, Any], Outcome]
    options: type
    modalities: frozenset[str]
    metrics: frozenset[str] = frozenset()
    described: bool = False
    check: Callable[[AuditCase, Any], None] | None = None

    def __call__(self, case: AuditCase, options: Any = None) -> Outcome:
        """Ask the case; its defaults where no options are given."""
        seen = case.described if self.described else case
        return self.function(seen, self.options() if options is None else options)

    def missing(self, case: AuditCase) -> list[Access | Knowledge]:
        """What the case lacks for this audit, in a stable order."""
        return sorted(self.needs - case.grants, key=str)

    def configure(self, given: Mapping[str, Any]) -> Any:
        """The options with some fields given, as a plan file names them.

        Raises:
            OptionError: an unknown option, or a value of the wrong type or out of range.
        """
        known = {f.name: f for f in dataclasses.fields(self.options)}
        hints = get_type_hints(self.options)
        for name, value in given.items():
            if name not in known:
                raise OptionError(
                    f"Audit {self.id!r} has no option {name!r}; "
                    f"it has {', '.join(known) or 'none'}."
                )
            shape = known[name].metadata.get(_SHAPE)
            expected = (
                shape(value)
                if shape
                else _unmet(value, hints[name], known[name].metadata.get(_RANGE))
            )
            if expected:
                raise OptionError(
                    f"Option {name!r} of audit {self.id!r}: expected {expected}, got {value!r}."
                )
        return self.options(**given)


def ranged(default: float, low: float, high: float = math.inf) -> Any:
    """An option from `low` to `high`: beyond, an audit would find nothing, or what is not there."""
    return field(default=default, metadata={_RANGE: (low, high)})


def shaped(default: Any, shape: Callable[[Any], str | None]) -> Any:
    """An option that is no number: `shape` says what is expected, None where the value is that."""
    return field(default=default, metadata={_SHAPE: shape})


@dataclass(frozen=True)
class NoOptions:
    """Options of an audit that has none."""


def audit(
    *,
    title: str,
    needs: set[Access | Knowledge],
    source: str,
    options: type = NoOptions,
    modalities: frozenset[str] = frozenset({"table"}),
    metrics: Collection[str] = (),
    described: bool = False,
    check: Callable[[AuditCase, Any], None] | None = None,
) -> Callable[[Callable[[AuditCase, Any], Outcome]], Audit]:
    """Make an `Audit` of a function; its id comes from the module that defines it."""

    def decorate(function: Callable[[AuditCase, Any], Outcome]) -> Audit:
        path = function.__module__.removeprefix("genaudit.audits.")
        return Audit(
            id=path,
            title=Message(id=f"audit.{path}", text_en=title),
            needs=frozenset(needs),
            source=source,
            function=function,
            options=options,
            modalities=modalities,
            metrics=frozenset(metrics),
            described=described,
            check=check,
        )

    return decorate


def _unmet(value: Any, kind: Any, ends: tuple[float, float] | None) -> str | None:
    """What an option is expected to be and is not; None where it is."""
    if isinstance(kind, type) and not _fits(value, kind):
        return "a finite number" if kind is float else kind.__name__
    if ends is None or ends[0] <= value <= ends[1]:
        return None
    return f"at least {ends[0]:g}" + (f" and at most {ends[1]:g}" if ends[1] < math.inf else "")


def _fits(value: object, kind: type) -> bool:
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return -math.inf < value < math.inf
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
