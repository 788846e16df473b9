"""A1 notation: ``'KPI Tracking'!A2:C``, ``Sheet1!1:10``, and the references within formulas."""

import re
from collections.abc import Callable
from typing import NamedTuple

_RANGE = re.compile(r"(?P<c1>[A-Za-z]{1,3})?(?P<r1>[1-9][0-9]*)?(:(?P<c2>[A-Za-z]{1,3})?(?P<r2>[1-9][0-9]*)?)?")
_PLAIN_TITLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_REFERENCE = re.compile(
    r'"(?:[^"]|"")*"'
    r"|(?P<a>\$?)(?P<column>[A-Z]{1,3})(?P<b>\$?)(?P<row>[0-9]+)\b"
    r"|(?P<x>\$?)(?P<first>[A-Z]{1,3}):(?P<y>\$?)(?P<last>[A-Z]{1,3})\b"
)


class Area(NamedTuple):
    """A block of cells, from 0 and half open; None = to the end of the sheet."""

    top: int
    left: int
    bottom: int | None
    right: int | None


def number(letters: str) -> int:
    """A is 0, AA is 26."""
    value = 0
    for letter in letters.upper():
        value = value * 26 + ord(letter) - ord("A") + 1
    return value - 1


def letters(number: int) -> str:
    text = ""
    while number >= 0:
        number, place = divmod(number, 26)
        text = chr(ord("A") + place) + text
        number -= 1
    return text


def split(text: str) -> tuple[str | None, str]:
    """A range's sheet and the rest; the sheet is None where only cells are named."""
    if text.startswith("'"):
        end = re.match(r"'((?:[^']|'')*)'(?:!|$)", text)
        if end:
            return end[1].replace("''", "'"), text[end.end() :]
    title, mark, cells = text.rpartition("!")
    return (title, cells) if mark else (None, text)


def area(text: str) -> Area | None:
    """The block that ``A2:C``, ``1:10`` or ``B3`` names, all of the sheet for an empty text; None where it names none."""
    found = _RANGE.fullmatch(text)
    if not found:
        return None
    column, row, last_column, last_row = (found[name] for name in ("c1", "r1", "c2", "r2"))
    if ":" not in text:
        last_column, last_row = column, row
        if text and not (column and row):
            return None
    return Area(
        int(row) - 1 if row else 0,
        number(column) if column else 0,
        int(last_row) if last_row else None,
        number(last_column) + 1 if last_column else None,
    )


def quoted(title: str) -> str:
    doubled = title.replace("'", "''")
    return title if _PLAIN_TITLE.fullmatch(title) else f"'{doubled}'"


def name(title: str, block: tuple[int, int, int, int]) -> str:
    """The range of an answer, in full."""
    top, left, bottom, right = block
    return f"{quoted(title)}!{letters(left)}{top + 1}:{letters(right - 1)}{bottom}"


Mover = Callable[[int, str], int | None]
"""A row or column and the dollar sign before it, if any → where it is now; None = it was deleted."""


def moved(formula: str, row: Mover, column: Mover) -> str:
    """A formula with its references moved."""

    def replaced(found: re.Match[str]) -> str:
        if found["column"]:
            across, down = column(number(found["column"]), found["a"]), row(int(found["row"]) - 1, found["b"])
            if across is None or down is None:
                return "#REF!"
            return f"{found['a']}{letters(across)}{found['b']}{down + 1}"
        if found["first"]:
            first, last = column(number(found["first"]), found["x"]), column(number(found["last"]), found["y"])
            if first is None or last is None:
                return "#REF!"
            return f"{found['x']}{letters(first)}:{found['y']}{letters(last)}"
        return found[0]

    return _REFERENCE.sub(replaced, formula)
