"""Training rows that stand verbatim among the samples, against rows that were never seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from genaudit.audits._power import DOUBT_CONFIDENCE, POWER_CONFIDENCE, shown, shown_of, smallest
from genaudit.audits.privacy.copies import BLIND, UNLIKE, hashed, holdout_seen
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, Split, audit, ranged
from genaudit.modalities.table.space import Keys, exact_hits
from genaudit.result import Claim, Estimate, Finding, Message, message
from genaudit.stats.intervals import Interval, beyond_chance
from genaudit.stats.split import Guesses, of_coins, of_split
from genaudit.subject import Access

SHARE, EPSILON = "privacy.matches.share", "privacy.matches.epsilon"

_METHOD = "matches of rows that occur once, Fisher exact"
_UNIT = "share of training rows"
_BOUND = "one run, matches as guesses about what chance decided"

#: Level of the bound on ε that is printed as its value.
_ALPHA = 0.05


@dataclass(frozen=True)
class MatchOptions:
    """Parameters of the bound on ε.

    delta: at which ε is bounded where the subject claims no δ of its own.
    """

    delta: float = ranged(1e-6, 0, 0.1)


@audit(
    title="Matches with training rows, against unseen rows",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Fisher 1935, The Design of Experiments (exact test); Steinke, Nasr, Jagielski 2023, "
    "Privacy Auditing with One (1) Training Run, theorem 5.2",
    options=MatchOptions,
    modalities=EVERY,
    described=True,
    metrics=(SHARE, EPSILON),
)
def matches(case: AuditCase, options: MatchOptions) -> Outcome:
    """How many training rows stand among the samples as they are, beyond what unseen rows do.

    The attacker looks a person up in the samples, and where the person's whole row stands there
    they say that it was trained on. Rows that occur once in train and holdout together are one
    pool; if the generator remembers nothing, the labels of those that match are dealt at random, so
    that five matches with training rows and none with as many unseen ones are rare by themselves.

    Where chance decided between train and holdout, and the auditor says so, the same matches bound
    ε from below without a training: who matches is guessed to be a member, and under ε no guess is
    right with odds of more than e^ε. Of a random split of fixed sizes a member and a non-member at
    a time are paired at random, as in each pair it is a fair coin that decided which is which.
    """
    found = Matches.of(case)
    doubt = UNLIKE if found.blind.unequal() else holdout_seen(case)
    share = _share(found).model_copy(update={"doubt": doubt})
    if case.split is None:
        return Outcome((share,))
    return Outcome((share, _epsilon(case, case.split, found, options.delta, doubt)))


@dataclass(frozen=True, eq=False)
class Pool:
    """Whether each row that can be told apart was found; a person's rows count as one.

    members, others: bools (m,) and (k,). n_unreadable: samples that may match, but cannot be read.
    """

    members: np.ndarray
    others: np.ndarray
    n_unreadable: int = 0

    @classmethod
    def of(cls, members: Keys, others: Keys, samples: Keys, n_unreadable: int = 0) -> Pool:
        """The rows of both that one person alone has, and whether a sample equals one."""
        pool = Keys.joined([members, others])
        hits = exact_hits(pool, samples)
        member = np.arange(len(pool)) < len(members)
        hit, other = (_units(pool, hits.visible & side, hits.hit) for side in (member, ~member))
        return cls(hit, other, n_unreadable)

    def value(self) -> float:
        """Most likely share of members whose match chance does not explain, not below 0."""
        chance = float(self.others.mean())
        if chance >= 1:
            return 0.0
        return max(0.0, (float(self.members.mean()) - chance) / (1 - chance))

    def interval(self, confidence: float) -> Interval:
        """Exact interval of that share, of these members; unreadable samples match at worst."""
        n = len(self.members)
        low, high = beyond_chance(*self.counts, confidence)
        most = min(1.0, (high + self.n_unreadable) / n)
        # The value is no end of the interval only where chance matches all but a few.
        return min(low / n, self.value()), max(most, self.value())

    def unequal(self) -> bool:
        """Whether either side was found more often than the other, beyond 99.9%."""
        hit, n, other, k = self.counts
        return any(
            beyond_chance(*counts, DOUBT_CONFIDENCE)[0] > 0
            for counts in ((hit, n, other, k), (other, k, hit, n))
        )

    def low_if(self, share: float, quantile: float = 0.5) -> float:
        """Low end at `POWER_CONFIDENCE` were so many members found beside those by chance."""
        _, n, other, k = self.counts
        caused = int(binom.ppf(quantile, n, share))
        hit = caused + round((n - caused) * other / k)
        return beyond_chance(hit, n, other, k, POWER_CONFIDENCE)[0] / n

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Members found, members, others found, others."""
        return (
            int(self.members.sum()), len(self.members), int(self.others.sum()), len(self.others)
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Matches:
    """Matches of train and holdout with the samples, and where nothing can have leaked.

    null: of two parts of the holdout. blind: of train and unseen rows with real rows for samples.
    n_train, n_holdout: rows, or persons, told apart or not.
    """

    main: Pool
    null: Pool
    blind: Pool
    n_train: int
    n_holdout: int
    persons: bool

    @classmethod
    def of(cls, case: AuditCase) -> Matches:
        """Looked up once in a case."""
        return case.once("privacy.matches", lambda: cls._look(case))

    @classmethod
    def _look(cls, case: AuditCase) -> Matches:
        keys, gaps = hashed(case).keys, hashed(case).gaps
        train, holdout, samples = keys["train"], keys["holdout"], keys["samples"]
        n_train, n_holdout = (k.n_units(np.ones(len(k), dtype=bool)) for k in (train, holdout))
        return cls(
            Pool.of(train, holdout, samples, gaps.n_hiding(samples, train)),
            Pool.of(keys["unseen"], keys["reference"], samples),
            Pool.of(train, keys["unseen"], keys["other"]),
            n_train,
            n_holdout,
            persons=train.owner is not None,
        )


def _units(pool: Keys, rows: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Whether each person with a row in a mask has such a row that was hit, bools (persons,)."""
    if pool.owner is None:
        return np.asarray(hit[rows])
    _, unit = np.unique(pool.owner[rows], return_inverse=True)
    return np.bincount(unit, weights=hit[rows]) > 0


def _estimate(pool: Pool) -> Estimate:
    n = len(pool.members)
    if min(n, len(pool.others)) == 0:
        reason = message(
            "privacy.matches.no_singletons",
            "Every row of one side occurs more than once, so that no match can be told from "
            "chance.",
        )
        return Estimate.undefined(reason, n=max(n, 1), method=_METHOD, unit=_UNIT)
    return Estimate.of(pool.value(), pool.interval, n=n, method=_METHOD, unit=_UNIT)


def _share(found: Matches) -> Finding:
    main, estimate = found.main, _estimate(found.main)
    finding = Finding(
        metric=SHARE,
        label=_LABEL,
        estimate=estimate,
        null=_estimate(found.null),
        baseline=_estimate(found.blind),
        baseline_label=BLIND,
        note=_note(found),
    )
    if estimate.value is None:
        return finding
    detectable = smallest(lambda share: main.low_if(share, 0.2) > 0, 0.0, 1.0)
    return finding.model_copy(update={"ceiling": main.low_if(1.0), "detectable": detectable})


def _note(found: Matches) -> Message:
    hit, n, other, k = found.main.counts
    return message(
        "privacy.matches.note",
        "Looked up were {members} of {n_train} in train and {controls} of {n_holdout} in the "
        "holdout whose rows nobody else has: {hit} of the former and {other} of the latter stand "
        "among the samples. Rows that cannot be told apart are left out.",
        members=shown_of(n, found.n_train),
        n_train=shown(found.n_train),
        controls=shown_of(k, found.n_holdout),
        n_holdout=shown(found.n_holdout),
        hit=shown_of(hit, n),
        other=shown_of(other, k),
    )


def _epsilon(
    case: AuditCase, split: Split, found: Matches, delta: float, doubt: Message | None
) -> Finding:
    """The bound on ε, and a warning where the claim lies below it."""
    claim = case.subject.claim
    delta = delta if claim is None else claim.delta
    members, others = found.main.members, found.main.others
    guesses = (
        of_coins(members, others)
        if split is Split.COIN
        else of_split(members, others, case.rng("privacy.matches"))
    )
    if split is Split.COIN and _no_coins(len(members), len(others)):
        doubt = doubt or _NO_COINS
    estimate = Estimate.of(
        guesses.epsilon(delta, _ALPHA),
        lambda confidence: (guesses.epsilon(delta, (1 - confidence) / 2), np.inf),
        n=max(guesses.n_candidates, 1),
        method=_BOUND,
        unit="ε",
    )
    n = guesses.n_candidates
    best = Guesses(n, min(len(members), n), min(len(members), n), guesses.paired)
    return Finding(
        metric=EPSILON,
        label=_BOUNDED,
        estimate=estimate,
        ceiling=best.epsilon(delta, _ALPHA),
        doubt=doubt,
        note=_WORDS[split].model_copy(update={"params": {"delta": delta}}),
        warning=_refuted(claim, estimate, persons=found.persons) if doubt is None else None,
    )


def _no_coins(n_members: int, n_others: int) -> bool:
    """Whether fair coins would have dealt sides so unequal less than once in a thousand times."""
    n = n_members + n_others
    return n > 0 and bool(binomtest(n_members, n).pvalue < 1 - DOUBT_CONFIDENCE)


def _refuted(claim: Claim | None, bound: Estimate, *, persons: bool) -> Message | None:
    """What a claim that lies below the bound has to explain."""
    if claim is None or bound.low is None or bound.low <= claim.epsilon:
        return None
    if persons and claim.unit == "record":
        return None  # what a person may leak is not what a record may
    return message(
        "privacy.matches.above_claim",
        "Under the claimed ε of {epsilon:number} matches like these would come up less than once "
        "in forty runs.",
        epsilon=claim.epsilon,
    )


_LABEL = message(
    "privacy.matches.share", "Training rows that stand among the samples beyond chance"
)
_BOUNDED = message("privacy.matches.epsilon", "Lower bound on ε from matches")
_NO_COINS = message(
    "privacy.matches.no_coins",
    "Train and holdout are too unequal in number for fair coins to have decided between them.",
)

_WORDS = {
    Split.COIN: message(
        "privacy.matches.coin",
        "For one record, or person, more or less, at δ = {delta:number}; the value is what is "
        "refuted at 5%. Whoever stands among the samples was guessed to be a member, and the "
        "auditor says that fair coins decided who is.",
    ),
    Split.RANDOM: message(
        "privacy.matches.random",
        "For one record, or person, more or less, at δ = {delta:number}; the value is what is "
        "refuted at 5%. The auditor says that train and holdout are a random split: members and "
        "non-members were paired at random, and of a pair of which one stands among the samples "
        "that one was guessed to be the member. As a pair is swapped by two changes, half of what "
        "the guesses refute is printed.",
    ),
}
