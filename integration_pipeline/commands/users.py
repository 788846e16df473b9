"""``users``: import the company's own users, whom accounts are matched with."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping

from integration_pipeline.commands import files
from integration_pipeline.commands.output import emit
from integration_pipeline.commands.parsing import Commands
from integration_pipeline.commands.tenants import imported

_ABOUT = """\
The file is CSV in UTF-8 with the columns tenant_id, internal_user_id, email, employee_number, display_name and
is_active (true, the default, or false). New users are added and known ones updated; a user that the file does not
mention stays as it is: who leaves is said by is_active. Nothing is imported unless all of the file is right."""


def register(commands: Commands) -> None:
    group = commands.group("users", summary="the company's own users: import")
    importing = group.add(
        "import",
        summary="add and update internal users from a CSV file",
        about=_ABOUT,
        examples=["integration-pipeline users import users.csv"],
        run=run_import,
    )
    importing.add_argument("file", metavar="FILE.csv", help="the file; - is standard input")


def run_import(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import people, people_files

    with files.named(arguments.file):
        users = people_files.parse_users(files.lines(arguments.file))
    with desk(environ) as opened, files.named(arguments.file):
        result = people.import_users(opened.database, users)
    emit(imported("user", result))
    return 0
