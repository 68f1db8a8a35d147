"""Charging: what a training reads goes into the ledger first, and into the model with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from genaudit.accounting import epsilon
from genaudit.data.dataset import Dataset
from genaudit.data.overlap import row_hashes
from genaudit.errors import BudgetError
from genaudit.ledger import Mechanism, PrivacyLedger, Scope, Touch, TouchKind
from genaudit.training.recipe import Recipe


@dataclass
class Book:
    """The pen of one training: writes touches of one data set that flow into one artefact.

    Without a ledger touches are kept for the model alone.
    """

    ledger: PrivacyLedger | None
    dataset: str
    artefact: str
    digest: str = ""
    unit: str = "record"
    relation: str = "zero-out"
    touches: list[Touch] = field(default_factory=list)

    @classmethod
    def of(cls, ledger: PrivacyLedger | None, data: Dataset, dataset: str, artefact: str) -> Book:
        """A book on these records."""
        digest = ledger.content_digest(row_hashes(data.frame).tobytes()) if ledger else ""
        unit = "record" if data.schema.person is None else "person"
        return cls(ledger, dataset, artefact, digest, unit)

    @property
    def public_id(self) -> str:
        """The data set as an artefact may name it; an id made of its digest stays at home."""
        return "undeclared" if self.dataset.startswith("undeclared-") else self.dataset

    def charge(
        self,
        kind: TouchKind,
        purpose: str,
        mechanism: Mechanism | None = None,
        scope: Scope = Scope.RELEASE,
    ) -> None:
        """Write a touch down; call it before the records are read."""
        touch = Touch(
            dataset=self.dataset, kind=kind, scope=scope, purpose=purpose, artefact=self.artefact,
            mechanism=mechanism, unit=self.unit, relation=self.relation, digest=self.digest,
        )  # fmt: skip
        if self.ledger is not None:
            touch = self.ledger.append(touch).touch
        if scope is Scope.RELEASE:
            # The digest tells whether any record changed since another release: it stays at home.
            self.touches.append(touch.model_copy(update={"digest": "", "dataset": self.public_id}))

    def head(self) -> str:
        """Head of the ledger's chain, empty without a ledger."""
        return self.ledger.head() if self.ledger is not None else ""

    def check_room(self, total: float, recipe: Recipe) -> None:
        """Refuse before anything is read if the earlier releases and this one might exceed `total`.

        Its ε is added to theirs (basic composition), as its noise is not yet known; where nothing
        was released before, that is its ε alone.

        Raises:
            BudgetError: they might, or an earlier release has no ε at all.
        """
        assert recipe.epsilon is not None
        assert recipe.delta is not None
        earlier = self._releases()
        if any(t.kind is TouchKind.UNACCOUNTED for t in earlier):
            self.check_total(total, recipe.delta, [Mechanism(name="pure", epsilon=recipe.epsilon)])
        paid = [t.mechanism for t in earlier if t.mechanism is not None]
        spent = epsilon(paid, recipe.delta, self.relation)
        # Where nothing is read before the noise is known, `check_total` follows, and is exact.
        reads_first = recipe.preprocessing_epsilon is not None or self.relation == "add-remove"
        together = spent + recipe.epsilon if reads_first else max(spent, recipe.epsilon)
        if together > total:
            raise BudgetError(
                f"Earlier releases of data set {self.dataset!r} spend ε = {spent:.3g} at δ = "
                f"{recipe.delta:g} and this one up to {recipe.epsilon:g} more; the total allowed "
                f"is {total:g}. Train with a smaller epsilon, or allow more."
            )

    def _releases(self) -> list[Touch]:
        entries = self.ledger.entries(dataset=self.dataset) if self.ledger else []
        return [e.touch for e in entries if e.touch.scope is Scope.RELEASE]

    def check_total(self, total: float, delta: float, planned: list[Mechanism]) -> None:
        """Refuse if earlier releases of the data set and the planned one exceed ε = `total`.

        Raises:
            BudgetError: they do, or an earlier release has no ε at all.
        """
        earlier = self._releases()
        if not planned or any(t.kind is TouchKind.UNACCOUNTED for t in earlier):
            what = "An earlier release" if planned else "A training without epsilon"
            raise BudgetError(
                f"{what} of data set {self.dataset!r} is covered by no ε, so no total of "
                f"{total:g} can be kept; leave --budget-total out, "
                "or train privately on new data."
            )
        paid = [t.mechanism for t in earlier if t.mechanism is not None]
        spent = epsilon([*paid, *planned], delta, self.relation)
        if spent > total:
            raise BudgetError(
                f"This release and {len({t.artefact for t in earlier})} earlier ones of data set "
                f"{self.dataset!r} would spend ε = {spent:.3g} together at δ = {delta:g}; the "
                f"total allowed is {total:g}. Train with a smaller epsilon, or allow more."
            )
