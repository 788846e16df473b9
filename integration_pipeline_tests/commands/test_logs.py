"""Log lines: one each, for any collector, and nothing in them that an exception quoted."""

import json
import logging

import pytest

from integration_pipeline.commands import logs


def test_a_record_is_one_line_of_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.written(is_verbose=False):
        logging.getLogger("integration_pipeline.sync").warning("two\nlines and a %s", '"quote"')
        logging.getLogger("integration_pipeline.sync").info("not asked for")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    time, level, name, message = line.rstrip("\n").split(" ", 3)
    assert time.startswith("time=2")
    assert time.endswith("Z")
    assert (level, name) == ("level=WARNING", "logger=integration_pipeline.sync")
    assert json.loads(message.removeprefix("message=")) == 'two\nlines and a "quote"'


def test_an_exception_shows_its_type_and_frames_and_not_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        secret = "xoxb-secret"
        raise ValueError(secret)

    with logs.written(is_verbose=False):
        try:
            fail()
        except ValueError:
            logging.getLogger("integration_pipeline").exception("a defect")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "exception=ValueError" in line
    assert "in fail" in line
    assert "xoxb-secret" not in line


def test_verbose_says_more_of_the_package_and_libraries_stay_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.written(is_verbose=True):
        logging.getLogger("integration_pipeline.batch").info("asked for")
        logging.getLogger("httpx").info("GET https://example.com/?token=secret")
    assert capsys.readouterr().err.count("asked for") == 1
    with logs.written(is_verbose=False):
        logging.getLogger("psycopg.pool").warning("said by the exception too")
    assert not capsys.readouterr().err
