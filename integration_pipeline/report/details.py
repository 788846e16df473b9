"""The parts of the HTML report that name tenants: what needs attention, what changed, and every connection's figures."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress

from integration_pipeline import registry
from integration_pipeline.model import Status, SyncType, System
from integration_pipeline.notices import Told
from integration_pipeline.report.attention import (
    AMBIGUOUS,
    SHEETS,
    WARNING,
    Attention,
    explained,
    place,
    shared,
    stored,
    told_of,
)
from integration_pipeline.report.changes import Change, changed, has_day_before, unmoved
from integration_pipeline.report.days import Connected, Moved, Overview, total
from integration_pipeline.report.integration import NOT_RUN, RUNNING, TOKYO
from integration_pipeline.report.markup import Content, Markup, tag
from integration_pipeline.report.plots import RULE
from integration_pipeline.report.words import Words
from integration_pipeline.store.holds import Hold
from integration_pipeline.text import UNKNOWN

BLUE, AMBER, RED, VIOLET, GREY = "#3b74b8", "#f0b429", "#8f1d14", "#7d5ba6", "#aab3bf"
"""Apart from one another in lightness too, so that they stay apart for colour-blind eyes and on grey paper."""

_SIGNS = {
    Status.SUCCESS: "✓",
    Status.PARTIAL: "△",
    Status.FAILED: "✕",
    RUNNING: "…",
    NOT_RUN: "–",
    AMBIGUOUS: "?",
    WARNING: "!",
}
_RECORDS = ("created", "updated", "deleted", "unchanged", "rejected")
_ACCOUNTS = ("active", "coverage", "unmatched", "ambiguous", "of_leavers")
_COST = ("calls", "seconds")


def title(system: str) -> str:
    """What people call a system."""
    if system == SHEETS:
        return "Google Sheets"
    return registry.provider(System(system)).title if system in registry.FOLDERS else system


def badge(words: Words, state: str) -> Markup:
    """A state as a sign and a word, in a colour that repeats what they say."""
    sign = tag("span", _SIGNS[state], aria_hidden="true")
    return tag("span", sign, " ", tag("span", words(state)), class_=f"badge {_class(state)}")


def signs(words: Words) -> Markup:
    """What the badges' signs mean, for where there is no room for words."""
    return tag("span", [[badge(words, state), " "] for state in _SIGNS])


def troubles(words: Words, overview: Overview) -> Markup:
    """What needs attention: a trouble that several tenants share is said once."""
    found = shared(overview.report)
    if not found:
        return tag("p", words("attention.none"))
    return tag("div", [_trouble(words, overview, kind, items) for kind, items in found.items()], class_="troubles")


def quarantine(words: Words, overview: Overview) -> Markup | None:
    """What the guard keeps back until a person decides; None where nothing waits."""
    if not overview.report.holds:
        return None
    return tag("div", [_hold(words, overview, hold) for hold in overview.report.holds], class_="troubles")


def told(words: Words, overview: Overview) -> Markup | None:
    """Of what people were told, because only a person can mend it; None where there was nothing."""
    if not overview.report.notices:
        return None
    return tag("ul", [tag("li", _notice(words, overview, notice)) for notice in overview.report.notices])


def changes(words: Words, overview: Overview) -> Markup:
    """What is not as it was the day before."""
    parts = [] if has_day_before(overview) else [tag("p", words("changes.alone"))]
    found = [(connected, changed(words, connected)) for connected in overview.connections]
    rows = [(connected, _changes(words, change)) for connected, change in found if change.is_any]
    rest = [tag("p", note, class_="note" if rows else None) for note in unmoved(words, found)]
    if not rows:
        return tag("div", parts, rest)
    names = [words("changes.status"), *(words(sync_type) for sync_type in SyncType), words("changes.coverage")]
    is_used = [any(column) for column in zip(*(cells for _, cells in rows), strict=True)]
    used = list(compress(names, is_used))
    head = tag("tr", [tag("th", name, scope="col") for name in (words("column.system"), *used)])
    labelled = [(connected, _labelled(used, list(compress(cells, is_used)))) for connected, cells in rows]
    table = tag("table", tag("thead", head), _bodies(overview, labelled, len(used) + 1), class_="changes")
    return tag("div", parts, table, rest)


