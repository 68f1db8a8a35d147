"""Policies: limits on metrics, each with an owner and a reason, in a TOML file."""

from __future__ import annotations

import hashlib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genaudit.errors import OptionError, plain
from genaudit.result import Limit, PolicyInfo

#: Metrics of what a subject claims; a limit that a policy gave them would be leave to overclaim.
CLAIM = "privacy.claim."


class Policy(BaseModel):
    """Limits by metric, and the chance `alpha` of any false `outside` in a chapter.

    A limit may expire: `expires` is the last day on which anything counts as within it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = "1"
    owner: str
    alpha: float = Field(default=0.01, gt=0, le=0.1)
    limits: tuple[Limit, ...] = ()
    digest: str = ""
    default: bool = False

    @model_validator(mode="after")
    def _one_limit_each(self) -> Self:
        metrics = [limit.metric for limit in self.limits]
        twice = next((m for m in metrics if metrics.count(m) > 1), None)
        if twice:
            raise ValueError(f"metric {twice!r} is limited twice")
        fixed = next((m for m in metrics if m.startswith(CLAIM)), None)
        if fixed is not None:
            raise ValueError(
                f"metric {fixed!r} has a limit that no policy sets: that a claim must be true"
            )
        return self

    def limit(self, metric: str) -> Limit | None:
        """The limit on a metric, if there is one."""
        return next((limit for limit in self.limits if limit.metric == metric), None)

    def info(self) -> PolicyInfo:
        """The policy as a report carries it."""
        return PolicyInfo(**{k: getattr(self, k) for k in PolicyInfo.model_fields})

    @classmethod
    def read(cls, path: str | Path | None = None) -> Policy:
        """The policy in a TOML file; the bundled default without one.

        Raises:
            OptionError: the file is absent, is no TOML, or a limit is not usable.
        """
        source = files("genaudit") / "policies" / "default.toml" if path is None else Path(path)
        try:
            raw = source.read_bytes()
            data = tomllib.loads(raw.decode("utf-8"))
        except (OSError, ValueError) as error:
            raise OptionError(
                f"Expected a policy (TOML) at {str(path)!r}, got: {error}."
            ) from error
        return cls._of(data, hashlib.sha256(raw).hexdigest(), str(path), default=path is None)

    @classmethod
    def _of(cls, data: dict[str, Any], digest: str, source: str, *, default: bool) -> Policy:
        if "limits" in data:
            raise OptionError(f"The policy in {source} has 'limits'; expected [[limit]] tables.")
        limits = data.pop("limit", [])
        owner = data.get("owner", "")
        if not isinstance(limits, list) or not all(isinstance(limit, dict) for limit in limits):
            raise OptionError(f"The policy in {source}: expected each limit as a [[limit]] table.")
        # A report of a newer version may hold more fields; in a policy one more is a misspelling.
        unknown = sorted({name for limit in limits for name in limit} - set(Limit.model_fields))
        if unknown:
            raise OptionError(
                f"The policy in {source} has a limit with the unknown field {unknown[0]!r}; "
                f"expected {', '.join(Limit.model_fields)}."
            )
        try:
            return cls.model_validate(
                {
                    **data,
                    "limits": [{"owner": owner, **limit} for limit in limits],
                    "digest": digest,
                    "default": default,
                }
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "its limits"
            reason = plain(first["msg"])
            raise OptionError(
                f"The policy in {source} is not usable at {where}: {reason}."
            ) from error
