"""The privacy ledger: every read of private data, append-only, chained by keyed digests.

A touch has a kind (`public`, `accounted`, `unaccounted`) and a scope: `release` (flows into a named
artefact) or `audit` (flows into a report or the operator's screen). A claim is judged on the
release touches of its artefact. Touches are written before the data is read, so a crash leaves a
true ledger.

A private release of a named data set is written down as a whole (`reserved`) before its parts are
charged, so that of two trainings at once each that keeps a total counts the other. Where nobody can
go on with a training, its reservation names the process that is at work, and ends with it.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import hmac
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from genaudit.errors import IntegrityError, OptionError, reason
from genaudit.holder import Holder, State

GENESIS = "0" * 64

#: How a data set that nobody named is named, before a part of its digest.
UNDECLARED = "undeclared-"

_KEY_BYTES = 32

_ALL = "SELECT seq, body, head FROM touch ORDER BY seq"


class TouchKind(StrEnum):
    """How much of the privacy promise a touch spends; `reserved` has read nothing yet."""

    PUBLIC = "public"
    ACCOUNTED = "accounted"
    UNACCOUNTED = "unaccounted"
    RESERVED = "reserved"


class Scope(StrEnum):
    """Where what was read flows to."""

    RELEASE = "release"
    AUDIT = "audit"


#: What each kind of mechanism cannot be accounted without.
_NEEDED = {
    "poisson_gaussian": ("noise_multiplier", "sampling_rate"),
    "gaussian": ("noise_multiplier",),
    "pure": ("epsilon",),
    "remainder": ("epsilon",),
}


class Mechanism(BaseModel):
    """A mechanism as the accountant composes it.

    name: `poisson_gaussian` (sampling_rate, noise_multiplier, steps), `gaussian`
        (noise_multiplier, count = steps) or `pure` (epsilon, and delta where it has one).
        A reservation may hold a `remainder` (epsilon): what a release will spend by mechanisms
        that are not known yet. No accountant composes it; its ε is added.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    noise_multiplier: float | None = Field(default=None, gt=0)
    sampling_rate: float | None = Field(default=None, gt=0, le=1)
    steps: int = Field(default=1, ge=1)
    epsilon: float | None = Field(default=None, ge=0)
    delta: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for needed in _NEEDED.get(self.name, ()):
            if getattr(self, needed) is None:
                raise ValueError(f"mechanism {self.name!r} needs its {needed}")
        return self

    def __str__(self) -> str:
        match self.name:
            case "poisson_gaussian":
                return (
                    f"Gaussian, noise multiplier {self.noise_multiplier:.4g}, Poisson rate "
                    f"{self.sampling_rate:.4g}, {self.steps:,} steps"
                )
            case "gaussian":
                return f"Gaussian, noise multiplier {self.noise_multiplier:.4g}, {self.steps:,}x"
            case _:
                return f"{self.name}, ε = {self.epsilon:.4g}, δ = {self.delta:.3g}"


