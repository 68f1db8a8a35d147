"""A mitigation as a value: a method with what it needs, checked before any sample is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, Literal

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, OptionError, check_seed
from genaudit.mitigation.balance import balance
from genaudit.mitigation.groups import grouping_columns
from genaudit.mitigation.outcome import Mitigated
from genaudit.mitigation.reject import reject
from genaudit.mitigation.repair import repair, tuned
from genaudit.mitigation.resample import MOST_USES, factor, resample
from genaudit.mitigation.reweigh import independent, reweigh
from genaudit.mitigation.target import Spec, TargetTable
from genaudit.result import Message, Section, message
from genaudit.subject import Draw

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
        if self.method not in tuple(Method):
            raise OptionError(f"Expected a method ({', '.join(Method)}), got {self.method!r}.")
        if isinstance(self.columns, str):
            object.__setattr__(self, "columns", (self.columns,))
        for name, methods in _TAKE.items():
            if getattr(self, name) not in (None, False) and self.method not in methods:
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
        whole = isinstance(uses, Integral) and not isinstance(uses, bool)
        if uses is not None and (not whole or uses < 1):
            raise OptionError(f"Expected most_uses of at least 1, got {uses!r}.")
        if self.method != Method.REPAIR:
            return
        if given is None:
            raise OptionError(
                "Expected a strength with repair, from 0 to 1, or auto with the gap that is wanted "
                "(--strength auto --dpd 0.02), got none."
            )
        if (given == "auto") != (dpd is not None):
            raise OptionError(
                "Expected the gap that is wanted (dpd) with strength auto, and with it alone; got "
                f"strength {given!r} and dpd {dpd!r}."
            )
        for name, number in (("strength", 0.5 if given == "auto" else given), ("dpd", dpd or 0.0)):
            real = isinstance(number, Real) and not isinstance(number, bool)
            if not real or not 0 <= float(number) <= 1:
                raise OptionError(
                    f"Expected {name} as a number from 0 to 1, or strength auto, got {number!r}."
                )

    def of_samples(self, samples: Dataset, *, n: int | None = None, seed: int = 0) -> Mitigated:
        """The samples mitigated.

        Args:
            samples: Generated rows.
            n: Rows wanted, where rows are picked; None = as many as there are, or are accepted.
            seed: Of all chance in it.

        Raises:
            OptionError, DataError: the samples or the schema do not allow it.
        """
        check_seed(seed)
        if n is not None:
            _check_rows(n)
        found = self._applied(samples, n, seed)
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
                return reject(samples, self._table(samples), n=n, seed=seed)
            case Method.REWEIGH:
                return reweigh(samples, self._columns(samples.schema), n=n, seed=seed,
                               most_uses=uses, keep_rows=self.keep_rows)  # fmt: skip
            case Method.REPAIR:
                columns = self._columns(samples.schema)
                if self.strength == "auto":
                    assert self.dpd is not None, "checked"
                    return tuned(samples, columns, self.dpd, seed=seed)
                assert self.strength is not None, "checked"
                return repair(samples, columns, float(self.strength), seed=seed)
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
        _check_rows(n)
        if self.method == Method.BALANCE:
            return balance(draw, self._table(draw(1, seed)), n, seed=seed)
        samples = draw(max(n, _PILOT), seed)
        if self.method == Method.REPAIR or self.keep_rows:
            return self.of_samples(samples, seed=seed).head(n)
        times = min(_SPARE * factor(samples, self._table(samples)), _MOST_DRAWN)
        needed = int(times * n) + 1
        return self.of_samples(draw(needed, seed) if needed > len(samples) else samples, n=n,
                               seed=seed)  # fmt: skip

    def settled(self, draw: Draw, *, seed: int = 0) -> tuple[Mitigation, tuple[Section, ...]]:
        """The same with a strength that was tuned once on what a generator draws, and its trials.

        So every later draw is repaired alike, and a report can say how.

        Raises:
            OptionError, DataError: the generator or its schema do not allow it.
        """
        if self.strength != "auto":
            return self, ()
        found = self.of_samples(draw(_PILOT, seed), seed=seed)
        assert found.tuning is not None, "what is tuned tells how"
        return replace(self, strength=found.tuning.chosen, dpd=None), found.sections

    def _columns(self, schema: Schema) -> tuple[str, ...]:
        return grouping_columns(schema, self.columns)

    def _table(self, samples: Dataset) -> TargetTable:
        """The target; without one, group and outcome independent as counted in the samples."""
        if self.target is None:
            return independent(samples, self._columns(samples.schema))
        return TargetTable.of(self.target, samples.schema, self.columns)

    def facts(self, schema: Schema) -> dict[str, Any]:
        """Method, columns, target and options, as a record keeps them."""
        table = None
        if self.target is not None:
            table = TargetTable.of(self.target, schema, self.columns)
        return {
            "method": str(self.method),
            "columns": list(table.columns if table else self._columns(schema)),
            "target": table.to_rows() if table else None,
            "strength": self.strength, "dpd": self.dpd,
        }  # fmt: skip

    @property
    def note(self) -> Message:
        """What was done to samples, and what it cost in privacy."""
        return noted(str(self.method), self.columns)


def _check_rows(n: int) -> None:
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
        raise OptionError(f"Expected a whole number of rows, at least one row, got n = {n!r}.")


def noted(method: str, columns: Sequence[str] = ()) -> Message:
    """The note of a mitigation by its method."""
    what = _SAID.get(method, message("mitigation.other", "another method"))
    if columns:
        what = message("mitigation.by", "{what} by {columns}", what=what,
                       columns=", ".join(columns))  # fmt: skip
    return message(
        "remark.mitigated",
        "These samples were mitigated: {what}. ε added by the mitigation: 0, as it used generated "
        "rows alone.",
        what=what,
    )


_SAID: dict[str, Message] = {
    Method.RESAMPLE: message("mitigation.resample", "resampled to a target"),
    Method.REWEIGH: message("mitigation.reweigh", "reweighed (Kamiran & Calders)"),
    Method.BALANCE: message("mitigation.balance", "drawn group by group to a target"),
    Method.REJECT: message("mitigation.reject", "thinned by rejection"),
    Method.REPAIR: message("mitigation.repair", "outcomes repaired by quantiles of groups"),
}
