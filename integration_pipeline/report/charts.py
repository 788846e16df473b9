"""The plots of the HTML report: two weeks of results, records and calls, and who is known now."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from integration_pipeline.model import Status
from integration_pipeline.report.changes import points
from integration_pipeline.report.days import Day, Overview, pooled, systems
from integration_pipeline.report.details import AMBER, BLUE, GREY, RED, VIOLET, title
from integration_pipeline.report.integration import NOT_RUN, RUNNING
from integration_pipeline.report.markup import Content, Markup, tag
from integration_pipeline.report.plots import Layer, Share, Slot, shares, stacked, strip, swatch
from integration_pipeline.report.words import Words

_STATES = {Status.SUCCESS: BLUE, Status.PARTIAL: AMBER, Status.FAILED: RED, RUNNING: VIOLET, NOT_RUN: GREY}
_SHARES = {"mapped": BLUE, "unmatched": GREY, "ambiguous": AMBER, "of_leavers": VIOLET}
_RECORDS = {
    "created": ("#1f5fa8", "#a9c6e6"),
    "updated": ("#6a4c93", "#c9bbdd"),
    "deleted": ("#9c4a1a", "#e2b797"),
}
_CALLS = ("#2b6b6b", "#a3cccb")

Series = Sequence[int | None]


def plots(words: Words, overview: Overview) -> Markup:
    """All of them, side by side where there is room."""
    drawn = [_results(words, overview), _coverage(words, overview), _records(words, overview), _calls(words, overview)]
    return tag("div", drawn, class_="plots")


def _results(words: Words, overview: Overview) -> Markup:
    days = _by_day(overview)
    counted: dict[str, Series] = {
        Status.SUCCESS: _series(days, lambda day: day.success),
        Status.PARTIAL: _series(days, lambda day: day.partial),
        Status.FAILED: _series(days, lambda day: day.failed),
    }
    # What is under way, or was due and did not run, is known of the report's own day alone.
    today = Counter(sync.state for sync in overview.report.syncs)
    unknown: Series = [None] * len(days)
    values = {
        state: [*counted.get(state, unknown)[:-1], today[state] if today else None]
        for state in _STATES
        if state in counted or today[state]
    }
    layers = [Layer(words(state), _STATES[state], series) for state, series in values.items()]
    slots = _slots(words, days, {layer.name: layer.values for layer in layers})
    text = words("plots.status")
    drawn = stacked(ident="plot-results", title=text, description=_told(slots), slots=slots, layers=layers)
    legend = _legend((layer.name, layer.colour) for layer in layers)
    return _figure(text, words("plots.status.about"), legend, tag("div", drawn, class_="scaled"))


def _coverage(words: Words, overview: Overview) -> Markup:
    names = {key: words(f"plots.{key}") for key in _SHARES}
    rows: list[Content] = []
    for system in systems(row.system for row in overview.report.coverage):
        own = [row for row in overview.report.coverage if row.system == system]
        counted = {key: sum(getattr(row, key) for row in own) for key in _SHARES}
        active = sum(row.active for row in own)
        if not active:
            continue
        values = {"mapped": f"{counted['mapped']:,}", "active": f"{active:,}"}
        text = words("plots.share", percent=words.percent(counted["mapped"] / active), **values)
        by = points(words, *pooled(connected for connected in overview.connections if connected.system == system))
        parts = [Share(names[key], colour, counted[key]) for key, colour in _SHARES.items()]
        told = words.list(words("plots.value", name=part.name, value=f"{part.value:,}") for part in parts)
        rows.append(_row(title(system), [text, " ", tag("b", by)]))
        rows.append(shares(ident=f"plot-coverage-{len(rows)}", title=title(system), description=told, parts=parts))
    legend = _legend((names[key], colour) for key, colour in _SHARES.items())
    return _figure(words("plots.coverage"), words("plots.coverage.about"), legend, rows or words("attention.none"))


def _records(words: Words, overview: Overview) -> Markup:
    days = _by_day(overview)
    series = {
        "created": _series(days, lambda day: day.created),
        "updated": _series(days, lambda day: day.updated),
        "deleted": _series(days, lambda day: day.deleted),
    }
    named = {words(f"column.{name}"): (values, _RECORDS[name]) for name, values in series.items()}
    return _figure(words("plots.records"), words("plots.records.about"), "", _strips(words, "records", days, named))


def _calls(words: Words, overview: Overview) -> Markup:
    days = _by_day(overview)
    own = systems(day.system for day in overview.days if day.system)
    named = {title(system): (_series(days, lambda day: day.api_calls, system), _CALLS) for system in own}
    rows = _strips(words, "calls", days, named) or words("attention.none")
    return _figure(words("plots.calls"), words("plots.calls.about"), "", rows)


def _strips(
    words: Words, ident: str, days: Sequence[Sequence[Day]], named: Mapping[str, tuple[Series, tuple[str, str]]]
) -> list[Content]:
    """Rows of small bars; the last one carries the days."""
    rows: list[Content] = []
    for number, (name, (values, colours)) in enumerate(named.items(), 1):
        slots = _slots(words, days, {name: values})
        known = [value for value in values if value is not None]
        latest = words("plots.unknown") if values[-1] is None else f"{values[-1]:,}"
        rows.append(_row(name, words("plots.most", latest=latest, most=f"{max(known, default=0):,}")))
        rows.append(
            strip(
                ident=f"plot-{ident}-{number}",
                title=name,
                description=_told(slots),
                slots=slots,
                values=values,
                colours=colours,
                has_axis=number == len(named),
            )
        )
    return rows


def _by_day(overview: Overview) -> list[list[Day]]:
    found: dict[dt.date, list[Day]] = {}
    for day in overview.days:
        found.setdefault(day.day, []).append(day)
    return list(found.values())


def _series(days: Sequence[Sequence[Day]], of: Callable[[Day], int], system: str | None = None) -> Series:
    """A value a day; None where nothing was synced, or nothing of the system."""
    own = [[day for day in rows if day.system and system in {None, day.system}] for rows in days]
    return [sum(map(of, rows)) if rows else None for rows in own]


def _slots(words: Words, days: Sequence[Sequence[Day]], series: Mapping[str, Series]) -> list[Slot]:
    """The days as an axis: the month is said once and where it begins."""
    found: list[Slot] = []
    for index, rows in enumerate(days):
        day = rows[0].day
        values = {name: values[index] for name, values in series.items()}
        parts = [words("plots.value", name=name, value=f"{value:,}") for name, value in values.items() if value]
        some = words.list(parts) or "0"
        text = some if any(value is not None for value in values.values()) else words("plots.unknown")
        month = words.day(day, "month") if day.day == 1 or not index else ""
        found.append(Slot(str(day.day), month, words("plots.hint", day=words.day(day, "day.short"), values=text)))
    return found


def _told(slots: Sequence[Slot]) -> str:
    return "; ".join(slot.hint for slot in slots)


def _row(name: str, text: Content) -> Markup:
    return tag("p", tag("span", name), tag("span", text, class_="note"), class_="row")


def _legend(entries: Iterable[tuple[str, str]]) -> Markup:
    return tag("ul", [tag("li", swatch(colour), " ", name) for name, colour in entries], class_="legend")


def _figure(name: str, about: str, legend: Content, drawn: Content) -> Markup:
    return tag("figure", tag("figcaption", tag("h3", name), tag("p", about, class_="note")), legend, drawn)
