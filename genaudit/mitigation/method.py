"""A mitigation as a value: a method with what it needs, checked before any sample is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, OptionError, check_seed
from genaudit.mitigation.balance import balance
from genaudit.mitigation.given import is_share, is_whole
from genaudit.mitigation.groups import grouping_columns
from genaudit.mitigation.history import noted
from genaudit.mitigation.outcome import Mitigated
from genaudit.mitigation.reject import reject
from genaudit.mitigation.repair import repair, tuned
from genaudit.mitigation.resample import MOST_USES, factor, most_used, resample
from genaudit.mitigation.reweigh import independent, lacks, reweigh
from genaudit.mitigation.target import Spec, TargetTable
from genaudit.result import Message, Section
from genaudit.subject import Draw, Step

#: Samples that are drawn at least: what is counted or learned in fewer is chance.
_PILOT = 5000

#: Samples drawn for each row wanted before fewer are taken.
_MOST_DRAWN = 20

#: A few more than are needed on average, so that chance seldom leaves too few.
_SPARE = 1.1


class Method(StrEnum):
    """How groups are made alike."""

    RESAMPLE = "resample"
    REWEIGH = "reweigh"
    BALANCE = "balance"
    REJECT = "reject"
    REPAIR = "repair"


_WITH_TARGET = (Method.RESAMPLE, Method.BALANCE, Method.REJECT)

#: Option -> methods that take it.
_TAKE: dict[str, tuple[Method, ...]] = {
    "target": _WITH_TARGET,
    "strength": (Method.REPAIR,),
    "dpd": (Method.REPAIR,),
    "most_uses": (Method.RESAMPLE, Method.REWEIGH),
    "keep_rows": (Method.REWEIGH,),
}


@dataclass(frozen=True)
class Mitigation:
    """A method and its options. It takes generated rows alone, so it adds nothing to ε.

    method: `resample` to a target; `reweigh`, outcome and group independent (Kamiran & Calders);
        `balance`, drawing group by group; `reject`, thinning by chance, to a target or else to
        independence; `repair`, outcomes assigned anew.
    columns: what tells groups, crossed; by default the sensitive columns, or those of the target.
    target: `equal`, a file (TOML), or shares as a mapping: {"sex": {"Female": 0.5, "Male": 0.5}}.
    strength: of a repair, in [0, 1], or `auto`: the least that reaches dpd on the samples.
    dpd: with `auto`, largest gap in selection rates that is wanted.
    most_uses: how often one row may be used (default 2).
    keep_rows: of `reweigh`: keep each row once, and give weights beside them.

    Raises:
        OptionError: no such method, or options that do not go with it.
    """

    method: str
    columns: tuple[str, ...] = ()
    target: Spec | None = None
    strength: float | Literal["auto"] | None = None
    dpd: float | None = None
    most_uses: int | None = None
    keep_rows: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.method, str) or self.method not in tuple(Method):
            raise OptionError(f"Expected a method ({', '.join(Method)}), got {self.method!r}.")
        self._set(columns=_names(self.columns))
        if not isinstance(self.keep_rows, bool | np.bool_):
            raise OptionError(f"Expected keep_rows as true or false, got {self.keep_rows!r}.")
        self._set(keep_rows=bool(self.keep_rows))
        for name, methods in _TAKE.items():
            given = getattr(self, name)
            if given is not None and given is not False and self.method not in methods:
                raise OptionError(
                    f"Expected no {name} with {self.method}, as only {' and '.join(methods)} "
                    f"take{'s' if len(methods) == 1 else ''} one; leave it out."
                )
        if self.method in (Method.RESAMPLE, Method.BALANCE) and self.target is None:
            raise OptionError(
                f"Expected a target with {self.method}, got none; give a file of shares, or the "
                "word equal (--target)."
            )
        self._check_numbers()

    def _check_numbers(self) -> None:
        uses, given, dpd = self.most_uses, self.strength, self.dpd
        if uses is not None:
            if not is_whole(uses) or uses < 1:
                raise OptionError(f"Expected most_uses of at least 1, got {uses!r}.")
            self._set(most_uses=int(uses))
        if self.method != Method.REPAIR:
            return
        if given is None:
            raise OptionError(
                "Expected a strength with repair, from 0 to 1, or auto with the gap that is wanted "
                "(--strength auto --dpd 0.02), got none."
            )
        auto = isinstance(given, str) and given == "auto"
        if auto != (dpd is not None):
            raise OptionError(
                "Expected the gap that is wanted (dpd) with strength auto, and with it alone; got "
                f"strength {given!r} and dpd {dpd!r}."
            )
        name = "dpd" if auto else "strength"
        number: Any = getattr(self, name)
        if not is_share(number):
            raise OptionError(
                f"Expected {name} as a number from 0 to 1, or strength auto, got {number!r}."
            )
        self._set(**{name: float(number)})

    def _set(self, **values: Any) -> None:
        """Options as plain values: records keep them."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def of_samples(self, samples: Dataset, *, n: int | None = None, seed: int = 0) -> Mitigated:
        """The samples mitigated.

        Args:
            samples: Generated rows.
            n: Rows wanted; None = as many as there are, or are accepted. What keeps its rows
                (repair, weights) is given so many, chosen at random; a strength is tuned on all.
            seed: Of all chance in it.

        Raises:
            OptionError, DataError: the samples or the schema do not allow it.
        """
        check_seed(seed)
        found = self._applied(samples, None if n is None else _rows(n), int(seed))
        if not len(found.samples):
            raise DataError(
                f"No row is left of {len(samples):,} samples after {self.method}; make more."
            )
        return found

    def _applied(self, samples: Dataset, n: int | None, seed: int) -> Mitigated:
        uses = self.most_uses or MOST_USES
        match Method(self.method):
            case Method.RESAMPLE:
                table = self._table(samples)
                return resample(samples, table, n=n, seed=seed, most_uses=uses)
            case Method.REJECT:
                found = reject(samples, self._table(samples), n=n, seed=seed)
                if self.target is not None:
                    return found
                lacking = lacks(samples, self._columns(samples.schema))
                return replace(found, cost={**found.cost, **lacking})
            case Method.REWEIGH:
                return reweigh(samples, self._columns(samples.schema), n=n, seed=seed,
                               most_uses=uses, keep_rows=self.keep_rows)  # fmt: skip
            case Method.REPAIR:
                columns = self._columns(samples.schema)
                if self.strength == "auto":
                    assert self.dpd is not None, "checked"
                    return tuned(samples, columns, self.dpd, n=n, seed=seed)
                assert self.strength is not None, "checked"
                return repair(samples, columns, self.strength, n=n, seed=seed)
        raise OptionError(
            "Expected a generator to balance, got samples: it draws under the condition of each "
            "group; give a model folder, or take resample."
        )

    def of_draw(self, draw: Draw, n: int, *, seed: int = 0) -> Mitigated:
        """N mitigated rows of a generator, which is asked for as many samples as that takes.

        Args:
            draw: The generator.
            n: Rows wanted.
            seed: Of what is drawn, and of all chance in the mitigation.

        Raises:
            OptionError, DataError: the generator or its schema do not allow it.
        """
        check_seed(seed)
        n, seed = _rows(n), int(seed)
        if self.method == Method.BALANCE:
            return balance(draw, self._table(draw(1, seed)), n, seed=seed)
        if self.keep_rows:
            return self.of_samples(draw(n, seed), n=n, seed=seed)
        samples = draw(max(n, _PILOT), seed)
        if self.method == Method.REPAIR:
            return self.of_samples(samples, n=n, seed=seed)
        times = min(_SPARE * factor(samples, self._table(samples)), _MOST_DRAWN)
        needed = int(times * n) + 1
        return self.of_samples(draw(needed, seed) if needed > len(samples) else samples, n=n,
                               seed=seed)  # fmt: skip

    def settled(
        self, samples: Dataset | Draw, *, seed: int = 0
    ) -> tuple[Mitigation, tuple[Section, ...]]:
        """The same with a strength that was tuned once on samples or a generator, and its trials.

        So every later draw is repaired alike, and a report can say how.

        Raises:
            OptionError, DataError: the generator or its schema do not allow it.
        """
        if self.strength != "auto":
            return self, ()
        made = samples if isinstance(samples, Dataset) else samples(_PILOT, seed)
        found = self.of_samples(made, seed=seed)
        assert found.tuning is not None, "what is tuned tells how"
        return replace(self, strength=found.tuning.chosen, dpd=None), found.sections

    def _columns(self, schema: Schema) -> tuple[str, ...]:
        return grouping_columns(schema, self.columns)

    def _table(self, samples: Dataset) -> TargetTable:
        """The target; without one, group and outcome independent as counted in the samples."""
        if self.target is None:
            return independent(samples, self._columns(samples.schema))
        return TargetTable.of(self.target, samples.schema, self.columns)

    @property
    def repeats(self) -> int:
        """How often it may use one row."""
        return most_used(self.method, self.most_uses, weights=self.keep_rows)

    def step(self, schema: Schema | None, seed: int = 0, repeats: int | None = None) -> Step:
        """Method, columns, target, options and seed, as a record keeps them.

        Without a schema columns are as they were given, and there is no table of shares. repeats:
        how often one row was used; as often as may be, where it is not known.
        """
        table = None
        if self.target is not None and schema is not None:
            table = TargetTable.of(self.target, schema, self.columns)
        columns = self.columns if schema is None else self._columns(schema) if table is None else (
            table.columns)  # fmt: skip
        return {
            "method": str(self.method), "columns": list(columns),
            "target": table.to_rows() if table else None,
            "strength": self.strength, "dpd": self.dpd, "most_uses": self.most_uses,
            "weights": self.keep_rows, "seed": int(seed), "repeats": repeats or self.repeats,
        }  # fmt: skip

    def noted(self, steps: Sequence[Step], repeats: int = 1) -> Message:
        """What was done to samples, step by step, and what it cost in privacy.

        repeats: how often one row stands there at most, where that is more than the steps say.
        """
        said = noted(steps, repeats)
        assert said is not None, "something was done"
        return said

    def check_counted(self) -> None:
        """Refuse weights beside rows, where the rows are to be counted.

        Raises:
            OptionError: rows are kept, and weights given beside them.
        """
        if self.keep_rows:
            raise OptionError(
                "Expected a mitigation that changes rows, as audits count rows and leave weights "
                "out, got reweigh with keep_rows; take reweigh without it, which draws rows by "
                "their weights."
            )


def _rows(n: Any) -> int:
    if not is_whole(n) or n < 1:
        raise OptionError(f"Expected a whole number of rows, at least one row, got n = {n!r}.")
    return int(n)


def _names(columns: Any) -> tuple[str, ...]:
    names = (columns,) if isinstance(columns, str) else columns
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise OptionError(
            f"Expected names of columns to tell groups by, got {columns!r}; list them as texts."
        )
    return tuple(map(str, names))
