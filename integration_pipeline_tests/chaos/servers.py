"""The whole PostgreSQL killed in the middle of a sync, and started again by whoever comes next."""

import os
import random
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from integration_pipeline import registry
from integration_pipeline.settings import HOME, KEYS
from integration_pipeline_tests import builders
from integration_pipeline_tests.chaos import invariants, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.commands import Process, printed_otherwise, wait_until
from integration_pipeline_tests.chaos.ground import Ground, peaceful
from integration_pipeline_tests.nights import nights


def cases(rng: random.Random) -> Iterator[Case]:
    for part in (0.0, rng.random(), 0.9):
        system = str(rng.choice(list(registry.FOLDERS)))
        yield Case("process", "PostgreSQL killed", f"{part:.0%} through", system, partial(_play, part, system))


def _play(part: float, system: str, ground: Ground) -> Verdict:
    truth = ground.truth(system)
    # Not below the ground's home, which other servers live in.
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-chaos-") as folder:
        environ = {HOME: folder, KEYS: builders.KEYS}
        with nights(environ, ground.world(system)) as night:
            peaceful(night)
            before = snapshot.take(night.pipeline.database.url)
            calls = night.sandbox.requests.count()
        broken, rows = [], []
        with nights(environ, ground.second_world(system), is_known=True) as night:
            ground.move_links(night.pipeline.database.url, night)
            process = Process({**environ, **night.sandbox.environment}, "sync", "--output", "json")
            nth = 1 + int(part * calls)
            wait_until(lambda: night.sandbox.requests.count() >= nth or not process.is_running)
            os.kill(_postmaster(Path(folder)), signal.SIGQUIT)  # as a crash: nobody is asked, nothing is finished
            ended = process.end()
            if ended.code == 0 and any(row["status"] != "SUCCESS" for row in ended.rows):
                broken.append(f"exit code 0 with {ended.rows}")
            rows = ended.rows
        with nights(environ, ground.second_world(system), is_known=True) as night:
            url = night.pipeline.database.url
            ground.move_links(url, night)
            after = snapshot.take(url)
            broken += invariants.broken(before, after, truth)
            # A SUCCESS that was printed is there. Of a failure the database may not have heard.
            said = ended._replace(rows=[row for row in rows if row["status"] == "SUCCESS"])
            broken += printed_otherwise(said, after)
            came_to = invariants.statuses(night.run())
            if came_to != "unharmed":
                broken.append(f"the next run was not well: {came_to}")
            broken += invariants.unlike(snapshot.take(url), truth)
    return Verdict("unharmed" if ended.code == 0 else "failed", broken)


def _postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
