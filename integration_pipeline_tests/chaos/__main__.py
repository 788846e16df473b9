"""``make chaos``: every fault at every moment; prints what was tried, what survived, and what broke (nothing)."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from integration_pipeline.store import migrations, urls
from integration_pipeline.store.embedded import Embedded
from integration_pipeline_tests.chaos import players, suite
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.ground import Ground

WORDS = ("unharmed", "partial", "failed")


def main(words: Sequence[str] | None = None) -> int:
    """:param words: the command line; None = this process's."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed repeats the same run (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name holds this")
    parser.add_argument("--quick", action="store_true", help="the sample that `make test` plays")
    parser.add_argument("--kills", type=int, default=suite.KILLS, help="how many SIGKILLs (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once (default: %(default)s)")
    arguments = parser.parse_args(words)
    quick, only, kills = arguments.quick, arguments.only, arguments.kills
    cases = players.chosen(arguments.seed, quick=quick, only=only, kills=kills)
    if not cases:
        print(f"make chaos: no case's name holds {only!r}", file=sys.stderr)
        return 2
    verdicts: list[Verdict] = []
    try:
        with _ground(arguments.seed) as ground:
            work = players.Work(ground, quick, only, kills)
            begun = time.monotonic()
            print(f"seed {arguments.seed}: {len(cases)} cases", flush=True)
            # Closed before the server is: whoever still plays has to put its own things in order.
            with closing(players.play(work, jobs=arguments.jobs)) as played:
                for case, verdict in zip(cases, played, strict=True):
                    verdicts.append(verdict)
                    for problem in verdict.broken:
                        print(f"BROKEN {case}: {problem}", flush=True)
                    if len(verdicts) % 100 == 0:
                        print(f"… {len(verdicts)} of {len(cases)} after {time.monotonic() - begun:.0f} s", flush=True)
    except KeyboardInterrupt:
        print(f"stopped after {len(verdicts)} of {len(cases)} cases", file=sys.stderr)
        return 1
    return _summary(arguments.seed, cases, verdicts)


@contextmanager
def _ground(seed: int) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-chaos-") as folder:
        home = Path(folder)
        with Embedded(home) as url:
            with psycopg.connect(url, autocommit=True) as session:
                # What is lost here is sessions and processes, never the machine: nothing need reach the disk.
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                    session.execute(f"ALTER SYSTEM SET {setting} = off".encode())
                session.execute("SELECT pg_reload_conf()")
            urls.create_database(url, "template")
            migrations.upgrade(urls.with_database(url, "template"))
            yield Ground(url, "template", home, seed)


def _summary(seed: int, cases: Sequence[Case], verdicts: Sequence[Verdict]) -> int:
    """A line for each fault, and the sum."""
    names = list(dict.fromkeys((case.family, case.fault) for case in cases))
    width = max((len(f"{family}: {fault}") for family, fault in names), default=0)
    print(f"\n{'fault':<{width}}  " + "".join(f"{name:>10}" for name in ("tried", *WORDS, "broken")))
    for name in names:
        found = [verdict for case, verdict in zip(cases, verdicts, strict=True) if (case.family, case.fault) == name]
        came_to = Counter(verdict.came_to for verdict in found)
        figures = (len(found), *(came_to[word] for word in WORDS), sum(len(verdict.broken) for verdict in found))
        print(f"{': '.join(name):<{width}}  " + "".join(f"{figure:>10}" for figure in figures))
    broken = sum(len(verdict.broken) for verdict in verdicts)
    survived = sum(not verdict.broken for verdict in verdicts)
    print(f"\nseed {seed}: {len(names)} faults, {len(cases)} tried, {survived} survived, {broken} invariants broken")
    return 1 if broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, players.stop)
    sys.exit(main())
