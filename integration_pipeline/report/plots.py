"""Plots as inline SVG, small enough to be read as text: the text in them is text, so any script shows.

Widths are per cent and heights pixels. So a plot takes the width it is given, on paper or on a phone, and its letters
stay the size they are. What sticks out to the left (the scale) stands in the padding of the figure around it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from integration_pipeline.report.markup import Markup, tag

INK, FAINT, RULE = "#1b2330", "#5b6675", "#d9dee5"

_HEIGHT, _STRIP, _SHARES, _ABOVE, _AXIS = 150.0, 40.0, 22.0, 16.0, 30.0
_BAR = 0.72
"""The part of a slot's width that its bar takes."""

_LEAST = 2.0
"""A bar that is there is seen, however small its share is: pixels."""


class Slot(NamedTuple):
    """A place on the axis: its label, a second line below it where one is due, and what a pointer is told of it."""

    label: str
    below: str
    hint: str


class Layer(NamedTuple):
    """One colour of the stacked bars; a value is None where nothing is known."""

    name: str
    colour: str
    values: Sequence[int | None]


class Share(NamedTuple):
    """One part of a whole."""

    name: str
    colour: str
    value: int


def stacked(*, ident: str, title: str, description: str, slots: Sequence[Slot], layers: Sequence[Layer]) -> Markup:
    """A bar for every slot, of layers from the bottom up; a dash where nothing is known."""
    columns = list(zip(*(layer.values for layer in layers), strict=True))
    top = nice(max((sum(value or 0 for value in column) for column in columns), default=0))
    base = _ABOVE + _HEIGHT
    drawn = [_rule(base - _HEIGHT * part, f"{top * part:,.0f}") for part in ((1.0, 0.5, 0.0) if top > 1 else (1.0, 0))]
    for index, (slot, column) in enumerate(zip(slots, columns, strict=True)):
        parts: list[Markup] = []
        y = base
        for layer, value in zip(layers, column, strict=True):
            if value:
                height = max(_LEAST, _HEIGHT * value / top)
                y -= height
                parts.append(_bar(index, len(slots), y=y, height=height, fill=layer.colour))
        drawn.append(_column(index, slots, base, parts, is_known=any(value is not None for value in column)))
        drawn.append(_labels(index, slots, base, slot))
    return _figure(ident, title, description, base + _AXIS, drawn)


def strip(
    *,
    ident: str,
    title: str,
    description: str,
    slots: Sequence[Slot],
    values: Sequence[float | None],
    colours: tuple[str, str],
    has_axis: bool = False,
) -> Markup:
    """Small bars on a scale of their own, for rows of them under one another.

    :param colours: the last bar's, and the others'.
    """
    most = max((value or 0 for value in values), default=0) or 1
    drawn = [_rule(_STRIP, "")]
    for index, (slot, value) in enumerate(zip(slots, values, strict=True)):
        fill = colours[0] if index == len(slots) - 1 else colours[1]
        height = max(_LEAST, _STRIP * value / most) if value else 0.0
        parts = [_bar(index, len(slots), y=_STRIP - height, height=height, fill=fill)] if value else []
        drawn.append(_column(index, slots, _STRIP, parts, is_known=value is not None))
        if has_axis:
            drawn.append(_labels(index, slots, _STRIP, slot))
    return _figure(ident, title, description, _STRIP + (_AXIS if has_axis else 2), drawn)


def shares(*, ident: str, title: str, description: str, parts: Sequence[Share]) -> Markup:
    """One bar over the whole width, cut into its parts."""
    whole = sum(part.value for part in parts)
    drawn = [tag("rect", x=0, y=0, width="100%", height=_SHARES, fill=RULE)]
    x = 0.0
    for part in parts:
        width = 100 * part.value / whole if whole else 0.0
        if width:
            hint = tag("title", f"{part.name}: {part.value:,}")
            drawn.append(tag("rect", hint, x=_percent(x), y=0, width=_percent(width), height=_SHARES, fill=part.colour))
        x += width
    return _figure(ident, title, description, _SHARES, drawn)


def nice(most: float) -> int:
    """The least of 1, 2, 4, 6, 8, 10, 20, 40 … that is not below: a scale's end, and its half is whole as well."""
    power = 10 ** max(0, math.floor(math.log10(most))) if most > 0 else 1
    return next(int(step * power) for step in (1, 2, 4, 6, 8, 10) if step * power >= most)


def swatch(colour: str) -> Markup:
    """A legend's little square; an SVG, since printers leave out backgrounds."""
    square = tag("rect", width=11, height=11, rx=2, fill=colour)
    return tag("svg", square, width=11, height=11, aria_hidden="true", class_="swatch")


def _figure(ident: str, title: str, description: str, height: float, drawn: Sequence[Markup]) -> Markup:
    return tag(
        "svg",
        tag("title", title, id=f"{ident}-title"),
        tag("desc", description, id=f"{ident}-desc"),
        drawn,
        role="img",
        aria_labelledby=f"{ident}-title {ident}-desc",
        width="100%",
        height=height,
        overflow="visible",
    )


def _rule(y: float, label: str) -> Markup:
    line = tag("line", x1=0, x2="100%", y1=y, y2=y, stroke=RULE)
    return tag("g", line, tag("text", label, x=-6, y=y + 4, text_anchor="end", fill=FAINT) if label else "")


def _column(index: int, slots: Sequence[Slot], base: float, parts: Sequence[Markup], *, is_known: bool) -> Markup:
    """A slot's bars under one hint, which also shows where there is no bar."""
    width = 100 / len(slots)
    hit = tag(
        "rect", x=_percent(index * width), y=0, width=_percent(width), height=base, fill="none", pointer_events="all"
    )
    middle = _percent((index + 0.5) * width)
    dash = tag("text", "–", x=middle, y=base - 5, text_anchor="middle", fill=FAINT)
    return tag("g", tag("title", slots[index].hint), hit, parts if is_known else dash)


def _bar(index: int, of: int, *, y: float, height: float, fill: str) -> Markup:
    width = 100 / of
    x = _percent((index + (1 - _BAR) / 2) * width)
    return tag("rect", x=x, y=y, width=_percent(width * _BAR), height=height, fill=fill)


def _labels(index: int, slots: Sequence[Slot], base: float, slot: Slot) -> Markup:
    x = _percent((index + 0.5) * 100 / len(slots))
    is_last = index == len(slots) - 1
    weight, fill = ("bold", INK) if is_last else (None, FAINT)
    lines = [tag("text", slot.label, x=x, y=base + 14, text_anchor="middle", fill=fill, font_weight=weight)]
    if slot.below:
        lines.append(tag("text", slot.below, x=x, y=base + 27, text_anchor="middle", fill=fill, font_weight=weight))
    return tag("g", lines)


def _percent(value: float) -> str:
    return f"{round(value, 3):g}%"
