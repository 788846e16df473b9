"""What is installed is what was locked, under licences that are fine; and SECURITY.md names tests that there are."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def locked(name: str) -> dict[str, str]:
    """Version by package."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_one_version_and_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9._-]*==[^\s;]+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]
    assert "://" not in text
    assert " @ " not in text


def test_both_locks_agree_on_the_packages_they_share() -> None:
    running, developing = (locked(name) for name in LOCKS)
    assert {name: version for name, version in running.items() if name in developing} == {
        name: version for name, version in developing.items() if name in running
    }


def test_what_the_project_asks_for_is_locked_at_a_version_that_it_accepts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    wanted = {
        "requirements.lock": [*project["project"]["dependencies"], *groups["build"]],
        "requirements-dev.lock": [entry for entry in groups["dev"] if isinstance(entry, str)],
    }
    for name, requirements in wanted.items():
        versions = locked(name)
        for requirement in map(Requirement, requirements):
            assert Version(versions[requirement.name]) in requirement.specifier, requirement


def test_every_package_it_runs_on_is_under_a_licence_that_is_fine() -> None:
    found = subprocess.run([sys.executable, ROOT / ".ci/licences.py"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert len(found.stdout.splitlines()) == len(locked("requirements.lock"))


def test_the_audit_takes_no_silence_for_an_answer_and_judges_both_locks() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile[makefile.index("\naudit:") :].partition("\n\n")[0]
    assert all(word in recipe for word in ("--strict", "--require-hashes", "--disable-pip", *LOCKS))


def test_every_test_that_security_relies_on_is_there() -> None:
    named = re.findall(r"`((?:\w+/)?test_\w+\.py)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "integration_pipeline_tests" / name).is_file()] == []
