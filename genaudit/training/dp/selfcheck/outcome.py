"""What a check found, and what all of them found together."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from genaudit.errors import OptionError
from genaudit.result import Message, Param, Value, message


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    CANNOT_TELL = "cannot_tell"
    SKIPPED = "skipped"


class Outcome(Value):
    """What one check found.

    check: its id. part: the part of a trainer that it examines, and that is faulty where it failed.
    said: one sentence for a person. p_value: of a statistical check.
    """

    check: str
    part: str
    status: Status
    said: Message
    p_value: float | None = None

    def __str__(self) -> str:
        return f"{self.status.value:<12} {self.check}: {self.said.english}"


class SelfcheckReport(Value):
    """What all checks of one trainer found, in order."""

    trainer: str
    outcomes: tuple[Outcome, ...]

    def __iter__(self) -> Iterator[Outcome]:  # type: ignore[override]  # pydantic iterates fields
        return iter(self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """What is not as it claims to be."""
        return self._with(Status.FAILED)

    @property
    def skipped(self) -> tuple[Outcome, ...]:
        """What could not be examined, as the trainer does not show it."""
        return self._with(Status.SKIPPED)

    @property
    def faulty(self) -> tuple[str, ...]:
        """The parts that failed, each once."""
        return tuple(dict.fromkeys(o.part for o in self.failed))

    @property
    def exit_code(self) -> int:
        """1 where something failed, 3 where a check cannot tell or none ran, else 0."""
        if self.failed:
            return 1
        ran = len(self.skipped) < len(self.outcomes)
        return 3 if self._with(Status.CANNOT_TELL) or not ran else 0

    def _with(self, status: Status) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.status is status)


class UnfitError(OptionError):
    """What is given speaks another language than a trainer, so no check can examine it."""


class Stopped(Exception):  # noqa: N818  the end of a check, not an error
    """Ends a check with a status and a sentence."""

    def __init__(self, status: Status, said: Message, p_value: float | None = None) -> None:
        super().__init__(said.english)
        self.status, self.said, self.p_value = status, said, p_value


def failed(
    id: str, text: str, /, p_value: float | None = None, **params: Param | Message
) -> Stopped:
    """The trainer is not what it claims to be."""
    return Stopped(Status.FAILED, message(f"selfcheck.{id}", text, **params), p_value)


def cannot_tell(id: str, text: str, /, **params: Param | Message) -> Stopped:
    """The check ran and has seen too little."""
    return Stopped(Status.CANNOT_TELL, message(f"selfcheck.{id}", text, **params))


def skipped(id: str, text: str, /, **params: Param | Message) -> Stopped:
    """The trainer does not show what the check needs."""
    return Stopped(Status.SKIPPED, message(f"selfcheck.{id}", text, **params))
