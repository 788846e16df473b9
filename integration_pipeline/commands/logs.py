"""Log records as single lines of ``key=value`` on standard error, for any collector (requirement A16)."""

import datetime as dt
import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from integration_pipeline.commands.output import iso

_QUIET = ("psycopg", "httpx", "httpcore", "uvicorn", "alembic")
"""Libraries that tell every caller what they also raise or return."""


class Line(logging.Formatter):
    """One record, one line. Of an exception only its type and frames: its text may quote what a provider sent."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": iso(dt.datetime.fromtimestamp(record.created, dt.UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": json.dumps(record.getMessage(), ensure_ascii=False),
        }
        if record.exc_info and record.exc_info[0]:
            fields["exception"] = record.exc_info[0].__name__
            fields["frames"] = json.dumps("".join(traceback.format_tb(record.exc_info[2])), ensure_ascii=False)
        return " ".join(f"{name}={value}" for name, value in fields.items())


class _StandardError(logging.StreamHandler):  # type: ignore[type-arg]  # only the stubs know its parameter
    """Writes to what is standard error at that moment: progress bars put themselves before it to make room."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def written(*, is_verbose: bool) -> Iterator[None]:
    """Warnings and worse are written while the block runs, the package's own progress too when asked for."""
    handler = _StandardError()
    handler.setFormatter(Line())
    levels = {"integration_pipeline": logging.INFO if is_verbose else logging.WARNING}
    levels |= dict.fromkeys(_QUIET, logging.WARNING if is_verbose else logging.CRITICAL)
    before = {name: logging.getLogger(name).level for name in levels}
    logging.getLogger().addHandler(handler)
    _set(levels)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        _set(before)


def _set(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
