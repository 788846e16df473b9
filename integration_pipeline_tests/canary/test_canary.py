"""Canaries in every place that holds a secret; then everything breaks, in every way; then nobody has heard one of them."""

import base64
import contextlib
import datetime as dt
import json
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from integration_pipeline import cli, registry
from integration_pipeline.definitions import defs
from integration_pipeline.defs.partitions import range_tags
from integration_pipeline.pipeline import open_pipeline
from integration_pipeline.settings import DATABASE_URL, HOME, KEYS, NOTICE_SECRET, NOTICE_URL
from integration_pipeline.store import urls
from integration_pipeline_tests import builders
from integration_pipeline_tests.canary import echo as echoes
from integration_pipeline_tests.canary.echo import Asked, Echo, Reply, echoing

CONTROL = "everybody-may-read-this"
"""The tenant: a canary that is meant to be found, so that the search is known to search."""

PASSWORD = "canary-database-password"
RING = base64.b64encode(b"canary: a key of 32 bytes, first").decode()
OLD_RING = base64.b64encode(b"canary: a key of 32 bytes, other").decode()
SECRETS = {
    name: f"canary-{name}-0123456789"
    for name in (
        "client-secret", "access-token", "refresh-token", "key-id", "granted-token", "granted-refresh", "notice-secret",
        "notice-query", "malformed", "endpoint-password",
    )
}  # fmt: skip

Run = Callable[..., int]


def pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@dataclass
class Cage:
    """A pipeline full of canaries, and everything that anybody could read of it."""

    environ: dict[str, str]
    folder: Path
    echo: Echo
    keys: tuple[str, str]
    """Two private keys: of LINE WORKS' service account and of Google's."""
    told: list[str] = field(default_factory=list)

    @property
    def canaries(self) -> set[str]:
        lines = {line for key in self.keys for line in key.splitlines()[1:-1]}
        return {PASSWORD, RING, OLD_RING, *SECRETS.values(), *lines, *self.echo.seen}

    def entries(self) -> list[dict[str, Any]]:
        later = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
        common = {
            "tenant_id": CONTROL, "client_id": "client", "client_secret": SECRETS["client-secret"],
            "access_token": SECRETS["access-token"], "refresh_token": SECRETS["refresh-token"],
            "token_expires_at": later, "retry_attempts": 1, "api_rate_limit": 100_000,
        }  # fmt: skip
        options = {
            "SLACK": {},
            "TEAMS": {"directory_id": "contoso.example"},
            "LINE_WORKS": {"service_account": "a@b", "private_key": self.keys[0]},
        }
        return [{**common, "system_type": system, "options": options[system]} for system in registry.FOLDERS]

    def accounts(self) -> list[dict[str, Any]]:
        account = {
            "type": "service_account", "client_email": "kpi@p.iam.gserviceaccount.com", "private_key": self.keys[1],
            "private_key_id": SECRETS["key-id"], "client_secret": SECRETS["client-secret"],
        }  # fmt: skip
        return [{"tenant_id": CONTROL, "spreadsheet_id": "sheet", "service_account": account}]

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture
def cage(database_url: str, tmp_path: Path) -> Iterator[Cage]:
    url = urls.with_database(
        make_conninfo(database_url, password=PASSWORD), str(conninfo_to_dict(database_url)["dbname"])
    )
    with echoing() as echo:
        environ = {
            HOME: str(tmp_path / "home"),
            DATABASE_URL: url,
            KEYS: f"first:{RING},old:{OLD_RING}",
            NOTICE_URL: f"{echo.url}notices?key={SECRETS['notice-query']}",
            NOTICE_SECRET: SECRETS["notice-secret"],
            **echo.environment,
        }
        assert PASSWORD in url
        yield Cage(environ, tmp_path, echo, (pem(), pem()))


