"""Training rows that stand verbatim among the samples, against rows that were never seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from genaudit.audits._power import DOUBT_CONFIDENCE, default_limit, shown, shown_of
from genaudit.audits.privacy._pool import Pool
from genaudit.audits.privacy.copies import BLIND, UNLIKE, hashed, incomparable
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, Split, audit, ranged
from genaudit.modalities.table.space import Keys, exact_hits
from genaudit.result import Claim, Estimate, Finding, Message, message
from genaudit.stats.intervals import Interval
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
    blind = found.blind.pool
    unlike = min(blind.n, blind.n_others) > 0 and blind.unequal()
    doubt = UNLIKE if unlike else incomparable(case)
    share = _share(found).model_copy(update={"doubt": doubt})
    if case.split is None:
        return Outcome((share,))
    return Outcome((share, _epsilon(case, case.split, found, options.delta, doubt)))


@dataclass(frozen=True, eq=False)
class Found:
    """Whether each row that can be told apart was found; a person's rows count as one.

    members, others: bools (m,) and (k,).
    """

    members: np.ndarray
    others: np.ndarray

    @classmethod
    def of(cls, members: Keys, others: Keys, samples: Keys) -> Found:
        """The rows of both that one person alone has, and whether a sample equals one."""
        pool = Keys.joined([members, others])
        hits = exact_hits(pool, samples)
        member = np.arange(len(pool)) < len(members)
        hit, other = (_units(pool, hits.visible & side, hits.hit) for side in (member, ~member))
        return cls(hit, other)

    @property
    def pool(self) -> Pool:
        """How many they are."""
        n, k = len(self.members), len(self.others)
        return Pool(int(self.members.sum()), n, int(self.others.sum()), k)


@dataclass(frozen=True, eq=False)
class Matches:
    """Matches of train and holdout with the samples, and where nothing can have leaked.

    null: of two parts of the holdout. blind: of train and unseen rows with real rows for samples.
    n_train, n_holdout: rows, or persons, told apart or not. n_unreadable: samples that may match.
    n_samples: all of them.
    """

    main: Found
    null: Found
    blind: Found
    n_train: int
    n_holdout: int
    n_unreadable: int
    n_samples: int
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
            Found.of(train, holdout, samples),
            Found.of(keys["unseen"], keys["reference"], samples),
            Found.of(train, keys["unseen"], keys["other"]),
            n_train,
            n_holdout,
            gaps.n_hiding(samples, train),
            len(samples),
            persons=train.owner is not None,
        )


def _units(pool: Keys, rows: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Whether each person with a row in a mask has such a row that was hit, bools (persons,)."""
    if pool.owner is None:
        return np.asarray(hit[rows])
    _, unit = np.unique(pool.owner[rows], return_inverse=True)
    return np.bincount(unit, weights=hit[rows]) > 0


def _estimate(found: Found, n_unreadable: int = 0) -> Estimate:
    """Share of members found beyond chance; at worst all that cannot be read are further ones."""
    pool = found.pool
    if min(pool.n, pool.n_others) == 0:
        reason = message(
            "privacy.matches.no_singletons",
            "Every row of one side occurs more than once, so that no match can be told from "
            "chance.",
        )
        return Estimate.undefined(reason, n=max(pool.n, 1), method=_METHOD, unit=_UNIT)

    def interval(confidence: float) -> Interval:
        low, high = pool.interval(confidence)
        return low, min(1.0, high + n_unreadable / pool.n)

    return Estimate.of(pool.value(), interval, n=pool.n, method=_METHOD, unit=_UNIT)


def _share(found: Matches) -> Finding:
    pool, estimate = found.main.pool, _estimate(found.main, found.n_unreadable)
    finding = Finding(
        metric=SHARE,
        label=_LABEL,
        estimate=estimate,
        null=_estimate(found.null),
        baseline=_estimate(found.blind),
        baseline_label=BLIND,
        chance=0.0,
        note=_note(found, pool),
    )
    if estimate.value is None:
        return finding
    most = found.n_samples
    power = {
        "ceiling": pool.ceiling(most),
        "detectable": pool.detectable(default_limit(SHARE), most),
    }
    return finding.model_copy(update=power)


def _note(found: Matches, pool: Pool) -> Message:
    return message(
        "privacy.matches.note",
        "Looked up were {members} of {n_train} in train and {controls} of {n_holdout} in the "
        "holdout whose rows nobody else has: {hit} of the former and {other} of the latter stand "
        "among the samples. Rows that cannot be told apart are left out.",
        members=shown_of(pool.n, found.n_train),
        n_train=shown(found.n_train),
        controls=shown_of(pool.n_others, found.n_holdout),
        n_holdout=shown(found.n_holdout),
        hit=shown_of(pool.hit, pool.n),
        other=shown_of(pool.others_hit, pool.n_others),
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
        chance=0.0,
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
        "refuted at 5%, and the interval begins with what is refuted at 2.5%. Whoever stands among "
        "the samples was guessed to be a member, and the auditor says that fair coins decided who "
        "is.",
    ),
    Split.RANDOM: message(
        "privacy.matches.random",
        "For one record, or person, more or less, at δ = {delta:number}; the value is what is "
        "refuted at 5%, and the interval begins with what is refuted at 2.5%. The auditor says "
        "that train and holdout are a random split: members and non-members were paired at random, "
        "and of a pair of which one stands among the samples that one was guessed to be the "
        "member. As a pair is swapped by two changes, half of what the guesses refute is printed.",
    ),
}
