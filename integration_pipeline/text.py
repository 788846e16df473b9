"""Text for terminals: aligned columns, whatever the script, and nothing in them that a terminal would obey."""

import unicodedata
from collections.abc import Sequence

_OBEYED = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Unicode's UAX #9: these turn the rest of a line around.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NO_WIDTH = frozenset({"Mn", "Me", "Cf"})

UNKNOWN = "–"
"""A figure that nobody knows, wherever people read it: not 0, and not a cell that somebody forgot."""


def clean(text: str) -> str:
    """One line that is safe to print: names come from providers, and a name may hold a terminal's control codes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_clean(character) for character in text)


def _clean(character: str) -> str:
    if character in "\n\r\t":
        return " "
    if character in _DIRECTIONS or unicodedata.category(character) in _OBEYED:
        return character.encode("unicode_escape").decode()
    return character


def width(text: str) -> int:
    """How many columns a terminal gives it: two for a Japanese character (Unicode's UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Filled up with spaces, on the left side when ``right`` asks for right alignment; never cut."""
    spaces = " " * (columns - width(text))
    return spaces + text if right else text + spaces


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> list[str]:
    """Lines of aligned columns under a header.

    :param numbers: the header's names whose columns are aligned to the right.
    """
    cleaned = [[clean(cell) for cell in row] for row in rows]
    widths = [max(width(cell) for cell in column) for column in zip(header, *cleaned, strict=True)]
    right = [name in numbers for name in header]
    return [
        "  ".join(
            pad(cell, columns, right=is_right) for cell, columns, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (header, *cleaned)
    ]


def figure(number: int | None) -> str:
    """``1,200``, or that it is unknown."""
    return UNKNOWN if number is None else f"{number:,}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 sync``, ``1,200 syncs``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
