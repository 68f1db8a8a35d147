"""Small markup: the same document in fewer bytes, and only the rules that it uses."""

from __future__ import annotations

import pytest

from genaudit.render.markup import smaller, used

CASES = {
    "spaces between blocks": ("<ul>\n  <li>a\n</li>\n</ul>\n", "<ul><li>a</ul>"),
    "spaces between words": ("<p><b>a</b>\n <i>b</i></p>", "<p><b>a</b> <i>b</i></p>"),
    "a space of another kind": ("<p>a\u00a0 b</p>", "<p>a\u00a0 b</p>"),
    "rows": ("<tr><th>a</th><td>b</td></tr><tr><td>c</td></tr></table>",
             "<tr><th>a<td>b<tr><td>c</table>"),
    "bodies": ("<thead><tr><th>a</th></tr></thead><tbody></tbody></table>",
               "<thead><tr><th>a<tbody></table>"),
    "a paragraph before a block": ("<p>a</p><div></div>", "<p>a<div></div>"),
    "a paragraph before text": ("<p>a</p>b", "<p>a</p>b"),
    "a paragraph before a picture": ("<p>a</p><svg></svg>", "<p>a</p><svg></svg>"),
    "definitions": ("<div><dt>a</dt><dd>b</dd></div>", "<div><dt>a<dd>b</div>"),
    "plain values": ('<a class="x" href="#c-1">', "<a class=x href=#c-1>"),
    "values that need quotes": ('<a title="a b" alt="" href="a/b?c=d">',
                                '<a title="a b" alt="" href="a/b?c=d">'),
    "escaped values": ('<a title="a&#34; b=c" class="y">', '<a title="a&#34; b=c" class=y>'),
    "a slash is no part of a value": ('<rect x="1.5%" width="2%"/>', "<rect x=1.5% width=2% />"),
    "no value": ("<rect/>", "<rect/>"),
    "lines of a quotation": ("<pre>a\n  b\n</pre>\n<p>c</p></i>", "<pre>a\n  b\n</pre><p>c</i>"),
}  # fmt: skip


@pytest.mark.parametrize(("long", "short"), CASES.values(), ids=CASES)
def test_the_same_document_in_fewer_bytes(long: str, short: str) -> None:
    """What HTML does without goes, what a reader sees stays."""
    assert smaller(long) == short


CSS = (
    "a{x:1}.b c{x:2}.d,.e{x:3}#f>g{x:4}h:not(.i){x:5}.j:has(.k){x:6}"
    "@media print{.b{x:7}.z{x:8}}@media screen{.z{x:9}}@page{x:10}*{x:11}"
)


def test_rules_that_no_element_matches_are_left_out() -> None:
    """By name of element, class and id; of a list those that match, and no empty blocks."""
    page = '<a class="b e">x</a><h href=x><p class=j>'

    assert (
        used(CSS, page)
        == "a{x:1}.e{x:3}h:not(.i){x:5}.j:has(.k){x:6}@media print{.b{x:7}}@page{x:10}*{x:11}"
    )
    assert used(CSS, '<g id="f"><c class=b>').startswith(".b c{x:2}#f>g{x:4}@media print")
