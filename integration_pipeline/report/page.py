"""The integration report for people (requirement A15): one HTML file that needs nothing but itself.

overview -> HTML; no script, no address, no font from elsewhere, for screens, phones and paper
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from integration_pipeline.model import Status
from integration_pipeline.report.attention import shared
from integration_pipeline.report.changes import points
from integration_pipeline.report.charts import plots
from integration_pipeline.report.days import Overview, pooled, total
from integration_pipeline.report.details import changes, details, quarantine, signs, told, troubles
from integration_pipeline.report.integration import NOT_RUN, RUNNING, TOKYO
from integration_pipeline.report.markup import Content, Markup, tag
from integration_pipeline.report.words import Words, language

_NAMED = 8
"""How many tenants the headline names."""

_STATES = (*Status, RUNNING, NOT_RUN)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever got into the file, a browser fetches and runs nothing for it."""


def as_html(overview: Overview, *, lang: str | None = None) -> str:
    """The report as a file's text.

    :param lang: ``ja`` or ``en``; None = the language of most of its tenants.
    """
    words = Words(lang or language(overview.locales))
    day = words.day(overview.report.day)
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{words('title')} {overview.report.day}"),
        tag("style", Markup(style)),
    )
    body = [_header(words, overview, day), _verdict(words, overview)]
    if overview.connections:
        body += [_tiles(words, overview), *_sections(words, overview), _notes(words)]
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', tag('main', body)), lang=words.language)}\n"


def _header(words: Words, overview: Overview, day: str) -> Markup:
    moment = overview.written_at.astimezone(TOKYO).strftime("%Y-%m-%d %H:%M")
    names = list(overview.names.values())
    shown = words.list(names[:_NAMED])
    if len(names) > _NAMED:
        shown = words("tenants.more", names=shown, more=f"{len(names) - _NAMED:,}")
    return tag(
        "header",
        tag("p", words("title"), class_="kicker"),
        tag("h1", day),
        tag("p", words("day.zone"), " · ", words("written", moment=moment), class_="note"),
        tag("p", tag("b", words("tenants")), " ", shown) if names else "",
    )


def _verdict(words: Words, overview: Overview) -> Markup:
    """The day in two sentences."""
    states = Counter(sync.state for sync in overview.report.syncs)
    if not states:
        return tag("p", words("verdict.none"), class_="verdict")
    syncs, items = states.total(), len(shared(overview.report))
    named = words.list(words.count(f"count.{state}", states[state]) for state in _STATES if states[state])
    is_well = states[Status.SUCCESS] == syncs
    first = words.count("verdict.well", syncs) if is_well else words.count("verdict.mixed", syncs, states=named)
    second = words.count("verdict.act", items) if items else words("verdict.calm")
    return tag("p", tag("b", first), " ", second, class_="verdict act" if items else "verdict well")


def _tiles(words: Words, overview: Overview) -> Markup:
    """The day's totals."""
    syncs = overview.report.syncs
    successes = sum(sync.state == Status.SUCCESS for sync in syncs)
    moved = total(connected.all_moved for connected in overview.connections)
    known = overview.report.coverage
    active, mapped = sum(row.active for row in known), sum(row.mapped for row in known)
    by = points(words, *pooled(overview.connections))
    records = {"created": f"{moved.created:,}", "updated": f"{moved.updated:,}", "deleted": f"{moved.deleted:,}"}
    of = words("tile.coverage.of", mapped=f"{mapped:,}", active=f"{active:,}")
    calls = [words.count("tile.calls.of", len(overview.connections))]
    if moved.api_calls_minimum:
        calls.insert(0, words("least", number=f"{moved.api_calls_minimum:,}"))
    time = [words.count("tile.time.of", moved.runs)]
    if moved.estimated and moved.estimated == moved.runs:
        calls.insert(-1, words("expected", what=f"{moved.api_calls_estimate:,}"))
        time.insert(0, words("expected", what=words.span(moved.seconds_estimate)))
    tiles: list[tuple[str, str, Content]] = [
        ("syncs", f"{successes:,}", words("tile.syncs.of", all=f"{len(syncs):,}")),
        ("coverage", words.percent(mapped / active if active else None), [of, " ", tag("b", by)]),
        ("records", f"{moved.records:,}", words("tile.records.of", **records)),
        ("calls", f"{moved.api_calls:,}", words.list(calls)),
        ("time", words.span(moved.seconds), words.list(time)),
    ]
    drawn = [
        tag("div", tag("dt", words(f"tile.{key}")), tag("dd", number), tag("dd", below, class_="note"))
        for key, number, below in tiles
    ]
    return tag("dl", drawn, class_="tiles")


def _sections(words: Words, overview: Overview) -> Sequence[Markup]:
    days = len({day.day for day in overview.days})
    drawn = [plots(words, overview), tag("p", words("plots.none"), class_="note")]
    waiting, notices = quarantine(words, overview), told(words, overview)
    return [
        _section("attention", words("attention"), troubles(words, overview)),
        *([_section("holds", words("holds"), waiting)] if waiting else []),
        *([_section("notices", words("notices"), notices)] if notices else []),
        _section("plots", words("plots", days=f"{days}"), drawn),
        _section("changes", words("changes"), changes(words, overview)),
        _section("details", words("detail"), details(words, overview)),
    ]


def _section(ident: str, name: str, content: Content) -> Markup:
    return tag("section", tag("h2", name, id=ident), content, aria_labelledby=ident)


def _notes(words: Words) -> Markup:
    keys = ("note.counts", "note.calls", "note.accounts", "note.coverage", "note.people")
    notes: list[Content] = [signs(words), *(words(key) for key in keys)]
    return tag("footer", tag("h2", words("notes")), tag("ul", [tag("li", note) for note in notes]))
