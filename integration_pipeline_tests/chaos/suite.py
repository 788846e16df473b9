"""All cases of the suite, and the sample of them that is played with the other tests."""

import random
from collections.abc import Iterator, Mapping

from integration_pipeline_tests.chaos import (
    clocks,
    crowds,
    databases,
    kills,
    mornings,
    providers,
    servers,
    shrinking,
    texts,
)
from integration_pipeline_tests.chaos.case import Case

KILLS = 100


def cases(seed: int, *, kills_wanted: int = KILLS) -> Iterator[Case]:
    """Every case, the same for the same seed."""
    yield from providers.cases(random.Random(f"{seed} providers"))
    for family in (databases, mornings, shrinking, texts, clocks, crowds, servers):
        yield from family.cases(random.Random(f"{seed} {family.__name__}"))
    yield from kills.cases(random.Random(f"{seed} kills"), kills_wanted)


SAMPLE: Mapping[str, int] = {
    "provider": 14,
    "database": 4,
    "publish": 3,
    "text": 3,
    "world": 2,
    "clock": 2,
    "process": 2,
    "kill": 3,
}
"""How many cases of each family are played with the other tests."""


def sample(seed: int) -> list[Case]:
    """A few of every family, others with every seed."""
    rng = random.Random(f"{seed} sample")
    families: dict[str, list[Case]] = {}
    for case in cases(seed, kills_wanted=3):
        families.setdefault(case.family, []).append(case)
    return [case for family, found in families.items() for case in rng.sample(found, min(SAMPLE[family], len(found)))]
