"""Charging: what a training reads goes into the ledger first, and into the model with it."""

from __future__ import annotations

import math
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np

from genaudit.accounting import epsilon
from genaudit.data.dataset import Dataset
from genaudit.data.overlap import row_hashes
from genaudit.data.schema import Schema
from genaudit.errors import BudgetError, OptionError
from genaudit.holder import Holder
from genaudit.ledger import (
    UNDECLARED,
    Entry,
    Mark,
    Mechanism,
    PrivacyLedger,
    Scope,
    Touch,
    TouchKind,
    counted,
)
from genaudit.result import Relation, Unit
from genaudit.training.recipe import Recipe


def are_windows(schema: Schema) -> bool:
    """Whether records are parts of one entity's series, which are no units of their own."""
    record = schema.record
    return record is not None and record.entity is not None and record.window is not None


@dataclass
class Book:
    """The pen of one training: writes touches of one data set that flow into one artefact.

    Without a ledger touches are kept for the model alone.

    run: this training, whatever process goes on with it. reserved: whether room is kept under a
    total. planned: what this process reserved last. resumable: whether another may go on with it:
    what is reserved then outlives an error and this process, and else ends with it.
    delta: δ of the claim; None without one.
    rehearsal: whether it is asked what a training would do, and reserves nothing.
    digest: of the records in any order, as the ledger has it. content: of them in their order.
    windows: whether records are windows of an entity, which are no units of their own.
    """

    ledger: PrivacyLedger | None
    dataset: str
    artefact: str
    digest: str = ""
    unit: Unit = "record"
    relation: Relation = "zero-out"
    touches: list[Touch] = field(default_factory=list)
    run: str = field(default_factory=lambda: secrets.token_hex(8))
    reserved: bool = False
    planned: tuple[Mechanism, ...] = ()
    delta: float | None = None
    resumable: bool = False
    rehearsal: bool = False
    content: str = ""
    windows: bool = False

    @classmethod
    def of(cls, ledger: PrivacyLedger | None, data: Dataset, dataset: str, artefact: str) -> Book:
        """A book on these records."""
        digest = content = ""
        if ledger:
            hashes = row_hashes(data.frame)
            content = ledger.content_digest(hashes.tobytes())
            digest = ledger.content_digest(np.sort(hashes).tobytes())
        unit: Unit = "record" if data.schema.person is None else "person"
        return cls(
            ledger, dataset, artefact, digest, unit, content=content,
            windows=are_windows(data.schema),
        )  # fmt: skip

    @property
    def public_id(self) -> str:
        """The data set as an artefact may name it; an id made of its digest stays at home."""
        return "undeclared" if self.dataset.startswith(UNDECLARED) else self.dataset

    def go_on(self, run: str) -> None:
        """Be the pen of a training that another process began."""
        self.run, self.resumable = run, True
        self.reserved = any(
            e.touch.kind is TouchKind.RESERVED and e.touch.run == run for e in self._entries()
        )

    def charge(
        self,
        kind: TouchKind,
        purpose: str,
        mechanism: Mechanism | None = None,
        scope: Scope = Scope.RELEASE,
    ) -> None:
        """Write a touch down; call it before the records are read."""
        touch = self._touch(kind, purpose, mechanism, scope)
        if self.ledger is not None:
            touch = self.ledger.append(touch).touch
        if scope is Scope.RELEASE:
            self.touches.append(touch)

    def lease(self, whole: Mechanism, steps: int) -> int:
        """Charge the next steps of this training before they are taken; how many there are.

        All processes that go on with one training share its steps. What one of them charged counts,
        whether the steps were taken or not.

        Args:
            whole: The training; its `steps` are all that may be taken together.
            steps: To charge, >= 1; fewer where fewer are left, 0 where none is.

        Raises:
            BudgetError: somebody ended what this training had reserved, so that another may have
                taken its room under a total.
        """

        def next_of(found: Iterable[Touch]) -> Touch | None:
            touches = list(found)
            before = self._leases(touches, whole)
            granted = min(steps, whole.steps - sum(before))
            if granted <= 0:
                return None
            self._check_held(touches)
            part, parts = len(before) + 1, math.ceil(whole.steps / steps)
            return self._touch(
                TouchKind.ACCOUNTED, f"private training, part {part} of {max(part, parts)}",
                whole.model_copy(update={"steps": granted}),
            )  # fmt: skip

        if self.ledger is None:
            touch = next_of(self.touches)
        else:
            entry = self.ledger.append_made(lambda read: next_of(e.touch for e in read(self.run)))
            touch = entry.touch if entry else None
        if touch is None:
            return 0
        self.touches.append(touch)
        assert touch.mechanism is not None
        return touch.mechanism.steps

    def _check_held(self, touches: Iterable[Touch]) -> None:
        last = [t for t in touches if t.kind is TouchKind.RESERVED and t.run == self.run][-1:]
        if self.reserved and last and not last[0].planned:
            raise BudgetError(
                f"The reservation of this training, {self.run}, has been ended by somebody "
                "(`genaudit ledger end`), so it stops here; what was charged stays charged. Go on "
                "with `--resume`, which reserves what is left anew, if a total allows it."
            )

    def leased(self, whole: Mechanism) -> int:
        """Steps of this training that are charged, by whatever process."""
        return sum(self._leases(self.lineage(), whole))

    def lineage(self) -> list[Touch]:
        """Release touches of this training, by whatever process, in order."""
        if self.ledger is None:
            return self.touches
        return [e.touch for e in self.ledger.entries(run=self.run) if e.touch.flows]

    def record(self) -> tuple[tuple[Touch, ...], Mark | None]:
        """The lineage as an artefact may carry it, and where the ledger stood then."""
        mark = self.mark()
        mine = self.touches
        if self.ledger is not None and mark is not None:
            entries = self.ledger.entries(run=self.run)
            mine = [e.touch for e in entries if e.touch.flows and e.seq <= mark.length]
        # The digest tells whether any record changed since another release: it stays at home.
        return tuple(
            t.public.model_copy(update={"dataset": self.public_id}) for t in mine
        ), mark  # fmt: skip

    def mark(self) -> Mark | None:
        """Where the ledger's chain stands, None without a ledger."""
        return self.ledger.mark() if self.ledger is not None else None

    def _touch(
        self, kind: TouchKind, purpose: str, mechanism: Mechanism | None = None,
        scope: Scope = Scope.RELEASE,
    ) -> Touch:  # fmt: skip
        return Touch(
            dataset=self.dataset, kind=kind, scope=scope, purpose=purpose, artefact=self.artefact,
            mechanism=mechanism, unit=self.unit, relation=self.relation, digest=self.digest,
            run=self.run,
        )  # fmt: skip

    def _leases(self, touches: Iterable[Touch], whole: Mechanism) -> list[int]:
        """Steps in each charge for steps of this training."""
        mechanisms = [t.mechanism for t in touches if t.run == self.run and t.mechanism is not None]
        return [m.steps for m in mechanisms if m.model_copy(update={"steps": whole.steps}) == whole]

    def check_room(
        self, total: float, recipe: Recipe, first: Sequence[Mechanism] = (), *, unpaid: bool = False
    ) -> float:
        """What the earlier releases and this one might spend; refuse unread if more than `total`.

        Args:
            total: ε that all releases of the data set may spend together.
            recipe: Its ε is what this release may spend.
            first: What is spent before the noise of training is known. The whole release is then
                reserved, the rest of it as an ε that is added (basic composition), until
                `check_total` knows better. Where nothing comes first, that is soon enough.
            unpaid: Whether this release will read something that no ε covers.

        Raises:
            BudgetError: they might, or they add up to no total at all.
        """
        assert recipe.epsilon is not None
        assert recipe.delta is not None
        if unpaid:
            raise self._uncovered("This release", total)
        if not first:
            return self._check(self._entries(), total, recipe.delta, (), at_least=recipe.epsilon)
        return self.check_total(total, recipe.delta, _provisional(recipe, first))

    def check_total(self, total: float, delta: float, planned: Sequence[Mechanism]) -> float:
        """Reserve the whole release, or refuse if it and the earlier ones exceed ε = `total`.

        Returns the ε of all together.

        Check and reservation are one step for all processes that write this ledger. What another
        training reserved (`reserve`) counts as spent while its process lives, and as long as it can
        be gone on with; of a killed one its charges count. A second call replaces the first. The
        total is for zero-out, the weaker relation, where a release is.

        Args:
            total: ε that all releases of the data set may spend together.
            delta: δ of that ε.
            planned: All that this release spends, what is charged already included.

        Raises:
            BudgetError: they exceed it, or an earlier release has no ε or is for another unit.
        """
        if not planned:
            raise self._uncovered("A training without epsilon", total)
        # Composing takes a second: done here first, it comes from a cache while others must wait.
        spent = self._check(self._entries(), total, delta, planned)
        if self.ledger is not None and not self.rehearsal:
            self._reserve(
                f"the whole release, under a total of ε = {total:g}", planned,
                lambda entries: self._check(entries, total, delta, planned),
            )  # fmt: skip
            self.reserved = True
        return spent

    def reserve_provisionally(self, recipe: Recipe, first: Sequence[Mechanism]) -> None:
        """As `reserve`, where something is spent before the noise of training is known."""
        if first:
            self.reserve(_provisional(recipe, first))

    def reserve(self, planned: Sequence[Mechanism]) -> None:
        """Write down all that this training will spend, so that a total kept beside it knows.

        Args:
            planned: As in `check_total`; a second call replaces the first.
        """
        if self.ledger is not None and not self.rehearsal:
            self._reserve("the whole release", planned)
            self.reserved = True

    def keep_open(self) -> None:
        """From here on another process may go on with it: what is reserved outlives this one."""
        self.resumable = True
        if self.planned:
            self._reserve("the whole release, by whatever process", self.planned)

    def close(self) -> None:
        """End the reservation, if there is one: from here on, what was charged counts instead."""
        if self.reserved:
            self._reserve("nothing more: what was charged counts", ())

    @contextmanager
    def closing_on_error(self) -> Iterator[None]:
        """Close where training ends early; of one that is killed, others see that it is gone."""
        try:
            yield
        except BaseException:
            if not self.resumable:
                # A disk that is full says so once; the reservation then ends with the process.
                with suppress(OptionError):
                    self.close()
            raise

    def _reserve(
        self, purpose: str, planned: Sequence[Mechanism],
        check: Callable[[Sequence[Entry]], object] | None = None,
    ) -> None:  # fmt: skip
        assert self.ledger is not None
        touch = Touch(
            dataset=self.dataset, kind=TouchKind.RESERVED, scope=Scope.RELEASE, purpose=purpose,
            artefact=self.artefact, unit=self.unit, relation=self.relation, digest=self.digest,
            run=self.run, planned=tuple(planned),
            holder=Holder.here() if planned and not self.resumable else None, delta=self.delta,
        )  # fmt: skip
        self.ledger.end_gone()
        self.ledger.append(touch, check)
        self.planned = touch.planned

    def _entries(self) -> Sequence[Entry]:
        return self.ledger.entries() if self.ledger is not None else ()

    def _check(
        self, entries: Sequence[Entry], total: float, delta: float, planned: Sequence[Mechanism],
        at_least: float = 0.0,
    ) -> float:  # fmt: skip
        """ε of the releases in `entries` and what is planned; refuse if it exceeds `total`."""
        release = [e.touch for e in entries if self._ours(e.touch)]
        if any(t.unpaid for t in release):
            raise self._uncovered("An earlier release", total)
        self._check_name(entries)
        earlier = counted(t for t in release if t.run != self.run)
        self._check_units(earlier)
        mechanisms = [*(m for t in earlier for m in t.spends), *planned]
        spent = max(at_least, together(mechanisms, delta, self.relation))
        if math.isinf(spent):
            raise BudgetError(
                f"This release{_beside(earlier)} of data set {self.dataset!r} would spend no "
                f"finite ε together at δ = {delta:g}, so no total of {total:g} can be kept. "
                + _delta_that_helps(mechanisms, delta, self.relation)
            )
        if not spent <= total:  # NaN lets nothing through
            raise BudgetError(
                f"This release{_beside(earlier)} of data set {self.dataset!r} would spend ε = "
                f"{spent:.3g} together at δ = {delta:g}; the total allowed is {total:g}. Train "
                "with a smaller epsilon, or allow more."
            )
        return spent

    def _ours(self, touch: Touch) -> bool:
        """Whether it is a release of this data set, of these very records without a name too."""
        unnamed = touch.dataset.startswith(UNDECLARED) and touch.digest == self.digest != ""
        return touch.scope is Scope.RELEASE and (touch.dataset == self.dataset or unnamed)

    def _check_name(self, entries: Sequence[Entry]) -> None:
        """The same records under another name would start anew, and so would a slip in a name."""
        others = {e.touch.dataset for e in entries if self.digest and e.touch.digest == self.digest
                  and e.touch.scope is Scope.RELEASE}  # fmt: skip
        others = {name for name in others - {self.dataset} if not name.startswith(UNDECLARED)}
        if others:
            raise BudgetError(
                f"These records have earlier releases under the name {min(others)!r}, of which a "
                f"total under {self.dataset!r} would not know; use that name as --dataset-id, or "
                "leave --budget-total out."
            )
        like = {e.touch.dataset for e in entries if e.touch.scope is Scope.RELEASE
                and _plain(e.touch.dataset) == _plain(self.dataset)} - {self.dataset}  # fmt: skip
        if like:
            raise BudgetError(
                f"There are earlier releases of a data set {min(like)!r}, which differs from "
                f"{self.dataset!r} in case or spaces alone and of which a total would not know; "
                "use that name as --dataset-id, or one that nobody takes for it."
            )

    def _check_units(self, earlier: Sequence[Touch]) -> None:
        other = next((t.unit for t in earlier if t.unit != self.unit), None)
        if other is not None:
            # One window of an entity is no unit, whatever was trained before.
            again = "" if self.windows else f"train with --unit {other} as before, or "
            raise BudgetError(
                f"An earlier release of data set {self.dataset!r} is accounted for one {other} and "
                f"this one for one {self.unit}, so no total covers both; {again}leave "
                "--budget-total out."
            )

    def _uncovered(self, what: str, total: float) -> BudgetError:
        return BudgetError(
            f"{what} of data set {self.dataset!r} is covered by no ε, so no total of {total:g} can "
            "be kept; leave --budget-total out, or train privately on new data."
        )


