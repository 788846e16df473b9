"""``make chaos``: every fault at every moment; prints what was tried, what survived, and what broke (nothing)."""

import argparse
import logging
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from integration_pipeline.store import migrations, urls
from integration_pipeline.store.embedded import Embedded
from integration_pipeline_tests.chaos import suite
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.ground import Ground

WORDS = ("unharmed", "partial", "failed")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed repeats the same run (default: 1)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name holds this")
    parser.add_argument("--quick", action="store_true", help="the sample that `make test` plays")
    parser.add_argument("--kills", type=int, default=suite.KILLS, help="how many SIGKILLs (default: %(default)s)")
    arguments = parser.parse_args()
    cases = (
        suite.sample(arguments.seed) if arguments.quick else suite.cases(arguments.seed, kills_wanted=arguments.kills)
    )
    chosen = [case for case in cases if arguments.only in str(case)]
    print(f"seed {arguments.seed}: {len(chosen)} cases", flush=True)
    logging.disable(logging.ERROR)  # what goes wrong here is on purpose; what comes of it is judged
    with _ground(arguments.seed) as ground:
        verdicts = _play(chosen, ground)
    return _summary(arguments.seed, chosen, verdicts)


@contextmanager
def _ground(seed: int) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-chaos-") as folder:
        home = Path(folder)
        with Embedded(home) as url:
            with psycopg.connect(url, autocommit=True) as session:
                # The server is never killed here but as a case of its own: nothing need reach the disk.
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                    session.execute(f"ALTER SYSTEM SET {setting} = off".encode())
                session.execute("ALTER SYSTEM SET max_connections = 100")
                session.execute("SELECT pg_reload_conf()")
            urls.create_database(url, "template")
            migrations.upgrade(urls.with_database(url, "template"))
            yield Ground(url, "template", home, seed)


def _play(cases: Sequence[Case], ground: Ground) -> list[Verdict]:
    verdicts, begun = [], time.monotonic()
    for number, case in enumerate(cases, 1):
        try:
            verdict = case.play(ground)
        except Exception as error:  # noqa: BLE001 - a defect of one case is a finding, and ends no other
            traceback.print_exc()
            verdict = Verdict("failed", [f"the case itself raised {type(error).__name__}: {error}"])
        verdicts.append(verdict)
        for problem in verdict.broken:
            print(f"BROKEN {case}: {problem}", flush=True)
        if number % 100 == 0:
            print(f"… {number} of {len(cases)} after {time.monotonic() - begun:.0f} s", flush=True)
    return verdicts


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
    sys.exit(main())
