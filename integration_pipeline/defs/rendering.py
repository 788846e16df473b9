"""Lines → what the Dagster UI shows: a table per tenant, numbers to plot, and reasons that can be read. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from integration_pipeline.defs.lines import Coverage, Line
from integration_pipeline.model import Status
from integration_pipeline.report import markdown
from integration_pipeline.text import figure

COUNTS = ("processed", "created", "updated", "deleted", "unchanged", "rejected")

NUMBERS = (*COUNTS, "API calls", "at least", "seconds", "active", "matched", "unmatched", "in error")
"""The columns that are aligned to the right."""

IN_WORDS = ("note", "status", "systems", "warnings")
"""What of a tenant's metadata is read and not plotted."""

NAMED = 20
"""How many failures a description spells out, and how many of a dry run's changes a table names."""

NOTHING_DUE = "No enabled connection of this tenant asks for this, so there was nothing to sync."


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; what comes from outside neither ends its cell nor formats it."""
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    return "\n".join(markdown.table(head, texts, numbers=NUMBERS))


def systems_table(lines: Sequence[Line]) -> str:
    """One tenant's systems, each with how its sync went; below, why one is not SUCCESS: in a column it would not be read."""
    head = ["system", "status", *COUNTS, "API calls", "at least", "seconds"]
    rows = [
        [
            line.system,
            line.status,
            *(getattr(line.counts, name) for name in COUNTS),
            line.api_calls,
            figure(line.api_calls_minimum),
            f"{line.seconds:.1f}",
        ]
        for line in lines
    ]
    reasons = [f"- {line.system}: {markdown.escaped(reason(line))}" for line in lines if reason(line)]
    return "\n".join([table(head, rows), *(["", *reasons] if reasons else [])])


def reason(line: Line) -> str:
    """Why a sync is not SUCCESS and what a person should do, in words."""
    parts = [part for part in (line.error_type, line.error_message) if part]
    text = ": ".join(parts)
    return f"{text}. {line.remedy}" if line.remedy else text


def metadata(lines: Sequence[Line]) -> dict[str, dg.MetadataValue]:
    """What is kept with a tenant's partition of one asset."""
    if not lines:
        return {"note": dg.MetadataValue.text(NOTHING_DUE), "systems_due": dg.MetadataValue.int(0)}
    shown: dict[str, dg.MetadataValue] = {
        "status": dg.MetadataValue.text(str(worst(lines))),
        "systems": dg.MetadataValue.md(systems_table(lines)),
        "systems_due": dg.MetadataValue.int(len(lines)),
    }
    for name in COUNTS:
        shown[f"records_{name}"] = dg.MetadataValue.int(sum(getattr(line.counts, name) for line in lines))
    shown["api_calls"] = dg.MetadataValue.int(sum(line.api_calls for line in lines))
    if all(line.api_calls_minimum is not None for line in lines):
        shown["api_calls_minimum"] = dg.MetadataValue.int(sum(line.api_calls_minimum or 0 for line in lines))
    shown["seconds"] = dg.MetadataValue.float(round(sum(line.seconds for line in lines), 3))
    warnings = [f"- {line.system}: {markdown.escaped(warning)}" for line in lines for warning in line.warnings]
    if warnings:
        shown["warnings"] = dg.MetadataValue.md("\n".join(warnings))
    return shown


def plan(lines: Sequence[Line]) -> dict[str, dg.MetadataValue]:
    """A dry run's metadata: the same but for the numbers to plot, and what would change.

    Under names of its own: the UI shows what was observed since a materialization in place of what that one said.
    """
    changes = [[line.system, change] for line in lines for change in line.changes]
    shown = {name: value for name, value in metadata(lines).items() if name in IN_WORDS}
    if changes:
        shown["changes"] = dg.MetadataValue.md(table(["system", "would"], changes[:NAMED]))
        shown["changes_named"] = dg.MetadataValue.text(f"{min(NAMED, len(changes))} of {len(changes)}")
    return {f"dry_run_{name}": value for name, value in shown.items()}


def worst(lines: Iterable[Line]) -> str:
    """The gravest status among them."""
    found = {line.status for line in lines}
    grave = sorted(found - {Status.SUCCESS, Status.PARTIAL, Status.FAILED})
    return next((status for status in (Status.FAILED, *grave, Status.PARTIAL) if status in found), Status.SUCCESS)


def failures(lines: Iterable[Line]) -> str:
    """The failed syncs in words, one line each; a connection that failed all its types for one reason is one line."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for line in lines:
        grouped.setdefault((line.tenant_id, line.system, reason(line)), []).append(line.sync_type)
    named = [f"{tenant} {system} {', '.join(types)}: {why}" for (tenant, system, why), types in grouped.items()]
    more = [f"and {len(named) - NAMED} more, see the table"] if len(named) > NAMED else []
    return "\n".join([*named[:NAMED], *more])


def failures_table(lines: Iterable[Line]) -> dg.TableMetadataValue:
    """The same as a table, whole."""
    rows = [
        (line.tenant_id, line.system, line.sync_type, line.error_type or line.status, line.error_message, line.remedy)
        for line in lines
    ]
    return records(("tenant", "system", "type", "error_type", "message", "remedy"), rows)


def records(head: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.TableMetadataValue:
    """A table that the UI shows where it stands, with plain text in its cells."""
    found = [
        dg.TableRecord({name: "" if value is None else str(value) for name, value in zip(head, row, strict=True)})
        for row in rows
    ]
    return dg.MetadataValue.table(found, schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in head]))


def coverage(found: Sequence[Coverage]) -> dict[str, dg.MetadataValue]:
    """How many of one tenant's active accounts are matched."""
    rows = [[each.system, each.active, each.matched, each.unmatched, each.in_error] for each in found]
    active, matched = sum(each.active for each in found), sum(each.matched for each in found)
    return {
        "matching": dg.MetadataValue.md(table(["system", "active", "matched", "unmatched", "in error"], rows)),
        "coverage_percent": dg.MetadataValue.float(round(100 * matched / active, 1) if active else 100.0),
        **numbers({"accounts_active": active, "accounts_matched": matched}),
    }


def numbers(values: Mapping[str, int]) -> dict[str, dg.MetadataValue]:
    """Plain counts as metadata."""
    return {name: dg.MetadataValue.int(value) for name, value in values.items()}
