"""Plots: bars as long as their values, nothing drawn that is not known, and text that stays text."""

import re
from typing import Any

import pytest

from integration_pipeline.report.markup import Markup
from integration_pipeline.report.plots import Layer, Share, Slot, nice, shares, stacked, strip
from integration_pipeline_tests.pages import parsed

SLOTS = [Slot("30", "11月", "11/30"), Slot("1", "12月", "12/1"), Slot("2", "", "12/2")]
NAMES: dict[str, Any] = {"ident": "plot", "title": "<同期>", "description": "a & b"}


def rects(plot: Markup) -> list[tuple[str | None, float]]:
    """The bars' colours and heights."""
    found = parsed(plot).iter("rect")
    return [(rect.get("fill"), float(rect.get("height", "0"))) for rect in found if rect.get("fill") != "none"]


def test_layers_stand_on_one_another_and_share_a_scale() -> None:
    plot = stacked(
        **NAMES, slots=SLOTS, layers=[Layer("good", "blue", [30, 0, None]), Layer("bad", "red", [10, 20, None])]
    )
    assert rects(plot) == [("blue", 112.5), ("red", 37.5), ("red", 75.0)]
    tops = [float(rect.get("y", "")) for rect in parsed(plot).iter("rect") if rect.get("fill") != "none"]
    assert tops[1] + 37.5 == tops[0]
    assert ">40</text>" in plot
    assert ">20</text>" in plot


def test_an_unknown_day_is_a_dash_and_a_day_of_nothing_is_not() -> None:
    drawn = strip(**NAMES, slots=SLOTS, values=[0, None, 5], colours=("navy", "silver"))
    assert drawn.count(">–</text>") == 1
    assert rects(drawn) == [("navy", 40.0)]


def test_the_last_bar_stands_out_and_a_small_one_is_seen() -> None:
    drawn = strip(**NAMES, slots=SLOTS, values=[1, 100_000, 100_000], colours=("navy", "silver"))
    assert rects(drawn) == [("silver", 2.0), ("silver", 40.0), ("navy", 40.0)]


def test_nothing_known_at_all_is_drawn_too() -> None:
    unknown = [None, None, None]
    assert rects(stacked(**NAMES, slots=SLOTS, layers=[Layer("good", "blue", unknown)])) == []
    assert rects(strip(**NAMES, slots=SLOTS, values=unknown, colours=("navy", "silver"))) == []
    assert len(rects(shares(**NAMES, parts=[Share("mapped", "blue", 0)]))) == 1


def test_shares_fill_the_width() -> None:
    drawn = parsed(shares(**NAMES, parts=[Share("a", "blue", 3), Share("none", "red", 0), Share("b", "grey", 1)]))
    bars = [(rect.get("x"), rect.get("width")) for rect in drawn.iter("rect")][1:]
    assert bars == [("0%", "75%"), ("75%", "25%")]


@pytest.mark.parametrize("plot", ["stacked", "strip", "shares"])
def test_a_plot_is_told_to_those_who_do_not_see_it(plot: str) -> None:
    drawn = {
        "stacked": lambda: stacked(**NAMES, slots=SLOTS, layers=[Layer("good", "blue", [1, 2, 3])]),
        "strip": lambda: strip(**NAMES, slots=SLOTS, values=[1, 2, 3], colours=("navy", "silver"), has_axis=True),
        "shares": lambda: shares(**NAMES, parts=[Share("a", "blue", 3)]),
    }[plot]()
    read = parsed(drawn)
    told = {child.get("id"): child.text for child in read if child.get("id")}
    assert read.get("role") == "img"
    assert [told[ident] for ident in read.get("aria-labelledby", "").split()] == ["<同期>", "a & b"]
    assert not re.search(r'(?<!stroke-)width="\d+"', drawn)


@pytest.mark.parametrize(
    ("most", "end"), [(0, 1), (1, 1), (2, 2), (3, 4), (9, 10), (10, 10), (11, 20), (36, 40), (999, 1000), (1001, 2000)]
)
def test_a_scale_ends_at_a_round_number(most: int, end: int) -> None:
    assert nice(most) == end
