"""The integration report (requirement A15) as text for a terminal, and as Markdown.

overview -> sections -> lines
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from integration_pipeline.model import Status, SyncType
from integration_pipeline.notices import Told
from integration_pipeline.report import markdown
from integration_pipeline.report.attention import Attention, explained, place, shared, stored, told_of
from integration_pipeline.report.changes import Change, changed, has_day_before, unmoved
from integration_pipeline.report.days import Moved, Overview, total
from integration_pipeline.report.integration import NOT_RUN, RUNNING, TOKYO, Report, Sync
from integration_pipeline.report.markdown import escaped
from integration_pipeline.report.words import EN, Words
from integration_pipeline.text import clean, figure, table

_STATES = (*Status, RUNNING, NOT_RUN)
_RECORDS = ("created", "updated", "deleted", "unchanged", "rejected", "calls", "least", "seconds")
_ACCOUNTS = ("active", "mapped", "coverage", "unmatched", "ambiguous", "of_leavers")
_HELD = ("held",)
_SOFT_HYPHEN = "\u00ad"


class Item(NamedTuple):
    """A line of a list, and what belongs below it."""

    where: str
    what: str
    below: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    :param columns: keys of the catalogue, as those of ``numbers``, which are aligned to the right.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    numbers: Sequence[str] = ()
    items: Sequence[Item] = ()
    notes: Sequence[str] = field(default_factory=list)


def as_text(overview: Overview, *, lang: str = EN) -> list[str]:
    """The report for a terminal."""
    words = Words(lang)
    lines = list(map(clean, _headline(words, overview)))
    for section in _sections(words, overview):
        header = {key: _header(words, key).upper() for key in section.columns}
        lines += ["", clean(section.title)]
        if section.rows:
            lines += table(list(header.values()), section.rows, numbers=[header[key] for key in section.numbers])
        for item in section.items:
            lines += [f"- {clean(item.where)}: {clean(item.what)}", *(f"  {clean(line)}" for line in item.below)]
        lines += map(clean, section.notes)
    return lines


def as_markdown(overview: Overview, *, lang: str = EN) -> list[str]:
    """The same for people's documents."""
    words = Words(lang)
    title, *facts = _headline(words, overview)
    lines = [f"# {escaped(title)}", "", *_paragraphs(facts)]
    for section in _sections(words, overview):
        header = {key: _header(words, key) for key in section.columns}
        numbers = [header[key] for key in section.numbers]
        lines += ["", f"## {escaped(section.title)}"]
        if section.rows:
            lines += ["", *markdown.table(list(header.values()), section.rows, numbers=numbers)]
        if section.items:
            lines.append("")
        for item in section.items:
            lines.append(f"- **{escaped(item.where)}**: {escaped(item.what)}")
            lines += [f"  - {escaped(line)}" for line in item.below]
        if section.notes:
            lines += ["", *_paragraphs(section.notes)]
    return lines


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in ("", escaped(text))][1:]


def _header(words: Words, key: str) -> str:
    """A column's name; the places where HTML may break it mean nothing here."""
    return words(f"column.{key}").replace(_SOFT_HYPHEN, "")


def _headline(words: Words, overview: Overview) -> Iterator[str]:
    syncs = overview.report.syncs
    yield words("headline", day=str(overview.report.day))
    if not syncs:
        yield words("verdict.none")
        return
    states = Counter(sync.state for sync in syncs)
    yield words(
        "headline.of",
        tenants=words.count("count.tenants", len({sync.tenant_id for sync in syncs})),
        connections=words.count("count.connections", len({(sync.tenant_id, sync.system) for sync in syncs})),
        states=words.list(words.count(f"count.{state}", states[state]) for state in _STATES if states[state]),
    )
    if overview.connections:
        yield from _cost(words, total(connected.all_moved for connected in overview.connections))


def _cost(words: Words, moved: Moved) -> Iterator[str]:
    """What the day's syncs cost, and what they were expected to."""
    made = {"calls": f"{moved.api_calls:,}", "least": f"{moved.api_calls_minimum:,}"}
    yield words("cost", **made, span=words.span(moved.seconds))
    if moved.estimated:
        expected = words.span(moved.seconds_estimate)
        yield words("cost.expected", calls=f"{moved.api_calls_estimate:,}", span=expected)
    if moved.estimated < moved.runs:
        yield words.count("cost.unknown", moved.runs - moved.estimated)


