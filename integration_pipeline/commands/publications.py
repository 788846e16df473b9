"""A publishing as people and scripts see it: a line for each tenant when it ends, what to do, a summary."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from integration_pipeline.commands.output import emit, json_line, say, say_waiting
from integration_pipeline.pipeline import Pipeline
from integration_pipeline.publish import publishing
from integration_pipeline.publish.publishing import Published, Request
from integration_pipeline.text import clean, count


def perform(pipeline: Pipeline, request: Request, *, is_json: bool) -> list[Published]:
    """Publish and show it.

    :raises UsageError: the request cannot be meant.
    """
    chosen = publishing.select(pipeline, request)
    publishing.check(pipeline, request, chosen)
    if not chosen:
        say("nothing to publish: no tenant has a spreadsheet; see 'integration-pipeline spreadsheets import --help'")
    results: list[Published] = []
    with closing(publishing.run(pipeline, request, chosen, on_wait=say_waiting)) as ending:
        for published in ending:
            results.append(published)
            _show(published, is_json=is_json)
    if results and not is_json:
        emit(_summary(results))
    return results


def _show(published: Published, *, is_json: bool) -> None:
    if is_json:
        emit(json_line(as_json(published)))
        if published.error and published.error.remedy:
            say(f"{published.tenant_id}: what to do: {clean(published.error.remedy)}")
        return
    days = f"{published.first}" if published.first == published.last else f"{published.first} to {published.last}"
    emit(
        f"{clean(published.tenant_id)}  {published.status}  {days}: {count(published.rows_written, 'row')}, "
        f"{count(published.google_calls, 'call')} to Google"
    )
    if published.error:
        emit(f"    {published.error.kind}: {clean(str(published.error))}")
        if published.error.remedy:
            emit(f"    what to do: {clean(published.error.remedy)}")


def as_json(published: Published) -> Mapping[str, Any]:
    """The contract's line: these keys, in this order."""
    return {
        "tenant_id": published.tenant_id,
        "spreadsheet_id": published.spreadsheet_id,
        "from": published.first.isoformat(),
        "to": published.last.isoformat(),
        "rows_written": published.rows_written,
        "google_calls": published.google_calls,
        "status": published.status,
        "error_message": str(published.error) if published.error else None,
    }


def _summary(results: Sequence[Published]) -> str:
    well = sum(published.error is None for published in results)
    rows = count(sum(published.rows_written for published in results), "row")
    calls = count(sum(published.google_calls for published in results), "call")
    return f"{count(len(results), 'spreadsheet')}: {well} well, {len(results) - well} not; {rows}, {calls} to Google"
