"""Who is attacked, and with what: one game for all attacks that see nothing but samples.

Members are training rows and non-members unseen rows that occur once in all real tables. Both meet
the same samples and the same reference, rows of the population that are never attacked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from genaudit.audits._power import DOUBT_CONFIDENCE
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy._shift import told_apart
from genaudit.audits.words import listed
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.data.schema import Column
from genaudit.modalities.table.gaps import Gaps, compared, not_compared
from genaudit.modalities.table.search import Encoded, Nearest
from genaudit.modalities.table.space import Keys, Space, exact_hits, one_each
from genaudit.result import Message, message
from genaudit.stats.roc import auc

#: Different samples without which nearness says nothing, for or against.
MIN_DISTINCT = 100

#: Most members, and most non-members, that are attacked; most samples, and most reference rows.
MAX_RECORDS, MAX_POOL = 5000, 50_000

#: Distance, as a share of the longest, below which nearer means little.
TAU = 0.01

#: Scores, or distances, of members and of non-members, shape (n,) each.
Sides = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Game:
    """Records to attack, and what they are held against.

    records: members and non-members. near_samples, near_reference: their distances to the nearest
    one. shift: distances of other members and the non-members to the rest of train, which stands in
    for the samples, so that what tells members apart is not memory but another population;
    near_reference of those members is that of every other one. told: scores of learners that tell
    members from non-members without any sample, the strongest last. n_distinct: different samples.
    rows: where the members are in train, the non-members among the unseen rows, and, in the
    reference, rows that occur once like them.
    """

    space: Space
    records: tuple[Encoded, Encoded]
    samples: Encoded
    reference: Encoded
    near_samples: Sides
    near_reference: Sides
    shift: Sides
    told: tuple[Sides, ...]
    n_distinct: int
    reach: Reach
    rows: tuple[np.ndarray, np.ndarray, np.ndarray]

    def log_ratios(self, tau: float = TAU) -> Sides:
        """How much nearer to the samples than to the reference each record is."""
        near, far = self.near_samples, self.near_reference
        return log_ratio(far[0], near[0], tau), log_ratio(far[1], near[1], tau)

    def doubt(self, tau: float = TAU) -> Message | None:
        """Why no attack can be believed, if there is a reason."""
        return _FEW if self.n_distinct < MIN_DISTINCT else self.unlike(tau)

    def unlike(self, tau: float = TAU) -> Message | None:
        """Why none can be, where that is members and non-members themselves."""
        return unlike(self.near_reference, self.shift, self.told, tau)


def unlike(calm: Sides, shift: Sides, told: tuple[Sides, ...], tau: float = TAU) -> Message | None:
    """Why no attack can be believed, where members are told from others without the subject.

    calm: distances to the nearest reference row. shift, told: as those of a `Game`.
    """
    shifted = log_ratio(calm[0][1::2], shift[0], tau), log_ratio(calm[1], shift[1], tau)
    nearness = [auc(*scores).interval(DOUBT_CONFIDENCE) for scores in (calm, shifted)]
    # A learner that is wrong more often than by chance has learned nothing.
    learned = [auc(*scores).interval(DOUBT_CONFIDENCE)[0] for scores in told]
    alike = all(low <= 0.5 <= high for low, high in nearness) and all(x <= 0.5 for x in learned)
    return None if alike else UNLIKE


def log_ratio(far: np.ndarray, near: np.ndarray, tau: float) -> np.ndarray:
    """log((far + tau) / (near + tau))."""
    return np.asarray(np.log((far + tau) / (near + tau)))


def game(
    case: AuditCase, max_records: int = MAX_RECORDS, max_pool: int = MAX_POOL
) -> tuple[Game | None, Reach]:
    """The game of a case (None where there are too few rows to attack), and what was looked at."""
    key = ("privacy.game", max_records, max_pool)
    return case.once(key, lambda: _play(case, max_records, max_pool))


def _play(case: AuditCase, max_records: int, max_pool: int) -> tuple[Game | None, Reach]:
    samples, train, unseen, reference = case.samples, case.train, case.non_members, case.reference
    columns = compared(samples, train, unseen, reference)
    rng = case.rng("privacy.distance")
    drawn = samples.take(rng.permutation(len(samples))[:max_pool])
    calm = reference.take(rng.permutation(len(reference))[:max_pool])
    n_unreadable = Gaps.of(samples, columns, train, unseen, reference).n_rows()
    reach = Reach(len(samples), len(drawn), len(calm), len(train), train.n_units(), n_unreadable)
    single = singletons((train, unseen, reference), columns)
    positions = some(one_each(train, single[0], rng), max_records, rng)
    others = some(one_each(unseen, single[1], rng), max_records, rng)
    if min(len(positions), len(others)) < SMALL_CELL:
        return None, reach
    members, non_members = train.take(positions), unseen.take(others)
    space = Space.fit(calm, columns, drawn, members, non_members)
    pool, calm_pool = space.encode(drawn), space.encode(calm)
    attacked = (space.encode(members), space.encode(non_members))
    near, far = (tuple(map(space.search(p).sought, attacked)) for p in (pool, calm_pool))
    shift = shift_of(space, train, positions, attacked[1], len(drawn), rng)
    least = min((*near, *far, *shift), key=lambda found: found.recall)
    if least.measured_on:
        reach = replace(reach, recall=least.recall, measured_on=least.measured_on)
    told = told_apart(*attacked, case.rng("privacy.shift"))
    alike = one_each(reference, single[2], case.rng("privacy.game"))
    found = Game(
        space, attacked, pool, calm_pool, sides(near), sides(far), sides(shift), told,
        drawn.n_distinct, reach, (positions, others, alike),
    )  # fmt: skip
    return found, reach


def sides(found: tuple[Nearest, ...]) -> Sides:
    """Distances of members and of non-members."""
    members, non_members = found
    return members.distance, non_members.distance


def shift_of(
    space: Space, train: Dataset, members: np.ndarray, others: Encoded, most: int,
    rng: np.random.Generator,
) -> tuple[Nearest, Nearest]:  # fmt: skip
    """Nearest of at most so many of the rest of train, for every other member and for all others.

    The rest stands in for the samples, so that what tells members apart is another population.
    """
    left_out = train.take(members[1::2])
    rest = np.flatnonzero(~_of_persons(train, members[1::2]))
    search = space.search(space.encode(train.take(rng.permutation(rest)[:most])))
    return search.sought(space.encode(left_out)), search.sought(others)


def _of_persons(table: Dataset, rows: np.ndarray) -> np.ndarray:
    """Mask of the rows of the persons who have some rows (positions); of these where none is."""
    person = table.schema.person
    if person is None:
        return np.isin(np.arange(len(table)), rows)
    persons = table.frame[person.name]
    return np.asarray(persons.isin(persons.iloc[rows]).to_numpy())


def left_out(case: AuditCase) -> tuple[Message, ...]:
    """Columns that nearness was measured without."""
    samples = case.samples
    columns = compared(samples, case.train, case.non_members, case.reference)
    gone = (*samples.absent, *not_compared(samples, columns))
    if case.description is not None:
        gone = case.description.said(gone)
    if not gone:
        return ()
    return (
        message(
            "privacy.distance.unread",
            "Nearness was measured without {columns}: the samples lack these columns, or most of "
            "their cells are missing or not allowed by the schema.",
            columns=listed(gone),
        ),
    )


def singletons(tables: tuple[Dataset, ...], columns: tuple[Column, ...]) -> list[np.ndarray]:
    """Positions of the rows of each table that one person alone has, in all of them together."""
    keys = [Keys.of(table, columns) for table in tables]
    pool = Keys.joined(keys)
    visible = exact_hits(pool, pool.take(np.arange(0))).visible
    parts = np.split(visible, np.cumsum([len(k) for k in keys])[:-1])
    return [np.flatnonzero(part) for part in parts]


def some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to attack: not quite all, as how many there are would tell of a few that repeat."""
    most = min(most, len(rows) - len(rows) % SMALL_CELL)
    return np.sort(rng.permutation(rows)[:most])


UNLIKE = message(
    "privacy.distance.unlike",
    "Members and non-members can be told apart without the samples, so the two are not alike and "
    "the attack proves nothing. Bring a holdout drawn at random from the same rows as train.",
)


_FEW = message(
    "privacy.distance.few",
    "Fewer than {least:integer} different samples: too few to be near to many records.",
    least=MIN_DISTINCT,
)