def _sections(words: Words, overview: Overview) -> Iterator[Section]:
    report = overview.report
    if report.syncs:
        columns = ("tenant", "system", *SyncType, *_RECORDS)
        rows = list(_sync_rows(words, report.syncs))
        yield Section(words("syncs"), columns, rows, _RECORDS, notes=[words("note.last")])
    if report.coverage:
        columns = ("tenant", "name", "system", *_ACCOUNTS)
        notes = [words("note.coverage"), words("note.people")]
        yield Section(words("people"), columns, list(_people_rows(words, overview)), _ACCOUNTS, notes=notes)
    if report.holds:
        columns = ("tenant", "system", "type", *_HELD, "since", "why", "hold")
        notes = [words("holds.decide")]
        yield Section(words("holds"), columns, list(_hold_rows(words, overview)), _HELD, notes=notes)
    if report.notices:
        yield Section(words("notices"), items=[_notice(words, report, told) for told in report.notices])
    if overview.connections:
        yield _changes(words, overview)
    items = [_item(words, trouble, of) for trouble, of in shared(report).items()]
    yield Section(words("attention"), items=items, notes=[] if items else [words("attention.none")])


def _sync_rows(words: Words, syncs: Sequence[Sync]) -> Iterator[list[str]]:
    """A row for each connection, its types side by side, and one for all of them."""
    by_connection: dict[tuple[str, str], list[Sync]] = {}
    for sync in syncs:
        by_connection.setdefault((sync.tenant_id, sync.system), []).append(sync)
    for key, own in by_connection.items():
        states = {sync.sync_type: words(sync.state) for sync in own}
        yield [*key, *(states.get(sync_type, words("off")) for sync_type in SyncType), *_sums(words, own)]
    yield [words("all"), "", *("" for _ in SyncType), *_sums(words, syncs)]


def _sums(words: Words, syncs: Sequence[Sync]) -> list[str]:
    names = ("created", "updated", "deleted", "unchanged", "rejected", "api_calls")
    totals = [f"{sum(getattr(sync, name) or 0 for sync in syncs):,}" for name in names]
    known = [sync.api_calls_minimum for sync in syncs if sync.api_calls_minimum is not None]
    return [*totals, figure(sum(known) if known else None), words.span(sum(sync.seconds for sync in syncs))]


def _people_rows(words: Words, overview: Overview) -> Iterator[list[str]]:
    rows = sorted(overview.report.coverage)
    for row in rows:
        yield [row.tenant_id, overview.names.get(row.tenant_id, ""), row.system, *_people(words, row[2:])]
    yield [
        words("all"),
        "",
        "",
        *_people(words, [sum(column) for column in zip(*(row[2:] for row in rows), strict=True)]),
    ]


def _people(words: Words, numbers: Sequence[int]) -> list[str]:
    active, mapped, *others = numbers
    share = words.percent(mapped / active if active else None)
    return [f"{active:,}", f"{mapped:,}", share, *(f"{number:,}" for number in others)]


def _hold_rows(words: Words, overview: Overview) -> Iterator[list[str]]:
    for hold in overview.report.holds:
        since = f"{hold.created_at.astimezone(TOKYO):%Y-%m-%d %H:%M}"
        where = (hold.tenant_id, hold.system_type, words(hold.sync_type))
        yield [*where, f"{hold.held:,}", since, stored(words, "; ".join(hold.reasons)).text, str(hold.hold_id)]


def _notice(words: Words, report: Report, told: Told) -> Item:
    """What people were told of, and why not yet."""
    below = [told.last_error] if told.last_error and told.delivered_at is None else []
    return Item(f"{told.tenant_id} {told.system_type}", told_of(words, report, told), below)


def _changes(words: Words, overview: Overview) -> Section:
    """What is not as it was the day before."""
    changes = [(connected, changed(words, connected)) for connected in overview.connections]
    items = [
        Item(f"{connected.tenant_id} {connected.system}", "; ".join(_told(words, change)))
        for connected, change in changes
        if change.is_any
    ]
    notes = [] if has_day_before(overview) else [words("changes.alone")]
    return Section(words("changes"), items=items, notes=[*notes, *unmoved(words, changes)])


def _told(words: Words, change: Change) -> Iterator[str]:
    for result in change.results:
        yield f"{result.types} {words('change', before=words(result.was), after=words(result.came))}"
    yield from (f"{words(sync_type)} {records}" for sync_type, records in change.records.items() if records)
    if change.points:
        yield f"{words('changes.coverage')} {change.coverage} {change.points}"


def _item(words: Words, trouble: Attention, of: Sequence[Attention]) -> Item:
    meaning, todo, exact = explained(words, trouble)
    where = f"{trouble.system} {words.list(place(words, item, item.tenant_id) for item in of)}"
    below = [words("attention.line", name=words("attention.todo"), text=todo)] if todo else []
    below += (
        [words("attention.line", name=words("attention.detail"), text=_sentences([part.text for part in exact]))]
        if exact
        else []
    )
    state = words.list(filter(None, [words(trouble.state), trouble.error_type]))
    return Item(where, words("attention.line", name=state, text=meaning), below)


def _sentences(texts: Sequence[str]) -> str:
    """Texts in one line, none of them run into the next."""
    *others, last = texts
    return " ".join([*(text if text.endswith((".", "。")) else f"{text}." for text in others), last])
