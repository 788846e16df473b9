"""The README's pictures of the HTML report: a part of ``make screenshots``, and a script of its own.

A fresh database → the demo's companies, synced once for today → two weeks made up before it → the report → pictures.
"""  # noqa: INP001 - a script, no package

import datetime as dt
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import browser
from browser import Size

from integration_pipeline import batch
from integration_pipeline.commands.worlds import arrive, demo_environ
from integration_pipeline.pipeline import open_pipeline
from integration_pipeline.report import days, integration
from integration_pipeline.report.integration import TOKYO, Sync
from integration_pipeline.report.page import as_html
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import demo
from integration_pipeline.store.embedded import Embedded
from integration_pipeline.store.engine import Database

IMAGES = Path(__file__).parent / "images"
PICTURES = {"report-ja-1200.png": ("ja", 1200), "report-ja-390.png": ("ja", 390), "report-en-1200.png": ("en", 1200)}

HEIGHT = 1800
"""A picture shows the page down to there: the rest is the table of every connection."""

DAYS = 13
"""Before today."""

HOLDS, HOLD_ID = "integration-pipeline holds", "019aa7c2-5d1e-7c3a-9a55-3f0e6f1b2c4d"

HELD = {
    "status": "PARTIAL",
    "error_type": "HELD",
    "error_message": "nothing was deactivated: 14 of 58 active USER rows would be deactivated, more than 10 and more than 20 %",
    "remedy": f"Look at the provider's own directory and at what is held: {HOLDS} show {HOLD_ID}. "
    f"If it really shrank: {HOLDS} approve {HOLD_ID}. If not: repair the listing, or reject it.",
}
"""As ``verdict.py`` says it."""


def take(program: str, images: Path) -> list[Path]:
    """Photograph the report in every language and width.

    :raises RuntimeError: it is wider than the screen.
    """
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-") as name:
        folder = Path(name)
        with told(folder / "home") as database:
            now = dt.datetime.now(dt.UTC)
            overview = days.read(database, integration.read(database, day=None, now=now), now=now)
        with browser.opened(program, folder / "profile") as tab:
            for picture, (lang, width) in PICTURES.items():
                page = folder / f"{lang}.html"
                page.write_text(as_html(overview, lang=lang), encoding="utf-8")
                size = tab.open(page, width)
                if size.width > width:
                    raise RuntimeError(f"the report is {size.width} px wide on a screen of {width} px")
                tab.photograph(Size(width, min(size.height, HEIGHT)), images / picture)
    return [images / picture for picture in PICTURES]


@contextmanager
def told(home: Path) -> Iterator[Database]:
    """A database in which the demo's companies have two weeks behind them."""
    home.mkdir(parents=True)
    world = demo()
    with (
        Sandbox(world) as sandbox,
        Embedded(home),
        open_pipeline(demo_environ({}, home, sandbox.environment)) as pipeline,
    ):
        arrive(world, pipeline.database, pipeline.keyring, pipeline.settings)
        request = batch.Request()
        list(batch.run(pipeline, request, batch.select(pipeline, request)))
        make_up(pipeline.database, now=pipeline.now())
        yield pipeline.database


def make_up(database: Database, *, now: dt.datetime) -> None:
    """Thirteen mornings of every sync of today, quiet ones mostly, and a today that is not everybody's first."""
    chance = random.Random(20261121)  # noqa: S311 - the same pictures every time
    found = integration.read(database, day=None, now=now)
    for sync in found.syncs:
        with database.transaction(sync.tenant_id) as cursor:
            for ago in range(1, DAYS + 1):
                if ago != 6:  # noqa: PLR2004 - one morning nobody's computer was on
                    row = morning(sync, chance, found.day - dt.timedelta(days=ago), is_first=ago == DAYS)
                    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
                    cursor.execute(
                        f"INSERT INTO external_system_sync_history (sync_id, {names}) VALUES (new_id(), {places})".encode(),
                        list(row.values()),
                    )
            today = quiet(sync, chance)
            if (sync.tenant_id, sync.system, sync.sync_type) == ("hikari", "SLACK", "USERS"):
                today |= HELD
            assigned = ", ".join(f"{name} = %s" for name in today)
            cursor.execute(
                f"UPDATE external_system_sync_history SET {assigned} WHERE sync_type = %s AND started_at = %s".encode(),
                [*today.values(), sync.sync_type, sync.started_at],
            )
    eve = found.day - dt.timedelta(days=1)
    for known in found.coverage:
        share = 100 * known.mapped / known.active - chance.choice([0, 0, 0, 0.9, 1.7, -0.8])
        values = {"active_users": known.active - chance.randint(0, 2), "mapping_coverage": share}
        with database.transaction(known.tenant_id) as cursor:
            cursor.executemany(
                "INSERT INTO daily_kpis (tenant_id, day, kpi, value) VALUES (%s, %s, %s, %s)",
                [(known.tenant_id, eve, f"{name}.{known.system}", value) for name, value in values.items()],
            )


def morning(sync: Sync, chance: random.Random, day: dt.date, *, is_first: bool) -> dict[str, object]:
    """A row of the history: today's sync as it may have been on another day."""
    at = dt.datetime.combine(day, dt.time(6, 0, chance.randrange(60)), TOKYO)
    row = {
        "tenant_id": sync.tenant_id,
        "system_type": sync.system,
        "sync_type": sync.sync_type,
        "started_at": at,
        "completed_at": at + dt.timedelta(seconds=chance.uniform(0.4, 4)),
        "status": "SUCCESS",
        "error_type": None,
        "api_calls": max(1, (sync.api_calls or 0) + chance.randint(-1, 1)),
        "records_created": sync.processed if is_first else 0,
    }
    draw = chance.random()
    if draw < 0.01:  # noqa: PLR2004 - as mornings are
        return row | {"status": "FAILED", "error_type": "TIMEOUT", "records_created": 0}
    if draw < 0.03:  # noqa: PLR2004
        return row | {"status": "PARTIAL", "error_type": "INCOMPLETE"}
    return row if is_first else row | quiet(sync, chance)


def quiet(sync: Sync, chance: random.Random) -> dict[str, object]:
    """What little changes in a night."""
    if sync.status != "SUCCESS" or sync.sync_type == "NOTIFICATIONS":
        return {"records_created": 0}
    created, updated, deleted = (chance.choice([*[0] * 28, 1, most]) for most in (3, 4, 2))
    unchanged = (sync.processed or 0) - created - updated - deleted
    counts = {"created": created, "updated": updated, "deleted": deleted, "unchanged": unchanged}
    return {f"records_{name}": number for name, number in counts.items()}


if __name__ == "__main__":
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not on the PATH")
    IMAGES.mkdir(exist_ok=True)
    for taken in take(chromium, IMAGES):
        print(taken)  # noqa: T201