def _provisional(recipe: Recipe, first: Sequence[Mechanism]) -> list[Mechanism]:
    """What a release will spend where its first parts alone are known: the rest as an ε."""
    assert recipe.epsilon is not None
    rest = max(0.0, recipe.epsilon - sum(m.epsilon or 0.0 for m in first))
    return [*first, Mechanism(name="remainder", epsilon=rest)]


def _plain(name: str) -> str:
    """A name without what rarely tells two of them apart."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _beside(earlier: Sequence[Touch]) -> str:
    """How many releases there were before, in words; one is known by its training."""
    n = len({t.run or t.artefact for t in earlier})
    return f" and {n:,} earlier {'one' if n == 1 else 'ones'}" if n else ""


def _delta_that_helps(mechanisms: Sequence[Mechanism], delta: float, relation: str) -> str:
    found = finite_from(mechanisms, delta, relation)
    if found is None:
        return "No larger delta helps; leave --budget-total out, or train on new data."
    enough, spent = found
    return (
        f"Parts of them use up that δ. Train with a larger delta: at δ = {enough:g} it would be "
        f"ε = {spent:.3g}."
    )


def finite_from(
    mechanisms: Iterable[Mechanism], delta: float, relation: str
) -> tuple[float, float] | None:
    """The least δ, of 2, 5 and 10 times powers of ten above `delta`, with a finite ε; and that ε.

    None where there is none below 1.
    """
    mechanisms = list(mechanisms)
    tried = (k * 10.0**power for power in range(-16, 0) for k in (1, 2, 5))
    for larger in (d for d in tried if d > delta):
        spent = together(mechanisms, larger, relation)
        if math.isfinite(spent):
            return larger, spent
    return None


def together(mechanisms: Iterable[Mechanism], delta: float, relation: str) -> float:
    """ε at `delta` of everything spent or reserved; what is not planned in detail yet is added."""
    mechanisms = list(mechanisms)
    known = [m for m in mechanisms if m.name != "remainder"]
    rest = sum(m.epsilon or 0.0 for m in mechanisms if m.name == "remainder")
    return epsilon(known, delta, relation) + rest