class Registered(BaseModel):
    """A policy that was entered before a run.

    digest: SHA-256 of its file. content: SHA-256 of what it says (`genaudit.policy.content`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    version: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    content: str = Field(pattern=r"^[0-9a-f]{64}$")


class Touch(BaseModel):
    """One read of a data set, or the reservation of all reads of one release.

    The entry of a policy is a touch too, which reads nothing: `public`, and of no data set.

    dataset: id of the data set. artefact: what the read flows into. unit: `record` or `person`.
    mechanism: what an accounted read spends, and no other touch has one.
    digest: HMAC of the content, under a key that stays beside the ledger.
    run: one training that reserved what it will spend; empty where none was reserved.
    planned: all that this run will spend, charged parts included. Its latest reservation holds, and
        an empty one gives back what was not charged.
    holder: the process with which a reservation ends; None where another may go on with the run.
    delta: δ of the claim that a reservation is for; None where there is none.
    policy: what was registered, and no read has one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    dataset: str
    kind: TouchKind
    scope: Scope
    purpose: str
    artefact: str = ""
    mechanism: Mechanism | None = None
    unit: str = "record"
    relation: str = "zero-out"
    digest: str = ""
    time: str = ""
    run: str = ""
    planned: tuple[Mechanism, ...] = ()
    holder: Holder | None = None
    delta: float | None = Field(default=None, ge=0, lt=1)
    policy: Registered | None = None

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        # What a ledger holds stays readable; it is counted as unpaid (`unpaid`).
        if (info.context or {}).get("stored"):
            return self
        if (self.kind is TouchKind.ACCOUNTED) != (self.mechanism is not None):
            raise ValueError(
                f"expected a mechanism with an accounted touch and with no other, got kind "
                f"{self.kind} with mechanism {self.mechanism}"
            )
        if (self.kind is TouchKind.RESERVED and not self.run) or (
            self.kind is not TouchKind.RESERVED and self.planned
        ):
            raise ValueError(
                f"expected a reservation, and no other touch, to plan what a run will spend, got "
                f"kind {self.kind} with run {self.run!r} and {len(self.planned)} planned mechanisms"
            )
        if self.policy is not None and (
            self.kind is not TouchKind.PUBLIC or self.scope is not Scope.AUDIT or self.dataset
        ):
            raise ValueError(
                f"expected a policy to be registered as public, in scope audit and of no data set, "
                f"got kind {self.kind}, scope {self.scope} and data set {self.dataset!r}"
            )
        return self

    @property
    def flows(self) -> bool:
        """Whether something was read, or declared, for an artefact."""
        return self.scope is Scope.RELEASE and self.kind is not TouchKind.RESERVED

    @property
    def public(self) -> Touch:
        """The same without what stays at home: digest, training and name of the data set."""
        return self.model_copy(update={"digest": "", "run": "", "dataset": "", "holder": None})

    @property
    def unpaid(self) -> bool:
        """Whether it reads private data and no mechanism says what that spends."""
        return self.kind is TouchKind.UNACCOUNTED or (
            self.kind is TouchKind.ACCOUNTED and self.mechanism is None
        )

    @property
    def reserves(self) -> bool:
        """Whether it holds room for what may still be spent: not once its process has ended."""
        return bool(self.planned) and (self.holder is None or self.holder.state() is not State.GONE)

    @property
    def spends(self) -> tuple[Mechanism, ...]:
        """What it spends or reserves."""
        return self.planned if self.mechanism is None else (self.mechanism,)


def counted(touches: Iterable[Touch]) -> list[Touch]:
    """The touches that spend: of a run with an open reservation that one, else its charges.

    >>> m = Mechanism(name="pure", epsilon=0.5)
    >>> about = {"dataset": "d", "scope": "release", "purpose": "p", "run": "r"}
    >>> plan = Touch(kind="reserved", planned=(m, m), **about)
    >>> charge = Touch(kind="accounted", mechanism=m, **about)
    >>> [len(t.spends) for t in counted([charge])], [len(t.spends) for t in counted([plan, charge])]
    ([1], [2])
    >>> [len(t.spends) for t in counted([plan, charge, Touch(kind="reserved", **about)])]
    [1]
    """
    touches = list(touches)
    open_ = _open(touches)
    paid = [t for t in touches if t.kind is TouchKind.ACCOUNTED and t.spends]
    return [t for t in paid if t.run not in open_] + list(open_.values())


def _open(touches: Iterable[Touch]) -> dict[str, Touch]:
    """The reservation of each run that may still spend what it has not charged."""
    return {run: t for run, t in _latest(touches).items() if t.reserves}


def _latest(touches: Iterable[Touch]) -> dict[str, Touch]:
    return {t.run: t for t in touches if t.kind is TouchKind.RESERVED}


def _ended(touch: Touch, why: str) -> Touch:
    return touch.model_copy(update={"planned": (), "holder": None, "purpose": why})


