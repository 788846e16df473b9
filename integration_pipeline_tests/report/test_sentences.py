"""What the pipeline says of errors is read in Japanese too, and what it names is never lost."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

import integration_pipeline
from integration_pipeline import errors
from integration_pipeline.diff import Diff
from integration_pipeline.provider import Answer
from integration_pipeline.providers.slack.answers import add_scope, classify
from integration_pipeline.providers.teams.pages import grant
from integration_pipeline.publish.refusals import refusal
from integration_pipeline.report.sentences import JAPANESE, japanese
from integration_pipeline.verdict import Plan, Walk, verdict
from integration_pipeline_tests.builders import TEAMS, connection
from integration_pipeline_tests.report.test_words import places

TABLES = [
    ("providers.slack.answers", "_MEANINGS"),
    ("providers.slack.auth", "_INSTALL"),
    ("providers.teams.answers", "_REMEDIES"),
    ("providers.teams.auth", "_REMEDIES"),
    ("providers.lineworks.answers", "_REMEDIES"),
    ("providers.lineworks.answers", "_GRANTS"),
]
"""Where remedies stand that are looked up; all others are written where the error is."""
ELSEWHERE = {"commands", "defs", "report", "sandbox", "embedded"}
"""What no report ever repeats."""


def modules() -> Iterator[tuple[str, ModuleType]]:
    for found in pkgutil.walk_packages(integration_pipeline.__path__, "integration_pipeline."):
        name = found.name.removeprefix("integration_pipeline.")
        if not found.ispkg and not ELSEWHERE & set(name.split(".")) and name not in {"__main__", "definitions"}:
            yield name, importlib.import_module(found.name)


def written(node: ast.expr, module: ModuleType) -> Iterator[str]:
    """The texts that an expression may be: what it names is an ``x``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (next(written(part, module), "x") for part in node.values)
        yield "".join(parts)
    elif isinstance(node, ast.FormattedValue):
        yield from written(node.value, module)
    elif isinstance(node, ast.Name) and isinstance(constant := vars(module).get(node.id), str):
        yield constant
    elif isinstance(node, ast.BoolOp):
        for part in node.values:
            yield from written(part, module)


def remedies() -> Iterator[tuple[str, str]]:
    for name, module in modules():
        assert module.__file__
        with open(module.__file__, encoding="utf-8") as source:  # noqa: PTH123 - a path of the interpreter's
            tree = ast.parse(source.read())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and not is_wrong_usage(node):
                for keyword in node.keywords:
                    if keyword.arg == "remedy":
                        yield from ((name, text) for text in written(keyword.value, module))
    for name, table in TABLES:
        module = importlib.import_module(f"integration_pipeline.{name}")
        yield from ((name, text) for text in texts(vars(module)[table]))


def is_wrong_usage(call: ast.Call) -> bool:
    """Whether it is said to whoever types, and stored nowhere. (What is stored of wrong configuration is Misconfigured.)"""
    return isinstance(call.func, ast.Name) and call.func.id == "UsageError"


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from texts(part)


def test_every_remedy_is_known_in_japanese() -> None:
    found = set(remedies())
    assert len(found) > 30
    assert not sorted((name, text) for name, text in found if japanese(text) is None)


@pytest.mark.parametrize(("english", "translation"), JAPANESE.items())
def test_a_translation_names_what_the_sentence_names(english: str, translation: str) -> None:
    assert places(english) - {"method"} == places(translation)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (add_scope("groups:read,channels:read"), ["groups:read,channels:read"]),
        (grant(connection(system=TEAMS, client_id="c-1", options={"directory_id": "d-1"}), "User.Read.All"),
            ["User.Read.All", "https://login.microsoftonline.com/d-1/adminconsent?client_id=c-1"]),
        (grant(connection(system=TEAMS), "User.Read.All", "GroupMember.Read.All"), ["User.Read.All, GroupMember.Read.All"]),
        ("could not read channels:T1: Microsoft answered 403 (Forbidden); channels:T2: Microsoft answered 429; and 1,200 more; 2 records could not be read", ["channels:T1", "403", "Forbidden", "channels:T2", "429", "1,200", "2 件"]),
        ("Slack answered ratelimited; the provider asks to wait 400 s, and this sync may wait 300 s", ["400", "300"]),
        ("the provider rejects even a fresh access token: Slack answered invalid_auth", ["invalid_auth"]),
    ],
)  # fmt: skip
def test_what_a_sentence_names_is_in_its_translation_as_it_is(text: str, named: list[str]) -> None:
    said = japanese(text)
    assert said is not None
    assert all(name in said for name in named)
    assert not {"could", "answered", "Add", "the", "and"} & set(said.split())


def test_what_is_not_known_stays_as_it_was_stored() -> None:
    assert japanese("something new") is None
    assert japanese("could not read channels: something new") is None
    assert japanese("Slack answered x; something new") is None
    assert japanese("") is None


@pytest.mark.parametrize("part", ["x: ", "could not read a: ", "Slack answered x; ", "and 3 more; ", "{why} "])
def test_what_a_provider_calls_its_things_keeps_nobody_busy(part: str) -> None:
    assert japanese(part * 2000 + "something new") is None


@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_what_google_refuses_is_told_with_the_address_to_share_with(status: int) -> None:
    error = refusal(Answer(status, {}, b"{}"), "GET sheets.googleapis.com/v4/x", "kpi@p.iam.gserviceaccount.com")
    assert error is not None
    assert error.remedy is not None
    assert "kpi@p.iam.gserviceaccount.com" in (japanese(error.remedy) or "")
    assert all(name in (japanese(str(error)) or "") for name in (str(status), "sheets.googleapis.com/v4/x"))


def test_what_slack_says_is_told_with_its_code() -> None:
    error = classify(Answer(200, {}, b'{"ok": false, "error": "missing_scope", "needed": "groups:read"}'))
    assert error is not None
    assert "groups:read" in (japanese(str(error)) or "")


def test_a_hold_is_told_with_what_to_type() -> None:
    objections = ["300 of 1000 active USER rows would be deactivated, more than 10 and more than 20 %"]
    hold_id = UUID(int=7)
    for held, commands in ((hold_id, [f"show {hold_id}", f"approve {hold_id}"]), (None, [])):
        _, _, _, message, remedy = verdict(Plan(1, Diff({}, by_kind=False), Walk(), objections), held)
        assert "1000" in (japanese(message or "") or "")
        assert all(command in (japanese(remedy or "") or "") for command in ["", *commands])
        assert japanese(remedy or "")


def test_the_general_remedy_is_known() -> None:
    assert japanese(errors.RECONNECT)
