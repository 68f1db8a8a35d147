"""Generated records on a page: pictures, plots of series, sounds that play, lines of text.

Pictures and sounds are data of the page itself; nothing is loaded. Whatever comes out of a record
is text or a number here, never markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from markupsafe import Markup

from genaudit import encoded
from genaudit.render import charts
from genaudit.render.text import Text, isolated, visible, whole
from genaudit.result import Figure, Medium, Picture, Series, Sound, Words

Ranges = Sequence[tuple[float, float]]


def gallery(figure: Figure, words: charts.Words, text: Text) -> Markup:
    """The records of a figure as a list; under each what it was generated with, and its distance.

    words: of the whole figure; its number writes the distances.
    """
    ranges = _ranges([m for m in figure.media if isinstance(m, Series)])
    items = Markup("").join(
        _item(str(row[0]), _number(row[1]), medium,
              replace(words, id=f"{words.id}-{i}", caption=""), text, ranges)
        for i, (row, medium) in enumerate(zip(figure.rows, figure.media, strict=True))
    )  # fmt: skip
    kind = figure.media[0].kind if figure.media else "text"
    shown = Markup('<ol class="media m-{}" aria-label="{}">{}</ol>').format(
        kind, words.title, items
    )
    first = figure.media[0] if figure.media else None
    several = isinstance(first, Series) and len(first.channels) > 1
    return (charts.key(first.channels) if several and isinstance(first, Series) else "") + shown


def _item(
    label: str,
    far: float | None,
    medium: Medium,
    words: charts.Words,
    text: Text,
    ranges: Ranges,
) -> Markup:
    drawn = _draw(label, medium, words, text, ranges)
    parts = [Markup("<b>{}</b>").format(isolated(label)), *_attributes(medium)]
    if far is not None:
        parts.append(text.say_html("page.media.distance", x=words.number(far)))
    return Markup("<li>{}<p>{}</p></li>").format(drawn, text.say_html("page.comma").join(parts))


def _draw(label: str, medium: Medium, words: charts.Words, text: Text, ranges: Ranges) -> Markup:
    match medium:
        case Picture():
            width, height = encoded.size_of(medium.png)
            said = text.say("page.media.image", label=label, width=width, height=height)
            return Markup('<img src="data:image/png;base64,{}" alt="{}" width="{}" height="{}">'
                          ).format(medium.png, said, width, height)  # fmt: skip
        case Sound():
            sound, rate = encoded.heard(medium.wav)
            said = text.say("page.media.audio", label=label, seconds=round(len(sound) / rate, 2))
            player = Markup('<audio controls src="data:audio/wav;base64,{}" aria-label="{}">'
                            "</audio>").format(medium.wav, said)  # fmt: skip
            return charts.wave(sound.tolist()) + player
        case Series():
            said = text.say("page.media.sequence", label=label, n=medium.length)
            named = replace(
                words, title=said, description=visible(text.say("page.comma").join(medium.channels))
            )
            return charts.lines(medium.values, ranges, named)
        case Words():
            return Markup("<blockquote>{}</blockquote>").format(whole(medium.text))


def _attributes(medium: Medium) -> Iterator[Markup]:
    for name, value in sorted(medium.attributes.items()):
        yield isolated(name) + " = " + isolated(value)


def _ranges(series: Sequence[Series]) -> Ranges:
    """Least and largest number of each channel over all series, so that these can be compared."""
    least: Callable[..., float] = min
    each = zip(*(s.values for s in series), strict=False)
    return [(least(map(min, c)), max(map(max, c))) for c in each]


def _number(cell: str | float | None) -> float | None:
    return cell if isinstance(cell, int | float) else None