@dataclass(frozen=True)
class Entry:
    """A touch in its place in the chain."""

    seq: int
    touch: Touch
    head: str


@dataclass
class _Known:
    """Rows that were seen and held their links: (number, body, digest).

    stamp: of the file, as it was left after a row was written.
    """

    rows: list[tuple[int, str, str]] = field(default_factory=list)
    stamp: tuple[int, ...] | None = None

    @property
    def head(self) -> str:
        """Digest of them all."""
        return self.rows[-1][2] if self.rows else GENESIS


#: Entries whose stored form holds a text ("" = all), in order.
Reader = Callable[[str], list[Entry]]


class Mark(BaseModel):
    """A place in one ledger's chain, carried by what was made there: later it must still be there.

    id: of the ledger, as its key gives it. length: entries up to here. head: digest of them all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    length: int = Field(ge=0)
    head: str = Field(pattern=r"^[0-9a-f]{64}$")


class PrivacyLedger:
    """An append-only SQLite file of touches; safe for several processes at once.

    >>> import tempfile, pathlib
    >>> ledger = PrivacyLedger(pathlib.Path(tempfile.mkdtemp()) / "ledger.sqlite")
    >>> _ = ledger.append(Touch(dataset="d", kind="public", scope="release", purpose="schema"))
    >>> [e.touch.purpose for e in ledger.entries()], ledger.verify() == ledger.head()
    (['schema'], True)
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        self._known, self._lock = _Known(), threading.RLock()
        if self.exists() and not self.path.is_file():
            raise OptionError(
                f"Expected a file as the ledger, got the folder or device {str(self.path)!r}; name "
                "another with --ledger."
            )

    def exists(self) -> bool:
        """Whether anything was ever written into it.

        Raises:
            OptionError: its place cannot be looked at.
        """
        try:
            return self.path.exists()
        except (OSError, ValueError) as error:  # a name that no file can have
            raise OptionError(_unwritable(self.path, error)) from error

    def append(
        self, touch: Touch, check: Callable[[Sequence[Entry]], object] | None = None
    ) -> Entry:
        """Write a touch; call it before the data is read.

        Args:
            touch: What is going to be read, or is reserved.
            check: Called with all entries while the ledger is locked for every other writer. Where
                it raises, nothing is written: of two processes that check at once, one comes first.

        Raises:
            OptionError: the ledger cannot be written.
        """

        def make(read: Reader) -> Touch:
            if check is not None:
                check(read(""))
            return touch

        entry = self.append_made(make)
        assert entry is not None
        return entry

    def append_made(self, make: Callable[[Reader], Touch | None]) -> Entry | None:
        """Write the touch that follows from what is in the ledger, or none.

        Args:
            make: Called with a reader of the entries while the ledger is locked for every other
                writer.

        Raises:
            OptionError: the ledger cannot be written.
            IntegrityError: an entry was changed, removed or put in by hand; nothing is written.
        """
        with self._lock:
            key = self._key()
            with self._connect(create=True) as db:
                db.execute("BEGIN IMMEDIATE")
                entry = self._appended(db, key, make)
            self._known.stamp = self._stamp()
        return entry

    def end(self, run: str) -> Touch:
        """End the reservation of a training that nobody will go on with; its charges count instead.

        Whoever goes on with it after all reserves what is left anew.

        Raises:
            OptionError: no such training has anything reserved, or it is at work.
            IntegrityError: as in `append_made`.
        """

        def make(read: Reader) -> Touch:
            found = _open(e.touch for e in read(run)).get(run)
            if found is None:
                raise OptionError(
                    f"Expected a training with an open reservation in ledger {self.path}, got "
                    f"{run!r}; `genaudit ledger show` names them."
                )
            if found.holder is not None and found.holder.state() is State.ALIVE:
                raise OptionError(
                    f"The training {run} is at work, as {found.holder}; end that process first."
                )
            return _ended(found, "nothing more, as the operator says")

        entry = self.append_made(make)
        assert entry is not None
        return entry.touch

    def end_gone(self) -> None:
        """End the reservations of processes that have ended here: after a restart nobody knows."""

        def make(read: Reader) -> Touch | None:
            latest = _latest(e.touch for e in read("")).values()
            gone = next((t for t in latest if t.planned and not t.reserves), None)
            return gone and _ended(gone, "nothing more: its process has ended")

        while self.append_made(make) is not None:
            pass

    def _appended(
        self, db: sqlite3.Connection, key: bytes, make: Callable[[Reader], Touch | None]
    ) -> Entry | None:
        """`append_made`, while the ledger is locked for every other writer."""
        self._check_plain(db)
        rows = self._known.rows
        if not self._is_as_left(db):
            rows = self._follow(db.execute(_ALL).fetchall())
        touch = make(lambda text: self._entries(row for row in rows if text in row[1]))
        if touch is None:
            return None
        touch = touch.model_copy(update={"time": _now()})
        body, seq = _canonical(touch), len(rows) + 1
        row = (seq, body, _chain(key, self._known.head, body))
        db.execute("INSERT INTO touch VALUES (?, ?, ?)", row)
        # A commit that is not in the file would be a read that nobody charged.
        if db.execute("SELECT * FROM touch WHERE seq >= ?", (seq,)).fetchall() != [row]:
            raise self._edited(seq)
        db.commit()
        self._known.rows.append(row)
        return Entry(seq, touch, row[2])

    def _is_as_left(self, db: sqlite3.Connection) -> bool:
        """Whether nobody wrote the file since this object did, so that its rows are those known.

        A lease then reads two numbers, however old the ledger is. What is not told by the file's
        times is found at the next look at all rows, at the latest before a model is handed out.
        """
        known = self._known
        if not known.rows or known.stamp is None or known.stamp != self._stamp():
            return False
        (last,) = db.execute("SELECT MAX(seq) FROM touch").fetchone()
        head = db.execute("SELECT head FROM touch WHERE seq = ?", (last,)).fetchone()
        return last == len(known.rows) and head == (known.head,)

    def _stamp(self) -> tuple[int, ...]:
        """What changes when the file is written or replaced."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise OptionError(_unwritable(self.path, error)) from error
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _follow(self, rows: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
        """The rows of the file, each following from the one before; what was seen must stand.

        Links of rows that were seen are not computed again, so that a lease costs little on an old
        ledger too.

        Raises:
            IntegrityError: a row was changed, removed or put in by hand, or the file was cut,
                replaced or rolled back since this object last looked.
        """
        known = self._known
        if rows[: len(known.rows)] != known.rows:
            self._check_links(rows, _Known())
            raise IntegrityError(
                f"Ledger {self.path} was cut short, replaced or rolled back while it was in use: "
                f"the {len(known.rows):,} entries that were there are not; restore it from a copy."
            )
        self._check_links(rows[len(known.rows) :], known)
        known.rows.extend(rows[len(known.rows) :])
        return known.rows

    def _check_plain(self, db: sqlite3.Connection) -> None:
        """Nothing but the table: a trigger or a view would change what is written or read."""
        found = db.execute("SELECT type, name FROM sqlite_master").fetchall()
        if found != [("table", "touch")]:
            other = next((name for one, name in found if (one, name) != ("table", "touch")), "none")
            raise IntegrityError(
                f"Expected a table of touches and nothing else in ledger {self.path}, got "
                f"{other!r}; restore it from a copy, and distrust what was released since."
            )

    def entries(
        self, *, dataset: str | None = None, artefact: str | None = None, run: str = ""
    ) -> list[Entry]:
        """All entries in order, or those of one data set, artefact or training.

        Raises:
            IntegrityError: an entry was changed, removed or put in by hand.
        """
        return [
            e
            for e in self._entries(row for row in self._checked() if run in row[1])
            if run in ("", e.touch.run)
            and dataset in (None, e.touch.dataset)
            and artefact in (None, e.touch.artefact)
        ]

    def head(self) -> str:
        """Digest of the whole chain so far."""
        return self.verify()

    def id(self) -> str:
        """Which ledger it is: a digest of the key beside it, 32 hex digits."""
        return self.content_digest(b"the id of this ledger")[:32]

    def mark(self) -> Mark:
        """Where its chain stands now."""
        rows = self._checked()
        return Mark(id=self.id(), length=len(rows), head=rows[-1][2] if rows else GENESIS)

    def verify(self, mark: Mark | None = None) -> str:
        """The head, after computing every link that this object has not, and comparing the others.

        Args:
            mark: A place that was once in this ledger. Without one nothing tells whether entries
                at the end were cut off, or all were written anew by somebody who has the key.

        Raises:
            IntegrityError: an entry was changed, removed or put in by hand, or the mark is not in
                the chain.
        """
        rows = self._checked()
        heads = [GENESIS, *(head for _, _, head in rows)]
        for seq, body, _ in rows:
            self._parsed(seq, body)
        if mark is not None:
            self._check_mark(mark, heads)
        return heads[-1]

    def check_lineage(self, mark: Mark, touches: Sequence[Touch]) -> None:
        """Refuse a record of reads that this ledger, which it was made with, has otherwise.

        Args:
            mark: Where the ledger stood when the record was made; other ledgers may differ.
            touches: What an artefact says that flowed into it, in order.

        Raises:
            IntegrityError: no training has that record; or this ledger was rolled back.
        """
        if not self._was_used() or mark.id != self.id():
            return
        self.verify(mark)
        runs: dict[str, list[Touch]] = {}
        for entry in self.entries()[: mark.length]:
            if entry.touch.flows:
                runs.setdefault(entry.touch.run, []).append(entry.touch.public)
        if [t.public for t in touches] not in runs.values():
            raise IntegrityError(
                f"The reads on record in the model are not those that ledger {self.path} holds of "
                "any training; one of the two was changed by hand, so take the model from where "
                "it was made."
            )

    def _check_mark(self, mark: Mark, heads: Sequence[str]) -> None:
        if not self._was_used():
            raise IntegrityError(
                f"Expected the ledger {mark.id[:8]}... at {str(self.path)!r}, found none there; "
                "name the one that it was made with by --ledger."
            )
        if mark.id != self.id():
            raise IntegrityError(
                f"Expected the ledger {mark.id[:8]}..., got {self.path} with the id "
                f"{self.id()[:8]}...; name the ledger that it was made with, its key beside it."
            )
        if mark.length >= len(heads):
            raise IntegrityError(
                f"Ledger {self.path} was cut short or rolled back, or a copy of it has gone on "
                f"elsewhere: expected at least {mark.length:,} entries, got {len(heads) - 1:,}; "
                "restore it, or name the one that the training was charged to."
            )
        if heads[mark.length] != mark.head:
            raise IntegrityError(
                f"Ledger {self.path} holds another past than expected: its first {mark.length:,} "
                "entries have another digest; restore it from a copy."
            )

    def _was_used(self) -> bool:
        """Whether anything was ever made with it; a look at one that never was leaves nothing."""
        return self.exists() or self._key_path.exists()

    def content_digest(self, content: bytes) -> str:
        """HMAC-SHA-256 of private content: it can be compared, but not guessed without the key."""
        return hmac.new(self._key(), content, hashlib.sha256).hexdigest()

    def _rows(self) -> list[tuple[int, str, str]]:
        if not self.exists():
            return []
        with self._connect() as db:
            if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                return []  # a process made the file and died before its first touch
            self._check_plain(db)
            return db.execute(_ALL).fetchall()

    def _checked(self) -> list[tuple[int, str, str]]:
        """All rows, as `_follow` has them."""
        with self._lock:
            return list(self._follow(self._rows()))

    def _check_links(self, rows: Sequence[tuple[int, str, str]], after: _Known) -> None:
        """Compute links of the chain again.

        Args:
            rows: In order.
            after: Rows before them.

        Raises:
            IntegrityError: a stored digest is another one.
        """
        if not rows:
            return
        key, head = self._key(), after.head
        for expected, (seq, body, stored) in enumerate(rows, start=len(after.rows) + 1):
            if seq != expected or _chain(key, head, body) != stored:
                raise self._edited(expected)
            head = stored

    def _entries(self, rows: Iterable[tuple[int, str, str]]) -> list[Entry]:
        return [Entry(seq, self._parsed(seq, body), head) for seq, body, head in rows]

    def _parsed(self, seq: int, body: str) -> Touch:
        try:
            return Touch.model_validate_json(body, context={"stored": True})
        except ValidationError as error:
            raise self._edited(seq) from error

    def _edited(self, seq: int) -> IntegrityError:
        return IntegrityError(
            f"Ledger {self.path} differs from its own digests at entry {seq}; restore it and the "
            "key beside it from a copy, and distrust what was released since."
        )

    @property
    def _key_path(self) -> Path:
        return self.path.with_name(self.path.name + ".key")

    def _key(self) -> bytes:
        path = self._key_path
        try:
            if not path.exists():
                # A place that is refused as a ledger gets no key either, nor one that had a key.
                if self._rows() and not path.exists():
                    raise IntegrityError(
                        f"Expected the key of ledger {self.path} beside it in {path}, found none; "
                        "restore both from a copy, as without it no entry is proven."
                    )
                _write_once(path, secrets.token_bytes(_KEY_BYTES))
            key = path.read_bytes()
        except OSError as error:
            raise OptionError(_unwritable(self.path, error)) from error
        if len(key) != _KEY_BYTES:
            raise OptionError(
                f"Expected a key of {_KEY_BYTES} bytes in {path}, got {len(key)}; restore it from "
                "a copy."
            )
        return key

    @contextmanager
    def _connect(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as db:
                # A commit is the removal of the journal: it must outlive a loss of power too.
                db.execute("PRAGMA synchronous=EXTRA")
                if create:
                    db.execute(
                        "CREATE TABLE IF NOT EXISTS touch "
                        "(seq INTEGER PRIMARY KEY, body TEXT NOT NULL, head TEXT NOT NULL)"
                    )
                yield db
        except (OSError, sqlite3.OperationalError) as error:
            raise OptionError(_unwritable(self.path, error)) from error
        except sqlite3.DatabaseError as error:
            raise OptionError(
                f"Expected a ledger at {self.path}, got a file that SQLite cannot read: "
                f"{reason(error)}; name another with --ledger."
            ) from error


def default_path() -> Path:
    """`$GENAUDIT_LEDGER`, else `genaudit/ledger.sqlite` in the user's state folder."""
    if named := os.environ.get("GENAUDIT_LEDGER"):
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "genaudit" / "ledger.sqlite"


def _write_once(path: Path, content: bytes) -> None:
    """Write a file for its owner alone; of two processes at once, the first one's stays whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _canonical(touch: Touch) -> str:
    fields: dict[str, Any] = touch.model_dump(mode="json", exclude_none=True)
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _chain(key: bytes, before: str, body: str) -> str:
    """Keyed, so that nobody without the key can change a row and mend what follows."""
    return hmac.digest(key, f"{before}\n{body}".encode(), "sha256").hex()


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _unwritable(path: Path, error: Exception) -> str:
    said = f"The ledger {path} cannot be opened: {reason(error)}."
    if "disk" in str(error) or getattr(error, "errno", None) == errno.ENOSPC:
        # Another ledger would not know what this one has spent.
        return f"{said} Make room where it is; what it holds stays."
    return f"{said} Name another with --ledger."
