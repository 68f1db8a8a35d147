"""Policies: limits on metrics, each with an owner and a reason, in a TOML file."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genaudit.errors import OptionError, complaint
from genaudit.reading import decoded, parsed, path_of, read_bytes
from genaudit.result import Direction, Limit, PolicyInfo

#: Metrics of what a subject claims. That a claim is true is no matter of policy: a limit on that
#: would be leave to overclaim.
CLAIM = "privacy.claim."

#: What of a claim a policy may limit: how much is promised.
PROMISED = ("privacy.claim.epsilon", "privacy.claim.delta")

#: Attacks beside `privacy.distance` that see nothing but samples.
_ATTACKS = (
    "classifier", "column_error", "density", "ensemble", "groups",
    "likelihood_ratio", "monte_carlo", "neighbourhood",
)  # fmt: skip

#: Attacks that ask the model itself.
_SCORED = (
    "discriminator", "elbo", "gradient_norm", "iwae", "likelihood", "reconstruction_error",
    "teacher_forced",
)  # fmt: skip

#: Attacks that train the generator again.
_SHADOW_ATTACKS = ("groundhog", "lira", "query_based", "rmia")

#: Metrics whose value is a share, a rate or an area: beyond 0 and 1 a limit on them is a slip, such
#: as 5 for 5%, that nothing could meet or that nothing could break.
SHARES = frozenset(
    {
        "privacy.copies.exact", "privacy.copies.near", "privacy.distance.auc",
        "privacy.distance.tpr_at_1pct_fpr", "privacy.distance.tpr_at_01pct_fpr",
        "privacy.matches.share", "privacy.records.accused",
        *(f"privacy.{a}.{m}" for a in (*_ATTACKS, *_SCORED) for m in ("auc", "tpr_at_1pct_fpr")),
        *(f"privacy.{a}.{m}" for a in _SHADOW_ATTACKS
          for m in ("auc", "pooled_auc", "tpr_at_1pct_fpr")),
        "privacy.canaries.auc", "privacy.claim.delta", "bias.continuous.curve_distance",
        "content.personal_data.rate", "content.personal_data.column_rate",
        "quality.fidelity.one_way", "quality.fidelity.two_way", "quality.fidelity.column",
        "quality.utility.tstr_auc", "quality.utility.trtr_auc", "quality.validity.invalid_rate",
        "quality.validity.column_invalid_rate", "quality.validity.distinct_rate",
    }
)  # fmt: skip

#: Which way is better: below (max), above (min), nearer to zero (abs). A limit that looks the other
#: way would let any harm pass; one without a direction has this one.
BETTER: Mapping[str, Direction] = {
    **{metric: Direction.MAX for metric in SHARES if metric.startswith("privacy.")},
    **dict.fromkeys(
        (
            "privacy.canaries.epsilon", "privacy.canaries.epsilon_fdp",
            "privacy.canaries.epsilon_gaussian", "privacy.canaries.excess", "privacy.claim.epsilon",
            "privacy.claim.excess", "privacy.claim.unaccounted", "privacy.groundhog.epsilon",
            "privacy.groups.auc", "privacy.groups.tpr_at_1pct_fpr", "privacy.inference.risk",
            "privacy.inference.worst",
            "privacy.linkability.risk", "privacy.linkability.worst", "privacy.lira.epsilon",
            "privacy.matches.epsilon", "privacy.query_based.epsilon", "privacy.reconstruction.risk",
            "privacy.reconstruction.worst", "privacy.rmia.epsilon",
            "privacy.singling_out.multivariate", "privacy.singling_out.univariate",
            "bias.conditional.disparity", "bias.conditional.excess",
            "bias.continuous.curve_distance", "bias.differential_fairness.change",
            "bias.differential_fairness.epsilon",
            "bias.downstream.equalized_odds_change", "bias.downstream.gap_change",
            "bias.downstream.stratum_gap_change", "content.personal_data.column_rate",
            "content.personal_data.rate", "content.rare_copies.group_rate",
            "content.rare_copies.rate", "quality.fidelity.column", "quality.fidelity.one_way",
            "quality.fidelity.two_way", "quality.utility.loss",
            "quality.validity.column_invalid_rate", "quality.validity.invalid_rate",
        ),
        Direction.MAX,
    ),
    **dict.fromkeys(
        (
            "privacy.groups.difference", "bias.continuous.outcome_gap_change",
            "bias.continuous.slope_change", "bias.continuous.superiority_change",
            "bias.cost.accuracy_gap_change",
            "bias.downstream.selection_rate_change", "bias.predicted.share_difference",
            "bias.representation.intersection_share_difference", "bias.representation.label_gap",
            "bias.representation.label_gap_change", "bias.representation.share_difference",
            "bias.representation.target_difference", "bias.trts.accuracy_gap_change",
            "bias.trts.false_positive_gap_change", "bias.trts.true_positive_gap_change",
        ),
        Direction.ABS,
    ),
    **dict.fromkeys(("bias.cost.accuracy_change", "quality.utility.tstr_auc"), Direction.MIN),
}  # fmt: skip


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
        fixed = next((m for m in metrics if m.startswith(CLAIM) and m not in PROMISED), None)
        if fixed is not None:
            raise ValueError(
                f"metric {fixed!r} has a limit that no policy sets: that a claim must be true"
            )
        least = next(
            (x for x in self.limits if x.metric in PROMISED and x.direction is Direction.MIN), None
        )
        if least is not None:
            raise ValueError(
                f"metric {least.metric!r} promises less the larger it is, so expected a limit with "
                f"direction 'max', got {least.direction.value!r}"
            )
        against = next((x for x in self.limits if not _looks_right(x)), None)
        if against is not None:
            better = BETTER[against.metric]
            raise ValueError(
                f"metric {against.metric!r} is better {_BETTER_WORDS[better]}, so expected a limit "
                f"with direction {better.value!r}, got {against.direction.value!r}"
            )
        slip = next((x for x in self.limits if x.metric in SHARES and not 0 <= x.value <= 1), None)
        if slip is not None:
            raise ValueError(
                f"metric {slip.metric!r} lies between 0 and 1, so expected such a limit (0.05 for "
                f"5%), got {slip.value:g}"
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
        source = (
            files("genaudit") / "policies" / "default.toml"
            if path is None
            else path_of(path, _WHAT)
        )
        raw = read_bytes(source, _WHAT, OptionError)
        data = parsed(decoded(raw, source, _WHAT, OptionError), source, _WHAT)
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
            policy = cls.model_validate(
                {
                    **data,
                    "limits": [{"owner": owner, **_default(limit), **limit} for limit in limits],
                    "digest": digest,
                    "default": default,
                }
            )
        except ValidationError as error:
            first = error.errors()[0]
            said = complaint(first, (*_FIELDS, "limit"))
            raise OptionError(
                f"The policy in {source} is not usable at {_place(first['loc'], limits)}: {said}; "
                "correct the file."
            ) from error
        return policy.answered_for(source)

    def answered_for(self, source: str) -> Policy:
        """The same policy, where somebody stands for each of its limits and says why.

        Raises:
            OptionError: a name, an owner or a rationale is empty.
        """
        said = {"name": self.name, "owner": self.owner}
        for limit in self.limits:
            said[f"owner of the limit on {limit.metric}"] = limit.owner
            said[f"rationale of the limit on {limit.metric}"] = limit.rationale
        empty = next((what for what, text in said.items() if not _words(text)), None)
        if empty is not None:
            raise OptionError(
                f"The policy in {source} leaves the {empty} empty; expected some words, as a "
                "report names who set a limit and why. Fill it in."
            )
        return self


def _words(text: str) -> bool:
    """Whether there is anything to read: a letter, a digit or a sign."""
    return any(unicodedata.category(c)[0] in "LNPS" and c not in _BLANK for c in text)


#: Letters and signs that show nothing: fillers of Hangul, and the empty pattern of Braille.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"


#: What of a limit counts as what a policy says; a field of a later version does not.
_SAID = ("metric", "value", "direction", "owner", "rationale", "source", "expires")


def content(policy: Policy | PolicyInfo) -> str:
    """SHA-256 of what a policy says, whatever its file looks like; a report tells it as well.

    >>> policy = Policy.read()
    >>> content(policy) == content(policy.info()), len(content(policy))
    (True, 64)
    """
    said = policy.model_dump(mode="json", include={"name", "version", "owner", "alpha"})
    limits = [limit.model_dump(mode="json", include=set(_SAID)) for limit in policy.limits]
    text = json.dumps({**said, "limits": limits}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _default(limit: Mapping[str, Any]) -> dict[str, Direction]:
    """The direction of a limit that names none, by what it limits."""
    better = BETTER.get(str(limit.get("metric")))
    return {} if better is None else {"direction": better}


def _looks_right(limit: Limit) -> bool:
    """Whether a limit is on the side where harm is; one on both sides is on that too."""
    better = BETTER.get(limit.metric, limit.direction)
    both = limit.direction is Direction.ABS and better is Direction.MAX
    return limit.direction is better or both


_BETTER_WORDS = {
    Direction.MAX: "the smaller it is",
    Direction.MIN: "the larger it is",
    Direction.ABS: "the nearer to zero it is, on either side",
}

#: What a policy file may hold beside its limits.
_FIELDS = ("name", "version", "owner", "alpha")

_WHAT = "a policy (TOML)"


def _place(loc: Sequence[int | str], limits: Sequence[Mapping[str, Any]]) -> str:
    """Where in the file an error is: a limit by the metric that it names."""
    if len(loc) > 1 and loc[0] == "limits":
        metric = limits[int(loc[1])].get("metric", f"number {int(loc[1]) + 1}")
        return ".".join(["limit", *map(str, loc[2:])]) + f" of {metric}"
    return ".".join(map(str, loc)) or "its limits"
