"""A sandbox's world, brought into the pipeline the way an operator would: by files and their imports."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import NamedTuple

from integration_pipeline import registry
from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.sandbox.world import World
from integration_pipeline.settings import HOME, PREFIX, Settings
from integration_pipeline.store import connection_files, entries, people, people_files, spreadsheet_files
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Imported


class Arrived(NamedTuple):
    """What the imports of a world came to."""

    tenants: Imported
    users: Imported
    connections: Imported
    spreadsheets: Imported


def write_files(world: World, folder: Path) -> None:
    """The world's import files.

    :raises UsageError: they cannot be written.
    """
    texts = {
        "tenants.csv": world.tenants_csv(),
        "users.csv": world.users_csv(),
        "connections.json": world.connections_json(),
        "spreadsheets.json": world.spreadsheets_json(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error


def arrive(world: World, database: Database, keyring: Keyring, settings: Settings) -> Arrived:
    """Import the world. Again is fine: its connections then get the credentials that the world takes now."""
    tenants = people_files.parse_tenants(world.tenants_csv().encode().splitlines(keepends=True))
    users = people_files.parse_users(world.users_csv().encode().splitlines(keepends=True))
    connections = entries.parse_entries(world.connections_json().encode())
    spreadsheets = entries.parse_entries(world.spreadsheets_json().encode())
    return Arrived(
        people.import_tenants(database, tenants),
        people.import_users(database, users),
        connection_files.import_entries(database, keyring, settings, connections, registry.providers()),
        spreadsheet_files.import_entries(database, keyring, spreadsheets),
    )


@contextmanager
def demo_home(settings: Settings) -> Iterator[Path]:
    """The demo's own home below the real one, held alone while the block runs: no real tenant ever lives there.

    :raises UsageError: another demo, or the UI with the demo's tenants, is using it.
    """
    home = settings.home / "demo"
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("ab")
    except OSError as error:
        raise UsageError(f"{home} cannot be written: {error.strerror}") from error
    with lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another demo, or dev with the demo's tenants, is using {home}: end it first") from None
        yield home


def demo_environ(environ: Mapping[str, str], home: Path, sandbox: Mapping[str, str]) -> dict[str, str]:
    """The environment without the operator's own settings, so that no real database, key or provider is in it."""
    others = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    return {**others, HOME: str(home), **sandbox}