@pytest.fixture
def run(cage: Cage, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command; what it says is kept, and what it raises with its whole trace."""

    def runs(*argv: str, **more: str) -> int:
        capsys.readouterr()
        code = -1
        try:
            code = cli.run(argv, {**cage.environ, **more})
        except Exception as error:  # noqa: BLE001 - whatever it is: who runs the command sees it
            cage.told.append("".join(traceback.format_exception(error)))
        cage.told += capsys.readouterr()
        return code

    return runs


def test_no_canary_is_heard(
    cage: Cage, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="integration_pipeline")
    fill(cage, run)
    for reply in replies(cage):
        cage.echo.reply = reply
        for grants in (None, {"access_token": SECRETS["granted-token"], "refresh_token": SECRETS["granted-refresh"]}):
            cage.echo.grants = grants and {**grants, "expires_in": 3600, "token_type": "bot"}
            run("sync", "-v", "--output", "json", *(["--force-refresh"] if grants is None else []))
    cage.echo.reply = echoes.as_json(403)
    for system in registry.FOLDERS:
        run("connections", "test", "-v", "--tenant-id", CONTROL, "--system-type", system)
    publish(cage, run)
    import_what_is_wrong(cage, run)
    configure_what_is_wrong(cage, run)
    orchestrate(cage, monkeypatch)
    report(run, cage)
    assert {SECRETS[name] for name in ("client-secret", "access-token", "refresh-token", "granted-token")} <= set(
        cage.echo.seen
    )
    places = {
        "said": "\n".join(cage.told),
        "logged": caplog.text,
        "database": stored(cage),
        "dagster": dagster_s(cage),
        "shown": shown(cage),
    }
    assert {name: found for name, text in places.items() if (found := heard(text, cage.canaries))} == {}
    assert [name for name in ("said", "database", "dagster") if CONTROL not in places[name]] == []
    assert "INVALID_RESPONSE" in places["said"]
    assert "AUTH_ERROR" in places["database"]


def heard(text: str, canaries: set[str]) -> set[str]:
    """The lines that hold one of them."""
    return {line[:300] for line in text.splitlines() if any(canary in line for canary in canaries)}


def fill(cage: Cage, run: Run) -> None:
    tenants = cage.file("tenants.csv", f"tenant_id,name\n{CONTROL},A\n")
    assert run("tenants", "import", tenants) == 0
    assert run("connections", "import", cage.file("connections.json", json.dumps(cage.entries()))) == 0
    assert run("spreadsheets", "import", cage.file("spreadsheets.json", json.dumps(cage.accounts()))) == 0


def replies(cage: Cage) -> list[Callable[[Asked], Reply]]:
    def without_a_database(asked: Asked) -> Reply:
        lose_the_database(cage)
        return echoes.as_rows(asked)

    return [
        *(echoes.as_json(status) for status in (200, 400, 401, 403, 404, 410, 429, 500, 503)),
        *(echoes.as_html(status) for status in (200, 401, 502)),
        echoes.as_rows,
        echoes.as_redirect,
        echoes.cut,
        without_a_database,
    ]


def lose_the_database(cage: Cage) -> None:
    with psycopg.connect(cage.environ[DATABASE_URL]) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def publish(cage: Cage, run: Run) -> None:
    for reply in (echoes.as_json(400), echoes.as_json(403), echoes.as_html(200), echoes.as_rows, echoes.as_redirect):
        cage.echo.reply = reply
        for grants in (None, {"access_token": SECRETS["granted-token"], "expires_in": 3600}):
            cage.echo.grants = grants
            assert run("publish", "-v", "--output", "json") in (0, 1)


def import_what_is_wrong(cage: Cage, run: Run) -> None:
    """Files in which the secret is where it should not be, or what it should not be."""
    canary = SECRETS["malformed"]
    entries = cage.entries()
    wrong = [
        json.dumps(entries)[:-3],
        json.dumps([{**entries[0], "client_secret": [canary]}]),
        json.dumps([{**entries[0], "access_token": {"x": canary}}]),
        json.dumps([{**entries[0], "token_expires_at": canary}]),
        json.dumps([{**entries[0], "batch_size": canary}]),
        json.dumps([{**entries[0], "system_type": canary}]),
        json.dumps([{**entries[0], "api_endpoint": f"https://u:{SECRETS['endpoint-password']}@slack.com/"}]),
        json.dumps([{**entry, "options": {**entry["options"], "private_key": canary}} for entry in entries]),
        json.dumps([{**entry, "options": {"x": canary}} for entry in entries]),
        f'[{{"client_secret": "{canary}\\ud800"}}]',
        canary,
    ]
    accounts = cage.accounts()
    key = accounts[0]["service_account"]
    wrong_accounts = [
        json.dumps([{**accounts[0], "service_account": canary}]),
        json.dumps([{**accounts[0], "service_account": {**key, "private_key": canary}}]),
        json.dumps([{**accounts[0], "service_account": {**key, "private_key": key["private_key"][:-200]}}]),
        json.dumps([{**accounts[0], "service_account": {**key, "client_email": canary}}]),
        json.dumps([{**accounts[0], "service_account": {**key, "type": canary}}]),
        json.dumps(accounts)[:-5],
    ]
    for command, texts in (("connections", wrong), ("spreadsheets", wrong_accounts)):
        for text in texts:
            assert run(command, "import", cage.file("wrong.json", text)) == 2
    for command in ("tenants", "users", "kpis"):
        for text in (*wrong, *wrong_accounts):
            assert run(command, "import", cage.file("wrong.csv", text)) == 2


def configure_what_is_wrong(cage: Cage, run: Run) -> None:
    """A database that is not there, keys that are none, and keys that are wrong."""
    other = f"first:{OLD_RING}"
    rings = (f"first:{RING[:-8]}", f"{RING}", f"first {RING}", f"first:{RING},first:{OLD_RING}", other, f"x:{RING}")
    for ring in rings:
        for command in (("sync",), ("publish",), ("keys", "rotate")):
            assert run(*command, "-v", **{KEYS: ring}) == 2, (ring, command)
    cage.file("ring", RING)
    assert run("sync", **{KEYS: f"file:{cage.folder / 'ring'}"}) == 2
    for url in ("127.0.0.1:1/x", "host:port/x", "h/x?nonsense=1"):
        wrong = {DATABASE_URL: f"postgresql://somebody:{PASSWORD}@{url}"}
        for command in (("sync", "-v"), ("migrate", "-v"), ("report",), ("keys", "rotate")):
            assert run(*command, **wrong) == 2
    receivers = (f"https://u:{SECRETS['endpoint-password']}@x/", f"http://x.example/?k={SECRETS['notice-query']}")
    for url in receivers:
        assert run("sync", **{NOTICE_URL: url}) == 2


def orchestrate(cage: Cage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same failures in Dagster's runs, whose events and outputs are files below ``dagster``."""
    (cage.folder / "dagster").mkdir()
    for name, value in cage.environ.items():
        monkeypatch.setenv(name, value)
    day = dt.datetime.now(dt.UTC).date().isoformat()
    with dg.DagsterInstance.local_temp(str(cage.folder / "dagster")) as instance:
        instance.add_dynamic_partitions("tenants", [CONTROL])
        for reply in (echoes.as_json(403), echoes.as_json(200), echoes.as_html(401), echoes.as_rows):
            cage.echo.reply = reply
            result = defs.resolve_job_def("sync_tenants").execute_in_process(
                instance=instance, tags=range_tags([CONTROL]), raise_on_error=False
            )
            assert not result.success
        cage.echo.reply = echoes.as_json(403)
        result = defs.resolve_job_def("publish_kpis").execute_in_process(
            instance=instance,
            run_config={"ops": {"publish_days": {"config": {"tenant_ids": [CONTROL]}}}},
            tags=range_tags([day, day]),
            raise_on_error=False,
        )
        assert not result.success


def report(run: Run, cage: Cage) -> None:
    for shape in ("text", "markdown", "html"):
        assert run("report", "--format", shape) == 0
        out = cage.folder / f"report.{shape}"
        assert run("report", "--format", shape, "--out", str(out)) == 0
        cage.told.append(out.read_text(encoding="utf-8"))
    for listing in (("history",), ("holds",), ("connections",), ("tenants",)):
        assert run(*listing, "list", "--output", "json") == 0
        assert run(*listing, "list") == 0


def stored(cage: Cage) -> str:
    """Every row of every table as text: sealed, no canary can be read in them either."""
    with psycopg.connect(cage.environ[DATABASE_URL]) as session:
        tables = session.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ).fetchall()
        rows = [row for (table,) in tables for row in session.execute(f"SELECT t::text FROM {table} AS t".encode())]
    return "\n".join(text for (text,) in rows)


