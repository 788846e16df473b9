"""Processes that play cases side by side: most of a case is waiting for threads and sockets."""

import logging
import signal
import traceback
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import active_children, get_context

from integration_pipeline_tests.chaos import suite
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.ground import Ground


@dataclass(frozen=True, slots=True)
class Work:
    """What to play. Every process makes the same list of it."""

    ground: Ground
    quick: bool
    only: str
    kills: int

    def cases(self) -> list[Case]:
        return chosen(self.ground.seed, quick=self.quick, only=self.only, kills=self.kills)


def chosen(seed: int, *, quick: bool, only: str, kills: int) -> list[Case]:
    """The cases of a seed whose name holds ``only``."""
    found = suite.sample(seed) if quick else suite.cases(seed, kills_wanted=kills)
    return [case for case in found if only in str(case)]


_begun: list[tuple[Work, list[Case]]] = []


def play(work: Work, *, jobs: int) -> Generator[Verdict, None, None]:
    """The verdicts, in the order of the cases."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (work,)) as pool:
        yield from pool.map(_play_one, range(len(work.cases())))


def stop(*_: object) -> None:
    """SIGTERM's handler: as Ctrl-C on a terminal, which reaches every process. What a case has started ends with it."""
    for player in active_children():
        player.terminate()
    raise KeyboardInterrupt


def _begin(work: Work) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.disable(logging.ERROR)  # what goes wrong here is on purpose; what comes of it is judged
    _begun.append((work, work.cases()))


def _play_one(number: int) -> Verdict:
    ((work, cases),) = _begun
    try:
        return cases[number].play(work.ground)
    except Exception as error:  # noqa: BLE001 - a defect of one case is a finding, and ends no other
        traceback.print_exc()
        return Verdict("failed", [f"the case itself raised {type(error).__name__}: {error}"])
