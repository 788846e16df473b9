"""Faults at PostgreSQL × the moments of a sync's statements.

The pipeline works as a plain login through a proxy; what goes wrong is real: lost sessions, killed backends, a server that
takes no more sessions, a database that may only be read, a full disk, a COMMIT that is refused.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg.conninfo import conninfo_to_dict

from integration_pipeline import registry
from integration_pipeline.settings import DATABASE_URL
from integration_pipeline_tests import builders
from integration_pipeline_tests.chaos import invariants, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.commands import is_at_work, wait_until
from integration_pipeline_tests.chaos.ground import Ground
from integration_pipeline_tests.chaos.proxy import Cut, Loss, Proxy
from integration_pipeline_tests.chaos.snapshot import ACCOUNTS, SETTINGS, TEAMS
from integration_pipeline_tests.nights import nights

_FINISH = r"SET\s+completed_at = \$\d+, status"
MOMENTS: Mapping[str, str] = {
    "the connection is read": r"WITH closed AS \(\s+UPDATE external_system_sync_history",
    "the token is kept": "SET access_token",
    "the history begins": "INSERT INTO external_system_sync_history",
    "what is stored is read": r", content_hash\s+FROM",
    "the apply begins": "sync_generation = connection.sync_generation",
    "changes are staged": "COPY stage",
    "users are written": f"INSERT INTO {ACCOUNTS}",
    "teams are written": f"INSERT INTO {TEAMS}",
    "settings are written": f"INSERT INTO {SETTINGS}",
    "the history ends": _FINISH,
    "commit": _FINISH,
}
"""Moment → the statement it is known by; ``commit`` is the COMMIT after that."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the table.

    :param happens: what is done to the database at that moment.
    :param ends: what undoes it.
    :param is_shut: whether nobody gets in from then on.
    """

    name: str
    loss: Loss = Loss.NOTHING
    happens: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    is_shut: bool = False


_TERMINATE = """SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE usename = current_database() AND datname = current_database()"""
_FAIL = """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'chaos' USING ERRCODE = '{code}'; END $$"""
_AT_COMMIT = """CREATE CONSTRAINT TRIGGER fail AFTER UPDATE ON external_system_sync_history DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.status <> 'FAILED') EXECUTE FUNCTION fail()"""
_AT_WRITE = "CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fail()"

FAULTS = (
    Fault("session lost with the statement", Loss.STATEMENT),
    Fault("session lost with the answer", Loss.ANSWER),
    Fault("every session killed", happens=(_TERMINATE,)),
    Fault(
        "no room for another session",
        happens=("ALTER ROLE {login} CONNECTION LIMIT 0", _TERMINATE),
        ends=("ALTER ROLE {login} CONNECTION LIMIT -1",),
        is_shut=True,
    ),
    Fault(
        "read-only from then on",
        happens=("ALTER ROLE {login} SET default_transaction_read_only = on", _TERMINATE),
        ends=("ALTER ROLE {login} RESET default_transaction_read_only", _TERMINATE),
    ),
)
REFUSALS = (
    Fault("commit refused", happens=(_FAIL.format(code="40001"), _AT_COMMIT), ends=("DROP FUNCTION fail CASCADE",)),
    *(
        Fault(
            f"disk full under {table}",
            happens=(_FAIL.format(code="53100"), _AT_WRITE.format(table=table)),
            ends=("DROP FUNCTION fail CASCADE",),
        )
        for table in (ACCOUNTS, TEAMS, SETTINGS, "sync_changes")
    ),
)
"""What PostgreSQL itself refuses, for the whole night."""


def cases(rng: random.Random) -> Iterator[Case]:
    systems = list(map(str, registry.FOLDERS))
    for fault in FAULTS:
        for moment in MOMENTS:
            system = rng.choice(systems)
            yield Case("database", fault.name, moment, system, partial(_play, fault, moment, system))
    for fault in REFUSALS:
        system = rng.choice(systems)
        yield Case("database", fault.name, "all night", system, partial(_play, fault, None, system))


def _play(fault: Fault, moment: str | None, system: str, ground: Ground) -> Verdict:
    prepared, truth, world = ground.prepared(system), ground.truth(system), ground.second_world(system)
    with ground.database(prepared.settled) as url, _as_plain_login(url) as login, Proxy(login) as proxy:
        environ = {**ground.environ(url), DATABASE_URL: proxy.url}
        with nights(environ, world, is_known=True) as night:
            ground.move_links(url, night)
            pool = night.pipeline.database._pool
            patience = pool.timeout
            before = snapshot.take(url)
            struck: list[str] = []

            def strike() -> None:
                struck.append(fault.name)
                _administer(url, fault.happens)
                if fault.is_shut:  # a server that takes nobody is waited for, but here not for half a minute
                    pool.timeout = 0.5

            if moment is None:
                strike()
            else:
                proxy.cuts.extend(_cuts(proxy, moment, fault.loss, strike))
            outcomes = night.run(force_refresh=True)
            wait_until(lambda: not is_at_work(url))
            after = snapshot.take(url)
            broken = invariants.broken(before, after, truth) + invariants.told_otherwise(outcomes.values(), after)
            if not struck or (moment is None and invariants.statuses(outcomes) == "unharmed"):
                broken.append(invariants.NOT_TRIED)
            proxy.cuts.clear()
            _administer(url, fault.ends)
            pool.timeout = patience
            came_to = invariants.statuses(night.run())
            if came_to != "unharmed" and not (moment == "the token is kept" and system == "SLACK"):
                broken.append(f"the next night was not well: {came_to}")
            if came_to != "unharmed":
                night.import_world()
                night.run()
            broken += invariants.unlike(snapshot.take(url), truth)
    return Verdict(invariants.statuses(outcomes), broken)


def _cuts(proxy: Proxy, moment: str, loss: Loss, strike: Callable[[], None]) -> Iterator[Cut]:
    if moment != "commit":
        yield Cut(MOMENTS[moment], loss, meanwhile=strike)
        return

    def arm() -> None:
        proxy.cuts.append(Cut(r"^Q.{4}COMMIT", loss, meanwhile=strike))

    yield Cut(MOMENTS[moment], Loss.NOTHING, meanwhile=arm)


def _administer(url: str, statements: tuple[str, ...]) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        for statement in statements:
            session.execute(statement.replace("{login}", session.info.dbname).encode())


@contextmanager
def _as_plain_login(url: str) -> Iterator[str]:
    """A login that owns nothing, as an operator would make it. It is called as the database."""
    grant = "GRANT integration_pipeline_worker, integration_pipeline_operator TO {login}"
    _administer(url, ("CREATE ROLE {login} LOGIN", grant))
    try:
        yield builders.as_login(url, str(conninfo_to_dict(url)["dbname"]))
    finally:
        _administer(url, ("DROP ROLE {login}",))
