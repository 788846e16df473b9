"""The nights as a picture: seconds of CPU for each of those compared, on one scale, so that a bar's length is the truth."""

from integration_pipeline.report.markup import Markup, tag
from integration_pipeline_tests.bench import nights
from integration_pipeline_tests.bench.pages import Night
from integration_pipeline_tests.bench.results import Results

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP = 860, 250, 80, 14, 14, 66
_INK, _FAINT, _PAPER = "#1b2330", "#5b6675", "#ffffff"
_NIGHTS = ((Night.FIRST, "#2f6f9f", "#a9c6dc"), (Night.UNCHANGED, "#c8702a", "#ecc9a9"))
"""A night, its colour for the product, and for the others."""


def drawn(results: Results, users: int) -> str:
    """An SVG of one tenant's first and unchanged nights, with so many users."""
    rows = [
        (subject, costs)
        for subject in nights.SUBJECTS
        if (costs := {n: c for n, *_ in _NIGHTS if (c := results.cost(nights.CASE, subject.name, n, users=users))})
    ]
    most = max((cost.cpu for _, costs in rows for cost in costs.values()), default=1.0)
    height = _TOP + len(rows) * (2 * _BAR + _GAP) + 10
    parts = [
        tag("rect", width=_WIDTH, height=height, fill=_PAPER),
        _text(f"CPU seconds for one tenant of {users:,} users, PostgreSQL included", 20, 26, weight="bold", size=15),
        *_legend(),
    ]
    y = float(_TOP)
    for subject, costs in rows:
        is_ours = subject.name == "product"
        middle = y + (_BAR * len(costs)) / 2 + 4
        parts.append(_text(subject.title, _LEFT - 12, middle, anchor="end", weight="bold" if is_ours else None))
        for night, own, other in _NIGHTS:
            if night in costs:
                width = max(2.0, (_WIDTH - _LEFT - _RIGHT) * costs[night].cpu / most)
                parts.append(tag("rect", x=_LEFT, y=y, width=width, height=_BAR - 2, fill=own if is_ours else other))
                parts.append(_text(f"{costs[night].cpu:.1f} s", _LEFT + width + 6, y + 10, size=11, fill=_FAINT))
                y += _BAR
        y += _GAP
    title = tag("title", f"CPU seconds of a night, {users:,} users")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_svg(height, [title, *parts])}\n'


def _svg(height: float, parts: list[Markup]) -> Markup:
    return tag(
        "svg",
        parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {height:g}",
        width=_WIDTH,
        height=height,
        role="img",
        font_family="system-ui, sans-serif",
    )


def _legend() -> list[Markup]:
    parts, x = [], 20.0
    for night, own, other in _NIGHTS:
        parts += [
            tag("rect", x=x, y=38, width=12, height=12, fill=own),
            tag("rect", x=x + 14, y=38, width=12, height=12, fill=other),
            _text(f"{night} night", x + 32, 48, size=12, fill=_FAINT),
        ]
        x += 150
    return parts


def _text(
    text: str,
    x: float,
    y: float,
    *,
    anchor: str | None = None,
    weight: str | None = None,
    size: int = 13,
    fill: str = _INK,
) -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor, font_weight=weight, font_size=size, fill=fill)
