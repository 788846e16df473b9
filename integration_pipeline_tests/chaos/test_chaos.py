"""A sample of the chaos suite; ``make chaos`` plays all of it."""

import sys
from pathlib import Path

import pytest

from integration_pipeline_tests.chaos import __main__ as chaos
from integration_pipeline_tests.chaos import suite
from integration_pipeline_tests.chaos.case import Case
from integration_pipeline_tests.chaos.commands import stopped
from integration_pipeline_tests.chaos.ground import Ground

SEED = 1


@pytest.fixture(scope="session")
def ground(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(server_url, template, Path(tmp_path_factory.mktemp("chaos")), SEED)


@pytest.mark.parametrize("case", suite.sample(SEED), ids=str)
def test_whatever_goes_wrong_no_invariant_is_broken(ground: Ground, case: Case) -> None:
    assert not case.play(ground).broken


def test_a_seed_is_the_same_run_again_and_another_seed_another_one() -> None:
    assert [str(case) for case in suite.cases(7)] == [str(case) for case in suite.cases(7)]
    assert {str(case) for case in suite.sample(7)} != {str(case) for case in suite.sample(8)}


def test_a_name_that_no_case_has_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert chaos.main(["--quick", "--only", "nothing like this"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "make chaos: no case's name holds 'nothing like this'\n")


def test_a_suite_that_is_stopped_leaves_no_process_and_no_file_behind() -> None:
    command = [sys.executable, "-m", "integration_pipeline_tests.chaos", "--only", "kill:", "--jobs", "1"]
    ended, left = stopped(command, helper="spawn_main")
    assert (ended.returncode, left) == (1, [])
    assert "stopped after 0 of 100 cases" in ended.stderr
