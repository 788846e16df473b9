"""Names as people have them, and as nobody should: stored as they came, and the same the night after."""

import contextlib
import io
import random
import unicodedata
from collections.abc import Iterator, Mapping
from functools import partial

from integration_pipeline import cli, registry
from integration_pipeline.sandbox.world import World
from integration_pipeline_tests.chaos import invariants, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.ground import TENANT, Ground, peaceful
from integration_pipeline_tests.chaos.snapshot import Snapshot
from integration_pipeline_tests.nights import nights

TEXTS: Mapping[str, str] = {
    "NUL": "山\x00田",
    "an emoji of many parts": "👩‍👩‍👧‍👦🇯🇵👍🏽",
    "right-to-left with an override": "\u202eعلي\u202c שלום",
    "300 characters": "名" * 300,
    "not normalised": unicodedata.normalize("NFD", "がぎぐ é Å"),
    "control characters": "tab\there\nnew line \x1b[31mred\x1b[0m \x7f",
    "of nothing but width": "\u200b\u3000\ufeff",
    "SQL and markup": "'); DROP TABLE tenants; -- <script>alert(1)</script> {x} %s",
    "beyond the plane": "𠮷野家 𩸽",
    "a formula": '=HYPERLINK("https://x.example")',
}


def cases(_rng: random.Random) -> Iterator[Case]:
    for name, text in TEXTS.items():
        for system in map(str, registry.FOLDERS):
            yield Case("text", f"a name: {name}", "all night", system, partial(_play, text, system))


def _play(text: str, system: str, ground: Ground) -> Verdict:
    prepared = ground.prepared(system)
    with ground.database() as url, nights(ground.environ(url), _world(ground, system, text)) as night:
        peaceful(night)
        truth = snapshot.take(url)
    world = _world(ground, system, text)
    with ground.night(prepared.settled, world) as (night, url):
        before = snapshot.take(url)
        outcomes = night.run()
        after = snapshot.take(url)
        broken = invariants.broken(before, after, truth) + invariants.told_otherwise(outcomes.values(), after)
        kept = text.replace("\x00", "")
        if not any(kept in name for name in _names(after)):
            broken.append(f"nobody is called {kept!a}")
        quiet = night.run()
        moved = [outcome for outcome in quiet.values() if outcome.counts.updated or outcome.counts.created]
        if moved:
            broken.append(f"the night after was not quiet: {[(one.sync_type, one.counts) for one in moved]}")
        broken += _unreadable(ground.environ(url) | night.sandbox.environment)
    return Verdict(invariants.statuses(outcomes), broken)


def _world(ground: Ground, system: str, text: str) -> World:
    """The second night, with a person, a team and an app of that name."""
    world = ground.second_world(system)
    workspace = world.workspace(TENANT, system)
    person = next(user for user in workspace.users if user.kind == "member" and user.state == "active")
    workspace.users.change(person.id, last_name=text, first_name=text)
    for table in (workspace.teams, workspace.apps):
        row = next(row for row in table if row.kind in {"CHANNEL", "TEAM", "GROUP", "BOT", "INSTALLED_APP"})
        table.change(row.id, name=text)
    return world


def _names(found: Snapshot) -> list[str]:
    rows = (row for rows in found.tables.values() for row in rows.values())
    return [row.get("external_username") or row.get("name") or "" for row in rows]


def _unreadable(environ: Mapping[str, str]) -> Iterator[str]:
    """What people and programs read it with must not stumble."""
    for argv in (["mappings", "list", "--tenant-id", TENANT, "--output", "csv"], ["report", "--format", "html"]):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = cli.run(argv, environ)
        if code == cli.WRONG or not out.getvalue():
            yield f"{' '.join(argv)} ended with {code}: {err.getvalue()}"