def details(words: Words, overview: Overview) -> Markup:
    """Every connection: a table where there is room for one, and cards on a phone."""
    groups = (("results", tuple(SyncType)), ("records", _RECORDS), ("accounts", _ACCOUNTS), ("cost", _COST))
    names = [words(f"column.{key}") for _, keys in groups for key in keys]
    wide = [tag("th", words(f"group.{name}"), colspan=len(keys), scope="colgroup") for name, keys in groups]
    first = tag("th", words("column.system"), rowspan=2, scope="col")
    head = tag("thead", tag("tr", first, wide), tag("tr", [tag("th", name, scope="col") for name in names]))
    rows = [(connected, _labelled(names, _figures(words, connected))) for connected in overview.connections]
    foot = tag("tr", tag("th", words("all"), scope="row"), _labelled(names, _sums(words, overview)))
    return tag("table", head, _bodies(overview, rows, len(names) + 1), tag("tfoot", foot), class_="details")


def _trouble(words: Words, overview: Overview, kind: Attention, items: Sequence[Attention]) -> Markup:
    meaning, todo, exact = explained(words, kind)
    where = [place(words, item, overview.names.get(item.tenant_id, item.tenant_id)) for item in items]
    lines = [
        tag("h3", badge(words, kind.state), " ", title(kind.system), tag("span", words.list(where), class_="where")),
        tag("p", meaning, " ", tag("code", kind.error_type) if kind.error_type else ""),
    ]
    if todo:
        lines.append(tag("p", tag("b", words("attention.todo")), " ", todo, class_="todo"))
    if exact:
        text = [tag("span", part.text, lang=part.language) for part in exact]
        lines.append(tag("p", tag("b", words("attention.detail")), " ", text, class_="note"))
    return tag("article", lines, class_=_class(kind.state))


def _hold(words: Words, overview: Overview, hold: Hold) -> Markup:
    tenant = overview.names.get(hold.tenant_id, hold.tenant_id)
    where = words("attention.where", tenant=tenant, types=words(hold.sync_type))
    since = hold.created_at.astimezone(TOKYO).strftime("%Y-%m-%d %H:%M")
    why = stored(words, "; ".join(hold.reasons))
    reasons = tag("span", why.text, lang=why.language)
    command = f"integration-pipeline holds show {hold.hold_id}"
    lines = [
        tag("h3", title(hold.system_type), tag("span", where, class_="where")),
        tag("p", words.count("holds.held", hold.held, since=since)),
        tag("p", tag("b", words("attention.todo")), " ", words("todo.HELD"), " ", tag("code", command), class_="todo"),
        tag("p", tag("b", words("attention.detail")), " ", reasons, class_="note"),
    ]
    return tag("article", lines, class_=_class(Status.PARTIAL))


def _notice(words: Words, overview: Overview, notice: Told) -> Content:
    tenant = overview.names.get(notice.tenant_id, notice.tenant_id)
    return [tag("b", title(notice.system_type)), " ", tenant, " – ", told_of(words, overview.report, notice)]


def _class(state: str) -> str:
    return state.lower().replace(" ", "-")


def _changes(words: Words, change: Change) -> list[Content]:
    """A connection's cells: empty ones where nothing changed."""
    status = [
        tag("div", result.types, " ", badge(words, result.was), " → ", badge(words, result.came))
        for result in change.results
    ]
    records = [[text] if text else [] for text in change.records.values()]
    return [status, *records, [change.coverage, " ", tag("b", change.points)] if change.points else []]


def _figures(words: Words, connected: Connected) -> list[Content]:
    """A connection's cells; a dash where nothing was synced."""
    states: list[Content] = [
        badge(words, connected.syncs[sync_type].state) if sync_type in connected.syncs else _faint(words("off"))
        for sync_type in SyncType
    ]
    last = [sync for sync in connected.syncs.values() if sync.status]
    moved = connected.all_moved if connected.moved else None
    unchanged, rejected = (sum(getattr(sync, name) or 0 for sync in last) for name in ("unchanged", "rejected"))
    records = [moved.created, moved.updated, moved.deleted, unchanged, rejected] if moved else [None] * len(_RECORDS)
    cost = _cost(words, moved) if moved else [_number(None)] * len(_COST)
    return [*states, *map(_number, records), *_accounts(words, _counted([connected])), *cost]