def dagster_s(cage: Cage) -> str:
    """Event logs, run records, and what the runs' processes wrote."""
    files = [path for path in (cage.folder / "dagster").rglob("*") if path.is_file()]
    assert any(path.suffix == ".err" for path in files)
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def shown(cage: Cage) -> str:
    """What the core's own objects say of themselves, to whoever prints or logs one."""
    with open_pipeline(cage.environ) as pipeline:
        found: list[Any] = [pipeline, pipeline.settings, pipeline.database, pipeline.locks, pipeline.keyring]
        opened = builders.opened(pipeline.database, pipeline.keyring)
        published = builders.opened_spreadsheets(pipeline.database, pipeline.keyring)
        assert len(opened) == 3
        assert published
        found += [*opened, *published]
        for connection in opened:
            found.append(registry.provider(connection.system).token_request(connection, dt.datetime.now(dt.UTC)))
    return "\n".join(show(each) for each in found for show in (repr, str))


def test_the_search_finds_what_is_there(cage: Cage, run: Run) -> None:
    fill(cage, run)
    with contextlib.closing(psycopg.connect(cage.environ[DATABASE_URL], autocommit=True)) as session:
        session.execute("UPDATE tenants SET name = %s", (SECRETS["access-token"],))
    run("tenants", "list")
    assert len(heard(stored(cage), cage.canaries)) == 1
    assert len(heard("\n".join(cage.told), cage.canaries)) == 1
