"""Many processes at once at the same tenants (performance target P13): everyone is served, or told so."""

import random
from collections.abc import Iterator

from integration_pipeline_tests.chaos import invariants, kills, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.commands import Process, printed_otherwise
from integration_pipeline_tests.chaos.ground import Ground
from integration_pipeline_tests.nights import nights

PROCESSES, TENANTS = 4, 4


def cases(_rng: random.Random) -> Iterator[Case]:
    yield Case("process", f"{PROCESSES} processes at once", f"{TENANTS} tenants, waiting", "all", _waiting)
    yield Case("process", f"{PROCESSES} processes at once", f"{TENANTS} tenants, not waiting", "all", _refused)


def _waiting(ground: Ground) -> Verdict:
    """Each of them syncs every tenant, one after the other."""
    return _play(ground, "--wait")


def _refused(ground: Ground) -> Verdict:
    """A connection in use is refused, in a line; who is not refused has synced."""
    return _play(ground)


def _play(ground: Ground, *options: str) -> Verdict:
    prepared = kills.prepared(ground)
    tenants = [f"tenant-{number:04d}" for number in range(1, TENANTS + 1)]
    with (
        ground.database(prepared.settled) as url,
        nights(ground.environ(url), kills.second_world(ground), is_known=True) as night,
    ):
        ground.move_links(url, night)
        before = snapshot.take(url)
        environ = {**ground.environ(url), **night.sandbox.environment}
        chosen = [option for tenant_id in tenants for option in ("--tenant-id", tenant_id)]
        argv = ("sync", *chosen, "--output", "json", *options)
        ends = [process.end() for process in [Process(environ, *argv) for _ in range(PROCESSES)]]
        after = snapshot.take(url)
        due = len({part for part in before.parts if part.tenant_id in tenants})
        broken = []
        for ended in ends:
            refused = ended.err.count("refused: ")
            broken += printed_otherwise(ended, after)
            if len(ended.rows) + refused * len(snapshot.TABLES) != due:
                broken.append(f"{len(ended.rows)} syncs and {refused} refusals, of {due} due: {ended.err}")
            if any(row["status"] != "SUCCESS" for row in ended.rows) or ended.code != (1 if refused else 0):
                broken.append(f"exit code {ended.code} with {refused} refusals: {ended.err} {ended.rows}")
        served = {(row["tenant_id"], row["system_type"], row["sync_type"]) for ended in ends for row in ended.rows}
        if len(served) != due:
            broken.append(f"{len(served)} of {due} were synced by anybody")
        began = len(after.history) - len(before.history)
        if began != sum(len(ended.rows) for ended in ends):
            broken.append(f"{began} history rows for what was printed as {sum(len(ended.rows) for ended in ends)}")
        if options and began != due * PROCESSES:
            broken.append(f"{began} syncs, and everyone waited")
        night.run()  # the tenant that nobody asked for
        broken += invariants.unlike(snapshot.take(url), prepared.truth)
    return Verdict("unharmed" if all(ended.code == 0 for ended in ends) else "partial", broken)
