"""Markup that is right by construction: whatever is no markup yet becomes text in it, escaped, whoever wrote it.

What comes out is HTML and well-formed XML at once: attributes are quoted, and everything is closed.
"""

import html
from collections.abc import Iterable

from integration_pipeline.text import clean

_EMPTY = frozenset({"meta", "wbr"})
"""HTML's elements that have no end tag (https://html.spec.whatwg.org/multipage/syntax.html#void-elements), as used."""


class Markup(str):
    """Text that is markup, and is not escaped again."""

    __slots__ = ()


Content = str | Iterable["Content"]
"""Text, markup, or any number of either."""


def markup(content: Content) -> Markup:
    """The content as markup; text that is none is escaped, and nothing in it turns a line around."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(html.escape(clean(content)))
    return Markup("".join(map(markup, content)))


def tag(name: str, /, *content: Content, **attributes: str | float | None) -> Markup:
    """An element.

    :param attributes: ``text_anchor`` is ``text-anchor``, ``class_`` is ``class``; one that is None is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{markup(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{markup(content)}</{name}>")


def _text(value: str | float) -> str:
    """Coordinates to a hundredth: no eye sees more, and the file is half the size."""
    return value if isinstance(value, str) else f"{round(value, 2):g}"
