"""A batch as people see it: bars while it runs, a line for each sync when it ends, a summary."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from integration_pipeline import batch, selection
from integration_pipeline.commands import estimates
from integration_pipeline.commands.outcomes import Lines, as_json, cut_short, summary
from integration_pipeline.commands.output import emit, json_line, say
from integration_pipeline.commands.progress import Display, display
from integration_pipeline.invocation import CutOff, Event, Refused, Request, Started
from integration_pipeline.model import Connection, Outcome, Status, SyncType
from integration_pipeline.pipeline import Pipeline
from integration_pipeline.text import clean


@dataclass(slots=True)
class Results:
    """What a batch came to."""

    outcomes: list[Outcome] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    cut_off: list[Outcome] = field(default_factory=list)

    def add(self, result: Outcome | Refused) -> None:
        if isinstance(result, Refused):
            self.refused.append(result)
        else:
            self.outcomes.append(result)

    @property
    def are_well(self) -> bool:
        return not self.refused and all(outcome.status is Status.SUCCESS for outcome in self.outcomes)


def work(pipeline: Pipeline, request: Request) -> list[tuple[Connection, Sequence[SyncType]]]:
    """The connections with something due.

    :raises UsageError: an unknown tenant, or none of the connections can be used as it is stored.
    """
    chosen = [each for each in selection.select(pipeline, request) if selection.due(each, request)]
    selection.check(pipeline, request, chosen)
    return [(connection, selection.due(connection, request)) for connection in chosen]


def hint(request: Request) -> str:
    """What to say when there is nothing to sync, which is no error."""
    if request.tenant_ids or request.systems or request.sync_types:
        return "nothing to sync: no enabled connection matches; 'integration-pipeline connections list' shows them all"
    return "nothing to sync: there is no enabled connection; see 'integration-pipeline connections import --help'"


def perform(
    pipeline: Pipeline, request: Request, due: Sequence[tuple[Connection, Sequence[SyncType]]], *, is_json: bool
) -> Results:
    """Run the batch and show it."""
    results, begun = Results(), time.monotonic()
    lines = None if is_json else Lines(connection.tenant_id for connection, _ in due)
    connections = [connection for connection, _ in due]
    expected = selection.estimates(pipeline, request, connections)
    for line in () if is_json else estimates.before(due, expected):
        say(line)
    with display(due, emit) as shown:
        if lines:
            shown.line(lines.header())
        hear = partial(_hear, results, shown)
        running = batch.run(pipeline, request, connections, on_event=hear, expected=expected)
        try:
            with closing(running) as ending:
                for result in ending:
                    results.add(result)
                    _show(result, shown, lines)
        except BaseException:  # the batch was cut short, and has ended its workers by now
            for outcome in results.cut_off:
                _show(outcome, shown, lines)
            if lines:
                all_due = sum(len(types) for _, types in due)
                shown.line(cut_short(results.outcomes, len(results.started), all_due, dry_run=request.dry_run))
            raise
    if lines:
        emit(summary(results.outcomes, refused=len(results.refused), seconds=time.monotonic() - begun))
    return results


def _hear(results: Results, shown: Display, event: Event) -> None:
    """Something happened in a worker's thread."""
    if isinstance(event, CutOff):
        results.cut_off.append(event.outcome)
        return
    if isinstance(event, Started):
        results.started.append(event)
    shown.on_event(event)


def _show(result: Outcome | Refused, shown: Display, lines: Lines | None) -> None:
    shown.ended(result)
    if isinstance(result, Refused):
        say(f"refused: {clean(result.message)}; --wait waits for it")
    elif lines is None:
        shown.line(json_line(as_json(result)))
    else:
        for line in lines.of(result):
            shown.line(line)
