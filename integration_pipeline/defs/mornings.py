"""The sensor that publishes: once all of a morning's chunks have ended, the day before and the day itself."""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import dagster as dg

from integration_pipeline.defs.jobs import publish_kpis
from integration_pipeline.defs.partitions import range_tags
from integration_pipeline.defs.schedules import CHUNK_OF, MORNING

INTERVAL_SECONDS = 60

TOKYO = ZoneInfo("Asia/Tokyo")

WAITED_UNTIL = dt.time(18)
"""When a chunk that has no run is given up. Whoever deletes a run must not stop the day's publishing."""


@dg.sensor(
    job=publish_kpis,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Publishes the day before and today when all of the morning's runs have ended, whatever their outcome.",
)
def morning_has_ended(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """One look at the runs."""
    return look(context.instance, context.cursor, dt.datetime.now(TOKYO))


def look(instance: dg.DagsterInstance, cursor: str | None, now: dt.datetime) -> dg.SensorResult:
    """The run to start, if there is one.

    :param cursor: the morning published last.
    :param now: in Tokyo's time.
    """
    # A morning may end after midnight.
    for day in (now.date(), now.date() - dt.timedelta(days=1)):
        if cursor is not None and day.isoformat() <= cursor:
            break
        runs = instance.get_runs(dg.RunsFilter(tags={MORNING: day.isoformat()}))
        waits_for = missing(runs, is_late=now >= dt.datetime.combine(day, WAITED_UNTIL, TOKYO)) if runs else None
        if waits_for:
            return dg.SensorResult(skip_reason=f"the morning of {day}: {waits_for}", cursor=cursor)
        if runs:
            return dg.SensorResult(run_requests=[request(day)], cursor=day.isoformat())
    return dg.SensorResult(skip_reason="no morning to publish", cursor=cursor)


def missing(runs: Sequence[dg.DagsterRun], *, is_late: bool) -> str | None:
    """What a morning waits for; None when it is over.

    :param is_late: whether chunks without a run are waited for no more.
    """
    going = sum(not run.is_finished for run in runs)
    if going:
        return f"{going} of {len(runs)} runs have not ended"
    chunks = {run.tags.get(CHUNK_OF, "1/1") for run in runs}
    most = max(int(chunk.partition("/")[2]) for chunk in chunks)
    return None if is_late or len(chunks) == most else f"{most - len(chunks)} of {most} chunks have no run yet"


def request(day: dt.date) -> dg.RunRequest:
    """Both days in one run: each spreadsheet is read and written once for them.

    The day before had not ended everywhere when it was published last.
    """
    before = day - dt.timedelta(days=1)
    return dg.RunRequest(run_key=day.isoformat(), tags=range_tags([before.isoformat(), day.isoformat()]))