def _sums(words: Words, overview: Overview) -> list[Content]:
    """The last line: how many syncs succeeded, and every column's sum."""
    syncs = overview.report.syncs
    results: list[Content] = []
    for sync_type in SyncType:
        own = [sync.state == Status.SUCCESS for sync in syncs if sync.sync_type == sync_type]
        results.append([f"{sum(own):,}/", tag("wbr"), f"{len(own):,}"] if own else "")
    moved = total(connected.all_moved for connected in overview.connections)
    unchanged, rejected = (sum(getattr(sync, name) or 0 for sync in syncs) for name in ("unchanged", "rejected"))
    records = [moved.created, moved.updated, moved.deleted, unchanged, rejected]
    cost = _cost(words, moved)
    return [*results, *map(_number, records), *_accounts(words, _counted(overview.connections)), *cost]


def _cost(words: Words, moved: Moved) -> list[Content]:
    """Calls, with how few would have done where those are fewer, and time."""
    calls = [_number(moved.api_calls)]
    if 0 < moved.api_calls_minimum < moved.api_calls:
        calls.append(tag("div", words("least", number=f"{moved.api_calls_minimum:,}"), class_="note"))
    return [calls, words.span(moved.seconds)]


def _counted(connections: Sequence[Connected]) -> Mapping[str, int] | None:
    """Accounts of all these connections together; None where none was ever listed."""
    known = [connected.accounts for connected in connections if connected.accounts]
    names = ("active", "mapped", "unmatched", "ambiguous", "of_leavers")
    return {name: sum(getattr(row, name) for row in known) for name in names} if known else None


def _accounts(words: Words, counted: Mapping[str, int] | None) -> list[Content]:
    if counted is None:
        return [_faint(UNKNOWN)] * len(_ACCOUNTS)
    share = counted["mapped"] / counted["active"] if counted["active"] else None
    coverage = [words.percent(share), _meter(share)] if share is not None else _faint(UNKNOWN)
    others = [_number(counted[name]) for name in ("unmatched", "ambiguous", "of_leavers")]
    return [_number(counted["active"]), coverage, *others]


def _meter(share: float) -> Markup:
    whole = tag("rect", width="100%", height=4, fill=RULE)
    part = tag("rect", width=f"{100 * share:.1f}%", height=4, fill=BLUE)
    return tag("svg", whole, part, width="100%", height=4, aria_hidden="true", class_="meter")


def _number(number: int | None) -> Content:
    if not number:
        return _faint(UNKNOWN if number is None else "0")
    first, *others = f"{number:,}".split(",")
    # Where there is no room for millions, they break after a comma.
    return [first, [[",", tag("wbr"), group] for group in others]]


def _faint(text: str) -> Markup:
    return tag("span", text, class_="faint")


def _labelled(names: Sequence[str], cells: Sequence[Content]) -> list[Markup]:
    """Cells that carry their column's name, for where there is no room for columns."""
    return [tag("td", cell, data_label=name) for name, cell in zip(names, cells, strict=True)]


def _bodies(overview: Overview, rows: Sequence[tuple[Connected, Content]], columns: int) -> Iterator[Markup]:
    """Each tenant's rows under its name."""
    tenants: dict[str, list[Markup]] = {}
    for connected, cells in rows:
        row = tag("tr", tag("th", title(connected.system), scope="row"), cells)
        tenants.setdefault(connected.tenant_id, []).append(row)
    for tenant_id, own in tenants.items():
        name = tag(
            "th",
            overview.names.get(tenant_id, tenant_id),
            " ",
            tag("code", tenant_id),
            colspan=columns,
            scope="rowgroup",
        )
        yield tag("tbody", tag("tr", name, class_="tenant"), own)
