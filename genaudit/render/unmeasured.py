"""What was not measured, in few lines: audits and remarks that say the same stand together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genaudit.render.text import Text, catalogue
from genaudit.render.view import room_taken, unmeasured_limits
from genaudit.result import AuditReport, Message, Section, Status, message

#: Lines of page one, which is one sheet of paper; more of them stand in full among the methods.
MOST = 6

#: Lines of a column of page one that these may take, signs of a line, and beyond which signs are as
#: wide as two.
_COLUMN, _SIGNS, _WIDE = 33, 50, 0x2E7F


def shown(report: AuditReport, lines: Sequence[Markup]) -> int:
    """How many of the lines of `everything` page one has room for."""
    left = _COLUMN - 2 * room_taken(report)
    for n, line in enumerate(lines[:MOST]):
        left -= 1 + sum(1 + (ord(sign) > _WIDE) for sign in line.striptags()) // _SIGNS
        if left < 0:
            return max(n, 1)
    return min(len(lines), MOST)


@dataclass(frozen=True)
class Idle:
    """Audits that were skipped for one reason."""

    sections: tuple[Section, ...]

    def titles(self, text: Text) -> Markup:
        """What they are called."""
        return text.say_html("page.list").join(text.html(s.title) for s in self.sections)

    def reason(self, text: Text) -> Markup:
        """Why none of them ran; empty where they do not say."""
        reasons = [s.reason for s in self.sections if s.reason is not None]
        return _said(reasons, text) if reasons else Markup("")


def everything(report: AuditReport, text: Text) -> list[Markup]:
    """A line for all that was not measured: what failed, was skipped or left out."""
    failed = [s for s in report.sections if s.status is Status.FAILED]
    return [
        *(_failed(s, text) for s in failed),
        *(_skipped(same, text) for same in idle(report)),
        *_limits(report, text),
        *remarks(report, text),
    ]


def _failed(section: Section, text: Text) -> Markup:
    said = text.say_html("page.failed") + text.say_html("page.stop")
    reason = Markup(" ") + text.html(section.reason) if section.reason else Markup("")
    return Markup("<b>{}</b> – {}{}").format(text.html(section.title), said, reason)


def _skipped(same: Idle, text: Text) -> Markup:
    titles = same.titles(text)
    if len(same.sections) == 1:
        titles = Markup("<b>{}</b>").format(titles)
    bare = text.say_html("page.skipped") + text.say_html("page.stop")
    return Markup("{} – {}").format(titles, same.reason(text) or bare)


def _limits(report: AuditReport, text: Text) -> list[Markup]:
    ids = [Markup("<code>{}</code>").format(x.metric) for x in unmeasured_limits(report)]
    listed = text.say_html("page.and").join(ids)
    return [text.say_html("page.limit_unmeasured") + " " + listed] if ids else []


def idle(report: AuditReport) -> list[Idle]:
    """The audits that were skipped, by reason, in the order in which reasons first appear."""
    found = [s for s in report.sections if s.status is Status.SKIPPED]
    return [Idle(tuple(found[i] for i in same)) for same in _alike([s.reason for s in found])]


def remarks(report: AuditReport, text: Text) -> list[Markup]:
    """What audits say that they leave out; those that differ in one word are one sentence."""
    said = [_titled(m) for m in report.not_measured]
    return [_said([said[i] for i in same], text) for same in _alike(said)]


def _titled(said: Message) -> Message:
    """The remark with the title of the audit that it names, where this version knows that."""
    title = f"audit.{said.params.get('audit')}"
    known = catalogue("en").get(title)
    if known is None:
        return said
    return said.model_copy(update={"words": {**said.words, "audit": message(title, known)}})


def _alike(messages: Sequence[Message | None]) -> list[list[int]]:
    """Positions of messages that one sentence can say, by where each group begins.

    Those that are equal; and single ones that differ in one word, each its own. Nobody could tell
    whose word is whose if several shared one.
    """

    def equal(group: Sequence[int]) -> bool:
        return messages[group[0]] == messages[group[-1]]

    def parallel(group: Sequence[int]) -> bool:
        return _fits([messages[i] for i in group])

    groups = _gathered(range(len(messages)), equal)
    several = [g for g in groups if len(g) > 1]
    return sorted([*several, *_gathered([g[0] for g in groups if len(g) == 1], parallel)])


def _gathered(positions: Iterable[int], fit: Callable[[Sequence[int]], bool]) -> list[list[int]]:
    """Each position in the first group that it fits."""
    groups: list[list[int]] = []
    for i in positions:
        home = next((g for g in groups if fit([*g, i])), None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    return groups


def _fits(messages: Sequence[Message | None]) -> bool:
    """Whether all are one sentence but for one word."""
    said = [m for m in messages if m is not None]
    if len(said) < len(messages) or any(_form(m) != _form(said[0]) for m in said):
        return False
    fields = _differing(said)
    return len(fields) == 1 and all(isinstance(m.params[fields[0]], str) for m in said)


def _form(said: Message) -> tuple[str, str, list[str]]:
    return said.id, said.text_en, sorted(said.params)


def _differing(messages: Sequence[Message]) -> list[str]:
    first = messages[0].params
    return [f for f in first if any(m.params[f] != first[f] for m in messages)]


def _said(messages: Sequence[Message], text: Text) -> Markup:
    """One sentence for all; the field in which they differ lists what each says."""
    first, fields = messages[0], _differing(messages)
    if not fields:
        return text.html(first)
    field = fields[0]
    each = list({str(m.params[field]): m for m in messages}.values())
    form = text.say("page.and").join(f"{{x{i}}}" for i in range(len(each)))
    params = {f"x{i}": m.words.get(field, m.params[field]) for i, m in enumerate(each)}
    words = {**first.words, field: message("", form, **params)}
    return text.html(first.model_copy(update={"words": words}))
