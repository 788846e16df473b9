"""What is written for people is true of the code: links lead somewhere, commands parse, names are there, both READMEs agree."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from integration_pipeline import cli, settings
from integration_pipeline.pipeline import endpoints
from integration_pipeline_tests.conftest import SERVERS

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.ja.md")
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "integration_pipeline/**/*.md")
    for path in ROOT.glob(pattern)
)
OF_OTHERS = {
    "celery_executor",
    "delete_run",
    "max_connections",
    "pg_dump",
    "pg_read_all_data",
    "rest_api",
    "run_launcher",
}
"""What other programs call their own."""
OF_THE_PAST = ("CHANGELOG.md",)


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def links(document: str) -> Iterator[tuple[str, str]]:
    """Where a document points to inside the repository: a path ("" = itself), and a heading's anchor or ""."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text(document)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(document: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def blocks(document: str) -> list[list[str]]:
    """What stands in fences, without comments."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text(document), re.MULTILINE | re.DOTALL)
    return [[re.sub(r"\s+#.*", "", line) for line in block.splitlines()] for block in fenced]


@cache
def names() -> set[str]:
    """Every name in the code as it is: migrations tell how it became so, and know what is gone."""
    patterns = ("integration_pipeline/**/*.py", "sql/[!m]*/**/*.sql", "dagster.yaml", "pyproject.toml")
    paths = chain.from_iterable(map(ROOT.glob, patterns))
    found = {name for path in paths for name in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    kpis = {path.stem.partition("_")[2] for path in ROOT.glob("sql/kpi/*.sql")}
    return found | kpis | {path.stem for path in ROOT.glob("integration_pipeline_tests/**/*")}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for path, anchor in links(document):
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), path
        assert not anchor or anchor in anchors(str(target.resolve().relative_to(ROOT))), (path, anchor)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_is_one(document: str) -> None:
    named = re.findall(
        r"`integration-pipeline ([^`]*)`|^(?:.*\| )?integration-pipeline ([^#\n&>]*)", text(document), re.MULTILINE
    )
    for inline, block in named:
        arguments = shlex.split((inline or block).replace("…", "x").replace("YESTERDAY", "2026-11-20"))
        assert arguments == ["report"] or cli.parser().parse_args(arguments).run, arguments


@pytest.mark.parametrize("document", [*DOCUMENTS, ".env.example"])
def test_every_variable_is_read(document: str) -> None:
    read = {*settings._FIXED, *(endpoint.variable for endpoint in endpoints())}
    named = set(re.findall(r"INTEGRATION_PIPELINE_[A-Z_]+", text(document)))
    assert named <= {*read, SERVERS} or document in OF_THE_PAST
    assert document != ".env.example" or named == read


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name not in OF_THE_PAST])
def test_every_name_is_still_there(document: str) -> None:
    quoted = re.findall(r"`([^`\n]+)`", text(document))
    named = {name for code in quoted for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", code)}
    assert not named - names() - OF_OTHERS


def test_both_readmes_show_the_same_commands_and_lead_to_the_same_pages() -> None:
    english, japanese = READMES
    assert blocks(english) == blocks(japanese)
    assert set(links(english)) ^ set(links(japanese)) == {(english, ""), (japanese, "")}
    assert text(english).count("\n## ") == text(japanese).count("\n## ")
