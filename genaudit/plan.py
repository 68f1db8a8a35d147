"""Audit plans: which audits run, with which options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genaudit.errors import OptionError
from genaudit.reading import path_of, read_toml

#: Audits that train the generator again, many times; only `full` runs them.
_ONLY_FULL = frozenset(
    {"privacy.groundhog", "privacy.lira", "privacy.query_based", "privacy.rmia"}
)  # fmt: skip

#: Audits that `quick` leaves out beside those.
_NOT_QUICK = frozenset({"bias.cost"}) | frozenset(
    f"privacy.{name}"
    for name in (
        "classifier",
        "column_error",
        "density",
        "discriminator",
        "elbo",
        "ensemble",
        "gradient_norm",
        "groups",
        "iwae",
        "likelihood",
        "likelihood_ratio",
        "monte_carlo",
        "neighbourhood",
        "reconstruction",
        "reconstruction_error",
        "records",
        "teacher_forced",
    )
)


@dataclass(frozen=True)
class AuditPlan:
    """Audits by id (None = all that there are) and their options.

    n_samples: records to draw from a sampler; None = as many as the largest data set holds, and
        at least 5,000.
    """

    name: str = "standard"
    audits: tuple[str, ...] | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    n_samples: int | None = None

    def includes(self, audit: str) -> bool:
        """Whether the plan runs the audit with this id."""
        if self.audits is not None:
            return audit in self.audits
        if audit in _ONLY_FULL:
            return self.name == "full" or audit in self.options
        return not (self.name == "quick" and audit in _NOT_QUICK)

    @classmethod
    def read(cls, name: str | Path = "standard") -> AuditPlan:
        """`quick`, `standard`, `full`, or a TOML file.

        The file may hold `audits = [...]`, `n_samples = N` and tables `[options."privacy.copies"]`.

        Raises:
            OptionError: no such plan or file, or a field of the wrong type.
        """
        if str(name) in ("quick", "standard", "full"):
            return cls(name=str(name))
        what = "quick, standard, full or a plan file (TOML)"
        data = read_toml(path_of(name, what), what)
        unknown = sorted(set(data) - {"audits", "options", "n_samples"})
        if unknown:
            raise OptionError(
                f"Unknown field {unknown[0]!r} in plan {name}; expected audits, options, n_samples."
            )
        return cls._of(Path(name).name, data)

    @classmethod
    def _of(cls, name: str, data: Mapping[str, Any]) -> AuditPlan:
        audits, options = data.get("audits"), data.get("options", {})
        n_samples = data.get("n_samples")
        if audits is not None and not (
            isinstance(audits, list) and all(isinstance(a, str) for a in audits)
        ):
            raise OptionError(f"Plan {name}: expected audits as a list of ids, got {audits!r}.")
        if not isinstance(options, dict) or not all(isinstance(o, dict) for o in options.values()):
            raise OptionError(f"Plan {name}: expected options as one table for each audit.")
        if n_samples is not None and (not isinstance(n_samples, int) or n_samples < 2):
            raise OptionError(f"Plan {name}: expected n_samples of at least 2, got {n_samples!r}.")
        return cls(name, tuple(audits) if audits is not None else None, options, n_samples)
