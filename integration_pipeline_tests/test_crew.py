"""Who works, who waits, and who is next."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest

from integration_pipeline.crew import Crew, Turn

SOON = 30.0
"""A guard against hanging for ever, no expectation."""


@dataclass
class Stage:
    """Jobs that do what they are told, step by step: a test says what happens, and looks."""

    jobs: Sequence[str]
    slots: int
    most: int = 1000
    waiting: Sequence[str] = ()
    """Those that give up their slot once, until they are let go on."""
    at_work: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    most_at_work: int = 0
    back: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.crew: Crew[str] = Crew(self.work, self.jobs, slots=self.slots, most=self.most)
        self.go_on = {job: threading.Event() for job in self.jobs}
        self.end = {job: threading.Event() for job in self.jobs}
        self.ended: list[str] = []
        self.aside: list[str] = []

    def work(self, job: str) -> None:
        self.move(job, into=[self.begun, self.at_work])
        if job in self.waiting:
            self.move(job, out_of=self.at_work, into=[self.aside])
            self.crew.release()
            assert self.go_on[job].wait(SOON)
            self.crew.acquire()
            self.move(job, out_of=self.aside, into=[self.at_work, self.back])
        assert self.end[job].wait(SOON)
        self.move(job, out_of=self.at_work, into=[self.ended])

    def move(self, job: str, *, into: Sequence[list[str]], out_of: list[str] | None = None) -> None:
        with self.changed:
            if out_of is not None:
                out_of.remove(job)
            for each in into:
                each.append(job)
            self.most_at_work = max(self.most_at_work, len(self.at_work))
            self.changed.notify_all()

    def until(self, holds: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, SOON)


def _are_at_work(stage: Stage, jobs: Sequence[str]) -> bool:
    """Whether it is these; threads that begin at once come to it in any order."""
    return sorted(stage.at_work) == list(jobs)


def test_as_many_work_as_there_are_slots_and_in_the_order_given() -> None:
    stage = Stage([f"{number:02d}" for number in range(20)], slots=3)
    stage.crew.start()
    for number, job in enumerate(stage.jobs):
        stage.until(partial(_are_at_work, stage, stage.jobs[number : number + 3]))
        stage.end[job].set()
    stage.until(lambda: len(stage.ended) == 20)
    assert stage.most_at_work == 3


def test_any_number_may_wait_without_keeping_one_from_working() -> None:
    waiting = [f"waits {number}" for number in range(50)]
    stage = Stage([*waiting, "works"], slots=1, waiting=waiting)
    stage.crew.start()
    stage.end["works"].set()
    stage.until(lambda: stage.ended == ["works"])
    assert sorted(stage.aside) == sorted(waiting)
    for job in waiting:
        stage.end[job].set()
        stage.go_on[job].set()
    stage.until(lambda: len(stage.ended) == 51)
    assert stage.most_at_work == 1


def test_who_comes_back_from_a_wait_goes_before_those_who_have_not_begun() -> None:
    stage = Stage(["waits", "works", "next"], slots=1, waiting=["waits"])
    stage.crew.start()
    stage.until(lambda: stage.at_work == ["works"])
    stage.go_on["waits"].set()
    while not stage.crew._coming_back:
        threading.Event().wait(0.001)
    stage.end["works"].set()
    stage.until(lambda: stage.back == ["waits"])
    assert stage.begun == ["waits", "works"]
    stage.end["waits"].set()
    stage.until(lambda: stage.at_work == ["next"])
    stage.end["next"].set()
    stage.until(lambda: len(stage.ended) == 3)


def test_no_more_are_under_way_than_there_may_be_threads() -> None:
    stage = Stage(["one", "two", "three"], slots=2, most=2, waiting=["one", "two"])
    stage.crew.start()
    while stage.crew._free < 2:
        threading.Event().wait(0.001)
    assert sorted(stage.begun) == ["one", "two"]
    stage.end["one"].set()
    stage.go_on["one"].set()
    stage.until(lambda: "three" in stage.at_work)
    for job in stage.jobs:
        stage.end[job].set()
        stage.go_on[job].set()
    stage.until(lambda: len(stage.ended) == 3)


def test_a_system_that_gives_no_more_threads_makes_the_rest_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    start, alive = threading.Thread.start, list[threading.Thread]()

    def scarce(thread: threading.Thread) -> None:
        if sum(one.is_alive() for one in alive) == 1:
            raise RuntimeError("can't start new thread")
        alive.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    stage = Stage(["one", "two"], slots=2)
    stage.crew.start()
    stage.until(lambda: stage.at_work == ["one"])
    assert stage.begun == ["one"]
    stage.end["one"].set()
    stage.end["two"].set()
    stage.until(lambda: stage.ended == ["one", "two"])


def test_a_crew_that_was_stopped_begins_nothing_more() -> None:
    stage = Stage(["one", "two"], slots=1)
    stage.crew.start()
    stage.until(lambda: stage.at_work == ["one"])
    (thread,) = stage.crew.stop()
    stage.end["one"].set()
    thread.join(SOON)
    assert not thread.is_alive()
    assert stage.begun == ["one"]


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(256, 4000, "1024 3272"), (150, 500, "100 500"), (100, 150, "8 150"), (3500, 4000, "1024 3500")],
)
def test_no_more_are_under_way_than_there_are_files_for(soft: int, hard: int, expected: str) -> None:
    program = (
        "import resource, sys; from integration_pipeline.crew import most_under_way; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[1:]))); "
        "print(most_under_way(1024, slots=8), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    command = [sys.executable, "-c", program, str(soft), str(hard)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == expected


# --- turns


def taking(turn: Turn, name: str, taken: list[str]) -> threading.Thread:
    """Somebody who waits for the turn, notes that it came, and passes it on."""

    def work() -> None:
        turn.take()
        taken.append(name)
        turn.give_up()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def until_they_wait(turn: Turn, number: int) -> None:
    while len(turn._waiting) < number:
        time.sleep(0.001)


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turn, taken, threads = Turn(threading.Semaphore(9), patience_seconds=SOON), list[str](), list[threading.Thread]()
    turn.take()
    turn.take()  # has it already
    for number, name in enumerate("abc", start=1):
        threads.append(taking(turn, name, taken))
        until_they_wait(turn, number)
    assert taken == []
    turn.give_up()
    for thread in threads:
        thread.join(SOON)
    assert taken == ["a", "b", "c"]


def test_who_hangs_loses_its_turn_and_takes_nobody_elses_away() -> None:
    turn, taken = Turn(threading.Semaphore(9), patience_seconds=0.0), list[str]()
    turn.take()
    taking(turn, "not kept waiting", taken).join(SOON)
    assert taken == ["not kept waiting"]
    turn.give_up()  # it was lost: nobody's is passed on
    taking(turn, "the next", taken).join(SOON)
    assert taken == ["not kept waiting", "the next"]


def test_turns_that_are_lost_while_they_are_passed_on_end_nobodys_work() -> None:
    turn, ended = Turn(threading.Semaphore(9), patience_seconds=0.0001), list[int]()

    def work() -> None:
        for number in range(100):
            turn.take()
            time.sleep(0.0001 * (number % 5))  # as long as others are patient, or so
            turn.give_up()
        ended.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert len(ended) == len(threads)
    turn.take()
    assert (turn._holder, len(turn._waiting)) == (threading.get_ident(), 0)


def test_whoever_waits_with_its_slot_gives_up_both() -> None:
    slot, taken = threading.Semaphore(1), list[str]()
    turn = Turn(slot, patience_seconds=SOON)
    turn.acquire()
    turn.release()
    assert slot.acquire(blocking=False)
    taking(turn, "another", taken).join(SOON)
    assert taken == ["another"]
